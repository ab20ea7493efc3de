/* Parameters. In inference a matrix is packed panels and a vector is read-only; in training both are plain memory with a
 * gradient beside it. */
#ifndef ENGINE_PARAM_H
#define ENGINE_PARAM_H

#include "engine/gemm/gemm.h"

/* W [n,k], a Linear's weight. Either packed (inference), or data with row stride k (training). grad as data; NULL:
 * frozen. */
typedef struct eng_weight {
    size_t n, k;
    eng_packed packed;
    float *data, *grad;
} eng_weight;

/* A vector; data NULL: there is none. grad NULL: frozen. */
typedef struct eng_vector {
    const float *data;
    float *grad;
} eng_vector;

/* W as the right operand of x W^T. */
static inline eng_right eng_weight_right(const eng_weight *w)
{
    if (w->packed.panels) return (eng_right){.n = w->n, .k = w->k, .packed = &w->packed};
    return (eng_right){.n = w->n, .k = w->k, .data = w->data, .ld = w->k, .transposed = true};
}

/* The same for a product of ctx->precision, which a packed weight's own goes before. */
static inline eng_right eng_weight_right_in(const eng_context *ctx, const eng_weight *w)
{
    eng_right r = eng_weight_right(w);
    r.precision = ctx->precision;
    return r;
}

#endif
