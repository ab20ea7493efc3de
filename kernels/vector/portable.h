/* The vocabulary in plain C, for any CPU. Contract: kernels/vector/vector.h, which includes this file. */
#ifndef KERNELS_VECTOR_PORTABLE_H
#define KERNELS_VECTOR_PORTABLE_H

#include <float.h>
#include <math.h>

_Static_assert(FLT_EVAL_METHOD == 0, "floats must be rounded to float after every operation");

typedef struct f32x16 {
    float lane[16];
} f32x16;
typedef struct i32x16 {
    uint32_t lane[16];
} i32x16;
typedef struct f64x8 {
    double lane[8];
} f64x8;
typedef struct mask16 {
    uint32_t lane[16]; /* all bits or none */
} mask16;

/* ---- One lane ------------------------------------------------------------------------------------------------------ */

KERN_INLINE uint32_t lane_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

KERN_INLINE float lane_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

KERN_INLINE float lane_choose(uint32_t mask, float a, float b)
{
    return lane_float((lane_bits(a) & mask) | (lane_bits(b) & ~mask));
}

#ifndef __FP_FAST_FMAF
/* a b + c rounded once, without the instruction. The product is exact in double, so that the sum rounds once to 53 bits
 * and once more to 24, which goes wrong only where the first lands on a tie of the second. Rounding the first to odd
 * avoids that (Boldo, Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd",
 * 2008): where it was inexact and ended in an even bit, it moves one bit towards the error, which Knuth's two-sum tells. */
KERN_INLINE float lane_fma_odd(float a, float b, float c)
{
    const double product = (double)a * (double)b, addend = c, sum = product + addend, back = sum - product;
    const double error = (product - (sum - back)) + (addend - back);
    int64_t bits;
    double odd;
    memcpy(&bits, &sum, sizeof bits);
    if (!(error == 0.0) && error == error && !(bits & 1)) bits += (error > 0.0) == (sum > 0.0) ? 1 : -1;
    memcpy(&odd, &bits, sizeof odd);
    return (float)odd;
}
#endif

KERN_INLINE float lane_of_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest > 0x7c00u) return lane_float(sign | 0x7fc00000u | (rest & 0x3ffu) << 13);
    if (rest == 0x7c00u) return lane_float(sign | 0x7f800000u);
    const float magnitude = rest >= 0x400u ? lane_float((rest << 13) + (112u << 23)) : (float)rest * 0x1p-24f;
    return lane_float(lane_bits(magnitude) | sign);
}

/* A normal half is rounded by integers: adding half of the last kept bit, less one where that bit is even, carries. A
 * subnormal one by adding a float whose last bit is worth 2^-24. */
