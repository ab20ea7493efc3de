#include "model/config/reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mdl_read_fail(mdl_reader *r, eng_status status, const char *format, ...)
{
    if (r->status) return;
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    r->status = eng_fail(r->err, status, "%s: %s%s%s", r->name, r->field ? r->field : "", r->field ? ": " : "", message);
}

/* The field, or NULL when it is absent or null. */
static const wts_value *field(const mdl_reader *r, const char *key)
{
    const wts_value *v = wts_value_get(r->value, key);
    return v && v->kind != WTS_NULL ? v : NULL;
}

static const char *kind_name(wts_kind kind)
{
    static const char *const names[] = {"null", "a boolean", "a whole number", "a number", "text", "a list", "an object"};
    return names[kind];
}

size_t mdl_read_size(mdl_reader *r, const char *key, size_t fallback, size_t min, size_t max)
{
    const wts_value *v = field(r, key);
    if (!v) {
        if (fallback != SIZE_MAX) return fallback;
        mdl_read_fail(r, ENG_E_MISSING, "no field \"%s\"; expected a whole number", key);
        return min;
    }
    /* Python writes 1.0 for a whole number that came from a float. */
    bool whole = v->kind == WTS_INT || (v->kind == WTS_FLOAT && v->number == floor(v->number));
    if (!whole) {
        mdl_read_fail(r, ENG_E_FORMAT, "%s is %s; expected a whole number", key, kind_name(v->kind));
        return min;
    }
    if (!(v->number >= (double)min && v->number <= (double)max)) {
        mdl_read_fail(r, ENG_E_MISMATCH, "%s is %.17g; expected %zu to %zu", key, v->number, min, max);
        return min;
    }
    return (size_t)v->number;
}

double mdl_read_number(mdl_reader *r, const char *key, double fallback, double min, double max)
{
    const wts_value *v = field(r, key);
    if (!v) {
        if (isnan(fallback)) mdl_read_fail(r, ENG_E_MISSING, "no field \"%s\"; expected a number", key);
        return fallback;
    }
    if (v->kind != WTS_INT && v->kind != WTS_FLOAT) {
        mdl_read_fail(r, ENG_E_FORMAT, "%s is %s; expected a number", key, kind_name(v->kind));
        return min;
    }
    if (!(v->number >= min && v->number <= max)) {
        mdl_read_fail(r, ENG_E_MISMATCH, "%s is %.17g; expected %g to %g", key, v->number, min, max);
        return min;
    }
    return v->number;
}

bool mdl_read_bool(mdl_reader *r, const char *key, bool fallback)
{
    const wts_value *v = field(r, key);
    if (!v) return fallback;
    if (v->kind != WTS_BOOL) mdl_read_fail(r, ENG_E_FORMAT, "%s is %s; expected a boolean", key, kind_name(v->kind));
    return v->boolean;
}

const char *mdl_read_text(mdl_reader *r, const char *key, const char *fallback)
{
    const wts_value *v = field(r, key);
    if (!v) return fallback;
    if (v->kind == WTS_STRING) return v->text;
    mdl_read_fail(r, ENG_E_FORMAT, "%s is %s; expected text", key, kind_name(v->kind));
    return fallback;
}

int mdl_read_choice(mdl_reader *r, const char *key, const char *fallback, const mdl_choice *choices)
{
    const char *text = mdl_read_text(r, key, fallback);
    char known[256] = "";
    size_t length = 0;
    for (const mdl_choice *c = choices; c->name; c++) {
        if (strcmp(c->name, text) == 0) return c->value;
        int n = snprintf(known + length, sizeof known - length, "%s\"%s\"", length ? ", " : "", c->name);
        if (n > 0 && length + (size_t)n < sizeof known) length += (size_t)n;
    }
    mdl_read_fail(r, ENG_E_UNSUPPORTED, "%s is \"%s\"; expected one of %s", key, text, known);
    return choices->value;
}

size_t mdl_read_sizes(mdl_reader *r, const char *key, size_t *out, size_t count, size_t capacity, size_t max)
{
    const wts_value *v = field(r, key);
    if (!v) return count;
    if (v->kind != WTS_LIST) {
        mdl_read_fail(r, ENG_E_FORMAT, "%s is %s; expected a list of whole numbers", key, kind_name(v->kind));
        return count;
    }
    if (v->count > capacity) {
        mdl_read_fail(r, ENG_E_UNSUPPORTED, "%s has %zu entries; expected at most %zu", key, v->count, capacity);
        return count;
    }
    for (size_t i = 0; i < v->count; i++) {
        const wts_value *item = &v->items[i];
        if (item->kind != WTS_INT || item->integer < 1 || (uint64_t)item->integer > max) {
            bool number = item->kind == WTS_INT || item->kind == WTS_FLOAT;
            if (number) mdl_read_fail(r, ENG_E_FORMAT, "%s[%zu] is %.17g; expected a whole number from 1 to %zu", key, i,
                                      item->number, max);
            else mdl_read_fail(r, ENG_E_FORMAT, "%s[%zu] is %s; expected a whole number from 1 to %zu", key, i,
                               kind_name(item->kind), max);
            return count;
        }
        out[i] = (size_t)item->integer;
    }
    return v->count;
}
