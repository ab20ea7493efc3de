/* Packing of weights into GEMM panels, AVX-512: 16 rows of 16 floats at a time, transposed in registers, so that reads
 * and writes are whole cache lines. */
#include "kernels/avx512.h"

enum { NR = 32, LANES = 16 };

/* Transposes the 16 x 16 block whose rows are r[0..15]. */
static inline __attribute__((always_inline)) void transpose16(__m512 r[16])
{
    __m512 t[16];
    KERN_UNROLL
    for (size_t i = 0; i < 8; i++) { /* pairs of rows interleaved */
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    KERN_UNROLL
    for (size_t i = 0; i < 4; i++) { /* r[4 i + q]: column q of each 128-bit lane, rows 4 i .. 4 i + 3 */
        r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 2])));
        r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 2])));
        r[4 * i + 2] =
            _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[4 * i + 1]), _mm512_castps_pd(t[4 * i + 3])));
        r[4 * i + 3] =
            _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[4 * i + 1]), _mm512_castps_pd(t[4 * i + 3])));
    }
    KERN_UNROLL
    for (size_t q = 0; q < 4; q++) { /* lanes: columns q, 4 + q, 8 + q, 12 + q, each from four groups of rows */
        const __m512 even_low = _mm512_shuffle_f32x4(r[q], r[4 + q], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(r[q], r[4 + q], 0xdd);
        const __m512 even_high = _mm512_shuffle_f32x4(r[8 + q], r[12 + q], 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(r[8 + q], r[12 + q], 0xdd);
        t[q] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        t[4 + q] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        t[8 + q] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        t[12 + q] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
    KERN_UNROLL
    for (size_t i = 0; i < 16; i++) r[i] = t[i];
}

/* Rows [0, n) of w, columns [0, columns), n and columns <= 16, to panel[p * NR + j]. */
static inline __attribute__((always_inline)) void pack_block(size_t n, size_t columns, const float *w, size_t ldw,
                                                             float *panel)
{
    const __mmask16 lanes = kern_lanes_avx512(columns);
    __m512 r[16];
    KERN_UNROLL
    for (size_t j = 0; j < 16; j++) r[j] = j < n ? _mm512_maskz_loadu_ps(lanes, w + j * ldw) : _mm512_setzero_ps();
    transpose16(r);
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
