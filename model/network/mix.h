/* The weighted sum of hidden states (SUPERB's featurizer; WavLMForSequenceClassification, use_weighted_layer_sum):
 * sum = w_0 h_0 + ... + w_L h_L with w = softmax(layer_weights). Formed as the states come, so that inference need not
 * keep them. Backward: dh_l += w_l dsum, dw_l = the dot product of h_l and dsum, and through the softmax
 * dlayer_weights_l += w_l (dw_l - the sum over j of w_j dw_j), in double and in a fixed order. */
#ifndef MODEL_NETWORK_MIX_H
#define MODEL_NETWORK_MIX_H

#include "engine/context.h"
#include "engine/param.h"

/* sum.data is NULL where there is no mix, or once ctx has failed. Everything lies in ctx->arena. */
typedef struct mdl_mix {
    eng_tensor sum;
    const float *weight; /* [states], after softmax */
    double *dweight;     /* [states], filled in the backward pass; NULL: not wanted */
} mdl_mix;

/* A mix of no state yet: sum [rows, cols] of zeros. layer_weights: [states]. */
mdl_mix mdl_mix_begin(eng_context *ctx, eng_vector layer_weights, size_t states, size_t rows, size_t cols);

/* sum += weight[index] * state, of sum's shape. Each index once. While a tape records, state is read again in the
 * backward pass. */
void mdl_mix_add(eng_context *ctx, const mdl_mix *mix, size_t index, eng_tensor state);

#endif
