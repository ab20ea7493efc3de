/* What metrics.jsonl says about a training, for this folder alone. A line is an object:
 *   a step        {"step", "epoch", "loss", "lr", "grad_norm", "seconds_audio"}
 *   an evaluation {"step", "epoch", "split", "loss", "count", "best", and for classes "macro_f1", "accuracy", "uar",
 *                  "classes", "precision", "recall", "f1", "confusion", for attributes "ccc": {name: value},
 * "ccc_mean"} Only step, and an evaluation's split, must be there. Numbers that are not finite or beyond 10^15 are
 * taken as absent. */
#ifndef TOOLS_TRAIN_REPORT_DATA_H
#define TOOLS_TRAIN_REPORT_DATA_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/memory.h"

enum { TRAIN_REPORT_CLASSES = 64, TRAIN_REPORT_SPLITS = 8, TRAIN_REPORT_ATTRIBUTES = 8 }; /* more are not shown */

/* Absent numbers are NaN. */
typedef struct train_report_step {
    double step, epoch, loss, rate, grad_norm, seconds;
} train_report_step;

typedef struct train_report_evaluation {
    double step, epoch, loss, count;
    size_t split; /* in the log's names */
    bool best;
    double macro_f1, accuracy, uar, ccc_mean;
    size_t attributes;
    const char *attribute[TRAIN_REPORT_ATTRIBUTES];
    double ccc[TRAIN_REPORT_ATTRIBUTES];
    size_t classes;                        /* 0: no names, or not as many of everything */
    const char **class_name;               /* [classes] */
    const double *precision, *recall, *f1; /* [classes], or NULL */
    const double *confusion;               /* [classes, classes], row: truth; or NULL */
} train_report_evaluation;

typedef struct train_report_log {
    size_t step_count, evaluation_count, split_count, skipped;
    train_report_step *step;             /* by step, rising */
    train_report_evaluation *evaluation; /* in the file's order, a step and split once */
    const char *split[TRAIN_REPORT_SPLITS];
    double newest[TRAIN_REPORT_SPLITS]; /* the highest step evaluated */
    size_t step_room, evaluation_room;
    eng_arena arena; /* names and matrices */
} train_report_log;

/* Reads the file. A run that was resumed from an earlier step writes some steps again: the later ones count. Lines that
 * are neither step nor evaluation are skipped and counted (empty ones are not). Errors: ENG_E_MISSING, ENG_E_IO,
 * ENG_E_MEMORY. Free with train_report_log_fini, also after an error. */
eng_status train_report_log_read(train_report_log *log, const char *path, eng_error *err);
void train_report_log_fini(train_report_log *log);

/* A split's evaluation to show: its last one with "best", else the one at the step of the run's best, else its last.
 * NULL: none. */
const train_report_evaluation *train_report_best(const train_report_log *log, size_t split);

/* The measure of an evaluation that a model is judged by, ccc_mean or macro_f1; NaN: it has none. */
double train_report_score(const train_report_evaluation *e);

#endif
