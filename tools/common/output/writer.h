/* A format of results: what it writes of a row, into a text that its caller writes to the file. */
#ifndef TOOLS_COMMON_OUTPUT_WRITER_H
#define TOOLS_COMMON_OUTPUT_WRITER_H

#include "tools/common/columns.h"
#include "tools/common/output/result.h"
#include "tools/common/text.h"

/* What writers work with. */
typedef struct tool_writing {
    tool_output_spec spec;
    tool_columns columns;
    tool_text text;  /* what is to be written next; text.failed: out of memory */
    size_t rows;     /* that this file has; the caller counts */
    void *state;     /* the format's own, of the file under way; drop frees it */
    const char *more[5]; /* names that only some results have; columns points here, so that this stays where it is */
} tool_writing;

typedef struct tool_writer {
    const char *ending;  /* of a file in a folder */
    bool alone;          /* names no recording: a file has the rows of one */
    bool stems;          /* names recordings by their stems, which must differ */
    bool timed;          /* needs segments, and scores or values; failed rows are left out */
    bool labelled;       /* needs labels */
    void (*begin)(tool_writing *w); /* may be NULL, as may end and drop */
    void (*row)(tool_writing *w, const tool_result *r);
    void (*length)(tool_writing *w, double seconds); /* of the recording; may be NULL */
    void (*end)(tool_writing *w);
    void (*drop)(tool_writing *w);
} tool_writer;

extern const tool_writer tool_writer_csv, tool_writer_tsv, tool_writer_jsonl, tool_writer_rttm, tool_writer_srt,
    tool_writer_vtt, tool_writer_audacity, tool_writer_textgrid, tool_writer_elan;

const tool_writer *tool_writer_of(tool_format format);

/* Names the columns. ENG_E_MISMATCH for two classes of one name. tool_writing_fini in any case. */
eng_status tool_writing_init(tool_writing *w, const tool_output_spec *spec, eng_error *err);
void tool_writing_fini(tool_writing *w);

#endif
