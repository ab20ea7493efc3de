/* The f32 GEMM micro-kernel, 8 x 12.
 *
 * A row's next four values sit in one register and are multiplied in by lane, which costs a core's vector pipes
 * nothing (a broadcasting load would take one of them on many cores). To fit 24 accumulators, four rows of A and three
 * vectors of B into 32 registers, the rows are done in two halves, each reading the four rows of B again from L1.
 * Each element is one chain vfmaq over ascending k, so the bits are those of fmaf. */
#include "kernels/gemm/neon.h"
#include "kernels/tiers.h"

/* Keeps loads from moving across. gcc would otherwise hoist them and spill accumulators; clang spills with it. */
#ifdef __clang__
#define PIN_LOADS
#else
#define PIN_LOADS __asm__ volatile("" ::: "memory")
#endif

/* acc[i][0..2] += a[i][p..p+3] * B[p..p+3] for the rows [first, last) of the tile; both are constants at each call. */
KERN_INLINE void step4(float32x4_t (*acc)[3], size_t first, size_t last, const float *a, size_t lda, const float *b,
                       size_t ldb)
{
    float32x4_t av[4];
#pragma GCC unroll 4
    for (size_t i = first; i < last; i++) av[i - first] = vld1q_f32(a + i * lda);
#define LANE(q)                                                                                                        \
    do {                                                                                                               \
        float32x4_t b0 = vld1q_f32(b + (q)*ldb);                                                                       \
        float32x4_t b1 = vld1q_f32(b + (q)*ldb + 4);                                                                   \
        float32x4_t b2 = vld1q_f32(b + (q)*ldb + 8);                                                                   \
        _Pragma("GCC unroll 4") for (size_t i = first; i < last; i++)                                                  \
        {                                                                                                              \
            acc[i][0] = vfmaq_laneq_f32(acc[i][0], b0, av[i - first], q);                                              \
            acc[i][1] = vfmaq_laneq_f32(acc[i][1], b1, av[i - first], q);                                              \
            acc[i][2] = vfmaq_laneq_f32(acc[i][2], b2, av[i - first], q);                                              \
        }                                                                                                              \
    } while (0)
    LANE(0);
    PIN_LOADS;
    LANE(1);
    PIN_LOADS;
    LANE(2);
    LANE(3);
#undef LANE
}

/* One whole-width tile of m rows, m a constant at each call: c[m,12]. */
KERN_INLINE void tile(size_t m, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc,
                      bool accumulate)
{
    float32x4_t acc[KERN_NEON_MR][3];
    const size_t half = m < 4 ? m : 4;
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++)
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) acc[i][j] = accumulate ? vld1q_f32(c + i * ldc + 4 * j) : vdupq_n_f32(0.0f);

    size_t p = 0;
    for (; p + 4 <= k; p += 4) {
        step4(acc, 0, half, a + p, lda, b + p * ldb, ldb);
        if (m > 4) {
            /* Makes the compiler load B again: to keep it, it would spill accumulators. */
            __asm__ volatile("" ::: "memory");
            step4(acc, 4, m, a + p, lda, b + p * ldb, ldb);
        }
    }
    for (; p < k; p++) {
        float32x4_t b0 = vld1q_f32(b + p * ldb), b1 = vld1q_f32(b + p * ldb + 4), b2 = vld1q_f32(b + p * ldb + 8);
#pragma GCC unroll 8
        for (size_t i = 0; i < m; i++) {
            float32x4_t ai = vld1q_dup_f32(a + i * lda + p);
            acc[i][0] = vfmaq_f32(acc[i][0], ai, b0);
            acc[i][1] = vfmaq_f32(acc[i][1], ai, b1);
            acc[i][2] = vfmaq_f32(acc[i][2], ai, b2);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++)
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) vst1q_f32(c + i * ldc + 4 * j, acc[i][j]);
}

/* The same from a panel of A, [k][8]: a step of k is two vectors of A, whose lanes are the rows, and three of B. */
KERN_INLINE void panel_tile(size_t m, size_t k, const float *a, const float *b, size_t ldb, float *c, size_t ldc,
                            bool accumulate)
{
    float32x4_t acc[KERN_NEON_MR][3];
#pragma GCC unroll 8
    for (size_t i = 0; i < m; i++)
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) acc[i][j] = accumulate ? vld1q_f32(c + i * ldc + 4 * j) : vdupq_n_f32(0.0f);
    for (size_t p = 0; p < k; p++) {
        const float32x4_t b0 = vld1q_f32(b + p * ldb), b1 = vld1q_f32(b + p * ldb + 4), b2 = vld1q_f32(b + p * ldb + 8);
        const float32x4_t a0 = vld1q_f32(a + p * KERN_NEON_MR), a4 = vld1q_f32(a + p * KERN_NEON_MR + 4);
#define ROW(i, rows, lane)                                                                                             \
    if ((i) < m) {                                                                                                     \
        acc[i][0] = vfmaq_laneq_f32(acc[i][0], b0, rows, lane);                                                        \
        acc[i][1] = vfmaq_laneq_f32(acc[i][1], b1, rows, lane);                                                        \
        acc[i][2] = vfmaq_laneq_f32(acc[i][2], b2, rows, lane);                                                        \
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
        for (size_t j = 0; j < 3; j++) vst1q_f32(c + i * ldc + 4 * j, acc[i][j]);
}

KERN_INLINE void any_tile(size_t m, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                          size_t ldc, bool accumulate)
{
    if (lda == KERN_PANEL)
        panel_tile(m, k, a, b, ldb, c, ldc, accumulate);
    else
        tile(m, k, a, lda, b, ldb, c, ldc, accumulate);
}

static void tile_rows(size_t m, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc,
                      bool accumulate)
{
    switch (m) {
    case 1: any_tile(1, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 2: any_tile(2, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 3: any_tile(3, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 4: any_tile(4, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 5: any_tile(5, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 6: any_tile(6, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 7: any_tile(7, k, a, lda, b, ldb, c, ldc, accumulate); break;
    case 8: any_tile(8, k, a, lda, b, ldb, c, ldc, accumulate); break;
    default: break;
    }
}

static void kern_gemm_f32_neon(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                               float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    if (n == KERN_NEON_NR) {
        tile_rows(m, k, a, lda, b, ldb, c, ldc, accumulate);
        return;
    }
    /* Columns n..nr-1 are computed in a temporary and dropped. */
    float edge[KERN_NEON_MR * KERN_NEON_NR] = {0};
    if (accumulate)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) edge[i * KERN_NEON_NR + j] = c[i * ldc + j];
    tile_rows(m, k, a, lda, b, ldb, edge, KERN_NEON_NR, accumulate);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) c[i * ldc + j] = edge[i * KERN_NEON_NR + j];
}

void kern_fill_neon_f32(kern_table *t)
{
    /* A 256 x 12 panel of B takes 12 KiB, so that with 8 KiB of A it stays in the 32 KiB L1 of small cores too; 128 x 256
     * of A take 128 KiB of L2. */
    t->gemm_blocks = t->bf16_blocks = t->i8_blocks =
        (kern_gemm_blocks){.mr = KERN_NEON_MR, .nr = KERN_NEON_NR, .kc = 256, .mc = 128, .nc = 384, .run = 1};
    t->gemm_f32 = kern_gemm_f32_neon;
}
