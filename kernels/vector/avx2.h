/* The vocabulary in AVX2, FMA and F16C: sixteen lanes are two registers. Contract: kernels/vector/vector.h, which includes
 * this file. A masked load or store is slow on many CPUs: whole halves go without. */
#ifndef KERNELS_VECTOR_AVX2_H
#define KERNELS_VECTOR_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with the avx2 tier's flags"
#endif

#include <immintrin.h>

typedef struct f32x16 {
    __m256 low, high; /* lanes 0 to 7, 8 to 15; so are the others */
} f32x16;
typedef struct i32x16 {
    __m256i low, high;
} i32x16;
typedef struct f64x8 {
    __m256d low, high; /* lanes 0 to 3, 4 to 7 */
} f64x8;
typedef struct mask16 {
    __m256 low, high; /* all bits of a lane or none */
} mask16;

KERN_INLINE f32x16 pair_ps(__m256 low, __m256 high) { return (f32x16){low, high}; }
KERN_INLINE i32x16 pair_epi32(__m256i low, __m256i high) { return (i32x16){low, high}; }

/* The first min(n, 8) of 8 lanes, as masked loads and stores want them. */
KERN_INLINE __m256i lanes8(size_t n)
{
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), index);
}

/* The first min(n, 4) of 4 lanes of 64 bits. */
KERN_INLINE __m256i lanes4(size_t n)
{
    const __m256i index = _mm256_setr_epi64x(0, 1, 2, 3);
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n < 4 ? (long long)n : 4), index);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_load(const float *x) { return pair_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)); }

KERN_INLINE f32x16 f32x16_load_first(const float *x, size_t n)
{
    if (n >= 16) return f32x16_load(x);
    if (n > 8) return pair_ps(_mm256_loadu_ps(x), _mm256_maskload_ps(x + 8, lanes8(n - 8)));
    return pair_ps(n == 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, lanes8(n)), _mm256_setzero_ps());
}

KERN_INLINE void f32x16_store(float *y, f32x16 v)
{
    _mm256_storeu_ps(y, v.low);
    _mm256_storeu_ps(y + 8, v.high);
}

KERN_INLINE void f32x16_store_first(float *y, size_t n, f32x16 v)
{
    if (n >= 16)
        f32x16_store(y, v);
    else if (n < 8)
        _mm256_maskstore_ps(y, lanes8(n), v.low);
    else {
        _mm256_storeu_ps(y, v.low);
        if (n > 8) _mm256_maskstore_ps(y + 8, lanes8(n - 8), v.high);
    }
}

KERN_INLINE f32x16 f32x16_of_bits(i32x16 v) { return pair_ps(_mm256_castsi256_ps(v.low), _mm256_castsi256_ps(v.high)); }
KERN_INLINE i32x16 i32x16_bits(f32x16 v) { return pair_epi32(_mm256_castps_si256(v.low), _mm256_castps_si256(v.high)); }

KERN_INLINE i32x16 i32x16_load(const uint32_t *x)
{
    return pair_epi32(_mm256_loadu_si256((const void *)x), _mm256_loadu_si256((const void *)(x + 8)));
}

KERN_INLINE i32x16 i32x16_load_first(const uint32_t *x, size_t n)
{
    if (n >= 16) return i32x16_load(x);
    if (n <= 8) return pair_epi32(_mm256_maskload_epi32((const void *)x, lanes8(n)), _mm256_setzero_si256());
    return pair_epi32(_mm256_loadu_si256((const void *)x), _mm256_maskload_epi32((const void *)(x + 8), lanes8(n - 8)));
}

KERN_INLINE void i32x16_store(uint32_t *y, i32x16 v)
{
    _mm256_storeu_si256((void *)y, v.low);
    _mm256_storeu_si256((void *)(y + 8), v.high);
}

KERN_INLINE void i32x16_store_first(uint32_t *y, size_t n, i32x16 v)
{
    if (n >= 16)
        i32x16_store(y, v);
    else {
        _mm256_maskstore_epi32((void *)y, lanes8(n), v.low);
        if (n > 8) _mm256_maskstore_epi32((void *)(y + 8), lanes8(n - 8), v.high);
    }
}

