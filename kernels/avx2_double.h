/* 8 floats widened to double, for sums over many rows; AVX2. */
#ifndef KERNELS_AVX2_DOUBLE_H
#define KERNELS_AVX2_DOUBLE_H

#include "kernels/avx2.h"

typedef struct kern_wide_avx2 {
    __m256d low, high;
} kern_wide_avx2;

static inline kern_wide_avx2 kern_wide_zero_avx2(void)
{
    return (kern_wide_avx2){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

/* The mask of 4 doubles from that of 4 floats. */
static inline __m256i kern_wide_lanes_avx2(__m128i lanes)
{
    return _mm256_cvtepi32_epi64(lanes);
}

/* The first min(n, 8) doubles at x, zeros after them. */
static inline kern_wide_avx2 kern_wide_load_avx2(const double *x, size_t n)
{
    if (n >= 8) return (kern_wide_avx2){_mm256_loadu_pd(x), _mm256_loadu_pd(x + 4)};
    const __m256i lanes = kern_lanes_avx2(n);
    return (kern_wide_avx2){_mm256_maskload_pd(x, kern_wide_lanes_avx2(_mm256_castsi256_si128(lanes))),
                            _mm256_maskload_pd(x + 4, kern_wide_lanes_avx2(_mm256_extracti128_si256(lanes, 1)))};
}

static inline void kern_wide_store_avx2(double *y, size_t n, kern_wide_avx2 v)
{
    if (n >= 8) {
        _mm256_storeu_pd(y, v.low);
        _mm256_storeu_pd(y + 4, v.high);
        return;
    }
    const __m256i lanes = kern_lanes_avx2(n);
    _mm256_maskstore_pd(y, kern_wide_lanes_avx2(_mm256_castsi256_si128(lanes)), v.low);
    _mm256_maskstore_pd(y + 4, kern_wide_lanes_avx2(_mm256_extracti128_si256(lanes, 1)), v.high);
}

static inline kern_wide_avx2 kern_widen_avx2(__m256 v)
{
    return (kern_wide_avx2){_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}

static inline kern_wide_avx2 kern_wide_add_avx2(kern_wide_avx2 s, kern_wide_avx2 v)
{
    return (kern_wide_avx2){_mm256_add_pd(s.low, v.low), _mm256_add_pd(s.high, v.high)};
}

/* s + a * b. Products of two floats are exact in double, so that fusing them changes no bit. */
static inline kern_wide_avx2 kern_wide_fma_avx2(kern_wide_avx2 a, kern_wide_avx2 b, kern_wide_avx2 s)
{
    return (kern_wide_avx2){_mm256_fmadd_pd(a.low, b.low, s.low), _mm256_fmadd_pd(a.high, b.high, s.high)};
}

#endif
