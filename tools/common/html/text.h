/* What pages of HTML need beyond tools/common/text.h: text from users in markup and in scripts, long text, base64. */
#ifndef TOOLS_COMMON_HTML_TEXT_H
#define TOOLS_COMMON_HTML_TEXT_H

#include "tools/common/text.h"

/* As printf; for numbers and markup, at most 1023 bytes at a time (longer is a failure). */
void tool_html_format(tool_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All the strings before the NULL that ends them: what the build makes of a style sheet or a script. */
void tool_html_lines(tool_text *t, const char *const *lines);

/* s with & < > " ' escaped, so that it is text in an element or in a quoted attribute. Bytes that are not UTF-8, and
 * control characters, which HTML has no place for, become U+FFFD. */
void tool_html_escaped(tool_text *t, const char *s);

/* The same for the first `most` characters of s, with an ellipsis where that leaves some out. */
void tool_html_shortened(tool_text *t, const char *s, size_t most);

/* The number of characters in s, as tool_html_shortened counts them. */
size_t tool_html_length(const char *s);

/* s as a JSON string in a script element: '<' is written as \u003c, so that no "</script" and no "<!--" can be in it. */
void tool_html_json(tool_text *t, const char *s);

/* The first size bytes in base64 (RFC 4648, with '=' at the end). Parts of a text whose sizes are multiples of 3 may be
 * put one after the other. */
void tool_html_base64(tool_text *t, const unsigned char *bytes, size_t size);

#endif
