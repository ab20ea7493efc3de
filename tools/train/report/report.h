/* report.html: one self-contained page about a training, from its metrics.jsonl. */
#ifndef TOOLS_TRAIN_REPORT_REPORT_H
#define TOOLS_TRAIN_REPORT_REPORT_H

#include <stddef.h>

#include "engine/error.h"

/* One line of the summary at the page's top: "Model" "wavlm-large", ... */
typedef struct train_report_fact {
    const char *name, *value;
} train_report_fact;

/* Reads metrics (metrics.jsonl, see train_report_data.h; what it does not know is skipped) and writes path, whole or
 * not at all: each split's result with the best model, then as inline SVG loss, scores (macro-F1, UAR and accuracy, or
 * CCC), learning rate and gradient norm by step, and for each split the best model's confusion matrix and per-class
 * bars. Readable without scripts, in light and dark, on a phone and in print. facts: [count]. Errors: ENG_E_MISSING for
 * metrics that are not there, ENG_E_IO, ENG_E_MEMORY. */
eng_status train_report_write(const char *metrics, const char *path, const char *title, const train_report_fact *facts,
                              size_t count, eng_error *err);

#endif
