/* Element-wise kernels and the GEMM epilogue, AVX2. Tails are masked, so an element's value does not depend on where it
 * stands. Contracts: kernels.h. */
#include "kernels/avx2_math.h"

enum { LANES = 8 };

static void kern_exp_f32_avx2(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        kern_store_avx2(y + i, lanes, kern_exp_avx2(kern_load_avx2(x + i, lanes)));
    }
}

static void kern_tanh_f32_avx2(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        kern_store_avx2(y + i, lanes, kern_tanh_avx2(kern_load_avx2(x + i, lanes)));
    }
}

static void kern_sigmoid_f32_avx2(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        kern_store_avx2(y + i, lanes, kern_sigmoid_avx2(kern_load_avx2(x + i, lanes)));
    }
}

static void kern_gelu_f32_avx2(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        kern_store_avx2(y + i, lanes, kern_gelu_avx2(kern_load_avx2(x + i, lanes)));
    }
}

/* max returns its second operand when that is NaN, and of two zeros. */
static inline __m256 relu(__m256 x)
{
    return _mm256_max_ps(_mm256_setzero_ps(), x);
}

static void kern_relu_f32_avx2(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        kern_store_avx2(y + i, lanes, relu(kern_load_avx2(x + i, lanes)));
    }
}

static void kern_add_f32_avx2(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        const __m256 av = kern_load_avx2(a + i, lanes), bv = kern_load_avx2(b + i, lanes);
        kern_store_avx2(y + i, lanes, _mm256_add_ps(av, bv));
    }
}

static void kern_mul_f32_avx2(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        const __m256 av = kern_load_avx2(a + i, lanes), bv = kern_load_avx2(b + i, lanes);
        kern_store_avx2(y + i, lanes, _mm256_mul_ps(av, bv));
    }
}

static void kern_axpy_f32_avx2(size_t n, float alpha, const float *x, float *y)
{
    const __m256 factor = _mm256_set1_ps(alpha);
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        const __m256 xv = kern_load_avx2(x + i, lanes), yv = kern_load_avx2(y + i, lanes);
        kern_store_avx2(y + i, lanes, _mm256_fmadd_ps(factor, xv, yv));
    }
}

/* One row. act is a constant where this is inlined. */
static inline __attribute__((always_inline)) void epilogue_row(size_t n, float *c, const float *bias, kern_act act,
                                                               const float *residual)
{
    for (size_t j = 0; j < n; j += LANES) {
        const size_t lanes = n - j;
        __m256 x = kern_load_avx2(c + j, lanes);
        if (bias != NULL) x = _mm256_add_ps(x, kern_load_avx2(bias + j, lanes));
        if (act == KERN_ACT_GELU) x = kern_gelu_avx2(x);
        if (act == KERN_ACT_RELU) x = relu(x);
        if (act == KERN_ACT_TANH) x = kern_tanh_avx2(x);
        if (residual != NULL) x = _mm256_add_ps(x, kern_load_avx2(residual + j, lanes));
        kern_store_avx2(c + j, lanes, x);
    }
}

static void kern_epilogue_f32_avx2(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                                   const float *residual, size_t ldr)
{
    for (size_t i = 0; i < m; i++) {
        float *row = c + i * ldc;
        const float *add = residual != NULL ? residual + i * ldr : NULL;
        switch (act) {
        case KERN_ACT_NONE: epilogue_row(n, row, bias, KERN_ACT_NONE, add); break;
        case KERN_ACT_GELU: epilogue_row(n, row, bias, KERN_ACT_GELU, add); break;
        case KERN_ACT_RELU: epilogue_row(n, row, bias, KERN_ACT_RELU, add); break;
        case KERN_ACT_TANH: epilogue_row(n, row, bias, KERN_ACT_TANH, add); break;
        }
    }
}

void kern_table_fill_avx2_math(kern_table *t)
{
    t->epilogue_f32 = kern_epilogue_f32_avx2;
    t->exp_f32 = kern_exp_f32_avx2;
    t->tanh_f32 = kern_tanh_f32_avx2;
    t->sigmoid_f32 = kern_sigmoid_f32_avx2;
    t->gelu_f32 = kern_gelu_f32_avx2;
    t->relu_f32 = kern_relu_f32_avx2;
    t->add_f32 = kern_add_f32_avx2;
    t->mul_f32 = kern_mul_f32_avx2;
    t->axpy_f32 = kern_axpy_f32_avx2;
}
