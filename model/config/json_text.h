/* Writing JSON: members in the order of the calls, two spaces a level, numbers that read back as the same bits. */
#ifndef MODEL_CONFIG_JSON_TEXT_H
#define MODEL_CONFIG_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "weights/value.h"

typedef struct mdl_json {
    char *text; /* zero-terminated; the caller's in the end (eng_free) */
    size_t length, space, depth;
    bool first;  /* nothing stands yet in the open list or object */
    bool failed; /* out of memory: text is not to be used */
} mdl_json;

/* Each of these writes one member of the open object, or with key NULL an item of the open list or the document itself. */
void mdl_json_object(mdl_json *j, const char *key);
void mdl_json_list(mdl_json *j, const char *key);
void mdl_json_text(mdl_json *j, const char *key, const char *value);
void mdl_json_size(mdl_json *j, const char *key, size_t value);
void mdl_json_bool(mdl_json *j, const char *key, bool value);

/* The shortest decimal that reads back as value, with a point or an exponent: 0.0, 1e-05; NaN and Infinity as Python writes
 * them. _f32: that reads back as the float. */
void mdl_json_number(mdl_json *j, const char *key, double value);
void mdl_json_number_f32(mdl_json *j, const char *key, float value);

/* Any value of a document. */
void mdl_json_value(mdl_json *j, const char *key, const wts_value *value);

/* True when the document's root object has a member of that name already. */
bool mdl_json_has(const mdl_json *j, const char *key);

/* Close the open object or list. */
void mdl_json_end_object(mdl_json *j);
void mdl_json_end_list(mdl_json *j);

/* Ends the document with a newline and gives its text up; NULL when out of memory. */
char *mdl_json_finish(mdl_json *j);

#endif
