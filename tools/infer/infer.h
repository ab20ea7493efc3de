/* Private to infer: what its files share.
 *
 * Inputs become rows (tools/common/list.h), rows become jobs: what is read in one go, a recording. Threads read and decode
 * jobs ahead (infer_read_job) and put pieces, what gets one label each: the recording, or a segment of it, as soon as it is
 * there. The main thread runs pieces in batches, whichever jobs they are of (infer_line), and a thread writes the results
 * (infer_write). They are written job by job and piece by piece, whatever the order in which they got ready. */
#ifndef TOOLS_INFER_INFER_H
#define TOOLS_INFER_INFER_H

#include "model/audio/samples.h"
#include "model/audio/stream.h"
#include "model/wlm.h"
#include "tools/common/list.h"
#include "tools/common/npy.h"
#include "tools/common/output.h"
#include "tools/common/segments.h"
#include "tools/common/stage.h"
#include "tools/infer/errors.h"
#include "tools/infer/report/report.h"
#include "tools/infer/totals.h"
#include "weights/checkpoint.h"
#include "weights/store.h"

enum { CHANNELS_MIX = -1, CHANNELS_SPLIT = -2 };

typedef struct infer_options {
    const char *model, *output, *features, *text, *cpu, *channels, *segments, *shard, *errors, *summary, *raw;
    const char *embeddings, *layers, *report;
    size_t format, gender, precision, report_audio;
    bool allow_bf16;
    uint64_t threads, decoders;
    double batch_seconds;
    double segment, hop, shortest; /* seconds; segment 0: recordings are labelled whole */
    double skip_silence;           /* dB below full scale, negative; 0: none is skipped */
    double longest;                /* seconds */
    double embed_megabytes;        /* of audio that the report may hold */
    bool logits, quiet, live, resume;
} infer_options;

typedef struct infer_line infer_line;

typedef struct infer {
    infer_options o;
    long channels; /* CHANNELS_MIX, CHANNELS_SPLIT or a channel */
    tool_list list;
    size_t first_row, last_row; /* of the list, that this process labels: [first_row, last_row) */
    bool continues;             /* that is a share, and not the first */
    bool *done;                 /* [last_row - first_row]: an earlier run has written it; NULL: there was none */
    size_t done_rows;           /* of these */
    size_t done_failed;         /* rows without a label that it wrote */
    wlm_model *model;
    const char **classes;
    tool_output *out;
    wts_writer *features;    /* NULL where nobody asks for it, as the following */
    size_t *layer;           /* [layers] that it has; NULL: all */
    size_t layers;
    tool_npy *embeddings;    /* a row a row of the output */
    wts_writer *embedded;    /* or a tensor an input */
    infer_report *report;
    wts_checkpoint text;
    kern_table portable; /* for reading text embeddings */
    size_t gender_column;
    mdl_audio_options raw;           /* how standard input is to be read; all zero: it says so itself */
    tool_segments *segments;         /* of --segments; NULL: none */
    size_t start_column, end_column; /* of the list, whose rows are segments then; else TOOL_NO_COLUMN */
    infer_errors *errors; /* NULL: none are written apart */
    infer_totals *totals;
    infer_line *line;
    tool_stage *reading; /* the line's: takes the pieces of jobs */
    bool defaulted;  /* no --model was given: */
    char path[4096]; /* the default model's */
} infer;

/* A result that pieces are still to be written from. */
typedef struct infer_batch {
    wlm_result *result;
    size_t left; /* answers that are not written */
} infer_batch;

/* What is written of a piece, or of one of its channels. */
typedef struct infer_answer {
    size_t channel;     /* that is shown, or TOOL_NO_CHANNEL */
    size_t source;      /* channel of the piece's audio */
    infer_batch *batch; /* has the result, as utterance `index`; NULL while there is none, and where there will be none */
    size_t index;
    infer_outcome outcome;
    eng_status kind; /* failed: of what kind */
    char *message;   /* failed: why; NULL: memory ran out */
} infer_answer;

/* What the line's stages pass on: a job or a piece. */
typedef struct infer_item {
    tool_stage_item stage;
    bool is_piece;
    bool lost; /* could not be written */
} infer_item;

typedef struct infer_piece infer_piece;

/* A segment that a user gave. */
typedef struct infer_span {
    size_t row;           /* in the list */
    double start, end;    /* seconds; end < 0: to the recording's */
    size_t channel;       /* or TOOL_NO_CHANNEL */
    const char *speaker, *text;
    const char *bad;      /* not NULL: why it is none */
} infer_span;

