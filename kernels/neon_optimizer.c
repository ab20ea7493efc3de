/* What an optimizer's step needs: the sum of squares of a gradient, and AdamW. */
#include "kernels/neon.h"
#include "kernels/neon_double.h"
#include "kernels/neon_math.h"

/* Two pairs of accumulators take vectors in turn and are added in one fixed order. */
double kern_sum_squares_f32_neon(size_t n, const float *x)
{
    neon_wide s0 = {vdupq_n_f64(0.0), vdupq_n_f64(0.0)}, s1 = s0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const neon_wide v0 = neon_widen(vld1q_f32(x + i)), v1 = neon_widen(vld1q_f32(x + i + 4));
        s0 = neon_wide_fma(s0, v0, v0);
        s1 = neon_wide_fma(s1, v1, v1);
    }
    for (; i < n; i += 4) {
        const neon_wide v = neon_widen(n - i < 4 ? neon_load_part(x + i, n - i, 0.0f) : vld1q_f32(x + i));
        s0 = neon_wide_fma(s0, v, v);
    }
    const neon_wide s = neon_wide_add(s0, s1);
    return vaddvq_f64(vaddq_f64(s.low, s.high));
}

/* Four elements of each array; g is the gradient as it comes. */
static inline void adamw_step(float32x4_t *w, float32x4_t g, float32x4_t *m, float32x4_t *v, const kern_adamw *a)
{
    g = vmulq_n_f32(g, a->grad_scale);
    *m = vaddq_f32(vmulq_n_f32(*m, a->beta1), vmulq_n_f32(g, a->one_minus_beta1));
    *v = vaddq_f32(vmulq_n_f32(*v, a->beta2), vmulq_n_f32(vmulq_f32(g, g), a->one_minus_beta2));
    const float32x4_t root = vdivq_f32(vsqrtq_f32(*v), vdupq_n_f32(a->root));
    const float32x4_t step = vdivq_f32(*m, vaddq_f32(root, vdupq_n_f32(a->eps)));
    *w = vsubq_f32(vmulq_n_f32(*w, a->decay), vmulq_n_f32(step, a->step_size));
}

void kern_adamw_f32_neon(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    const kern_adamw constants = *a; /* so that no store to w can change them */
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t wi = vld1q_f32(w + i), mi = vld1q_f32(m + i), vi = vld1q_f32(v + i);
        adamw_step(&wi, vld1q_f32(grad + i), &mi, &vi, &constants);
        vst1q_f32(w + i, wi);
        vst1q_f32(m + i, mi);
        vst1q_f32(v + i, vi);
    }
    if (i < n) {
        const size_t rest = n - i;
        float32x4_t wi = neon_load_part(w + i, rest, 0.0f), mi = neon_load_part(m + i, rest, 0.0f);
        float32x4_t vi = neon_load_part(v + i, rest, 0.0f);
        adamw_step(&wi, neon_load_part(grad + i, rest, 0.0f), &mi, &vi, &constants);
        neon_store_part(w + i, rest, wi);
        neon_store_part(m + i, rest, mi);
        neon_store_part(v + i, rest, vi);
    }
}
