/* Transposing a matrix: blocks of 4 x 4 in registers. */
#include <arm_neon.h>

#include "kernels/neon.h"

/* A row of x is read in whole cache lines: 16 columns of four rows at a time. */
#define STRIP 16

static inline void transpose4(const float *x, size_t ldx, float *y, size_t ldy)
{
    const float32x4_t r0 = vld1q_f32(x), r1 = vld1q_f32(x + ldx);
    const float32x4_t r2 = vld1q_f32(x + 2 * ldx), r3 = vld1q_f32(x + 3 * ldx);
    /* Columns 0 and 2, then 1 and 3, of each pair of rows. */
    const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1)), b = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));
    const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3)), d = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
    vst1q_f32(y, vreinterpretq_f32_f64(vtrn1q_f64(a, c)));
    vst1q_f32(y + ldy, vreinterpretq_f32_f64(vtrn1q_f64(b, d)));
    vst1q_f32(y + 2 * ldy, vreinterpretq_f32_f64(vtrn2q_f64(a, c)));
    vst1q_f32(y + 3 * ldy, vreinterpretq_f32_f64(vtrn2q_f64(b, d)));
}

void kern_transpose_f32_neon(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    for (size_t start = 0; start < cols; start += STRIP) {
        const size_t end = cols - start < STRIP ? cols : start + STRIP;
        size_t i = 0;
        for (; i + 4 <= rows; i += 4) {
            size_t j = start;
            for (; j + 4 <= end; j += 4) transpose4(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
            for (; j < end; j++)
                for (size_t q = i; q < i + 4; q++) y[j * ldy + q] = x[q * ldx + j];
        }
        for (; i < rows; i++)
            for (size_t j = start; j < end; j++) y[j * ldy + i] = x[i * ldx + j];
    }
}
