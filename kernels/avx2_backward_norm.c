/* Sums per channel and the backward of layer norm, AVX2. Sums over rows run in double, 8 channels in registers over
 * a few rows at a time, so that the rows stay in L1 while the strips of channels pass. Contracts: kernels.h. */
#include "kernels/avx2_double.h"

enum { LANES = 8, SUM_ROWS = 8, NORM_ROWS = 4 };

static void kern_channel_sum_f32_avx2(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t i = 0; i < rows; i += SUM_ROWS) {
        const size_t count = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t lanes = channels - c;
            const float *at = x + i * ldx + c;
            kern_wide_avx2 s = kern_wide_load_avx2(sum + c, lanes);
            for (size_t q = 0; q < count; q++, at += ldx)
                s = kern_wide_add_avx2(s, kern_widen_avx2(kern_load_avx2(at, lanes)));
            kern_wide_store_avx2(sum + c, lanes, s);
        }
    }
}

static void kern_channel_dot_f32_avx2(size_t rows, size_t channels, const float *x, size_t ldx, const float *y,
                                      size_t ldy, double *sum)
{
    for (size_t i = 0; i < rows; i += SUM_ROWS) {
        const size_t count = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t lanes = channels - c;
            const float *xat = x + i * ldx + c, *yat = y + i * ldy + c;
            kern_wide_avx2 s = kern_wide_load_avx2(sum + c, lanes);
            for (size_t q = 0; q < count; q++, xat += ldx, yat += ldy)
                s = kern_wide_fma_avx2(kern_widen_avx2(kern_load_avx2(xat, lanes)),
                                       kern_widen_avx2(kern_load_avx2(yat, lanes)), s);
            kern_wide_store_avx2(sum + c, lanes, s);
        }
    }
}

/* One row's statistics and, from its gradient, the means that dx needs. */
typedef struct norm_row {
    float mean, rstd, mean_g, mean_gh;
} norm_row;

/* Sums of g = dy * gamma and of g * h. */
typedef struct gradient_sums {
    __m256 g, gh;
} gradient_sums;

static inline gradient_sums gather(gradient_sums s, const norm_row *row, size_t lanes, const float *x,
                                   const float *gamma, const float *dy)
{
    const __m256 centred = _mm256_sub_ps(kern_load_avx2(x, lanes), _mm256_set1_ps(row->mean));
    const __m256 h = kern_first_avx2(lanes, _mm256_mul_ps(centred, _mm256_set1_ps(row->rstd)));
    const __m256 g = _mm256_mul_ps(kern_load_avx2(dy, lanes), kern_load_avx2(gamma, lanes));
    return (gradient_sums){_mm256_add_ps(s.g, g), _mm256_fmadd_ps(g, h, s.gh)};
}

/* The means of g and g * h, from two accumulators each that take vectors in turn. */
static inline void gradient_means(size_t n, const float *x, const float *gamma, const float *dy, norm_row *row)
{
    gradient_sums s0 = {_mm256_setzero_ps(), _mm256_setzero_ps()}, s1 = s0;
    size_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        s0 = gather(s0, row, LANES, x + j, gamma + j, dy + j);
        s1 = gather(s1, row, LANES, x + j + LANES, gamma + j + LANES, dy + j + LANES);
    }
    for (; j < n; j += LANES) s0 = gather(s0, row, n - j, x + j, gamma + j, dy + j);
    row->mean_g = kern_add_lanes_avx2(_mm256_add_ps(s0.g, s1.g)) / (float)n;
    row->mean_gh = kern_add_lanes_avx2(_mm256_add_ps(s0.gh, s1.gh)) / (float)n;
}

/* 8 channels of some rows. Any of dx, dgamma and dbeta may be NULL. */
static inline void norm_strip(size_t rows, const norm_row *row, size_t lanes, const float *x, size_t ldx,
                              const float *gamma, const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma,
                              double *dbeta)
{
    const __m256 scale = kern_load_avx2(gamma, lanes);
    const kern_wide_avx2 zero = kern_wide_zero_avx2();
    kern_wide_avx2 s_gamma = dgamma != NULL ? kern_wide_load_avx2(dgamma, lanes) : zero;
    kern_wide_avx2 s_beta = dbeta != NULL ? kern_wide_load_avx2(dbeta, lanes) : zero;
    for (size_t i = 0; i < rows; i++) {
        const __m256 centred = _mm256_sub_ps(kern_load_avx2(x + i * ldx, lanes), _mm256_set1_ps(row[i].mean));
        const __m256 rstd = _mm256_set1_ps(row[i].rstd), h = _mm256_mul_ps(centred, rstd);
        const __m256 d = kern_load_avx2(dy + i * lddy, lanes);
        const kern_wide_avx2 wide = kern_widen_avx2(d);
        s_gamma = kern_wide_fma_avx2(wide, kern_widen_avx2(h), s_gamma);
        s_beta = kern_wide_add_avx2(s_beta, wide);
        if (dx != NULL) {
            const __m256 g = _mm256_fmsub_ps(d, scale, _mm256_set1_ps(row[i].mean_g));
            const __m256 along = _mm256_fnmadd_ps(h, _mm256_set1_ps(row[i].mean_gh), g);
            float *at = dx + i * lddx;
            kern_store_avx2(at, lanes, _mm256_fmadd_ps(rstd, along, kern_load_avx2(at, lanes)));
        }
    }
    if (dgamma != NULL) kern_wide_store_avx2(dgamma, lanes, s_gamma);
    if (dbeta != NULL) kern_wide_store_avx2(dbeta, lanes, s_beta);
}

static void kern_layer_norm_backward_f32_avx2(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                              const float *mean, const float *rstd, const float *dy, size_t lddy,
                                              float *dx, size_t lddx, double *dgamma, double *dbeta)
{
    for (size_t i = 0; i < rows; i += NORM_ROWS) {
        const size_t count = rows - i < NORM_ROWS ? rows - i : NORM_ROWS;
        const float *xi = x + i * ldx, *dyi = dy + i * lddy;
        norm_row row[NORM_ROWS];
        for (size_t q = 0; q < count; q++) {
            row[q] = (norm_row){.mean = mean[i + q], .rstd = rstd[i + q]};
            if (dx != NULL) gradient_means(n, xi + q * ldx, gamma, dyi + q * lddy, &row[q]);
        }
        for (size_t j = 0; j < n; j += LANES)
            norm_strip(count, row, n - j, xi + j, ldx, gamma + j, dyi + j, lddy, dx != NULL ? dx + i * lddx + j : NULL,
                       lddx, dgamma != NULL ? dgamma + j : NULL, dbeta != NULL ? dbeta + j : NULL);
    }
}

void kern_table_fill_avx2_backward_norm(kern_table *t)
{
    t->channel_sum_f32 = kern_channel_sum_f32_avx2;
    t->channel_dot_f32 = kern_channel_dot_f32_avx2;
    t->layer_norm_backward_f32 = kern_layer_norm_backward_f32_avx2;
}
