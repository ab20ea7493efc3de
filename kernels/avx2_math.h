/* Functions of 8 floats, AVX2. The polynomials are fits of our own: weighted least squares on Chebyshev nodes,
 * reweighted towards the minimax error (Lawson), in double, coefficients then rounded to float. kernels/avx512_math.h
 * evaluates the same formulas on 16 floats, but for GELU, which has more and smaller cells there. */
#ifndef KERNELS_AVX2_MATH_H
#define KERNELS_AVX2_MATH_H

#include "kernels/avx2.h"

/* x = n ln 2 + r with |r| <= ln 2 / 2 and n an integer. ln 2 is split so that n * LN2_HIGH is exact for |n| < 2^9. */
#define KERN_LOG2_E 0x1.715476p+0f
#define KERN_LN2 0x1.62e43p-1f
#define KERN_LN2_HIGH 0x1.62e4p-1f
#define KERN_LN2_LOW 0x1.7f7d1cp-20f

/* The lowest x at which exp(x) is a normal float: 2^-126 is exp(-87.336545). */
#define KERN_EXP_LOWEST -0x1.5d589ep+6f

static inline __m256 kern_round_avx2(__m256 x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* 2^n for integers -127 < n < 128 */
static inline __m256 kern_power2_avx2(__m256 n)
{
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

/* q(r), where exp(r) = 1 + r + r^2 q(r), for |r| <= 0.35; of degree 4, fitted to the relative error of exp (3.1e-9
 * before rounding the coefficients). */
static inline __m256 kern_exp_factor_avx2(__m256 r)
{
    __m256 q = _mm256_set1_ps(0x1.6a2256p-10f);
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(0x1.123b02p-7f));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(0x1.5558f8p-5f));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(0x1.555490p-3f));
    return _mm256_fmadd_ps(q, r, _mm256_set1_ps(0x1.fffffcp-2f));
}

/* r^2 q(r) */
static inline __m256 kern_exp_tail_avx2(__m256 r)
{
    return _mm256_mul_ps(_mm256_mul_ps(r, r), kern_exp_factor_avx2(r));
}

/* exp(x): 1 ulp; 0 below the smallest normal float, overflow to infinity, NaN stays NaN. Denormal results would cost an
 * assist of the CPU, here and in every sum that takes them: 50 ns for 8 floats instead of 4. */
static inline __m256 kern_exp_avx2(__m256 x)
{
    const __m256 normal = _mm256_cmp_ps(x, _mm256_set1_ps(KERN_EXP_LOWEST), _CMP_NLT_UQ); /* or NaN */
    /* Beyond these bounds the result is 0 or infinity; min and max return their second operand, x, when it is NaN. */
    x = _mm256_min_ps(_mm256_set1_ps(89.0f), _mm256_max_ps(_mm256_set1_ps(KERN_EXP_LOWEST), x));
    const __m256 n = kern_round_avx2(_mm256_mul_ps(x, _mm256_set1_ps(KERN_LOG2_E)));
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_HIGH), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_LOW), r);
    const __m256 p = _mm256_add_ps(_mm256_add_ps(kern_exp_tail_avx2(r), r), _mm256_set1_ps(1.0f));
    /* In two steps, because n reaches 128 and 2^128 is no float. */
    const __m256 first = kern_round_avx2(_mm256_mul_ps(n, _mm256_set1_ps(0.5f)));
    const __m256 scaled = _mm256_mul_ps(p, kern_power2_avx2(first));
    return _mm256_and_ps(normal, _mm256_mul_ps(scaled, kern_power2_avx2(_mm256_sub_ps(n, first))));
}

/* exp(x) for x <= 0: what attention weighs with, in fewer instructions. n is rounded by adding 1.5 * 2^23 + 127, whose
 * last bit is worth 1: the lowest bits of the sum, n + 127, are the exponent of 2^n. ln 2 as one float is off by 3e-9
 * of itself, so the result by 3e-9 |x|. 0 where kern_exp_avx2 gives 0; what the other lanes hold on the way does not
 * matter. */
static inline __m256 kern_exp_below_avx2(__m256 x)
{
    const __m256 normal = _mm256_cmp_ps(x, _mm256_set1_ps(KERN_EXP_LOWEST), _CMP_NLT_UQ); /* or NaN */
    const __m256 shift = _mm256_set1_ps(0x1.8000fep23f);
    const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(KERN_LOG2_E), shift);
    const __m256 r = _mm256_fnmadd_ps(_mm256_sub_ps(shifted, shift), _mm256_set1_ps(KERN_LN2), x);
    const __m256 inner = _mm256_fmadd_ps(kern_exp_factor_avx2(r), r, _mm256_set1_ps(1.0f));
    const __m256 p = _mm256_fmadd_ps(inner, r, _mm256_set1_ps(1.0f));
    const __m256 power = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
    return _mm256_and_ps(normal, _mm256_mul_ps(p, power));
}

