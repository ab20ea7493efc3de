/* Layer norm over rows; moments and affine map per channel. */
#include <math.h>

#include "kernels/neon.h"
#include "kernels/neon_sum.h"

void kern_layer_norm_f32_neon(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *beta,
                              float eps, float *y, size_t ldy, float *mean, float *rstd)
{
    if (n == 0) return;
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx;
        float *yi = y + i * ldy;
        const float mu = (float)(neon_sum(n, xi) / (double)n);
        const double var = neon_sum_squared_deviation(n, xi, mu) / (double)n;
        const float r = (float)(1.0 / sqrt(var + (double)eps));
        size_t j = 0;
        for (; j + 4 <= n; j += 4) {
            float32x4_t v = vmulq_n_f32(vsubq_f32(vld1q_f32(xi + j), vdupq_n_f32(mu)), r);
            vst1q_f32(yi + j, vfmaq_f32(vld1q_f32(beta + j), v, vld1q_f32(gamma + j)));
        }
        for (; j < n; j++) yi[j] = fmaf((xi[j] - mu) * r, gamma[j], beta[j]);
        if (mean) mean[i] = mu;
        if (rstd) rstd[i] = r;
    }
}

/* Four channels over all rows, the sums in registers. The order of a channel's additions is that of the rows. */
static inline __attribute__((always_inline)) void moments4(size_t rows, const float *x, size_t ldx, const float *weight,
                                                           double *sum, double *sumsq)
{
    float64x2_t s0 = vld1q_f64(sum), s1 = vld1q_f64(sum + 2), q0 = vld1q_f64(sumsq), q1 = vld1q_f64(sumsq + 2);
    for (size_t i = 0; i < rows; i++) {
        float32x4_t v = vld1q_f32(x + i * ldx);
        float64x2_t x0 = vcvt_f64_f32(vget_low_f32(v)), x1 = vcvt_high_f64_f32(v), wx0 = x0, wx1 = x1;
        if (weight) {
            wx0 = vmulq_n_f64(x0, (double)weight[i]);
            wx1 = vmulq_n_f64(x1, (double)weight[i]);
        }
        s0 = vaddq_f64(s0, wx0);
        s1 = vaddq_f64(s1, wx1);
        q0 = vaddq_f64(q0, vmulq_f64(wx0, x0));
        q1 = vaddq_f64(q1, vmulq_f64(wx1, x1));
    }
    vst1q_f64(sum, s0);
    vst1q_f64(sum + 2, s1);
    vst1q_f64(sumsq, q0);
    vst1q_f64(sumsq + 2, q1);
}

void kern_channel_moments_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight,
                                   double *sum, double *sumsq)
{
    size_t c = 0;
    for (; c + 4 <= channels; c += 4) {
        if (weight)
            moments4(rows, x + c, ldx, weight, sum + c, sumsq + c);
        else
            moments4(rows, x + c, ldx, NULL, sum + c, sumsq + c);
    }
    for (; c < channels; c++)
        for (size_t i = 0; i < rows; i++) {
            const double xc = (double)x[i * ldx + c], wx = weight ? (double)weight[i] * xc : xc;
            sum[c] += wx;
            sumsq[c] += wx * xc;
        }
}

void kern_channel_affine_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                                  const float *shift, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++) {
        const float *xi = x + i * ldx;
        float *yi = y + i * ldy;
        size_t c = 0;
        for (; c + 4 <= channels; c += 4)
            vst1q_f32(yi + c, vfmaq_f32(vld1q_f32(shift + c), vld1q_f32(xi + c), vld1q_f32(scale + c)));
        for (; c < channels; c++) yi[c] = fmaf(xi[c], scale[c], shift[c]);
    }
}
