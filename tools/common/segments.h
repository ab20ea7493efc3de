/* The segments of recordings that a user brings: a diariser's turns, a transcript's cues, a phonetician's intervals.
 *
 * They are a file, or a folder (and those below it) that holds a file a recording. A file's format is told by its name's
 * ending, else by its content (tools/common/segments/readers.h says what each reader takes):
 *
 *     .csv .tsv     columns start, end (or duration), [channel], [speaker], [text]; the recording in file, path or FileName
 *     .rttm         NIST's; the recording by its id, a file's name without extension
 *     .txt          Audacity's labels: start, tab, end, tab, text
 *     .TextGrid     Praat's: interval tiers, whose names are the speakers
 *     .vtt .srt     WebVTT and SRT
 *
 * Which recording a segment is of: a CSV and an RTTM name it, and a name fits a recording when it is the same path, or one
 * is the end of the other (tools/common/segments/match.h). The other formats, and a CSV without such a column, name none:
 * such a file is of the only recording there is. In a folder a file is of the recording of its name, by the same rule, and
 * so are all its segments; where it names several recordings itself, those of that recording. Two files of one name there
 * (a.vtt, a.srt) are an error.
 *
 * Segments stay in the order of the file, may overlap, repeat and be as short as they like. Text that is UTF-16 with a mark
 * is understood everywhere, Latin-1 in labels, TextGrids and cues. */
#ifndef TOOLS_COMMON_SEGMENTS_H
#define TOOLS_COMMON_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "tools/common/segments/segment.h"

typedef struct tool_segments tool_segments;

/* Reads a file; of a folder the names alone, its files are read when their recording is asked for. ENG_E_FORMAT,
 * ENG_E_MISSING with file and line; two files of one name: ENG_E_MISMATCH. */
eng_status tool_segments_open(const char *path, tool_segments **out, eng_error *err);

/* NULL is fine. */
void tool_segments_close(tool_segments *s);

/* The segments of one recording. */
typedef struct tool_segment_list {
    const tool_segment *segments; /* [count], in the order of the file */
    size_t count;
    const char *source;         /* the file; for messages */
    const char *const *columns; /* [column_count]: the table's other columns; their values are a segment's cells */
    size_t column_count;
    tool_segment_set *own; /* private */
} tool_segment_list;

/* The segments of the recording at path ("-": standard input), of which there are `recordings` in this run; none is no
 * error. *out lives until tool_segment_list_free, which comes before tool_segments_close. Errors: a file that names no
 * recording with several of them (ENG_E_USAGE), a recording that two names fit equally well (ENG_E_MISMATCH), and in a
 * folder those of reading. May be called by several threads at a time. */
eng_status tool_segments_of(tool_segments *s, const char *path, size_t recordings, tool_segment_list *out, eng_error *err);
void tool_segment_list_free(tool_segment_list *l);

/* For notes at the end. */
typedef struct tool_segments_counts {
    size_t skipped;           /* what the files that were read hold beside segments: lines of RTTM that are no SPEAKER,
                               * points, text outside cues */
    size_t latin1;            /* files that were read as Latin-1 */
    size_t unused_recordings; /* that no recording was asked for: names in the file, files in a folder */
    size_t unused_segments;   /* theirs; 0 for a folder, whose other files were not read */
} tool_segments_counts;

tool_segments_counts tool_segments_count(const tool_segments *s);

#endif
