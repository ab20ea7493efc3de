/* 16 floats widened to double, for sums over many rows; AVX-512. */
#ifndef KERNELS_AVX512_DOUBLE_H
#define KERNELS_AVX512_DOUBLE_H

#include "kernels/avx512.h"

typedef struct kern_wide_avx512 {
    __m512d low, high;
} kern_wide_avx512;

static inline kern_wide_avx512 kern_wide_zero_avx512(void)
{
    return (kern_wide_avx512){_mm512_setzero_pd(), _mm512_setzero_pd()};
}

static inline kern_wide_avx512 kern_wide_load_avx512(const double *x, __mmask16 lanes)
{
    return (kern_wide_avx512){_mm512_maskz_loadu_pd((__mmask8)lanes, x),
                              _mm512_maskz_loadu_pd((__mmask8)(lanes >> 8), x + 8)};
}

static inline void kern_wide_store_avx512(double *y, __mmask16 lanes, kern_wide_avx512 v)
{
    _mm512_mask_storeu_pd(y, (__mmask8)lanes, v.low);
    _mm512_mask_storeu_pd(y + 8, (__mmask8)(lanes >> 8), v.high);
}

static inline kern_wide_avx512 kern_widen_avx512(__m512 v)
{
    return (kern_wide_avx512){_mm512_cvtps_pd(_mm512_castps512_ps256(v)),
                              _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
}

static inline kern_wide_avx512 kern_wide_add_avx512(kern_wide_avx512 s, kern_wide_avx512 v)
{
    return (kern_wide_avx512){_mm512_add_pd(s.low, v.low), _mm512_add_pd(s.high, v.high)};
}

/* s + a * b. Products of two floats are exact in double, so that fusing them changes no bit. */
static inline kern_wide_avx512 kern_wide_fma_avx512(kern_wide_avx512 a, kern_wide_avx512 b, kern_wide_avx512 s)
{
    return (kern_wide_avx512){_mm512_fmadd_pd(a.low, b.low, s.low), _mm512_fmadd_pd(a.high, b.high, s.high)};
}

#endif
