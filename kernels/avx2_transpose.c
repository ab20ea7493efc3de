/* Transposing a matrix, AVX2: blocks of 8 x 8 in registers. Contract: kernels.h. */
#include "kernels/avx2_transpose.h"

enum { LANES = 8 };

/* Rows [0, n), columns [0, columns) of x, n and columns <= 8. */
static inline __attribute__((always_inline)) void transpose_block(size_t n, size_t columns, const float *x, size_t ldx,
                                                                  float *y, size_t ldy)
{
    __m256 r[8];
    KERN_UNROLL
    for (size_t i = 0; i < 8; i++) r[i] = i < n ? kern_load_avx2(x + i * ldx, columns) : _mm256_setzero_ps();
    kern_transpose8_avx2(r);
    KERN_UNROLL
    for (size_t j = 0; j < 8; j++)
        if (j < columns) kern_store_avx2(y + j * ldy, n, r[j]);
}

static void kern_transpose_f32_avx2(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    for (size_t j = 0; j < cols; j += LANES) {
        const size_t columns = cols - j < LANES ? cols - j : LANES;
        const float *xj = x + j;
        float *yj = y + j * ldy;
        size_t i = 0;
        if (columns == LANES)
            for (; i + LANES <= rows; i += LANES) transpose_block(LANES, LANES, xj + i * ldx, ldx, yj + i, ldy);
        for (; i < rows; i += LANES) {
            const size_t n = rows - i < LANES ? rows - i : LANES;
            transpose_block(n, columns, xj + i * ldx, ldx, yj + i, ldy);
        }
    }
}

void kern_table_fill_avx2_transpose(kern_table *t)
{
    t->transpose_f32 = kern_transpose_f32_avx2;
}
