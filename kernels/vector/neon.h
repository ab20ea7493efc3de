/* The vocabulary in aarch64's base instruction set: sixteen lanes are four registers. Contract: kernels/vector/vector.h,
 * which includes this file. */
#ifndef KERNELS_VECTOR_NEON_H
#define KERNELS_VECTOR_NEON_H

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "compile this file with the neon tier's flags"
#endif

#include <arm_neon.h>

/* Lanes 0 to 3, 4 to 7, 8 to 11, 12 to 15; of doubles two by two. Names, not arrays: compilers keep them in registers. */
typedef struct f32x16 {
    float32x4_t a, b, c, d;
} f32x16;
typedef struct i32x16 {
    uint32x4_t a, b, c, d;
} i32x16;
typedef struct f64x8 {
    float64x2_t a, b, c, d;
} f64x8;
typedef struct mask16 {
    uint32x4_t a, b, c, d; /* all bits of a lane or none */
} mask16;

/* ---- Memory: whole quads directly, what is left through a buffer ------------------------------------------------------- */

KERN_INLINE uint32x4_t quad_load(const void *x, size_t n)
{
    uint32_t lane[4] = {0};
    if (n >= 4) return vreinterpretq_u32_u8(vld1q_u8(x));
    memcpy(lane, x, n * sizeof *lane);
    return vld1q_u32(lane);
}

KERN_INLINE void quad_store(void *y, size_t n, uint32x4_t v)
{
    uint32_t lane[4];
    if (n >= 4) {
        vst1q_u8(y, vreinterpretq_u8_u32(v));
        return;
    }
    vst1q_u32(lane, v);
    memcpy(y, lane, n * sizeof *lane);
}

KERN_INLINE i32x16 i32x16_load(const uint32_t *x)
{
    return (i32x16){vld1q_u32(x), vld1q_u32(x + 4), vld1q_u32(x + 8), vld1q_u32(x + 12)};
}

KERN_INLINE i32x16 i32x16_load_first(const uint32_t *x, size_t n)
{
    if (n >= 16) return i32x16_load(x);
    const uint32x4_t zero = vdupq_n_u32(0);
    return (i32x16){quad_load(x, n), n > 4 ? quad_load(x + 4, n - 4) : zero, n > 8 ? quad_load(x + 8, n - 8) : zero,
                    n > 12 ? quad_load(x + 12, n - 12) : zero};
}

KERN_INLINE void i32x16_store(uint32_t *y, i32x16 v)
{
    vst1q_u32(y, v.a), vst1q_u32(y + 4, v.b), vst1q_u32(y + 8, v.c), vst1q_u32(y + 12, v.d);
}

KERN_INLINE void i32x16_store_first(uint32_t *y, size_t n, i32x16 v)
{
    quad_store(y, n, v.a);
    if (n > 4) quad_store(y + 4, n - 4, v.b);
    if (n > 8) quad_store(y + 8, n - 8, v.c);
    if (n > 12) quad_store(y + 12, n - 12, v.d);
}

KERN_INLINE f32x16 f32x16_of_bits(i32x16 v)
{
    return (f32x16){vreinterpretq_f32_u32(v.a), vreinterpretq_f32_u32(v.b), vreinterpretq_f32_u32(v.c),
                    vreinterpretq_f32_u32(v.d)};
}

KERN_INLINE i32x16 i32x16_bits(f32x16 v)
{
    return (i32x16){vreinterpretq_u32_f32(v.a), vreinterpretq_u32_f32(v.b), vreinterpretq_u32_f32(v.c),
                    vreinterpretq_u32_f32(v.d)};
}

KERN_INLINE f32x16 f32x16_load(const float *x)
{
    return (f32x16){vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)};
}

KERN_INLINE f32x16 f32x16_load_first(const float *x, size_t n)
{
    return n >= 16 ? f32x16_load(x) : f32x16_of_bits(i32x16_load_first((const void *)x, n));
}

KERN_INLINE void f32x16_store(float *y, f32x16 v)
{
    vst1q_f32(y, v.a), vst1q_f32(y + 4, v.b), vst1q_f32(y + 8, v.c), vst1q_f32(y + 12, v.d);
}

