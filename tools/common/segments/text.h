/* A file's text: read, brought to UTF-8, and taken line by line. */
#ifndef TOOLS_COMMON_SEGMENTS_TEXT_H
#define TOOLS_COMMON_SEGMENTS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

/* Reads the whole file, and a NUL behind it. Errors name the file; one beyond 1 GiB is refused. *text is the caller's,
 * for eng_free. */
eng_status tool_segment_text_read(const char *path, char **text, size_t *size, eng_error *err);

/* UTF-16 with a byte order mark becomes UTF-8, UTF-8's own mark is dropped; other bytes stay as they are. A NUL in what
 * remains: ENG_E_FORMAT with its line. May put another block in *text. */
eng_status tool_segment_text_decode(const char *path, char **text, size_t *size, eng_error *err);

/* Text that is not UTF-8 is taken for Latin-1 (as Windows-1252 has it) and becomes UTF-8; *latin1 says so. */
eng_status tool_segment_text_utf8(const char *path, char **text, size_t *size, bool *latin1, eng_error *err);

typedef struct tool_lines {
    char *at, *end; /* end: a NUL stands there */
    size_t line;    /* number of the line that was taken last, from 1; begins as 0 */
} tool_lines;

/* The next line, ended with a NUL where LF, CR LF or CR stood; NULL at the end of the text. */
char *tool_lines_next(tool_lines *l);

/* s without spaces and tabs at its beginning; those at its end are cut off in place. */
char *tool_trim(char *s);

#endif
