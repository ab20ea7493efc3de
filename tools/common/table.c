#include "tools/common/table.h"

#include <stdbool.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/whole_file.h"

enum { FIRST_ROWS = 64 };

void tool_table_free(tool_table *t)
{
    eng_free(t->columns);
    eng_free(t->cells);
    eng_free(t->lines);
    eng_free(t->text);
    *t = (tool_table){0};
}

/* ---- The file's text ---- */

/* Text that holds a NUL is binary or UTF-16; strings would end early in it. */
static eng_status refuse_nul(const char *path, const char *text, size_t size, eng_error *err)
{
    const char *nul = memchr(text, 0, size);
    if (!nul) return ENG_OK;
    size_t line = 1;
    for (const char *p = text; p < nul; p++) line += *p == '\n';
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: NUL byte, expected UTF-8 text", path, line);
}

static eng_status read_text(const char *path, char **text, size_t *size, eng_error *err)
{
    eng_status status = tool_whole_file_read(path, 0, text, size, err);
    if (!status) status = refuse_nul(path, *text, *size, err);
    if (status) {
        eng_free(*text);
        *text = NULL;
    }
    return status;
}

/* ---- Cells ---- */

typedef struct cursor {
    const char *path;
    char *at, *end;
    size_t line;
    char separator; /* 0: lines, where nothing separates and nothing is quoted */
} cursor;

typedef enum cell_end { CELL_END, ROW_END } cell_end;

static bool at_line_end(const cursor *c)
{
    return c->at == c->end || *c->at == '\n' || (*c->at == '\r' && (c->at + 1 == c->end || c->at[1] == '\n'));
}

/* The inside of a quoted cell, moved together to begin at `write`; returns where it ends, NULL after an error. */
static char *take_quoted(cursor *c, char *write, eng_error *err)
{
    size_t opened = c->line;
    c->at++;
    for (;;) {
        if (c->at == c->end) {
            eng_fail(err, ENG_E_FORMAT, "%s: line %zu: a quote that is never closed", c->path, opened);
            return NULL;
        }
        char ch = *c->at++;
        if (ch == '"') {
            if (*c->at != '"') break; /* at the end of the text stands a NUL */
            c->at++;
        }
        c->line += ch == '\n';
        *write++ = ch;
    }
    if (at_line_end(c) || *c->at == c->separator) return write;
    eng_fail(err, ENG_E_FORMAT,
             "%s: line %zu: expected a separator or the line's end behind a closing quote, found '%c'", c->path,
             c->line, *c->at);
    return NULL;
}

/* Takes one cell in place and ends it with a NUL, which falls on what ended it or before. */
static eng_status take_cell(cursor *c, const char **cell, cell_end *ended_by, eng_error *err)
{
    char *write = c->at;
    *cell = write;
    if (c->separator && c->at < c->end && *c->at == '"') {
        write = take_quoted(c, write, err);
        if (!write) return ENG_E_FORMAT;
    } else {
        while (!at_line_end(c) && !(c->separator && *c->at == c->separator)) c->at++;
        write = c->at;
    }
    if (c->at < c->end && c->separator && *c->at == c->separator) {
        *ended_by = CELL_END;
        c->at++;
    } else {
        *ended_by = ROW_END;
        if (c->at < c->end && *c->at == '\r') c->at++;
        if (c->at < c->end && *c->at == '\n') {
            c->at++;
            c->line++;
        }
    }
    *write = 0;
    return ENG_OK;
}

/* To the beginning of the next line that is not empty; false at the end of the text. */
static bool find_row(cursor *c)
{
    while (c->at < c->end && at_line_end(c)) {
        if (*c->at == '\r') c->at++;
        if (c->at < c->end && *c->at == '\n') {
            c->at++;
            c->line++;
        }
    }
    return c->at < c->end;
}

/* ---- Rows ---- */

