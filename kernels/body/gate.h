/* The sums under the gate of the relative bias, for the gate and for its gradient. */
#ifndef KERNELS_BODY_GATE_H
#define KERNELS_BODY_GATE_H

#include "kernels/body/sum.h"

/* Lane h of *a and *g: w[0] . x_h + b[0] and w[1] . x_h + b[1] of head h < heads <= 16; b alone in the lanes after
 * them. */
KERN_INLINE void gate_sums(size_t heads, size_t dim, const float *x, const float *w, const float *b, f32x16 *a, f32x16 *g)
{
    float a_dots[LANES] = {0}, g_dots[LANES] = {0};
    for (size_t h = 0; h < heads; h++) {
        a_dots[h] = sum_products(dim, x + h * dim, w);
        g_dots[h] = sum_products(dim, x + h * dim, w + dim);
    }
    *a = f32x16_add(f32x16_load(a_dots), f32x16_set1(b[0]));
    *g = f32x16_add(f32x16_load(g_dots), f32x16_set1(b[1]));
}

#endif
