/* Text that grows: a row under construction, in the spelling of its format. */
#ifndef TOOLS_COMMON_TEXT_H
#define TOOLS_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Begins as {0}; bytes is freed with eng_free. No NUL ends it, save what was put. After a failure everything else is
 * ignored. */
typedef struct tool_text {
    char *bytes;
    size_t size, room;
    bool failed; /* out of memory somewhere on the way */
} tool_text;

void tool_text_bytes(tool_text *t, const char *bytes, size_t size);
void tool_text_string(tool_text *t, const char *s);

/* The fewest digits, at least 6 significant ones, that give the same float32 again. */
void tool_text_float(tool_text *t, float value);
void tool_text_size(tool_text *t, size_t value);

/* Seconds: the shortest decimal that is right to a microsecond, with one digit behind the point at least: 0.0, 12.5. */
void tool_text_seconds(tool_text *t, double seconds);

/* s with U+FFFD for every byte that is not UTF-8. */
void tool_text_utf8(tool_text *t, const char *s);

/* How many bytes the UTF-8 sequence at s has (RFC 3629), of `left` that are there; 0 where there is none. */
size_t tool_utf8_length(const char *s, size_t left);

/* s as a JSON string, in quotes; bytes that are not UTF-8 become U+FFFD. */
void tool_text_json(tool_text *t, const char *s);

/* s as a cell of CSV (RFC 4180: quoted where it must be) or TSV (\t \n \r \\ escaped). */
void tool_text_csv(tool_text *t, const char *s);
void tool_text_tsv(tool_text *t, const char *s);

#endif
