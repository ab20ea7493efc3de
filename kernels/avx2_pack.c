/* Packing of weights into GEMM panels, AVX2: 8 rows of 8 floats at a time, transposed in registers. */
#include "kernels/avx2.h"

enum { NR = 16, LANES = 8 };

/* Transposes the 8 x 8 block whose rows are r[0..7]. */
static inline __attribute__((always_inline)) void transpose8(__m256 r[8])
{
    __m256 t[8];
    KERN_UNROLL
    for (size_t i = 0; i < 4; i++) { /* pairs of rows interleaved */
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    KERN_UNROLL
    for (size_t i = 0; i < 2; i++) { /* r[4 i + q]: column q of each 128-bit lane, rows 4 i .. 4 i + 3 */
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    KERN_UNROLL
    for (size_t q = 0; q < 4; q++) { /* lanes: columns q and 4 + q */
        t[q] = _mm256_permute2f128_ps(r[q], r[4 + q], 0x20);
        t[4 + q] = _mm256_permute2f128_ps(r[q], r[4 + q], 0x31);
    }
    KERN_UNROLL
    for (size_t i = 0; i < 8; i++) r[i] = t[i];
}

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
    transpose8(r);
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