KERN_INLINE void f32x16_store_first(float *y, size_t n, f32x16 v)
{
    if (n >= 16)
        f32x16_store(y, v);
    else
        i32x16_store_first((void *)y, n, i32x16_bits(v));
}

/* Sixteen halves at x, of the first n alone where there are fewer. */
KERN_INLINE uint16x8x2_t halves_load(const uint16_t *x, size_t n)
{
    uint16_t lane[16] = {0};
    if (n < 16) {
        memcpy(lane, x, n * sizeof *x);
        x = lane;
    }
    return (uint16x8x2_t){{vld1q_u16(x), vld1q_u16(x + 8)}};
}

KERN_INLINE void halves_store(uint16_t *y, size_t n, uint16x8_t low, uint16x8_t high)
{
    uint16_t lane[16], *to = n < 16 ? lane : y;
    vst1q_u16(to, low);
    vst1q_u16(to + 8, high);
    if (n < 16) memcpy(y, lane, n * sizeof *y);
}

KERN_INLINE i32x16 i32x16_load_u16(const uint16_t *x, size_t n)
{
    const uint16x8x2_t v = halves_load(x, n);
    return (i32x16){vmovl_u16(vget_low_u16(v.val[0])), vmovl_high_u16(v.val[0]), vmovl_u16(vget_low_u16(v.val[1])),
                    vmovl_high_u16(v.val[1])};
}

KERN_INLINE void i32x16_store_u16(uint16_t *y, size_t n, i32x16 v)
{
    halves_store(y, n, vmovn_high_u32(vmovn_u32(v.a), v.b), vmovn_high_u32(vmovn_u32(v.c), v.d));
}

KERN_INLINE void i32x16_store_halves(uint16_t *y, i32x16 v)
{
    vst1q_u16(y, vreinterpretq_u16_u32(v.a)), vst1q_u16(y + 8, vreinterpretq_u16_u32(v.b));
    vst1q_u16(y + 16, vreinterpretq_u16_u32(v.c)), vst1q_u16(y + 24, vreinterpretq_u16_u32(v.d));
}

KERN_INLINE void i32x16_store_u8(uint8_t *y, size_t n, i32x16 v)
{
    const uint16x8_t low = vmovn_high_u32(vmovn_u32(v.a), v.b), high = vmovn_high_u32(vmovn_u32(v.c), v.d);
    const uint8x16_t bytes = vmovn_high_u16(vmovn_u16(low), high);
    uint8_t lane[16];
    vst1q_u8(n < 16 ? lane : y, bytes);
    if (n < 16) memcpy(y, lane, n);
}

KERN_INLINE f32x16 f32x16_load_f16(const uint16_t *x, size_t n)
{
    const uint16x8x2_t v = halves_load(x, n);
    const float16x8_t low = vreinterpretq_f16_u16(v.val[0]), high = vreinterpretq_f16_u16(v.val[1]);
    return (f32x16){vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
                    vcvt_high_f32_f16(high)};
}

KERN_INLINE void f32x16_store_f16(uint16_t *y, size_t n, f32x16 v)
{
    halves_store(y, n, vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.a), v.b)),
                 vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.c), v.d)));
}

KERN_INLINE f64x8 f64x8_load(const double *x)
{
    return (f64x8){vld1q_f64(x), vld1q_f64(x + 2), vld1q_f64(x + 4), vld1q_f64(x + 6)};
}

KERN_INLINE f64x8 f64x8_load_first(const double *x, size_t n)
{
    double lane[8] = {0.0};
    if (n >= 8) return f64x8_load(x);
    memcpy(lane, x, n * sizeof *x);
    return f64x8_load(lane);
}

KERN_INLINE f64x8 widen_quads(float32x4_t x, float32x4_t y)
{
    return (f64x8){vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x), vcvt_f64_f32(vget_low_f32(y)), vcvt_high_f64_f32(y)};
}

KERN_INLINE f64x8 f64x8_load_f32(const float *x, size_t n)
{
    float lane[8] = {0.0f};
    if (n < 8) {
        memcpy(lane, x, n * sizeof *x);
        x = lane;
    }
    return widen_quads(vld1q_f32(x), vld1q_f32(x + 4));
}

