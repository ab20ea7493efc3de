/* Functions of 16 floats, AVX-512. The polynomials are fits of our own: weighted least squares on Chebyshev nodes,
 * reweighted towards the minimax error (Lawson), in double, coefficients then rounded to float. kernels/avx2_math.h
 * evaluates the same formulas on 8 floats. */
#ifndef KERNELS_AVX512_MATH_H
#define KERNELS_AVX512_MATH_H

#include "kernels/avx512.h"

/* x = n ln 2 + r with |r| <= ln 2 / 2 and n an integer. ln 2 is split so that n * LN2_HIGH is exact for |n| < 2^9. */
#define KERN_LOG2_E 0x1.715476p+0f
#define KERN_LN2_HIGH 0x1.62e4p-1f
#define KERN_LN2_LOW 0x1.7f7d1cp-20f

/* The lowest x at which exp(x) is a normal float: 2^-126 is exp(-87.336545). */
#define KERN_EXP_LOWEST -0x1.5d589ep+6f

static inline __m512 kern_round_avx512(__m512 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* r^2 q(r), where exp(r) = 1 + r + r^2 q(r), for |r| <= 0.35; q of degree 4 fitted to the relative error of exp (3.1e-9
 * before rounding the coefficients). */
static inline __m512 kern_exp_tail_avx512(__m512 r)
{
    __m512 q = _mm512_set1_ps(0x1.6a2256p-10f);
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.123b02p-7f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.5558f8p-5f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.555490p-3f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.fffffcp-2f));
    return _mm512_mul_ps(_mm512_mul_ps(r, r), q);
}

/* exp(x): 1 ulp; 0 below the smallest normal float, overflow to infinity, NaN stays NaN. Denormal results would cost an
 * assist of the CPU, here and in every sum that takes them: 80 ns for 16 floats instead of 3. */
static inline __m512 kern_exp_avx512(__m512 x)
{
    const __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(KERN_EXP_LOWEST), _CMP_NLT_UQ); /* or NaN */
    /* Beyond these bounds the result is 0 or infinity; min and max return their second operand, x, when it is NaN. */
    x = _mm512_min_ps(_mm512_set1_ps(89.0f), _mm512_max_ps(_mm512_set1_ps(KERN_EXP_LOWEST), x));
    const __m512 n = kern_round_avx512(_mm512_mul_ps(x, _mm512_set1_ps(KERN_LOG2_E)));
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_HIGH), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_LOW), r);
    const __m512 p = _mm512_add_ps(_mm512_add_ps(kern_exp_tail_avx512(r), r), _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(normal, p, n);
}

/* 1 / (1 + exp(-x)), from e = exp(-|x|) so that neither side overflows: 1 / (1 + e) or e / (1 + e). */
static inline __m512 kern_sigmoid_avx512(__m512 x)
{
    const __m512 e = kern_exp_avx512(_mm512_or_ps(x, _mm512_set1_ps(-0.0f)));
    const __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    const __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(_mm512_mask_mov_ps(one, negative, e), _mm512_add_ps(one, e));
}

/* tanh |x| = e / (e + 2) with e = exp(2 |x|) - 1 = 2^n (exp(r) - 1) + (2^n - 1), which loses no digits near 0. */
static inline __m512 kern_tanh_avx512(__m512 x)
{
    const __m512 sign = _mm512_set1_ps(-0.0f);
    const __m512 t = _mm512_andnot_ps(sign, x);
    /* tanh(10) rounds to 1. */
    const __m512 y = _mm512_min_ps(_mm512_set1_ps(20.0f), _mm512_add_ps(t, t));
    const __m512 n = kern_round_avx512(_mm512_mul_ps(y, _mm512_set1_ps(KERN_LOG2_E)));
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_HIGH), y);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_LOW), r);
    const __m512 m = _mm512_add_ps(r, kern_exp_tail_avx512(r));
    const __m512 power = _mm512_scalef_ps(_mm512_set1_ps(1.0f), n);
    const __m512 e = _mm512_fmadd_ps(power, m, _mm512_sub_ps(power, _mm512_set1_ps(1.0f)));
    const __m512 y1 = _mm512_div_ps(e, _mm512_add_ps(e, _mm512_set1_ps(2.0f)));
    return _mm512_or_ps(y1, _mm512_and_ps(sign, x));
}

