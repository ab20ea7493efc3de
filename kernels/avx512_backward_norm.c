/* Sums per channel and the backward of layer norm, AVX-512. Sums over rows run in double, 16 channels in registers over
 * a few rows at a time, so that the rows stay in L1 while the strips of channels pass. Contracts: kernels.h. */
#include "kernels/avx512_double.h"

enum { LANES = 16, SUM_ROWS = 8, NORM_ROWS = 4 };

static void kern_channel_sum_f32_avx512(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t i = 0; i < rows; i += SUM_ROWS) {
        const size_t count = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
        for (size_t c = 0; c < channels; c += LANES) {
            const __mmask16 lanes = kern_lanes_avx512(channels - c);
            const float *at = x + i * ldx + c;
            kern_wide_avx512 s = kern_wide_load_avx512(sum + c, lanes);
            for (size_t q = 0; q < count; q++, at += ldx)
                s = kern_wide_add_avx512(s, kern_widen_avx512(_mm512_maskz_loadu_ps(lanes, at)));
            kern_wide_store_avx512(sum + c, lanes, s);
        }
    }
}

static void kern_channel_dot_f32_avx512(size_t rows, size_t channels, const float *x, size_t ldx, const float *y,
                                        size_t ldy, double *sum)
{
    for (size_t i = 0; i < rows; i += SUM_ROWS) {
        const size_t count = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
        for (size_t c = 0; c < channels; c += LANES) {
            const __mmask16 lanes = kern_lanes_avx512(channels - c);
            const float *xat = x + i * ldx + c, *yat = y + i * ldy + c;
            kern_wide_avx512 s = kern_wide_load_avx512(sum + c, lanes);
            for (size_t q = 0; q < count; q++, xat += ldx, yat += ldy)
                s = kern_wide_fma_avx512(kern_widen_avx512(_mm512_maskz_loadu_ps(lanes, xat)),
                                         kern_widen_avx512(_mm512_maskz_loadu_ps(lanes, yat)), s);
            kern_wide_store_avx512(sum + c, lanes, s);
        }
    }
}

/* One row's statistics and, from its gradient, the means that dx needs. */
typedef struct norm_row {
    float mean, rstd, mean_g, mean_gh;
} norm_row;

/* Sums of g = dy * gamma and of g * h. */
typedef struct gradient_sums {
    __m512 g, gh;
} gradient_sums;

static inline gradient_sums gather(gradient_sums s, const norm_row *row, __mmask16 lanes, const float *x,
                                   const float *gamma, const float *dy)
{
    const __m512 centred = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x), _mm512_set1_ps(row->mean));
    const __m512 h = _mm512_mul_ps(centred, _mm512_set1_ps(row->rstd));
    const __m512 g = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, dy), _mm512_maskz_loadu_ps(lanes, gamma));
    return (gradient_sums){_mm512_add_ps(s.g, g), _mm512_mask3_fmadd_ps(g, h, s.gh, lanes)};
}

/* The means of g and g * h, from two accumulators each that take vectors in turn. */
static inline void gradient_means(size_t n, const float *x, const float *gamma, const float *dy, norm_row *row)
{
    gradient_sums s0 = {_mm512_setzero_ps(), _mm512_setzero_ps()}, s1 = s0;
    size_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        s0 = gather(s0, row, (__mmask16)0xffff, x + j, gamma + j, dy + j);
        s1 = gather(s1, row, (__mmask16)0xffff, x + j + LANES, gamma + j + LANES, dy + j + LANES);
    }
    for (; j < n; j += LANES) s0 = gather(s0, row, kern_lanes_avx512(n - j), x + j, gamma + j, dy + j);
    row->mean_g = _mm512_reduce_add_ps(_mm512_add_ps(s0.g, s1.g)) / (float)n;
    row->mean_gh = _mm512_reduce_add_ps(_mm512_add_ps(s0.gh, s1.gh)) / (float)n;
}

/* 16 channels of some rows. Any of dx, dgamma and dbeta may be NULL. */
static inline void norm_strip(size_t rows, const norm_row *row, __mmask16 lanes, const float *x, size_t ldx,
                              const float *gamma, const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma,
                              double *dbeta)
{
    const __m512 scale = _mm512_maskz_loadu_ps(lanes, gamma);
    const kern_wide_avx512 zero = kern_wide_zero_avx512();
    kern_wide_avx512 s_gamma = dgamma != NULL ? kern_wide_load_avx512(dgamma, lanes) : zero;
    kern_wide_avx512 s_beta = dbeta != NULL ? kern_wide_load_avx512(dbeta, lanes) : zero;
    for (size_t i = 0; i < rows; i++) {
        const __m512 centred = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i * ldx), _mm512_set1_ps(row[i].mean));
        const __m512 rstd = _mm512_set1_ps(row[i].rstd), h = _mm512_mul_ps(centred, rstd);
        const __m512 d = _mm512_maskz_loadu_ps(lanes, dy + i * lddy);
        const kern_wide_avx512 wide = kern_widen_avx512(d);
        s_gamma = kern_wide_fma_avx512(wide, kern_widen_avx512(h), s_gamma);
        s_beta = kern_wide_add_avx512(s_beta, wide);
        if (dx != NULL) {
            const __m512 g = _mm512_fmsub_ps(d, scale, _mm512_set1_ps(row[i].mean_g));
            const __m512 along = _mm512_fnmadd_ps(h, _mm512_set1_ps(row[i].mean_gh), g);
            float *at = dx + i * lddx;
            _mm512_mask_storeu_ps(at, lanes, _mm512_fmadd_ps(rstd, along, _mm512_maskz_loadu_ps(lanes, at)));
        }
    }
    if (dgamma != NULL) kern_wide_store_avx512(dgamma, lanes, s_gamma);
    if (dbeta != NULL) kern_wide_store_avx512(dbeta, lanes, s_beta);
}

static void kern_layer_norm_backward_f32_avx512(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
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
            norm_strip(count, row, kern_lanes_avx512(n - j), xi + j, ldx, gamma + j, dyi + j, lddy,
                       dx != NULL ? dx + i * lddx + j : NULL, lddx, dgamma != NULL ? dgamma + j : NULL,
                       dbeta != NULL ? dbeta + j : NULL);
    }
}

void kern_table_fill_avx512_backward_norm(kern_table *t)
{
    t->channel_sum_f32 = kern_channel_sum_f32_avx512;
    t->channel_dot_f32 = kern_channel_dot_f32_avx512;
    t->layer_norm_backward_f32 = kern_layer_norm_backward_f32_avx512;
}
