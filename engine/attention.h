/* Multi-head self-attention with WavLM's gated relative position bias (WavLM paper, section 3.2;
 * modeling_wavlm.WavLMAttention). Nothing of size T x T is kept: memory is linear in T. */
#ifndef ENGINE_ATTENTION_H
#define ENGINE_ATTENTION_H

#include "engine/context.h"

/* The bias of head h for key - query = d is table[h * (2 * reach - 1) + reach - 1 + d], for |d| < reach. */
typedef struct eng_relative_bias {
    const float *table; /* [heads, 2 * reach - 1] */
    size_t reach;       /* at least the longest utterance's frames */
} eng_relative_bias;

/* gate[h, t] for the attention's input x [frames, heads * dim]: kern_table.relative_gate_f32 over all rows. w [2, dim],
 * b [2], constant [heads]. Returns [heads, frames] in ctx->arena. */
eng_tensor eng_relative_gate(eng_context *ctx, eng_tensor x, size_t heads, const float *w, const float *b,
                             const float *constant);

/* For each utterance and head: softmax(Q K^T / sqrt(dim) + gate_q * bias(k - q)) V. qkv [frames, 3 * width]: queries, keys
 * and values side by side, width = heads * dim. gate [heads, frames]. Returns [frames, width] in ctx->arena. */
eng_tensor eng_attention(eng_context *ctx, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                         eng_relative_bias bias);

#endif
