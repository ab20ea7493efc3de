/* Inside of a wts_doc, for the parsers that build trees (JSON, pickle). */
#ifndef WEIGHTS_DOC_H
#define WEIGHTS_DOC_H

#include "engine/memory.h"
#include "weights/value.h"

struct wts_doc {
    eng_arena arena; /* holds the tree and its texts */
    wts_value root;
};

/* An empty document (root WTS_NULL); NULL when out of memory. Free with wts_doc_free. */
wts_doc *wts_doc_new(void);

/* *duplicate: a key that two of the members have, NULL when there is none. False when out of memory. */
bool wts_doc_find_duplicate(const wts_member *members, size_t count, const char **duplicate);

/* Length in bytes, 1 to 4, of the UTF-8 sequence (RFC 3629: shortest form, no surrogates, at most U+10FFFF) that text
 * begins with; 0 when there is none within length bytes. */
size_t wts_utf8_step(const char *text, size_t length);

/* True when text is valid UTF-8 throughout and holds no NUL. */
bool wts_utf8_valid(const char *text, size_t length);

#endif