/* 1 / (1 + exp(-x)), from e = exp(-|x|) so that neither side overflows: 1 / (1 + e) or e / (1 + e). */
static inline __m256 kern_sigmoid_avx2(__m256 x)
{
    const __m256 e = kern_exp_avx2(_mm256_or_ps(x, _mm256_set1_ps(-0.0f)));
    const __m256 one = _mm256_set1_ps(1.0f);
    return _mm256_div_ps(_mm256_blendv_ps(one, e, x), _mm256_add_ps(one, e)); /* chosen by x's sign */
}

/* tanh |x| = e / (e + 2) with e = exp(2 |x|) - 1 = 2^n (exp(r) - 1) + (2^n - 1), which loses no digits near 0. */
static inline __m256 kern_tanh_avx2(__m256 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 t = _mm256_andnot_ps(sign, x);
    /* tanh(10) rounds to 1. */
    const __m256 y = _mm256_min_ps(_mm256_set1_ps(20.0f), _mm256_add_ps(t, t));
    const __m256 n = kern_round_avx2(_mm256_mul_ps(y, _mm256_set1_ps(KERN_LOG2_E)));
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_HIGH), y);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_LOW), r);
    const __m256 m = _mm256_add_ps(r, kern_exp_tail_avx2(r));
    const __m256 power = kern_power2_avx2(n);
    const __m256 e = _mm256_fmadd_ps(power, m, _mm256_sub_ps(power, _mm256_set1_ps(1.0f)));
    const __m256 y1 = _mm256_div_ps(e, _mm256_add_ps(e, _mm256_set1_ps(2.0f)));
    return _mm256_or_ps(y1, _mm256_and_ps(sign, x));
}

/* Phi is the normal distribution function. Its tail is Phi(-t) = exp(-t^2/2) g(t) with t = |x| and
 * g(t) = exp(t^2/2) erfc(t / sqrt 2) / 2, which is smooth: a polynomial of degree 15 in s = 2 t / 5.5 - 1 on [0, 5.5]
 * (relative error 1.8e-8, 1e-7 with coefficients in float). Beyond 5.5 g stays constant, where Phi(-t) < 2e-8. */
static inline __m256 kern_gelu_tail_avx2(__m256 t)
{
    const __m256 s =
        _mm256_fmadd_ps(_mm256_min_ps(_mm256_set1_ps(5.5f), t), _mm256_set1_ps(0x1.745d18p-2f), _mm256_set1_ps(-1.0f));
    __m256 g = _mm256_set1_ps(-0x1.7eb864p-13f);
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.bdb244p-12f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.4cd2aap-13f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.e2299ap-14f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.472d6ep-10f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.4f68eap-9f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.ef2b86p-9f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.a2aad4p-8f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.6be27cp-7f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.294282p-6f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.d0fb8ap-6f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.5dfd9cp-5f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.f7bbb6p-5f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.587162p-4f));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(-0x1.bc5b46p-4f));
    return _mm256_fmadd_ps(g, s, _mm256_set1_ps(0x1.0bb968p-3f));
}

/* exp(-t^2 / 2) = p 2^n for 0 <= t <= 13. */
typedef struct kern_gauss_avx2 {
    __m256 p, n;
} kern_gauss_avx2;

static inline kern_gauss_avx2 kern_gauss_of_avx2(__m256 t)
{
    const __m256 square = _mm256_mul_ps(t, t);
    const __m256 lost = _mm256_fmsub_ps(t, t, square); /* what rounding took from t^2: up to 8 ulp of the result */
    const __m256 half = _mm256_set1_ps(-0.5f);
    const __m256 h = _mm256_mul_ps(half, square);
    const __m256 n = kern_round_avx2(_mm256_mul_ps(h, _mm256_set1_ps(KERN_LOG2_E)));
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_HIGH), h);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_LOW), r);
    r = _mm256_fmadd_ps(half, lost, r);
    const __m256 p = _mm256_add_ps(_mm256_add_ps(kern_exp_tail_avx2(r), r), _mm256_set1_ps(1.0f));
    return (kern_gauss_avx2){p, n};
}

/* Phi(-t) for t = |x|, by a polynomial of degree 7 a cell: cell k < 7 reaches from 27/32 (k - 1/2) to 27/32 (k + 1/2),
 * and column k of the table has its coefficients about 27/32 k. From 5.48 on Phi(-t), under 2.1e-8, counts as 0. The
 * error of Phi is 4e-8 of itself up to 2, and 5e-10 beyond; float adds 1e-7 of itself. */
