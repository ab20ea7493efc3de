/* exp, tanh, the sigmoid, GELU and its slope on sixteen floats: one polynomial each, for every tier. The polynomials are
 * fits of our own: weighted least squares on Chebyshev nodes, reweighted towards the minimax error (Lawson), in double,
 * coefficients then rounded to float. Their errors over all floats: tests/kernels/all_floats.c. */
#ifndef KERNELS_BODY_MATH_H
#define KERNELS_BODY_MATH_H

#include "kernels/vector/vector.h"

/* x = n ln 2 + r with |r| <= ln 2 / 2 and n an integer. ln 2 is split so that n * LN2_HIGH is exact for |n| < 2^9. */
#define KERN_LOG2_E 0x1.715476p+0f
#define KERN_LN2 0x1.62e43p-1f
#define KERN_LN2_HIGH 0x1.62e4p-1f
#define KERN_LN2_LOW 0x1.7f7d1cp-20f

/* The lowest x at which exp(x) is a normal float: 2^-126 is exp(-87.336545). */
#define KERN_EXP_LOWEST -0x1.5d589ep+6f

/* A product is rounded to an integer n by adding 1.5 * 2^23, whose last bit is worth 1. With 127 more, the lowest bits of
 * the sum are the exponent of 2^n. */
#define KERN_SHIFT 0x1.8p23f
#define KERN_SHIFT_127 0x1.8000fep23f
#define KERN_SHIFT_254 0x1.8001fcp23f

/* 2^n from n + KERN_SHIFT_127, for -127 < n < 128. */
KERN_INLINE f32x16 power_of_shifted(f32x16 shifted)
{
    return f32x16_of_bits(i32x16_shift_left(i32x16_bits(shifted), 23));
}

/* q(r), where exp(r) = 1 + r + r^2 q(r), for |r| <= 0.35; of degree 4, fitted to the relative error of exp (3.1e-9
 * before rounding the coefficients). */
KERN_INLINE f32x16 exp_factor(f32x16 r)
{
    f32x16 q = f32x16_set1(0x1.6a2256p-10f);
    q = f32x16_fma(q, r, f32x16_set1(0x1.123b02p-7f));
    q = f32x16_fma(q, r, f32x16_set1(0x1.5558f8p-5f));
    q = f32x16_fma(q, r, f32x16_set1(0x1.555490p-3f));
    return f32x16_fma(q, r, f32x16_set1(0x1.fffffcp-2f));
}

/* exp(r) - 1 */
KERN_INLINE f32x16 exp_less_one(f32x16 r)
{
    return f32x16_add(f32x16_mul(f32x16_mul(r, r), exp_factor(r)), r);
}

/* What is left of x after n ln 2. */
KERN_INLINE f32x16 exp_rest(f32x16 x, f32x16 n)
{
    return f32x16_fnma(n, f32x16_set1(KERN_LN2_LOW), f32x16_fnma(n, f32x16_set1(KERN_LN2_HIGH), x));
}

/* exp(x): 1 ulp; 0 below the smallest normal float, overflow to infinity, NaN stays NaN. Denormal results would cost an
 * assist of the CPU, here and in every sum that takes them. 2^n in two factors, because n reaches 128 and 2^128 is no
 * float. */
KERN_INLINE f32x16 exp_of(f32x16 x)
{
    const mask16 normal = f32x16_not_less(x, f32x16_set1(KERN_EXP_LOWEST)); /* or NaN */
    /* Beyond these bounds the result is 0 or infinity; min and max return their second operand, x, when it is NaN. */
    x = f32x16_min(f32x16_set1(89.0f), f32x16_max(f32x16_set1(KERN_EXP_LOWEST), x));
    const f32x16 shift = f32x16_set1(KERN_SHIFT_254), shifted = f32x16_fma(x, f32x16_set1(KERN_LOG2_E), shift);
    const f32x16 p = f32x16_add(exp_less_one(exp_rest(x, f32x16_sub(shifted, shift))), f32x16_set1(1.0f));
    const i32x16 both = i32x16_and(i32x16_bits(shifted), i32x16_set1(511)); /* n + 254, the sum of two exponents */
    const i32x16 first = i32x16_shift_right(both, 1), second = i32x16_sub(both, first);
    const f32x16 scaled = f32x16_mul(p, f32x16_of_bits(i32x16_shift_left(first, 23)));
    return f32x16_keep(normal, f32x16_mul(scaled, f32x16_of_bits(i32x16_shift_left(second, 23))));
}

