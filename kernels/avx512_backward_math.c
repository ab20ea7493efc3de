/* Backward of the element-wise functions and of softmax, AVX-512. Contracts: kernels.h. */
#include "kernels/avx512_math.h"

enum { LANES = 16 };

static void kern_gelu_backward_f32_avx512(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 slope = kern_gelu_slope_avx512(_mm512_maskz_loadu_ps(lanes, x + i));
        const __m512 g = _mm512_maskz_loadu_ps(lanes, dy + i), d = _mm512_maskz_loadu_ps(lanes, dx + i);
        _mm512_mask_storeu_ps(dx + i, lanes, _mm512_fmadd_ps(g, slope, d));
    }
}

static void kern_relu_backward_f32_avx512(size_t n, const float *x, const float *dy, float *dx)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
        const __mmask16 passes = _mm512_mask_cmp_ps_mask(lanes, v, _mm512_setzero_ps(), _CMP_GT_OQ);
        const __m512 g = _mm512_maskz_loadu_ps(passes, dy + i), d = _mm512_maskz_loadu_ps(lanes, dx + i);
        _mm512_mask_storeu_ps(dx + i, lanes, _mm512_add_ps(d, g));
    }
}

static void kern_tanh_backward_f32_avx512(size_t n, const float *y, const float *dy, float *dx)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(lanes, y + i), slope = _mm512_fnmadd_ps(v, v, one);
        const __m512 g = _mm512_maskz_loadu_ps(lanes, dy + i), d = _mm512_maskz_loadu_ps(lanes, dx + i);
        _mm512_mask_storeu_ps(dx + i, lanes, _mm512_fmadd_ps(g, slope, d));
    }
}

static void kern_softmax_backward_f32_avx512(size_t n, const float *y, const float *dy, float *dx)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(y + j), _mm512_loadu_ps(dy + j), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(y + j + LANES), _mm512_loadu_ps(dy + j + LANES), s1);
    }
    for (; j < n; j += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - j);
        s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, y + j), _mm512_maskz_loadu_ps(lanes, dy + j), s0);
    }
    const __m512 dot = _mm512_set1_ps(_mm512_reduce_add_ps(_mm512_add_ps(s0, s1)));
    for (j = 0; j < n; j += LANES) {
        const __mmask16 lanes = kern_lanes_avx512(n - j);
        const __m512 g = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, dy + j), dot);
        const __m512 d = _mm512_maskz_loadu_ps(lanes, dx + j);
        _mm512_mask_storeu_ps(dx + j, lanes, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, y + j), g, d));
    }
}

void kern_table_fill_avx512_backward_math(kern_table *t)
{
    t->gelu_backward_f32 = kern_gelu_backward_f32_avx512;
    t->relu_backward_f32 = kern_relu_backward_f32_avx512;
    t->tanh_backward_f32 = kern_tanh_backward_f32_avx512;
    t->softmax_backward_f32 = kern_softmax_backward_f32_avx512;
}
