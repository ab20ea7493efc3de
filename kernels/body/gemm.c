/* The matrix product's micro-kernels for tiers that have none of their own (kernels/gemm/): complete, in the bits that
 * the contract demands, and slow. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"

enum { MR = 6, NR = 16 };

static const kern_gemm_blocks blocks = {.mr = MR, .nr = NR, .kc = 256, .mc = 16 * MR, .nc = 16 * NR, .run = 1};

/* m rows of n columns; m is a constant where this is inlined. */
KERN_INLINE void tile(size_t m, size_t n, size_t k, const float *a, size_t row, size_t step, const float *b, size_t ldb,
                      float *c, size_t ldc, bool accumulate)
{
    f32x16 sum[MR];
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) sum[i] = accumulate ? f32x16_load_first(c + i * ldc, n) : f32x16_set1(0.0f);
    for (size_t p = 0; p < k; p++, b += ldb) {
        const f32x16 bv = f32x16_load(b);
        KERN_UNROLL
        for (size_t i = 0; i < m; i++) sum[i] = f32x16_fma(f32x16_set1(a[i * row + p * step]), bv, sum[i]);
    }
    KERN_UNROLL
    for (size_t i = 0; i < m; i++) f32x16_store_first(c + i * ldc, n, sum[i]);
}

static void kern_gemm_f32(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                          size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    const size_t row = lda == KERN_PANEL ? 1 : lda, step = lda == KERN_PANEL ? MR : 1;
    if (m == MR)
        tile(MR, n, k, a, row, step, b, ldb, c, ldc, accumulate);
    else
        for (size_t i = 0; i < m; i++) tile(1, n, k, a + i * row, row, step, b, ldb, c + i * ldc, ldc, accumulate);
}

/* An upper half as the float that it is. */
KERN_INLINE f32x16 upper(i32x16 pair)
{
    return f32x16_of_bits(i32x16_and(pair, i32x16_set1(0xffff0000u)));
}

KERN_INLINE f32x16 lower(i32x16 pair)
{
    return f32x16_of_bits(i32x16_shift_left(pair, 16));
}

/* Panels of any width: a tier with tiles of its own may inherit this kernel. */
static void kern_gemm_bf16(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                           float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += LANES) {
            float *at = c + i * ldc + j;
            const size_t left = n - j;
            f32x16 sum = accumulate ? f32x16_load_first(at, left) : f32x16_set1(0.0f);
            for (size_t p = 0; p < k; p++) {
                const i32x16 x = i32x16_set1(a[p * lda + i]), y = i32x16_load_first(b + p * ldb + j, left);
                sum = f32x16_fma(upper(x), upper(y), sum);
                sum = f32x16_fma(lower(x), lower(y), sum);
            }
            f32x16_store_first(at, left, sum);
        }
}

static void kern_gemm_i8(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                         const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                         size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            uint32_t sum = (uint32_t)correction[j]; /* wraps around where a file holds another number */
            for (size_t p = 0; p < k; p++) {
                const uint32_t x = a[p * lda + i], y = b[p * ldb + j];
                for (unsigned shift = 0; shift < 32; shift += 8)
                    sum += (x >> shift & 0xffu) * (uint32_t)(int32_t)(int8_t)(uint8_t)(y >> shift);
            }
            c[i * ldc + j] = (float)(int32_t)sum * (row_scale[i] * column_scale[j]);
        }
}

void kern_fill_gemm(kern_table *t)
{
    t->gemm_blocks = t->bf16_blocks = t->i8_blocks = blocks;
    t->gemm_f32 = kern_gemm_f32;
    t->gemm_bf16 = kern_gemm_bf16;
    t->gemm_i8 = kern_gemm_i8;
}
