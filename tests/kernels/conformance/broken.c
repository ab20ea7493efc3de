/* Deliberately broken kernels, each wrong in one way that somebody could write. The self-test requires that the
 * conformance tests notice every one of them. */
#include "kernels/spec/spec.h"
#include "tests/kernels/conformance/conformance.h"

#include <math.h>
#include <string.h>

static kern_table good; /* the specification, filled by conf_breakages */

static void gemm_one_past(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                          size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    good.gemm_f32(m, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
    if (m > 0 && n > 0) c[(m - 1) * ldc + n] = 0.0f;
}

static void gemm_unfused(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                         size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = accumulate ? c[i * ldc + j] : 0.0f;
            for (size_t p = 0; p < k; p++)
                sum += a[lda == KERN_PANEL ? p * good.gemm_blocks.mr + i : i * lda + p] * b[p * ldb + j];
            c[i * ldc + j] = sum;
        }
}

static void gemm_adds_last(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                           float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            const float before = c[i * ldc + j];
            good.gemm_f32(1, 1, k, a + i * (lda == KERN_PANEL ? 1 : lda), lda, b + j, ldb, c + i * ldc + j, ldc, false, ahead);
            if (accumulate) c[i * ldc + j] += before;
        }
}

static void gemm_times_zero(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                            float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    for (size_t i = 0; i < m && !accumulate; i++)
        for (size_t j = 0; j < n; j++) c[i * ldc + j] *= 0.0f; /* reads C: NaN stays */
    good.gemm_f32(m, n, k, a, lda, b, ldb, c, ldc, true, ahead);
}

static void gemm_panel_as_rows(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                               float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    good.gemm_f32(m, n, k, a, lda == KERN_PANEL ? 1 : lda, b, ldb, c, ldc, accumulate, ahead);
}

static void pack_no_padding(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel)
{
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < n; j++) panel[p * width + j] = x[j * ldx + p];
}

static void epilogue_residual_first(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                                    const float *residual, size_t ldr)
{
    if (residual != NULL) good.epilogue_f32(m, n, c, ldc, NULL, KERN_ACT_NONE, residual, ldr);
    good.epilogue_f32(m, n, c, ldc, bias, act, NULL, 0);
}

static void layer_norm_no_beta(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *beta,
                               float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    good.layer_norm_f32(rows, n, x, ldx, gamma, beta, eps, y, ldy, mean, rstd);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) y[i * ldy + j] -= beta[j];
}

static void layer_norm_sample_variance(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                       const float *beta, float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    good.layer_norm_f32(rows, n, x, ldx, gamma, beta, eps, y, ldy, mean, rstd);
    const float shrink = n > 1 ? sqrtf((float)(n - 1) / (float)n) : 1.0f;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) y[i * ldy + j] = (y[i * ldy + j] - beta[j]) * shrink + beta[j];
}

/* The last row of a call gets one more rounding: right within every bound, but not the same in any company. */
static void layer_norm_restless(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                const float *beta, float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    good.layer_norm_f32(rows, n, x, ldx, gamma, beta, eps, y, ldy, mean, rstd);
    for (size_t j = 0; j < n && rows > 1; j++) y[(rows - 1) * ldy + j] = nextafterf(y[(rows - 1) * ldy + j], 0.0f);
}

static void moments_in_float(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight, double *sum,
                             double *sumsq)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) {
            const float v = x[i * ldx + c], wv = weight != NULL ? weight[i] * v : v;
            sum[c] += (double)wv;
            sumsq[c] += (double)(wv * v);
        }
}

static void affine_unfused(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                           const float *shift, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < channels; c++) y[i * ldy + c] = x[i * ldx + c] * scale[c] + shift[c];
}

/* Relative error 1e-6, eight ulp or more. */
static void slightly_off(size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] *= 1.000001f;
}

static void exp_off(size_t n, const float *x, float *y)
{
    good.exp_f32(n, x, y);
    slightly_off(n, y);
}

static void exp_clamped(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        const float clamped = x[i] < -87.3f ? -87.3f : x[i];
        good.exp_f32(1, &clamped, y + i);
    }
}

static void tanh_off(size_t n, const float *x, float *y)
{
    good.tanh_f32(n, x, y);
    slightly_off(n, y);
}

