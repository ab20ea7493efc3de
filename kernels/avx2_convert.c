/* Conversions between float and the 16-bit formats, AVX2 and F16C. Those of 16 bits are a function of 8 elements; the
 * tail goes through it in a small buffer, since there are no masked loads of 16 bits. Contracts: kernels.h. */
#include "kernels/avx2.h"

#include <string.h>

enum { LANES = 8 };

static inline void f16_to_f32_8(const uint16_t *x, float *y)
{
    _mm256_storeu_ps(y, _mm256_cvtph_ps(_mm_loadu_si128((const void *)x)));
}

static inline void f32_to_f16_8(const float *x, uint16_t *y)
{
    const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128((void *)y, h);
}

static inline void bf16_to_f32_8(const uint16_t *x, float *y)
{
    const __m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)x));
    _mm256_storeu_si256((void *)y, _mm256_slli_epi32(u, 16));
}

/* bf16 of 8 floats in the upper halves; the lower ones are of no use. Adding 0x7fff and the last kept bit rounds to
 * even. */
static inline __m256i round_to_bf16(__m256 v)
{
    const __m256i u = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}

static inline void f32_to_bf16_8(const float *x, uint16_t *y)
{
    const __m256i bits = _mm256_srli_epi32(round_to_bf16(_mm256_loadu_ps(x)), 16);
    const __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    _mm_storeu_si128((void *)y, h);
}

static void kern_f16_to_f32_avx2(size_t n, const uint16_t *x, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f16_to_f32_8(x + i, y + i);
    if (i == n) return;
    uint16_t in[LANES] = {0};
    float out[LANES];
    memcpy(in, x + i, (n - i) * sizeof *x);
    f16_to_f32_8(in, out);
    memcpy(y + i, out, (n - i) * sizeof *y);
}

static void kern_f32_to_f16_avx2(size_t n, const float *x, uint16_t *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32_to_f16_8(x + i, y + i);
    if (i == n) return;
    float in[LANES] = {0};
    uint16_t out[LANES];
    memcpy(in, x + i, (n - i) * sizeof *x);
    f32_to_f16_8(in, out);
    memcpy(y + i, out, (n - i) * sizeof *y);
}

static void kern_bf16_to_f32_avx2(size_t n, const uint16_t *x, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) bf16_to_f32_8(x + i, y + i);
    if (i == n) return;
    uint16_t in[LANES] = {0};
    float out[LANES];
    memcpy(in, x + i, (n - i) * sizeof *x);
    bf16_to_f32_8(in, out);
    memcpy(y + i, out, (n - i) * sizeof *y);
}

static void kern_f32_to_bf16_avx2(size_t n, const float *x, uint16_t *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32_to_bf16_8(x + i, y + i);
    if (i == n) return;
    float in[LANES] = {0};
    uint16_t out[LANES];
    memcpy(in, x + i, (n - i) * sizeof *x);
    f32_to_bf16_8(in, out);
    memcpy(y + i, out, (n - i) * sizeof *y);
}

/* The first min(n, 8) units at x, zeros after them. */
static inline __m256i load_units(const uint32_t *x, size_t n)
{
    return n >= LANES ? _mm256_loadu_si256((const void *)x)
                      : _mm256_maskload_epi32((const void *)x, kern_lanes_avx2(n));
}

static inline void store_units(uint32_t *y, size_t n, __m256i v)
{
    if (n >= LANES)
        _mm256_storeu_si256((void *)y, v);
    else
        _mm256_maskstore_epi32((void *)y, kern_lanes_avx2(n), v);
}

static void kern_f32_to_bf16_pairs_avx2(size_t n, const float *low, const float *high, uint32_t *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __m256i lower = _mm256_srli_epi32(round_to_bf16(kern_load_avx2(low + i, n - i)), 16);
        const __m256i upper = high != NULL ? round_to_bf16(kern_load_avx2(high + i, n - i)) : _mm256_setzero_si256();
        store_units(y + i, n - i, _mm256_blend_epi16(lower, upper, 0xaa));
    }
}

static void kern_bf16_pairs_to_f32_avx2(size_t n, const uint32_t *x, float *low, float *high)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __m256i pair = load_units(x + i, n - i);
        kern_store_avx2(low + i, n - i, _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)));
        if (high == NULL) continue;
        const __m256i upper = _mm256_and_si256(pair, _mm256_set1_epi32((int)0xffff0000u));
        kern_store_avx2(high + i, n - i, _mm256_castsi256_ps(upper));
    }
}

void kern_table_fill_avx2_convert(kern_table *t)
{
    t->f16_to_f32 = kern_f16_to_f32_avx2;
    t->f32_to_f16 = kern_f32_to_f16_avx2;
    t->bf16_to_f32 = kern_bf16_to_f32_avx2;
    t->f32_to_bf16 = kern_f32_to_bf16_avx2;
    t->f32_to_bf16_pairs = kern_f32_to_bf16_pairs_avx2;
    t->bf16_pairs_to_f32 = kern_bf16_pairs_to_f32_avx2;
}
