/* A tree of values: what a JSON document or the picklable part of a torch checkpoint holds. One owner (the tree's
 * arena-like wts_doc frees everything at once). */
#ifndef WEIGHTS_VALUE_H
#define WEIGHTS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

typedef enum wts_kind { WTS_NULL, WTS_BOOL, WTS_INT, WTS_FLOAT, WTS_STRING, WTS_LIST, WTS_DICT } wts_kind;

typedef struct wts_value wts_value;
typedef struct wts_member wts_member;

struct wts_value {
    wts_kind kind;
    bool boolean;
    int64_t integer;  /* WTS_INT */
    double number;    /* WTS_INT and WTS_FLOAT */
    const char *text; /* WTS_STRING: UTF-8, zero-terminated; a string with a NUL inside is refused by the parsers */
    size_t count;     /* WTS_LIST: items, WTS_DICT: members */
    const wts_value *items;
    const wts_member *members; /* in file order; keys are unique (a duplicate key is a format error) */
};

struct wts_member {
    const char *key;
    wts_value value;
};

typedef struct wts_doc wts_doc; /* owns a tree */
const wts_value *wts_doc_root(const wts_doc *doc);
void wts_doc_free(wts_doc *doc); /* NULL is fine */

/* Parses strict JSON (RFC 8259; NaN and Infinity are accepted as Python's json module writes them), at most 64 levels
 * deep. name is used in errors: "name: line L, column C: ...". *doc is the caller's to free. */
eng_status wts_json_parse(const char *name, const char *text, size_t length, wts_doc **doc, eng_error *err);

/* Reads and parses a file (at most 256 MiB). */
eng_status wts_json_read(const char *path, wts_doc **doc, eng_error *err);

/* Member of a dict by key; NULL when v is NULL, no dict, or has no such key. */
const wts_value *wts_value_get(const wts_value *v, const char *key);

/* Appends the JSON string literal of text (quotes, escapes; invalid UTF-8 becomes U+FFFD) to buffer as snprintf does:
 * writes at most size bytes with a final NUL and returns the length that it would need. */
size_t wts_json_quote(char *buffer, size_t size, const char *text);

#endif
