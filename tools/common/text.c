#include "tools/common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "weights/value.h"

enum { FIRST_ROOM = 1024 };

static bool make_room(tool_text *t, size_t more)
{
    size_t needed;
    if (t->failed || !eng_add_size(t->size, more, &needed)) {
        t->failed = true;
        return false;
    }
    if (needed <= t->room) return true;
    size_t room = t->room ? t->room : FIRST_ROOM;
    while (room < needed)
        if (!eng_mul_size(room, 2, &room)) room = needed;
    char *grown = eng_grow(t->bytes, t->size, room, 1);
    t->failed = !grown;
    if (!grown) return false;
    t->bytes = grown;
    t->room = room;
    return true;
}

void tool_text_bytes(tool_text *t, const char *bytes, size_t size)
{
    if (!size || !make_room(t, size)) return;
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
}

void tool_text_string(tool_text *t, const char *s)
{
    tool_text_bytes(t, s, strlen(s));
}

void tool_text_json(tool_text *t, const char *s)
{
    size_t length = wts_json_quote(NULL, 0, s);
    if (!make_room(t, length + 1)) return;
    wts_json_quote(t->bytes + t->size, length + 1, s);
    t->size += length;
}

void tool_text_float(tool_text *t, float value)
{
    char digits[32];
    for (int precision = 6; precision <= 9; precision++) { /* 9 digits identify any float32 */
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) break;
    }
    tool_text_string(t, digits);
}

void tool_text_size(tool_text *t, size_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%zu", value);
    tool_text_string(t, digits);
}

void tool_text_seconds(tool_text *t, double seconds)
{
    char digits[64];
    int n = snprintf(digits, sizeof digits, "%.6f", seconds);
    if (n <= 0 || (size_t)n >= sizeof digits) { /* no time: 10^50 s and more */
        t->failed = true;
        return;
    }
    while (digits[n - 1] == '0' && digits[n - 2] != '.') n--;
    digits[n] = 0;
    tool_text_string(t, strcmp(digits, "-0.0") == 0 ? "0.0" : digits);
}

size_t tool_utf8_length(const char *s, size_t left)
{
    const unsigned char *u = (const unsigned char *)s;
    if (!left) return 0;
    if (u[0] < 0x80) return 1;
    size_t length = u[0] >= 0xF0 ? 4 : u[0] >= 0xE0 ? 3 : 2;
    if (u[0] < 0xC2 || u[0] > 0xF4 || left < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((u[i] & 0xC0) != 0x80) return 0;
    /* Longer than needed, surrogates, beyond U+10FFFF. */
    if ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F) || (u[0] == 0xF0 && u[1] < 0x90) ||
        (u[0] == 0xF4 && u[1] > 0x8F))
        return 0;
    return length;
}

void tool_text_utf8(tool_text *t, const char *s)
{
    for (size_t left = strlen(s); left;) {
        size_t n = tool_utf8_length(s, left);
        tool_text_bytes(t, n ? s : "\xEF\xBF\xBD", n ? n : 3);
        s += n ? n : 1;
        left -= n ? n : 1;
    }
}

void tool_text_csv(tool_text *t, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        tool_text_string(t, s);
        return;
    }
    tool_text_string(t, "\"");
    for (; *s; s++) tool_text_bytes(t, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    tool_text_string(t, "\"");
}

void tool_text_tsv(tool_text *t, const char *s)
{
    for (; *s; s++) {
        const char *escape = *s == '\t' ? "\\t" : *s == '\n' ? "\\n" : *s == '\r' ? "\\r" : *s == '\\' ? "\\\\" : NULL;
        if (escape)
            tool_text_string(t, escape);
        else
            tool_text_bytes(t, s, 1);
    }
}
