/* Quantisation to 8 bits and the largest magnitude that its scale comes from, AVX-512. Both pass over all activations:
 * they do no more than four vectors of arithmetic a vector read. Contracts: kernels.h. */
#include "kernels/avx512.h"

enum { LANES = 16, STREAMS = 4 };

/* 16 floats to 16 bytes. The first operand of a minimum or maximum gives way to a NaN in the second, and the conversion
 * makes NaN 0x80000000, whose lowest byte with 128 added is the 128 that it shall become. */
static inline __m128i quantise_16(__m512 x, __m512 inverse_scale)
{
    const __m512 scaled = _mm512_mul_ps(x, inverse_scale);
    const __m512 held = _mm512_max_ps(_mm512_set1_ps(-127.0f), _mm512_min_ps(_mm512_set1_ps(127.0f), scaled));
    return _mm_add_epi8(_mm512_cvtepi32_epi8(_mm512_cvtps_epi32(held)), _mm_set1_epi8((char)128));
}

static void kern_quantise_u8_avx512(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    const __m512 scale = _mm512_set1_ps(inverse_scale);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) _mm_storeu_si128((void *)(y + i), quantise_16(_mm512_loadu_ps(x + i), scale));
    if (i == n) return;
    const __mmask16 lanes = kern_lanes_avx512(n - i);
    _mm_mask_storeu_epi8(y + i, lanes, quantise_16(_mm512_maskz_loadu_ps(lanes, x + i), scale));
}

/* The bits of magnitudes are ordered like their values, with NaN above infinity. */
static inline __m512i magnitudes(__m512i bits)
{
    return _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
}

static float kern_absmax_f32_avx512(size_t n, const float *x)
{
    __m512i most[STREAMS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                             _mm512_setzero_si512()};
    size_t i = 0;
    for (; i + STREAMS * LANES <= n; i += STREAMS * LANES) {
        KERN_UNROLL
        for (size_t s = 0; s < STREAMS; s++)
            most[s] = _mm512_max_epi32(most[s], magnitudes(_mm512_loadu_si512(x + i + s * LANES)));
    }
    for (; i < n; i += LANES)
        most[0] = _mm512_max_epi32(most[0], magnitudes(_mm512_maskz_loadu_epi32(kern_lanes_avx512(n - i), x + i)));
    most[0] = _mm512_max_epi32(_mm512_max_epi32(most[0], most[1]), _mm512_max_epi32(most[2], most[3]));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(most[0]))));
}

void kern_table_fill_avx512_quantise(kern_table *t)
{
    t->quantise_u8 = kern_quantise_u8_avx512;
    t->absmax_f32 = kern_absmax_f32_avx512;
}
