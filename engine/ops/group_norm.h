/* Group norm with one channel a group (torch.nn.GroupNorm(C, C)): per utterance and channel, over time. */
#ifndef ENGINE_OPS_GROUP_NORM_H
#define ENGINE_OPS_GROUP_NORM_H

#include "engine/context.h"
#include "engine/param.h"

/* y = (x - mean) / sqrt(var + eps) * gamma + beta, mean and population variance of the utterance's channel, summed in
 * double: x [frames, channels], gamma, beta [channels]. Returns a new tensor of x's shape in ctx->arena. Where a tape
 * records, batch.offset is kept until the backward pass.
 * Backward, with r = 1 / sqrt(var + eps), h = (x - mean) r and means over the utterance: dgamma += sum of dy h,
 * dbeta += sum of dy, dx += gamma r (dy - mean(dy) - h mean(dy h)). */
eng_tensor eng_group_norm(eng_context *ctx, eng_batch batch, eng_tensor x, eng_vector gamma, eng_vector beta,
                          float eps);

#endif
