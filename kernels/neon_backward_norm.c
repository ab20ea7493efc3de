/* Sums per channel and the backward of layer norm. Sums over rows run in double, four channels in registers over a few
 * rows at a time, so that the rows stay in L1 while the strips of channels pass. */
#include "kernels/neon.h"
#include "kernels/neon_double.h"
#include "kernels/neon_sum.h"

#define SUM_ROWS 8
#define NORM_ROWS 4

void kern_channel_sum_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t start = 0; start < rows; start += SUM_ROWS) {
        const size_t end = rows - start < SUM_ROWS ? rows : start + SUM_ROWS;
        size_t c = 0;
        for (; c + 4 <= channels; c += 4) {
            neon_wide s = neon_wide_load(sum + c);
            for (size_t i = start; i < end; i++) s = neon_wide_add(s, neon_widen(vld1q_f32(x + i * ldx + c)));
            neon_wide_store(sum + c, s);
        }
        for (; c < channels; c++)
            for (size_t i = start; i < end; i++) sum[c] += (double)x[i * ldx + c];
    }
}

void kern_channel_dot_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, const float *y, size_t ldy,
                               double *sum)
{
    for (size_t start = 0; start < rows; start += SUM_ROWS) {
        const size_t end = rows - start < SUM_ROWS ? rows : start + SUM_ROWS;
        size_t c = 0;
        for (; c + 4 <= channels; c += 4) {
            neon_wide s = neon_wide_load(sum + c);
            for (size_t i = start; i < end; i++)
                s = neon_wide_fma(s, neon_widen(vld1q_f32(x + i * ldx + c)), neon_widen(vld1q_f32(y + i * ldy + c)));
            neon_wide_store(sum + c, s);
        }
        for (; c < channels; c++)
            for (size_t i = start; i < end; i++) sum[c] += (double)x[i * ldx + c] * (double)y[i * ldy + c];
    }
}

/* One row's statistics and, from its gradient, the means of g = dy * gamma and of g * h, which dx needs. */
typedef struct norm_row {
    float mean, rstd, mean_g, mean_gh;
} norm_row;

static inline float32x4_t normal(const norm_row *row, float32x4_t x)
{
    return vmulq_n_f32(vsubq_f32(x, vdupq_n_f32(row->mean)), row->rstd);
}

/* Sums of g and of g * h: acc[0], acc[1] and acc[2], acc[3], which take vectors in turn. */
static inline void gather(float32x4_t *acc, const norm_row *row, float32x4_t x, float32x4_t gamma, float32x4_t dy)
{
    const float32x4_t g = vmulq_f32(dy, gamma);
    acc[0] = vaddq_f32(acc[0], g);
    acc[2] = vfmaq_f32(acc[2], g, normal(row, x));
}

static inline double pair_total(float32x4_t a, float32x4_t b)
{
    const neon_wide s = neon_widen(vaddq_f32(a, b));
    return vaddvq_f64(vaddq_f64(s.low, s.high));
}

static inline void gradient_means(size_t n, const float *x, const float *gamma, const float *dy, norm_row *row)
{
    double g = 0.0, gh = 0.0;
    for (size_t start = 0; start < n; start += NEON_SUM_BLOCK) {
        const size_t end = n - start < NEON_SUM_BLOCK ? n : start + NEON_SUM_BLOCK;
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        size_t j = start;
        for (; j + 8 <= end; j += 8)
            for (size_t q = 0; q < 2; q++) {
                const size_t at = j + 4 * q;
                gather(acc + q, row, vld1q_f32(x + at), vld1q_f32(gamma + at), vld1q_f32(dy + at));
            }
        for (; j < end; j += 4) {
            const size_t here = end - j < 4 ? end - j : 4;
            /* Filled up with the mean: those lanes of h are zero. */
            gather(acc, row, neon_load_part(x + j, here, row->mean), neon_load_part(gamma + j, here, 0.0f),
                   neon_load_part(dy + j, here, 0.0f));
        }
        g += pair_total(acc[0], acc[1]);
        gh += pair_total(acc[2], acc[3]);
    }
    row->mean_g = (float)(g / (double)n);
    row->mean_gh = (float)(gh / (double)n);
}

