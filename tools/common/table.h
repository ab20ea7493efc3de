/* Tables in text files: CSV and TSV with a header line, and plain lists of lines.
 *
 * Cells are quoted as in RFC 4180 (in TSV too): "a ""b"", c" may hold separators, quotes and line ends; a quote that
 * does not begin its cell is an ordinary character. Lines end with LF or CR LF; empty lines are skipped; a UTF-8 byte
 * order mark is skipped. Memory is bounded by a small multiple of the file's size. */
#ifndef TOOLS_COMMON_TABLE_H
#define TOOLS_COMMON_TABLE_H

#include <stddef.h>

#include "engine/error.h"

enum { TOOL_TABLE_MAX_COLUMNS = 4096 };

typedef struct tool_table {
    size_t column_count, row_count;
    const char **columns; /* their names, all different */
    const char **cells;   /* [row_count, column_count] */
    size_t *lines;        /* [row_count]: the line that each row begins at, from 1 */
    char *text;           /* what the strings point into */
} tool_table;

/* Reads a table with a header line. Duplicate column names, rows with more or fewer cells than the header, quotes that
 * are never closed or closed too early, NUL bytes: ENG_E_FORMAT with file and line. *out is the caller's to free. */
eng_status tool_table_read(const char *path, char separator, tool_table *out, eng_error *err);

/* The same of text that is there already, [size] and a NUL behind it, a block of eng_alloc which this takes in any case.
 * path is for messages. */
eng_status tool_table_parse(const char *path, char *text, size_t size, char separator, tool_table *out, eng_error *err);

/* Reads a file of lines as a table with the one column `column`: nothing is quoted, '#' means nothing. */
eng_status tool_table_read_lines(const char *path, const char *column, tool_table *out, eng_error *err);

void tool_table_free(tool_table *t);

#endif
