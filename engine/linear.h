/* Linear layer (torch.nn.Linear). */
#ifndef ENGINE_LINEAR_H
#define ENGINE_LINEAR_H

#include "engine/context.h"
#include "engine/gemm.h"

/* y = act(x W^T + bias) + residual: x [rows, in], W [out, in] packed, bias [out] or NULL, residual [rows, out] or an empty
 * tensor (data NULL). Returns a new tensor [rows, out] in ctx->arena. */
eng_tensor eng_linear(eng_context *ctx, eng_tensor x, const eng_packed *w, const float *bias, kern_act act,
                      eng_tensor residual);

/* The same into y, which the caller provides. */
void eng_linear_into(eng_context *ctx, eng_tensor x, const eng_packed *w, const float *bias, kern_act act,
                     eng_tensor residual, eng_tensor y);

#endif
