/* What the NEON micro-kernels of the matrix product share: their tile, and how sums of 8-bit products become floats. */
#ifndef KERNELS_GEMM_NEON_H
#define KERNELS_GEMM_NEON_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* Tile 8 x 12: 24 accumulators of four floats. */
#define KERN_NEON_MR 8
#define KERN_NEON_NR 12

/* Four rows' units, bytes less their 128. */
KERN_INLINE int32x4_t neon_signed_rows(const uint32_t *a)
{
    return vreinterpretq_s32_u32(veorq_u32(vld1q_u32(a), vdupq_n_u32(0x80808080u)));
}

/* c[0..n) = sums times (row * column), n <= 4. */
KERN_INLINE void neon_store_scaled(float *c, size_t n, int32x4_t sum, float row, const float *column)
{
    float columns[4] = {0.0f}, out[4];
    memcpy(columns, column, n * sizeof *column);
    const float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(sum), vmulq_n_f32(vld1q_f32(n == 4 ? column : columns), row));
    if (n == 4) {
        vst1q_f32(c, scaled);
        return;
    }
    vst1q_f32(out, scaled);
    memcpy(c, out, n * sizeof *c);
}

#endif
