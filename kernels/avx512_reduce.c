/* Reductions over a contiguous vector, AVX-512. Four accumulators take vectors in turn, a masked tail goes to the next
 * one, and they are added in one fixed order: the result depends on n and the values alone. Contracts: kernels.h. */
#include "kernels/avx512.h"

#include <math.h>

enum { LANES = 16, STEP = 4 * LANES };

static float add_up(__m512 s0, __m512 s1, __m512 s2, __m512 s3)
{
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

static float kern_sum_f32_avx512(size_t n, const float *x)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        s0 = _mm512_add_ps(s0, _mm512_loadu_ps(x + i));
        s1 = _mm512_add_ps(s1, _mm512_loadu_ps(x + i + LANES));
        s2 = _mm512_add_ps(s2, _mm512_loadu_ps(x + i + 2 * LANES));
        s3 = _mm512_add_ps(s3, _mm512_loadu_ps(x + i + 3 * LANES));
    }
    for (; i < n; i += LANES) s0 = _mm512_add_ps(s0, _mm512_maskz_loadu_ps(kern_lanes_avx512(n - i), x + i));
    return add_up(s0, s1, s2, s3);
}

static float kern_max_f32_avx512(size_t n, const float *x)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY);
    __m512 top = lowest;
    __mmask16 nan = 0;
    for (size_t i = 0; i < n; i += LANES) {
        const __m512 v = _mm512_mask_loadu_ps(lowest, kern_lanes_avx512(n - i), x + i);
        nan |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        top = _mm512_max_ps(top, v);
    }
    return nan ? NAN : _mm512_reduce_max_ps(top);
}

static float kern_dot_f32_avx512(size_t n, const float *x, const float *y)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + LANES), _mm512_loadu_ps(y + i + LANES), s1);
        s2 = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 2 * LANES), _mm512_loadu_ps(y + i + 2 * LANES), s2);
        s3 = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 3 * LANES), _mm512_loadu_ps(y + i + 3 * LANES), s3);
    }
    for (; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, x + i), _mm512_maskz_loadu_ps(lanes, y + i), s0);
    }
    return add_up(s0, s1, s2, s3);
}

void kern_table_fill_avx512_reduce(kern_table *t)
{
    t->sum_f32 = kern_sum_f32_avx512;
    t->max_f32 = kern_max_f32_avx512;
    t->dot_f32 = kern_dot_f32_avx512;
}
