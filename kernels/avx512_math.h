/* Functions of 16 floats, AVX-512. The polynomials are fits of our own: weighted least squares on Chebyshev nodes,
 * reweighted towards the minimax error (Lawson), in double, coefficients then rounded to float. kernels/avx2_math.h
 * evaluates the same formulas on 8 floats, but for GELU, which has fewer and larger cells
 * there. */
#ifndef KERNELS_AVX512_MATH_H
#define KERNELS_AVX512_MATH_H

#include "kernels/avx512.h"

/* x = n ln 2 + r with |r| <= ln 2 / 2 and n an integer. ln 2 is split so that n * LN2_HIGH is exact for |n| < 2^9. */
#define KERN_LOG2_E 0x1.715476p+0f
#define KERN_LN2 0x1.62e43p-1f
#define KERN_LN2_HIGH 0x1.62e4p-1f
#define KERN_LN2_LOW 0x1.7f7d1cp-20f

/* The lowest x at which exp(x) is a normal float: 2^-126 is exp(-87.336545). */
#define KERN_EXP_LOWEST -0x1.5d589ep+6f

static inline __m512 kern_round_avx512(__m512 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* q(r), where exp(r) = 1 + r + r^2 q(r), for |r| <= 0.35; of degree 4, fitted to the relative error of exp (3.1e-9
 * before rounding the coefficients). */
static inline __m512 kern_exp_factor_avx512(__m512 r)
{
    __m512 q = _mm512_set1_ps(0x1.6a2256p-10f);
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.123b02p-7f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.5558f8p-5f));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.555490p-3f));
    return _mm512_fmadd_ps(q, r, _mm512_set1_ps(0x1.fffffcp-2f));
}

/* r^2 q(r) */
static inline __m512 kern_exp_tail_avx512(__m512 r)
{
    return _mm512_mul_ps(_mm512_mul_ps(r, r), kern_exp_factor_avx512(r));
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

/* exp(x) for x <= 0: what attention weighs with, in fewer instructions. n is rounded by adding 1.5 * 2^23, whose last
 * bit is worth 1. ln 2 as one float is off by 3e-9 of itself, so the result by 3e-9 |x|. 0 where kern_exp_avx512 gives
 * 0; what the other lanes hold on the way does not matter. */
static inline __m512 kern_exp_below_avx512(__m512 x)
{
    const __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(KERN_EXP_LOWEST), _CMP_NLT_UQ); /* or NaN */
    const __m512 shift = _mm512_set1_ps(0x1.8p23f);
    const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(KERN_LOG2_E), shift), shift);
    const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2), x);
    const __m512 p = _mm512_fmadd_ps(kern_exp_factor_avx512(r), r, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(normal, _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f)), n);
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

/* Phi is the normal distribution function. Its tail is Phi(-t) = exp(-t^2/2) g(t) with t = |x| and
 * g(t) = exp(t^2/2) erfc(t / sqrt 2) / 2, which is smooth: a polynomial of degree 15 in s = 2 t / 5.5 - 1 on [0, 5.5]
 * (relative error 1.8e-8, 1e-7 with coefficients in float). Beyond 5.5 g stays constant, where Phi(-t) < 2e-8. */
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

/* Phi(-t) for t = |x|, by a polynomial of degree 5 a cell: cell k < 15 reaches from 3/8 (k - 1/2) to 3/8 (k + 1/2), and
 * column k of the table has its coefficients about 3/8 k. From 5.44 on Phi(-t), under 3e-8, counts as 0. The error of
 * Phi is 7e-8 of itself up to 2, and 1.5e-9 beyond; float adds 1e-7 of itself. */
