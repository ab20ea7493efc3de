/* exp, tanh, sigmoid and GELU on four floats, and loads and stores of a vector's first elements.
 *
 * All coefficients are our own: weighted minimax fits (Lawson's iteration in double on Chebyshev nodes), rounded to
 * float one after the other with the remaining ones fitted again. Each comment gives the interval and the error of
 * the polynomial with its rounded coefficients, in exact arithmetic. A lane's result depends on that lane alone. */
#ifndef KERNELS_NEON_MATH_H
#define KERNELS_NEON_MATH_H

#include <arm_neon.h>
#include <stddef.h>
#include <string.h>

/* The first n <= 4 floats of x, the rest filled up with fill. Reads nothing beyond them. */
static inline float32x4_t neon_load_part(const float *x, size_t n, float fill)
{
    float lane[4] = {fill, fill, fill, fill};
    memcpy(lane, x, n * sizeof *x);
    return vld1q_f32(lane);
}

/* Stores the first n <= 4 lanes of v. */
static inline void neon_store_part(float *y, size_t n, float32x4_t v)
{
    float lane[4];
    vst1q_f32(lane, v);
    memcpy(y, lane, n * sizeof *y);
}

/* c0 + c1 v + ... by Horner's rule with fused multiply-adds; c[0] is the highest power's coefficient. */
static inline float32x4_t neon_horner(float32x4_t v, const float *c, size_t terms)
{
    float32x4_t p = vdupq_n_f32(c[0]);
    for (size_t i = 1; i < terms; i++) p = vfmaq_f32(vdupq_n_f32(c[i]), p, v);
    return p;
}

/* exp(x), at most 1 ulp off. x = n ln 2 + r with |r| <= ln 2 / 2, exp(r) = 1 + r + r^2 q(r): relative error 2^-28.2
 * on |r| <= 0.3467. 2^n is applied in two factors, so that denormal results and overflow to infinity come out of the
 * multiplication; the clamp keeps both factors normal (exp(-105) rounds to 0, exp(89) to infinity). NaN stays NaN. */
static inline float32x4_t neon_exp(float32x4_t x)
{
    static const float q[5] = {0x1.6a4d6p-10f, 0x1.12398ep-7f, 0x1.5558bp-5f, 0x1.555492p-3f, 0x1.fffffcp-2f};
    x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-105.0f)), vdupq_n_f32(89.0f));
    float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 0x1.715476p+0f)); /* 1 / ln 2 */
    /* ln 2 in two parts: 0x1.62e4p-1 has 15 bits, so n times it is exact. */
    float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0x1.62e4p-1f));
    r = vfmsq_f32(r, n, vdupq_n_f32(0x1.7f7d1cp-20f));
    float32x4_t p = vfmaq_f32(r, vmulq_f32(r, r), neon_horner(r, q, 5));
    p = vaddq_f32(p, vdupq_n_f32(1.0f));
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    int32x4_t bias = vdupq_n_s32(127);
    float32x4_t lower = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    float32x4_t upper = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23));
    return vmulq_f32(vmulq_f32(p, lower), upper);
}

/* 1 / (1 + exp(-x)). With z = exp(-|x|) <= 1: 1 / (1 + z) on the right, z / (1 + z) on the left, which keeps the
 * relative accuracy down to the denormals. */
static inline float32x4_t neon_sigmoid(float32x4_t x)
{
    float32x4_t one = vdupq_n_f32(1.0f);
    float32x4_t z = neon_exp(vnegq_f32(vabsq_f32(x)));
    return vdivq_f32(vbslq_f32(vcltzq_f32(x), z, one), vaddq_f32(one, z));
}

/* tanh(x). |x| < 0.625: x + x^3 q(x^2), relative error 2^-27.7; beyond: 1 - 2 / (exp(2|x|) + 1), whose subtraction
 * loses nothing since the quotient is below 0.45. The sign is put back by its bit, so that -0 stays -0. */
static inline float32x4_t neon_tanh(float32x4_t x)
{
    static const float q[5] = {-0x1.750ce4p-8f, 0x1.51f8cep-6f, -0x1.b835a4p-5f, 0x1.1106f6p-3f, -0x1.555532p-2f};
    float32x4_t a = vabsq_f32(x), one = vdupq_n_f32(1.0f), square = vmulq_f32(x, x);
    float32x4_t near = vfmaq_f32(a, vmulq_f32(a, square), neon_horner(square, q, 5));
    float32x4_t grown = vaddq_f32(neon_exp(vaddq_f32(a, a)), one);
    float32x4_t far = vsubq_f32(one, vdivq_f32(vdupq_n_f32(2.0f), grown));
    float32x4_t y = vbslq_f32(vcltq_f32(a, vdupq_n_f32(0.625f)), near, far);
    return vbslq_f32(vdupq_n_u32(0x80000000u), x, y);
}

