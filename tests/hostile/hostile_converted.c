/* Damage to converted models (weights/README.md) that leaves the file whole: metadata, names, dtypes and shapes that
 * lie, and numbers that no conversion writes. */
#include "tests/hostile/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 300, RANDOM_VALUES = 32 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- The header: eight bytes of length, then JSON ---- */

static size_t header_size(const bytes *file)
{
    size_t length = 0;
    for (size_t i = 8; i-- > 0;) length = length << 8 | file->data[i];
    return length;
}

/* A copy with old bytes at a place in the header replaced, and the length corrected. */
static bytes edited(const bytes *file, size_t at, size_t old, const char *with)
{
    size_t size = header_size(file) - old + strlen(with);
    bytes b = replaced(file, at, old, with, strlen(with));
    for (size_t i = 0; i < 8; i++) b.data[i] = (unsigned char)(size >> 8 * i);
    return b;
}

/* Where text is in the file, from a place on; 0 when it is not there. */
static size_t find(const bytes *file, size_t from, const char *text)
{
    const unsigned char *found = memmem(file->data + from, file->size - from, text, strlen(text));
    return found ? (size_t)(found - file->data) : 0;
}

/* As find, for what must be there: a test that looks for nothing would pass. */
static size_t place_of(const bytes *file, size_t from, const char *text)
{
    size_t at = find(file, from, text);
    if (at) return at;
    fprintf(stderr, "hostile: no %s in a converted model\n", text);
    exit(1);
}

static bool is_value(const bytes *file, size_t at, size_t end, const char *value)
{
    return end - at == strlen(value) && memcmp(file->data + at, value, end - at) == 0;
}

/* The value behind key, from a place on, replaced by another; nothing when it is that already. */
static void change(session *s, const subject *on, const bytes *file, size_t from, const char *key, const char *value)
{
    char what[NAME_SIZE];
    size_t at = place_of(file, from, key) + strlen(key), old = value_end(file, at) - at;
    if (is_value(file, at, at + old, value)) return;
    snprintf(what, sizeof what, "%s%s", key, value);
    try_file(s, on, what, on->text ? replaced(file, at, old, value, strlen(value)) : edited(file, at, old, value));
}

/* ---- Refused ---- */

/* Values that are wrong wherever they are new. */
static const char *const values[] = {"0",
                                     "1",
                                     "-1",
                                     "null",
                                     "[]",
                                     "{}",
                                     "[0]",
                                     "\"\"",
                                     "\"0\"",
                                     "\"2\"",
                                     "\"7\"",
                                     "\"-1\"",
                                     "\"4096\"",
                                     "\"4097\"",
                                     "\"f32\"",
                                     "\"bf16\"",
                                     "\"int8\"",
                                     "\"pt\"",
                                     "\"I32\"",
                                     "\"F32\"",
                                     "\"F16\"",
                                     "\"U8\"",
                                     "\"BF16\"",
                                     "\"I8\"",
                                     "\"F64\"",
                                     "[0,0]",
                                     "[1,1]",
                                     "[48]",
                                     "[1,48]",
                                     "[64,1]",
                                     "[12,1]",
                                     "[0,64]",
                                     "[64,128]",
                                     "\"\\u001b[m\\n\"",
                                     "18446744073709551615",
                                     "\"18446744073709551617\"",
                                     "[4294967296,4294967296]"};

static void metadata(session *s, const subject *on, const bytes *file)
{
    static const char *const keys[] = {"\"format\":", "\"version\":", "\"precision\":", "\"panel_width\":"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        size_t at = place_of(file, 8, keys[i]);
        for (size_t j = 0; j < COUNT(values); j++) change(s, on, file, 8, keys[i], values[j]);
        try_file(s, on, "a key of the metadata is called otherwise", edited(file, at + 1, 1, "_"));
    }
}

/* A tensor of each kind under another name, then of another dtype of that size, then of another shape. */
static void tensors(session *s, const subject *on, const bytes *file)
{
    static const char *const names[] = {".0.attention.qkv_proj.panels\"",
                                        ".0.attention.qkv_proj.scale\"",
                                        ".0.attention.qkv_proj.correction\"",
                                        ".conv_layers.0.conv.panels\"",
                                        ".pos_conv_embed.conv.1.panels\"",
                                        "\"projector.panels\"",
                                        "\"classifier.panels\"",
                                        "\"classifier.bias\"",
                                        ".2.final_layer_norm.weight\"",
                                        "\"layer_weights\""};
    static const char *const dtypes[][2] = {
        {"\"F32\"", "\"I32\""}, {"\"I32\"", "\"F32\""}, {"\"I8\"", "\"U8\""}, {"\"BF16\"", "\"F16\""}};
    for (size_t i = 0; i < COUNT(names); i++) {
        bool int8_only = strstr(names[i], "scale") || strstr(names[i], "correction");
        if (int8_only && strcmp(on->precision, "int8") != 0) continue;
        size_t at = place_of(file, 8, names[i]), shape = place_of(file, at, "\"shape\":[") + 9;
        size_t dtype = place_of(file, at, "\"dtype\":") + 8, end = value_end(file, dtype);
        try_file(s, on, names[i], edited(file, at + strlen(names[i]) - 2, 1, "_"));
        try_file(s, on, names[i], edited(file, shape, 0, "1,"));
        for (size_t j = 0; j < COUNT(dtypes); j++)
            if (is_value(file, dtype, end, dtypes[j][0]))
                try_file(s, on, names[i], edited(file, dtype, end - dtype, dtypes[j][1]));
    }
}

