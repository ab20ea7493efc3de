/* Layer norm over the last dimension (torch.nn.LayerNorm). */
#ifndef ENGINE_OPS_LAYER_NORM_H
#define ENGINE_OPS_LAYER_NORM_H

#include "engine/context.h"
#include "engine/param.h"

/* y = (x - mean) / sqrt(var + eps) * gamma + beta, row by row; gamma, beta [cols]. Returns a new tensor of x's shape in
 * ctx->arena. Backward: kern_table.layer_norm_backward_f32; mean and 1/sqrt(var + eps) of each row are kept. */
eng_tensor eng_layer_norm(eng_context *ctx, eng_tensor x, eng_vector gamma, eng_vector beta, float eps);

/* The same into y, which may be x unless a tape records. */
void eng_layer_norm_into(eng_context *ctx, eng_tensor x, eng_vector gamma, eng_vector beta, float eps, eng_tensor y);

#endif
