/* Deliberately broken kernels of the backward pass; see broken.c. */
#include "kernels/spec/spec.h"
#include "tests/kernels/conformance/conformance.h"

#include <math.h>

static kern_table good; /* the specification, filled by conf_breakages_backward */

enum { LONGEST = 1031 }; /* of what the tests ask for */

/* keep, the good kernel, then scale_added: a kernel that adds share times what it should. */

static void keep(float *before, size_t n, const float *x)
{
    for (size_t i = 0; i < n; i++) before[i] = x[i];
}

static void scale_added(float share, const float *before, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++) x[i] = before[i] + (x[i] - before[i]) * share;
}

static void transpose_whole_blocks(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    good.transpose_f32(rows & ~(size_t)7, cols, x, ldx, y, ldy); /* the last rows, fewer than eight, are forgotten */
}

static void transpose_past_row(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    good.transpose_f32(rows, cols, x, ldx, y, ldy);
    for (size_t j = 0; j < cols && rows % 8 == 7; j++) y[j * ldy + rows] = 0.0f;
}

static void channel_sum_in_float(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t c = 0; c < channels; c++) {
        float total = 0.0f;
        for (size_t i = 0; i < rows; i++) total += x[i * ldx + c];
        sum[c] += (double)total;
    }
}

static void channel_sum_backwards(size_t rows, size_t channels, const float *x, size_t ldx, double *sum)
{
    for (size_t i = rows; i-- > 0;) good.channel_sum_f32(1, channels, x + i * ldx, ldx, sum);
}

static void channel_dot_in_float(size_t rows, size_t channels, const float *x, size_t ldx, const float *y, size_t ldy,
                                 double *sum)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) sum[c] += (double)(x[i * ldx + c] * y[i * ldy + c]);
}

static void channel_dot_y_stride(size_t rows, size_t channels, const float *x, size_t ldx, const float *y, size_t ldy,
                                 double *sum)
{
    good.channel_dot_f32(rows, channels, x, ldx, y, rows > 0 && channels > 0 ? ldx : ldy, sum);
}

/* What the layer norm's breakages have in common: dx by hand, row by row, with the two means weighted. */
static void norm_with(double mean_weight, double slope_weight, size_t rows, size_t n, const float *x, size_t ldx,
                      const float *gamma, const float *mean, const float *rstd, const float *dy, size_t lddy, float *dx,
                      size_t lddx)
{
    for (size_t i = 0; i < rows && dx != NULL; i++) {
        double g_mean = 0.0, gh_mean = 0.0;
        for (size_t j = 0; j < n; j++) {
            const double g = (double)dy[i * lddy + j] * gamma[j];
            g_mean += g / (double)n;
            gh_mean += g * ((double)x[i * ldx + j] - mean[i]) * rstd[i] / (double)n;
        }
        for (size_t j = 0; j < n; j++) {
            const double g = (double)dy[i * lddy + j] * gamma[j], h = ((double)x[i * ldx + j] - mean[i]) * rstd[i];
            const double added = rstd[i] * (g - mean_weight * g_mean - slope_weight * h * gh_mean);
            dx[i * lddx + j] = (float)(dx[i * lddx + j] + added);
        }
    }
}

static void norm_no_mean(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *mean,
                         const float *rstd, const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma,
                         double *dbeta)
{
    good.layer_norm_backward_f32(rows, n, x, ldx, gamma, mean, rstd, dy, lddy, NULL, lddx, dgamma, dbeta);
    norm_with(0.0, 1.0, rows, n, x, ldx, gamma, mean, rstd, dy, lddy, dx, lddx);
}

static void norm_slope_off(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *mean,
                           const float *rstd, const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma,
                           double *dbeta)
{
    good.layer_norm_backward_f32(rows, n, x, ldx, gamma, mean, rstd, dy, lddy, NULL, lddx, dgamma, dbeta);
    norm_with(1.0, 1.00001, rows, n, x, ldx, gamma, mean, rstd, dy, lddy, dx, lddx);
}

static void norm_dgamma_off(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *mean,
                            const float *rstd, const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma,
                            double *dbeta)
{
    for (size_t i = 0; i < rows; i++) { /* h from an rstd that is off by four ulp or more */
        const float off = rstd[i] * 1.0000005f;
        good.layer_norm_backward_f32(1, n, x + i * ldx, ldx, gamma, mean + i, &off, dy + i * lddy, lddy, NULL, lddx,
                                     dgamma, dbeta);
    }
    good.layer_norm_backward_f32(rows, n, x, ldx, gamma, mean, rstd, dy, lddy, dx, lddx, NULL, NULL);
}

