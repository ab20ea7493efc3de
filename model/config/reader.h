/* Typed access to the fields of a configuration. The first failure is kept in the reader; later calls then change
 * nothing. Messages name the file, the field, what was expected and what was found. */
#ifndef MODEL_CONFIG_READER_H
#define MODEL_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "weights/value.h"

typedef struct mdl_reader {
    const wts_value *value; /* the dict */
    const char *name;       /* file, for messages */
    eng_error *err;
    eng_status status;
    const char *field; /* that value is the value of, for messages; NULL: the file's root */
} mdl_reader;

typedef struct mdl_choice {
    const char *name;
    int value;
} mdl_choice;

/* Records "name: message" unless something failed before. */
void mdl_read_fail(mdl_reader *r, eng_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A whole number in [min, max]. Absent or null: fallback; fallback SIZE_MAX means that the field is required. */
size_t mdl_read_size(mdl_reader *r, const char *key, size_t fallback, size_t min, size_t max);

/* A finite number in [min, max]. Absent or null: fallback; fallback NAN means that the field is required. */
double mdl_read_number(mdl_reader *r, const char *key, double fallback, double min, double max);

bool mdl_read_bool(mdl_reader *r, const char *key, bool fallback);

/* Text; the result belongs to the value tree or is fallback. */
const char *mdl_read_text(mdl_reader *r, const char *key, const char *fallback);

/* One of the named choices (ended by a NULL name); gives its value. */
int mdl_read_choice(mdl_reader *r, const char *key, const char *fallback, const mdl_choice *choices);

/* A list of whole numbers in [1, max] into out; returns their number. Absent: out and count stay as they are. */
size_t mdl_read_sizes(mdl_reader *r, const char *key, size_t *out, size_t count, size_t capacity, size_t max);

#endif