KERN_INLINE uint16_t lane_to_f16(float x)
{
    const uint32_t bits = lane_bits(x), size = bits & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (size > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
    if (size < 0x38800000u) return (uint16_t)(sign | (lane_bits(lane_float(size) + 0.5f) - lane_bits(0.5f)));
    return (uint16_t)(sign | (size + 0xfffu + (size >> 13 & 1u) - (112u << 23)) >> 13);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_load(const float *x)
{
    f32x16 v;
    memcpy(v.lane, x, sizeof v.lane);
    return v;
}

KERN_INLINE f32x16 f32x16_load_first(const float *x, size_t n)
{
    f32x16 v = {{0.0f}};
    for (size_t i = 0; i < 16 && i < n; i++) v.lane[i] = x[i];
    return v;
}

KERN_INLINE void f32x16_store(float *y, f32x16 v) { memcpy(y, v.lane, sizeof v.lane); }

KERN_INLINE void f32x16_store_first(float *y, size_t n, f32x16 v)
{
    for (size_t i = 0; i < 16 && i < n; i++) y[i] = v.lane[i];
}

KERN_INLINE i32x16 i32x16_load(const uint32_t *x)
{
    i32x16 v;
    memcpy(v.lane, x, sizeof v.lane);
    return v;
}

KERN_INLINE i32x16 i32x16_load_first(const uint32_t *x, size_t n)
{
    i32x16 v = {{0}};
    for (size_t i = 0; i < 16 && i < n; i++) v.lane[i] = x[i];
    return v;
}

KERN_INLINE void i32x16_store(uint32_t *y, i32x16 v) { memcpy(y, v.lane, sizeof v.lane); }

KERN_INLINE void i32x16_store_first(uint32_t *y, size_t n, i32x16 v)
{
    for (size_t i = 0; i < 16 && i < n; i++) y[i] = v.lane[i];
}

KERN_INLINE i32x16 i32x16_load_u16(const uint16_t *x, size_t n)
{
    i32x16 v = {{0}};
    for (size_t i = 0; i < 16 && i < n; i++) v.lane[i] = x[i];
    return v;
}

KERN_INLINE void i32x16_store_u16(uint16_t *y, size_t n, i32x16 v)
{
    for (size_t i = 0; i < 16 && i < n; i++) y[i] = (uint16_t)v.lane[i];
}

KERN_INLINE void i32x16_store_halves(uint16_t *y, i32x16 v)
{
    for (size_t i = 0; i < 16; i++) {
        y[2 * i] = (uint16_t)v.lane[i];
        y[2 * i + 1] = (uint16_t)(v.lane[i] >> 16);
    }
}

KERN_INLINE void i32x16_store_u8(uint8_t *y, size_t n, i32x16 v)
{
    for (size_t i = 0; i < 16 && i < n; i++) y[i] = (uint8_t)v.lane[i];
}

KERN_INLINE f32x16 f32x16_load_f16(const uint16_t *x, size_t n)
{
    f32x16 v = {{0.0f}};
    for (size_t i = 0; i < 16 && i < n; i++) v.lane[i] = lane_of_f16(x[i]);
    return v;
}

KERN_INLINE void f32x16_store_f16(uint16_t *y, size_t n, f32x16 v)
{
    for (size_t i = 0; i < 16 && i < n; i++) y[i] = lane_to_f16(v.lane[i]);
}

KERN_INLINE f64x8 f64x8_load(const double *x)
{
    f64x8 v;
    memcpy(v.lane, x, sizeof v.lane);
    return v;
}

KERN_INLINE f64x8 f64x8_load_first(const double *x, size_t n)
{
    f64x8 v = {{0.0}};
    for (size_t i = 0; i < 8 && i < n; i++) v.lane[i] = x[i];
    return v;
}

KERN_INLINE f64x8 f64x8_load_f32(const float *x, size_t n)
{
    f64x8 v = {{0.0}};
    for (size_t i = 0; i < 8 && i < n; i++) v.lane[i] = x[i];
    return v;
}

KERN_INLINE void f64x8_store(double *y, f64x8 v) { memcpy(y, v.lane, sizeof v.lane); }

KERN_INLINE void f64x8_store_first(double *y, size_t n, f64x8 v)
{
    for (size_t i = 0; i < 8 && i < n; i++) y[i] = v.lane[i];
}

/* ---- Floats ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_set1(float x)
{
    f32x16 v;
    for (size_t i = 0; i < 16; i++) v.lane[i] = x;
    return v;
}

KERN_INLINE f32x16 f32x16_first(size_t n, f32x16 v)
{
    for (size_t i = n; i < 16; i++) v.lane[i] = 0.0f;
    return v;
}

KERN_INLINE f32x16 f32x16_add(f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] += b.lane[i];
    return a;
}

KERN_INLINE f32x16 f32x16_sub(f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] -= b.lane[i];
    return a;
}

KERN_INLINE f32x16 f32x16_mul(f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] *= b.lane[i];
    return a;
}

KERN_INLINE f32x16 f32x16_div(f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] /= b.lane[i];
    return a;
}

KERN_INLINE f32x16 f32x16_sqrt(f32x16 v)
{
    for (size_t i = 0; i < 16; i++) v.lane[i] = sqrtf(v.lane[i]);
    return v;
}

KERN_INLINE f32x16 negated(f32x16 v)
{
    for (size_t i = 0; i < 16; i++) v.lane[i] = -v.lane[i];
    return v;
}

#ifdef __FP_FAST_FMAF

KERN_INLINE f32x16 f32x16_fma(f32x16 a, f32x16 b, f32x16 c)
{
    for (size_t i = 0; i < 16; i++) c.lane[i] = fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return c;
}

#else

static __attribute__((noinline)) f32x16 fma_odd(f32x16 a, f32x16 b, f32x16 c)
{
    for (size_t i = 0; i < 16; i++) c.lane[i] = lane_fma_odd(a.lane[i], b.lane[i], c.lane[i]);
    return c;
}

/* Rounding twice is right but for ties of the second rounding (the 29 bits that it takes away being 1 and 28 zeros) and for
 * subnormal results (below 2^-126, 0x38100000 in the upper word, and not 0), where it takes away others. */
KERN_INLINE f32x16 f32x16_fma(f32x16 a, f32x16 b, f32x16 c)
{
    enum { LOWER = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 1 };
    double sum[16];
    uint32_t word[32], doubtful = 0;
    f32x16 y;
    for (size_t i = 0; i < 16; i++) sum[i] = (double)a.lane[i] * (double)b.lane[i] + (double)c.lane[i];
    for (size_t i = 0; i < 16; i++) y.lane[i] = (float)sum[i];
    memcpy(word, sum, sizeof word);
    for (size_t i = 0; i < 16; i++) {
        const uint32_t lower = word[2 * i + LOWER] & 0x1fffffffu, upper = word[2 * i + 1 - LOWER] & 0x7fffffffu;
        doubtful |= -(uint32_t)(lower == 0x10000000u) | -(uint32_t)(upper - 1u < 0x38100000u - 1u);
    }
    return __builtin_expect(doubtful != 0, 0) ? fma_odd(a, b, c) : y;
}

#endif

KERN_INLINE f32x16 f32x16_fms(f32x16 a, f32x16 b, f32x16 c) { return f32x16_fma(a, b, negated(c)); }
KERN_INLINE f32x16 f32x16_fnma(f32x16 a, f32x16 b, f32x16 c) { return f32x16_fma(negated(a), b, c); }

KERN_INLINE f32x16 f32x16_min(f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}

KERN_INLINE f32x16 f32x16_max(f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}

KERN_INLINE f32x16 f32x16_abs(f32x16 v)
{
    for (size_t i = 0; i < 16; i++) v.lane[i] = lane_float(lane_bits(v.lane[i]) & 0x7fffffffu);
    return v;
}

KERN_INLINE f32x16 f32x16_with_sign(f32x16 v, f32x16 s)
{
    for (size_t i = 0; i < 16; i++)
        v.lane[i] = lane_float(lane_bits(v.lane[i]) | (lane_bits(s.lane[i]) & 0x80000000u));
    return v;
}

KERN_INLINE float f32x16_lane0(f32x16 v) { return v.lane[0]; }

KERN_INLINE float f32x16_sum(f32x16 v)
{
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) v.lane[i] += v.lane[i + half];
    return v.lane[0];
}

KERN_INLINE float f32x16_top(f32x16 v)
{
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) v.lane[i] = v.lane[i] > v.lane[i + half] ? v.lane[i] : v.lane[i + half];
    return v.lane[0];
}

