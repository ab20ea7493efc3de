/* Transposing a matrix, AVX-512: blocks of 16 x 16 in registers. Contract: kernels.h. */
#include "kernels/avx512_transpose.h"

enum { LANES = 16 };

/* Rows [0, n), columns [0, columns) of x, n and columns <= 16. */
static inline __attribute__((always_inline)) void transpose_block(size_t n, size_t columns, const float *x, size_t ldx,
                                                                  float *y, size_t ldy)
{
    const __mmask16 in = kern_lanes_avx512(columns), out = kern_lanes_avx512(n);
    __m512 r[16];
    KERN_UNROLL
    for (size_t i = 0; i < 16; i++) r[i] = i < n ? _mm512_maskz_loadu_ps(in, x + i * ldx) : _mm512_setzero_ps();
    kern_transpose16_avx512(r);
    KERN_UNROLL
    for (size_t j = 0; j < 16; j++)
        if (j < columns) _mm512_mask_storeu_ps(y + j * ldy, out, r[j]);
}

static void kern_transpose_f32_avx512(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
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

void kern_table_fill_avx512_transpose(kern_table *t)
{
    t->transpose_f32 = kern_transpose_f32_avx512;
}
