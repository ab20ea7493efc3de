/* Quantisation to 8 bits and the largest magnitude that its scale comes from. */
#include "kernels/neon.h"
#include "kernels/neon_math.h"

enum { BLOCK = 16 };

/* Four products as integers, to nearest even; the conversion saturates and makes NaN 0. */
static inline int16x4_t quantise_4(const float *x, float inverse_scale)
{
    return vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), inverse_scale)));
}

static inline void quantise_16(const float *x, float inverse_scale, uint8_t *y)
{
    const int16x8_t low = vcombine_s16(quantise_4(x, inverse_scale), quantise_4(x + 4, inverse_scale));
    const int16x8_t high = vcombine_s16(quantise_4(x + 8, inverse_scale), quantise_4(x + 12, inverse_scale));
    const int8x16_t bytes = vmaxq_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)), vdupq_n_s8(-127));
    vst1q_u8(y, veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(128))); /* the same as adding it */
}

void kern_quantise_u8_neon(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) quantise_16(x + i, inverse_scale, y + i);
    if (i == n) return;
    float in[BLOCK] = {0};
    uint8_t out[BLOCK];
    memcpy(in, x + i, (n - i) * sizeof *x);
    quantise_16(in, inverse_scale, out);
    memcpy(y + i, out, n - i);
}

/* The bits of magnitudes are ordered like their values, with NaN above infinity. */
static inline uint32x4_t larger(uint32x4_t most, float32x4_t x)
{
    return vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(x)));
}

float kern_absmax_f32_neon(size_t n, const float *x)
{
    uint32x4_t most[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
#pragma GCC unroll 4
        for (size_t s = 0; s < 4; s++) most[s] = larger(most[s], vld1q_f32(x + i + 4 * s));
    for (; i + 4 <= n; i += 4) most[0] = larger(most[0], vld1q_f32(x + i));
    if (i < n) most[1] = larger(most[1], neon_load_part(x + i, n - i, 0.0f));
    const uint32_t bits = vmaxvq_u32(vmaxq_u32(vmaxq_u32(most[0], most[1]), vmaxq_u32(most[2], most[3])));
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}
