/* Element-wise kernels and the GEMM epilogue. An element's value does not depend on where it stands: tails run the same
 * arithmetic as whole vectors. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/math.h"
#include "kernels/body/sum.h"

/* y = f(x); f is a constant where this is inlined. */
KERN_INLINE void map(size_t n, const float *x, float *y, f32x16 (*f)(f32x16))
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32x16_store(y + i, f(f32x16_load(x + i)));
    if (i < n) f32x16_store_first(y + i, n - i, f(f32x16_load_first(x + i, n - i)));
}

/* y = f(a, b) */
KERN_INLINE void map_two(size_t n, const float *a, const float *b, float *y, f32x16 (*f)(f32x16, f32x16))
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32x16_store(y + i, f(f32x16_load(a + i), f32x16_load(b + i)));
    if (i == n) return;
    f32x16_store_first(y + i, n - i, f(f32x16_load_first(a + i, n - i), f32x16_load_first(b + i, n - i)));
}

static void kern_exp_f32(size_t n, const float *x, float *y)
{
    map(n, x, y, exp_of);
}

static void kern_tanh_f32(size_t n, const float *x, float *y)
{
    map(n, x, y, tanh_of);
}

static void kern_sigmoid_f32(size_t n, const float *x, float *y)
{
    map(n, x, y, sigmoid_of);
}

static void kern_gelu_f32(size_t n, const float *x, float *y)
{
    map(n, x, y, gelu_of);
}

static void kern_relu_f32(size_t n, const float *x, float *y)
{
    map(n, x, y, relu_of);
}

static void kern_add_f32(size_t n, const float *a, const float *b, float *y)
{
    map_two(n, a, b, y, f32x16_add);
}

static void kern_mul_f32(size_t n, const float *a, const float *b, float *y)
{
    map_two(n, a, b, y, f32x16_mul);
}

static void kern_axpy_f32(size_t n, float alpha, const float *x, float *y)
{
    const f32x16 factor = f32x16_set1(alpha);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        f32x16_store(y + i, f32x16_fma(factor, f32x16_load(x + i), f32x16_load(y + i)));
    if (i == n) return;
    f32x16_store_first(y + i, n - i,
                       f32x16_fma(factor, f32x16_load_first(x + i, n - i), f32x16_load_first(y + i, n - i)));
}

static void kern_scale_rows_f32(size_t rows, size_t n, float *x, size_t ldx, const float *factor)
{
    for (size_t i = 0; i < rows; i++) {
        const f32x16 f = f32x16_set1(factor[i]);
        float *row = x + i * ldx;
        size_t j = 0;
        for (; j + LANES <= n; j += LANES) f32x16_store(row + j, f32x16_mul(f32x16_load(row + j), f));
        if (j < n) f32x16_store_first(row + j, n - j, f32x16_mul(f32x16_load_first(row + j, n - j), f));
    }
}

/* y = fma(x, scale, shift) in n <= 16 channels */
KERN_INLINE void affine_at(size_t n, const float *x, const float *scale, const float *shift, float *y)
{
    const f32x16 factor = f32x16_load_first(scale, n), more = f32x16_load_first(shift, n);
    f32x16_store_first(y, n, f32x16_fma(f32x16_load_first(x, n), factor, more));
}

static void kern_channel_affine_f32(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                                    const float *shift, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++) {
        const float *from = x + i * ldx;
        float *to = y + i * ldy;
        size_t c = 0;
        for (; c + LANES <= channels; c += LANES) affine_at(LANES, from + c, scale + c, shift + c, to + c);
        if (c < channels) affine_at(channels - c, from + c, scale + c, shift + c, to + c);
    }
}

/* n elements from column j on of one row, n <= 16. */
KERN_INLINE void epilogue_at(size_t j, size_t n, float *row, const float *bias, kern_act act, const float *residual)
{
    f32x16 x = f32x16_load_first(row + j, n);
    if (bias != NULL) x = f32x16_add(x, f32x16_load_first(bias + j, n));
    if (act == KERN_ACT_GELU) x = gelu_of(x);
    if (act == KERN_ACT_RELU) x = relu_of(x);
    if (act == KERN_ACT_TANH) x = tanh_of(x);
    if (residual != NULL) x = f32x16_add(x, f32x16_load_first(residual + j, n));
    f32x16_store_first(row + j, n, x);
}

/* act is a constant where this is inlined. */
KERN_INLINE void epilogue_rows(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                               const float *residual, size_t ldr)
{
    for (size_t i = 0; i < m; i++) {
        float *row = c + i * ldc;
        const float *add = residual != NULL ? residual + i * ldr : NULL;
        size_t j = 0;
        for (; j + LANES <= n; j += LANES) epilogue_at(j, LANES, row, bias, act, add);
        if (j < n) epilogue_at(j, n - j, row, bias, act, add);
    }
}

static void kern_epilogue_f32(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                              const float *residual, size_t ldr)
{
    switch (act) {
    case KERN_ACT_NONE: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_NONE, residual, ldr); break;
    case KERN_ACT_GELU: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_GELU, residual, ldr); break;
    case KERN_ACT_RELU: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_RELU, residual, ldr); break;
    case KERN_ACT_TANH: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_TANH, residual, ldr); break;
    }
}

void kern_fill_elementwise(kern_table *t)
{
    t->exp_f32 = kern_exp_f32;
    t->tanh_f32 = kern_tanh_f32;
    t->sigmoid_f32 = kern_sigmoid_f32;
    t->gelu_f32 = kern_gelu_f32;
    t->relu_f32 = kern_relu_f32;
    t->add_f32 = kern_add_f32;
    t->mul_f32 = kern_mul_f32;
    t->axpy_f32 = kern_axpy_f32;
    t->scale_rows_f32 = kern_scale_rows_f32;
    t->channel_affine_f32 = kern_channel_affine_f32;
    t->epilogue_f32 = kern_epilogue_f32;
}
