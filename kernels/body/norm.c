/* Layer norm, and moments per channel. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"
#include "kernels/body/wide.h"

#include <math.h>

enum { MOMENT_ROWS = 8 };

typedef struct centred_row {
    const float *x;
    f32x16 mean;
} centred_row;

/* (x - mean)^2; 0 behind the row's end */
KERN_INLINE f32x16 sum_deviation(f32x16 s, const void *with, size_t j, size_t n)
{
    const centred_row *r = with;
    const f32x16 d = f32x16_first(n, f32x16_sub(f32x16_load_first(r->x + j, n), r->mean));
    return f32x16_fma(d, d, s);
}

/* n <= 16 elements of a row. */
KERN_INLINE void normalise_at(size_t n, const float *x, f32x16 mean, f32x16 rstd, const float *gamma, const float *beta,
                              float *y)
{
    const f32x16 scaled = f32x16_mul(f32x16_sub(f32x16_load_first(x, n), mean), rstd);
    f32x16_store_first(y, n, f32x16_fma(scaled, f32x16_load_first(gamma, n), f32x16_load_first(beta, n)));
}

static void kern_layer_norm_f32(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *beta,
                                float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    if (n == 0) return;
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx;
        float *yi = y + i * ldy;
        const float mu = sum_values(n, xi) / (float)n;
        const centred_row centred = {xi, f32x16_set1(mu)};
        const float r = 1.0f / sqrtf(sum_row(n, sum_deviation, &centred) / (float)n + eps);
        const f32x16 muv = f32x16_set1(mu), rv = f32x16_set1(r);
        size_t j = 0;
        for (; j + LANES <= n; j += LANES) normalise_at(LANES, xi + j, muv, rv, gamma + j, beta + j, yi + j);
        if (j < n) normalise_at(n - j, xi + j, muv, rv, gamma + j, beta + j, yi + j);
        if (mean != NULL) mean[i] = mu;
        if (rstd != NULL) rstd[i] = r;
    }
}

/* A block of rows x 16 channels. Only the weighted square has a product that rounds. */
KERN_INLINE void moments_strip(size_t rows, size_t n, const float *x, size_t ldx, const float *weight, double *sum,
                               double *sumsq)
{
    wide s = wide_load(sum, n), q = wide_load(sumsq, n);
    for (size_t i = 0; i < rows; i++) {
        const wide v = wide_load_f32(x + i * ldx, n);
        if (weight != NULL) {
            const wide weighted = wide_mul(wide_set1((double)weight[i]), v);
            s = wide_add(s, weighted);
            q = wide_add(q, wide_mul(weighted, v));
        } else {
            s = wide_add(s, v);
            q = wide_add_product(v, v, q);
        }
    }
    wide_store(sum, n, s);
    wide_store(sumsq, n, q);
}

static void kern_channel_moments_f32(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight,
                                     double *sum, double *sumsq)
{
    /* 8 rows at a time: 8 x 1024 floats stay in L1 while the strips pass, and strips do not run far down the columns. */
    for (size_t i = 0; i < rows; i += MOMENT_ROWS) {
        const size_t count = rows - i < MOMENT_ROWS ? rows - i : MOMENT_ROWS;
        const float *at = x + i * ldx, *w = weight != NULL ? weight + i : NULL;
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES) moments_strip(count, LANES, at + c, ldx, w, sum + c, sumsq + c);
        if (c < channels) moments_strip(count, channels - c, at + c, ldx, w, sum + c, sumsq + c);
    }
}

void kern_fill_norm(kern_table *t)
{
    t->layer_norm_f32 = kern_layer_norm_f32;
    t->channel_moments_f32 = kern_channel_moments_f32;
}
