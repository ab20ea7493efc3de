/* Trees of values: ownership, lookup, quoting. */
#include "weights/doc.h"

#include <stdio.h>
#include <string.h>

#include "weights/names_index.h"

wts_doc *wts_doc_new(void)
{
    wts_doc *doc = eng_alloc_zero(1, sizeof *doc);
    if (doc) eng_arena_init(&doc->arena);
    return doc;
}

const wts_value *wts_doc_root(const wts_doc *doc)
{
    return doc ? &doc->root : NULL;
}

void wts_doc_free(wts_doc *doc)
{
    if (!doc) return;
    eng_arena_fini(&doc->arena);
    eng_free(doc);
}

const wts_value *wts_value_get(const wts_value *v, const char *key)
{
    if (!v || v->kind != WTS_DICT) return NULL;
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->members[i].key, key) == 0) return &v->members[i].value;
    return NULL;
}

/* Small dicts, the usual case, need no index. */
bool wts_doc_find_duplicate(const wts_member *members, size_t count, const char **duplicate)
{
    *duplicate = NULL;
    if (count <= 8) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (strcmp(members[i].key, members[j].key) == 0) *duplicate = members[i].key;
        return true;
    }
    wts_index index = {count, eng_alloc(count, sizeof *index.entries)};
    if (!index.entries) return false;
    for (size_t i = 0; i < count; i++) index.entries[i] = (wts_index_entry){members[i].key, i};
    const wts_index_entry *twice = wts_index_sort(&index);
    if (twice) *duplicate = twice->name;
    eng_free(index.entries);
    return true;
}

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t wts_utf8_step(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    if (length == 0) return 0;
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
    if (s[0] < 0xE0) return length >= 2 && is_tail(s[1]) ? 2 : 0;
    if (s[0] < 0xF0) {
        if (length < 3 || !is_tail(s[1]) || !is_tail(s[2])) return 0;
        if (s[0] == 0xE0 && s[1] < 0xA0) return 0;  /* longer than needed */
        if (s[0] == 0xED && s[1] >= 0xA0) return 0; /* surrogate */
        return 3;
    }
    if (length < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3])) return 0;
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;  /* longer than needed */
    if (s[0] == 0xF4 && s[1] >= 0x90) return 0; /* beyond U+10FFFF */
    return 4;
}

bool wts_utf8_valid(const char *text, size_t length)
{
    for (size_t i = 0, step; i < length; i += step) {
        step = text[i] ? wts_utf8_step(text + i, length - i) : 0;
        if (step == 0) return false;
    }
    return true;
}

/* Counts every byte, stores those that fit in front of the final NUL. */
typedef struct sink {
    char *buffer;
    size_t size, length;
} sink;

static void put(sink *s, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++, s->length++)
        if (s->length + 1 < s->size) s->buffer[s->length] = bytes[i];
}

size_t wts_json_quote(char *buffer, size_t size, const char *text)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    sink s = {buffer, size, 0};
    size_t length = strlen(text);
    put(&s, "\"", 1);
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        const char *named = strchr(plain, c);
        size_t step = wts_utf8_step(text + i, length - i);
        if (named) {
            char escape[2] = {'\\', letters[named - plain]};
            put(&s, escape, 2);
        } else if (c < 0x20 || c == 0x7F) {
            char escape[7];
            snprintf(escape, sizeof escape, "\\u%04x", c);
            put(&s, escape, 6);
        } else if (step == 0) {
            put(&s, "\xEF\xBF\xBD", 3);
        } else {
            put(&s, text + i, step);
        }
        i += step ? step : 1;
    }
    put(&s, "\"", 1);
    if (size) s.buffer[s.length < size ? s.length : size - 1] = '\0';
    return s.length;
}
