/* A block of 8 x 8 floats transposed in registers, for packing and for transposing; AVX2. */
#ifndef KERNELS_AVX2_TRANSPOSE_H
#define KERNELS_AVX2_TRANSPOSE_H

#include "kernels/avx2.h"

/* Transposes the 8 x 8 block whose rows are r[0..7]. */
static inline __attribute__((always_inline)) void kern_transpose8_avx2(__m256 r[8])
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

#endif
