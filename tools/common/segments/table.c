#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/common/segments/readers.h"
#include "tools/common/segments/time.h"

#define ABSENT SIZE_MAX

typedef struct table_columns {
    size_t file, start, end, duration, channel, speaker, text;
} table_columns;

static const char *const recording[] = {"file", "path", "FileName", NULL};

/* The first of names, which a NULL ends, that is a column, whatever the case. */
static size_t find(const tool_table *t, const char *const *names)
{
    for (; *names; names++)
        for (size_t i = 0; i < t->column_count; i++)
            if (strcasecmp(t->columns[i], *names) == 0) return i;
    return ABSENT;
}

static size_t find_one(const tool_table *t, const char *name)
{
    const char *const names[2] = {name, NULL};
    return find(t, names);
}

static eng_status find_columns(const tool_segment_set *set, table_columns *c, eng_error *err)
{
    const tool_table *t = &set->table;
    *c = (table_columns){
        .file = find(t, recording),
        .start = find_one(t, "start"),
        .end = find_one(t, "end"),
        .duration = find_one(t, "duration"),
        .channel = find_one(t, "channel"),
        .speaker = find_one(t, "speaker"),
        .text = find_one(t, "text"),
    };
    if (c->start == ABSENT)
        return eng_fail(err, ENG_E_MISSING, "%s: no column named start in its header; segments have start and end, in seconds",
                        set->path);
    if (c->end == ABSENT && c->duration == ABSENT)
        return eng_fail(err, ENG_E_MISSING, "%s: no column named end or duration in its header", set->path);
    if (c->end != ABSENT) c->duration = ABSENT; /* one of them says it; the other is a column like any */
    return ENG_OK;
}

/* Reads a time; empty leaves *seconds as it is. */
static eng_status read_time(const tool_segment_set *set, size_t line, const char *name, const char *cell, double *seconds,
                            eng_error *err)
{
    switch (tool_time_parse(cell, seconds)) {
    case TOOL_TIME_OK:
    case TOOL_TIME_NONE: return ENG_OK;
    case TOOL_TIME_NEGATIVE:
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: a negative %s: %.40s", set->path, line, name, cell);
    default:
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: %s: expected seconds or H:MM:SS, found '%.40s'", set->path, line,
                        name, cell);
    }
}

static eng_status read_channel(const tool_segment_set *set, size_t line, const char *cell, size_t *channel, eng_error *err)
{
    *channel = TOOL_SEGMENT_NO_CHANNEL;
    if (!*cell) return ENG_OK;
    if (strspn(cell, "0123456789") != strlen(cell) || strlen(cell) > 4)
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: channel: expected a number, from 0, found '%.40s'", set->path, line,
                        cell);
    *channel = (size_t)strtoul(cell, NULL, 10);
    return ENG_OK;
}

/* The recording's name without the "./" that some tools put before it. */
static const char *plain_name(const char *name)
{
    while (name[0] == '.' && name[1] == '/') name += 2;
    return name;
}

static eng_status add_row(tool_segment_set *set, const table_columns *c, size_t row, eng_error *err)
{
    const tool_table *t = &set->table;
    const char **cells = t->cells + row * t->column_count;
    tool_segment s = {.start = -1, .end = TOOL_SEGMENT_TO_END, .line = t->lines[row], .recording = ""};
    if (c->file != ABSENT) {
        s.recording = plain_name(cells[c->file]);
        if (!*s.recording)
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: no file name in column '%s'", set->path, s.line,
                            t->columns[c->file]);
    }
    eng_status status = read_time(set, s.line, "start", cells[c->start], &s.start, err);
    if (!status && s.start < 0) /* empty: pandas writes a whole recording so */
        s.start = 0;
    double duration = -1;
    if (!status && c->end != ABSENT) status = read_time(set, s.line, "end", cells[c->end], &s.end, err);
    if (!status && c->duration != ABSENT) status = read_time(set, s.line, "duration", cells[c->duration], &duration, err);
    if (!status && duration >= 0) s.end = s.start + duration;
    if (!status && c->channel != ABSENT) status = read_channel(set, s.line, cells[c->channel], &s.channel, err);
    if (c->channel == ABSENT) s.channel = TOOL_SEGMENT_NO_CHANNEL;
    s.speaker = c->speaker == ABSENT ? "" : cells[c->speaker];
    s.text = c->text == ABSENT ? "" : cells[c->text];
    if (set->column_count) s.cells = set->cells + row * set->column_count;
    return status ? status : tool_segment_set_add(set, s, err);
}

/* The columns that mean nothing here, in an array of their own. */
static eng_status keep_columns(tool_segment_set *set, const table_columns *c, eng_error *err)
{
    const tool_table *t = &set->table;
    size_t count = 0, cells, *from = eng_alloc(t->column_count, sizeof *from);
    set->columns = eng_alloc(t->column_count, sizeof *set->columns);
    if (from && set->columns) {
        for (size_t i = 0; i < t->column_count; i++) {
            if (i == c->file || i == c->start || i == c->end || i == c->duration || i == c->channel || i == c->speaker ||
                i == c->text)
                continue;
            set->columns[count] = t->columns[i];
            from[count++] = i;
        }
        set->column_count = count;
        if (eng_mul_size(t->row_count, count, &cells)) set->cells = eng_alloc(cells, sizeof *set->cells);
    }
    for (size_t r = 0; set->cells && r < t->row_count; r++)
        for (size_t i = 0; i < count; i++) set->cells[r * count + i] = t->cells[r * t->column_count + from[i]];
    eng_free(from);
    return set->cells ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s: out of memory for its columns", set->path);
}

eng_status tool_segments_read_table(tool_segment_set *set, char separator, eng_error *err)
{
    table_columns c;
    char *text = set->text;
    set->text = NULL; /* the table's, from here on */
    eng_status status = tool_table_parse(set->path, text, set->size, separator, &set->table, err);
    if (!status) status = find_columns(set, &c, err);
    if (!status) status = keep_columns(set, &c, err);
    if (status) return status;
    set->names_recordings = c.file != ABSENT;
    for (size_t r = 0; r < set->table.row_count && !status; r++) status = add_row(set, &c, r, err);
    return status;
}
