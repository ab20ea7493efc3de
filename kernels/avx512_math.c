/* Element-wise kernels and the GEMM epilogue, AVX-512. Tails are masked, so an element's value does not depend on where
 * it stands. Contracts: kernels.h. */
#include "kernels/avx512_math.h"

enum { LANES = 16 };

static void kern_exp_f32_avx512(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, kern_exp_avx512(_mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

static void kern_tanh_f32_avx512(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, kern_tanh_avx512(_mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

static void kern_sigmoid_f32_avx512(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, kern_sigmoid_avx512(_mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

static void kern_gelu_f32_avx512(size_t n, const float *x, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) _mm512_storeu_ps(y + i, kern_gelu_avx512(_mm512_loadu_ps(x + i)));
    if (i < n) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, kern_gelu_avx512(_mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

/* max returns its second operand when that is NaN, and of two zeros. */
static inline __m512 relu(__m512 x)
{
    return _mm512_max_ps(_mm512_setzero_ps(), x);
}

static void kern_relu_f32_avx512(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, relu(_mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

static void kern_add_f32_avx512(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 av = _mm512_maskz_loadu_ps(lanes, a + i), bv = _mm512_maskz_loadu_ps(lanes, b + i);
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_add_ps(av, bv));
    }
}

static void kern_mul_f32_avx512(size_t n, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 av = _mm512_maskz_loadu_ps(lanes, a + i), bv = _mm512_maskz_loadu_ps(lanes, b + i);
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(av, bv));
    }
}

static void kern_axpy_f32_avx512(size_t n, float alpha, const float *x, float *y)
{
    const __m512 factor = _mm512_set1_ps(alpha);
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 xv = _mm512_maskz_loadu_ps(lanes, x + i), yv = _mm512_maskz_loadu_ps(lanes, y + i);
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_fmadd_ps(factor, xv, yv));
    }
}

/* Column j on of one row. */
static inline __attribute__((always_inline)) __m512 epilogue_of(__m512 x, __mmask16 lanes, size_t j, const float *bias,
                                                                kern_act act, const float *residual)
{
    if (bias != NULL) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, bias + j));
    if (act == KERN_ACT_GELU) x = kern_gelu_avx512(x);
    if (act == KERN_ACT_RELU) x = relu(x);
    if (act == KERN_ACT_TANH) x = kern_tanh_avx512(x);
    return residual == NULL ? x : _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, residual + j));
}

/* act is a constant where this is inlined. */
static inline __attribute__((always_inline)) void epilogue_rows(size_t m, size_t n, float *c, size_t ldc,
                                                                const float *bias, kern_act act, const float *residual,
                                                                size_t ldr)
{
    const __mmask16 all = (__mmask16)0xffff, last = kern_lanes_avx512(n % LANES);
    for (size_t i = 0; i < m; i++) {
        float *row = c + i * ldc;
        const float *add = residual != NULL ? residual + i * ldr : NULL;
        size_t j = 0;
        for (; j + LANES <= n; j += LANES)
            _mm512_storeu_ps(row + j, epilogue_of(_mm512_loadu_ps(row + j), all, j, bias, act, add));
        if (j < n) {
            const __m512 x = _mm512_maskz_loadu_ps(last, row + j);
            _mm512_mask_storeu_ps(row + j, last, epilogue_of(x, last, j, bias, act, add));
        }
    }
}

static void kern_epilogue_f32_avx512(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                                     const float *residual, size_t ldr)
{
    switch (act) {
    case KERN_ACT_NONE: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_NONE, residual, ldr); break;
    case KERN_ACT_GELU: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_GELU, residual, ldr); break;
    case KERN_ACT_RELU: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_RELU, residual, ldr); break;
    case KERN_ACT_TANH: epilogue_rows(m, n, c, ldc, bias, KERN_ACT_TANH, residual, ldr); break;
    }
}

void kern_table_fill_avx512_math(kern_table *t)
{
    t->epilogue_f32 = kern_epilogue_f32_avx512;
    t->exp_f32 = kern_exp_f32_avx512;
    t->tanh_f32 = kern_tanh_f32_avx512;
    t->sigmoid_f32 = kern_sigmoid_f32_avx512;
    t->gelu_f32 = kern_gelu_f32_avx512;
    t->relu_f32 = kern_relu_f32_avx512;
    t->add_f32 = kern_add_f32_avx512;
    t->mul_f32 = kern_mul_f32_avx512;
    t->axpy_f32 = kern_axpy_f32_avx512;
}