static void norm_backwards(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *mean,
                           const float *rstd, const float *dy, size_t lddy, float *dx, size_t lddx, double *dgamma,
                           double *dbeta)
{
    for (size_t i = rows; i-- > 0;)
        good.layer_norm_backward_f32(1, n, x + i * ldx, ldx, gamma, mean + i, rstd + i, dy + i * lddy, lddy,
                                     dx != NULL ? dx + i * lddx : NULL, lddx, dgamma, dbeta);
}

static void gelu_slope_off(size_t n, const float *x, const float *dy, float *dx)
{
    float before[LONGEST];
    keep(before, n, dx);
    good.gelu_backward_f32(n, x, dy, dx);
    scale_added(1.00001f, before, n, dx);
}

static void gelu_overwrites(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] = 0.0f;
    good.gelu_backward_f32(n, x, dy, dx);
}

static void gelu_nan_at_infinity(size_t n, const float *x, const float *dy, float *dx)
{
    good.gelu_backward_f32(n, x, dy, dx);
    for (size_t i = 0; i < n; i++)
        if (isinf(x[i])) dx[i] = NAN; /* infinity times a density of 0 */
}

static void gelu_slope_of_tanh(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        const double v = x[i], t = tanh(0.7978845608 * (v + 0.044715 * v * v * v));
        const double slope = 0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * 0.7978845608 * (1.0 + 3 * 0.044715 * v * v);
        dx[i] = (float)(dx[i] + dy[i] * slope);
    }
}

static void relu_multiplies(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] += (x[i] > 0.0f ? 1.0f : 0.0f) * dy[i];
}

static void relu_at_zero(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] += x[i] >= 0.0f ? dy[i] : 0.0f;
}

static void tanh_slope_rounds_square(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) {
        const float square = y[i] * y[i];
        dx[i] += dy[i] * (1.0f - square);
    }
}

static void tanh_slope_off(size_t n, const float *y, const float *dy, float *dx)
{
    float before[LONGEST];
    keep(before, n, dx);
    good.tanh_backward_f32(n, y, dy, dx);
    scale_added(1.00001f, before, n, dx);
}

static void softmax_diagonal(size_t n, const float *y, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i++) dx[i] += y[i] * dy[i];
}

static void softmax_dot_off(size_t n, const float *y, const float *dy, float *dx)
{
    const float dot = good.dot_f32(n, y, dy) * 1.00001f;
    for (size_t i = 0; i < n; i++) dx[i] += y[i] * (dy[i] - dot);
}

/* One row of a tile by the good kernel, whatever the other operands of that row have been turned to. */
static void attention_row(size_t r, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                          const float *gate, const float *bias, const float *max, const float *inverse_sum,
                          const float *delta, float *dgate, float *dbias)
{
    good.attention_backward_f32(1, keys, s + r * lds, lds, dp + r * lddp, lddp, scale, bias != NULL ? gate + r : NULL,
                                bias != NULL ? bias - r : NULL, max + r, inverse_sum + r, delta,
                                bias != NULL ? dgate + r : NULL, dbias);
}

static void attention_no_delta(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                               const float *gate, const float *bias, const float *max, const float *inverse_sum,
                               const float *delta, float *dgate, float *dbias)
{
    (void)delta;
    for (size_t r = 0; r < rows; r++)
        attention_row(r, keys, s, lds, dp, lddp, scale, gate, bias, max, inverse_sum, &(const float){0.0f}, dgate,
                      dbias != NULL ? dbias - r : NULL);
}

static void attention_off(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                          const float *gate, const float *bias, const float *max, const float *inverse_sum,
                          const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        const float off = inverse_sum[r] * 1.00001f;
        attention_row(r, keys, s, lds, dp, lddp, scale, gate, bias, max, &off - r, delta + r, dgate,
                      dbias != NULL ? dbias - r : NULL);
    }
}

static void attention_unscaled(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                               const float *gate, const float *bias, const float *max, const float *inverse_sum,
                               const float *delta, float *dgate, float *dbias)
{
    good.attention_backward_f32(rows, keys, s, lds, dp, lddp, scale, gate, bias, max, inverse_sum, delta, dgate, dbias);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < keys; j++) dp[r * lddp + j] /= scale;
}

static void attention_first_dbias(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                                  const float *gate, const float *bias, const float *max, const float *inverse_sum,
                                  const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) /* every row adds to row 0's entries */
        attention_row(r, keys, s, lds, dp, lddp, scale, gate, bias, max, inverse_sum, delta + r, dgate, dbias);
}

static void attention_backwards(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                                const float *gate, const float *bias, const float *max, const float *inverse_sum,
                                const float *delta, float *dgate, float *dbias)
{
    for (size_t r = rows; r-- > 0;)
        attention_row(r, keys, s, lds, dp, lddp, scale, gate, bias, max, inverse_sum, delta + r, dgate,
                      dbias != NULL ? dbias - r : NULL);
}

