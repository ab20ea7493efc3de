/* Layer norm over the last dimension (torch.nn.LayerNorm). */
#ifndef ENGINE_LAYER_NORM_H
#define ENGINE_LAYER_NORM_H

#include "engine/context.h"

/* y = (x - mean) / sqrt(var + eps) * gamma + beta, row by row; gamma, beta [cols]. Returns a new tensor of x's shape in
 * ctx->arena. */
eng_tensor eng_layer_norm(eng_context *ctx, eng_tensor x, const float *gamma, const float *beta, float eps);

/* The same into y, which may be x. */
void eng_layer_norm_into(eng_context *ctx, eng_tensor x, const float *gamma, const float *beta, float eps,
                         eng_tensor y);

#endif
