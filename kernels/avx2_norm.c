/* Layer norm, moments and affine per channel, row scaling; AVX2. A reduction over a row goes to four accumulators in
 * turn and is added up in one fixed order. Contracts: kernels.h. */
#include "kernels/avx2.h"

#include <math.h>

enum { LANES = 8, STEP = 4 * LANES };

static inline float add_up(const __m256 s[4])
{
    return kern_add_lanes_avx2(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3])));
}

static inline float row_sum(size_t n, const float *x)
{
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t j = 0;
    for (; j + STEP <= n; j += STEP) {
        KERN_UNROLL
        for (size_t q = 0; q < 4; q++) s[q] = _mm256_add_ps(s[q], _mm256_loadu_ps(x + j + q * LANES));
    }
    for (; j < n; j += LANES) s[0] = _mm256_add_ps(s[0], kern_load_avx2(x + j, n - j));
    return add_up(s);
}

/* sum (x - mean)^2 */
static inline float row_squares(size_t n, const float *x, float mean)
{
    const __m256 mu = _mm256_set1_ps(mean);
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t j = 0;
    for (; j + STEP <= n; j += STEP) {
        KERN_UNROLL
        for (size_t q = 0; q < 4; q++) {
            const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + j + q * LANES), mu);
            s[q] = _mm256_fmadd_ps(d, d, s[q]);
        }
    }
    for (; j < n; j += LANES) {
        const size_t lanes = n - j;
        const __m256 d =
            _mm256_and_ps(_mm256_sub_ps(kern_load_avx2(x + j, lanes), mu), _mm256_castsi256_ps(kern_lanes_avx2(lanes)));
        s[0] = _mm256_fmadd_ps(d, d, s[0]);
    }
    return add_up(s);
}

static void kern_layer_norm_f32_avx2(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                     const float *beta, float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    if (n == 0) return;
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx;
        float *yi = y + i * ldy;
        const float mu = row_sum(n, xi) / (float)n;
        const float r = 1.0f / sqrtf(row_squares(n, xi, mu) / (float)n + eps);
        const __m256 muv = _mm256_set1_ps(mu), rv = _mm256_set1_ps(r);
        for (size_t j = 0; j < n; j += LANES) {
            const size_t lanes = n - j;
            const __m256 d = _mm256_sub_ps(kern_load_avx2(xi + j, lanes), muv);
            const __m256 v = _mm256_fmadd_ps(_mm256_mul_ps(d, rv), kern_load_avx2(gamma + j, lanes),
                                             kern_load_avx2(beta + j, lanes));
            kern_store_avx2(yi + j, lanes, v);
        }
        if (mean != NULL) mean[i] = mu;
        if (rstd != NULL) rstd[i] = r;
    }
}

/* A block of rows x 8 channels. Products of two floats are exact in double, so the fused forms below give the bits of
 * a product and a sum; only the weighted square has a product that rounds, and it is kept apart. */
static inline void moments_strip(size_t rows, const float *x, size_t ldx, const float *weight, double *sum,
                                 double *sumsq)
{
    __m256d s0 = _mm256_loadu_pd(sum), s1 = _mm256_loadu_pd(sum + 4);
    __m256d q0 = _mm256_loadu_pd(sumsq), q1 = _mm256_loadu_pd(sumsq + 4);
    for (size_t i = 0; i < rows; i++) {
        const __m256d v0 = _mm256_cvtps_pd(_mm_loadu_ps(x + i * ldx));
        const __m256d v1 = _mm256_cvtps_pd(_mm_loadu_ps(x + i * ldx + 4));
        if (weight != NULL) {
            const __m256d w = _mm256_set1_pd((double)weight[i]);
            const __m256d w0 = _mm256_mul_pd(w, v0), w1 = _mm256_mul_pd(w, v1);
            s0 = _mm256_add_pd(s0, w0);
            s1 = _mm256_add_pd(s1, w1);
            q0 = _mm256_add_pd(q0, _mm256_mul_pd(w0, v0));
            q1 = _mm256_add_pd(q1, _mm256_mul_pd(w1, v1));
        } else {
            s0 = _mm256_add_pd(s0, v0);
            s1 = _mm256_add_pd(s1, v1);
            q0 = _mm256_fmadd_pd(v0, v0, q0);
            q1 = _mm256_fmadd_pd(v1, v1, q1);
        }
    }
    _mm256_storeu_pd(sum, s0);
    _mm256_storeu_pd(sum + 4, s1);
    _mm256_storeu_pd(sumsq, q0);
    _mm256_storeu_pd(sumsq + 4, q1);
}

/* One channel of the last, incomplete strip. */
static inline void moments_channel(size_t rows, const float *x, size_t ldx, const float *weight, double *sum,
                                   double *sumsq)
{
    for (size_t i = 0; i < rows; i++) {
        const double v = x[i * ldx], wv = weight != NULL ? (double)weight[i] * v : v;
        *sum += wv;
        *sumsq += wv * v;
    }
}

static void kern_channel_moments_f32_avx2(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight,
                                          double *sum, double *sumsq)
{
    /* 8 rows at a time: 8 x 1024 floats stay in L1 while the strips pass, and strips do not run far down the columns.
     */
    for (size_t i = 0; i < rows; i += 8) {
        const size_t count = rows - i < 8 ? rows - i : 8;
        const float *w = weight != NULL ? weight + i : NULL;
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES) moments_strip(count, x + i * ldx + c, ldx, w, sum + c, sumsq + c);
        for (; c < channels; c++) moments_channel(count, x + i * ldx + c, ldx, w, sum + c, sumsq + c);
    }
}

static void kern_channel_affine_f32_avx2(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                                         const float *shift, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t lanes = channels - c;
            const __m256 v = _mm256_fmadd_ps(kern_load_avx2(x + i * ldx + c, lanes), kern_load_avx2(scale + c, lanes),
                                             kern_load_avx2(shift + c, lanes));
            kern_store_avx2(y + i * ldy + c, lanes, v);
        }
}

static void kern_scale_rows_f32_avx2(size_t rows, size_t n, float *x, size_t ldx, const float *factor)
{
    for (size_t i = 0; i < rows; i++) {
        const __m256 f = _mm256_set1_ps(factor[i]);
        for (size_t j = 0; j < n; j += LANES) {
            const size_t lanes = n - j;
            float *at = x + i * ldx + j;
            kern_store_avx2(at, lanes, _mm256_mul_ps(kern_load_avx2(at, lanes), f));
        }
    }
}

void kern_table_fill_avx2_norm(kern_table *t)
{
    t->layer_norm_f32 = kern_layer_norm_f32_avx2;
    t->channel_moments_f32 = kern_channel_moments_f32_avx2;
    t->channel_affine_f32 = kern_channel_affine_f32_avx2;
    t->scale_rows_f32 = kern_scale_rows_f32_avx2;
}
