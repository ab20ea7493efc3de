/* GEMM micro-kernel, AVX-512: a tile of 14 x 32 in 28 accumulators, two registers of B, and one broadcast of A at a
 * time. Per step of k that is 28 FMAs (14 cycles on two ports) for 16 loads (8 cycles), so loads never limit it; wider
 * and lower tiles read B too often from L1 and L2 when a neighbour shares the core. Contract: kernels.h. */
#include "kernels/avx512.h"

enum { MR = 14, NR = 32, LANES = 16 };

/* kc = 512 goes over C less often than a kc whose panel of B would fit L1; B_AHEAD hides L2. kc + 16 floats (the
 * driver's padded row) are an odd number of cache lines: the 14 rows of A spread over all sets. */
static const kern_gemm_blocks blocks_avx512 = {.mr = MR, .nr = NR, .kc = 512, .mc = 18 * MR, .nc = 128 * NR};

/* B is streamed from L2: 16 rows of 32 floats, 2 KB, ahead. */
enum { B_AHEAD = 16 };

static inline void prefetch(const float *base, size_t ahead)
{
    /* By integer arithmetic, because the address may lie behind the array; a prefetch of it does nothing. */
    _mm_prefetch((const char *)((uintptr_t)base + ahead * sizeof(float)), _MM_HINT_T0);
}

/* The next rows of this column block are the driver's next tile: their lines arrive while this one is computed. */
static inline __attribute__((always_inline)) void prefetch_below(size_t m, size_t nv, const float *c, size_t ldc)
{
    for (size_t i = m; i < 2 * m; i++)
        for (size_t v = 0; v < nv; v++) prefetch(c, i * ldc + v * LANES);
}

/* One tile of m <= 14 rows and nv <= 2 vectors; both are constants where this is inlined. */
static inline __attribute__((always_inline)) void tile(size_t m, size_t nv, const __mmask16 mask[2], size_t k,
                                                       const float *a, size_t lda, const float *b, size_t ldb, float *c,
                                                       size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    __m512 sum[MR][2];
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++)
            sum[i][v] = accumulate ? _mm512_maskz_loadu_ps(mask[v], c + i * ldc + v * LANES) : _mm512_setzero_ps();
    }
    prefetch_below(m, nv, c, ldc);

    /* Five base pointers and the strides lda and 2 lda address 14 rows within the 16 general registers. */
    const float *a0 = a, *a3 = a + 3 * lda, *a6 = a + 6 * lda, *a9 = a + 9 * lda, *a12 = a + 12 * lda;
    uintptr_t fetch = (uintptr_t)(ahead != NULL ? ahead->start : b);
    const size_t step = ahead != NULL ? ahead->step : 0;
    for (size_t p = 0; p < k; p++) {
        _mm_prefetch((const char *)fetch, _MM_HINT_T1);
        fetch += step;
        __m512 bv[2];
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) prefetch(b, B_AHEAD * NR + v * LANES);
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) bv[v] = _mm512_loadu_ps(b + v * LANES);
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) {
            const float *rows = i < 3 ? a0 : i < 6 ? a3 : i < 9 ? a6 : i < 12 ? a9 : a12;
            const __m512 av = _mm512_set1_ps(rows[(i % 3) * lda]);
            KERN_UNROLL
            for (size_t v = 0; v < nv; v++) sum[i][v] = _mm512_fmadd_ps(av, bv[v], sum[i][v]);
        }
        b += ldb;
        a0++, a3++, a6++, a9++, a12++;
    }
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) _mm512_mask_storeu_ps(c + i * ldc + v * LANES, mask[v], sum[i][v]);
    }
}

static inline __attribute__((always_inline)) void tile_rows(size_t m, size_t nv, const __mmask16 mask[2], size_t k,
                                                            const float *a, size_t lda, const float *b, size_t ldb,
                                                            float *c, size_t ldc, bool accumulate,
                                                            const kern_ahead *ahead)
{
    switch (m) {
    case 14: tile(14, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 13: tile(13, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 12: tile(12, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 11: tile(11, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 10: tile(10, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 9: tile(9, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 8: tile(8, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 7: tile(7, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 6: tile(6, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 5: tile(5, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 4: tile(4, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 3: tile(3, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 2: tile(2, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 1: tile(1, nv, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    default: break;
    }
}

static void kern_gemm_f32_avx512(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                                 float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    if (m == 0 || n == 0) return;
    const __mmask16 mask[2] = {kern_lanes_avx512(n), n > LANES ? kern_lanes_avx512(n - LANES) : 0};
    if (n > LANES)
        tile_rows(m, 2, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
    else
        tile_rows(m, 1, mask, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
}

void kern_table_fill_avx512_gemm(kern_table *t)
{
    t->gemm_blocks_f32 = blocks_avx512;
    t->gemm_f32 = kern_gemm_f32_avx512;
}
