/* GEMM micro-kernel, AVX-512: a tile of 6 x 64 in 24 accumulators, four registers of B, and one broadcast of A at a
 * time. Per step of k that is 24 FMAs (12 cycles on two ports) for 10 loads. What decides between tiles of this size is
 * how many instructions a step takes besides its FMAs: cores that share their front end with a busy sibling issue 2
 * to 2.5 a cycle (bench/NOTES.md, 2026-11-25). Contract: kernels.h. */
#include "kernels/tiers.h"
#include "kernels/vector/vector.h"

enum { MR = 6, NR = 64, LANES = 16, VECTORS = NR / LANES, STEPS = 4 };

/* A panel of B, 1024 x 64, takes 256 KB of L2 and is read from there, in order, so that the hardware fetches it in
 * time. A block of A takes 504 KB; a tile's rows of it, 24 KB, stay in L1. A lower kc would go over C more often. */
static const kern_gemm_blocks blocks_avx512 = {.mr = MR, .nr = NR, .kc = 1024, .mc = 21 * MR, .nc = 64 * NR, .run = 1};

KERN_INLINE void prefetch(const float *base, size_t ahead)
{
    /* Always inlined: gcc 12 finds such a function without effect and drops its calls. By integer arithmetic, because
     * the address may lie behind the array; a prefetch of it does nothing. */
    _mm_prefetch((const char *)((uintptr_t)base + ahead * sizeof(float)), _MM_HINT_T0);
}

/* Row i of C below the tile. The next rows of this column block are the driver's next tile: their lines arrive while
 * this one is computed. */
KERN_INLINE void prefetch_below(size_t m, size_t i, size_t nv, const float *c, size_t ldc)
{
    KERN_UNROLL
    for (size_t v = 0; v < nv; v++) prefetch(c, (m + i) * ldc + v * LANES);
}

/* `steps` steps of k; a0 and a3: rows 0 and 3. */
KERN_INLINE void multiply(size_t steps, size_t m, size_t nv, __m512 sum[MR][VECTORS], const float *a0, const float *a3,
                          size_t row, size_t next, const float *b, size_t ldb)
{
    KERN_UNROLL
    for (size_t p = 0; p < steps; p++) {
        __m512 bv[VECTORS];
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) bv[v] = _mm512_loadu_ps(b + p * ldb + v * LANES);
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) {
            const __m512 av = _mm512_set1_ps((i < 3 ? a0 : a3)[i % 3 * row + p * next]);
            KERN_UNROLL
            for (size_t v = 0; v < nv; v++) sum[i][v] = _mm512_fmadd_ps(av, bv[v], sum[i][v]);
        }
    }
}

/* One tile of m <= 6 rows and nv <= 4 vectors, the last of them masked; all constants where this is inlined, as is
 * whether a is a panel. */
KERN_INLINE void tile(size_t m, size_t nv, __mmask16 last, size_t k, const float *a, bool panel, size_t lda,
                      const float *b, size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    const size_t row = panel ? 1 : lda, next = panel ? MR : 1;
    __m512 sum[MR][VECTORS];
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) {
            const float *at = c + i * ldc + v * LANES;
            sum[i][v] = !accumulate   ? _mm512_setzero_ps()
                        : v + 1 == nv ? _mm512_maskz_loadu_ps(last, at)
                                      : _mm512_loadu_ps(at);
        }
    }

    const float *a0 = a, *a3 = a + 3 * row;
    uintptr_t fetch = (uintptr_t)(ahead != NULL ? ahead->start : b);
    const size_t fetch_step = ahead != NULL ? ahead->step : 0;
    /* A row of the next tile at a time: lines that come from L3 occupy the buffers through which B comes from L2. */
    const size_t share = k / STEPS / m;
    size_t p = 0;
    for (size_t i = 0; i < m; i++) {
        prefetch_below(m, i, nv, c, ldc);
        for (size_t end = i + 1 < m ? p + share * STEPS : k; p + STEPS <= end; p += STEPS) {
            _mm_prefetch((const char *)fetch, _MM_HINT_T1);
            _mm_prefetch((const char *)(fetch + 64), _MM_HINT_T1);
            fetch += fetch_step;
            multiply(STEPS, m, nv, sum, a0, a3, row, next, b, ldb);
            a0 += STEPS * next, a3 += STEPS * next, b += STEPS * ldb;
        }
    }
    for (; p < k; p++) {
        multiply(1, m, nv, sum, a0, a3, row, next, b, ldb);
        a0 += next, a3 += next, b += ldb;
    }
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) {
            float *at = c + i * ldc + v * LANES;
            if (v + 1 == nv)
                _mm512_mask_storeu_ps(at, last, sum[i][v]);
            else
                _mm512_storeu_ps(at, sum[i][v]);
        }
    }
}

KERN_INLINE void tile_rows(size_t m, size_t nv, __mmask16 last, size_t k, const float *a, bool panel, size_t lda,
                           const float *b, size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    switch (m) {
    case 6: tile(6, nv, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 5: tile(5, nv, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 4: tile(4, nv, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 3: tile(3, nv, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 2: tile(2, nv, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 1: tile(1, nv, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    default: break;
    }
}

KERN_INLINE void tile_columns(size_t m, size_t n, size_t k, const float *a, bool panel, size_t lda, const float *b,
                              size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    const __mmask16 last = mask16_first((n - 1) % LANES + 1);
    switch ((n - 1) / LANES) {
    case 3: tile_rows(m, 4, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 2: tile_rows(m, 3, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    case 1: tile_rows(m, 2, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    default: tile_rows(m, 1, last, k, a, panel, lda, b, ldb, c, ldc, accumulate, ahead); break;
    }
}

static void kern_gemm_f32_avx512(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                                 float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    if (m == 0 || n == 0) return;
    if (lda == KERN_PANEL)
        tile_columns(m, n, k, a, true, 0, b, ldb, c, ldc, accumulate, ahead);
    else
        tile_columns(m, n, k, a, false, lda, b, ldb, c, ldc, accumulate, ahead);
}

void kern_fill_avx512_f32(kern_table *t)
{
    t->gemm_blocks = t->bf16_blocks = t->i8_blocks = blocks_avx512;
    t->gemm_f32 = kern_gemm_f32_avx512;
}
