/* Results, and how they are to be written: what tools/common/output.h takes. */
#ifndef TOOLS_COMMON_OUTPUT_RESULT_H
#define TOOLS_COMMON_OUTPUT_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/common/list.h"

typedef enum tool_format {
    TOOL_CSV,
    TOOL_TSV,
    TOOL_JSONL,
    TOOL_RTTM,
    TOOL_SRT,
    TOOL_VTT,
    TOOL_AUDACITY,
    TOOL_TEXTGRID,
    TOOL_ELAN
} tool_format;

#define TOOL_FORMAT_CHOICES "csv|tsv|jsonl|rttm|srt|vtt|audacity|textgrid|elan" /* for the option table, in the enum's order */
#define TOOL_NO_CHANNEL SIZE_MAX

typedef struct tool_output_spec {
    tool_format format;
    const char *path;           /* NULL or "-": standard output */
    const tool_list *list;      /* the inputs; outlives the output */
    const char *const *classes; /* names in id order, all different; outlive the output */
    size_t class_count;         /* 0 for a backbone */
    bool values;                /* the classes are values (arousal, dominance, valence): there is no label and no score */
    bool channels;              /* rows have a channel, */
    bool segments;              /* a start and an end, */
    bool listed;                /* which the rows of the list name: those of one recording lie one after the other */
    bool speakers;              /* a speaker, */
    bool texts;                 /* a text, */
    bool logits;                /* their logits */
    bool no_header;             /* csv, tsv: a part of a whole that has one at its beginning */
    uint64_t append_at;         /* csv, tsv, jsonl: go on behind so many bytes (output_resume.h); 0: a new file */
    bool append_complete;       /* they are FILE's, not FILE.part's */
} tool_output_spec;

typedef struct tool_result {
    size_t row;                  /* in the list */
    size_t channel;              /* from 0; TOOL_NO_CHANNEL for a row without one, such as a file that cannot be read */
    bool segment;                /* has a start and an end; a file that cannot be read has none */
    double start, end;           /* seconds, 0 <= start < end */
    const char *speaker, *text;  /* NULL: "" */
    size_t label;                /* < class_count; without `values` */
    const float *scores;         /* [class_count] */
    const float *logits;         /* [class_count] where the spec has logits */
    const char *error;           /* not NULL: the row failed; label, scores and logits are not read */
} tool_result;

#endif