/* The sums of four channels over rows. */
typedef struct norm_sums {
    neon_wide gamma, beta;
} norm_sums;

static inline norm_sums norm_add(norm_sums s, const norm_row *row, float32x4_t x, float32x4_t dy, float32x4_t *h)
{
    const neon_wide wide = neon_widen(dy);
    *h = normal(row, x);
    return (norm_sums){neon_wide_fma(s.gamma, wide, neon_widen(*h)), neon_wide_add(s.beta, wide)};
}

/* dx + rstd * (dy * gamma - mean_g - h * mean_gh) */
static inline float32x4_t norm_dx(const norm_row *row, float32x4_t dx, float32x4_t dy, float32x4_t gamma, float32x4_t h)
{
    const float32x4_t g = vfmaq_f32(vdupq_n_f32(-row->mean_g), dy, gamma);
    return vfmaq_n_f32(dx, vfmsq_f32(g, h, vdupq_n_f32(row->mean_gh)), row->rstd);
}

/* lanes <= 4 channels of some rows. Any of dx, dgamma and dbeta may be NULL. */
static inline __attribute__((always_inline)) void norm_strip(size_t lanes, size_t rows, const norm_row *row,
                                                             const float *x, size_t ldx, const float *gamma,
                                                             const float *dy, size_t lddy, float *dx, size_t lddx,
                                                             double *dgamma, double *dbeta)
{
    const bool whole = lanes == 4;
    const float32x4_t scale = whole ? vld1q_f32(gamma) : neon_load_part(gamma, lanes, 0.0f);
    norm_sums s = {{vdupq_n_f64(0.0), vdupq_n_f64(0.0)}, {vdupq_n_f64(0.0), vdupq_n_f64(0.0)}};
    if (dgamma) s.gamma = whole ? neon_wide_load(dgamma) : neon_wide_load_part(dgamma, lanes);
    if (dbeta) s.beta = whole ? neon_wide_load(dbeta) : neon_wide_load_part(dbeta, lanes);
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx, *dyi = dy + i * lddy;
        const float32x4_t d = whole ? vld1q_f32(dyi) : neon_load_part(dyi, lanes, 0.0f);
        float32x4_t h;
        s = norm_add(s, &row[i], whole ? vld1q_f32(xi) : neon_load_part(xi, lanes, 0.0f), d, &h);
        if (!dx) continue;
        float *dxi = dx + i * lddx;
        const float32x4_t before = whole ? vld1q_f32(dxi) : neon_load_part(dxi, lanes, 0.0f);
        const float32x4_t after = norm_dx(&row[i], before, d, scale, h);
        if (whole)
            vst1q_f32(dxi, after);
        else
            neon_store_part(dxi, lanes, after);
    }
    if (dgamma) neon_wide_store_part(dgamma, lanes, s.gamma);
    if (dbeta) neon_wide_store_part(dbeta, lanes, s.beta);
}

void kern_layer_norm_backward_f32_neon(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                       const float *mean, const float *rstd, const float *dy, size_t lddy, float *dx,
                                       size_t lddx, double *dgamma, double *dbeta)
{
    for (size_t i = 0; i < rows; i += NORM_ROWS) {
        const size_t count = rows - i < NORM_ROWS ? rows - i : NORM_ROWS;
        const float *xi = x + i * ldx, *dyi = dy + i * lddy;
        float *dxi = dx ? dx + i * lddx : NULL;
        norm_row row[NORM_ROWS];
        for (size_t q = 0; q < count; q++) {
            row[q] = (norm_row){.mean = mean[i + q], .rstd = rstd[i + q]};
            if (dx) gradient_means(n, xi + q * ldx, gamma, dyi + q * lddy, &row[q]);
        }
        size_t j = 0;
        for (; j + 4 <= n; j += 4)
            norm_strip(4, count, row, xi + j, ldx, gamma + j, dyi + j, lddy, dx ? dxi + j : NULL, lddx,
                       dgamma ? dgamma + j : NULL, dbeta ? dbeta + j : NULL);
        if (j < n)
            norm_strip(n - j, count, row, xi + j, ldx, gamma + j, dyi + j, lddy, dx ? dxi + j : NULL, lddx,
                       dgamma ? dgamma + j : NULL, dbeta ? dbeta + j : NULL);
    }
}
