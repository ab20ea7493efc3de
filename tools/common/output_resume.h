/* What an earlier run wrote of its results, for one that goes on: rows of csv, tsv or jsonl in FILE.part, or in FILE where that
 * has more. They are read as a stream, in bounded memory. */
#ifndef TOOLS_COMMON_OUTPUT_RESUME_H
#define TOOLS_COMMON_OUTPUT_RESUME_H

#include "engine/error.h"
#include "tools/common/output/result.h"

/* A complete row of the earlier run. */
typedef struct tool_resume_row {
    const char *file; /* as the row says it: for tool_resume_is_of */
    uint64_t offset;  /* where the row begins, in bytes: a spec with append_at = offset drops it and those behind it */
    bool failed;      /* it has an error */
} tool_resume_row;

typedef struct tool_resume {
    uint64_t keep;   /* bytes of the header and all complete rows: a spec's append_at to go on behind them; 0: there is
                      * nothing to go on with */
    size_t rows;     /* complete ones */
    bool complete;   /* they are FILE's: a spec's append_complete */
    bool torn;       /* a row that is not complete stands behind them */
} tool_resume;

/* Reads the rows of spec->path, each given to row (NULL: to none), whose error ends it. No file at all is keep 0.
 * ENG_E_MISMATCH, with both, for another header than the spec's; ENG_E_FORMAT with a line for what is no row of these
 * results; ENG_E_USAGE for other formats, standard output and what is no regular file. */
eng_status tool_output_resume(const tool_output_spec *spec,
                              eng_status (*row)(void *arg, const tool_resume_row *row, eng_error *err), void *arg,
                              tool_resume *out, eng_error *err);

/* Whether `written`, a row's file, is `file` of the list: the same, but JSON lines have U+FFFD for what is no UTF-8. */
bool tool_resume_is_of(tool_format format, const char *written, const char *file);

#endif