KERN_INLINE void f64x8_store(double *y, f64x8 v)
{
    vst1q_f64(y, v.a), vst1q_f64(y + 2, v.b), vst1q_f64(y + 4, v.c), vst1q_f64(y + 6, v.d);
}

KERN_INLINE void f64x8_store_first(double *y, size_t n, f64x8 v)
{
    double lane[8];
    f64x8_store(n < 8 ? lane : y, v);
    if (n < 8) memcpy(y, lane, n * sizeof *y);
}

/* ---- Floats ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_set1(float x)
{
    const float32x4_t v = vdupq_n_f32(x);
    return (f32x16){v, v, v, v};
}

KERN_INLINE f32x16 f32x16_add(f32x16 x, f32x16 y)
{
    return (f32x16){vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_sub(f32x16 x, f32x16 y)
{
    return (f32x16){vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_mul(f32x16 x, f32x16 y)
{
    return (f32x16){vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_div(f32x16 x, f32x16 y)
{
    return (f32x16){vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_sqrt(f32x16 v)
{
    return (f32x16){vsqrtq_f32(v.a), vsqrtq_f32(v.b), vsqrtq_f32(v.c), vsqrtq_f32(v.d)};
}

KERN_INLINE f32x16 f32x16_fma(f32x16 x, f32x16 y, f32x16 z)
{
    return (f32x16){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c), vfmaq_f32(z.d, x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_fnma(f32x16 x, f32x16 y, f32x16 z)
{
    return (f32x16){vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b), vfmsq_f32(z.c, x.c, y.c), vfmsq_f32(z.d, x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_fms(f32x16 x, f32x16 y, f32x16 z)
{
    return f32x16_fma(x, y, (f32x16){vnegq_f32(z.a), vnegq_f32(z.b), vnegq_f32(z.c), vnegq_f32(z.d)});
}

KERN_INLINE f32x16 f32x16_select(mask16 m, f32x16 x, f32x16 y)
{
    return (f32x16){vbslq_f32(m.a, x.a, y.a), vbslq_f32(m.b, x.b, y.b), vbslq_f32(m.c, x.c, y.c), vbslq_f32(m.d, x.d, y.d)};
}

KERN_INLINE mask16 f32x16_less(f32x16 x, f32x16 y)
{
    return (mask16){vcltq_f32(x.a, y.a), vcltq_f32(x.b, y.b), vcltq_f32(x.c, y.c), vcltq_f32(x.d, y.d)};
}

KERN_INLINE mask16 f32x16_greater(f32x16 x, f32x16 y) { return f32x16_less(y, x); }

/* By a choice: the instructions for minimum and maximum treat NaN and zeros in a way of their own. */
KERN_INLINE f32x16 f32x16_min(f32x16 x, f32x16 y) { return f32x16_select(f32x16_less(x, y), x, y); }
KERN_INLINE f32x16 f32x16_max(f32x16 x, f32x16 y) { return f32x16_select(f32x16_less(y, x), x, y); }

KERN_INLINE f32x16 f32x16_abs(f32x16 v)
{
    return (f32x16){vabsq_f32(v.a), vabsq_f32(v.b), vabsq_f32(v.c), vabsq_f32(v.d)};
}

KERN_INLINE f32x16 f32x16_with_sign(f32x16 v, f32x16 s)
{
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    return f32x16_select((mask16){sign, sign, sign, sign}, s, v);
}

KERN_INLINE float f32x16_lane0(f32x16 v) { return vgetq_lane_f32(v.a, 0); }

KERN_INLINE float f32x16_sum(f32x16 v)
{
    const float32x4_t four = vaddq_f32(vaddq_f32(v.a, v.c), vaddq_f32(v.b, v.d));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

KERN_INLINE float32x4_t quad_max(float32x4_t x, float32x4_t y) { return vbslq_f32(vcltq_f32(y, x), x, y); }

KERN_INLINE float f32x16_top(f32x16 v)
{
    const float32x4_t four = quad_max(quad_max(v.a, v.c), quad_max(v.b, v.d));
    const float32x4_t two = quad_max(four, vextq_f32(four, four, 2));
    return vgetq_lane_f32(quad_max(two, vextq_f32(two, two, 1)), 0);
}

/* ---- Masks ------------------------------------------------------------------------------------------------------------ */

KERN_INLINE mask16 mask_not(mask16 m)
{
    return (mask16){vmvnq_u32(m.a), vmvnq_u32(m.b), vmvnq_u32(m.c), vmvnq_u32(m.d)};
}

KERN_INLINE mask16 f32x16_not_less(f32x16 x, f32x16 y) { return mask_not(f32x16_less(x, y)); }

KERN_INLINE mask16 f32x16_is_nan(f32x16 v)
{
    return mask_not((mask16){vceqq_f32(v.a, v.a), vceqq_f32(v.b, v.b), vceqq_f32(v.c, v.c), vceqq_f32(v.d, v.d)});
}

KERN_INLINE uint32x4_t quad_negative(float32x4_t v)
{
    return vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_f32(v), 31));
}

