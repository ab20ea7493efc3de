/* The 8-bit GEMM micro-kernel of the base instruction set: the tile 8 x 12 in columns of four, a unit of which is a
 * vector of 16 bytes. A's bytes less their 128 are -127 .. 127, so that the sum of two products fits 16 bits; pairs of
 * those are added to 32-bit sums, two vectors of them a row. No correction is left to add. Contract: kernels.h. */
#include "kernels/gemm/neon.h"
#include "kernels/tiers.h"

/* Products of a row's two successive units, each repeated for four columns, with those of four columns. */
KERN_INLINE void add_two(int32x4_t sum[2], int8x16_t a0, int8x16_t a1, int8x16_t b0, int8x16_t b1)
{
    const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(a0), vget_low_s8(b0)), vget_low_s8(a1), vget_low_s8(b1));
    const int16x8_t high = vmlal_high_s8(vmull_high_s8(a0, b0), a1, b1);
    sum[0] = vpadalq_s16(sum[0], low);
    sum[1] = vpadalq_s16(sum[1], high);
}

/* m rows, a constant at each call, of four columns. */
KERN_INLINE void tile(size_t m, size_t k, const uint32_t *a, const uint32_t *b, int32x4_t out[KERN_NEON_MR])
{
    int32x4_t sum[KERN_NEON_MR][2];
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++) sum[i][0] = sum[i][1] = vdupq_n_s32(0);
    for (size_t p = 0; p < k; p += 2, a += 2 * KERN_NEON_MR, b += 2 * KERN_NEON_NR) {
        const bool both = p + 1 < k; /* the last unit of an odd depth comes with zeros */
        const int8x16_t b0 = vreinterpretq_s8_u32(vld1q_u32(b));
        const int8x16_t b1 = both ? vreinterpretq_s8_u32(vld1q_u32(b + KERN_NEON_NR)) : vdupq_n_s8(0);
        const uint32_t *next = both ? a + KERN_NEON_MR : a;
        const int32x4_t rows0 = neon_signed_rows(a), next0 = neon_signed_rows(next);
        const int32x4_t rows4 = m > 4 ? neon_signed_rows(a + 4) : rows0;
        const int32x4_t next4 = m > 4 ? neon_signed_rows(next + 4) : next0;
#define ROW(i, rows, after, lane)                                                                                      \
    if ((i) < m) add_two(sum[i], REPEAT(rows, lane), REPEAT(after, lane), b0, b1);
#define REPEAT(units, lane) vreinterpretq_s8_s32(vdupq_laneq_s32(units, lane))
        ROW(0, rows0, next0, 0)
        ROW(1, rows0, next0, 1)
        ROW(2, rows0, next0, 2)
        ROW(3, rows0, next0, 3)
        ROW(4, rows4, next4, 0)
        ROW(5, rows4, next4, 1)
        ROW(6, rows4, next4, 2)
        ROW(7, rows4, next4, 3)
#undef REPEAT
#undef ROW
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++) out[i] = vpaddq_s32(sum[i][0], sum[i][1]);
}

static void kern_gemm_i8_neon(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                              size_t ldb, const int32_t *correction, const float *row_scale, const float *column_scale,
                              float *c, size_t ldc, const kern_ahead *ahead)
{
    (void)lda, (void)ldb, (void)correction, (void)ahead; /* KERN_NEON_MR and KERN_NEON_NR */
    int32x4_t sum[KERN_NEON_MR];
    for (size_t j = 0; j < n; j += 4) {
        switch (m) {
        case 1: tile(1, k, a, b + j, sum); break;
        case 2: tile(2, k, a, b + j, sum); break;
        case 3: tile(3, k, a, b + j, sum); break;
        case 4: tile(4, k, a, b + j, sum); break;
        case 5: tile(5, k, a, b + j, sum); break;
        case 6: tile(6, k, a, b + j, sum); break;
        case 7: tile(7, k, a, b + j, sum); break;
        case 8: tile(8, k, a, b + j, sum); break;
        default: break;
        }
        const size_t columns = n - j < 4 ? n - j : 4;
        for (size_t i = 0; i < m; i++)
            neon_store_scaled(c + i * ldc + j, columns, sum[i], row_scale[i], column_scale + j);
    }
}

void kern_fill_neon_i8(kern_table *t)
{
    t->gemm_i8 = kern_gemm_i8_neon;
}
