/* Sums per channel, and the backward of layer norm. Sums over rows run in double, 16 channels in registers over a few rows
 * at a time, so that the rows stay in L1 while the strips of channels pass. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"
#include "kernels/body/wide.h"

enum { SUM_ROWS = 8, NORM_ROWS = 4 };

KERN_INLINE void sum_strip(size_t rows, size_t n, const float *x, size_t ldx, double *sum)
{
    wide s = wide_load(sum, n);
    for (size_t i = 0; i < rows; i++) s = wide_add(s, wide_load_f32(x + i * ldx, n));
    wide_store(sum, n, s);
}

static void kern_channel_sum_f32(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t i = 0; i < rows; i += SUM_ROWS) {
        const size_t count = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
        const float *at = x + i * ldx;
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES) sum_strip(count, LANES, at + c, ldx, sum + c);
        if (c < channels) sum_strip(count, channels - c, at + c, ldx, sum + c);
    }
}

KERN_INLINE void dot_strip(size_t rows, size_t n, const float *x, size_t ldx, const float *y, size_t ldy, double *sum)
{
    wide s = wide_load(sum, n);
    for (size_t i = 0; i < rows; i++)
        s = wide_add_product(wide_load_f32(x + i * ldx, n), wide_load_f32(y + i * ldy, n), s);
    wide_store(sum, n, s);
}

static void kern_channel_dot_f32(size_t rows, size_t channels, const float *x, size_t ldx, const float *y, size_t ldy,
                                 double *sum)
{
    for (size_t i = 0; i < rows; i += SUM_ROWS) {
        const size_t count = rows - i < SUM_ROWS ? rows - i : SUM_ROWS;
        const float *xat = x + i * ldx, *yat = y + i * ldy;
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES) dot_strip(count, LANES, xat + c, ldx, yat + c, ldy, sum + c);
        if (c < channels) dot_strip(count, channels - c, xat + c, ldx, yat + c, ldy, sum + c);
    }
}

/* One row's statistics and, from its gradient, the means that dx needs. */
typedef struct norm_row {
    float mean, rstd, mean_g, mean_gh;
} norm_row;

typedef struct gradient_row {
    const float *x, *gamma, *dy;
    f32x16 mean, rstd;
} gradient_row;

/* g = dy * gamma, and h = (x - mean) * rstd; g is 0 behind the row's end */
KERN_INLINE f32x16 sum_g(f32x16 s, const void *with, size_t j, size_t n)
{
    const gradient_row *r = with;
    return f32x16_add(s, f32x16_mul(f32x16_load_first(r->dy + j, n), f32x16_load_first(r->gamma + j, n)));
}

KERN_INLINE f32x16 sum_gh(f32x16 s, const void *with, size_t j, size_t n)
{
    const gradient_row *r = with;
    const f32x16 h = f32x16_mul(f32x16_sub(f32x16_load_first(r->x + j, n), r->mean), r->rstd);
    const f32x16 g = f32x16_mul(f32x16_load_first(r->dy + j, n), f32x16_load_first(r->gamma + j, n));
    return f32x16_fma(g, f32x16_first(n, h), s);
}

static inline void gradient_means(size_t n, const float *x, const float *gamma, const float *dy, norm_row *row)
{
    const gradient_row r = {x, gamma, dy, f32x16_set1(row->mean), f32x16_set1(row->rstd)};
    row->mean_g = sum_row(n, sum_g, &r) / (float)n;
    row->mean_gh = sum_row(n, sum_gh, &r) / (float)n;
}

/* n <= 16 channels of some rows. Any of dx, dgamma and dbeta may be NULL. */
KERN_INLINE void norm_strip(size_t rows, size_t n, const norm_row *row, const float *x, size_t ldx, const float *gamma,
                            const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma, double *dbeta)
{
    const f32x16 scale = f32x16_load_first(gamma, n);
    wide s_gamma = dgamma != NULL ? wide_load(dgamma, n) : wide_set1(0.0);
    wide s_beta = dbeta != NULL ? wide_load(dbeta, n) : wide_set1(0.0);
    for (size_t i = 0; i < rows; i++) {
        const f32x16 rstd = f32x16_set1(row[i].rstd);
        const f32x16 h = f32x16_mul(f32x16_sub(f32x16_load_first(x + i * ldx, n), f32x16_set1(row[i].mean)), rstd);
        const f32x16 d = f32x16_load_first(dy + i * lddy, n);
        const wide gradient = wide_of(d);
        s_gamma = wide_add_product(gradient, wide_of(h), s_gamma);
        s_beta = wide_add(s_beta, gradient);
        if (dx != NULL) {
            const f32x16 g = f32x16_fms(d, scale, f32x16_set1(row[i].mean_g));
            const f32x16 along = f32x16_fnma(h, f32x16_set1(row[i].mean_gh), g);
            float *at = dx + i * lddx;
            f32x16_store_first(at, n, f32x16_fma(rstd, along, f32x16_load_first(at, n)));
        }
    }
    if (dgamma != NULL) wide_store(dgamma, n, s_gamma);
    if (dbeta != NULL) wide_store(dbeta, n, s_beta);
}

static void kern_layer_norm_backward_f32(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                         const float *mean, const float *rstd, const float *dy, size_t lddy, float *dx,
                                         size_t lddx, double *dgamma, double *dbeta)
{
    for (size_t i = 0; i < rows; i += NORM_ROWS) {
        const size_t count = rows - i < NORM_ROWS ? rows - i : NORM_ROWS;
        const float *xi = x + i * ldx, *dyi = dy + i * lddy;
        norm_row row[NORM_ROWS];
        for (size_t q = 0; q < count; q++) {
            row[q] = (norm_row){.mean = mean[i + q], .rstd = rstd[i + q]};
            if (dx != NULL) gradient_means(n, xi + q * ldx, gamma, dyi + q * lddy, &row[q]);
        }
        for (size_t j = 0; j < n; j += LANES) {
            float *dxj = dx != NULL ? dx + i * lddx + j : NULL;
            double *dgj = dgamma != NULL ? dgamma + j : NULL, *dbj = dbeta != NULL ? dbeta + j : NULL;
            if (n - j >= LANES)
                norm_strip(count, LANES, row, xi + j, ldx, gamma + j, dyi + j, lddy, dxj, lddx, dgj, dbj);
            else
                norm_strip(count, n - j, row, xi + j, ldx, gamma + j, dyi + j, lddy, dxj, lddx, dgj, dbj);
        }
    }
}

void kern_fill_norm_backward(kern_table *t)
{
    t->channel_sum_f32 = kern_channel_sum_f32;
    t->channel_dot_f32 = kern_channel_dot_f32;
    t->layer_norm_backward_f32 = kern_layer_norm_backward_f32;
}
