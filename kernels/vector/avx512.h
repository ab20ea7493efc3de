/* The vocabulary in AVX-512 F, BW, DQ and VL: a register is sixteen lanes. Contract: kernels/vector/vector.h, which
 * includes this file. */
#ifndef KERNELS_VECTOR_AVX512_H
#define KERNELS_VECTOR_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with the avx512 tier's flags"
#endif

#include <immintrin.h>

typedef __m512 f32x16;
typedef __m512i i32x16;
typedef __m512d f64x8;
typedef __mmask16 mask16;

KERN_INLINE mask16 mask16_first(size_t n) { return n >= 16 ? (mask16)0xffff : (mask16)((1u << n) - 1u); }

/* The first min(n, 8) lanes. */
KERN_INLINE __mmask8 mask8_first(size_t n) { return n >= 8 ? (__mmask8)0xff : (__mmask8)((1u << n) - 1u); }

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_load(const float *x) { return _mm512_loadu_ps(x); }
KERN_INLINE f32x16 f32x16_load_first(const float *x, size_t n) { return _mm512_maskz_loadu_ps(mask16_first(n), x); }
KERN_INLINE void f32x16_store(float *y, f32x16 v) { _mm512_storeu_ps(y, v); }
KERN_INLINE void f32x16_store_first(float *y, size_t n, f32x16 v) { _mm512_mask_storeu_ps(y, mask16_first(n), v); }
KERN_INLINE i32x16 i32x16_load(const uint32_t *x) { return _mm512_loadu_si512(x); }

KERN_INLINE i32x16 i32x16_load_first(const uint32_t *x, size_t n)
{
    return _mm512_maskz_loadu_epi32(mask16_first(n), x);
}

KERN_INLINE void i32x16_store(uint32_t *y, i32x16 v) { _mm512_storeu_si512(y, v); }

KERN_INLINE void i32x16_store_first(uint32_t *y, size_t n, i32x16 v)
{
    _mm512_mask_storeu_epi32(y, mask16_first(n), v);
}

KERN_INLINE __m256i halves_load(const uint16_t *x, size_t n)
{
    return n >= 16 ? _mm256_loadu_si256((const void *)x) : _mm256_maskz_loadu_epi16(mask16_first(n), x);
}

KERN_INLINE void halves_store(uint16_t *y, size_t n, __m256i v)
{
    if (n >= 16)
        _mm256_storeu_si256((void *)y, v);
    else
        _mm256_mask_storeu_epi16(y, mask16_first(n), v);
}

KERN_INLINE i32x16 i32x16_load_u16(const uint16_t *x, size_t n) { return _mm512_cvtepu16_epi32(halves_load(x, n)); }
KERN_INLINE void i32x16_store_u16(uint16_t *y, size_t n, i32x16 v) { halves_store(y, n, _mm512_cvtepi32_epi16(v)); }

KERN_INLINE void i32x16_store_halves(uint16_t *y, i32x16 v) { _mm512_storeu_si512(y, v); }

KERN_INLINE void i32x16_store_u8(uint8_t *y, size_t n, i32x16 v)
{
    const __m128i bytes = _mm512_cvtepi32_epi8(v);
    if (n >= 16)
        _mm_storeu_si128((void *)y, bytes);
    else
        _mm_mask_storeu_epi8(y, mask16_first(n), bytes);
}

KERN_INLINE f32x16 f32x16_load_f16(const uint16_t *x, size_t n) { return _mm512_cvtph_ps(halves_load(x, n)); }