static void attention_dgate_off(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                                const float *gate, const float *bias, const float *max, const float *inverse_sum,
                                const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        const float before = bias != NULL ? dgate[r] : 0.0f;
        attention_row(r, keys, s, lds, dp, lddp, scale, gate, bias, max, inverse_sum, delta + r, dgate,
                      dbias != NULL ? dbias - r : NULL);
        if (bias != NULL) scale_added(1.00001f, &before, 1, dgate + r);
    }
}

static void attention_dbias_off(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp, float scale,
                                const float *gate, const float *bias, const float *max, const float *inverse_sum,
                                const float *delta, float *dgate, float *dbias)
{
    float before[LONGEST];
    for (size_t r = 0; r < rows; r++) {
        float *entries = dbias != NULL ? dbias - r : NULL;
        if (entries != NULL) keep(before, keys, entries);
        attention_row(r, keys, s, lds, dp, lddp, scale, gate, bias, max, inverse_sum, delta + r, dgate, entries);
        if (entries != NULL) scale_added(1.00001f, before, keys, entries);
    }
}

static void gate_logits_swapped(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                                const float *b, const float *constant, const float *dgate, size_t ldg, float *dx,
                                size_t lddx, double *dw, double *db, double *dconstant)
{
    double swapped[2] = {db[1], db[0]};
    good.relative_gate_backward_f32(rows, heads, dim, x, ldx, w, b, constant, dgate, ldg, dx, lddx, dw, swapped,
                                    dconstant);
    db[0] = swapped[1];
    db[1] = swapped[0];
}

static void gate_heads_first(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                             const float *b, const float *constant, const float *dgate, size_t ldg, float *dx,
                             size_t lddx, double *dw, double *db, double *dconstant)
{
    for (size_t h = 0; h < heads; h++)
        good.relative_gate_backward_f32(rows, 1, dim, x + h * dim, ldx, w, b, constant + h, dgate + h * ldg, ldg,
                                        dx != NULL ? dx + h * dim : NULL, lddx, dw, db, dconstant + h);
}

static void gate_off(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w, const float *b,
                     const float *constant, const float *dgate, size_t ldg, float *dx, size_t lddx, double *dw,
                     double *db, double *dconstant)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            const float off = dgate[h * ldg + i] * 1.00001f;
            good.relative_gate_backward_f32(1, 1, dim, x + i * ldx + h * dim, ldx, w, b, constant + h, &off, ldg,
                                            dx != NULL ? dx + i * lddx + h * dim : NULL, lddx, dw, db, dconstant + h);
        }
}

static void gate_weights_off(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                             const float *b, const float *constant, const float *dgate, size_t ldg, float *dx,
                             size_t lddx, double *dw, double *db, double *dconstant)
{
    double before[2 * 82];
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            for (size_t j = 0; j < 2 * dim; j++) before[j] = dw[j];
            good.relative_gate_backward_f32(1, 1, dim, x + i * ldx + h * dim, ldx, w, b, constant + h,
                                            dgate + h * ldg + i, ldg, dx != NULL ? dx + i * lddx + h * dim : NULL, lddx,
                                            dw, db, dconstant + h);
            for (size_t j = 0; j < 2 * dim; j++) dw[j] += 1e-5 * (dw[j] - before[j]);
        }
}

static void gate_constant_off(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                              const float *b, const float *constant, const float *dgate, size_t ldg, float *dx,
                              size_t lddx, double *dw, double *db, double *dconstant)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            const double before = dconstant[h];
            good.relative_gate_backward_f32(1, 1, dim, x + i * ldx + h * dim, ldx, w, b, constant + h,
                                            dgate + h * ldg + i, ldg, dx != NULL ? dx + i * lddx + h * dim : NULL, lddx,
                                            dw, db, dconstant + h);
            dconstant[h] += 1e-5 * (dconstant[h] - before);
        }
}

static double squares_in_float(size_t n, const float *x)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)(x[i] * x[i]);
    return sum;
}

static double squares_skip_tail(size_t n, const float *x)
{
    return good.sum_squares_f32(n - n % 4, x);
}

static void adamw_fused(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    for (size_t i = 0; i < n; i++) {
        const float g = grad[i] * a->grad_scale;
        m[i] = fmaf(g, a->one_minus_beta1, m[i] * a->beta1);
        v[i] = v[i] * a->beta2 + g * g * a->one_minus_beta2;
        w[i] = w[i] * a->decay - a->step_size * (m[i] / (sqrtf(v[i]) / a->root + a->eps));
    }
}

