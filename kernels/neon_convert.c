/* Conversions between float and the 16-bit formats. f16 by the instruction set's own conversion; bf16, which the base
 * set lacks, by integer arithmetic. */
#include "kernels/neon.h"
#include "kernels/neon_math.h"

/* The first n <= 4 halves of x, the rest 0. */
static inline uint16x4_t load_part_u16(const uint16_t *x, size_t n)
{
    uint16_t lane[4] = {0};
    memcpy(lane, x, n * sizeof *x);
    return vld1_u16(lane);
}

static inline void store_part_u16(uint16_t *y, size_t n, uint16x4_t v)
{
    uint16_t lane[4];
    vst1_u16(lane, v);
    memcpy(y, lane, n * sizeof *y);
}

static inline float32x4_t widen_f16(uint16x4_t v)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(v));
}

static inline uint16x4_t narrow_f16(float32x4_t v)
{
    return vreinterpret_u16_f16(vcvt_f16_f32(v));
}

static inline float32x4_t widen_bf16(uint16x4_t v)
{
    return vreinterpretq_f32_u32(vshll_n_u16(v, 16));
}

/* bf16 in the upper halves; the lower ones are of no use. Adding 0x7fff, and 1 when the kept part is odd, carries into
 * the upper half exactly when nearest-even rounds up. A NaN keeps its upper bits and is made quiet. */
static inline uint32x4_t round_bf16(float32x4_t v)
{
    uint32x4_t u = vreinterpretq_u32_f32(v);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fffu)));
    uint32x4_t quiet = vorrq_u32(u, vdupq_n_u32(0x00400000u));
    return vbslq_u32(vceqq_f32(v, v), rounded, quiet);
}

static inline uint16x4_t narrow_bf16(float32x4_t v)
{
    return vshrn_n_u32(round_bf16(v), 16);
}

static inline __attribute__((always_inline)) void widen(size_t n, const uint16_t *x, float *y,
                                                        float32x4_t (*f)(uint16x4_t))
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, f(vld1_u16(x + i)));
    if (i < n) neon_store_part(y + i, n - i, f(load_part_u16(x + i, n - i)));
}

static inline __attribute__((always_inline)) void narrow(size_t n, const float *x, uint16_t *y,
                                                         uint16x4_t (*f)(float32x4_t))
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1_u16(y + i, f(vld1q_f32(x + i)));
    if (i < n) store_part_u16(y + i, n - i, f(neon_load_part(x + i, n - i, 0.0f)));
}

void kern_f16_to_f32_neon(size_t n, const uint16_t *x, float *y)
{
    widen(n, x, y, widen_f16);
}

void kern_f32_to_f16_neon(size_t n, const float *x, uint16_t *y)
{
    narrow(n, x, y, narrow_f16);
}

void kern_bf16_to_f32_neon(size_t n, const uint16_t *x, float *y)
{
    widen(n, x, y, widen_bf16);
}

void kern_f32_to_bf16_neon(size_t n, const float *x, uint16_t *y)
{
    narrow(n, x, y, narrow_bf16);
}

static inline uint32x4_t pair_bf16(float32x4_t low, float32x4_t high)
{
    return vsriq_n_u32(round_bf16(high), round_bf16(low), 16);
}

void kern_f32_to_bf16_pairs_neon(size_t n, const float *low, const float *high, uint32_t *y)
{
    const float32x4_t zero = vdupq_n_f32(0.0f);
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_u32(y + i, pair_bf16(vld1q_f32(low + i), high != NULL ? vld1q_f32(high + i) : zero));
    if (i == n) return;
    const float32x4_t rest = high != NULL ? neon_load_part(high + i, n - i, 0.0f) : zero;
    uint32_t lane[4];
    vst1q_u32(lane, pair_bf16(neon_load_part(low + i, n - i, 0.0f), rest));
    memcpy(y + i, lane, (n - i) * sizeof *y);
}

static inline float32x4_t upper_half(uint32x4_t x)
{
    return vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(0xffff0000u)));
}

void kern_bf16_pairs_to_f32_neon(size_t n, const uint32_t *x, float *low, float *high)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint32x4_t pair = vld1q_u32(x + i);
        vst1q_f32(low + i, vreinterpretq_f32_u32(vshlq_n_u32(pair, 16)));
        if (high != NULL) vst1q_f32(high + i, upper_half(pair));
    }
    if (i == n) return;
    uint32_t lane[4] = {0};
    memcpy(lane, x + i, (n - i) * sizeof *x);
    const uint32x4_t pair = vld1q_u32(lane);
    neon_store_part(low + i, n - i, vreinterpretq_f32_u32(vshlq_n_u32(pair, 16)));
    if (high != NULL) neon_store_part(high + i, n - i, upper_half(pair));
}
