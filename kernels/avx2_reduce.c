/* Reductions over a contiguous vector, AVX2. Four accumulators take vectors in turn, a masked tail goes to the next
 * one, and they are added in one fixed order: the result depends on n and the values alone. Contracts: kernels.h. */
#include "kernels/avx2.h"

#include <math.h>

enum { LANES = 8, STEP = 4 * LANES };

static float add_up(__m256 s0, __m256 s1, __m256 s2, __m256 s3)
{
    return kern_add_lanes_avx2(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

static float kern_sum_f32_avx2(size_t n, const float *x)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        s0 = _mm256_add_ps(s0, _mm256_loadu_ps(x + i));
        s1 = _mm256_add_ps(s1, _mm256_loadu_ps(x + i + LANES));
        s2 = _mm256_add_ps(s2, _mm256_loadu_ps(x + i + 2 * LANES));
        s3 = _mm256_add_ps(s3, _mm256_loadu_ps(x + i + 3 * LANES));
    }
    for (; i < n; i += LANES) s0 = _mm256_add_ps(s0, kern_load_avx2(x + i, n - i));
    return add_up(s0, s1, s2, s3);
}

static float kern_max_f32_avx2(size_t n, const float *x)
{
    const __m256 lowest = _mm256_set1_ps(-INFINITY);
    __m256 top = lowest;
    __m256 nan = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += LANES) {
        __m256 v = kern_load_avx2(x + i, n - i);
        if (n - i < LANES) v = _mm256_blendv_ps(lowest, v, _mm256_castsi256_ps(kern_lanes_avx2(n - i)));
        nan = _mm256_or_ps(nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        top = _mm256_max_ps(top, v);
    }
    return _mm256_movemask_ps(nan) ? NAN : kern_max_lanes_avx2(top);
}

static float kern_dot_f32_avx2(size_t n, const float *x, const float *y)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + LANES), _mm256_loadu_ps(y + i + LANES), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 2 * LANES), _mm256_loadu_ps(y + i + 2 * LANES), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 3 * LANES), _mm256_loadu_ps(y + i + 3 * LANES), s3);
    }
    for (; i < n; i += LANES) {
        const size_t lanes = n - i;
        s0 = _mm256_fmadd_ps(kern_load_avx2(x + i, lanes), kern_load_avx2(y + i, lanes), s0);
    }
    return add_up(s0, s1, s2, s3);
}

void kern_table_fill_avx2_reduce(kern_table *t)
{
    t->sum_f32 = kern_sum_f32_avx2;
    t->max_f32 = kern_max_f32_avx2;
    t->dot_f32 = kern_dot_f32_avx2;
}