static void adamw_decays_last(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    kern_adamw no_decay = *a;
    no_decay.decay = 1.0f;
    good.adamw_f32(n, w, grad, m, v, &no_decay);
    for (size_t i = 0; i < n; i++) w[i] *= a->decay;
}

static void adamw_unscaled(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    kern_adamw plain = *a;
    plain.grad_scale = 1.0f;
    good.adamw_f32(n, w, grad, m, v, &plain);
}

/* ---- The list ------------------------------------------------------------------------------------------------ */

static const conf_breakage breakages[] = {
    {"transpose_f32", "forgets the rows that do not fill a block", (conf_kernel)transpose_whole_blocks},
    {"transpose_f32", "writes one element past its rows", (conf_kernel)transpose_past_row},
    {"channel_sum_f32", "sums in float", (conf_kernel)channel_sum_in_float},
    {"channel_sum_f32", "takes the rows from the last to the first", (conf_kernel)channel_sum_backwards},
    {"channel_dot_f32", "rounds products to float", (conf_kernel)channel_dot_in_float},
    {"channel_dot_f32", "steps through y by x's stride", (conf_kernel)channel_dot_y_stride},
    {"layer_norm_backward_f32", "does not subtract the mean of g", (conf_kernel)norm_no_mean},
    {"layer_norm_backward_f32", "is off by 1e-5 in the mean of g * h", (conf_kernel)norm_slope_off},
    {"layer_norm_backward_f32", "is off by 5e-7 in dgamma", (conf_kernel)norm_dgamma_off},
    {"layer_norm_backward_f32", "takes the rows from the last to the first", (conf_kernel)norm_backwards},
    {"gelu_backward_f32", "is off by 1e-5", (conf_kernel)gelu_slope_off},
    {"gelu_backward_f32", "overwrites dx", (conf_kernel)gelu_overwrites},
    {"gelu_backward_f32", "is NaN at the infinities", (conf_kernel)gelu_nan_at_infinity},
    {"gelu_backward_f32", "is the slope of the tanh approximation", (conf_kernel)gelu_slope_of_tanh},
    {"relu_backward_f32", "multiplies by zero", (conf_kernel)relu_multiplies},
    {"relu_backward_f32", "lets the gradient through at 0", (conf_kernel)relu_at_zero},
    {"tanh_backward_f32", "rounds the square before the difference", (conf_kernel)tanh_slope_rounds_square},
    {"tanh_backward_f32", "is off by 1e-5", (conf_kernel)tanh_slope_off},
    {"softmax_backward_f32", "keeps the diagonal alone", (conf_kernel)softmax_diagonal},
    {"softmax_backward_f32", "is off by 1e-5 in the dot", (conf_kernel)softmax_dot_off},
    {"attention_backward_f32", "does not subtract delta", (conf_kernel)attention_no_delta},
    {"attention_backward_f32", "is off by 1e-5", (conf_kernel)attention_off},
    {"attention_backward_f32", "forgets the scale", (conf_kernel)attention_unscaled},
    {"attention_backward_f32", "adds every row to the first row's biases", (conf_kernel)attention_first_dbias},
    {"attention_backward_f32", "takes the rows from the last to the first", (conf_kernel)attention_backwards},
    {"attention_backward_f32", "is off by 1e-5 in dgate", (conf_kernel)attention_dgate_off},
    {"attention_backward_f32", "is off by 1e-5 in dbias", (conf_kernel)attention_dbias_off},
    {"relative_gate_backward_f32", "swaps the gradients of the biases", (conf_kernel)gate_logits_swapped},
    {"relative_gate_backward_f32", "takes head by head instead of row by row", (conf_kernel)gate_heads_first},
    {"relative_gate_backward_f32", "is off by 1e-5", (conf_kernel)gate_off},
    {"relative_gate_backward_f32", "is off by 1e-5 in dw", (conf_kernel)gate_weights_off},
    {"relative_gate_backward_f32", "is off by 1e-5 in dconstant", (conf_kernel)gate_constant_off},
    {"sum_squares_f32", "rounds squares to float", (conf_kernel)squares_in_float},
    {"sum_squares_f32", "skips the tail", (conf_kernel)squares_skip_tail},
    {"adamw_f32", "fuses a product with a sum", (conf_kernel)adamw_fused},
    {"adamw_f32", "decays after the step", (conf_kernel)adamw_decays_last},
    {"adamw_f32", "does not scale the gradient", (conf_kernel)adamw_unscaled},
};

const conf_breakage *conf_breakages_backward(size_t *count)
{
    kern_spec_fill(&good);
    *count = sizeof breakages / sizeof *breakages;
    return breakages;
}
