/* What an optimizer's step needs, AVX2: the sum of squares of a gradient, and AdamW. Contracts: kernels.h. */
#include "kernels/avx2_double.h"

enum { LANES = 8 };

static inline kern_wide_avx2 add_squares(kern_wide_avx2 s, __m256 v)
{
    const kern_wide_avx2 wide = kern_widen_avx2(v);
    return kern_wide_fma_avx2(wide, wide, s);
}

/* Two pairs of accumulators take vectors in turn and are added in one fixed order. */
static double kern_sum_squares_f32_avx2(size_t n, const float *x)
{
    kern_wide_avx2 s0 = kern_wide_zero_avx2(), s1 = s0;
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        s0 = add_squares(s0, _mm256_loadu_ps(x + i));
        s1 = add_squares(s1, _mm256_loadu_ps(x + i + LANES));
    }
    for (; i < n; i += LANES) s0 = add_squares(s0, kern_load_avx2(x + i, n - i));
    const kern_wide_avx2 s = kern_wide_add_avx2(s0, s1);
    const __m256d four = _mm256_add_pd(s.low, s.high);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* 8 elements. lanes is a constant for whole vectors. */
static inline __attribute__((always_inline)) void adamw_step(size_t lanes, float *w, const float *grad, float *m,
                                                             float *v, const kern_adamw *a)
{
    const __m256 g = _mm256_mul_ps(kern_load_avx2(grad, lanes), _mm256_set1_ps(a->grad_scale));
    const __m256 decayed = _mm256_mul_ps(kern_load_avx2(w, lanes), _mm256_set1_ps(a->decay));
    const __m256 m1 = _mm256_add_ps(_mm256_mul_ps(kern_load_avx2(m, lanes), _mm256_set1_ps(a->beta1)),
                                    _mm256_mul_ps(g, _mm256_set1_ps(a->one_minus_beta1)));
    const __m256 v1 = _mm256_add_ps(_mm256_mul_ps(kern_load_avx2(v, lanes), _mm256_set1_ps(a->beta2)),
                                    _mm256_mul_ps(_mm256_mul_ps(g, g), _mm256_set1_ps(a->one_minus_beta2)));
    const __m256 root = _mm256_div_ps(_mm256_sqrt_ps(v1), _mm256_set1_ps(a->root));
    const __m256 step = _mm256_div_ps(m1, _mm256_add_ps(root, _mm256_set1_ps(a->eps)));
    kern_store_avx2(m, lanes, m1);
    kern_store_avx2(v, lanes, v1);
    kern_store_avx2(w, lanes, _mm256_sub_ps(decayed, _mm256_mul_ps(_mm256_set1_ps(a->step_size), step)));
}

static void kern_adamw_f32_avx2(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    const kern_adamw constants = *a; /* so that no store to w can change them */
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) adamw_step(LANES, w + i, grad + i, m + i, v + i, &constants);
    if (i < n) adamw_step(n - i, w + i, grad + i, m + i, v + i, &constants);
}

void kern_table_fill_avx2_optimizer(kern_table *t)
{
    t->sum_squares_f32 = kern_sum_squares_f32_avx2;
    t->adamw_f32 = kern_adamw_f32_avx2;
}