/* exp(x) for x <= 0: what attention weighs with, in fewer instructions. ln 2 as one float is off by 3e-9 of itself, so
 * the result by 3e-9 |x|. 0 where exp_of gives 0; what the other lanes hold on the way does not matter. */
KERN_INLINE f32x16 exp_below(f32x16 x)
{
    const mask16 normal = f32x16_not_less(x, f32x16_set1(KERN_EXP_LOWEST)); /* or NaN */
    const f32x16 shift = f32x16_set1(KERN_SHIFT_127), one = f32x16_set1(1.0f);
    const f32x16 shifted = f32x16_fma(x, f32x16_set1(KERN_LOG2_E), shift);
    const f32x16 r = f32x16_fnma(f32x16_sub(shifted, shift), f32x16_set1(KERN_LN2), x);
    const f32x16 p = f32x16_fma(f32x16_fma(exp_factor(r), r, one), r, one);
    return f32x16_keep(normal, f32x16_mul(p, power_of_shifted(shifted)));
}

/* exp(-|x|), from which both sides of the sigmoid come without overflow. */
KERN_INLINE f32x16 exp_of_minus_size(f32x16 x)
{
    return exp_of(f32x16_sub(f32x16_set1(0.0f), f32x16_abs(x)));
}

/* 1 / (1 + exp(-x)): with e = exp(-|x|) 1 / (1 + e) or e / (1 + e). */
KERN_INLINE f32x16 sigmoid_of(f32x16 x)
{
    const f32x16 e = exp_of_minus_size(x), one = f32x16_set1(1.0f);
    return f32x16_div(f32x16_select(f32x16_negative(x), e, one), f32x16_add(one, e));
}

/* The sigmoid's slope, e / (1 + e)^2, which has no cancellation; the sigmoid itself to *value. */
KERN_INLINE f32x16 sigmoid_slope(f32x16 x, f32x16 *value)
{
    const f32x16 e = exp_of_minus_size(x), one = f32x16_set1(1.0f);
    const f32x16 large = f32x16_div(one, f32x16_add(one, e)), small = f32x16_mul(e, large);
    *value = f32x16_select(f32x16_negative(x), small, large);
    return f32x16_mul(small, large);
}

/* tanh |x| = e / (e + 2) with e = exp(2 |x|) - 1 = 2^n (exp(r) - 1) + (2^n - 1), which loses no digits near 0. */
KERN_INLINE f32x16 tanh_of(f32x16 x)
{
    const f32x16 t = f32x16_abs(x), shift = f32x16_set1(KERN_SHIFT_127);
    const f32x16 y = f32x16_min(f32x16_set1(20.0f), f32x16_add(t, t)); /* tanh(10) rounds to 1 */
    const f32x16 shifted = f32x16_fma(y, f32x16_set1(KERN_LOG2_E), shift);
    const f32x16 m = exp_less_one(exp_rest(y, f32x16_sub(shifted, shift)));
    const f32x16 power = power_of_shifted(shifted);
    const f32x16 e = f32x16_fma(power, m, f32x16_sub(power, f32x16_set1(1.0f)));
    return f32x16_with_sign(f32x16_div(e, f32x16_add(e, f32x16_set1(2.0f))), x);
}

/* x where x >= 0, +0 where x < 0; NaN and -0 stay: max returns its second operand then. */
KERN_INLINE f32x16 relu_of(f32x16 x)
{
    return f32x16_max(f32x16_set1(0.0f), x);
}

/* Phi is the normal distribution function. Phi(-t) for t = |x|, by a polynomial of degree 7 a cell: cell k < 7 reaches
 * from 27/32 (k - 1/2) to 27/32 (k + 1/2), and column k of the table has its coefficients about 27/32 k. From 5.48 on
 * Phi(-t), under 2.1e-8, counts as 0. The error of Phi is 4e-8 of itself up to 2, and 5e-10 beyond; float adds 1e-7 of
 * itself. */