/* ---- Masks ------------------------------------------------------------------------------------------------------------ */

KERN_INLINE mask16 f32x16_less(f32x16 a, f32x16 b)
{
    mask16 m;
    for (size_t i = 0; i < 16; i++) m.lane[i] = -(uint32_t)(a.lane[i] < b.lane[i]);
    return m;
}

KERN_INLINE mask16 f32x16_greater(f32x16 a, f32x16 b) { return f32x16_less(b, a); }

KERN_INLINE mask16 f32x16_not_less(f32x16 a, f32x16 b)
{
    mask16 m;
    for (size_t i = 0; i < 16; i++) m.lane[i] = -(uint32_t) !(a.lane[i] < b.lane[i]);
    return m;
}

KERN_INLINE mask16 f32x16_is_nan(f32x16 v)
{
    mask16 m;
    for (size_t i = 0; i < 16; i++) m.lane[i] = -(uint32_t)(v.lane[i] != v.lane[i]);
    return m;
}

KERN_INLINE mask16 f32x16_negative(f32x16 v)
{
    mask16 m;
    for (size_t i = 0; i < 16; i++) m.lane[i] = -(lane_bits(v.lane[i]) >> 31);
    return m;
}

KERN_INLINE f32x16 f32x16_select(mask16 m, f32x16 a, f32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] = lane_choose(m.lane[i], a.lane[i], b.lane[i]);
    return a;
}