/* gelu(x) = x Phi(x), Phi the normal distribution function. The tail Phi(-t) = exp(-t^2/2) g(t) with t = |x| and
 * g(t) = exp(t^2/2) erfc(t / sqrt 2) / 2, which is smooth: a polynomial of degree 15 in s = 2 t / 5.5 - 1 on [0, 5.5]
 * (relative error 1.8e-8, 1e-7 with coefficients in float). Beyond 5.5 g stays constant, where Phi(-t) < 2e-8.
 * Then Phi(x) is the tail for x < 0, so it has no cancellation there, and 1 - tail for x >= 0. */
static inline __m512 kern_gelu_tail_avx512(__m512 t)
{
    const __m512 s =
        _mm512_fmadd_ps(_mm512_min_ps(_mm512_set1_ps(5.5f), t), _mm512_set1_ps(0x1.745d18p-2f), _mm512_set1_ps(-1.0f));
    __m512 g = _mm512_set1_ps(-0x1.7eb864p-13f);
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.bdb244p-12f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.4cd2aap-13f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.e2299ap-14f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.472d6ep-10f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.4f68eap-9f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.ef2b86p-9f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.a2aad4p-8f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.6be27cp-7f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.294282p-6f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.d0fb8ap-6f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.5dfd9cp-5f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.f7bbb6p-5f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.587162p-4f));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(-0x1.bc5b46p-4f));
    return _mm512_fmadd_ps(g, s, _mm512_set1_ps(0x1.0bb968p-3f));
}

/* exp(-t^2 / 2) = p 2^n for 0 <= t <= 13. */
typedef struct kern_gauss_avx512 {
    __m512 p, n;
} kern_gauss_avx512;

static inline kern_gauss_avx512 kern_gauss_of_avx512(__m512 t)
{
    const __m512 square = _mm512_mul_ps(t, t);
    const __m512 lost = _mm512_fmsub_ps(t, t, square); /* what rounding took from t^2: up to 8 ulp of the result */
    const __m512 half = _mm512_set1_ps(-0.5f);
    const __m512 h = _mm512_mul_ps(half, square);
    const __m512 n = kern_round_avx512(_mm512_mul_ps(h, _mm512_set1_ps(KERN_LOG2_E)));
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_HIGH), h);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_LOW), r);
    r = _mm512_fmadd_ps(half, lost, r);
    const __m512 p = _mm512_add_ps(_mm512_add_ps(kern_exp_tail_avx512(r), r), _mm512_set1_ps(1.0f));
    return (kern_gauss_avx512){p, n};
}

static inline __m512 kern_gelu_avx512(__m512 x)
{
    /* From t = 13 on the tail, under 1e-37, counts as 0: before it or its factors are denormal, which would cost an
     * assist of the CPU, and so that the limit at -infinity is -0. */
    const __m512 limit = _mm512_set1_ps(13.0f);
    const __m512 t = _mm512_min_ps(limit, _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x));
    const __mmask16 counts = _mm512_cmp_ps_mask(t, limit, _CMP_NGE_UQ); /* or NaN */
    const kern_gauss_avx512 e = kern_gauss_of_avx512(t);
    const __m512 tail = _mm512_maskz_scalef_ps(counts, _mm512_mul_ps(e.p, kern_gelu_tail_avx512(t)), e.n);

    const __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    const __m512 phi = _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(1.0f), tail), negative, tail);
    return _mm512_mul_ps(_mm512_max_ps(_mm512_set1_ps(-13.0f), x), phi);
}

/* gelu'(x) = Phi(x) + x phi(x), with phi(t) = exp(-t^2 / 2) / sqrt(2 pi): for x < 0 it is
 * q = exp(-t^2 / 2) (g(t) - t / sqrt(2 pi)), and for x >= 0 it is 1 - q. Limits as above. */
static inline __m512 kern_gelu_slope_avx512(__m512 x)
{
    const __m512 limit = _mm512_set1_ps(13.0f);
    const __m512 t = _mm512_min_ps(limit, _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x));
    const __mmask16 counts = _mm512_cmp_ps_mask(t, limit, _CMP_NGE_UQ); /* or NaN */
    const kern_gauss_avx512 e = kern_gauss_of_avx512(t);
    const __m512 factor = _mm512_fnmadd_ps(t, _mm512_set1_ps(0x1.988454p-2f), kern_gelu_tail_avx512(t));
    const __m512 q = _mm512_maskz_scalef_ps(counts, _mm512_mul_ps(e.p, factor), e.n);
    const __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    return _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(1.0f), q), negative, q);
}

#endif
