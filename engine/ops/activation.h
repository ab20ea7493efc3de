/* Element-wise ops. */
#ifndef ENGINE_OPS_ACTIVATION_H
#define ENGINE_OPS_ACTIVATION_H

#include "engine/context.h"

/* y = act(x) into y, of x's shape. Backward: dx += dy * act'(x). While a tape records, y must not be x. */
void eng_activation_into(eng_context *ctx, eng_tensor x, kern_act act, eng_tensor y);

/* y = a + b, y neither a nor b. Backward: da += dy, db += dy. */
void eng_sum_into(eng_context *ctx, eng_tensor a, eng_tensor b, eng_tensor y);

/* dst += src, rows in parallel, for gradients that pass through unchanged. Empty src or dst: nothing. */
void eng_accumulate(eng_context *ctx, size_t rows, size_t cols, const float *src, size_t lds, float *dst, size_t ldd);

#endif
