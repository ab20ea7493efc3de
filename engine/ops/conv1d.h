/* Strided 1-D convolution over time without padding (torch.nn.Conv1d), channels last: the layers of a feature encoder
 * that learns. */
#ifndef ENGINE_OPS_CONV1D_H
#define ENGINE_OPS_CONV1D_H

#include "engine/context.h"
#include "engine/param.h"

/* Frames that come out of `frames`: floor((frames - kernel) / stride) + 1, or 0 where not one kernel fits. */
size_t eng_conv1d_frames(size_t frames, size_t kernel, size_t stride);

typedef struct eng_conv1d_weights {
    size_t kernel, stride;
    const eng_weight *w; /* [out, kernel * in], the input's index as [tap][channel] */
    eng_vector bias;     /* [out], or none */
} eng_conv1d_weights;

/* y[t] = W x[t * stride .. t * stride + kernel) + bias, utterance by utterance: x [frames of `in`, channels], its rows
 * without gaps (stride = cols); out is the batch of eng_conv1d_frames each. Returns a new tensor [frames of `out`, out]
 * in ctx->arena. Where a tape records, W lies as it is, and W and both batches' offsets are kept until the backward
 * pass. Backward: dx[t * stride + tap] += W[tap]^T dy[t], dW[tap] += sum over t of dy[t] x[t * stride + tap]^T, dbias
 * += sum over frames of dy. */
eng_tensor eng_conv1d(eng_context *ctx, eng_batch in, eng_tensor x, eng_batch out, eng_conv1d_weights w);

#endif
