/* Grouped 1-D convolution over time, stride 1, zero padding outside each utterance: WavLM's convolutional positional
 * embedding (modeling_wavlm.WavLMPositionalConvEmbedding). */
#ifndef ENGINE_OPS_GROUPED_CONV_H
#define ENGINE_OPS_GROUPED_CONV_H

#include "engine/context.h"
#include "engine/param.h"

/* weights[g], g < groups: W [out/groups, kernel * in/groups], the input's index as [tap][channel]; as it lies while a
 * tape records (eng_weight_norm makes them), and kept until the backward pass. */
typedef struct eng_grouped_conv_weights {
    size_t groups, kernel;
    const eng_weight *weights;
    eng_vector bias; /* [out] */
} eng_grouped_conv_weights;

/* y = x + act(conv(x) + bias), utterance by utterance: x [frames, channels], in = out = channels. Frame t reads frames
 * t - kernel/2 .. t - kernel/2 + kernel - 1 (padding kernel/2 on both sides; of an even kernel's output, the last frame
 * is dropped). Returns a new tensor in ctx->arena.
 * Backward, with z = conv(x) + bias, which is kept: dz = dy * act'(z); dx += dy + the correlation of dz and W over
 * time; dW[tap] += sum over t of dz[t] x[t + tap - kernel/2]^T; dbias += sum over frames of dz. batch.offset is read
 * again. */
eng_tensor eng_grouped_conv_residual(eng_context *ctx, eng_batch batch, eng_tensor x, eng_grouped_conv_weights w,
                                     kern_act act);

#endif