static const float kern_gelu_cells_avx512[6][16] = {
    {0x1.000000p-1f, 0x1.6a527ap-2f, 0x1.d02200p-3f, 0x1.0ad7dap-3f, 0x1.11a46ep-4f, 0x1.f20394p-6f, 0x1.90924cp-7f,
     0x1.1bee6ap-8f, 0x1.61de22p-10f, 0x1.8301d0p-12f, 0x1.72d988p-14f, 0x1.36ff0cp-16f, 0x1.c80836p-19f,
     0x1.2415d0p-21f, 0x1.46a3b6p-24f, 0},
    {-0x1.988452p-2f, -0x1.7cc794p-2f, -0x1.345d5ep-2f, -0x1.b1ec62p-3f, -0x1.094088p-3f, -0x1.19bfa8p-4f,
     -0x1.0402dep-5f, -0x1.a0f228p-7f, -0x1.227212p-8f, -0x1.5f90f8p-10f, -0x1.71b940p-12f, -0x1.51cfd6p-14f,
     -0x1.0c29fcp-16f, -0x1.71e666p-19f, -0x1.bb4c8ep-22f, 0},
    {-0x1.963e1ep-22f, 0x1.1d93cap-4f, 0x1.ce89dep-4f, 0x1.e828fcp-4f, 0x1.8de13cp-4f, 0x1.0824a2p-4f, 0x1.2484aep-5f,
     0x1.119fcep-6f, 0x1.b3a9dap-8f, 0x1.289dcep-9f, 0x1.5a913ap-11f, 0x1.5c46dep-13f, 0x1.2d8d58p-15f, 0x1.c28268p-18f,
     0x1.229fecp-20f, 0},
    {0x1.106068p-4f, 0x1.b448dcp-5f, 0x1.67b75ep-6f, -0x1.336020p-7f, -0x1.ba0eb2p-6f, -0x1.d879e2p-6f, -0x1.601ad6p-6f,
     -0x1.995b38p-7f, -0x1.8344dap-8f, -0x1.306a2ap-9f, -0x1.926fa6p-11f, -0x1.c2c9f8p-13f, -0x1.ae0ed0p-15f,
     -0x1.5eb558p-17f, -0x1.ea44f2p-20f, 0},
    {-0x1.241d92p-14f, -0x1.0defa2p-6f, -0x1.7535e4p-6f, -0x1.19186ap-6f, -0x1.9017aap-8f, 0x1.61b582p-9f,
     0x1.8ec7aep-8f, 0x1.61d0bep-8f, 0x1.b46becp-9f, 0x1.a17f26p-10f, 0x1.4333b0p-11f, 0x1.9dc414p-13f, 0x1.bb91c8p-15f,
     0x1.9175fap-17f, 0x1.347e46p-19f, 0},
    {-0x1.3eda1cp-7f, -0x1.b3b262p-8f, 0x1.95e56ap-13f, 0x1.58c796p-8f, 0x1.7c96bap-8f, 0x1.a77a6ap-9f, 0x1.f79b32p-12f,
     -0x1.f396dep-11f, -0x1.20e28ap-10f, -0x1.79a312p-11f, -0x1.68c9cap-12f, -0x1.0f324ap-13f, -0x1.4b8090p-15f,
     -0x1.4f7a24p-17f, -0x1.1c39f4p-19f, 0},
};

/* gelu(x) = max(0, x) - t Phi(-t), t = |x| up to the middle of cell 15, which is 0. NaN goes the way of max's second
 * operand. k comes from adding 1.5 * 2^23, whose last bit is worth 1; a permutation looks at the last four. */
static inline __m512 kern_gelu_avx512(__m512 x)
{
    enum { LEAST_MAGNITUDE = 2 | 2 << 2 }; /* of the two operands, without its sign; NaN gives way */
    const __m512 shift = _mm512_set1_ps(0x1.8p23f);
    const __m512 t = _mm512_range_ps(x, _mm512_set1_ps(5.625f), LEAST_MAGNITUDE);
    const __m512 shifted = _mm512_fmadd_ps(t, _mm512_set1_ps(0x1.555556p+1f), shift);
    const __m512 d = _mm512_fnmadd_ps(_mm512_sub_ps(shifted, shift), _mm512_set1_ps(0.375f), t);
    const __m512i cell = _mm512_castps_si512(shifted);
    __m512 q = _mm512_permutexvar_ps(cell, _mm512_loadu_ps(kern_gelu_cells_avx512[5]));
    KERN_UNROLL
    for (size_t i = 5; i-- > 0;)
        q = _mm512_fmadd_ps(q, d, _mm512_permutexvar_ps(cell, _mm512_loadu_ps(kern_gelu_cells_avx512[i])));
    return _mm512_fnmadd_ps(t, q, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* gelu'(x) = Phi(x) + x phi(x), with phi(t) = exp(-t^2 / 2) / sqrt(2 pi): for x < 0 it is
 * q = exp(-t^2 / 2) (g(t) - t / sqrt(2 pi)), and for x >= 0 it is 1 - q. From t = 13 on q, under 1e-36, counts as 0:
 * before it or its factors are denormal, which would cost an assist of the CPU. */
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
