/* What the two 8-bit GEMM micro-kernels share. */
#ifndef KERNELS_NEON_I8_H
#define KERNELS_NEON_I8_H

#include "kernels/neon_math.h"

/* Four rows' units, bytes less their 128. */
static inline int32x4_t neon_signed_rows(const uint32_t *a)
{
    return vreinterpretq_s32_u32(veorq_u32(vld1q_u32(a), vdupq_n_u32(0x80808080u)));
}

/* c[0..n) = sums times (row * column), n <= 4. */
static inline void neon_store_scaled(float *c, size_t n, int32x4_t sum, float row, const float *column)
{
    const float32x4_t scale = vmulq_n_f32(n == 4 ? vld1q_f32(column) : neon_load_part(column, n, 0.0f), row);
    const float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(sum), scale);
    if (n == 4)
        vst1q_f32(c, scaled);
    else
        neon_store_part(c, n, scaled);
}

#endif
