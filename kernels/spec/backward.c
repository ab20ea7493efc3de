/* Gradients and the optimiser's step, the specification: evaluated in double and rounded once for every addition, except
 * what is exact by contract. Contracts: kernels.h. */
#include "kernels/spec/parts.h"

#include <math.h>

static void kern_transpose_f32_spec(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) y[j * ldy + i] = x[i * ldx + j];
}

static void kern_channel_sum_f32_spec(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) sum[c] += x[i * ldx + c];
}

static void kern_channel_dot_f32_spec(size_t rows, size_t channels, const float *x, size_t ldx, const float *y,
                                      size_t ldy, double *sum)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) sum[c] += (double)x[i * ldx + c] * (double)y[i * ldy + c];
}

/* dx of one row: y = h * gamma + beta with h = (x - mean) * rstd, where mean and rstd depend on every x of the row. */
static void layer_norm_row(size_t n, const float *x, const float *gamma, double mean, double rstd, const float *dy,
                           float *dx)
{
    double g_sum = 0.0, gh_sum = 0.0;
    for (size_t j = 0; j < n; j++) {
        const double g = (double)dy[j] * gamma[j];
        g_sum += g;
        gh_sum += g * ((x[j] - mean) * rstd);
    }
    const double g_mean = g_sum / (double)n, gh_mean = gh_sum / (double)n;
    for (size_t j = 0; j < n; j++) {
        const double g = (double)dy[j] * gamma[j], h = (x[j] - mean) * rstd;
        dx[j] = (float)(dx[j] + rstd * (g - g_mean - h * gh_mean));
    }
}

static void kern_layer_norm_backward_f32_spec(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                              const float *mean, const float *rstd, const float *dy, size_t lddy,
                                              float *dx, size_t lddx, double *dgamma, double *dbeta)
{
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx, *dyi = dy + i * lddy;
        const double mu = mean[i], r = rstd[i];
        if (dx != NULL) layer_norm_row(n, xi, gamma, mu, r, dyi, dx + i * lddx);
        for (size_t j = 0; j < n && dgamma != NULL; j++) dgamma[j] += dyi[j] * ((xi[j] - mu) * r);
        for (size_t j = 0; j < n && dbeta != NULL; j++) dbeta[j] += dyi[j];
    }
}

/* d/dx of x * Phi(x); Phi by erfc, which loses nothing for negative x. 0.39894... is 1 / sqrt(2 pi). */
static double gelu_slope(double x)
{
    if (isinf(x)) return x > 0.0 ? 1.0 : 0.0;
    return 0.5 * erfc(-x * 0.70710678118654752440) + x * 0.39894228040143267794 * exp(-0.5 * x * x);
}

static void kern_gelu_backward_f32_spec(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] = (float)(dx[i] + dy[i] * gelu_slope(x[i]));
}

static void kern_relu_backward_f32_spec(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] += x[i] > 0.0f ? dy[i] : 0.0f;
}

static void kern_tanh_backward_f32_spec(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] = (float)(dx[i] + dy[i] * (1.0 - (double)y[i] * y[i]));
}

static void kern_softmax_backward_f32_spec(size_t n, const float *y, const float *dy, float *dx)
{
    const double dot = kern_dot_f64_spec(n, dy, y);
    for (size_t i = 0; i < n; i++) dx[i] = (float)(dx[i] + y[i] * (dy[i] - dot));
}

static void kern_attention_backward_f32_spec(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp,
                                             float scale, const float *gate, const float *bias, const float *max,
                                             const float *inverse_sum, const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        float *sr = s + r * lds, *dpr = dp + r * lddp;
        double dgate_sum = 0.0;
        for (size_t j = 0; j < keys; j++) {
            const ptrdiff_t at = (ptrdiff_t)j - (ptrdiff_t)r;
            double score = (double)sr[j] * scale;
            if (bias != NULL) score += (double)gate[r] * bias[at];
            const double p = exp(score - max[r]) * inverse_sum[r], ds = p * ((double)dpr[j] - delta[r]);
            sr[j] = (float)p;
            dpr[j] = (float)(ds * scale);
            if (bias == NULL) continue;
            dgate_sum += ds * bias[at];
            if (dbias != NULL) dbias[at] = (float)(dbias[at] + ds * gate[r]);
        }
        if (bias != NULL) dgate[r] = (float)(dgate[r] + dgate_sum);
    }
}

static void kern_relative_gate_backward_f32_spec(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                                 const float *w, const float *b, const float *constant,
                                                 const float *dgate, size_t ldg, float *dx, size_t lddx, double *dw,
                                                 double *db, double *dconstant)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            const float *xih = x + i * ldx + h * dim;
            const double d = dgate[h * ldg + i], c = constant[h];
            const double a = kern_sigmoid_f64_spec(kern_dot_f64_spec(dim, w, xih) + b[0]);
            const double g = kern_sigmoid_f64_spec(kern_dot_f64_spec(dim, w + dim, xih) + b[1]);
            const double u = d * (g * c - 1.0) * a * (1.0 - a), v = d * a * c * g * (1.0 - g);
            if (dx != NULL) {
                float *dxih = dx + i * lddx + h * dim;
                for (size_t j = 0; j < dim; j++) dxih[j] = (float)(dxih[j] + u * w[j] + v * w[dim + j]);
            }
            for (size_t j = 0; j < dim; j++) {
                dw[j] += u * xih[j];
                dw[dim + j] += v * xih[j];
            }
            db[0] += u;
            db[1] += v;
            dconstant[h] += d * a * g;
        }
}

static double kern_sum_squares_f32_spec(size_t n, const float *x)
{
    return kern_dot_f64_spec(n, x, x);
}

static void kern_adamw_f32_spec(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    for (size_t i = 0; i < n; i++) {
        const float g = grad[i] * a->grad_scale;
        m[i] = m[i] * a->beta1 + g * a->one_minus_beta1;
        v[i] = v[i] * a->beta2 + g * g * a->one_minus_beta2;
        w[i] = w[i] * a->decay - a->step_size * (m[i] / (sqrtf(v[i]) / a->root + a->eps));
    }
}

void kern_spec_fill_backward(kern_table *t)
{
    t->transpose_f32 = kern_transpose_f32_spec;
    t->channel_sum_f32 = kern_channel_sum_f32_spec;
    t->channel_dot_f32 = kern_channel_dot_f32_spec;
    t->layer_norm_backward_f32 = kern_layer_norm_backward_f32_spec;
    t->gelu_backward_f32 = kern_gelu_backward_f32_spec;
    t->relu_backward_f32 = kern_relu_backward_f32_spec;
    t->tanh_backward_f32 = kern_tanh_backward_f32_spec;
    t->softmax_backward_f32 = kern_softmax_backward_f32_spec;
    t->attention_backward_f32 = kern_attention_backward_f32_spec;
    t->relative_gate_backward_f32 = kern_relative_gate_backward_f32_spec;
    t->sum_squares_f32 = kern_sum_squares_f32_spec;
    t->adamw_f32 = kern_adamw_f32_spec;
}
