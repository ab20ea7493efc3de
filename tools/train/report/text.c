#include "tools/train/report/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"

enum { FIRST_ROOM = 1 << 14, LONGEST = 1024 };

static void put_bytes(train_text *t, const char *bytes, size_t size)
{
    size_t needed;
    if (!size) return;
    if (t->failed || !eng_add_size(t->size, size, &needed)) {
        t->failed = true;
        return;
    }
    if (needed > t->room) {
        size_t room = t->room ? t->room : FIRST_ROOM;
        while (room < needed)
            if (!eng_mul_size(room, 2, &room)) room = needed;
        char *grown = eng_grow(t->bytes, t->size, room, 1);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->bytes = grown;
        t->room = room;
    }
    memcpy(t->bytes + t->size, bytes, size);
    t->size = needed;
}

void train_text_put(train_text *t, const char *s)
{
    put_bytes(t, s, strlen(s));
}

void train_text_format(train_text *t, const char *format, ...)
{
    char buffer[LONGEST];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    if (n < 0 || n >= LONGEST)
        t->failed = true;
    else
        put_bytes(t, buffer, (size_t)n);
}

/* Bytes of the UTF-8 character at s; 0 where there is none: a wrong byte, or one that is cut off, overlong, a surrogate
 * or beyond U+10FFFF. */
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
    uint32_t code = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0; /* the final NUL too */
        code = code << 6 | (s[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : n;
}

static void put_character(train_text *t, const char *s, size_t n)
{
    static const char special[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    const char *found = n == 1 ? strchr(special, *s) : NULL;
    unsigned char c = (unsigned char)*s;
    if (!n || (n == 1 && (c < 0x20 || c == 0x7F) && c != '\t' && c != '\n'))
        train_text_put(t, "\xEF\xBF\xBD");
    else if (n == 2 && c == 0xC2 && (unsigned char)s[1] < 0xA0) /* U+0080 to U+009F */
        train_text_put(t, "\xEF\xBF\xBD");
    else if (found)
        train_text_put(t, names[found - special]);
    else
        put_bytes(t, s, n);
}

void train_text_escaped(train_text *t, const char *s)
{
    while (*s) {
        size_t n = character((const unsigned char *)s);
        put_character(t, s, n);
        s += n ? n : 1;
    }
}

size_t train_text_length(const char *s)
{
    size_t length = 0;
    for (; *s; length++) {
        size_t n = character((const unsigned char *)s);
        s += n ? n : 1;
    }
    return length;
}

void train_text_shortened(train_text *t, const char *s, size_t most)
{
    bool cut = train_text_length(s) > most;
    for (size_t i = 0; *s && i < (cut ? most - 1 : most); i++) {
        size_t n = character((const unsigned char *)s);
        put_character(t, s, n);
        s += n ? n : 1;
    }
    if (cut) train_text_put(t, "\xE2\x80\xA6");
}
