/* Conversions between float and the 16-bit formats, the specification, by integer arithmetic on the bits.
 * binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. bfloat16: the upper half of a float. */
#include "kernels/spec/parts.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static float half_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
    if (exponent == 31) return float_of(sign | 0x7f800000u | (fraction != 0 ? 0x400000u : 0u) | fraction << 13);
    if (exponent != 0) return float_of(sign | (exponent + 112u) << 23 | fraction << 13);
    return float_of(sign | bits_of(ldexpf((float)fraction, -24))); /* zero and the subnormals: fraction * 2^-24 */
}

static uint16_t float_to_half(float x)
{
    const uint32_t u = bits_of(x), a = u & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu)); /* NaN, made quiet */
    if (a >= 0x477ff000u) return sign | 0x7c00u;                                 /* >= 65520 rounds to infinity */
    if (a >= 0x38800000u) /* >= 2^-14, a normal half: round at bit 13, ties to even, and rebias the exponent */
        return (uint16_t)(sign | (a + 0xfffu + (a >> 13 & 1u) - 0x38000000u) >> 13);
    if (a <= 0x33000000u) return sign; /* <= 2^-25, half the smallest subnormal: to zero */
    const uint32_t significand = (a & 0x7fffffu) | 0x800000u, shift = 126u - (a >> 23); /* 14 .. 24 */
    const uint32_t kept = significand >> shift, rest = significand & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    return (uint16_t)(sign | (kept + (rest > tie || (rest == tie && (kept & 1u) != 0))));
}

static void kern_f16_to_f32_spec(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = half_to_float(x[i]);
}

static void kern_f32_to_f16_spec(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) y[i] = float_to_half(x[i]);
}

static void kern_bf16_to_f32_spec(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = float_of((uint32_t)x[i] << 16);
}

static uint16_t float_to_bf16(float x)
{
    const uint32_t u = bits_of(x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    return (uint16_t)(nan ? u >> 16 | 0x40u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static void kern_f32_to_bf16_spec(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) y[i] = float_to_bf16(x[i]);
}

static void kern_f32_to_bf16_pairs_spec(size_t n, const float *low, const float *high, uint32_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = float_to_bf16(low[i]) | (high != NULL ? (uint32_t)float_to_bf16(high[i]) << 16 : 0u);
}

static void kern_bf16_pairs_to_f32_spec(size_t n, const uint32_t *x, float *low, float *high)
{
    for (size_t i = 0; i < n; i++) {
        low[i] = float_of(x[i] << 16);
        if (high != NULL) high[i] = float_of(x[i] & 0xffff0000u);
    }
}

static void kern_f32_to_bf16_runs_spec(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride,
                                       uint32_t *y)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t p = 0; 2 * p < n || p % run != 0; p++) {
            const uint32_t low = 2 * p < n ? float_to_bf16(x[i * ldx + 2 * p]) : 0u;
            const uint32_t high = 2 * p + 1 < n ? float_to_bf16(x[i * ldx + 2 * p + 1]) : 0u;
            y[p / run * stride + i * run + p % run] = low | high << 16;
        }
}

void kern_spec_fill_convert(kern_table *t)
{
    t->f16_to_f32 = kern_f16_to_f32_spec;
    t->f32_to_f16 = kern_f32_to_f16_spec;
    t->bf16_to_f32 = kern_bf16_to_f32_spec;
    t->f32_to_bf16 = kern_f32_to_bf16_spec;
    t->f32_to_bf16_pairs = kern_f32_to_bf16_pairs_spec;
    t->bf16_pairs_to_f32 = kern_bf16_pairs_to_f32_spec;
    t->f32_to_bf16_runs = kern_f32_to_bf16_runs_spec;
}
