/* JSON: what is accepted, what is refused and where the message points, quoting. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "weights/value.h"

static const wts_value *parse(const char *text, wts_doc **doc)
{
    eng_error err = {0};
    eng_status status = wts_json_parse("t", text, strlen(text), doc, &err);
    cr_assert_eq(status, ENG_OK, "%s: %s", text, err.message);
    return wts_doc_root(*doc);
}

/* Every parse of a text must fail with a format error whose message begins with place. */
static void refuse(const char *text, size_t length, const char *place)
{
    wts_doc *doc = NULL;
    eng_error err = {0};
    char start[64];
    snprintf(start, sizeof start, "t: %s: ", place);
    cr_assert_eq(wts_json_parse("t", text, length, &doc, &err), ENG_E_FORMAT, "accepted: %s", text);
    cr_assert_null(doc);
    cr_assert_eq(strncmp(err.message, start, strlen(start)), 0, "%s gives \"%s\", not %s", text, err.message, place);
    cr_assert_eq(wts_json_parse("t", text, length, &doc, NULL), ENG_E_FORMAT);
}

Test(json, tree)
{
    wts_doc *doc;
    const wts_value *v = parse(" {\"a\": [1, -2.5e1, null, true, false], \"b\": {\"c\": \"x\"}, \"\": []}\n", &doc);
    cr_assert_eq(v->kind, WTS_DICT);
    cr_assert_eq(v->count, 3);
    const wts_value *a = wts_value_get(v, "a");
    cr_assert_eq(a->kind, WTS_LIST);
    cr_assert_eq(a->count, 5);
    cr_assert(a->items[0].kind == WTS_INT && a->items[0].integer == 1 && a->items[0].number == 1.0);
    cr_assert(a->items[1].kind == WTS_FLOAT && a->items[1].number == -25.0);
    cr_assert_eq(a->items[2].kind, WTS_NULL);
    cr_assert(a->items[3].kind == WTS_BOOL && a->items[3].boolean);
    cr_assert(a->items[4].kind == WTS_BOOL && !a->items[4].boolean);
    cr_assert_str_eq(wts_value_get(wts_value_get(v, "b"), "c")->text, "x");
    cr_assert_str_eq(v->members[2].key, "");
    cr_assert_eq(v->members[2].value.count, 0);
    cr_assert_null(wts_value_get(v, "none"));
    cr_assert_null(wts_value_get(a, "a"));
    cr_assert_null(wts_value_get(NULL, "a"));
    wts_doc_free(doc);
    wts_doc_free(NULL);
}

