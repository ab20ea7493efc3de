/* Multi-head self-attention with WavLM's gated relative position bias (WavLM paper, section 3.2;
 * modeling_wavlm.WavLMAttention). Nothing of size T x T is kept: memory is linear in T. */
#ifndef ENGINE_ATTENTION_H
#define ENGINE_ATTENTION_H

#include "engine/context.h"
#include "engine/param.h"

/* The bias of head h for key - query = d is table[h * (2 * reach - 1) + reach - 1 + d], for |d| < reach. */
typedef struct eng_relative_bias {
    const float *table; /* [heads, 2 * reach - 1] */
    size_t reach;       /* at least the longest utterance's frames */
    float *grad;        /* as table; NULL: not wanted */
} eng_relative_bias;

/* The gate's parameters: w [2, dim], b [2], constant [heads] (kern_table.relative_gate_f32). */
typedef struct eng_gate_weights {
    eng_vector w, b, constant;
} eng_gate_weights;

/* gate[h, t] for the attention's input x [frames, heads * dim]: kern_table.relative_gate_f32 over all rows.
 * Returns [heads, frames] in ctx->arena. */
eng_tensor eng_relative_gate(eng_context *ctx, eng_tensor x, size_t heads, eng_gate_weights w);

/* For each utterance and head: softmax(Q K^T / sqrt(dim) + gate_q * bias(k - q)) V. qkv [frames, 3 * width]: queries, keys
 * and values side by side, width = heads * dim. gate [heads, frames]. Returns [frames, width] in ctx->arena.
 * Backward: scores are recomputed tile by tile from queries, keys and the kept row maxima and sums; with P the weights,
 * dV = P^T dO, dP = dO V^T, dS = P * (dP - rowsum(dO * O)), dQ = dS K * scale, dK = dS^T Q * scale; gate and bias get
 * theirs by kern_table.attention_backward_f32. */
eng_tensor eng_attention(eng_context *ctx, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                         eng_relative_bias bias);

#endif
