/* Quantisation to 8 bits and the largest magnitude that its scale comes from, AVX2. Contracts: kernels.h. */
#include "kernels/avx2.h"

#include <string.h>

enum { LANES = 8, STREAMS = 4, BLOCK = STREAMS * LANES };

/* 8 floats to integers, of which the lowest byte counts. The first operand of a minimum or maximum gives way to a NaN
 * in the second, and the conversion makes NaN 0x80000000, whose lowest byte is the 0 that it shall become. */
static inline __m256i quantise_8(const float *x, __m256 inverse_scale)
{
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x), inverse_scale);
    const __m256 held = _mm256_max_ps(_mm256_set1_ps(-127.0f), _mm256_min_ps(_mm256_set1_ps(127.0f), scaled));
    return _mm256_and_si256(_mm256_cvtps_epi32(held), _mm256_set1_epi32(0xff));
}

static inline void quantise_32(const float *x, __m256 inverse_scale, uint8_t *y)
{
    const __m256i low = _mm256_packus_epi32(quantise_8(x, inverse_scale), quantise_8(x + LANES, inverse_scale));
    const __m256i high =
        _mm256_packus_epi32(quantise_8(x + 2 * LANES, inverse_scale), quantise_8(x + 3 * LANES, inverse_scale));
    /* Packing works within halves: groups of four bytes stand in the order 0 2 4 6 1 3 5 7. */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
    _mm256_storeu_si256((void *)y, _mm256_add_epi8(bytes, _mm256_set1_epi8((char)128)));
}

static void kern_quantise_u8_avx2(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    const __m256 scale = _mm256_set1_ps(inverse_scale);
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) quantise_32(x + i, scale, y + i);
    if (i == n) return;
    float in[BLOCK] = {0};
    uint8_t out[BLOCK];
    memcpy(in, x + i, (n - i) * sizeof *x);
    quantise_32(in, scale, out);
    memcpy(y + i, out, n - i);
}

/* The bits of magnitudes are ordered like their values, with NaN above infinity. */
static inline __m256i larger(__m256i most, __m256 x)
{
    return _mm256_max_epi32(most, _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff)));
}

static float kern_absmax_f32_avx2(size_t n, const float *x)
{
    __m256i most[STREAMS] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                             _mm256_setzero_si256()};
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        KERN_UNROLL
        for (size_t s = 0; s < STREAMS; s++) most[s] = larger(most[s], _mm256_loadu_ps(x + i + s * LANES));
    }
    for (; i < n; i += LANES) most[0] = larger(most[0], kern_load_avx2(x + i, n - i));
    const __m256i all = _mm256_max_epi32(_mm256_max_epi32(most[0], most[1]), _mm256_max_epi32(most[2], most[3]));
    const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1))));
}

void kern_table_fill_avx2_quantise(kern_table *t)
{
    t->quantise_u8 = kern_quantise_u8_avx2;
    t->absmax_f32 = kern_absmax_f32_avx2;
}
