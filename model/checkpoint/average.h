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
    float **
        value; /* [count] of [param.count], as the parameter lies in memory; NULL for one that was frozen. NULL: none */
} mdl_average;

/* Begins with the parameters as they are. Error: out of memory. Free with mdl_average_fini, also after an error. */
eng_status mdl_average_init(mdl_average *a, const mdl_params *p, eng_error *err);
void mdl_average_fini(mdl_average *a);

/* Moves the average towards the parameters that step t gave. decay: from 0, the parameters themselves, to below 1. */
void mdl_average_step(mdl_average *a, const mdl_params *p, double decay, size_t t);

/* Puts the average in the parameters' place and the parameters in its; once more: back. */
void mdl_average_swap(mdl_average *a, const mdl_params *p);

#endif