/* There are no masked loads and stores of 16 or 8 bits: tails go through a buffer. */
KERN_INLINE i32x16 i32x16_load_u16(const uint16_t *x, size_t n)
{
    uint16_t buffer[16] = {0};
    if (n < 16) {
        memcpy(buffer, x, n * sizeof *x);
        x = buffer;
    }
    return pair_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)x)),
                      _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(x + 8))));
}

KERN_INLINE void halves_store(uint16_t *y, size_t n, __m128i low, __m128i high)
{
    uint16_t buffer[16], *to = n < 16 ? buffer : y;
    _mm_storeu_si128((void *)to, low);
    _mm_storeu_si128((void *)(to + 8), high);
    if (n < 16) memcpy(y, buffer, n * sizeof *y);
}

KERN_INLINE void i32x16_store_u16(uint16_t *y, size_t n, i32x16 v)
{
    const __m256i lower = _mm256_set1_epi32(0xffff);
    const __m256i low = _mm256_and_si256(v.low, lower), high = _mm256_and_si256(v.high, lower);
    halves_store(y, n, _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)),
                 _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1)));
}

KERN_INLINE void i32x16_store_halves(uint16_t *y, i32x16 v)
{
    _mm256_storeu_si256((void *)y, v.low);
    _mm256_storeu_si256((void *)(y + 16), v.high);
}

KERN_INLINE void i32x16_store_u8(uint8_t *y, size_t n, i32x16 v)
{
    /* Shuffling works within halves: each brings four lowest bytes to its first four and the others' to the next. */
    const __m256i first = _mm256_setr_epi32(0x0c080400, -1, -1, -1, 0x0c080400, -1, -1, -1);
    const __m256i second = _mm256_setr_epi32(-1, 0x0c080400, -1, -1, -1, 0x0c080400, -1, -1);
    const __m256i both = _mm256_or_si256(_mm256_shuffle_epi8(v.low, first), _mm256_shuffle_epi8(v.high, second));
    const __m256i in_row = _mm256_permutevar8x32_epi32(both, _mm256_setr_epi32(0, 4, 1, 5, 2, 3, 6, 7));
    const __m128i bytes = _mm256_castsi256_si128(in_row);
    uint8_t buffer[16];
    _mm_storeu_si128((void *)(n < 16 ? buffer : y), bytes);
    if (n < 16) memcpy(y, buffer, n);
}

KERN_INLINE f32x16 f32x16_load_f16(const uint16_t *x, size_t n)
{
    uint16_t buffer[16] = {0};
    if (n < 16) {
        memcpy(buffer, x, n * sizeof *x);
        x = buffer;
    }
    return pair_ps(_mm256_cvtph_ps(_mm_loadu_si128((const void *)x)),
                   _mm256_cvtph_ps(_mm_loadu_si128((const void *)(x + 8))));
}

