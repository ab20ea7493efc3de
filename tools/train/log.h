/* metrics.jsonl: a line a step, a line an evaluation. */
#ifndef TOOLS_TRAIN_LOG_H
#define TOOLS_TRAIN_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "model/training/metrics.h"

typedef struct train_log {
    int fd; /* -1: closed */
    char *path;
    uint64_t bytes; /* written so far */
} train_log;

/* Opens path and cuts it to `bytes`, the length that belongs to the state resumed from (0: a new run). A file that is
 * shorter than that is an error, and so is one that another process has open so: a run has its folder for itself. */
eng_status train_log_open(train_log *log, const char *path, uint64_t bytes, eng_error *err);

/* Appends a line, whole; what cannot be written whole is taken back. */
typedef struct train_step_line {
    size_t step, epoch; /* from 1 */
    double loss, rate, norm, seconds;
} train_step_line;

eng_status train_log_step(train_log *log, const train_step_line *line, eng_error *err);

/* An evaluation's line. scores for classes; or ccc [attributes] with their names. */
typedef struct train_evaluation_line {
    size_t step, epoch, count;
    const char *split;
    double loss;
    bool best;
    const mdl_class_scores *scores;
    const char *const *names; /* of the classes or attributes */
    size_t attributes;
    const double *ccc;
    double ccc_mean;
} train_evaluation_line;

eng_status train_log_evaluation(train_log *log, const train_evaluation_line *line, eng_error *err);

/* Makes sure that what was written is on the disk. */
eng_status train_log_sync(const train_log *log, eng_error *err);

void train_log_close(train_log *log);

#endif
