/* The results of `infer`: one row an input (and channel), as CSV, TSV or JSON lines.
 *
 * CSV and TSV have a header and the columns
 *     file [channel] label score <one a class> [logit.<class>, one a class] <the lists' own columns> error
 * score is the label's probability; a class's column bears its name and holds its probability. A failed row has its
 * error and the lists' columns alone; the others' error is empty. Without classes (a backbone) label, score and the
 * classes' columns are absent. CSV is quoted by RFC 4180; TSV is not quoted, but escapes \t \n \r \\.
 * A JSON line holds file, [channel,] label, scores {class: probability}, [logits [...] in id order,] the lists' columns
 * as strings; a failed one file, [channel,] the lists' columns, error. Bytes that are not UTF-8 become U+FFFD there.
 *
 * Names never clash: a list's column named like one of ours (file, channel, label, score, scores, logits, error, or a
 * class's column) is written as list.<name>, in every format; a class named like one of ours gets the column
 * score.<name>. Numbers are the shortest that give the same float32 again.
 *
 * Each row is written whole, by one write, as soon as it is there. A file is written as FILE.part and renamed at the
 * end, so FILE is complete or absent, and a run that was killed leaves its complete rows in FILE.part. */
#ifndef TOOLS_COMMON_OUTPUT_H
#define TOOLS_COMMON_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "tools/common/list.h"

typedef enum tool_format { TOOL_CSV, TOOL_TSV, TOOL_JSONL } tool_format;

#define TOOL_FORMAT_CHOICES "csv|tsv|jsonl" /* for the option table, in the enum's order */
#define TOOL_NO_CHANNEL SIZE_MAX

typedef struct tool_output_spec {
    tool_format format;
    const char *path;           /* NULL or "-": standard output */
    const tool_list *list;      /* the inputs; outlives the output */
    const char *const *classes; /* names in id order, all different; outlive the output */
    size_t class_count;         /* 0 for a backbone */
    bool channels;              /* rows have a channel */
    bool logits;                /* rows show their logits */
} tool_output_spec;

typedef struct tool_result {
    size_t row;          /* in the list */
    size_t channel;      /* from 0; TOOL_NO_CHANNEL for a row without one, such as a file that cannot be read */
    size_t label;        /* < class_count */
    const float *scores; /* [class_count] */
    const float *logits; /* [class_count] where the spec has logits */
    const char *error;   /* not NULL: the row failed; label, scores and logits are not read */
} tool_result;

typedef struct tool_output tool_output;

/* Opens the output and writes the header. ENG_E_MISMATCH for two classes of one name, ENG_E_IO when the file cannot be
 * written. A path that exists and is no regular file (/dev/null, a pipe) is written directly. */
eng_status tool_output_open(const tool_output_spec *spec, tool_output **out, eng_error *err);

/* Writes one row. Scores or logits that are not finite make it a failed row that says so. ENG_E_IO when it cannot be
 * written (disk full, pipe closed: without a signal). */
eng_status tool_output_write(tool_output *o, const tool_result *result, eng_error *err);

/* How many failed rows were written. */
size_t tool_output_failed_rows(const tool_output *o);

/* Ends the output and gives the file its name; frees o in any case. ENG_E_IO when the file could not be completed. */
eng_status tool_output_close(tool_output *o, eng_error *err);

/* Gives up: FILE.part stays with the rows written so far. Frees o; NULL is fine. */
void tool_output_abandon(tool_output *o);

#endif