/* Values of tensors anywhere. */
static void random_values(session *s, const subject *on, const bytes *file)
{
    static const char *const keys[] = {"\"dtype\":", "\"shape\":", "\"data_offsets\":"};
    size_t last = place_of(file, 8, "\"classifier.bias\"");
    for (size_t i = 0; i < RANDOM_VALUES; i++)
        change(s, on, file, 8 + below(s, last - 8), keys[i % COUNT(keys)], values[below(s, COUNT(values))]);
}

/* Cut where the parts of the file end, and where a tensor does. */
static void cuts(session *s, const subject *on, const bytes *file)
{
    static const char offsets[] = "\"data_offsets\":[";
    size_t data = 8 + header_size(file),
           ends[] = {8, data / 2, data - 1, data, data + 1, file->size / 2, file->size - 1};
    for (size_t i = 0; i < COUNT(ends); i++)
        try_file(s, on, "cut short", replaced(file, ends[i], file->size - ends[i], "", 0));
    for (size_t i = 0, at = 8; (at = find(file, at, offsets)) != 0; i++) {
        at += strlen(offsets);
        size_t end = data + strtoul(strchr((const char *)file->data + at, ',') + 1, NULL, 10);
        if (i % 8 == 0 && end < file->size)
            try_file(s, on, "cut behind a tensor", replaced(file, end, file->size - end, "", 0));
    }
}

/* ---- Accepted: a model of bad numbers is a model ---- */

/* The data of all tensors whose names end so, filled with a pattern of four bytes. */
static void fill(session *s, const subject *on, const bytes *file, const char *ending, const char *pattern)
{
    static const char offsets[] = "\"data_offsets\":[";
    bytes b = replaced(file, 0, 0, "", 0);
    size_t data = 8 + header_size(file), filled = 0;
    for (size_t at = 8; (at = find(file, at, ending)) != 0; filled++) {
        char *end;
        at = place_of(file, at, offsets) + strlen(offsets);
        size_t first = strtoul((const char *)file->data + at, &end, 10), last = strtoul(end + 1, NULL, 10);
        for (size_t i = first; i < last; i++) b.data[data + i] = (unsigned char)pattern[(i - first) % 4];
    }
    if (!filled) place_of(file, 8, ending);
    try_file(s, on, ending, b);
}

static void numbers(session *s, const subject *on, const bytes *file)
{
    static const char *const endings[] = {".panels\"", ".scale\"", ".correction\""};
    static const char patterns[][5] = {"\0\0\0\0",     "\xFF\xFF\xFF\xFF", "\x80\x80\x80\x80", "\x7F\x7F\x7F\x7F",
                                       "\0\0\x80\x7F", "\xFF\xFF\xFF\x7F", "\0\0\0\x80",       "\x80\x7F\x80\x7F"};
    size_t parts = strcmp(on->precision, "int8") == 0 ? COUNT(endings) : 1;
    for (size_t i = 0; i < parts; i++)
        for (size_t j = 0; j < COUNT(patterns); j++) fill(s, on, file, endings[i], patterns[j]);
}

void damage_converted(session *s, const subject *on, const bytes *file)
{
    static const char key[] = "\"weight_precision\": ";
    subject refused = *on, accepted = *on;
    refused.statuses = "2";
    accepted.statuses = "03", accepted.inspect = "0";
    if (on->text) {
        for (size_t i = 0; i < COUNT(values); i++) change(s, &refused, file, 0, key, values[i]);
        size_t at = place_of(file, 0, key);
        try_file(s, &refused, "weight_precision is called otherwise", replaced(file, at + 1, 1, "_", 1));
        return;
    }
    metadata(s, &refused, file);
    tensors(s, &refused, file);
    random_values(s, &refused, file);
    numbers(s, &accepted, file);
    refused.inspect = "2";
    cuts(s, &refused, file);
}
