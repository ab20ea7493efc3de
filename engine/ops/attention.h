/* Multi-head self-attention with WavLM's gated relative position bias (WavLM paper, section 3.2;
 * modeling_wavlm.WavLMAttention). Nothing of size T x T is kept: memory is linear in T. */
#ifndef ENGINE_OPS_ATTENTION_H
#define ENGINE_OPS_ATTENTION_H

#include "engine/context.h"
#include "engine/param.h"
#include "engine/gemm/precision.h"
#include "engine/random.h"

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
 * precision: that of the linear layers around it. Unless it is f32, and where the CPU has fast instructions for bf16, both
 * products are of operands rounded to bf16 with sums in f32 (there is no weight for int8 to quantise); on a tape never.
 * Backward: scores are recomputed tile by tile from queries, keys and the kept row maxima and sums; with P the weights,
 * dV = P^T dO, dP = dO V^T, dS = P * (dP - rowsum(dO * O)), dQ = dS K * scale, dK = dS^T Q * scale; gate and bias get
 * theirs by kern_table.attention_backward_f32. */
eng_tensor eng_attention(eng_context *ctx, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                         eng_relative_bias bias, eng_precision precision);

/* Dropout of attention probabilities, 0 <= p <= 1. Of an utterance with T frames, the probability of head h, query q and
 * key k, counted from its first frame, is dropped if number q * T + k (modulo 2^32) of the stream (seed, step, ids[u],
 * purpose + h) is below p; the stream's own utterance is not looked at. */
typedef struct eng_attention_dropout {
    float p;
    eng_stream stream;
    const uint32_t *ids; /* [batch.n] */
} eng_attention_dropout;

/* eng_attention, the probabilities (after the softmax) multiplied by mask / (1 - p) before they meet the values. p = 0 or
 * dropout NULL: eng_attention itself. Backward, the mask drawn again tile by tile: with D = mask / (1 - p),
 * dV = (D * P)^T dO and dP = D * (dO V^T); the rest as above. ids are kept until then. */
eng_tensor eng_attention_dropped(eng_context *ctx, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                                 eng_relative_bias bias, eng_precision precision,
                                 const eng_attention_dropout *dropout);

#endif
