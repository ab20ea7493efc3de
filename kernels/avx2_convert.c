/* Conversions between float and the 16-bit formats, AVX2 and F16C. Each kernel is a function of 8 elements; the tail
 * goes through it in a small buffer, since there are no masked loads of 16 bits. Contracts: kernels.h. */
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

/* Adding 0x7fff and the last kept bit rounds to even. */
static inline void f32_to_bf16_8(const float *x, uint16_t *y)
{
    const __m256 v = _mm256_loadu_ps(x);
    const __m256i u = _mm256_castps_si256(v), upper = _mm256_srli_epi32(u, 16);
    const __m256i bias = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), _mm256_and_si256(upper, _mm256_set1_epi32(1)));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, bias), 16);
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i bits = _mm256_blendv_epi8(rounded, quiet, nan);
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

void kern_table_fill_avx2_convert(kern_table *t)
{
    t->f16_to_f32 = kern_f16_to_f32_avx2;
    t->f32_to_f16 = kern_f32_to_f16_avx2;
    t->bf16_to_f32 = kern_bf16_to_f32_avx2;
    t->f32_to_bf16 = kern_f32_to_bf16_avx2;
}
