/* The one shape of sums over a contiguous row: vectors of sixteen go to four accumulators in turn, those after the last
 * whole turn to the first, a tail with zeros behind it; then (s0 + s1) + (s2 + s3), then its lanes in halves. So a sum's
 * bits depend on the values and their number alone, in every tier. */
#ifndef KERNELS_BODY_SUM_H
#define KERNELS_BODY_SUM_H

#include "kernels/vector/vector.h"

enum { LANES = 16, SUM_STREAMS = 4, SUM_TURN = SUM_STREAMS * LANES };

/* Returns s and what elements [j, j + n) add to it, n <= 16. with: what the row is. */
typedef f32x16 (*sum_step)(f32x16 s, const void *with, size_t j, size_t n);

/* step is a constant where this is inlined. */
KERN_INLINE float sum_row(size_t n, sum_step step, const void *with)
{
    const f32x16 zero = f32x16_set1(0.0f);
    f32x16 s[SUM_STREAMS] = {zero, zero, zero, zero};
    size_t j = 0;
    for (; j + SUM_TURN <= n; j += SUM_TURN) {
        KERN_UNROLL
        for (size_t q = 0; q < SUM_STREAMS; q++) s[q] = step(s[q], with, j + q * LANES, LANES);
    }
    for (; j + LANES <= n; j += LANES) s[0] = step(s[0], with, j, LANES);
    if (j < n) s[0] = step(s[0], with, j, n - j);
    return f32x16_sum(f32x16_add(f32x16_add(s[0], s[1]), f32x16_add(s[2], s[3])));
}

/* Two rows of floats. */
typedef struct sum_pair {
    const float *x, *y;
} sum_pair;

KERN_INLINE f32x16 sum_value(f32x16 s, const void *with, size_t j, size_t n)
{
    return f32x16_add(s, f32x16_load_first((const float *)with + j, n));
}

KERN_INLINE f32x16 sum_product(f32x16 s, const void *with, size_t j, size_t n)
{
    const sum_pair *p = with;
    return f32x16_fma(f32x16_load_first(p->x + j, n), f32x16_load_first(p->y + j, n), s);
}

/* sum_j x[j] */
KERN_INLINE float sum_values(size_t n, const float *x)
{
    return sum_row(n, sum_value, x);
}

/* sum_j x[j] y[j] */
KERN_INLINE float sum_products(size_t n, const float *x, const float *y)
{
    return sum_row(n, sum_product, &(sum_pair){x, y});
}

#endif
