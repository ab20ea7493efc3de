/* The sums under the gate of the relative bias, for the gate and for its gradient; AVX2. */
#ifndef KERNELS_AVX2_GATE_H
#define KERNELS_AVX2_GATE_H

#include "kernels/avx2.h"

/* *dot0, *dot1 = x . w[0], x . w[1] */
static inline void kern_gate_dots_avx2(size_t dim, const float *x, const float *w, float *dot0, float *dot1)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    for (size_t p = 0; p < dim; p += 8) {
        const size_t lanes = dim - p;
        const __m256 v = kern_load_avx2(x + p, lanes);
        s0 = _mm256_fmadd_ps(v, kern_load_avx2(w + p, lanes), s0);
        s1 = _mm256_fmadd_ps(v, kern_load_avx2(w + dim + p, lanes), s1);
    }
    *dot0 = kern_add_lanes_avx2(s0);
    *dot1 = kern_add_lanes_avx2(s1);
}

/* Lane h of *a and *g: w[0] . x_h + b[0] and w[1] . x_h + b[1] of head h < heads <= 8; b alone in the lanes after them.
 */
static inline void kern_gate_sums_avx2(size_t heads, size_t dim, const float *x, const float *w, const float *b,
                                       __m256 *a, __m256 *g)
{
    float a_dots[8] = {0}, g_dots[8] = {0};
    for (size_t h = 0; h < heads; h++) kern_gate_dots_avx2(dim, x + h * dim, w, &a_dots[h], &g_dots[h]);
    *a = _mm256_add_ps(_mm256_loadu_ps(a_dots), _mm256_set1_ps(b[0]));
    *g = _mm256_add_ps(_mm256_loadu_ps(g_dots), _mm256_set1_ps(b[1]));
}

#endif
