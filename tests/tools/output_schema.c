/* JSON lines against tools/common/infer-rows.schema.json, with as much of JSON Schema as that file uses: a keyword that is
 * not known here fails. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/output.h"
#include "weights/value.h"

static bool valid(const wts_value *schema, const wts_value *v);

static bool is_type(const char *type, const wts_value *v)
{
    if (strcmp(type, "string") == 0) return v->kind == WTS_STRING;
    if (strcmp(type, "integer") == 0) return v->kind == WTS_INT;
    if (strcmp(type, "number") == 0) return v->kind == WTS_INT || v->kind == WTS_FLOAT;
    if (strcmp(type, "object") == 0) return v->kind == WTS_DICT;
    cr_assert_str_eq(type, "array");
    return v->kind == WTS_LIST;
}

static bool has_type(const wts_value *type, const wts_value *v)
{
    if (type->kind == WTS_STRING) return is_type(type->text, v);
    for (size_t i = 0; i < type->count; i++)
        if (is_type(type->items[i].text, v)) return true;
    return false;
}

/* Members by properties, the others by additionalProperties. */
static bool members_fit(const wts_value *schema, const wts_value *v)
{
    const wts_value *named = wts_value_get(schema, "properties"), *others = wts_value_get(schema, "additionalProperties");
    for (size_t i = 0; v->kind == WTS_DICT && i < v->count; i++) {
        const wts_value *own = wts_value_get(named, v->members[i].key);
        if (own ? !valid(own, &v->members[i].value) : others && !valid(others, &v->members[i].value)) return false;
    }
    return true;
}

static bool keyword_fits(const char *key, const wts_value *k, const wts_value *v)
{
    const bool number = v->kind == WTS_INT || v->kind == WTS_FLOAT;
    if (key[0] == '$' || strcmp(key, "title") == 0 || strcmp(key, "description") == 0) return true;
    if (strcmp(key, "properties") == 0 || strcmp(key, "additionalProperties") == 0) return true; /* members_fit */
    if (strcmp(key, "type") == 0) return has_type(k, v);
    if (strcmp(key, "minimum") == 0) return !number || v->number >= k->number;
    if (strcmp(key, "maximum") == 0) return !number || v->number <= k->number;
    if (strcmp(key, "minLength") == 0) return v->kind != WTS_STRING || (double)strlen(v->text) >= k->number;
    if (strcmp(key, "minProperties") == 0) return v->kind != WTS_DICT || (double)v->count >= k->number;
    if (strcmp(key, "not") == 0) return !valid(k, v);
    bool fits = true;
    if (strcmp(key, "required") == 0) {
        for (size_t i = 0; i < k->count; i++) fits = fits && wts_value_get(v, k->items[i].text);
    } else if (strcmp(key, "items") == 0) {
        for (size_t i = 0; v->kind == WTS_LIST && i < v->count; i++) fits = fits && valid(k, &v->items[i]);
    } else {
        cr_assert_str_eq(key, "allOf");
        for (size_t i = 0; i < k->count; i++) fits = fits && valid(&k->items[i], v);
    }
    return fits;
}

static bool valid(const wts_value *schema, const wts_value *v)
{
    for (size_t i = 0; i < schema->count; i++)
        if (!keyword_fits(schema->members[i].key, &schema->members[i].value, v)) return false;
    return members_fit(schema, v);
}

static wts_doc *parse(const char *text, size_t size)
{
    wts_doc *doc;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(wts_json_parse("line", text, size, &doc, &err), ENG_OK, "%s", err.message);
    return doc;
}

static wts_doc *read_schema(void)
{
    wts_doc *doc;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(wts_json_read(support_path("../tools/common/infer-rows.schema.json"), &doc, &err), ENG_OK, "%s", err.message);
    return doc;
}

static void expect_line(const wts_value *schema, const char *text, size_t size, bool want)
{
    wts_doc *doc = parse(text, size);
    cr_assert_eq(valid(schema, wts_doc_root(doc)), want, "%.*s", (int)size, text);
    wts_doc_free(doc);
}

/* The check can fail. */
Test(output_schema, lines_that_are_wrong)
{
    static const char *const lines[] = {"[]",
                                        "{}",
                                        "{\"file\": 1}",
                                        "{\"file\": \"a\", \"channel\": -1}",
                                        "{\"file\": \"a\", \"channel\": 0.5}",
                                        "{\"file\": \"a\", \"start\": -0.5}",
                                        "{\"file\": \"a\", \"scores\": {\"x\": 1.5}}",
                                        "{\"file\": \"a\", \"scores\": {}}",
                                        "{\"file\": \"a\", \"scores\": [1]}",
                                        "{\"file\": \"a\", \"logits\": [\"1\"]}",
                                        "{\"file\": \"a\", \"note\": 1}",
                                        "{\"file\": \"a\", \"error\": \"\"}",
                                        "{\"file\": \"a\", \"label\": \"x\", \"error\": \"bad\"}",
                                        "{\"file\": \"a\", \"scores\": {\"x\": 1}, \"values\": {\"x\": 1}}"};
    wts_doc *schema = read_schema();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect_line(wts_doc_root(schema), lines[i], strlen(lines[i]), false);
    wts_doc_free(schema);
}

/* Lines of every kind of results, as they are written. */
Test(output_schema, lines_as_written)
{
    static const char *const classes[] = {"angry", "sad"};
    static const float scores[] = {1, 0}, logits[] = {-3.5f, 1e-30f};
    char *folder = support_temporary(), line[2048];
    cr_assert_eq(chdir(folder), 0);
    FILE *f = fopen("in.csv", "w");
    cr_assert(f && fputs("file,start,label,text,values\n\"a\xFF\n.wav\",1,x,y,z\n", f) >= 0 && fclose(f) == 0);
    char name[] = "in.csv", *inputs[1] = {name};
    tool_list l;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_list_load(inputs, 1, &l, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(chdir("/"), 0);
    wts_doc *schema = read_schema();
    cr_assert_eq(chdir(folder), 0);
    size_t lines = 0;
    for (unsigned kind = 0; kind < 64; kind++) {
        const bool values = kind & 1, segments = kind & 2, logs = kind & 4, channels = kind & 8, backbone = kind & 16;
        tool_output_spec spec = {.format = TOOL_JSONL, .path = "out", .list = &l, .classes = classes,
                                 .class_count = backbone ? 0 : 2, .values = values && !backbone, .channels = channels,
                                 .segments = segments, .speakers = segments, .texts = kind & 32, .logits = logs};
        tool_result r[2] = {{.segment = segments, .start = 0, .end = 7200.25, .speaker = "S", .scores = scores,
                             .logits = logits},
                            {.channel = TOOL_NO_CHANNEL, .error = "bad"}};
        tool_output *o;
        cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_OK, "%s", err.message);
        for (size_t i = 0; i < 2; i++) cr_assert_eq(tool_output_write(o, &r[i], &err), ENG_OK);
        cr_assert_eq(tool_output_close(o, &err), ENG_OK);
        f = fopen("out", "r");
        cr_assert_not_null(f);
        for (; fgets(line, sizeof line, f); lines++) expect_line(wts_doc_root(schema), line, strlen(line), true);
        fclose(f);
    }
    cr_assert_eq(lines, 128u);
    wts_doc_free(schema);
    tool_list_free(&l);
    cr_assert_eq(chdir("/"), 0);
    support_remove(folder);
}
