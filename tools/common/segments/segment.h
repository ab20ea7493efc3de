/* Segments of recordings, and the set of them that one file holds: what the readers of its formats fill. */
#ifndef TOOLS_COMMON_SEGMENTS_SEGMENT_H
#define TOOLS_COMMON_SEGMENTS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "tools/common/table.h"

#define TOOL_SEGMENT_TO_END (-1.0)         /* an end: that of the recording */
#define TOOL_SEGMENT_NO_CHANNEL SIZE_MAX   /* a channel: not said */
#define TOOL_SEGMENT_MAX_SECONDS 1e8       /* three years: times beyond are no times, and their samples fit in 64 bits */

typedef struct tool_segment {
    double start, end;            /* seconds; end > start, or TOOL_SEGMENT_TO_END */
    size_t channel;               /* from 0, or TOOL_SEGMENT_NO_CHANNEL */
    const char *speaker, *text;   /* "" where the file says nothing */
    size_t line;                  /* that it begins at, from 1 */
    const char *const *cells;     /* of a table: the other columns' (tool_segment_list); NULL in other formats */
    const char *recording;        /* private: its name in the file; "" in formats that name none */
    size_t order;                 /* private: among the file's */
} tool_segment;

typedef struct tool_segment_set {
    const char *path; /* for messages; the caller's */
    char *text;       /* [size] and a NUL: strings of the segments point into it. The readers end them there */
    size_t size;
    tool_table table;         /* of a CSV or TSV, to which text then belongs */
    const char **cells;       /* [segments, column_count]: its other columns */
    const char **columns;     /* [column_count]: their names */
    size_t column_count;
    tool_segment *segments;   /* [count] */
    size_t count;
    eng_arena strings;        /* what the text does not hold */
    bool names_recordings;    /* the format says which recording a segment is of */
    bool latin1;              /* the text was not UTF-8 */
    size_t skipped;           /* what was there and is no segment: points, lines of other types, cues without times */
} tool_segment_set;

/* Adds a segment. ENG_E_FORMAT, with file and line, when its end is not behind its start or a time is no time. */
eng_status tool_segment_set_add(tool_segment_set *set, tool_segment segment, eng_error *err);

/* Brings the segments of a recording together, in the order of the file, and the recordings in that of their names. */
void tool_segment_set_group(tool_segment_set *set);

/* How many segments, from `first` on, are of the recording of that one; 0 behind the last. */
size_t tool_segment_set_run(const tool_segment_set *set, size_t first);

/* set begins as {.path} with eng_arena_init(&strings). */
void tool_segment_set_fini(tool_segment_set *set);

#endif
