/* Backward of the element-wise functions and of softmax, AVX2. Contracts: kernels.h. */
#include "kernels/avx2_math.h"

enum { LANES = 8 };

static void kern_gelu_backward_f32_avx2(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        const __m256 slope = kern_gelu_slope_avx2(kern_load_avx2(x + i, lanes));
        const __m256 g = kern_load_avx2(dy + i, lanes), d = kern_load_avx2(dx + i, lanes);
        kern_store_avx2(dx + i, lanes, _mm256_fmadd_ps(g, slope, d));
    }
}

static void kern_relu_backward_f32_avx2(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        const __m256 passes = _mm256_cmp_ps(kern_load_avx2(x + i, lanes), _mm256_setzero_ps(), _CMP_GT_OQ);
        const __m256 g = _mm256_and_ps(passes, kern_load_avx2(dy + i, lanes));
        kern_store_avx2(dx + i, lanes, _mm256_add_ps(kern_load_avx2(dx + i, lanes), g));
    }
}

static void kern_tanh_backward_f32_avx2(size_t n, const float *y, const float *dy, float *dx)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = n - i;
        const __m256 v = kern_load_avx2(y + i, lanes), slope = _mm256_fnmadd_ps(v, v, one);
        const __m256 g = kern_load_avx2(dy + i, lanes), d = kern_load_avx2(dx + i, lanes);
        kern_store_avx2(dx + i, lanes, _mm256_fmadd_ps(g, slope, d));
    }
}

static void kern_softmax_backward_f32_avx2(size_t n, const float *y, const float *dy, float *dx)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    size_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(y + j), _mm256_loadu_ps(dy + j), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(y + j + LANES), _mm256_loadu_ps(dy + j + LANES), s1);
    }
    for (; j < n; j += LANES) {
        const size_t lanes = n - j;
        s0 = _mm256_fmadd_ps(kern_load_avx2(y + j, lanes), kern_load_avx2(dy + j, lanes), s0);
    }
    const __m256 dot = _mm256_set1_ps(kern_add_lanes_avx2(_mm256_add_ps(s0, s1)));
    for (j = 0; j < n; j += LANES) {
        const size_t lanes = n - j;
        const __m256 g = _mm256_sub_ps(kern_load_avx2(dy + j, lanes), dot), d = kern_load_avx2(dx + j, lanes);
        kern_store_avx2(dx + j, lanes, _mm256_fmadd_ps(kern_load_avx2(y + j, lanes), g, d));
    }
}

void kern_table_fill_avx2_backward_math(kern_table *t)
{
    t->gelu_backward_f32 = kern_gelu_backward_f32_avx2;
    t->relu_backward_f32 = kern_relu_backward_f32_avx2;
    t->tanh_backward_f32 = kern_tanh_backward_f32_avx2;
    t->softmax_backward_f32 = kern_softmax_backward_f32_avx2;
}
