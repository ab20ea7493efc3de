/* Backward of the element-wise functions and of softmax. */
#include "kernels/neon.h"
#include "kernels/neon_sum.h"

/* dx += dy * slope(x). */
static inline __attribute__((always_inline)) void map_slope(size_t n, const float *x, const float *dy, float *dx,
                                                            float32x4_t (*slope)(float32x4_t))
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dx + i, vfmaq_f32(vld1q_f32(dx + i), vld1q_f32(dy + i), slope(vld1q_f32(x + i))));
    if (i < n) {
        const size_t rest = n - i;
        const float32x4_t s = slope(neon_load_part(x + i, rest, 0.0f)), g = neon_load_part(dy + i, rest, 0.0f);
        neon_store_part(dx + i, rest, vfmaq_f32(neon_load_part(dx + i, rest, 0.0f), g, s));
    }
}

void kern_gelu_backward_f32_neon(size_t n, const float *x, const float *dy, float *dx)
{
    map_slope(n, x, dy, dx, neon_gelu_slope);
}

static inline float32x4_t tanh_slope(float32x4_t y)
{
    return vfmsq_f32(vdupq_n_f32(1.0f), y, y);
}

void kern_tanh_backward_f32_neon(size_t n, const float *y, const float *dy, float *dx)
{
    map_slope(n, y, dy, dx, tanh_slope);
}

void kern_relu_backward_f32_neon(size_t n, const float *x, const float *dy, float *dx)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint32x4_t passes = vcgtzq_f32(vld1q_f32(x + i));
        const uint32x4_t g = vandq_u32(passes, vreinterpretq_u32_f32(vld1q_f32(dy + i)));
        vst1q_f32(dx + i, vaddq_f32(vld1q_f32(dx + i), vreinterpretq_f32_u32(g)));
    }
    for (; i < n; i++) dx[i] += x[i] > 0.0f ? dy[i] : 0.0f;
}

void kern_softmax_backward_f32_neon(size_t n, const float *y, const float *dy, float *dx)
{
    const float32x4_t dot = vdupq_n_f32((float)neon_dot(n, y, dy));
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dx + i, vfmaq_f32(vld1q_f32(dx + i), vld1q_f32(y + i), vsubq_f32(vld1q_f32(dy + i), dot)));
    if (i < n) {
        const size_t rest = n - i;
        const float32x4_t g = vsubq_f32(neon_load_part(dy + i, rest, 0.0f), dot);
        const float32x4_t before = neon_load_part(dx + i, rest, 0.0f);
        neon_store_part(dx + i, rest, vfmaq_f32(before, neon_load_part(y + i, rest, 0.0f), g));
    }
}
