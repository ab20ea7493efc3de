/* The parts of the report's page beside its charts; for this folder alone. */
#ifndef TOOLS_TRAIN_REPORT_PARTS_H
#define TOOLS_TRAIN_REPORT_PARTS_H

#include "tools/train/report/data.h"
#include "tools/common/html/text.h"

/* A section of charts by step: loss, scores for every split, learning rate, gradient norm, each where there is one.
 * Takes memory from the log's arena. */
void train_report_put_curves(tool_text *t, train_report_log *log);

/* A section about the classes of one evaluation: confusion matrix, bars and a table, as far as they are there. Nothing
 * for an evaluation without classes. */
void train_report_put_classes(tool_text *t, const train_report_evaluation *e, const char *split);

/* A score with three decimals; an en dash for NaN. */
void train_report_put_score(tool_text *t, double score);

#endif
