/* Linear layer (torch.nn.Linear). */
#ifndef ENGINE_OPS_LINEAR_H
#define ENGINE_OPS_LINEAR_H

#include "engine/context.h"
#include "engine/param.h"

/* y = act(x W^T + bias) + residual: x [rows, in], W [out, in], bias [out] or none, residual [rows, out] or an empty tensor
 * (data NULL). Returns a new tensor [rows, out] in ctx->arena.
 * Backward, with z = x W^T + bias: dz = dy * act'(z), dx += dz W, dW += dz^T x, dbias += sum over rows of dz,
 * dresidual += dy. While a tape records, z is kept for the activation. The three products round their operands to
 * ctx->precision (a packed W: to its own); sums, biases and gradients are f32. */
eng_tensor eng_linear(eng_context *ctx, eng_tensor x, const eng_weight *w, eng_vector bias, kern_act act,
                      eng_tensor residual);

/* The same into y, which the caller provides. */
void eng_linear_into(eng_context *ctx, eng_tensor x, const eng_weight *w, eng_vector bias, kern_act act,
                     eng_tensor residual, eng_tensor y);

#endif
