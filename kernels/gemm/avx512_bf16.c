/* GEMM micro-kernel of bf16, AVX-512 with BF16: VDPBF16PS adds the products of two pairs to a float, the upper halves'
 * first, each fused and rounded to even; it takes subnormal operands and sums for zeros (Intel SDM). The tile is that
 * of avx512_f32.c. A library of its own: not every CPU of the tier has BF16. Conversions stay with the tier: those of
 * BF16 flush subnormal numbers, which their contract keeps. Contract: kernels.h. */
#include "kernels/tiers.h"
#include "kernels/vector/vector.h"

#if !defined(__AVX512BF16__) && !defined(KERN_EMULATED_BF16)
#error "compile this file with the flags of the avx512 tier and of BF16"
#endif

enum { MR = 6, NR = 64, LANES = 16, VECTORS = NR / LANES, STEPS = 4 };

/* `steps` steps of k. */
KERN_INLINE void multiply(size_t steps, size_t m, size_t nv, __m512 sum[MR][VECTORS], const uint32_t *a,
                          const uint32_t *b)
{
    KERN_UNROLL
    for (size_t p = 0; p < steps; p++) {
        __m512i bv[VECTORS];
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) bv[v] = _mm512_loadu_si512(b + p * NR + v * LANES);
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) {
            const __m512i av = _mm512_set1_epi32((int)a[p * MR + i]);
            KERN_UNROLL
            for (size_t v = 0; v < nv; v++) sum[i][v] = _mm512_dpbf16_ps(sum[i][v], (__m512bh)av, (__m512bh)bv[v]);
        }
    }
}

/* The next rows of this column block are the driver's next tile: their lines arrive while this one is computed.
 * Addresses by integer arithmetic, because they may lie behind the array; a prefetch of them does nothing. Always
 * inlined: gcc takes a function that only fetches for one without effect and drops calls of it. */
KERN_INLINE void prefetch_below(size_t m, size_t nv, const float *c, size_t ldc)
{
    for (size_t i = m; i < 2 * m; i++)
        for (size_t v = 0; v < nv; v++)
            _mm_prefetch((const char *)((uintptr_t)c + (i * ldc + v * LANES) * sizeof *c), _MM_HINT_T0);
}

/* One tile of m <= 6 rows and nv <= 4 vectors, the last of them masked; m, nv constants where this is inlined. */
KERN_INLINE void tile(size_t m, size_t nv, __mmask16 last, size_t k, const uint32_t *a, const uint32_t *b, float *c,
                      size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    __m512 sum[MR][VECTORS];
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) {
            const __mmask16 lanes = !accumulate ? 0 : v + 1 == nv ? last : (__mmask16)0xffff;
            sum[i][v] = _mm512_maskz_loadu_ps(lanes, c + i * ldc + v * LANES);
        }
    }
    prefetch_below(m, nv, c, ldc);

    uintptr_t fetch = (uintptr_t)(ahead != NULL ? ahead->start : b);
    const size_t fetch_step = ahead != NULL ? ahead->step : 0;
    size_t p = 0;
    for (; p + STEPS <= k; p += STEPS) {
        _mm_prefetch((const char *)fetch, _MM_HINT_T1);
        _mm_prefetch((const char *)(fetch + 64), _MM_HINT_T1);
        fetch += fetch_step;
        multiply(STEPS, m, nv, sum, a, b);
        a += STEPS * MR, b += STEPS * NR;
    }
    for (; p < k; p++) {
        multiply(1, m, nv, sum, a, b);
        a += MR, b += NR;
    }
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++)
            _mm512_mask_storeu_ps(c + i * ldc + v * LANES, v + 1 == nv ? last : (__mmask16)0xffff, sum[i][v]);
    }
}

KERN_INLINE void tile_rows(size_t m, size_t nv, __mmask16 last, size_t k, const uint32_t *a, const uint32_t *b,
                           float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    switch (m) {
    case 6: tile(6, nv, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 5: tile(5, nv, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 4: tile(4, nv, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 3: tile(3, nv, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 2: tile(2, nv, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 1: tile(1, nv, last, k, a, b, c, ldc, accumulate, ahead); break;
    default: break;
    }
}

static void kern_gemm_bf16_avx512bf16(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                                      size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)lda, (void)ldb; /* MR and NR */
    if (m == 0 || n == 0) return;
    const __mmask16 last = mask16_first((n - 1) % LANES + 1);
    switch ((n - 1) / LANES) {
    case 3: tile_rows(m, 4, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 2: tile_rows(m, 3, last, k, a, b, c, ldc, accumulate, ahead); break;
    case 1: tile_rows(m, 2, last, k, a, b, c, ldc, accumulate, ahead); break;
    default: tile_rows(m, 1, last, k, a, b, c, ldc, accumulate, ahead); break;
    }
}

void kern_fill_avx512_bf16(kern_table *t)
{
    t->bf16_is_fast = true;
    t->gemm_bf16 = kern_gemm_bf16_avx512bf16;
}
