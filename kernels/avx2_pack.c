/* Packing of GEMM operands into panels, AVX2: blocks of 8 rows and 8 columns, transposed in registers. */
#include "kernels/avx2_transpose.h"

enum { LANES = 8 };

/* Rows [0, n) of x, columns [0, columns), n and columns <= 8, to panel[p * width + j], j < kept <= 8. */
static inline __attribute__((always_inline)) void pack_block(size_t n, size_t columns, const float *x, size_t ldx,
                                                             size_t kept, size_t width, float *panel)
{
    const __m256i in = kern_lanes_avx2(columns), out = kern_lanes_avx2(kept);
    __m256 r[8];
    KERN_UNROLL
    for (size_t j = 0; j < 8; j++)
        r[j] = j >= n             ? _mm256_setzero_ps()
               : columns == LANES ? _mm256_loadu_ps(x + j * ldx)
                                  : _mm256_maskload_ps(x + j * ldx, in);
    kern_transpose8_avx2(r);
    KERN_UNROLL
    for (size_t p = 0; p < 8; p++) {
        if (p >= columns) continue;
        if (kept == LANES)
            _mm256_storeu_ps(panel + p * width, r[p]);
        else
            _mm256_maskstore_ps(panel + p * width, out, r[p]);
    }
}

static void kern_gemm_pack_avx2(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel)
{
    for (size_t p = 0; p < k; p += LANES) {
        const size_t columns = k - p < LANES ? k - p : LANES;
        for (size_t j = 0; j < width; j += LANES) {
            const size_t kept = width - j < LANES ? width - j : LANES;
            const size_t rows = j >= n ? 0 : n - j < kept ? n - j : kept;
            if (rows == LANES && columns == LANES)
                pack_block(LANES, LANES, x + j * ldx + p, ldx, LANES, width, panel + p * width + j);
            else
                pack_block(rows, columns, rows > 0 ? x + j * ldx + p : x, ldx, kept, width, panel + p * width + j);
        }
    }
}

void kern_table_fill_avx2_pack(kern_table *t)
{
    t->gemm_pack = kern_gemm_pack_avx2;
}
