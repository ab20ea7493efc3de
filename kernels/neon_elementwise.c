/* Element-wise maps. A vector's last elements go through the same arithmetic in a padded register. */
#include <math.h>

#include "kernels/neon.h"
#include "kernels/neon_math.h"

static inline __attribute__((always_inline)) void map(size_t n, const float *x, float *y, float32x4_t (*f)(float32x4_t))
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, f(vld1q_f32(x + i)));
    if (i < n) neon_store_part(y + i, n - i, f(neon_load_part(x + i, n - i, 0.0f)));
}

void kern_exp_f32_neon(size_t n, const float *x, float *y)
{
    map(n, x, y, neon_exp);
}

void kern_tanh_f32_neon(size_t n, const float *x, float *y)
{
    map(n, x, y, neon_tanh);
}

void kern_sigmoid_f32_neon(size_t n, const float *x, float *y)
{
    map(n, x, y, neon_sigmoid);
}

void kern_gelu_f32_neon(size_t n, const float *x, float *y)
{
    map(n, x, y, neon_gelu);
}

void kern_relu_f32_neon(size_t n, const float *x, float *y)
{
    map(n, x, y, neon_relu);
}

void kern_add_f32_neon(size_t n, const float *a, const float *b, float *y)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vaddq_f32(vld1q_f32(a + i), vld1q_f32(b + i)));
    for (; i < n; i++) y[i] = a[i] + b[i];
}

void kern_mul_f32_neon(size_t n, const float *a, const float *b, float *y)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vmulq_f32(vld1q_f32(a + i), vld1q_f32(b + i)));
    for (; i < n; i++) y[i] = a[i] * b[i];
}

void kern_axpy_f32_neon(size_t n, float alpha, const float *x, float *y)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vfmaq_n_f32(vld1q_f32(y + i), vld1q_f32(x + i), alpha));
    for (; i < n; i++) y[i] = fmaf(alpha, x[i], y[i]);
}

void kern_scale_rows_f32_neon(size_t rows, size_t n, float *x, size_t ldx, const float *factor)
{
    for (size_t i = 0; i < rows; i++) {
        float *xi = x + i * ldx;
        const float f = factor[i];
        size_t j = 0;
        for (; j + 4 <= n; j += 4) vst1q_f32(xi + j, vmulq_n_f32(vld1q_f32(xi + j), f));
        for (; j < n; j++) xi[j] *= f;
    }
}
