/* Softmax, the online softmax of attention with WavLM's gated relative position bias, and that bias's gate. */
#include <math.h>

#include "kernels/neon.h"
#include "kernels/neon_sum.h"

/* y = exp(x - top), returns the sum of y. In place allowed. */
static inline float exp_and_sum(size_t n, const float *x, float top, float *y)
{
    const float32x4_t m = vdupq_n_f32(top);
    double total = 0.0;
    for (size_t start = 0; start < n; start += NEON_SUM_BLOCK) {
        const size_t end = n - start < NEON_SUM_BLOCK ? n : start + NEON_SUM_BLOCK;
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        size_t i = start;
        for (; i + 8 <= end; i += 8)
            for (size_t q = 0; q < 2; q++) {
                float32x4_t e = neon_exp(vsubq_f32(vld1q_f32(x + i + 4 * q), m));
                vst1q_f32(y + i + 4 * q, e);
                acc[q] = vaddq_f32(acc[q], e);
            }
        for (; i < end; i += 4) {
            const size_t here = end - i < 4 ? end - i : 4;
            /* Filled up with -inf: those lanes add zero. */
            float32x4_t e = neon_exp(vsubq_f32(neon_load_part(x + i, here, -INFINITY), m));
            neon_store_part(y + i, here, e);
            acc[2] = vaddq_f32(acc[2], neon_load_part(y + i, here, 0.0f));
        }
        total += neon_total(acc);
    }
    return (float)total;
}

void kern_softmax_f32_neon(size_t n, const float *x, float *y)
{
    if (n == 0) return;
    const float sum = exp_and_sum(n, x, neon_max(n, x), y);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vdivq_f32(vld1q_f32(y + i), vdupq_n_f32(sum)));
    for (; i < n; i++) y[i] /= sum;
}

/* s = s * scale + gate * bias, returns the maximum. bias may be NULL. */
static inline float score_row(size_t keys, float *s, float scale, float gate, const float *bias)
{
    float32x4_t top = vdupq_n_f32(-INFINITY);
    size_t j = 0;
    for (; j + 4 <= keys; j += 4) {
        float32x4_t v = vmulq_n_f32(vld1q_f32(s + j), scale);
        if (bias) v = vfmaq_n_f32(v, vld1q_f32(bias + j), gate);
        vst1q_f32(s + j, v);
        top = vmaxq_f32(top, v);
    }
    if (j < keys) {
        float32x4_t v = vmulq_n_f32(neon_load_part(s + j, keys - j, 0.0f), scale);
        if (bias) v = vfmaq_n_f32(v, neon_load_part(bias + j, keys - j, 0.0f), gate);
        neon_store_part(s + j, keys - j, v);
        top = vmaxq_f32(top, neon_load_part(s + j, keys - j, -INFINITY));
    }
    return vmaxvq_f32(top);
}

void kern_attention_softmax_f32_neon(size_t rows, size_t keys, float *s, size_t lds, float scale, const float *gate,
                                     const float *bias, float *running_max, float *running_sum, float *rescale)
{
    for (size_t r = 0; r < rows; r++) {
        if (keys == 0) {
            rescale[r] = 1.0f;
            continue;
        }
        float *row = s + r * lds;
        const float tile_max = score_row(keys, row, scale, bias ? gate[r] : 0.0f, bias ? bias - r : NULL);
        const float before = running_max[r];
        /* vmax_f32 and not fmaxf, which would lose a NaN. */
        const float top = vget_lane_f32(vmax_f32(vdup_n_f32(before), vdup_n_f32(tile_max)), 0);
        const float factor = before == -INFINITY ? 0.0f : vgetq_lane_f32(neon_exp(vdupq_n_f32(before - top)), 0);
        const float sum = exp_and_sum(keys, row, top, row);
        rescale[r] = factor;
        running_sum[r] = fmaf(running_sum[r], factor, sum);
        running_max[r] = top;
    }
}

void kern_relative_gate_f32_neon(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                                 const float *b, const float *constant, float *gate, size_t ldg)
{
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < rows; i++) {
            const float *xih = x + i * ldx + h * dim;
            const float pre[2] = {(float)(neon_dot(dim, w, xih) + (double)b[0]),
                                  (float)(neon_dot(dim, w + dim, xih) + (double)b[1])};
            float32x4_t s = neon_sigmoid(neon_load_part(pre, 2, 0.0f));
            const float a = vgetq_lane_f32(s, 0), g = vgetq_lane_f32(s, 1);
            gate[h * ldg + i] = a * (g * constant[h] - 1.0f) + 2.0f;
        }
}