Test(json, numbers)
{
    static const struct {
        const char *text;
        wts_kind kind;
        double number;
        int64_t integer;
    } rows[] = {
        {"0", WTS_INT, 0, 0},
        {"-0", WTS_INT, 0, 0},
        {"9223372036854775807", WTS_INT, 9223372036854775807.0, INT64_MAX},
        {"-9223372036854775808", WTS_INT, -9223372036854775808.0, INT64_MIN},
        {"9223372036854775808", WTS_FLOAT, 9223372036854775808.0, 0},
        {"123456789012345678901234567890", WTS_FLOAT, 123456789012345678901234567890.0, 0},
        {"1e3", WTS_FLOAT, 1000, 0},
        {"1E-3", WTS_FLOAT, 0.001, 0},
        {"0.1", WTS_FLOAT, 0.1, 0},
        {"1e999", WTS_FLOAT, INFINITY, 0},
        {"Infinity", WTS_FLOAT, INFINITY, 0},
        {"-Infinity", WTS_FLOAT, -INFINITY, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wts_doc *doc;
        const wts_value *v = parse(rows[i].text, &doc);
        cr_assert_eq(v->kind, rows[i].kind, "%s", rows[i].text);
        cr_assert(v->number == rows[i].number, "%s gives %g", rows[i].text, v->number);
        if (v->kind == WTS_INT) cr_assert_eq(v->integer, rows[i].integer, "%s", rows[i].text);
        wts_doc_free(doc);
    }
    wts_doc *doc;
    const wts_value *v = parse("NaN", &doc);
    cr_assert(v->kind == WTS_FLOAT && isnan(v->number));
    wts_doc_free(doc);
}

Test(json, texts)
{
    wts_doc *doc;
    const wts_value *v =
        parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u00e9\\u20AC\\ud83d\\ude00\", \"\xC3\xA9\xF0\x9F\x98\x80\"]", &doc);
    cr_assert_str_eq(v->items[0].text, "\"\\/\b\f\n\r\t");
    cr_assert_str_eq(v->items[1].text, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    cr_assert_str_eq(v->items[2].text, "\xC3\xA9\xF0\x9F\x98\x80");
    wts_doc_free(doc);
}

Test(json, refused)
{
    static const struct {
        const char *text, *place;
    } rows[] = {
        {"", "line 1, column 1"},
        {"  \n ", "line 2, column 2"},
        {"{", "line 1, column 2"},
        {"[1, 2", "line 1, column 1"},
        {"[1,]", "line 1, column 4"},
        {"[1 2]", "line 1, column 4"},
        {"{\"a\": 1,}", "line 1, column 9"},
        {"{\"a\" 1}", "line 1, column 6"},
        {"{a: 1}", "line 1, column 2"},
        {"{'a': 1}", "line 1, column 2"},
        {"[\n  1,\n  x\n]", "line 3, column 3"},
        {"1 2", "line 1, column 3"},
        {"nul", "line 1, column 1"},
        {"nan", "line 1, column 1"},
        {"01", "line 1, column 1"},
        {"+1", "line 1, column 1"},
        {"-", "line 1, column 1"},
        {"1.", "line 1, column 1"},
        {".5", "line 1, column 1"},
        {"1e", "line 1, column 1"},
        {"0x10", "line 1, column 2"},
        {"\"a", "line 1, column 1"},
        {"\"a\nb\"", "line 1, column 3"},
        {"\"\\x\"", "line 1, column 2"},
        {"\"\\u12\"", "line 1, column 2"},
        {"\"\\u0000\"", "line 1, column 2"},
        {"\"\\ud800\"", "line 1, column 2"},
        {"\"\\ud800\\u0041\"", "line 1, column 2"},
        {"\"\\udc00\"", "line 1, column 2"},
        {"\"\xC3\"", "line 1, column 2"},
        {"\"\xC0\x80\"", "line 1, column 2"},
        {"\"\xED\xA0\x80\"", "line 1, column 2"},
        {"\"\xF4\x90\x80\x80\"", "line 1, column 2"},
        {"\"\xFF\"", "line 1, column 2"},
        {"/* c */ 1", "line 1, column 1"},
        {"{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}", "line 1, column 15"},
        {"{\"a\": 1, \"\\u0061\": 2}", "line 1, column 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) refuse(rows[i].text, strlen(rows[i].text), rows[i].place);
    refuse("1\0", 2, "line 1, column 2");
    refuse("\"a\0b\"", 5, "line 1, column 3");
}

Test(json, many_keys)
{
    enum { KEYS = 20000 };
    size_t size = KEYS * 16 + 16, at = 1;
    char *text = eng_alloc(size, 1);
    cr_assert_not_null(text);
    text[0] = '{';
    for (int i = 0; i < KEYS; i++) at += (size_t)snprintf(text + at, size - at, "\"k%d\":%d,", i, i);
    snprintf(text + at - 1, size - at + 1, "}");
    wts_doc *doc;
    const wts_value *v = parse(text, &doc);
    cr_assert_eq(v->count, KEYS);
    cr_assert_eq(wts_value_get(v, "k19999")->integer, 19999);
    wts_doc_free(doc);
    snprintf(text + at - 1, size - at + 1, ",\"k7\":0}");
    refuse(text, strlen(text), "line 1, column 1");
    eng_free(text);
}

Test(json, depth)
{
    char text[400];
    for (int depth = 60; depth <= 200; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        wts_doc *doc = NULL;
        eng_status status = wts_json_parse("t", text, 2 * (size_t)depth, &doc, NULL);
        cr_assert_eq(status, depth <= 64 ? ENG_OK : ENG_E_FORMAT, "depth %d", depth);
        wts_doc_free(doc);
    }
}

/* Every prefix of a document is refused, and no byte behind it is read (the copy has just its length). */
Test(json, prefixes)
{
    static const char text[] =
        "{\"a\": [1.5e+10, -7, \"\\u00e9\\ud83d\\ude00\xC3\xA9\", null, NaN, {\"b\": true}], \"c\": {}}";
    for (size_t n = 0; n + 1 < sizeof text; n++) {
        char *copy = eng_alloc(n, 1);
        cr_assert_not_null(copy);
        memcpy(copy, text, n);
        wts_doc *doc = NULL;
        cr_assert_eq(wts_json_parse("t", copy, n, &doc, NULL), ENG_E_FORMAT, "%zu bytes", n);
        eng_free(copy);
    }
    wts_doc *doc;
    parse(text, &doc);
    wts_doc_free(doc);
}

Test(json, quote)
{
    static const char text[] = "a\"\\\b\f\n\r\t\x01\x7F\xC3\xA9\xF0\x9F\x98\x80\xFFz";
    static const char quoted[] = "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBDz\"";
    char buffer[128];
    cr_assert_eq(wts_json_quote(buffer, sizeof buffer, text), strlen(quoted));
    cr_assert_str_eq(buffer, quoted);
    cr_assert_eq(wts_json_quote(NULL, 0, text), strlen(quoted));
    for (size_t size = 1; size < sizeof quoted; size++) {
        memset(buffer, '#', sizeof buffer);
        cr_assert_eq(wts_json_quote(buffer, size, text), strlen(quoted));
        cr_assert_eq(strlen(buffer), size - 1);
        cr_assert_eq(strncmp(buffer, quoted, size - 1), 0);
        cr_assert_eq(buffer[size], '#');
    }
}

Test(json, files)
{
    wts_doc *doc;
    eng_error err = {0};
    cr_assert_eq(wts_json_read("/nonexistent/config.json", &doc, &err), ENG_E_MISSING);
    cr_assert(strstr(err.message, "/nonexistent/config.json"), "%s", err.message);
    cr_assert_eq(wts_json_read("/", &doc, &err), ENG_E_IO);
}
