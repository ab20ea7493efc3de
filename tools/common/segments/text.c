#include "tools/common/segments/text.h"

#include <stdint.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/text.h"
#include "tools/common/whole_file.h"

static const size_t MOST_BYTES = (size_t)1 << 30;

eng_status tool_segment_text_read(const char *path, char **text, size_t *size, eng_error *err)
{
    return tool_whole_file_read(path, MOST_BYTES, text, size, err);
}

/* Writes code point c to out, which has room for 4 bytes; returns its length. */
static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; --i; c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
    return n;
}

static uint32_t unit(const char *text, size_t at, bool big)
{
    const unsigned char *u = (const unsigned char *)text + at;
    return big ? (uint32_t)u[0] << 8 | u[1] : (uint32_t)u[1] << 8 | u[0];
}

/* UTF-16 behind its mark into out; a surrogate without its partner, and an odd last byte, become U+FFFD. */
static size_t from_utf16(const char *text, size_t size, bool big, char *out)
{
    size_t n = 0;
    for (size_t i = 2; i < size; i += 2) {
        uint32_t c = i + 1 < size ? unit(text, i, big) : 0xFFFD;
        if (c >= 0xD800 && c < 0xDC00 && i + 3 < size && unit(text, i + 2, big) >> 10 == 0x37) {
            c = 0x10000 + ((c & 0x3FF) << 10 | (unit(text, i + 2, big) & 0x3FF));
            i += 2;
        } else if (c >= 0xD800 && c < 0xE000) {
            c = 0xFFFD;
        }
        n += put_utf8(c, out + n);
    }
    return n;
}

/* A block for `units` characters of at most 3 bytes each, and a NUL; NULL after an error. */
static char *new_text(const char *path, size_t units, eng_error *err)
{
    size_t room;
    char *out = eng_mul_size(units, 3, &room) ? eng_alloc(room + 4, 1) : NULL;
    if (!out) eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    return out;
}

static void replace(char **text, size_t *size, char *by, size_t by_size)
{
    eng_free(*text);
    by[by_size] = 0;
    *text = by;
    *size = by_size;
}

eng_status tool_segment_text_decode(const char *path, char **text, size_t *size, eng_error *err)
{
    const bool big = *size >= 2 && memcmp(*text, "\xFE\xFF", 2) == 0;
    if (big || (*size >= 2 && memcmp(*text, "\xFF\xFE", 2) == 0)) {
        char *out = new_text(path, *size / 2 + 1, err);
        if (!out) return ENG_E_MEMORY;
        replace(text, size, out, from_utf16(*text, *size, big, out));
    } else if (*size >= 3 && memcmp(*text, "\xEF\xBB\xBF", 3) == 0) {
        *size -= 3;
        memmove(*text, *text + 3, *size + 1);
    }
    const char *nul = memchr(*text, 0, *size);
    if (!nul) return ENG_OK;
    size_t line = 1;
    for (const char *p = *text; p < nul; p++) line += *p == '\n';
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: NUL byte, expected text", path, line);
}

/* What Windows-1252 has at 0x80 to 0x9F; 0: nothing. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
    0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
};

eng_status tool_segment_text_utf8(const char *path, char **text, size_t *size, bool *latin1, eng_error *err)
{
    size_t at = 0, step = 1;
    while (at < *size && (step = tool_utf8_length(*text + at, *size - at))) at += step;
    *latin1 = at < *size;
    if (!*latin1) return ENG_OK;
    char *out = new_text(path, *size, err);
    if (!out) return ENG_E_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < *size; i++) {
        unsigned char c = (unsigned char)(*text)[i];
        uint32_t point = c >= 0x80 && c < 0xA0 ? windows_1252[c - 0x80] : c;
        n += put_utf8(point ? point : 0xFFFD, out + n);
    }
    replace(text, size, out, n);
    return ENG_OK;
}

char *tool_lines_next(tool_lines *l)
{
    if (l->at == l->end) return NULL;
    char *line = l->at;
    l->at += strcspn(l->at, "\r\n");
    l->line++;
    if (l->at < l->end) {
        bool two = l->at[0] == '\r' && l->at[1] == '\n';
        *l->at = 0;
        l->at += two ? 2 : 1;
    }
    return line;
}

char *tool_trim(char *s)
{
    s += strspn(s, " \t");
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) n--;
    s[n] = 0;
    return s;
}
