/* report.html: one self-contained page about a training, from its metrics.jsonl. */
#ifndef TOOLS_TRAIN_REPORT_H
#define TOOLS_TRAIN_REPORT_H

#include <stddef.h>

#include "engine/error.h"

/* One line of the summary at the page's top: "Model" "wavlm-large", ... */
typedef struct train_report_fact {
    const char *name, *value;
} train_report_fact;

/* Reads metrics (metrics.jsonl; unknown members and lines are skipped) and writes path, whole or not at all: loss and rate
 * by step, macro-F1 (or CCC) by epoch for every split, the last evaluation's confusion matrix and per-class bars of the
 * best step, as inline SVG; readable without scripts, in light and dark, and in print. facts: [count]. */
eng_status train_report_write(const char *metrics, const char *path, const char *title, const train_report_fact *facts,
                              size_t count, eng_error *err);

#endif