static const float gelu_cells[8][8] = {
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
 * operand. */
KERN_INLINE f32x16 gelu_of(f32x16 x)
{
    const f32x16 shift = f32x16_set1(KERN_SHIFT);
    const f32x16 t = f32x16_min(f32x16_abs(x), f32x16_set1(5.90625f));
    const f32x16 shifted = f32x16_fma(t, f32x16_set1(0x1.2f684cp+0f), shift);
    const f32x16 d = f32x16_fnma(f32x16_sub(shifted, shift), f32x16_set1(0.84375f), t);
    const i32x16 cell = i32x16_bits(shifted);
    f32x16 q = f32x16_lookup8(gelu_cells[7], cell);
    KERN_UNROLL
    for (size_t i = 7; i-- > 0;) q = f32x16_fma(q, d, f32x16_lookup8(gelu_cells[i], cell));
    return f32x16_fnma(t, q, f32x16_max(f32x16_set1(0.0f), x));
}

/* Phi(-t) = exp(-t^2 / 2) g(t) with g(t) = exp(t^2 / 2) erfc(t / sqrt 2) / 2, which is smooth: a polynomial of degree 15
 * in s = 2 t / 5.5 - 1 on [0, 5.5] (relative error 1.8e-8, 1e-7 with coefficients in float). Beyond 5.5 g stays constant,
 * where Phi(-t) < 2e-8. */
static const float gelu_tail_terms[16] = {
    -0x1.7eb864p-13f, 0x1.bdb244p-12f, -0x1.4cd2aap-13f, 0x1.e2299ap-14f, -0x1.472d6ep-10f, 0x1.4f68eap-9f,
    -0x1.ef2b86p-9f,  0x1.a2aad4p-8f,  -0x1.6be27cp-7f,  0x1.294282p-6f,  -0x1.d0fb8ap-6f,  0x1.5dfd9cp-5f,
    -0x1.f7bbb6p-5f,  0x1.587162p-4f,  -0x1.bc5b46p-4f,  0x1.0bb968p-3f};

KERN_INLINE f32x16 gelu_tail(f32x16 t)
{
    const f32x16 s = f32x16_fma(f32x16_min(f32x16_set1(5.5f), t), f32x16_set1(0x1.745d18p-2f), f32x16_set1(-1.0f));
    f32x16 g = f32x16_set1(gelu_tail_terms[0]);
    KERN_UNROLL
    for (size_t i = 1; i < 16; i++) g = f32x16_fma(g, s, f32x16_set1(gelu_tail_terms[i]));
    return g;
}

/* exp(-t^2 / 2) = p * power for 0 <= t <= 13. */
typedef struct gauss {
    f32x16 p, power;
} gauss;

KERN_INLINE gauss gauss_of(f32x16 t)
{
    const f32x16 square = f32x16_mul(t, t), half = f32x16_set1(-0.5f), shift = f32x16_set1(KERN_SHIFT_127);
    const f32x16 lost = f32x16_fms(t, t, square); /* what rounding took from t^2: up to 8 ulp of the result */
    const f32x16 h = f32x16_mul(half, square);
    const f32x16 shifted = f32x16_fma(h, f32x16_set1(KERN_LOG2_E), shift);
    const f32x16 r = f32x16_fma(half, lost, exp_rest(h, f32x16_sub(shifted, shift)));
    return (gauss){f32x16_add(exp_less_one(r), f32x16_set1(1.0f)), power_of_shifted(shifted)};
}

/* gelu'(x) = Phi(x) + x phi(x), with phi(t) = exp(-t^2 / 2) / sqrt(2 pi): for x < 0 it is
 * q = exp(-t^2 / 2) (g(t) - t / sqrt(2 pi)), and for x >= 0 it is 1 - q. From t = 13 on q, under 1e-36, counts as 0:
 * before it or its factors are denormal, which would cost an assist of the CPU. */
KERN_INLINE f32x16 gelu_slope(f32x16 x)
{
    const f32x16 limit = f32x16_set1(13.0f);
    const f32x16 t = f32x16_min(limit, f32x16_abs(x));
    const mask16 counts = mask16_or(f32x16_less(t, limit), f32x16_is_nan(t));
    const gauss e = gauss_of(t);
    const f32x16 factor = f32x16_fnma(t, f32x16_set1(0x1.988454p-2f), gelu_tail(t));
    const f32x16 q = f32x16_keep(counts, f32x16_mul(f32x16_mul(e.p, factor), e.power));
    return f32x16_select(f32x16_negative(x), q, f32x16_sub(f32x16_set1(1.0f), q));
}

#endif
