/* The avx2 tier in parts, each filling its members of the table, and what its files share. Only the tier's own files
 * include this header. */
#ifndef KERNELS_AVX2_H
#define KERNELS_AVX2_H

#include "kernels/kernels.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with the avx2 tier's flags"
#endif

#include <immintrin.h>

/* Unrolls a loop of constant length whole, so that arrays of vectors are registers. Each compiler ignores the other's.
 */
#ifdef __clang__
#define KERN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KERN_UNROLL _Pragma("GCC unroll 16")
#endif

void kern_table_fill_avx2_gemm(kern_table *t);
void kern_table_fill_avx2_pack(kern_table *t);
void kern_table_fill_avx2_math(kern_table *t);
void kern_table_fill_avx2_norm(kern_table *t);
void kern_table_fill_avx2_reduce(kern_table *t);
void kern_table_fill_avx2_attention(kern_table *t);
void kern_table_fill_avx2_convert(kern_table *t);
void kern_table_fill_avx2_transpose(kern_table *t);
void kern_table_fill_avx2_backward_math(kern_table *t);
void kern_table_fill_avx2_backward_norm(kern_table *t);
void kern_table_fill_avx2_backward_attention(kern_table *t);
void kern_table_fill_avx2_optimizer(kern_table *t);
void kern_table_fill_avx2_i8(kern_table *t);
void kern_table_fill_avx2_quantise(kern_table *t);

/* The first min(n, 8) of 8 lanes, as maskload and maskstore want them. */
static inline __m256i kern_lanes_avx2(size_t n)
{
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), index);
}

/* The first min(n, 8) floats at x, zeros after them. Masks only where needed: a masked store is slow on many CPUs. */
static inline __m256 kern_load_avx2(const float *x, size_t n)
{
    return n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, kern_lanes_avx2(n));
}

static inline void kern_store_avx2(float *y, size_t n, __m256 v)
{
    if (n >= 8)
        _mm256_storeu_ps(y, v);
    else
        _mm256_maskstore_ps(y, kern_lanes_avx2(n), v);
}

/* The first min(n, 8) lanes of v, zeros after them. */
static inline __m256 kern_first_avx2(size_t n, __m256 v)
{
    return n >= 8 ? v : _mm256_and_ps(v, _mm256_castsi256_ps(kern_lanes_avx2(n)));
}

/* ((v0 + v4) + (v2 + v6)) + ((v1 + v5) + (v3 + v7)) */
static inline float kern_add_lanes_avx2(__m256 v)
{
    const __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 t = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

static inline float kern_max_lanes_avx2(__m256 v)
{
    const __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 t = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(t, _mm_movehdup_ps(t)));
}

#endif
