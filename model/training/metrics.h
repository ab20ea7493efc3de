/* How good a model is: macro-F1 (arXiv 2405.04485's measure) and its relatives for classes, CCC for attributes. */
#ifndef MODEL_TRAINING_METRICS_H
#define MODEL_TRAINING_METRICS_H

#include <stddef.h>

#include "engine/error.h"

/* Classes, as scikit-learn counts them: precision, recall and F1 are 0 where their divisor is 0; macro-F1 and recall
 * are means over the classes that occur in truth or prediction (F1) and in truth (recall); over none, they and the
 * accuracy are NaN. */
typedef struct mdl_class_scores {
    size_t classes, count;
    size_t *confusion;               /* [classes, classes], row: truth, column: prediction */
    double *precision, *recall, *f1; /* [classes] */
    double macro_f1, accuracy, uar;  /* uar: unweighted average recall */
} mdl_class_scores;

/* From n pairs, each below classes. Free with mdl_class_scores_fini, also after an error. Error: out of memory. */
eng_status mdl_class_scores_init(mdl_class_scores *s, size_t classes, size_t n, const size_t *truth,
                                 const size_t *predicted, eng_error *err);
void mdl_class_scores_fini(mdl_class_scores *s);

/* Lin's concordance correlation coefficient of column c of predicted and truth, [n, columns] each, as in
 * model/training/loss.h: NaN for n = 0, 1 where both are the same one number. */
double mdl_concordance(size_t n, size_t columns, size_t c, const float *predicted, const float *truth);

#endif
