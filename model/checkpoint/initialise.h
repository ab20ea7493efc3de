/* Initial values of parameters that no checkpoint gives: transformers.WavLMPreTrainedModel._init_weights, and what
 * torch.nn gives where that says nothing. */
#ifndef MODEL_CHECKPOINT_INITIALISE_H
#define MODEL_CHECKPOINT_INITIALISE_H

#include "engine/threads.h"
#include "model/config/config.h"

/* Which parameters are drawn instead of read. */
typedef struct mdl_initialiser {
    const mdl_config *config;
    uint64_t seed;
    bool backbone; /* those named wavlm.*; the head's are drawn in any case */
} mdl_initialiser;

/* Fills out [product of shape] with the initial values of the parameter of that canonical name, a function of seed and
 * name alone: neither the order of the calls nor the pool's threads matter.
 *
 * - Linear: weight normal(0, initializer_range), bias 0.
 * - Feature projection: weight and bias uniform(-k, k), k = sqrt(1 / in).
 * - Layer and group norm: weight 1, bias 0.
 * - Feature encoder's convolutions: weight normal(0, sqrt(2 / (in * kernel))) (Kaiming), bias uniform(-k, k),
 *   k = sqrt(1 / (in * kernel)).
 * - Positional convolution: v normal(0, 2 sqrt(1 / (kernel * hidden))), bias 0. g is v's length (model/load_positional).
 *   This is what _init_weights means; transformers itself may lose it, since weight norm recomputes the weight.
 * - rel_attn_embed and gender: torch.nn.Embedding's normal(0, 1), which _init_weights leaves alone. gru_rel_pos_const: 1.
 * - masked_spec_embed: uniform(0, 1).
 * - layer_weights: 1 / (layers + 1).
 * - pool.v and pool.attention: normal(0, sqrt(2 / (hidden + 1))) (Xavier), as the Odyssey 2024 baseline's pooling.
 *
 * Normal numbers are Box-Muller's of engine/random.h. A name that no rule covers is a caller's bug. */
void mdl_initialise(const mdl_initialiser *init, eng_pool *pool, const char *name, size_t ndim, const size_t *shape,
                    float *out);

#endif