typedef struct infer_job {
    infer_item item;
    size_t number;     /* from 0 */
    size_t row, rows;  /* of the list: it is of these, one after the other */
    /* The reader's: */
    tool_segment_list given; /* what spans were made of */
    infer_span *spans;       /* [span_count], of a recording that is cut by its user; NULL: it is not */
    size_t span_count;
    size_t pieces;  /* it put, when it has ended */
    double seconds; /* it lasts, as far as it could be read */
    bool failed;    /* it could not be read to its end */
    bool whole;      /* it is labelled as one */
    bool starved;    /* memory ran out: pieces are missing */
    infer_sound sound; /* for the report */
    /* The line's: */
    bool ended;                 /* read, and the line's again */
    size_t taken;               /* pieces that the line has */
    size_t next;                /* piece that is to be written next */
    infer_piece **slot;         /* [span_count, at least 1]: pieces that are taken and not given to be written, by their
                                 * index; windows all in the first, one after the other */
} infer_job;

struct infer_piece {
    infer_item item;
    infer_job *job;
    size_t index; /* in the job's order */
    size_t row;   /* in the list */
    bool segment; /* start and end say where it lies */
    bool cut;     /* its user says that it ends behind its recording */
    double start, end;
    const char *speaker, *text; /* or NULL */
    mdl_audio audio;
    double seconds;             /* of a channel */
    infer_answer *answer;       /* [answers]; answers: 0 when memory ran out */
    size_t answers, open;       /* open: that are still to be run */
    infer_piece *after, *last;  /* in a slot: the next one; of the first, the last one */
};

/* ---- job.c ---- */

/* a has no result, because of message, which is copied. */
void infer_fail(infer_answer *a, eng_status kind, const char *message);

/* Whether recordings are labelled as they are, each as one. */
bool infer_is_whole(const infer *f);

/* Whether an earlier run has written that row. */
bool infer_is_done(const infer *f, size_t row);

/* The next job of f's rows from *row on, which moves past them. Errors: out of memory. */
eng_status infer_job_next(infer *f, size_t *row, infer_job **out, eng_error *err);

/* Fills the job's spans, from --segments or the list's columns; leaves NULL where nobody named any. On the thread that reads
 * it. Errors: those of the file of segments, out of memory. */
eng_status infer_job_spans(infer *f, infer_job *j, eng_error *err);

void infer_job_free(infer_job *j);
void infer_piece_free(infer_piece *p); /* not its results, which the line counts */

/* ---- input.c ---- */

/* The row's gender: the list's, else --gender; NULL when there is none; *bad gets a value that is no gender. */
const char *infer_row_gender(const infer *f, size_t row, const char **bad);

/* Reads the row's text embedding into out; false with a message [size] when there is none that fits. */
bool infer_row_text(const infer *f, size_t row, float *out, char *message, size_t size);

/* ---- read.c, write.c: the stages' functions; arg: the infer and the infer_writing ---- */

size_t infer_read_job(void *arg, tool_stage_item *item);
size_t infer_write_item(void *arg, tool_stage_item *item);

typedef struct infer_writing {
    infer *f;
    tool_stage *reading;  /* is interrupted when a row cannot be written */
    infer_totals *totals;
    bool progress;        /* one line on a terminal, rewritten */
    bool longest_said;
    const infer_job *reported;  /* the recording that the report is at; NULL: none */
    eng_error failure;    /* status ENG_OK: none */
} infer_writing;

/* ---- shard.c ---- */

/* Sets which rows f labels: all of its list, or the share that --shard I/N names. ENG_E_USAGE: it names none. */
eng_status infer_choose_rows(infer *f, eng_error *err);

/* ---- resume.c ---- */

/* Finds what an earlier run has written to the spec's output, and sets what is left of f's rows and where the output goes
 * on. Errors: the earlier output's, which is left as it is; inputs that it has and f has not; out of memory. */
eng_status infer_resume(infer *f, tool_output_spec *spec, eng_error *err);

/* ---- setup.c: each complains and returns the exit status, 0: go on ---- */

enum { INFER_EXIT_USAGE = 1, INFER_EXIT_MODEL = 2, INFER_EXIT_INPUTS = 3 };

#define INFER_UNSET SIZE_MAX /* a choice that was not made */

/* Says message on standard error; returns status. */
int infer_complain(int status, const char *message);

/* Finds out what the options and inputs ask for, without opening anything but lists. */
int infer_plan(infer *f, size_t inputs, char **argv);
int infer_open_model(infer *f);
int infer_open_files(infer *f);

/* ---- line.c ---- */

/* Starts reading the rows of f. Errors: out of memory. */
eng_status infer_line_open(infer *f, eng_error *err);

/* Labels and writes all rows. Errors: a row cannot be written, out of memory. */
eng_status infer_line_run(infer *f, eng_error *err);

/* Ends a line that has run to its end. (Any other has files open that may never end, such as a terminal or a pipe, and
 * is left to the end of the process, with what its threads use: f and its list.) */
void infer_line_close(infer *f);

#endif
