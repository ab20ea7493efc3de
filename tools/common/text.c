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
