/* Normalisation and reductions, the specification: layer norm, moments and affine per channel, sum, max, dot. All
 * reductions run in double. Contracts: kernels.h. */
#include "kernels/spec/parts.h"

#include <math.h>

/* torch.nn.LayerNorm with the population variance; everything in double, y rounded once. */
static void kern_layer_norm_f32_spec(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                     const float *beta, float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    if (n == 0) return;
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx;
        float *yi = y + i * ldy;
        double sum = 0.0, squares = 0.0;
        for (size_t j = 0; j < n; j++) sum += xi[j];
        const double mu = sum / (double)n;
        for (size_t j = 0; j < n; j++) squares += (xi[j] - mu) * (xi[j] - mu);
        const double r = 1.0 / sqrt(squares / (double)n + eps);
        for (size_t j = 0; j < n; j++) yi[j] = (float)((xi[j] - mu) * r * gamma[j] + beta[j]);
        if (mean != NULL) mean[i] = (float)mu;
        if (rstd != NULL) rstd[i] = (float)r;
    }
}

static void kern_channel_moments_f32_spec(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight,
                                          double *sum, double *sumsq)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) {
            const double v = x[i * ldx + c];
            const double wv = weight != NULL ? (double)weight[i] * v : v;
            sum[c] += wv;
            sumsq[c] += wv * v;
        }
}

static void kern_channel_affine_f32_spec(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                                         const float *shift, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) y[i * ldy + c] = fmaf(x[i * ldx + c], scale[c], shift[c]);
}

static void kern_scale_rows_f32_spec(size_t rows, size_t n, float *x, size_t ldx, const float *factor)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) x[i * ldx + j] *= factor[i];
}

static float kern_sum_f32_spec(size_t n, const float *x)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return (float)sum;
}

static float kern_max_f32_spec(size_t n, const float *x)
{
    float best = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (!(x[i] <= best)) { /* greater, or NaN */
            best = x[i];
            if (isnan(best)) break;
        }
    return best;
}

double kern_dot_f64_spec(size_t n, const float *x, const float *y)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

static float kern_dot_f32_spec(size_t n, const float *x, const float *y)
{
    return (float)kern_dot_f64_spec(n, x, y);
}

void kern_spec_fill_norm(kern_table *t)
{
    t->layer_norm_f32 = kern_layer_norm_f32_spec;
    t->channel_moments_f32 = kern_channel_moments_f32_spec;
    t->channel_affine_f32 = kern_channel_affine_f32_spec;
    t->scale_rows_f32 = kern_scale_rows_f32_spec;
    t->sum_f32 = kern_sum_f32_spec;
    t->max_f32 = kern_max_f32_spec;
    t->dot_f32 = kern_dot_f32_spec;
}