KERN_INLINE void f32x16_store_f16(uint16_t *y, size_t n, f32x16 v)
{
    halves_store(y, n, _mm256_cvtps_ph(v.low, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_cvtps_ph(v.high, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

KERN_INLINE f64x8 f64x8_load(const double *x) { return (f64x8){_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4)}; }

KERN_INLINE f64x8 f64x8_load_first(const double *x, size_t n)
{
    if (n >= 8) return f64x8_load(x);
    if (n <= 4) return (f64x8){_mm256_maskload_pd(x, lanes4(n)), _mm256_setzero_pd()};
    return (f64x8){_mm256_loadu_pd(x), _mm256_maskload_pd(x + 4, lanes4(n - 4))};
}

KERN_INLINE f64x8 f64x8_load_f32(const float *x, size_t n)
{
    if (n >= 8) return (f64x8){_mm256_cvtps_pd(_mm_loadu_ps(x)), _mm256_cvtps_pd(_mm_loadu_ps(x + 4))};
    const __m256 v = _mm256_maskload_ps(x, lanes8(n));
    return (f64x8){_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}

KERN_INLINE void f64x8_store(double *y, f64x8 v)
{
    _mm256_storeu_pd(y, v.low);
    _mm256_storeu_pd(y + 4, v.high);
}

KERN_INLINE void f64x8_store_first(double *y, size_t n, f64x8 v)
{
    if (n >= 8)
        f64x8_store(y, v);
    else {
        _mm256_maskstore_pd(y, lanes4(n), v.low);
        if (n > 4) _mm256_maskstore_pd(y + 4, lanes4(n - 4), v.high);
    }
}

/* ---- Floats ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f32x16 f32x16_set1(float x)
{
    const __m256 v = _mm256_set1_ps(x);
    return pair_ps(v, v);
}

KERN_INLINE f32x16 f32x16_first(size_t n, f32x16 v)
{
    if (n >= 16) return v;
    return pair_ps(_mm256_and_ps(v.low, _mm256_castsi256_ps(lanes8(n))),
                   n > 8 ? _mm256_and_ps(v.high, _mm256_castsi256_ps(lanes8(n - 8))) : _mm256_setzero_ps());
}

KERN_INLINE f32x16 f32x16_add(f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high));
}

KERN_INLINE f32x16 f32x16_sub(f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high));
}

KERN_INLINE f32x16 f32x16_mul(f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high));
}

KERN_INLINE f32x16 f32x16_div(f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high));
}

KERN_INLINE f32x16 f32x16_sqrt(f32x16 v) { return pair_ps(_mm256_sqrt_ps(v.low), _mm256_sqrt_ps(v.high)); }

KERN_INLINE f32x16 f32x16_fma(f32x16 a, f32x16 b, f32x16 c)
{
    return pair_ps(_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high));
}

KERN_INLINE f32x16 f32x16_fms(f32x16 a, f32x16 b, f32x16 c)
{
    return pair_ps(_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high));
}

KERN_INLINE f32x16 f32x16_fnma(f32x16 a, f32x16 b, f32x16 c)
{
    return pair_ps(_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high));
}

KERN_INLINE f32x16 f32x16_min(f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high));
}

KERN_INLINE f32x16 f32x16_max(f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high));
}

KERN_INLINE f32x16 f32x16_abs(f32x16 v)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return pair_ps(_mm256_andnot_ps(sign, v.low), _mm256_andnot_ps(sign, v.high));
}

KERN_INLINE f32x16 f32x16_with_sign(f32x16 v, f32x16 s)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return pair_ps(_mm256_or_ps(v.low, _mm256_and_ps(sign, s.low)), _mm256_or_ps(v.high, _mm256_and_ps(sign, s.high)));
}

KERN_INLINE float f32x16_lane0(f32x16 v) { return _mm256_cvtss_f32(v.low); }

KERN_INLINE float f32x16_sum(f32x16 v)
{
    const __m256 eight = _mm256_add_ps(v.low, v.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

KERN_INLINE float f32x16_top(f32x16 v)
{
    const __m256 eight = _mm256_max_ps(v.low, v.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* ---- Masks ------------------------------------------------------------------------------------------------------------ */

KERN_INLINE mask16 f32x16_less(f32x16 a, f32x16 b)
{
    return (mask16){_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
}

KERN_INLINE mask16 f32x16_greater(f32x16 a, f32x16 b)
{
    return (mask16){_mm256_cmp_ps(a.low, b.low, _CMP_GT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_GT_OQ)};
}

KERN_INLINE mask16 f32x16_not_less(f32x16 a, f32x16 b)
{
    return (mask16){_mm256_cmp_ps(a.low, b.low, _CMP_NLT_UQ), _mm256_cmp_ps(a.high, b.high, _CMP_NLT_UQ)};
}

KERN_INLINE mask16 f32x16_is_nan(f32x16 v)
{
    return (mask16){_mm256_cmp_ps(v.low, v.low, _CMP_UNORD_Q), _mm256_cmp_ps(v.high, v.high, _CMP_UNORD_Q)};
}

KERN_INLINE mask16 f32x16_negative(f32x16 v)
{
    return (mask16){_mm256_castsi256_ps(_mm256_srai_epi32(_mm256_castps_si256(v.low), 31)),
                    _mm256_castsi256_ps(_mm256_srai_epi32(_mm256_castps_si256(v.high), 31))};
}

KERN_INLINE f32x16 f32x16_select(mask16 m, f32x16 a, f32x16 b)
{
    return pair_ps(_mm256_blendv_ps(b.low, a.low, m.low), _mm256_blendv_ps(b.high, a.high, m.high));
}

KERN_INLINE f32x16 f32x16_keep(mask16 m, f32x16 v)
{
    return pair_ps(_mm256_and_ps(m.low, v.low), _mm256_and_ps(m.high, v.high));
}

KERN_INLINE mask16 mask16_first(size_t n)
{
    return (mask16){_mm256_castsi256_ps(lanes8(n)), _mm256_castsi256_ps(lanes8(n > 8 ? n - 8 : 0))};
}

KERN_INLINE mask16 mask16_or(mask16 a, mask16 b)
{
    return (mask16){_mm256_or_ps(a.low, b.low), _mm256_or_ps(a.high, b.high)};
}

KERN_INLINE bool mask16_any(mask16 m) { return _mm256_movemask_ps(_mm256_or_ps(m.low, m.high)) != 0; }

/* ---- Integers --------------------------------------------------------------------------------------------------------- */

KERN_INLINE i32x16 i32x16_set1(uint32_t x)
{
    const __m256i v = _mm256_set1_epi32((int)x);
    return pair_epi32(v, v);
}

KERN_INLINE i32x16 i32x16_add(i32x16 a, i32x16 b)
{
    return pair_epi32(_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high));
}

KERN_INLINE i32x16 i32x16_sub(i32x16 a, i32x16 b)
{
    return pair_epi32(_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high));
}

KERN_INLINE i32x16 i32x16_and(i32x16 a, i32x16 b)
{
    return pair_epi32(_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high));
}

KERN_INLINE i32x16 i32x16_or(i32x16 a, i32x16 b)
{
    return pair_epi32(_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high));
}

KERN_INLINE i32x16 i32x16_max(i32x16 a, i32x16 b)
{
    return pair_epi32(_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high));
}

