/* Packing of weights into GEMM panels, AVX2: 8 rows of 8 floats at a time, transposed in registers. */
#include "kernels/avx2_transpose.h"

enum { NR = 16, LANES = 8 };

/* Rows [0, n) of w, columns [0, columns), n and columns <= 8, to panel[p * NR + j]. */
static inline __attribute__((always_inline)) void pack_block(size_t n, size_t columns, const float *w, size_t ldw,
                                                             float *panel)
{
    const __m256i lanes = kern_lanes_avx2(columns);
    __m256 r[8];
    KERN_UNROLL
    for (size_t j = 0; j < 8; j++)
        r[j] = j >= n             ? _mm256_setzero_ps()
               : columns == LANES ? _mm256_loadu_ps(w + j * ldw)
                                  : _mm256_maskload_ps(w + j * ldw, lanes);
    kern_transpose8_avx2(r);
    KERN_UNROLL
    for (size_t p = 0; p < 8; p++)
        if (p < columns) _mm256_storeu_ps(panel + p * NR, r[p]);
}

static void kern_gemm_pack_f32_avx2(size_t n, size_t k, const float *w, size_t ldw, float *panel)
{
    const size_t low = n < LANES ? n : LANES, high = n - low;
    size_t p = 0;
    if (high == LANES)
        for (; p + LANES <= k; p += LANES) {
            pack_block(LANES, LANES, w + p, ldw, panel + p * NR);
            pack_block(LANES, LANES, w + LANES * ldw + p, ldw, panel + p * NR + LANES);
        }
    for (; p < k; p += LANES) {
        const size_t columns = k - p < LANES ? k - p : LANES;
        pack_block(low, columns, w + p, ldw, panel + p * NR);
        pack_block(high, columns, w + low * ldw + p, ldw, panel + p * NR + LANES);
    }
}

void kern_table_fill_avx2_pack(kern_table *t)
{
    t->gemm_pack_f32 = kern_gemm_pack_f32_avx2;
}