KERN_INLINE void f32x16_store_f16(uint16_t *y, size_t n, f32x16 v)
{
    halves_store(y, n, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

KERN_INLINE f64x8 f64x8_load(const double *x) { return _mm512_loadu_pd(x); }
KERN_INLINE f64x8 f64x8_load_first(const double *x, size_t n) { return _mm512_maskz_loadu_pd(mask8_first(n), x); }
KERN_INLINE f64x8 f64x8_load_f32(const float *x, size_t n)
{
    return _mm512_cvtps_pd(n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskz_loadu_ps(mask8_first(n), x));
}

KERN_INLINE void f64x8_store(double *y, f64x8 v) { _mm512_storeu_pd(y, v); }
KERN_INLINE void f64x8_store_first(double *y, size_t n, f64x8 v) { _mm512_mask_storeu_pd(y, mask8_first(n), v); }

/* ---- Floats ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_set1(float x) { return _mm512_set1_ps(x); }
KERN_INLINE f32x16 f32x16_first(size_t n, f32x16 v) { return n >= 16 ? v : _mm512_maskz_mov_ps(mask16_first(n), v); }
KERN_INLINE f32x16 f32x16_add(f32x16 a, f32x16 b) { return _mm512_add_ps(a, b); }
KERN_INLINE f32x16 f32x16_sub(f32x16 a, f32x16 b) { return _mm512_sub_ps(a, b); }
KERN_INLINE f32x16 f32x16_mul(f32x16 a, f32x16 b) { return _mm512_mul_ps(a, b); }
KERN_INLINE f32x16 f32x16_div(f32x16 a, f32x16 b) { return _mm512_div_ps(a, b); }
KERN_INLINE f32x16 f32x16_sqrt(f32x16 v) { return _mm512_sqrt_ps(v); }
KERN_INLINE f32x16 f32x16_fma(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmadd_ps(a, b, c); }
KERN_INLINE f32x16 f32x16_fms(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmsub_ps(a, b, c); }
KERN_INLINE f32x16 f32x16_fnma(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fnmadd_ps(a, b, c); }
KERN_INLINE f32x16 f32x16_min(f32x16 a, f32x16 b) { return _mm512_min_ps(a, b); }
KERN_INLINE f32x16 f32x16_max(f32x16 a, f32x16 b) { return _mm512_max_ps(a, b); }
KERN_INLINE f32x16 f32x16_abs(f32x16 v) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), v); }

KERN_INLINE f32x16 f32x16_with_sign(f32x16 v, f32x16 s)
{
    return _mm512_or_ps(v, _mm512_and_ps(_mm512_set1_ps(-0.0f), s));
}

KERN_INLINE float f32x16_lane0(f32x16 v) { return _mm512_cvtss_f32(v); }

KERN_INLINE float f32x16_sum(f32x16 v)
{
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

KERN_INLINE float f32x16_top(f32x16 v)
{
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* ---- Masks ------------------------------------------------------------------------------------------------------------ */

KERN_INLINE mask16 f32x16_less(f32x16 a, f32x16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
KERN_INLINE mask16 f32x16_greater(f32x16 a, f32x16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
KERN_INLINE mask16 f32x16_not_less(f32x16 a, f32x16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ); }
KERN_INLINE mask16 f32x16_is_nan(f32x16 v) { return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q); }
KERN_INLINE mask16 f32x16_negative(f32x16 v) { return _mm512_movepi32_mask(_mm512_castps_si512(v)); }
KERN_INLINE f32x16 f32x16_select(mask16 m, f32x16 a, f32x16 b) { return _mm512_mask_mov_ps(b, m, a); }
KERN_INLINE f32x16 f32x16_keep(mask16 m, f32x16 v) { return _mm512_maskz_mov_ps(m, v); }
KERN_INLINE mask16 mask16_or(mask16 a, mask16 b) { return (mask16)(a | b); }
KERN_INLINE bool mask16_any(mask16 m) { return m != 0; }

/* ---- Integers --------------------------------------------------------------------------------------------------------- */

KERN_INLINE i32x16 i32x16_set1(uint32_t x) { return _mm512_set1_epi32((int)x); }
KERN_INLINE i32x16 i32x16_add(i32x16 a, i32x16 b) { return _mm512_add_epi32(a, b); }
KERN_INLINE i32x16 i32x16_sub(i32x16 a, i32x16 b) { return _mm512_sub_epi32(a, b); }
KERN_INLINE i32x16 i32x16_and(i32x16 a, i32x16 b) { return _mm512_and_si512(a, b); }
KERN_INLINE i32x16 i32x16_or(i32x16 a, i32x16 b) { return _mm512_or_si512(a, b); }
KERN_INLINE i32x16 i32x16_max(i32x16 a, i32x16 b) { return _mm512_max_epi32(a, b); }
KERN_INLINE i32x16 i32x16_shift_left(i32x16 v, unsigned count) { return _mm512_slli_epi32(v, count); }
KERN_INLINE i32x16 i32x16_shift_right(i32x16 v, unsigned count) { return _mm512_srli_epi32(v, count); }
KERN_INLINE i32x16 i32x16_select(mask16 m, i32x16 a, i32x16 b) { return _mm512_mask_mov_epi32(b, m, a); }
KERN_INLINE int32_t i32x16_top(i32x16 v) { return _mm512_reduce_max_epi32(v); }

KERN_INLINE i32x16 i32x16_upper_halves(i32x16 a, i32x16 b)
{
    const __m512i order = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25,
                                           23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(a, order, b);
}

KERN_INLINE i32x16 i32x16_bits(f32x16 v) { return _mm512_castps_si512(v); }
KERN_INLINE f32x16 f32x16_of_bits(i32x16 v) { return _mm512_castsi512_ps(v); }
KERN_INLINE i32x16 i32x16_round(f32x16 v) { return _mm512_cvtps_epi32(v); }
KERN_INLINE f32x16 f32x16_of_i32(i32x16 v) { return _mm512_cvtepi32_ps(v); }

/* A permutation looks at the last four bits of an index: the table twice. */
KERN_INLINE f32x16 f32x16_lookup8(const float *table, i32x16 index)
{
    return _mm512_permutexvar_ps(index, _mm512_broadcast_f32x8(_mm256_loadu_ps(table)));
}

/* ---- Doubles ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f64x8 f64x8_set1(double x) { return _mm512_set1_pd(x); }
KERN_INLINE f64x8 f64x8_add(f64x8 a, f64x8 b) { return _mm512_add_pd(a, b); }
KERN_INLINE f64x8 f64x8_mul(f64x8 a, f64x8 b) { return _mm512_mul_pd(a, b); }
KERN_INLINE f64x8 f64x8_add_product(f64x8 a, f64x8 b, f64x8 s) { return _mm512_fmadd_pd(a, b, s); }
KERN_INLINE f64x8 f64x8_low(f32x16 v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
KERN_INLINE f64x8 f64x8_high(f32x16 v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }

KERN_INLINE double f64x8_sum(f64x8 v)
{
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* ---- Blocks ----------------------------------------------------------------------------------------------------------- */

/* Transposes the 16 x 16 block whose rows are r[0..15]. */
KERN_INLINE void transpose16(f32x16 r[16])
{
    f32x16 t[16];
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
        const f32x16 even_low = _mm512_shuffle_f32x4(r[q], r[4 + q], 0x88);
        const f32x16 odd_low = _mm512_shuffle_f32x4(r[q], r[4 + q], 0xdd);
        const f32x16 even_high = _mm512_shuffle_f32x4(r[8 + q], r[12 + q], 0x88);
        const f32x16 odd_high = _mm512_shuffle_f32x4(r[8 + q], r[12 + q], 0xdd);
        t[q] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        t[4 + q] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        t[8 + q] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        t[12 + q] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
    KERN_UNROLL
    for (size_t i = 0; i < 16; i++) r[i] = t[i];
}

KERN_INLINE void block16_transpose(const float *x, size_t ldx, float *y, size_t ldy)
{
    f32x16 r[16];
    KERN_UNROLL
    for (size_t i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(x + i * ldx);
    transpose16(r);
    KERN_UNROLL
    for (size_t j = 0; j < 16; j++) _mm512_storeu_ps(y + j * ldy, r[j]);
}

static inline void block16_transpose_part(size_t rows, size_t columns, size_t kept, const float *x, size_t ldx, float *y,
                                          size_t ldy)
{
    const mask16 in = mask16_first(columns), out = mask16_first(kept);
    f32x16 r[16];
    KERN_UNROLL
    for (size_t i = 0; i < 16; i++) r[i] = i < rows ? _mm512_maskz_loadu_ps(in, x + i * ldx) : _mm512_setzero_ps();
    transpose16(r);
    KERN_UNROLL
    for (size_t j = 0; j < 16; j++)
        if (j < columns) _mm512_mask_storeu_ps(y + j * ldy, out, r[j]);
}

/* Six rows of 16 to six registers of output: first in pairs of rows, then the three pairs. */
KERN_INLINE void block16_interleave6(const float *x, size_t ldx, float *y)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    /* Eight of the 24 pairs of a half each: a = rows 0 and 1, b = rows 2 and 3, then c = rows 4 and 5 where 8 and more
     * stand; the pair of column j has index j. */
    const __m512i ab[3] = {_mm512_setr_epi64(0, 8, 0, 1, 9, 0, 2, 10), _mm512_setr_epi64(0, 3, 11, 0, 4, 12, 0, 5),
                           _mm512_setr_epi64(13, 0, 6, 14, 0, 7, 15, 0)};
    const __m512i abc[3] = {_mm512_setr_epi64(0, 1, 8, 3, 4, 9, 6, 7), _mm512_setr_epi64(10, 1, 2, 11, 4, 5, 12, 7),
                            _mm512_setr_epi64(0, 13, 2, 3, 14, 5, 6, 15)};
    f32x16 r[6];
    KERN_UNROLL
    for (size_t j = 0; j < 6; j++) r[j] = _mm512_loadu_ps(x + j * ldx);
    KERN_UNROLL
    for (size_t half = 0; half < 2; half++) {
        __m512i pair[3];
        KERN_UNROLL
        for (size_t i = 0; i < 3; i++)
            pair[i] = _mm512_castps_si512(_mm512_permutex2var_ps(r[2 * i], half ? high : low, r[2 * i + 1]));
        KERN_UNROLL
        for (size_t i = 0; i < 3; i++) {
            const __m512i both = _mm512_permutex2var_epi64(pair[0], ab[i], pair[1]);
            _mm512_storeu_ps(y + (half * 3 + i) * 16, _mm512_castsi512_ps(_mm512_permutex2var_epi64(both, abc[i], pair[2])));
        }
    }
}

#endif