/* GELU: x Phi(x), Phi the normal distribution function (torch.nn.GELU's default, by erf). With a = |x|:
 * a < 1: Phi(x) = 1/2 + x q(x^2), whose odd part has relative error 2^-25.
 * Beyond: Phi(-a) = exp(-a^2 / 2) p(t), t = 1 / (1 + a / 2), relative error 2^-27.9 on 1 <= a <= 14.5, after which
 * Phi(-a) is 0 in float. The rounding error of a^2, fetched by a fused multiply-add, corrects the exponential, so the
 * left tail keeps its relative accuracy; the right side is 1 - Phi(-a).
 * -inf gives -0 (the limit), +inf gives +inf. */
typedef struct neon_normal {
    float32x4_t a, near, e, p; /* min(|x|, 15), Phi(x) for a < 1, exp(-a^2 / 2), p(t) */
} neon_normal;

static inline neon_normal neon_normal_of(float32x4_t x)
{
    static const float q[6] = {-0x1.b40fccp-17f, 0x1.0a4d7ap-13f, -0x1.3a20bp-10f,
                               0x1.46f2d4p-7f,   -0x1.1058c8p-4f, 0x1.988454p-2f};
    static const float p[10] = {0x1.67f77cp-4f,  -0x1.a987fep-2f, 0x1.8da332p-1f, -0x1.4f882ep-1f, 0x1.3f394cp-3f,
                                -0x1.b477b4p-8f, 0x1.45e37cp-3f,  0x1.96749ap-3f, 0x1.98a40ep-3f,  -0x1.a6ba5p-20f};
    float32x4_t one = vdupq_n_f32(1.0f), half = vdupq_n_f32(0.5f), minus_half = vdupq_n_f32(-0.5f);
    float32x4_t a = vminq_f32(vabsq_f32(x), vdupq_n_f32(15.0f));
    float32x4_t square = vmulq_f32(a, a);
    float32x4_t t = vdivq_f32(one, vfmaq_f32(one, a, half));
    float32x4_t lost = vnegq_f32(vfmsq_f32(square, a, a)); /* a^2 - square */
    float32x4_t e = neon_exp(vmulq_f32(square, minus_half));
    e = vfmaq_f32(e, e, vmulq_f32(lost, minus_half));
    return (neon_normal){a, vfmaq_f32(half, x, neon_horner(square, q, 6)), e, neon_horner(t, p, 10)};
}

static inline float32x4_t neon_gelu(float32x4_t x)
{
    neon_normal n = neon_normal_of(x);
    float32x4_t one = vdupq_n_f32(1.0f), left = vmulq_f32(n.e, n.p);
    float32x4_t far = vbslq_f32(vcltzq_f32(x), left, vsubq_f32(one, left));
    float32x4_t phi = vbslq_f32(vcltq_f32(n.a, one), n.near, far);
    /* The lower clamp turns -inf * 0 into -15 * 0. */
    return vmulq_f32(vmaxq_f32(x, vdupq_n_f32(-15.0f)), phi);
}

/* gelu'(x) = Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi): on the left exp(-a^2 / 2) (p(t) - a / sqrt(2 pi)), on the right
 * 1 minus that. */
static inline float32x4_t neon_gelu_slope(float32x4_t x)
{
    neon_normal n = neon_normal_of(x);
    float32x4_t one = vdupq_n_f32(1.0f), density = vdupq_n_f32(0x1.988454p-2f); /* 1 / sqrt(2 pi) */
    float32x4_t near = vfmaq_f32(n.near, x, vmulq_f32(n.e, density));
    float32x4_t left = vmulq_f32(n.e, vfmsq_f32(n.p, n.a, density));
    float32x4_t far = vbslq_f32(vcltzq_f32(x), left, vsubq_f32(one, left));
    return vbslq_f32(vcltq_f32(n.a, one), near, far);
}

/* max(x, 0); a selection, so that NaN stays NaN and -0 stays -0. */
static inline float32x4_t neon_relu(float32x4_t x)
{
    return vbslq_f32(vcltzq_f32(x), vdupq_n_f32(0.0f), x);
}

#endif
