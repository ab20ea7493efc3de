/* GEMM micro-kernel, AVX2: a tile of 6 x 16 in 12 accumulators, two registers of B, and one broadcast of A at a time:
 * 12 FMAs (6 cycles on two ports) for 8 loads (4 cycles) per step of k. Contract: kernels.h. */
#include "kernels/tiers.h"
#include "kernels/vector/vector.h"

enum { MR = 6, NR = 16, LANES = 8 };

/* A panel of B, kc x 16 floats, is 32 KB; where L1 has no more than that, the prefetch hides L2. kc + 16 floats (the
 * driver's padded row) are an odd number of cache lines, so that rows of A spread over all sets. */
static const kern_gemm_blocks blocks_avx2 = {.mr = MR, .nr = NR, .kc = 512, .mc = 42 * MR, .nc = 256 * NR, .run = 1};

/* B is streamed: 16 rows of 16 floats, 1 KB, are as far ahead as an L2 hit needs. */
enum { B_AHEAD = 16 };

KERN_INLINE void prefetch(const float *base, size_t ahead)
{
    /* Always inlined: gcc 12 finds such a function without effect and drops its calls. By integer arithmetic, because
     * the address may lie behind the array; a prefetch of it does nothing. */
    _mm_prefetch((const char *)((uintptr_t)base + ahead * sizeof(float)), _MM_HINT_T0);
}

static inline __m256 load_c(const float *c, bool whole, __m256i lanes)
{
    return whole ? _mm256_loadu_ps(c) : _mm256_maskload_ps(c, lanes);
}

static inline void store_c(float *c, bool whole, __m256i lanes, __m256 v)
{
    if (whole)
        _mm256_storeu_ps(c, v);
    else
        _mm256_maskstore_ps(c, lanes, v);
}

/* One tile of m <= 6 rows and nv <= 2 vectors, the last of them whole or masked; all constants where this is inlined.
 */
KERN_INLINE void tile(size_t m, size_t nv, bool whole, __m256i lanes, size_t k, const float *a, size_t stride,
                      const float *b, size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    __m256 sum[MR][2];
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++)
            sum[i][v] = accumulate ? load_c(c + i * ldc + v * LANES, whole || v + 1 < nv, lanes) : _mm256_setzero_ps();
    }
    /* The next rows of this column block are the driver's next tile: their lines arrive while this one is computed. */
    for (size_t i = m; i < 2 * m; i++) prefetch(c, i * ldc);

    const size_t lda = stride == KERN_PANEL ? 1 : stride, next = stride == KERN_PANEL ? MR : 1;
    const float *a0 = a, *a3 = a + 3 * lda;
    uintptr_t fetch = (uintptr_t)(ahead != NULL ? ahead->start : b);
    const size_t step = ahead != NULL ? ahead->step / 4 : 0;
    for (size_t p = 0; p < k; p++) {
        _mm_prefetch((const char *)fetch, _MM_HINT_T1);
        fetch += step;
        __m256 bv[2];
        prefetch(b, B_AHEAD * NR);
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) bv[v] = _mm256_loadu_ps(b + v * LANES);
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) {
            const __m256 av = _mm256_broadcast_ss((i < 3 ? a0 : a3) + (i % 3) * lda);
            KERN_UNROLL
            for (size_t v = 0; v < nv; v++) sum[i][v] = _mm256_fmadd_ps(av, bv[v], sum[i][v]);
        }
        b += ldb;
        a0 += next, a3 += next;
    }
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) store_c(c + i * ldc + v * LANES, whole || v + 1 < nv, lanes, sum[i][v]);
    }
}

KERN_INLINE void tile_rows(size_t m, size_t nv, bool whole, __m256i lanes, size_t k, const float *a, size_t lda,
                           const float *b, size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    switch (m) {
    case 6: tile(6, nv, whole, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 5: tile(5, nv, whole, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 4: tile(4, nv, whole, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 3: tile(3, nv, whole, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 2: tile(2, nv, whole, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 1: tile(1, nv, whole, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead); break;
    default: break;
    }
}

static void kern_gemm_f32_avx2(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                               float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    if (m == 0 || n == 0) return;
    const __m256i lanes = lanes8(n > LANES ? n - LANES : n);
    if (n == NR)
        tile_rows(m, 2, true, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
    else if (n > LANES)
        tile_rows(m, 2, false, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
    else
        tile_rows(m, 1, false, lanes, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
}

void kern_fill_avx2_f32(kern_table *t)
{
    t->gemm_blocks = t->bf16_blocks = t->i8_blocks = blocks_avx2;
    t->gemm_f32 = kern_gemm_f32_avx2;
}
