/* Element-wise kernels. The specification. Contracts: kernels.h. */
#include "kernels/spec/parts.h"

#include <math.h>

/* erfc(-x / sqrt 2) is 1 + erf(x / sqrt 2) without the cancellation for negative x. */
double kern_gelu_f64_spec(double x)
{
    if (x == -INFINITY) return -0.0;
    return 0.5 * x * erfc(-x * 0.70710678118654752440);
}

double kern_sigmoid_f64_spec(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Written as "x < 0" so that NaN and -0 pass: what x86's max(0, x) does in one instruction. */
float kern_relu_one_spec(float x)
{
    return x < 0.0f ? 0.0f : x;
}

static void kern_exp_f32_spec(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)exp((double)x[i]);
}

static void kern_tanh_f32_spec(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)tanh((double)x[i]);
}

static void kern_sigmoid_f32_spec(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)kern_sigmoid_f64_spec((double)x[i]);
}

static void kern_gelu_f32_spec(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)kern_gelu_f64_spec((double)x[i]);
}

static void kern_relu_f32_spec(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = kern_relu_one_spec(x[i]);
}

static void kern_add_f32_spec(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void kern_mul_f32_spec(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void kern_axpy_f32_spec(size_t n, float alpha, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = fmaf(alpha, x[i], y[i]);
}

void kern_spec_fill_math(kern_table *t)
{
    t->exp_f32 = kern_exp_f32_spec;
    t->tanh_f32 = kern_tanh_f32_spec;
    t->sigmoid_f32 = kern_sigmoid_f32_spec;
    t->gelu_f32 = kern_gelu_f32_spec;
    t->relu_f32 = kern_relu_f32_spec;
    t->add_f32 = kern_add_f32_spec;
    t->mul_f32 = kern_mul_f32_spec;
    t->axpy_f32 = kern_axpy_f32_spec;
}
