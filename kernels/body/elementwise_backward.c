/* Backward of the element-wise functions and of softmax. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/math.h"
#include "kernels/body/sum.h"

/* What n <= 16 elements become: d + dy * the slope at x. */
typedef f32x16 (*gradient_step)(f32x16 x, f32x16 dy, f32x16 d);

/* step is a constant where this is inlined. */
KERN_INLINE void map_gradient(size_t n, const float *x, const float *dy, float *dx, gradient_step step)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        f32x16_store(dx + i, step(f32x16_load(x + i), f32x16_load(dy + i), f32x16_load(dx + i)));
    if (i == n) return;
    const size_t rest = n - i;
    f32x16_store_first(dx + i, rest, step(f32x16_load_first(x + i, rest), f32x16_load_first(dy + i, rest),
                                          f32x16_load_first(dx + i, rest)));
}

KERN_INLINE f32x16 gelu_step(f32x16 x, f32x16 dy, f32x16 d)
{
    return f32x16_fma(dy, gelu_slope(x), d);
}

KERN_INLINE f32x16 relu_step(f32x16 x, f32x16 dy, f32x16 d)
{
    return f32x16_add(d, f32x16_keep(f32x16_greater(x, f32x16_set1(0.0f)), dy));
}

KERN_INLINE f32x16 tanh_step(f32x16 y, f32x16 dy, f32x16 d)
{
    return f32x16_fma(dy, f32x16_fnma(y, y, f32x16_set1(1.0f)), d);
}

static void kern_gelu_backward_f32(size_t n, const float *x, const float *dy, float *dx)
{
    map_gradient(n, x, dy, dx, gelu_step);
}

static void kern_relu_backward_f32(size_t n, const float *x, const float *dy, float *dx)
{
    map_gradient(n, x, dy, dx, relu_step);
}

static void kern_tanh_backward_f32(size_t n, const float *y, const float *dy, float *dx)
{
    map_gradient(n, y, dy, dx, tanh_step);
}

/* n <= 16 elements */
KERN_INLINE void softmax_step(size_t n, const float *y, const float *dy, f32x16 dot, float *dx)
{
    const f32x16 g = f32x16_sub(f32x16_load_first(dy, n), dot);
    f32x16_store_first(dx, n, f32x16_fma(f32x16_load_first(y, n), g, f32x16_load_first(dx, n)));
}

static void kern_softmax_backward_f32(size_t n, const float *y, const float *dy, float *dx)
{
    const f32x16 dot = f32x16_set1(sum_products(n, y, dy));
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) softmax_step(LANES, y + j, dy + j, dot, dx + j);
    if (j < n) softmax_step(n - j, y + j, dy + j, dot, dx + j);
}

void kern_fill_elementwise_backward(kern_table *t)
{
    t->gelu_backward_f32 = kern_gelu_backward_f32;
    t->relu_backward_f32 = kern_relu_backward_f32;
    t->tanh_backward_f32 = kern_tanh_backward_f32;
    t->softmax_backward_f32 = kern_softmax_backward_f32;
}
