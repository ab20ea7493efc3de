/* The sums under the gate of the relative bias, for the gate and for its gradient; AVX-512. */
#ifndef KERNELS_AVX512_GATE_H
#define KERNELS_AVX512_GATE_H

#include "kernels/avx512.h"

/* *dot0, *dot1 = x . w[0], x . w[1] */
static inline void kern_gate_dots_avx512(size_t dim, const float *x, const float *w, float *dot0, float *dot1)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    for (size_t p = 0; p < dim; p += 16) {
        const __mmask16 lanes = kern_lanes_avx512(dim - p);
        const __m512 v = _mm512_maskz_loadu_ps(lanes, x + p);
        s0 = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(lanes, w + p), s0);
        s1 = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(lanes, w + dim + p), s1);
    }
    *dot0 = _mm512_reduce_add_ps(s0);
    *dot1 = _mm512_reduce_add_ps(s1);
}

/* Lane h of *a and *g: w[0] . x_h + b[0] and w[1] . x_h + b[1] of head h < heads <= 16; b alone in the lanes after
 * them. */
static inline void kern_gate_sums_avx512(size_t heads, size_t dim, const float *x, const float *w, const float *b,
                                         __m512 *a, __m512 *g)
{
    float a_dots[16] = {0}, g_dots[16] = {0};
    for (size_t h = 0; h < heads; h++) kern_gate_dots_avx512(dim, x + h * dim, w, &a_dots[h], &g_dots[h]);
    *a = _mm512_add_ps(_mm512_loadu_ps(a_dots), _mm512_set1_ps(b[0]));
    *g = _mm512_add_ps(_mm512_loadu_ps(g_dots), _mm512_set1_ps(b[1]));
}

#endif