KERN_INLINE mask16 f32x16_negative(f32x16 v)
{
    return (mask16){quad_negative(v.a), quad_negative(v.b), quad_negative(v.c), quad_negative(v.d)};
}

KERN_INLINE mask16 mask16_first(size_t n)
{
    const uint32x4_t end = vdupq_n_u32(n < 16 ? (uint32_t)n : 16), index = {0, 1, 2, 3};
    return (mask16){vcltq_u32(index, end), vcltq_u32(vaddq_u32(index, vdupq_n_u32(4)), end),
                    vcltq_u32(vaddq_u32(index, vdupq_n_u32(8)), end), vcltq_u32(vaddq_u32(index, vdupq_n_u32(12)), end)};
}

KERN_INLINE mask16 mask16_or(mask16 x, mask16 y)
{
    return (mask16){vorrq_u32(x.a, y.a), vorrq_u32(x.b, y.b), vorrq_u32(x.c, y.c), vorrq_u32(x.d, y.d)};
}

KERN_INLINE bool mask16_any(mask16 m)
{
    return vmaxvq_u32(vorrq_u32(vorrq_u32(m.a, m.b), vorrq_u32(m.c, m.d))) != 0;
}

/* ---- Integers --------------------------------------------------------------------------------------------------------- */

KERN_INLINE i32x16 i32x16_set1(uint32_t x)
{
    const uint32x4_t v = vdupq_n_u32(x);
    return (i32x16){v, v, v, v};
}

KERN_INLINE i32x16 i32x16_add(i32x16 x, i32x16 y)
{
    return (i32x16){vaddq_u32(x.a, y.a), vaddq_u32(x.b, y.b), vaddq_u32(x.c, y.c), vaddq_u32(x.d, y.d)};
}

KERN_INLINE i32x16 i32x16_sub(i32x16 x, i32x16 y)
{
    return (i32x16){vsubq_u32(x.a, y.a), vsubq_u32(x.b, y.b), vsubq_u32(x.c, y.c), vsubq_u32(x.d, y.d)};
}

KERN_INLINE i32x16 i32x16_and(i32x16 x, i32x16 y)
{
    return (i32x16){vandq_u32(x.a, y.a), vandq_u32(x.b, y.b), vandq_u32(x.c, y.c), vandq_u32(x.d, y.d)};
}

KERN_INLINE i32x16 i32x16_or(i32x16 x, i32x16 y)
{
    return (i32x16){vorrq_u32(x.a, y.a), vorrq_u32(x.b, y.b), vorrq_u32(x.c, y.c), vorrq_u32(x.d, y.d)};
}

KERN_INLINE uint32x4_t quad_max_signed(uint32x4_t x, uint32x4_t y)
{
    return vreinterpretq_u32_s32(vmaxq_s32(vreinterpretq_s32_u32(x), vreinterpretq_s32_u32(y)));
}

KERN_INLINE i32x16 i32x16_max(i32x16 x, i32x16 y)
{
    return (i32x16){quad_max_signed(x.a, y.a), quad_max_signed(x.b, y.b), quad_max_signed(x.c, y.c),
                    quad_max_signed(x.d, y.d)};
}

/* Shifts by a vector, whose constants compilers turn into the immediate forms; a negative count shifts right. */
KERN_INLINE i32x16 shifted_by(i32x16 v, int count)
{
    const int32x4_t by = vdupq_n_s32(count);
    return (i32x16){vshlq_u32(v.a, by), vshlq_u32(v.b, by), vshlq_u32(v.c, by), vshlq_u32(v.d, by)};
}

