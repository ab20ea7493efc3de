/* What an optimizer's step needs, AVX-512: the sum of squares of a gradient, and AdamW. Contracts: kernels.h. */
#include "kernels/avx512_double.h"

enum { LANES = 16 };

static inline kern_wide_avx512 add_squares(kern_wide_avx512 s, __m512 v)
{
    const kern_wide_avx512 wide = kern_widen_avx512(v);
    return kern_wide_fma_avx512(wide, wide, s);
}

/* Two pairs of accumulators take vectors in turn and are added in one fixed order. */
static double kern_sum_squares_f32_avx512(size_t n, const float *x)
{
    kern_wide_avx512 s0 = kern_wide_zero_avx512(), s1 = s0;
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        s0 = add_squares(s0, _mm512_loadu_ps(x + i));
        s1 = add_squares(s1, _mm512_loadu_ps(x + i + LANES));
    }
    for (; i < n; i += LANES) s0 = add_squares(s0, _mm512_maskz_loadu_ps(kern_lanes_avx512(n - i), x + i));
    const kern_wide_avx512 s = kern_wide_add_avx512(s0, s1);
    return _mm512_reduce_add_pd(_mm512_add_pd(s.low, s.high));
}

/* 16 elements. lanes is a constant for whole vectors. */
static inline __attribute__((always_inline)) void adamw_step(__mmask16 lanes, float *w, const float *grad, float *m,
                                                             float *v, const kern_adamw *a)
{
    const __m512 g = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, grad), _mm512_set1_ps(a->grad_scale));
    const __m512 decayed = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, w), _mm512_set1_ps(a->decay));
    const __m512 m1 = _mm512_add_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, m), _mm512_set1_ps(a->beta1)),
                                    _mm512_mul_ps(g, _mm512_set1_ps(a->one_minus_beta1)));
    const __m512 v1 = _mm512_add_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, v), _mm512_set1_ps(a->beta2)),
                                    _mm512_mul_ps(_mm512_mul_ps(g, g), _mm512_set1_ps(a->one_minus_beta2)));
    const __m512 root = _mm512_div_ps(_mm512_sqrt_ps(v1), _mm512_set1_ps(a->root));
    const __m512 step = _mm512_div_ps(m1, _mm512_add_ps(root, _mm512_set1_ps(a->eps)));
    _mm512_mask_storeu_ps(m, lanes, m1);
    _mm512_mask_storeu_ps(v, lanes, v1);
    _mm512_mask_storeu_ps(w, lanes, _mm512_sub_ps(decayed, _mm512_mul_ps(_mm512_set1_ps(a->step_size), step)));
}

static void kern_adamw_f32_avx512(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    const kern_adamw constants = *a; /* so that no store to w can change them */
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) adamw_step((__mmask16)0xffff, w + i, grad + i, m + i, v + i, &constants);
    if (i < n) adamw_step(kern_lanes_avx512(n - i), w + i, grad + i, m + i, v + i, &constants);
}

void kern_table_fill_avx512_optimizer(kern_table *t)
{
    t->sum_squares_f32 = kern_sum_squares_f32_avx512;
    t->adamw_f32 = kern_adamw_f32_avx512;
}