static void tanh_of_nan(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        const float clamped = fminf(fmaxf(x[i], -9.0f), 9.0f);
        good.tanh_f32(1, &clamped, y + i);
    }
}

static void sigmoid_off(size_t n, const float *x, float *y)
{
    good.sigmoid_f32(n, x, y);
    slightly_off(n, y);
}

static void gelu_off(size_t n, const float *x, float *y)
{
    good.gelu_f32(n, x, y);
    slightly_off(n, y);
}

static void gelu_of_tanh(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        const double v = x[i];
        y[i] = (float)(0.5 * v * (1.0 + tanh(0.7978845608 * (v + 0.044715 * v * v * v))));
    }
}

/* An element that does not fill a vector of eight takes another path, one ulp apart. */
static void gelu_tail_apart(size_t n, const float *x, float *y)
{
    good.gelu_f32(n, x, y);
    for (size_t i = n - n % 8; i < n; i++) y[i] = nextafterf(y[i], INFINITY);
}

static void relu_drops_nan(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static void add_skips_last(size_t n, const float *a, const float *b, float *y)
{
    good.add_f32(n - (n % 8 == 7), a, b, y);
}

static void mul_reads_past(size_t n, const float *a, const float *b, float *y)
{
    good.mul_f32(n, a, b, y);
    volatile float past = a[n];
    (void)past;
}

static void axpy_unfused(size_t n, float alpha, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

static void scale_rows_same_factor(size_t rows, size_t n, float *x, size_t ldx, const float *factor)
{
    for (size_t i = 0; i < rows; i++) good.scale_rows_f32(1, n, x + i * ldx, ldx, factor);
}

static float sum_skips_tail(size_t n, const float *x)
{
    return good.sum_f32(n - n % 4, x);
}

static float max_drops_nan(size_t n, const float *x)
{
    float best = -INFINITY;
    for (size_t i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}

static float dot_off(size_t n, const float *x, const float *y)
{
    return good.dot_f32(n, x, y) * 1.00001f;
}

static void softmax_no_max(size_t n, const float *x, float *y)
{
    good.exp_f32(n, x, y);
    const float sum = good.sum_f32(n, y);
    for (size_t i = 0; i < n; i++) y[i] /= sum;
}

static void softmax_unnormalised(size_t n, const float *x, float *y)
{
    good.softmax_f32(n, x, y);
    slightly_off(n, y);
    for (size_t i = 0; i < n; i++) y[i] *= 1.00002f;
}

static void attention_no_rescale(size_t rows, size_t keys, float *s, size_t lds, float scale, const float *gate,
                                 const float *bias, float *running_max, float *running_sum, float *rescale)
{
    for (size_t r = 0; r < rows; r++) {
        const float before = running_sum[r];
        good.attention_softmax_f32(1, keys, s + r * lds, lds, scale, gate != NULL ? gate + r : NULL,
                                   bias != NULL ? bias - r : NULL, running_max + r, running_sum + r, rescale + r);
        running_sum[r] += before * (1.0f - rescale[r]);
    }
}

static void attention_first_bias(size_t rows, size_t keys, float *s, size_t lds, float scale, const float *gate,
                                     const float *bias, float *running_max, float *running_sum, float *rescale)
{
    for (size_t r = 0; r < rows; r++) /* every row reads row 0's bias */
        good.attention_softmax_f32(1, keys, s + r * lds, lds, scale, gate != NULL ? gate + r : NULL, bias,
                                   running_max + r, running_sum + r, rescale + r);
}

static void gate_swapped(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                         const float *b, const float *constant, float *gate, size_t ldg)
{
    const float swapped[2] = {b[1], b[0]};
    good.relative_gate_f32(rows, heads, dim, x, ldx, w, swapped, constant, gate, ldg);
}

static void half_no_subnormals(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t flushed = (x[i] & 0x7c00) == 0 ? x[i] & 0x8000 : x[i];
        good.f16_to_f32(1, &flushed, y + i);
    }
}

static void half_truncates(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        u &= ~0x1fffu;
        float cut;
        memcpy(&cut, &u, sizeof cut);
        good.f32_to_f16(1, &cut, y + i);
    }
}

static void brain_signless(size_t n, const uint16_t *x, float *y)
{
    good.bf16_to_f32(n, x, y);
    for (size_t i = 0; i < n; i++) y[i] = y[i] == 0.0f ? 0.0f : y[i];
}

/* What AVX512-BF16's conversion does: subnormals become zero. */
static void brain_flushes(size_t n, const float *x, uint16_t *y)
{
    good.f32_to_bf16(n, x, y);
    for (size_t i = 0; i < n; i++)
        if ((y[i] & 0x7f80) == 0) y[i] &= 0x8000;
}

/* ---- The list ------------------------------------------------------------------------------------------------ */

static const conf_breakage breakages[] = {
    {"gemm_f32", "writes one element past the tile", (conf_kernel)gemm_one_past},
    {"gemm_f32", "rounds product and sum apart", (conf_kernel)gemm_unfused},
    {"gemm_f32", "adds C at the end of the chain", (conf_kernel)gemm_adds_last},
    {"gemm_f32", "multiplies C by zero instead of not reading it", (conf_kernel)gemm_times_zero},
    {"gemm_f32", "takes a panel for rows", (conf_kernel)gemm_panel_as_rows},
    {"gemm_pack", "leaves the padding as it was", (conf_kernel)pack_no_padding},
    {"epilogue_f32", "adds the residual before the activation", (conf_kernel)epilogue_residual_first},
    {"layer_norm_f32", "ignores beta", (conf_kernel)layer_norm_no_beta},
    {"layer_norm_f32", "divides by n - 1", (conf_kernel)layer_norm_sample_variance},
    {"layer_norm_f32", "treats the last of several rows apart", (conf_kernel)layer_norm_restless},
    {"channel_moments_f32", "forms products in float", (conf_kernel)moments_in_float},
    {"channel_affine_f32", "rounds product and sum apart", (conf_kernel)affine_unfused},
    {"exp_f32", "is off by 1e-6", (conf_kernel)exp_off},
    {"exp_f32", "never underflows", (conf_kernel)exp_clamped},
    {"tanh_f32", "is off by 1e-6", (conf_kernel)tanh_off},
    {"tanh_f32", "turns NaN into a number", (conf_kernel)tanh_of_nan},
    {"sigmoid_f32", "is off by 1e-6", (conf_kernel)sigmoid_off},
    {"gelu_f32", "is off by 1e-6", (conf_kernel)gelu_off},
    {"gelu_f32", "uses the tanh approximation", (conf_kernel)gelu_of_tanh},
    {"gelu_f32", "rounds the tail differently", (conf_kernel)gelu_tail_apart},
    {"relu_f32", "turns NaN into zero", (conf_kernel)relu_drops_nan},
    {"add_f32", "skips the last element of some lengths", (conf_kernel)add_skips_last},
    {"mul_f32", "reads past its operand", (conf_kernel)mul_reads_past},
    {"axpy_f32", "rounds product and sum apart", (conf_kernel)axpy_unfused},
    {"scale_rows_f32", "uses the first factor for all rows", (conf_kernel)scale_rows_same_factor},
    {"sum_f32", "skips the tail", (conf_kernel)sum_skips_tail},
    {"max_f32", "drops NaN", (conf_kernel)max_drops_nan},
    {"dot_f32", "is off by 1e-5", (conf_kernel)dot_off},
    {"softmax_f32", "does not subtract the maximum", (conf_kernel)softmax_no_max},
    {"softmax_f32", "is off by 2e-5", (conf_kernel)softmax_unnormalised},
    {"attention_softmax_f32", "does not rescale the running sum", (conf_kernel)attention_no_rescale},
    {"attention_softmax_f32", "gives all rows the first row's bias", (conf_kernel)attention_first_bias},
    {"relative_gate_f32", "swaps the two biases", (conf_kernel)gate_swapped},
    {"f16_to_f32", "flushes subnormals", (conf_kernel)half_no_subnormals},
    {"f32_to_f16", "truncates", (conf_kernel)half_truncates},
    {"bf16_to_f32", "loses the sign of zero", (conf_kernel)brain_signless},
    {"f32_to_bf16", "flushes subnormals, as AVX512-BF16 does", (conf_kernel)brain_flushes},
};

const conf_breakage *conf_breakages(size_t *count)
{
    kern_spec_fill(&good);
    *count = sizeof breakages / sizeof *breakages;
    return breakages;
}