KERN_INLINE i32x16 i32x16_shift_left(i32x16 v, unsigned count) { return shifted_by(v, (int)count); }
KERN_INLINE i32x16 i32x16_shift_right(i32x16 v, unsigned count) { return shifted_by(v, -(int)count); }

KERN_INLINE i32x16 i32x16_select(mask16 m, i32x16 x, i32x16 y)
{
    return (i32x16){vbslq_u32(m.a, x.a, y.a), vbslq_u32(m.b, x.b, y.b), vbslq_u32(m.c, x.c, y.c), vbslq_u32(m.d, x.d, y.d)};
}

KERN_INLINE f32x16 f32x16_keep(mask16 m, f32x16 v)
{
    return f32x16_of_bits(i32x16_and((i32x16){m.a, m.b, m.c, m.d}, i32x16_bits(v)));
}

KERN_INLINE f32x16 f32x16_first(size_t n, f32x16 v) { return n >= 16 ? v : f32x16_keep(mask16_first(n), v); }

KERN_INLINE int32_t i32x16_top(i32x16 v)
{
    const uint32x4_t four = quad_max_signed(quad_max_signed(v.a, v.b), quad_max_signed(v.c, v.d));
    return vmaxvq_s32(vreinterpretq_s32_u32(four));
}

KERN_INLINE uint32x4_t upper_halves8(uint32x4_t x, uint32x4_t y)
{
    return vreinterpretq_u32_u16(vuzp2q_u16(vreinterpretq_u16_u32(x), vreinterpretq_u16_u32(y)));
}

KERN_INLINE i32x16 i32x16_upper_halves(i32x16 x, i32x16 y)
{
    return (i32x16){upper_halves8(x.a, x.b), upper_halves8(x.c, x.d), upper_halves8(y.a, y.b), upper_halves8(y.c, y.d)};
}

/* The conversion makes NaN 0, and holds what is too large to INT32_MAX, whose lower half is not 0: that becomes 0. */
KERN_INLINE uint32x4_t quad_round(float32x4_t v)
{
    const uint32x4_t whole = vreinterpretq_u32_s32(vcvtnq_s32_f32(v));
    return vbicq_u32(whole, vcgeq_f32(v, vdupq_n_f32(0x1p31f)));
}

KERN_INLINE i32x16 i32x16_round(f32x16 v)
{
    return (i32x16){quad_round(v.a), quad_round(v.b), quad_round(v.c), quad_round(v.d)};
}

KERN_INLINE float32x4_t quad_of_i32(uint32x4_t v) { return vcvtq_f32_s32(vreinterpretq_s32_u32(v)); }

KERN_INLINE f32x16 f32x16_of_i32(i32x16 v)
{
    return (f32x16){quad_of_i32(v.a), quad_of_i32(v.b), quad_of_i32(v.c), quad_of_i32(v.d)};
}

/* The bytes of four floats out of 32: index i wants bytes 4 i .. 4 i + 3. */
KERN_INLINE float32x4_t quad_lookup8(uint8x16x2_t table, uint32x4_t index)
{
    const uint32x4_t first = vmulq_n_u32(vandq_u32(index, vdupq_n_u32(7)), 0x04040404u);
    const uint32x4_t bytes = vaddq_u32(first, vdupq_n_u32(0x03020100u));
    return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(bytes)));
}

KERN_INLINE f32x16 f32x16_lookup8(const float *table, i32x16 index)
{
    const uint8x16x2_t t = vld1q_u8_x2((const uint8_t *)table); /* one load: gcc would put two together on the stack */
    return (f32x16){quad_lookup8(t, index.a), quad_lookup8(t, index.b), quad_lookup8(t, index.c),
                    quad_lookup8(t, index.d)};
}

