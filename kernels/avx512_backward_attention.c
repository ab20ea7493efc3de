/* Backward of attention with WavLM's gated relative position bias, and of the gate; AVX-512. Contracts: kernels.h. */
#include "kernels/avx512_double.h"
#include "kernels/avx512_gate.h"
#include "kernels/avx512_math.h"

enum { LANES = 16 };

/* What is the same for all keys of a query. */
typedef struct query {
    __m512 scale, gate, max, inverse_sum, delta;
} query;

/* 16 keys: p over the scores, ds * scale over dp; returns ds. The scores come out bit for bit as in the forward pass.
 */
static inline __m512 attend(const query *q, __mmask16 lanes, float *s, float *dp, __m512 bias, bool biased)
{
    __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, s), q->scale);
    if (biased) v = _mm512_fmadd_ps(q->gate, bias, v);
    const __m512 p = _mm512_mul_ps(kern_exp_avx512(_mm512_sub_ps(v, q->max)), q->inverse_sum);
    const __m512 ds = _mm512_mul_ps(p, _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, dp), q->delta));
    _mm512_mask_storeu_ps(s, lanes, p);
    _mm512_mask_storeu_ps(dp, lanes, _mm512_mul_ps(ds, q->scale));
    return ds;
}

/* The same with a bias; adds ds * bias to *sum and to dbias, which may be NULL, what is its due. */
static inline void attend_biased(const query *q, __mmask16 lanes, float *s, float *dp, const float *bias, float *dbias,
                                 __m512 *sum)
{
    const __m512 b = _mm512_maskz_loadu_ps(lanes, bias);
    const __m512 ds = attend(q, lanes, s, dp, b, true);
    *sum = _mm512_mask3_fmadd_ps(ds, b, *sum, lanes);
    if (dbias == NULL) return;
    _mm512_mask_storeu_ps(dbias, lanes, _mm512_fmadd_ps(ds, q->gate, _mm512_maskz_loadu_ps(lanes, dbias)));
}

/* One row with a bias, which points at key 0 of this row, as dbias does; returns sum_j ds * bias[j], from two
 * accumulators that take vectors in turn. */
static inline float attend_row(const query *q, size_t keys, float *s, float *dp, const float *bias, float *dbias)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t j = 0;
    for (; j + 2 * LANES <= keys; j += 2 * LANES) {
        const size_t k = j + LANES;
        attend_biased(q, (__mmask16)0xffff, s + j, dp + j, bias + j, dbias != NULL ? dbias + j : NULL, &s0);
        attend_biased(q, (__mmask16)0xffff, s + k, dp + k, bias + k, dbias != NULL ? dbias + k : NULL, &s1);
    }
    for (; j < keys; j += LANES)
        attend_biased(q, kern_lanes_avx512(keys - j), s + j, dp + j, bias + j, dbias != NULL ? dbias + j : NULL, &s0);
    return _mm512_reduce_add_ps(_mm512_add_ps(s0, s1));
}

static void kern_attention_backward_f32_avx512(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp,
                                               float scale, const float *gate, const float *bias, const float *max,
                                               const float *inverse_sum, const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = s + r * lds, *drow = dp + r * lddp;
        const query q = {_mm512_set1_ps(scale), _mm512_set1_ps(bias != NULL ? gate[r] : 0.0f), _mm512_set1_ps(max[r]),
                         _mm512_set1_ps(inverse_sum[r]), _mm512_set1_ps(delta[r])};
        if (bias != NULL) {
            dgate[r] += attend_row(&q, keys, row, drow, bias - r, dbias != NULL ? dbias - r : NULL);
            continue;
        }
        for (size_t j = 0; j < keys; j += LANES)
            attend(&q, kern_lanes_avx512(keys - j), row + j, drow + j, _mm512_setzero_ps(), false);
    }
}

/* The sigmoid and its slope. With e = exp(-|x|) the slope is e / (1 + e)^2, which has no cancellation. */
static inline __m512 sigmoid_slope(__m512 x, __m512 *value)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512 e = kern_exp_avx512(_mm512_or_ps(x, _mm512_set1_ps(-0.0f)));
    const __m512 large = _mm512_div_ps(one, _mm512_add_ps(one, e)), small = _mm512_mul_ps(e, large);
    *value = _mm512_mask_mov_ps(large, _mm512_movepi32_mask(_mm512_castps_si512(x)), small);
    return _mm512_mul_ps(small, large);
}

