/* Layer norm, moments and affine per channel, row scaling; AVX-512. A reduction over a row goes to four accumulators in
 * turn and is added up in one fixed order. Contracts: kernels.h. */
#include "kernels/avx512.h"

#include <math.h>

enum { LANES = 16, STEP = 4 * LANES };

static inline float add_up(const __m512 s[4])
{
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

static inline float row_sum(size_t n, const float *x)
{
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t j = 0;
    for (; j + STEP <= n; j += STEP) {
        KERN_UNROLL
        for (size_t q = 0; q < 4; q++) s[q] = _mm512_add_ps(s[q], _mm512_loadu_ps(x + j + q * LANES));
    }
    for (; j < n; j += LANES) s[0] = _mm512_add_ps(s[0], _mm512_maskz_loadu_ps(kern_lanes_avx512(n - j), x + j));
    return add_up(s);
}

/* sum (x - mean)^2 */
static inline float row_squares(size_t n, const float *x, float mean)
{
    const __m512 mu = _mm512_set1_ps(mean);
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t j = 0;
    for (; j + STEP <= n; j += STEP) {
        KERN_UNROLL
        for (size_t q = 0; q < 4; q++) {
            const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + j + q * LANES), mu);
            s[q] = _mm512_fmadd_ps(d, d, s[q]);
        }
    }
    for (; j < n; j += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - j);
        const __m512 d = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + j), mu);
        s[0] = _mm512_fmadd_ps(d, d, s[0]);
    }
    return add_up(s);
}

static void kern_layer_norm_f32_avx512(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                       const float *beta, float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    if (n == 0) return;
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx;
        float *yi = y + i * ldy;
        const float mu = row_sum(n, xi) / (float)n;
        const float r = 1.0f / sqrtf(row_squares(n, xi, mu) / (float)n + eps);
        const __m512 muv = _mm512_set1_ps(mu), rv = _mm512_set1_ps(r);
        for (size_t j = 0; j < n; j += LANES) {
            const __mmask16 lanes = kern_lanes_avx512(n - j);
            const __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, xi + j), muv);
            const __m512 v = _mm512_fmadd_ps(_mm512_mul_ps(d, rv), _mm512_maskz_loadu_ps(lanes, gamma + j),
                                             _mm512_maskz_loadu_ps(lanes, beta + j));
            _mm512_mask_storeu_ps(yi + j, lanes, v);
        }
        if (mean != NULL) mean[i] = mu;
        if (rstd != NULL) rstd[i] = r;
    }
}

/* A block of rows x 16 channels. Products of two floats are exact in double, so the fused forms below give the bits of
 * a product and a sum; only the weighted square has a product that rounds, and it is kept apart. */
static inline void moments_strip(size_t rows, __mmask16 lanes, const float *x, size_t ldx, const float *weight,
                                 double *sum, double *sumsq)
{
    const __mmask8 low = (__mmask8)lanes, high = (__mmask8)(lanes >> 8);
    __m512d s0 = _mm512_maskz_loadu_pd(low, sum), s1 = _mm512_maskz_loadu_pd(high, sum + 8);
    __m512d q0 = _mm512_maskz_loadu_pd(low, sumsq), q1 = _mm512_maskz_loadu_pd(high, sumsq + 8);
    for (size_t i = 0; i < rows; i++) {
        const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i * ldx);
        const __m512d v0 = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        const __m512d v1 = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
        if (weight != NULL) {
            const __m512d w = _mm512_set1_pd((double)weight[i]);
            const __m512d w0 = _mm512_mul_pd(w, v0), w1 = _mm512_mul_pd(w, v1);
            s0 = _mm512_add_pd(s0, w0);
            s1 = _mm512_add_pd(s1, w1);
            q0 = _mm512_add_pd(q0, _mm512_mul_pd(w0, v0));
            q1 = _mm512_add_pd(q1, _mm512_mul_pd(w1, v1));
        } else {
            s0 = _mm512_add_pd(s0, v0);
            s1 = _mm512_add_pd(s1, v1);
            q0 = _mm512_fmadd_pd(v0, v0, q0);
            q1 = _mm512_fmadd_pd(v1, v1, q1);
        }
    }
    _mm512_mask_storeu_pd(sum, low, s0);
    _mm512_mask_storeu_pd(sum + 8, high, s1);
    _mm512_mask_storeu_pd(sumsq, low, q0);
    _mm512_mask_storeu_pd(sumsq + 8, high, q1);
}

static void kern_channel_moments_f32_avx512(size_t rows, size_t channels, const float *x, size_t ldx,
                                            const float *weight, double *sum, double *sumsq)
{
    /* 8 rows at a time: 8 x 1024 floats stay in L1 while the strips pass, and strips do not run far down the columns.
     */
    for (size_t i = 0; i < rows; i += 8) {
        const size_t count = rows - i < 8 ? rows - i : 8;
        for (size_t c = 0; c < channels; c += LANES)
            moments_strip(count, kern_lanes_avx512(channels - c), x + i * ldx + c, ldx,
                          weight != NULL ? weight + i : NULL, sum + c, sumsq + c);
    }
}

static void kern_channel_affine_f32_avx512(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                                           const float *shift, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c += LANES) {
            const __mmask16 lanes = kern_lanes_avx512(channels - c);
            const __m512 v =
                _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, x + i * ldx + c), _mm512_maskz_loadu_ps(lanes, scale + c),
                                _mm512_maskz_loadu_ps(lanes, shift + c));
            _mm512_mask_storeu_ps(y + i * ldy + c, lanes, v);
        }
}

static void kern_scale_rows_f32_avx512(size_t rows, size_t n, float *x, size_t ldx, const float *factor)
{
    for (size_t i = 0; i < rows; i++) {
        const __m512 f = _mm512_set1_ps(factor[i]);
        for (size_t j = 0; j < n; j += LANES) {
            const __mmask16 lanes = kern_lanes_avx512(n - j);
            float *at = x + i * ldx + j;
            _mm512_mask_storeu_ps(at, lanes, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, at), f));
        }
    }
}

void kern_table_fill_avx512_norm(kern_table *t)
{
    t->layer_norm_f32 = kern_layer_norm_f32_avx512;
    t->channel_moments_f32 = kern_channel_moments_f32_avx512;
    t->channel_affine_f32 = kern_channel_affine_f32_avx512;
    t->scale_rows_f32 = kern_scale_rows_f32_avx512;
}
