/* Conversions between float and the 16-bit formats, AVX-512. Contracts: kernels.h. */
#include "kernels/avx512.h"

enum { LANES = 16 };

static void kern_f16_to_f32_avx512(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, x + i)));
    }
}

static void kern_f32_to_f16_avx512(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
        _mm256_mask_storeu_epi16(y + i, lanes, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
}

static void kern_bf16_to_f32_avx512(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512i u = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, x + i));
        _mm512_mask_storeu_epi32(y + i, lanes, _mm512_slli_epi32(u, 16));
    }
}

/* bf16 of 16 floats in the upper halves; the lower ones are of no use. By integers, not by AVX512-BF16, which flushes
 * denormals: adding 0x7fff and the last kept bit rounds to even. */
static inline __m512i round_to_bf16(__m512 v)
{
    const __m512i u = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    return _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
}

static inline __m512i bf16_of_32(__m512 first, __m512 second)
{
    const __m512i upper_halves = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                                                  25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(round_to_bf16(first), upper_halves, round_to_bf16(second));
}

static void kern_f32_to_bf16_avx512(size_t n, const float *x, uint16_t *y)
{
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        _mm512_storeu_si512(y + i, bf16_of_32(_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + LANES)));
    for (; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512i upper = round_to_bf16(_mm512_maskz_loadu_ps(lanes, x + i));
        _mm256_mask_storeu_epi16(y + i, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(upper, 16)));
    }
}

static void kern_f32_to_bf16_pairs_avx512(size_t n, const float *low, const float *high, uint32_t *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512i lower = _mm512_srli_epi32(round_to_bf16(_mm512_maskz_loadu_ps(lanes, low + i)), 16);
        const __m512i upper =
            high != NULL ? round_to_bf16(_mm512_maskz_loadu_ps(lanes, high + i)) : _mm512_setzero_si512();
        _mm512_mask_storeu_epi32(y + i, lanes, _mm512_mask_blend_epi16(0xaaaaaaaau, lower, upper));
    }
}

static void kern_bf16_pairs_to_f32_avx512(size_t n, const uint32_t *x, float *low, float *high)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512i pair = _mm512_maskz_loadu_epi32(lanes, x + i);
        _mm512_mask_storeu_epi32(low + i, lanes, _mm512_slli_epi32(pair, 16));
        if (high == NULL) continue;
        _mm512_mask_storeu_epi32(high + i, lanes, _mm512_and_si512(pair, _mm512_set1_epi32((int)0xffff0000u)));
    }
}

static void kern_f32_to_bf16_runs_avx512(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride,
                                         uint32_t *y)
{
    const __mmask16 units = kern_lanes_avx512(run);
    for (size_t i = 0; i < rows; i++) {
        const float *row = x + i * ldx;
        uint32_t *to = y + i * run;
        for (size_t j = 0; j < n; j += 2 * run, to += stride) {
            const size_t left = n - j < 2 * run ? n - j : 2 * run;
            if (left == 2 * LANES) {
                _mm512_storeu_si512(to, bf16_of_32(_mm512_loadu_ps(row + j), _mm512_loadu_ps(row + j + LANES)));
                continue;
            }
            const __mmask16 first = kern_lanes_avx512(left), second = left > LANES ? kern_lanes_avx512(left - LANES) : 0;
            const __m512i pairs =
                bf16_of_32(_mm512_maskz_loadu_ps(first, row + j), _mm512_maskz_loadu_ps(second, row + j + LANES));
            _mm512_mask_storeu_epi32(to, units, pairs);
        }
    }
}

void kern_table_fill_avx512_convert(kern_table *t)
{
    t->f16_to_f32 = kern_f16_to_f32_avx512;
    t->f32_to_f16 = kern_f32_to_f16_avx512;
    t->bf16_to_f32 = kern_bf16_to_f32_avx512;
    t->f32_to_bf16 = kern_f32_to_bf16_avx512;
    t->f32_to_bf16_pairs = kern_f32_to_bf16_pairs_avx512;
    t->bf16_pairs_to_f32 = kern_bf16_pairs_to_f32_avx512;
    t->f32_to_bf16_runs = kern_f32_to_bf16_runs_avx512;
}