/* Gradients of up to 16 heads of one row: of the sums under the two sigmoids, and of constant[h]. */
typedef struct gate_gradients {
    float a[LANES], g[LANES], constant[LANES];
} gate_gradients;

/* With gate = a (g c - 1) + 2: da = dgate (g c - 1), dg = dgate a c, dc = dgate a g. */
static inline gate_gradients gradients_of(size_t heads, size_t dim, const float *x, const float *w, const float *b,
                                          const float *constant, const float *dgate, size_t ldg)
{
    float d[LANES] = {0};
    for (size_t h = 0; h < heads; h++) d[h] = dgate[h * ldg];
    const __m512 dv = _mm512_loadu_ps(d), c = _mm512_maskz_loadu_ps(kern_lanes_avx512(heads), constant);
    __m512 a, g;
    kern_gate_sums_avx512(heads, dim, x, w, b, &a, &g);
    const __m512 a_slope = sigmoid_slope(a, &a), g_slope = sigmoid_slope(g, &g);
    const __m512 da = _mm512_mul_ps(dv, _mm512_fmsub_ps(g, c, _mm512_set1_ps(1.0f)));
    const __m512 by_a = _mm512_mul_ps(dv, a);
    gate_gradients out;
    _mm512_storeu_ps(out.a, _mm512_mul_ps(da, a_slope));
    _mm512_storeu_ps(out.g, _mm512_mul_ps(_mm512_mul_ps(by_a, c), g_slope));
    _mm512_storeu_ps(out.constant, _mm512_mul_ps(by_a, g));
    return out;
}

/* s + d * x */
static inline kern_wide_avx512 weigh(kern_wide_avx512 s, kern_wide_avx512 x, float d)
{
    const __m512d by = _mm512_set1_pd((double)d);
    return kern_wide_fma_avx512(x, (kern_wide_avx512){by, by}, s);
}

/* 16 of a head's elements, for the heads of one row in turn. dx may be NULL. */
static inline void gate_strip(size_t heads, size_t dim, __mmask16 lanes, const gate_gradients *d, const float *x,
                              const float *w, float *dx, double *dw)
{
    const __m512 w0 = _mm512_maskz_loadu_ps(lanes, w), w1 = _mm512_maskz_loadu_ps(lanes, w + dim);
    kern_wide_avx512 s0 = kern_wide_load_avx512(dw, lanes), s1 = kern_wide_load_avx512(dw + dim, lanes);
    for (size_t h = 0; h < heads; h++) {
        const kern_wide_avx512 v = kern_widen_avx512(_mm512_maskz_loadu_ps(lanes, x + h * dim));
        s0 = weigh(s0, v, d->a[h]);
        s1 = weigh(s1, v, d->g[h]);
        if (dx != NULL) {
            const __m512 by_a = _mm512_mul_ps(_mm512_set1_ps(d->a[h]), w0);
            const __m512 more = _mm512_fmadd_ps(_mm512_set1_ps(d->g[h]), w1, by_a);
            const __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, dx + h * dim), more);
            _mm512_mask_storeu_ps(dx + h * dim, lanes, sum);
        }
    }
    kern_wide_store_avx512(dw, lanes, s0);
    kern_wide_store_avx512(dw + dim, lanes, s1);
}

static void kern_relative_gate_backward_f32_avx512(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                                   const float *w, const float *b, const float *constant,
                                                   const float *dgate, size_t ldg, float *dx, size_t lddx, double *dw,
                                                   double *db, double *dconstant)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h += LANES) {
            const size_t count = heads - h < LANES ? heads - h : LANES;
            const float *at = x + i * ldx + h * dim;
            const gate_gradients d = gradients_of(count, dim, at, w, b, constant + h, dgate + h * ldg + i, ldg);
            for (size_t q = 0; q < count; q++) {
                db[0] += (double)d.a[q];
                db[1] += (double)d.g[q];
                dconstant[h + q] += (double)d.constant[q];
            }
            for (size_t p = 0; p < dim; p += LANES)
                gate_strip(count, dim, kern_lanes_avx512(dim - p), &d, at + p, w + p,
                           dx != NULL ? dx + i * lddx + h * dim + p : NULL, dw + p);
        }
}

void kern_table_fill_avx512_backward_attention(kern_table *t)
{
    t->attention_backward_f32 = kern_attention_backward_f32_avx512;
    t->relative_gate_backward_f32 = kern_relative_gate_backward_f32_avx512;
}