KERN_INLINE f32x16 f32x16_keep(mask16 m, f32x16 v)
{
    for (size_t i = 0; i < 16; i++) v.lane[i] = lane_choose(m.lane[i], v.lane[i], 0.0f);
    return v;
}

KERN_INLINE mask16 mask16_first(size_t n)
{
    mask16 m;
    for (size_t i = 0; i < 16; i++) m.lane[i] = -(uint32_t)(i < n);
    return m;
}

KERN_INLINE mask16 mask16_or(mask16 a, mask16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] |= b.lane[i];
    return a;
}

KERN_INLINE bool mask16_any(mask16 m)
{
    uint32_t any = 0;
    for (size_t i = 0; i < 16; i++) any |= m.lane[i];
    return any != 0;
}

/* ---- Integers --------------------------------------------------------------------------------------------------------- */

KERN_INLINE i32x16 i32x16_set1(uint32_t x)
{
    i32x16 v;
    for (size_t i = 0; i < 16; i++) v.lane[i] = x;
    return v;
}

KERN_INLINE i32x16 i32x16_add(i32x16 a, i32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] += b.lane[i];
    return a;
}

KERN_INLINE i32x16 i32x16_sub(i32x16 a, i32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] -= b.lane[i];
    return a;
}

KERN_INLINE i32x16 i32x16_and(i32x16 a, i32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] &= b.lane[i];
    return a;
}

KERN_INLINE i32x16 i32x16_or(i32x16 a, i32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] |= b.lane[i];
    return a;
}

KERN_INLINE i32x16 i32x16_max(i32x16 a, i32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] = (int32_t)a.lane[i] > (int32_t)b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}

KERN_INLINE i32x16 i32x16_shift_left(i32x16 v, unsigned count)
{
    for (size_t i = 0; i < 16; i++) v.lane[i] <<= count;
    return v;
}

KERN_INLINE i32x16 i32x16_shift_right(i32x16 v, unsigned count)
{
    for (size_t i = 0; i < 16; i++) v.lane[i] >>= count;
    return v;
}

KERN_INLINE i32x16 i32x16_select(mask16 m, i32x16 a, i32x16 b)
{
    for (size_t i = 0; i < 16; i++) a.lane[i] = (a.lane[i] & m.lane[i]) | (b.lane[i] & ~m.lane[i]);
    return a;
}

KERN_INLINE int32_t i32x16_top(i32x16 v)
{
    int32_t top = (int32_t)v.lane[0];
    for (size_t i = 1; i < 16; i++) top = (int32_t)v.lane[i] > top ? (int32_t)v.lane[i] : top;
    return top;
}

KERN_INLINE i32x16 i32x16_upper_halves(i32x16 a, i32x16 b)
{
    i32x16 v;
    for (size_t p = 0; p < 8; p++) {
        v.lane[p] = a.lane[2 * p] >> 16 | (a.lane[2 * p + 1] & 0xffff0000u);
        v.lane[8 + p] = b.lane[2 * p] >> 16 | (b.lane[2 * p + 1] & 0xffff0000u);
    }
    return v;
}

