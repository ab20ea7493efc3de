/* Attention, AVX2: softmax, the online softmax with WavLM's gated relative position bias, and the gate itself.
 * Contracts: kernels.h. */
#include "kernels/avx2_gate.h"
#include "kernels/avx2_math.h"

#include <math.h>

enum { LANES = 8 };

/* The running top of a row, in two accumulators that take vectors in turn. A NaN may pass it by: the sum of the row's
 * exponentials keeps it. */
typedef struct row_top {
    __m256 lanes[2];
} row_top;

static inline row_top no_top(void)
{
    return (row_top){{_mm256_set1_ps(-INFINITY), _mm256_set1_ps(-INFINITY)}};
}

static inline float top_value(row_top t)
{
    return kern_max_lanes_avx2(_mm256_max_ps(t.lanes[0], t.lanes[1]));
}

/* Takes in the first min(n, 8) lanes of v. */
static inline row_top top_of(row_top t, __m256 v, size_t n)
{
    if (n < LANES) v = _mm256_blendv_ps(t.lanes[0], v, _mm256_castsi256_ps(kern_lanes_avx2(n)));
    t.lanes[0] = _mm256_max_ps(t.lanes[0], v);
    return t;
}

/* y = exp(x - top), top >= x; returns the sum, from two accumulators that take vectors in turn. */
static inline float exp_row(size_t n, const float *x, float top, float *y)
{
    const __m256 shift = _mm256_set1_ps(top);
    __m256 s[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        KERN_UNROLL
        for (size_t q = 0; q < 2; q++) {
            const __m256 e = kern_exp_below_avx2(_mm256_sub_ps(_mm256_loadu_ps(x + j + q * LANES), shift));
            _mm256_storeu_ps(y + j + q * LANES, e);
            s[q] = _mm256_add_ps(s[q], e);
        }
    }
    for (; j < n; j += LANES) {
        const __m256 e = kern_exp_below_avx2(_mm256_sub_ps(kern_load_avx2(x + j, n - j), shift));
        kern_store_avx2(y + j, n - j, e);
        s[0] = _mm256_add_ps(s[0], kern_first_avx2(n - j, e));
    }
    return kern_add_lanes_avx2(_mm256_add_ps(s[0], s[1]));
}

static void kern_softmax_f32_avx2(size_t n, const float *x, float *y)
{
    row_top t = no_top();
    for (size_t j = 0; j < n; j += LANES) t = top_of(t, kern_load_avx2(x + j, n - j), n - j);
    const __m256 sum = _mm256_set1_ps(exp_row(n, x, top_value(t), y));
    for (size_t j = 0; j < n; j += LANES)
        kern_store_avx2(y + j, n - j, _mm256_div_ps(kern_load_avx2(y + j, n - j), sum));
}

/* s = s * scale + gate * bias for one row; returns its top. bias points at key 0 of this row, biased being a constant
 * where this is inlined. */
static inline __attribute__((always_inline)) float score_row(size_t keys, float *s, float scale, bool biased,
                                                             float gate, const float *bias)
{
    const __m256 by = _mm256_set1_ps(scale), g = _mm256_set1_ps(gate);
    row_top t = no_top();
    size_t j = 0;
    for (; j + 2 * LANES <= keys; j += 2 * LANES) {
        KERN_UNROLL
        for (size_t q = 0; q < 2; q++) {
            float *at = s + j + q * LANES;
            __m256 v = _mm256_mul_ps(_mm256_loadu_ps(at), by);
            if (biased) v = _mm256_fmadd_ps(g, _mm256_loadu_ps(bias + j + q * LANES), v);
            _mm256_storeu_ps(at, v);
            t.lanes[q] = _mm256_max_ps(t.lanes[q], v);
        }
    }
    for (; j < keys; j += LANES) {
        __m256 v = _mm256_mul_ps(kern_load_avx2(s + j, keys - j), by);
        if (biased) v = _mm256_fmadd_ps(g, kern_load_avx2(bias + j, keys - j), v);
        kern_store_avx2(s + j, keys - j, v);
        t = top_of(t, v, keys - j);
    }
    return top_value(t);
}

static inline float exp_one(float x)
{
    return _mm256_cvtss_f32(kern_exp_below_avx2(_mm256_set1_ps(x)));
}

static void kern_attention_softmax_f32_avx2(size_t rows, size_t keys, float *s, size_t lds, float scale,
                                            const float *gate, const float *bias, float *running_max,
                                            float *running_sum, float *rescale)
{
    for (size_t r = 0; r < rows; r++) {
        if (keys == 0) {
            rescale[r] = 1.0f;
            continue;
        }
        float *row = s + r * lds;
        const float before = running_max[r];
        const float here = bias != NULL ? score_row(keys, row, scale, true, gate[r], bias - r)
                                        : score_row(keys, row, scale, false, 0.0f, NULL);
        const float top = here > before ? here : before;
        const float sum = exp_row(keys, row, top, row);
        rescale[r] = before == -INFINITY ? 0.0f : exp_one(before - top);
        running_sum[r] = running_sum[r] * rescale[r] + sum;
        running_max[r] = top;
    }
}

static void kern_relative_gate_f32_avx2(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                        const float *w, const float *b, const float *constant, float *gate, size_t ldg)
{
    const __m256 one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f);
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h += LANES) { /* the sums of up to 8 heads, then their sigmoids at once */
            const size_t count = heads - h < LANES ? heads - h : LANES;
            __m256 av, gv;
            float out[LANES];
            kern_gate_sums_avx2(count, dim, x + i * ldx + h * dim, w, b, &av, &gv);
            av = kern_sigmoid_avx2(av);
            gv = kern_sigmoid_avx2(gv);
            const __m256 c = kern_load_avx2(constant + h, count);
            _mm256_storeu_ps(out, _mm256_fmadd_ps(av, _mm256_fmsub_ps(gv, c, one), two));
            for (size_t q = 0; q < count; q++) gate[(h + q) * ldg + i] = out[q];
        }
}

void kern_table_fill_avx2_attention(kern_table *t)
{
    t->softmax_f32 = kern_softmax_f32_avx2;
    t->attention_softmax_f32 = kern_attention_softmax_f32_avx2;
    t->relative_gate_f32 = kern_relative_gate_f32_avx2;
}
