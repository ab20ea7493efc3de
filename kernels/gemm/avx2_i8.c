/* GEMM micro-kernel of 8-bit integers, AVX2: 6 rows, 16 columns at a time, of panels of any width from 16: tiers above
 * that have no instruction of their own inherit it. VPMADDUBSW adds the products of two unsigned and two signed bytes
 * in 16 bits, where A's bytes, up to 255, would saturate. Less their 128 they are a' in -127 .. 127, and |b| * (a' with
 * b's sign) is the same product: 2 * 128 * 127 fits. No correction is left to add. Contract: kernels.h. */
#include "kernels/tiers.h"
#include "kernels/vector/vector.h"

enum { MR = 6, LANES = 8, VECTORS = 2, COLUMNS = VECTORS * LANES };

/* What the sums are turned into floats with. */
typedef struct scaling {
    const float *row, *column;
} scaling;

KERN_INLINE void store(size_t m, size_t nv, size_t last, __m256i sum[MR][VECTORS], const scaling *s, float *c,
                       size_t ldc)
{
    KERN_UNROLL
    for (size_t v = 0; v < nv; v++) {
        const size_t lanes = v + 1 == nv ? last : LANES;
        const __m256i counts = lanes8(lanes);
        const __m256 column = _mm256_maskload_ps(s->column + v * LANES, counts);
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) {
            const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(s->row[i]), column);
            const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[i][v]), scale);
            float *at = c + i * ldc + v * LANES;
            if (lanes == LANES)
                _mm256_storeu_ps(at, scaled);
            else
                _mm256_maskstore_ps(at, counts, scaled);
        }
    }
}

/* One tile of m <= 6 rows and nv <= 2 vectors, of whose last `last` columns count; m and nv are constants where this is
 * inlined. */
KERN_INLINE void tile(size_t m, size_t nv, size_t last, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                      size_t ldb, const scaling *s, float *c, size_t ldc, const kern_ahead *ahead)
{
    const __m256i ones = _mm256_set1_epi16(1), offset = _mm256_set1_epi8((char)128);
    __m256i sum[MR][VECTORS];
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) {
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) sum[i][v] = _mm256_setzero_si256();
    }
    uintptr_t fetch = (uintptr_t)(ahead != NULL ? ahead->start : b);
    const size_t fetch_step = ahead != NULL ? ahead->step / 4 : 0;
    for (size_t p = 0; p < k; p++) {
        _mm_prefetch((const char *)fetch, _MM_HINT_T1);
        fetch += fetch_step;
        __m256i bv[VECTORS], size[VECTORS];
        KERN_UNROLL
        for (size_t v = 0; v < nv; v++) {
            bv[v] = _mm256_loadu_si256((const void *)(b + v * LANES));
            size[v] = _mm256_abs_epi8(bv[v]);
        }
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) {
            const __m256i av = _mm256_xor_si256(_mm256_set1_epi32((int)a[i]), offset);
            KERN_UNROLL
            for (size_t v = 0; v < nv; v++) {
                const __m256i pairs = _mm256_maddubs_epi16(size[v], _mm256_sign_epi8(av, bv[v]));
                sum[i][v] = _mm256_add_epi32(sum[i][v], _mm256_madd_epi16(pairs, ones));
            }
        }
        a += lda, b += ldb;
    }
    store(m, nv, last, sum, s, c, ldc);
}

KERN_INLINE void tile_rows(size_t m, size_t nv, size_t last, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                           size_t ldb, const scaling *s, float *c, size_t ldc, const kern_ahead *ahead)
{
    switch (m) {
    case 1: tile(1, nv, last, k, a, lda, b, ldb, s, c, ldc, ahead); break;
    case 2: tile(2, nv, last, k, a, lda, b, ldb, s, c, ldc, ahead); break;
    case 3: tile(3, nv, last, k, a, lda, b, ldb, s, c, ldc, ahead); break;
    case 4: tile(4, nv, last, k, a, lda, b, ldb, s, c, ldc, ahead); break;
    case 5: tile(5, nv, last, k, a, lda, b, ldb, s, c, ldc, ahead); break;
    default: tile(6, nv, last, k, a, lda, b, ldb, s, c, ldc, ahead); break;
    }
}

static void kern_gemm_i8_avx2(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                              size_t ldb, const int32_t *correction, const float *row_scale, const float *column_scale,
                              float *c, size_t ldc, const kern_ahead *ahead)
{
    (void)correction;
    for (size_t j = 0; j < n; j += COLUMNS)
        for (size_t i = 0; i < m; i += MR) {
            const size_t rows = m - i < MR ? m - i : MR, columns = n - j < COLUMNS ? n - j : COLUMNS;
            const size_t last = (columns - 1) % LANES + 1;
            const scaling s = {row_scale + i, column_scale + j};
            if (columns > LANES)
                tile_rows(rows, 2, last, k, a + i, lda, b + j, ldb, &s, c + i * ldc + j, ldc, ahead);
            else
                tile_rows(rows, 1, last, k, a + i, lda, b + j, ldb, &s, c + i * ldc + j, ldc, ahead);
        }
}

void kern_fill_avx2_i8(kern_table *t)
{
    t->gemm_i8 = kern_gemm_i8_avx2;
}
