#include "model/config/json_text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"

static bool reserve(mdl_json *j, size_t more)
{
    if (j->failed) return false;
    if (j->space - j->length > more) return true;
    size_t space = 2 * j->space + more + 1024;
    char *grown = eng_grow(j->text, j->length, space, 1);
    if (!grown) {
        j->failed = true;
        return false;
    }
    j->text = grown;
    j->space = space;
    return true;
}

static void append(mdl_json *j, const char *text)
{
    size_t n = strlen(text);
    if (!reserve(j, n)) return;
    memcpy(j->text + j->length, text, n + 1);
    j->length += n;
}

static void append_quoted(mdl_json *j, const char *text)
{
    size_t n = wts_json_quote(NULL, 0, text);
    if (!reserve(j, n)) return;
    wts_json_quote(j->text + j->length, n + 1, text);
    j->length += n;
}

static void new_line(mdl_json *j)
{
    append(j, "\n");
    for (size_t i = 0; i < j->depth; i++) append(j, "  ");
}

/* What stands before a value. */
static void begin(mdl_json *j, const char *key)
{
    if (!j->first && j->length) append(j, ",");
    if (j->depth) new_line(j);
    j->first = false;
    if (!key) return;
    append_quoted(j, key);
    append(j, ": ");
}

static void open_level(mdl_json *j, const char *key, const char *bracket)
{
    begin(j, key);
    append(j, bracket);
    j->depth++;
    j->first = true;
}

static void close_level(mdl_json *j, const char *bracket)
{
    j->depth--;
    if (!j->first) new_line(j);
    append(j, bracket);
    j->first = false;
}

void mdl_json_object(mdl_json *j, const char *key)
{
    open_level(j, key, "{");
}

void mdl_json_list(mdl_json *j, const char *key)
{
    open_level(j, key, "[");
}

void mdl_json_end_object(mdl_json *j)
{
    close_level(j, "}");
}

void mdl_json_end_list(mdl_json *j)
{
    close_level(j, "]");
}

void mdl_json_text(mdl_json *j, const char *key, const char *value)
{
    begin(j, key);
    append_quoted(j, value);
}

void mdl_json_size(mdl_json *j, const char *key, size_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", value);
    begin(j, key);
    append(j, digits);
}

void mdl_json_bool(mdl_json *j, const char *key, bool value)
{
    begin(j, key);
    append(j, value ? "true" : "false");
}

/* A member of the root is the only thing that stands behind a newline and just two spaces: texts have no newlines. */
bool mdl_json_has(const mdl_json *j, const char *key)
{
    size_t n = wts_json_quote(NULL, 0, key);
    char *line = eng_alloc(n + 5, 1);
    bool found = false;
    if (line && j->text) {
        memcpy(line, "\n  ", 3);
        wts_json_quote(line + 3, n + 1, key);
        memcpy(line + 3 + n, ":", 2);
        found = strstr(j->text, line) != NULL;
    }
    eng_free(line);
    return found;
}

/* In the C locale: the decimal point must not depend on the program's. */
static void append_number(mdl_json *j, const char *key, double value, bool single)
{
    if (!isfinite(value)) {
        begin(j, key);
        append(j, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) {
        j->failed = true;
        return;
    }
    char digits[40];
    locale_t before = uselocale(plain);
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        double back = strtod(digits, NULL);
        if (single ? (float)back == (float)value : back == value) break;
    }
    uselocale(before);
    freelocale(plain);
    begin(j, key);
    append(j, digits);
    if (!strpbrk(digits, ".e")) append(j, ".0");
}

void mdl_json_number(mdl_json *j, const char *key, double value)
{
    append_number(j, key, value, false);
}

void mdl_json_number_f32(mdl_json *j, const char *key, float value)
{
    append_number(j, key, value, true);
}

void mdl_json_value(mdl_json *j, const char *key, const wts_value *value)
{
    char digits[32];
    switch (value->kind) {
    case WTS_NULL:
        begin(j, key);
        append(j, "null");
        break;
    case WTS_BOOL: mdl_json_bool(j, key, value->boolean); break;
    case WTS_INT:
        snprintf(digits, sizeof digits, "%lld", (long long)value->integer);
        begin(j, key);
        append(j, digits);
        break;
    case WTS_FLOAT: mdl_json_number(j, key, value->number); break;
    case WTS_STRING: mdl_json_text(j, key, value->text); break;
    case WTS_LIST:
        mdl_json_list(j, key);
        for (size_t i = 0; i < value->count; i++) mdl_json_value(j, NULL, &value->items[i]);
        mdl_json_end_list(j);
        break;
    case WTS_DICT:
        mdl_json_object(j, key);
        for (size_t i = 0; i < value->count; i++) mdl_json_value(j, value->members[i].key, &value->members[i].value);
        mdl_json_end_object(j);
        break;
    }
}

char *mdl_json_finish(mdl_json *j)
{
    append(j, "\n");
    char *text = j->text;
    if (j->failed) {
        eng_free(text);
        text = NULL;
    }
    *j = (mdl_json){0};
    return text;
}
