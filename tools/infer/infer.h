/* Private to infer: what its files share.
 *
 * Rows go through a line: threads read and decode them ahead (infer_read), the main thread runs what is decoded in
 * batches (infer_line), a thread writes the results (infer_write). Rows are written in their order, whatever the order
 * in which they got ready. */
#ifndef TOOLS_INFER_INFER_H
#define TOOLS_INFER_INFER_H

#include "model/wlm.h"
#include "tools/common/list.h"
#include "tools/common/output.h"
#include "tools/common/stage.h"
#include "weights/checkpoint.h"
#include "weights/store.h"

enum { CHANNELS_MIX = -1, CHANNELS_SPLIT = -2 };

typedef struct infer_options {
    const char *model, *output, *features, *text, *cpu, *channels;
    size_t format, gender, precision;
    bool allow_bf16;
    uint64_t threads, decoders;
    double batch_seconds;
    bool logits, quiet;
} infer_options;

typedef struct infer_line infer_line;

typedef struct infer {
    infer_options o;
    long channels; /* CHANNELS_MIX, CHANNELS_SPLIT or a channel */
    tool_list list;
    wlm_model *model;
    const char **classes;
    tool_output *out;
    wts_writer *features;
    wts_checkpoint text;
    kern_table portable; /* for reading text embeddings */
    size_t gender_column;
    infer_line *line;
    bool defaulted;  /* no --model was given: */
    char path[4096]; /* the default model's */
} infer;

/* A result that rows are still to be written from. */
typedef struct infer_batch {
    wlm_result *result;
    size_t left; /* answers that are not written */
} infer_batch;

/* What is written of a row, or of one of its channels. */
typedef struct infer_answer {
    size_t channel;     /* that is shown, or TOOL_NO_CHANNEL */
    size_t source;      /* channel of the row's audio */
    infer_batch *batch; /* has the result, as utterance `index`; NULL while there is none, and for a failure */
    size_t index;
    bool failed;
    char message[1200]; /* failed: why */
} infer_answer;

typedef struct infer_row {
    tool_stage_item stage;
    size_t row; /* in the list */
    wlm_audio *audio;
    double seconds;       /* of a channel */
    infer_answer *answer; /* [answers]; answers: 0 when memory ran out */
    size_t answers, open; /* open: that are still to be run */
    bool taken;           /* read, and the line's again */
    bool lost;            /* could not be written */
} infer_row;

/* a has no result, because of message. */
void infer_fail(infer_answer *a, const char *message);

/* The stages' functions; arg: the infer and the infer_writing. */
size_t infer_read_row(void *arg, tool_stage_item *item);
size_t infer_write_row(void *arg, tool_stage_item *item);

typedef struct infer_writing {
    infer *f;
    tool_stage *reading;  /* is interrupted when a row cannot be written */
    double audio_seconds; /* of the rows that are written */
    double started;       /* by eng_now */
    bool progress;        /* one line on a terminal, rewritten */
    eng_error failure;    /* status ENG_OK: none */
} infer_writing;

void infer_show_progress(const infer_writing *w, size_t done);

/* Starts reading the rows of f->list. Errors: out of memory. */
eng_status infer_line_open(infer *f, eng_error *err);

/* Labels and writes all rows. Errors: a row cannot be written, out of memory. */
eng_status infer_line_run(infer *f, eng_error *err);

/* Ends a line that has run to its end. (Any other has files open that may never end, such as a terminal or a pipe, and
 * is left to the end of the process, with what its threads use: f and its list.) */
void infer_line_close(infer *f);

#endif