static eng_status take_header(cursor *c, tool_table *t, eng_error *err)
{
    cell_end ended_by = CELL_END;
    if (!find_row(c)) return eng_fail(err, ENG_E_FORMAT, "%s: empty, expected a header line", c->path);
    size_t line = c->line;
    t->columns = eng_alloc(TOOL_TABLE_MAX_COLUMNS, sizeof *t->columns);
    if (!t->columns) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    while (ended_by != ROW_END) {
        if (t->column_count == TOOL_TABLE_MAX_COLUMNS)
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: more than %d columns", c->path, line,
                            TOOL_TABLE_MAX_COLUMNS);
        const char *name;
        eng_status status = take_cell(c, &name, &ended_by, err);
        if (status) return status;
        for (size_t i = 0; i < t->column_count; i++)
            if (strcmp(t->columns[i], name) == 0)
                return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: two columns named '%s'", c->path, line, name);
        t->columns[t->column_count++] = name;
    }
    return ENG_OK;
}

/* Makes room for one more row; *room is the rows there is room for. */
static bool grow_rows(tool_table *t, size_t *room)
{
    if (t->row_count < *room) return true;
    size_t more = *room ? *room + *room / 2 : FIRST_ROWS, old_cells, new_cells;
    if (!eng_mul_size(*room, t->column_count, &old_cells) || !eng_mul_size(more, t->column_count, &new_cells))
        return false;
    const char **cells = eng_grow(t->cells, old_cells, new_cells, sizeof *cells);
    if (!cells) return false;
    t->cells = cells;
    size_t *lines = eng_grow(t->lines, *room, more, sizeof *lines);
    if (!lines) return false;
    t->lines = lines;
    *room = more;
    return true;
}

static eng_status take_row(cursor *c, tool_table *t, eng_error *err)
{
    cell_end ended_by = CELL_END;
    size_t count = 0, line = c->line;
    const char **cells = t->cells + t->row_count * t->column_count;
    while (ended_by != ROW_END) {
        const char *cell;
        eng_status status = take_cell(c, &cell, &ended_by, err);
        if (status) return status;
        if (count < t->column_count) cells[count] = cell;
        count++;
    }
    if (count != t->column_count)
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: %zu cells, expected %zu as in the header", c->path, line,
                        count, t->column_count);
    t->lines[t->row_count++] = line;
    return ENG_OK;
}

static eng_status take_rows(cursor *c, tool_table *t, eng_error *err)
{
    size_t room = 0;
    while (find_row(c)) {
        if (!grow_rows(t, &room)) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory at line %zu", c->path, c->line);
        eng_status status = take_row(c, t, err);
        if (status) return status;
    }
    return ENG_OK;
}

/* Sets c to the beginning of t->text, behind a byte order mark. */
static void begin(const char *path, char separator, const tool_table *t, size_t size, cursor *c)
{
    *c = (cursor){path, t->text, t->text + size, 1, separator};
    if (size >= 3 && memcmp(t->text, "\xEF\xBB\xBF", 3) == 0) c->at += 3;
}

/* Reads the file into t->text and sets c to its beginning. */
static eng_status open_table(const char *path, char separator, tool_table *t, cursor *c, eng_error *err)
{
    size_t size = 0;
    *t = (tool_table){0};
    eng_status status = read_text(path, &t->text, &size, err);
    if (!status) begin(path, separator, t, size, c);
    return status;
}

eng_status tool_table_parse(const char *path, char *text, size_t size, char separator, tool_table *out, eng_error *err)
{
    tool_table t = {.text = text};
    cursor c;
    *out = (tool_table){0};
    eng_status status = refuse_nul(path, text, size, err);
    begin(path, separator, &t, size, &c);
    if (!status) status = take_header(&c, &t, err);
    if (!status) status = take_rows(&c, &t, err);
    if (status)
        tool_table_free(&t);
    else
        *out = t;
    return status;
}

eng_status tool_table_read(const char *path, char separator, tool_table *out, eng_error *err)
{
    char *text;
    size_t size = 0;
    *out = (tool_table){0};
    eng_status status = read_text(path, &text, &size, err);
    return status ? status : tool_table_parse(path, text, size, separator, out, err);
}

eng_status tool_table_read_lines(const char *path, const char *column, tool_table *out, eng_error *err)
{
    tool_table t;
    cursor c;
    *out = (tool_table){0};
    eng_status status = open_table(path, 0, &t, &c, err);
    if (!status) {
        t.columns = eng_alloc(1, sizeof *t.columns);
        if (!t.columns) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    }
    if (!status) {
        t.columns[0] = column;
        t.column_count = 1;
        status = take_rows(&c, &t, err);
    }
    if (status)
        tool_table_free(&t);
    else
        *out = t;
    return status;
}
