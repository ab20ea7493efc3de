/* The exponential moving average of a model's weights, which scores better than the last step's and varies less
 * (B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30(4),
 * 1992, have the plain average). After step t, from 1:
 *
 *   average += (1 - d) (parameter - average),   d = min(decay, (1 + t) / (10 + t))
 *
 * The second term lets the average follow closely at first, where a long one would hold on to the weights of the start;
 * it is tf.train.ExponentialMovingAverage's num_updates. Training never sees the average: it goes on from the
 * parameters. */
#ifndef MODEL_CHECKPOINT_AVERAGE_H
#define MODEL_CHECKPOINT_AVERAGE_H

#include "model/checkpoint/params.h"

typedef struct mdl_average {
    size_t count;
    mdl_span *own; /* [count]: of each parameter, as it lies in memory */
    float **value; /* [count] of [own.count], NULL where that is 0. NULL: there is no average */
} mdl_average;

/* Of the spans own [p->count] of p's parameters; NULL: of the whole of those that are not frozen. Begins with the parameters
 * as they are. Error: out of memory. Free with mdl_average_fini, also after an error. */
eng_status mdl_average_init(mdl_average *a, const mdl_params *p, const mdl_span *own, eng_error *err);
void mdl_average_fini(mdl_average *a);

/* Moves the average towards the parameters that step t gave. decay: from 0, the parameters themselves, to below 1. */
void mdl_average_step(mdl_average *a, const mdl_params *p, double decay, size_t t);

/* Puts the average in the place of the parameters' spans and them in its; once more: back. */
void mdl_average_swap(mdl_average *a, const mdl_params *p);

#endif
