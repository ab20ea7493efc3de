/* A block of 16 x 16 floats transposed in registers, for packing and for transposing; AVX-512. */
#ifndef KERNELS_AVX512_TRANSPOSE_H
#define KERNELS_AVX512_TRANSPOSE_H

#include "kernels/avx512.h"

/* Transposes the 16 x 16 block whose rows are r[0..15]. */
static inline __attribute__((always_inline)) void kern_transpose16_avx512(__m512 r[16])
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

#endif
