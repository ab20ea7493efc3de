/* What training minimises. Each function takes logits [n, C], n and C at least 1, with a gradient, adds to it scale
 * times the gradient of its loss, and returns the loss (not scaled); it computes in double on the calling thread. A loss
 * of several is a call each with its scale; a batch in parts is a call a part, with the part's share of
 * mdl_loss_divisor as its scale. NaN or +inf among the logits gives NaN, which is the caller's to notice. */
#ifndef MODEL_TRAINING_LOSS_H
#define MODEL_TRAINING_LOSS_H

#include "engine/context.h"

/* All zero: plain cross-entropy. */
typedef struct mdl_loss_options {
    const float *class_weight; /* [C], not negative; NULL: 1 each */
    double label_smoothing;    /* in [0, 1]: targets t become (1 - label_smoothing) t + label_smoothing / C */
    double gamma;              /* not negative; focal loss (Lin et al. 2017, arXiv 1708.02002): -log p becomes
                                  -(1 - p)^gamma log p; 0: cross-entropy */
} mdl_loss_options;

/* Cross-entropy with class labels, label[u] < C: with p = softmax(logits of u), t the smoothed target and y the label,
 *   loss = sum over u and c of class_weight[c] t[c] (-log p[c]) / sum over u of class_weight[y]
 * (torch.nn.CrossEntropyLoss(weight, label_smoothing), reduction "mean"). NaN where all labels weigh 0. */
double mdl_loss_labels(eng_tensor logits, const size_t *label, const mdl_loss_options *o, double scale);

/* The same against probabilities target [n, C], for utterances on which annotators disagreed; the divisor is n, as
 * torch's is for such targets, whatever the class weights. */
double mdl_loss_probabilities(eng_tensor logits, const float *target, const mdl_loss_options *o, double scale);

/* What mdl_loss_labels divides by: the sum over u < n of class_weight[label[u]]. */
double mdl_loss_divisor(size_t n, const size_t *label, const mdl_loss_options *o);

/* 1 - CCC, the mean over the C attributes (arousal, valence, dominance) of Lin's concordance correlation coefficient
 * (1989, Biometrics 45, 255-268) over the n utterances, with population moments:
 *   CCC = 2 cov(x, y) / (var x + var y + (mean x - mean y)^2)
 * between x, a column of predicted, and y, the same column of target [n, C]; 1 where all of x and y are one number. */
double mdl_loss_concordance(eng_tensor predicted, const float *target, double scale);

#endif
