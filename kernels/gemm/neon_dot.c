/* The 8-bit GEMM micro-kernel of CPUs with the dot product extension: SDOT adds four products of signed bytes to each
 * 32-bit sum, with a row's unit by lane, so that the tile 8 x 12 is that of neon_f32.c with four products for one.
 * A's bytes become signed by taking away their 128; no correction is left to add. A library of its own: not every CPU
 * has the extension. Contract: kernels.h. */
#include "kernels/gemm/neon.h"
#include "kernels/tiers.h"

#ifndef __ARM_FEATURE_DOTPROD
#error "compile this file with the dot product extension's flags"
#endif

enum { VECTORS = KERN_NEON_NR / 4 };

/* m rows, a constant at each call, of all 12 columns. */
KERN_INLINE void tile(size_t m, size_t k, const uint32_t *a, const uint32_t *b, int32x4_t sum[KERN_NEON_MR][VECTORS])
{
    int32x4_t acc[KERN_NEON_MR][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++)
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++) acc[i][v] = vdupq_n_s32(0);
    for (size_t p = 0; p < k; p++, a += KERN_NEON_MR, b += KERN_NEON_NR) {
        const int8x16_t b0 = vreinterpretq_s8_u32(vld1q_u32(b)), b1 = vreinterpretq_s8_u32(vld1q_u32(b + 4));
        const int8x16_t b2 = vreinterpretq_s8_u32(vld1q_u32(b + 8));
        const int8x16_t a0 = vreinterpretq_s8_s32(neon_signed_rows(a));
        const int8x16_t a4 = m > 4 ? vreinterpretq_s8_s32(neon_signed_rows(a + 4)) : a0;
#define ROW(i, rows, lane)                                                                                             \
    if ((i) < m) {                                                                                                     \
        acc[i][0] = vdotq_laneq_s32(acc[i][0], b0, rows, lane);                                                        \
        acc[i][1] = vdotq_laneq_s32(acc[i][1], b1, rows, lane);                                                        \
        acc[i][2] = vdotq_laneq_s32(acc[i][2], b2, rows, lane);                                                        \
    }
        ROW(0, a0, 0)
        ROW(1, a0, 1)
        ROW(2, a0, 2)
        ROW(3, a0, 3)
        ROW(4, a4, 0)
        ROW(5, a4, 1)
        ROW(6, a4, 2)
        ROW(7, a4, 3)
#undef ROW
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++)
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++) sum[i][v] = acc[i][v];
}

static void kern_gemm_i8_neondot(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                                 size_t ldb, const int32_t *correction, const float *row_scale,
                                 const float *column_scale, float *c, size_t ldc, const kern_ahead *ahead)
{
    (void)lda, (void)ldb, (void)correction, (void)ahead; /* KERN_NEON_MR and KERN_NEON_NR */
    int32x4_t sum[KERN_NEON_MR][VECTORS];
    switch (m) {
    case 1: tile(1, k, a, b, sum); break;
    case 2: tile(2, k, a, b, sum); break;
    case 3: tile(3, k, a, b, sum); break;
    case 4: tile(4, k, a, b, sum); break;
    case 5: tile(5, k, a, b, sum); break;
    case 6: tile(6, k, a, b, sum); break;
    case 7: tile(7, k, a, b, sum); break;
    case 8: tile(8, k, a, b, sum); break;
    default: break;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += 4)
            neon_store_scaled(c + i * ldc + j, n - j < 4 ? n - j : 4, sum[i][j / 4], row_scale[i], column_scale + j);
}

void kern_fill_neon_dot(kern_table *t)
{
    t->gemm_i8 = kern_gemm_i8_neondot;
}