static const float kern_gelu_cells_avx2[8][8] = {
    {0x1.000000p-1f, 0x1.98616cp-3f, 0x1.76d04ep-5f, 0x1.746e3ep-8f, 0x1.8301c8p-12f, 0x1.9c2618p-17f, 0x1.bc4b6cp-23f,
     0},
    {-0x1.988454p-2f, -0x1.1e2accp-2f, -0x1.8977cep-4f, -0x1.0978c8p-6f, -0x1.5f90fep-10f, -0x1.c8ecf6p-15f,
     -0x1.2367aep-20f, 0},
    {0x1.327854p-21f, 0x1.e2e7e8p-4f, 0x1.4bfd4ap-4f, 0x1.4ffcb4p-6f, 0x1.28a178p-9f, 0x1.e1f042p-14f, 0x1.70f70ep-19f,
     0},
    {0x1.105002p-4f, 0x1.b7aaeep-7f, -0x1.e4a5fcp-6f, -0x1.de7da4p-7f, -0x1.306996p-9f, -0x1.3fcf04p-13f,
     -0x1.2b1d64p-18f, 0},
    {0x1.c010e4p-15f, -0x1.702a30p-6f, -0x1.0f7322p-10f, 0x1.7dac04p-8f, 0x1.9f0240p-10f, 0x1.28ca32p-13f,
     0x1.59a5bap-18f, 0},
    {-0x1.4d3c14p-7f, 0x1.d3d5bep-10f, 0x1.38ee58p-8f, -0x1.8c8754p-11f, -0x1.799df2p-11f, -0x1.956bd2p-14f,
     -0x1.3209b6p-18f, 0},
    {0x1.8e78b6p-12f, 0x1.5d487ap-9f, -0x1.2c4d4cp-10f, -0x1.ea43aep-12f, 0x1.895d6ap-13f, 0x1.a847a0p-15f,
     0x1.cf2958p-19f, 0},
    {0x1.c496b2p-11f, -0x1.1a7406p-11f, -0x1.0516e4p-12f, 0x1.045812p-12f, -0x1.330c58p-18f, -0x1.30c040p-16f,
     -0x1.f5026cp-20f, 0},
};

/* gelu(x) = max(0, x) - t Phi(-t), t = |x| up to the middle of cell 7, which is 0. NaN goes the way of max's second
 * operand. k comes from adding 1.5 * 2^23, whose last bit is worth 1; a permutation looks at the last three. */
static inline __m256 kern_gelu_avx2(__m256 x)
{
    const __m256 shift = _mm256_set1_ps(0x1.8p23f);
    const __m256 t = _mm256_min_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x), _mm256_set1_ps(5.90625f));
    const __m256 shifted = _mm256_fmadd_ps(t, _mm256_set1_ps(0x1.2f684cp+0f), shift);
    const __m256 d = _mm256_fnmadd_ps(_mm256_sub_ps(shifted, shift), _mm256_set1_ps(0.84375f), t);
    const __m256i cell = _mm256_castps_si256(shifted);
    __m256 q = _mm256_permutevar8x32_ps(_mm256_loadu_ps(kern_gelu_cells_avx2[7]), cell);
    KERN_UNROLL
    for (size_t i = 7; i-- > 0;)
        q = _mm256_fmadd_ps(q, d, _mm256_permutevar8x32_ps(_mm256_loadu_ps(kern_gelu_cells_avx2[i]), cell));
    return _mm256_fnmadd_ps(t, q, _mm256_max_ps(_mm256_setzero_ps(), x));
}

/* gelu'(x) = Phi(x) + x phi(x), with phi(t) = exp(-t^2 / 2) / sqrt(2 pi): for x < 0 it is
 * q = exp(-t^2 / 2) (g(t) - t / sqrt(2 pi)), and for x >= 0 it is 1 - q. From t = 13 on q, under 1e-36, counts as 0:
 * before it or its factors are denormal, which would cost an assist of the CPU. */
static inline __m256 kern_gelu_slope_avx2(__m256 x)
{
    const __m256 limit = _mm256_set1_ps(13.0f);
    const __m256 t = _mm256_min_ps(limit, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x));
    const __m256 counts = _mm256_cmp_ps(t, limit, _CMP_NGE_UQ); /* or NaN */
    const kern_gauss_avx2 e = kern_gauss_of_avx2(t);
    const __m256 factor = _mm256_fnmadd_ps(t, _mm256_set1_ps(0x1.988454p-2f), kern_gelu_tail_avx2(t));
    const __m256 scaled = _mm256_mul_ps(_mm256_mul_ps(e.p, factor), kern_power2_avx2(e.n));
    const __m256 q = _mm256_and_ps(counts, scaled);
    return _mm256_blendv_ps(_mm256_sub_ps(_mm256_set1_ps(1.0f), q), q, x); /* by x's sign */
}

#endif