/* ---- Doubles ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f64x8 f64x8_set1(double x)
{
    const float64x2_t v = vdupq_n_f64(x);
    return (f64x8){v, v, v, v};
}

KERN_INLINE f64x8 f64x8_add(f64x8 x, f64x8 y)
{
    return (f64x8){vaddq_f64(x.a, y.a), vaddq_f64(x.b, y.b), vaddq_f64(x.c, y.c), vaddq_f64(x.d, y.d)};
}

KERN_INLINE f64x8 f64x8_mul(f64x8 x, f64x8 y)
{
    return (f64x8){vmulq_f64(x.a, y.a), vmulq_f64(x.b, y.b), vmulq_f64(x.c, y.c), vmulq_f64(x.d, y.d)};
}

KERN_INLINE f64x8 f64x8_add_product(f64x8 x, f64x8 y, f64x8 s)
{
    return (f64x8){vfmaq_f64(s.a, x.a, y.a), vfmaq_f64(s.b, x.b, y.b), vfmaq_f64(s.c, x.c, y.c), vfmaq_f64(s.d, x.d, y.d)};
}

KERN_INLINE f64x8 f64x8_low(f32x16 v) { return widen_quads(v.a, v.b); }
KERN_INLINE f64x8 f64x8_high(f32x16 v) { return widen_quads(v.c, v.d); }

KERN_INLINE double f64x8_sum(f64x8 v)
{
    const float64x2_t two = vaddq_f64(vaddq_f64(v.a, v.c), vaddq_f64(v.b, v.d));
    return vgetq_lane_f64(two, 0) + vgetq_lane_f64(two, 1);
}

/* ---- Blocks: of 4 x 4, transposed in registers -------------------------------------------------------------------------- */

KERN_INLINE void block4_transpose(const float *x, size_t ldx, float *y, size_t ldy)
{
    const float32x4_t r0 = vld1q_f32(x), r1 = vld1q_f32(x + ldx), r2 = vld1q_f32(x + 2 * ldx), r3 = vld1q_f32(x + 3 * ldx);
    /* Columns 0 and 2, then 1 and 3, of each pair of rows. */
    const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1)), b = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));
    const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3)), d = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
    vst1q_f32(y, vreinterpretq_f32_f64(vtrn1q_f64(a, c)));
    vst1q_f32(y + ldy, vreinterpretq_f32_f64(vtrn1q_f64(b, d)));
    vst1q_f32(y + 2 * ldy, vreinterpretq_f32_f64(vtrn2q_f64(a, c)));
    vst1q_f32(y + 3 * ldy, vreinterpretq_f32_f64(vtrn2q_f64(b, d)));
}

KERN_INLINE void block16_transpose(const float *x, size_t ldx, float *y, size_t ldy)
{
    for (size_t i = 0; i < 16; i += 4) {
        KERN_UNROLL
        for (size_t j = 0; j < 16; j += 4) block4_transpose(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    }
}

static inline void block16_transpose_part(size_t rows, size_t columns, size_t kept, const float *x, size_t ldx, float *y,
                                          size_t ldy)
{
    const float zero = 0.0f;
    if (columns == 16 && rows == kept && rows % 4 == 0) { /* a panel of twelve */
        for (size_t i = 0; i < rows; i += 4) {
            KERN_UNROLL
            for (size_t j = 0; j < 16; j += 4) block4_transpose(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
        }
        return;
    }
    const size_t whole_rows = (rows < kept ? rows : kept) / 4 * 4, whole_columns = columns / 4 * 4;
    for (size_t i = 0; i < whole_rows; i += 4)
        for (size_t j = 0; j < whole_columns; j += 4) block4_transpose(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    for (size_t j = 0; j < columns; j++)
        for (size_t i = j < whole_columns ? whole_rows : 0; i < kept; i++)
            memcpy(&y[j * ldy + i], i < rows ? &x[i * ldx + j] : &zero, sizeof zero); /* bits, not values */
}

KERN_INLINE void block16_interleave6(const float *x, size_t ldx, float *y)
{
    KERN_UNROLL
    for (size_t j = 0; j < 16; j += 4) {
        block4_transpose(x + j, ldx, y + 6 * j, 6);
        const float32x4_t r4 = vld1q_f32(x + 4 * ldx + j), r5 = vld1q_f32(x + 5 * ldx + j);
        const float32x4_t low = vzip1q_f32(r4, r5), high = vzip2q_f32(r4, r5);
        vst1_f32(y + 6 * j + 4, vget_low_f32(low)), vst1_f32(y + 6 * j + 10, vget_high_f32(low));
        vst1_f32(y + 6 * j + 16, vget_low_f32(high)), vst1_f32(y + 6 * j + 22, vget_high_f32(high));
    }
}

#endif
