#include "tools/common/html/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 1024 };

void tool_html_format(tool_text *t, const char *format, ...)
{
    char buffer[LONGEST];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    if (n < 0 || n >= LONGEST)
        t->failed = true;
    else
        tool_text_bytes(t, buffer, (size_t)n);
}

void tool_html_lines(tool_text *t, const char *const *lines)
{
    for (; *lines; lines++) tool_text_string(t, *lines);
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

static void put_character(tool_text *t, const char *s, size_t n)
{
    static const char special[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    const char *found = n == 1 ? strchr(special, *s) : NULL;
    unsigned char c = (unsigned char)*s;
    if (!n || (n == 1 && (c < 0x20 || c == 0x7F) && c != '\t' && c != '\n'))
        tool_text_string(t, "\xEF\xBF\xBD");
    else if (n == 2 && c == 0xC2 && (unsigned char)s[1] < 0xA0) /* U+0080 to U+009F */
        tool_text_string(t, "\xEF\xBF\xBD");
    else if (found)
        tool_text_string(t, names[found - special]);
    else
        tool_text_bytes(t, s, n);
}

void tool_html_escaped(tool_text *t, const char *s)
{
    while (*s) {
        size_t n = character((const unsigned char *)s);
        put_character(t, s, n);
        s += n ? n : 1;
    }
}

size_t tool_html_length(const char *s)
{
    size_t length = 0;
    for (; *s; length++) {
        size_t n = character((const unsigned char *)s);
        s += n ? n : 1;
    }
    return length;
}

void tool_html_shortened(tool_text *t, const char *s, size_t most)
{
    bool cut = tool_html_length(s) > most;
    for (size_t i = 0; *s && i < (cut ? most - 1 : most); i++) {
        size_t n = character((const unsigned char *)s);
        put_character(t, s, n);
        s += n ? n : 1;
    }
    if (cut) tool_text_string(t, "\xE2\x80\xA6");
}

void tool_html_json(tool_text *t, const char *s)
{
    size_t start = t->size, less = 0;
    tool_text_json(t, s);
    if (t->failed) return;
    size_t size = t->size;
    for (size_t i = start; i < size; i++) less += t->bytes[i] == '<';
    for (size_t i = 0; i < less; i++) tool_text_string(t, "\\u003"); /* five bytes more for each: room, filled below */
    if (t->failed || !less) return;
    for (size_t from = size, to = t->size; from > start;) {
        if (t->bytes[--from] != '<') {
            t->bytes[--to] = t->bytes[from];
        } else {
            to -= 6;
            memcpy(t->bytes + to, "\\u003c", 6);
        }
    }
}

void tool_html_base64(tool_text *t, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char out[1024];
    size_t n = 0;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t b = i + 1 < size ? bytes[i + 1] : 0, c = i + 2 < size ? bytes[i + 2] : 0;
        uint32_t word = (uint32_t)bytes[i] << 16 | b << 8 | c;
        out[n++] = digits[word >> 18];
        out[n++] = digits[word >> 12 & 63];
        out[n++] = i + 1 < size ? digits[word >> 6 & 63] : '=';
        out[n++] = i + 2 < size ? digits[word & 63] : '=';
        if (n == sizeof out) {
            tool_text_bytes(t, out, n);
            n = 0;
        }
    }
    tool_text_bytes(t, out, n);
}