KERN_INLINE i32x16 i32x16_bits(f32x16 v)
{
    i32x16 u;
    memcpy(u.lane, v.lane, sizeof u.lane);
    return u;
}

KERN_INLINE f32x16 f32x16_of_bits(i32x16 v)
{
    f32x16 x;
    memcpy(x.lane, v.lane, sizeof x.lane);
    return x;
}

/* Whole numbers from 2^23 on are whole already; below, adding and taking away 2^23 with the sign of x rounds. */
KERN_INLINE i32x16 i32x16_round(f32x16 v)
{
    i32x16 whole;
    for (size_t i = 0; i < 16; i++) {
        const float x = v.lane[i], shift = x < 0.0f ? -0x1p23f : 0x1p23f;
        const float rounded = x > -0x1p23f && x < 0x1p23f ? (x + shift) - shift : x;
        whole.lane[i] = rounded >= -0x1p31f && rounded < 0x1p31f ? (uint32_t)(int32_t)rounded : 0x80000000u;
    }
    return whole;
}

KERN_INLINE f32x16 f32x16_of_i32(i32x16 v)
{
    f32x16 x;
    for (size_t i = 0; i < 16; i++) x.lane[i] = (float)(int32_t)v.lane[i];
    return x;
}

KERN_INLINE f32x16 f32x16_lookup8(const float *table, i32x16 index)
{
    f32x16 v;
    for (size_t i = 0; i < 16; i++) v.lane[i] = table[index.lane[i] & 7u];
    return v;
}

/* ---- Doubles ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f64x8 f64x8_set1(double x)
{
    f64x8 v;
    for (size_t i = 0; i < 8; i++) v.lane[i] = x;
    return v;
}

KERN_INLINE f64x8 f64x8_add(f64x8 a, f64x8 b)
{
    for (size_t i = 0; i < 8; i++) a.lane[i] += b.lane[i];
    return a;
}

KERN_INLINE f64x8 f64x8_mul(f64x8 a, f64x8 b)
{
    for (size_t i = 0; i < 8; i++) a.lane[i] *= b.lane[i];
    return a;
}

KERN_INLINE f64x8 f64x8_add_product(f64x8 a, f64x8 b, f64x8 s)
{
    for (size_t i = 0; i < 8; i++) s.lane[i] += a.lane[i] * b.lane[i];
    return s;
}

KERN_INLINE f64x8 f64x8_low(f32x16 v)
{
    f64x8 wide;
    for (size_t i = 0; i < 8; i++) wide.lane[i] = v.lane[i];
    return wide;
}

KERN_INLINE f64x8 f64x8_high(f32x16 v)
{
    f64x8 wide;
    for (size_t i = 0; i < 8; i++) wide.lane[i] = v.lane[8 + i];
    return wide;
}

KERN_INLINE double f64x8_sum(f64x8 v)
{
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) v.lane[i] += v.lane[i + half];
    return v.lane[0];
}

/* ---- Blocks ----------------------------------------------------------------------------------------------------------- */

KERN_INLINE void block16_transpose_part(size_t rows, size_t columns, size_t kept, const float *x, size_t ldx, float *y,
                                        size_t ldy)
{
    const float zero = 0.0f;
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < kept; i++) memcpy(&y[j * ldy + i], i < rows ? &x[i * ldx + j] : &zero, sizeof zero);
}

KERN_INLINE void block16_transpose(const float *x, size_t ldx, float *y, size_t ldy)
{
    block16_transpose_part(16, 16, 16, x, ldx, y, ldy);
}

KERN_INLINE void block16_interleave6(const float *x, size_t ldx, float *y)
{
    block16_transpose_part(6, 16, 6, x, ldx, y, 6);
}

#endif
