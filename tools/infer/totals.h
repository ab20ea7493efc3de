/* What a run of infer has done: the progress that it shows, and the summary that it ends with. */
#ifndef TOOLS_INFER_TOTALS_H
#define TOOLS_INFER_TOTALS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

enum { INFER_KINDS = ENG_E_USAGE + 1 };

typedef enum infer_outcome { INFER_LABELLED, INFER_FAILED, INFER_SILENT } infer_outcome;

typedef struct infer_totals {
    size_t rows;                /* of the list, that are to be labelled */
    size_t done;                /* of these, that are finished */
    size_t done_before;         /* of these, by an earlier run */
    size_t recordings;          /* read, whole or in part */
    size_t unread;              /* that could not be read to their ends */
    size_t labelled, silent;    /* rows of the output; rows that are left out */
    size_t failed;              /* rows of the output without a label */
    size_t unnamed;             /* recordings of which --segments names no segment */
    size_t unused, unused_segments; /* recordings that --segments names and no input is; theirs, where they are known */
    size_t cut;                 /* rows whose segment ends behind its recording, where it was cut */
    size_t by_kind[INFER_KINDS]; /* failed, by eng_status */
    size_t *by_label;           /* [labels], labelled */
    size_t labels;
    double audio_seconds;       /* of the recordings that are finished */
    double labelled_seconds;    /* of what has a label, each channel and segment by itself */
    double started, shown;      /* by eng_now */
} infer_totals;

/* What became of a row. */
typedef struct infer_end {
    infer_outcome outcome;
    eng_status kind; /* failed: of what kind */
    size_t label;    /* labelled: with what */
    double seconds;  /* of audio */
    bool cut;        /* its segment ended behind its recording */
} infer_end;

/* Begins to count, for a model with so many labels. Errors: out of memory. */
eng_status infer_totals_init(infer_totals *t, size_t rows, size_t labels, eng_error *err);
void infer_totals_fini(infer_totals *t);

/* Counts a row. */
void infer_totals_row(infer_totals *t, const infer_end *row);

/* Counts a recording that is finished: of so many rows of the list, and seconds; failed: not to its end. */
void infer_totals_recording(infer_totals *t, size_t rows, double seconds, bool failed);

/* Seconds of audio a second, until now. */
double infer_totals_speed(const infer_totals *t);

/* How much audio that is, for a reader: "12.5 s", "3.2 min", "1.25 h". */
void infer_totals_audio(const infer_totals *t, char *out, size_t size);

/* Shows how far the run is: on a terminal one line that is rewritten, elsewhere a line a minute. */
void infer_totals_show(infer_totals *t, bool terminal);

/* The last line of a run that showed how far it was. */
void infer_totals_say(const infer_totals *t, bool terminal);

/* Writes all of it to a JSON file (tools/common/part_file.h). labels [t->labels]: their names; values: they are no classes,
 * and are not counted. Errors: it cannot be written. */
eng_status infer_totals_write(const infer_totals *t, const char *path, const char *const *labels, bool values, eng_error *err);

#endif