KERN_INLINE i32x16 i32x16_shift_left(i32x16 v, unsigned count)
{
    return pair_epi32(_mm256_slli_epi32(v.low, (int)count), _mm256_slli_epi32(v.high, (int)count));
}

KERN_INLINE i32x16 i32x16_shift_right(i32x16 v, unsigned count)
{
    return pair_epi32(_mm256_srli_epi32(v.low, (int)count), _mm256_srli_epi32(v.high, (int)count));
}

KERN_INLINE i32x16 i32x16_select(mask16 m, i32x16 a, i32x16 b)
{
    return pair_epi32(_mm256_blendv_epi8(b.low, a.low, _mm256_castps_si256(m.low)),
                      _mm256_blendv_epi8(b.high, a.high, _mm256_castps_si256(m.high)));
}

KERN_INLINE int32_t i32x16_top(i32x16 v)
{
    const __m256i eight = _mm256_max_epi32(v.low, v.high);
    const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

/* Eight upper halves to the four lanes of each half, those of v first: packing works within halves, groups of four stand in
 * the order 0 2 1 3. */
KERN_INLINE __m256i upper_halves8(__m256i v, __m256i w)
{
    const __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(v, 16), _mm256_srli_epi32(w, 16));
    return _mm256_permute4x64_epi64(packed, 0xd8);
}

KERN_INLINE i32x16 i32x16_upper_halves(i32x16 a, i32x16 b)
{
    return pair_epi32(upper_halves8(a.low, a.high), upper_halves8(b.low, b.high));
}

KERN_INLINE i32x16 i32x16_round(f32x16 v) { return pair_epi32(_mm256_cvtps_epi32(v.low), _mm256_cvtps_epi32(v.high)); }
KERN_INLINE f32x16 f32x16_of_i32(i32x16 v) { return pair_ps(_mm256_cvtepi32_ps(v.low), _mm256_cvtepi32_ps(v.high)); }

