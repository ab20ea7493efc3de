/* One recording of the page, while its rows come in; for this folder alone.
 *
 * In the page it is three script elements, which no browser runs: what the overview needs (class "recording"), what is
 * shown when it is opened (class "detail"), and its audio (class "audio", empty unless it is embedded), each in the order
 * of the recordings. The first two are JSON:
 *     {"name", "seconds", "channels", "rows", "failed", "time": [seconds, a class] or "mean": [one a value], "error"}
 *     {"link", "note", "embedded", "step": seconds a peak, "peaks": [base64 of lowest, highest, a channel],
 *      "rows": [[channel, start, end, label, [scores], speaker, text, error], ...]}
 * What is not known or not there is null, at the end of a row left out. */
#ifndef TOOLS_INFER_REPORT_RECORDING_H
#define TOOLS_INFER_REPORT_RECORDING_H

#include "tools/common/text.h"
#include "tools/infer/report/sound.h"
#include "tools/infer/report/spec.h"

/* How many rows there were, and of those with a result the seconds of each class, or the sum of each value times its
 * seconds. */
typedef struct infer_report_sums {
    size_t rows, failed;
    double seconds; /* in rows with a result */
    double *sum;    /* [class_count] */
} infer_report_sums;

typedef struct infer_report_recording {
    char *name, *path; /* path NULL: no link */
    char *error;       /* the first row's that has one; NULL: none */
    tool_text rows;    /* as JSON */
    infer_report_sums sums;
} infer_report_recording;

/* "time" or "mean" of sums, as a member of a JSON object that others go before. */
void infer_report_put_sums(tool_text *t, const infer_report_sums *sums, const infer_report_spec *spec);

/* Adds a row; out of memory is the failure of rec->rows. */
void infer_report_add_row(infer_report_recording *rec, const infer_report_spec *spec, const infer_report_row *row);

/* A number of at most that many digits behind the point, none of them a needless 0; null for one that is not finite. */
void infer_report_put_number(tool_text *t, double value, int digits);

/* The first element. */
void infer_report_put_recording(tool_text *t, const infer_report_recording *rec, const infer_report_spec *spec,
                                double seconds, const infer_sound *sound);

/* The second one. embedded: the third holds the audio; note: for the reader, about the audio; NULL: none. */
void infer_report_put_detail(tool_text *t, const infer_report_recording *rec, const infer_report_spec *spec,
                             const infer_sound *sound, bool embedded, const char *note);

/* Frees what rec holds, but not sums.sum; it is as one without rows then. */
void infer_report_clear(infer_report_recording *rec, size_t class_count);

#endif
