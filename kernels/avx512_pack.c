/* Packing of weights into GEMM panels, AVX-512: 16 rows of 16 floats at a time, transposed in registers, so that reads
 * and writes are whole cache lines. */
#include "kernels/avx512_transpose.h"

enum { NR = 32, LANES = 16 };

/* Rows [0, n) of w, columns [0, columns), n and columns <= 16, to panel[p * NR + j]. */
static inline __attribute__((always_inline)) void pack_block(size_t n, size_t columns, const float *w, size_t ldw,
                                                             float *panel)
{
    const __mmask16 lanes = kern_lanes_avx512(columns);
    __m512 r[16];
    KERN_UNROLL
    for (size_t j = 0; j < 16; j++) r[j] = j < n ? _mm512_maskz_loadu_ps(lanes, w + j * ldw) : _mm512_setzero_ps();
    kern_transpose16_avx512(r);
    KERN_UNROLL
    for (size_t p = 0; p < 16; p++)
        if (p < columns) _mm512_storeu_ps(panel + p * NR, r[p]);
}

static void kern_gemm_pack_f32_avx512(size_t n, size_t k, const float *w, size_t ldw, float *panel)
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

void kern_table_fill_avx512_pack(kern_table *t)
{
    t->gemm_pack_f32 = kern_gemm_pack_f32_avx512;
}