/* A permutation looks at the last three bits of an index. */
KERN_INLINE f32x16 f32x16_lookup8(const float *table, i32x16 index)
{
    const __m256 t = _mm256_loadu_ps(table);
    return pair_ps(_mm256_permutevar8x32_ps(t, index.low), _mm256_permutevar8x32_ps(t, index.high));
}

/* ---- Doubles ---------------------------------------------------------------------------------------------------------- */

KERN_INLINE f64x8 f64x8_set1(double x)
{
    const __m256d v = _mm256_set1_pd(x);
    return (f64x8){v, v};
}

KERN_INLINE f64x8 f64x8_add(f64x8 a, f64x8 b)
{
    return (f64x8){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}

KERN_INLINE f64x8 f64x8_mul(f64x8 a, f64x8 b)
{
    return (f64x8){_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
}

KERN_INLINE f64x8 f64x8_add_product(f64x8 a, f64x8 b, f64x8 s)
{
    return (f64x8){_mm256_fmadd_pd(a.low, b.low, s.low), _mm256_fmadd_pd(a.high, b.high, s.high)};
}

KERN_INLINE f64x8 widen8(__m256 v)
{
    return (f64x8){_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}

KERN_INLINE f64x8 f64x8_low(f32x16 v) { return widen8(v.low); }
KERN_INLINE f64x8 f64x8_high(f32x16 v) { return widen8(v.high); }

KERN_INLINE double f64x8_sum(f64x8 v)
{
    const __m256d four = _mm256_add_pd(v.low, v.high);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* ---- Blocks: of 8 x 8, transposed in registers ------------------------------------------------------------------------- */

/* Transposes the 8 x 8 block whose rows are r[0..7]. */
KERN_INLINE void transpose8(__m256 r[8])
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

/* Rows [0, rows), columns [0, columns) of x to y[j * ldy + i], i < kept; all at most 8, and constants for whole blocks. */
KERN_INLINE void block8(size_t rows, size_t columns, size_t kept, const float *x, size_t ldx, float *y, size_t ldy)
{
    const __m256i in = lanes8(columns), out = lanes8(kept);
    __m256 r[8];
    KERN_UNROLL
    for (size_t i = 0; i < 8; i++)
        r[i] = i >= rows      ? _mm256_setzero_ps()
               : columns == 8 ? _mm256_loadu_ps(x + i * ldx)
                              : _mm256_maskload_ps(x + i * ldx, in);
    transpose8(r);
    KERN_UNROLL
    for (size_t j = 0; j < 8; j++) {
        if (j >= columns) continue;
        if (kept == 8)
            _mm256_storeu_ps(y + j * ldy, r[j]);
        else
            _mm256_maskstore_ps(y + j * ldy, out, r[j]);
    }
}

KERN_INLINE void block16_transpose(const float *x, size_t ldx, float *y, size_t ldy)
{
    KERN_UNROLL
    for (size_t q = 0; q < 4; q++)
        block8(8, 8, 8, x + q % 2 * 8 * ldx + q / 2 * 8, ldx, y + q / 2 * 8 * ldy + q % 2 * 8, ldy);
}

static inline void block16_transpose_part(size_t rows, size_t columns, size_t kept, const float *x, size_t ldx, float *y,
                                          size_t ldy)
{
    for (size_t j = 0; j < columns; j += 8)
        for (size_t i = 0; i < kept; i += 8) {
            const size_t n = i >= rows ? 0 : rows - i < 8 ? rows - i : 8, m = columns - j < 8 ? columns - j : 8;
            const float *from = n > 0 ? x + i * ldx + j : x;
            if (n == 8 && m == 8 && kept - i >= 8)
                block8(8, 8, 8, from, ldx, y + j * ldy + i, ldy);
            else
                block8(n, m, kept - i < 8 ? kept - i : 8, from, ldx, y + j * ldy + i, ldy);
        }
}

KERN_INLINE void block16_interleave6(const float *x, size_t ldx, float *y)
{
    block8(6, 8, 6, x, ldx, y, 6);
    block8(6, 8, 6, x + 8, ldx, y + 48, 6);
}

#endif
