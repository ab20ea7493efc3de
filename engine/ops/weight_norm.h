/* Weight norm (torch.nn.utils.weight_norm with dim = 2; Salimans and Kingma, "Weight normalization"), as WavLM's
 * positional convolution has it: one length a tap. */
#ifndef ENGINE_OPS_WEIGHT_NORM_H
#define ENGINE_OPS_WEIGHT_NORM_H

#include "engine/context.h"
#include "engine/param.h"

/* A grouped convolution's weight as torch keeps it: v [out, width, kernel], width = in/groups, and g [kernel]. */
typedef struct eng_normed_weight {
    size_t groups, out, width, kernel;
    eng_vector v, g;
} eng_normed_weight;

/* w[o][tap][c] = v[o][c][tap] * g[tap] / ||v[:, :, tap]||, the norm in double. Returns weights [groups] as
 * eng_grouped_conv_residual takes them, W [out/groups, kernel * width], in ctx->arena, with gradients while a tape
 * records and v or g wants one; NULL once ctx has failed.
 * Backward, with n = ||v[:, :, tap]|| and s = sum over o and c of dw v, for each tap: dg += s / n and
 * dv += g / n * (dw - v * s / n^2). */
const eng_weight *eng_weight_norm(eng_context *ctx, eng_normed_weight w);

#endif
