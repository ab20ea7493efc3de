/* Backward of attention with WavLM's gated relative position bias, and of the gate; AVX2. Contracts: kernels.h. */
#include "kernels/avx2_double.h"
#include "kernels/avx2_gate.h"
#include "kernels/avx2_math.h"

enum { LANES = 8 };

/* What is the same for all keys of a query. */
typedef struct query {
    __m256 scale, gate, max, inverse_sum, delta;
} query;

/* 8 keys: p over the scores, ds * scale over dp; returns ds. The scores come out bit for bit as in the forward pass.
 */
static inline __m256 attend(const query *q, size_t lanes, float *s, float *dp, __m256 bias, bool biased)
{
    __m256 v = _mm256_mul_ps(kern_load_avx2(s, lanes), q->scale);
    if (biased) v = _mm256_fmadd_ps(q->gate, bias, v);
    const __m256 p = _mm256_mul_ps(kern_exp_avx2(_mm256_sub_ps(v, q->max)), q->inverse_sum);
    const __m256 ds = _mm256_mul_ps(p, _mm256_sub_ps(kern_load_avx2(dp, lanes), q->delta));
    kern_store_avx2(s, lanes, p);
    kern_store_avx2(dp, lanes, _mm256_mul_ps(ds, q->scale));
    return ds;
}

/* The same with a bias; adds ds * bias to *sum and to dbias, which may be NULL, what is its due. */
static inline void attend_biased(const query *q, size_t lanes, float *s, float *dp, const float *bias, float *dbias,
                                 __m256 *sum)
{
    const __m256 b = kern_load_avx2(bias, lanes);
    const __m256 ds = attend(q, lanes, s, dp, b, true);
    *sum = _mm256_fmadd_ps(kern_first_avx2(lanes, ds), b, *sum);
    if (dbias == NULL) return;
    kern_store_avx2(dbias, lanes, _mm256_fmadd_ps(ds, q->gate, kern_load_avx2(dbias, lanes)));
}

/* One row with a bias, which points at key 0 of this row, as dbias does; returns sum_j ds * bias[j], from two
 * accumulators that take vectors in turn. */
static inline float attend_row(const query *q, size_t keys, float *s, float *dp, const float *bias, float *dbias)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    size_t j = 0;
    for (; j + 2 * LANES <= keys; j += 2 * LANES) {
        const size_t k = j + LANES;
        attend_biased(q, LANES, s + j, dp + j, bias + j, dbias != NULL ? dbias + j : NULL, &s0);
        attend_biased(q, LANES, s + k, dp + k, bias + k, dbias != NULL ? dbias + k : NULL, &s1);
    }
    for (; j < keys; j += LANES)
        attend_biased(q, keys - j, s + j, dp + j, bias + j, dbias != NULL ? dbias + j : NULL, &s0);
    return kern_add_lanes_avx2(_mm256_add_ps(s0, s1));
}

static void kern_attention_backward_f32_avx2(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp,
                                             float scale, const float *gate, const float *bias, const float *max,
                                             const float *inverse_sum, const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = s + r * lds, *drow = dp + r * lddp;
        const query q = {_mm256_set1_ps(scale), _mm256_set1_ps(bias != NULL ? gate[r] : 0.0f), _mm256_set1_ps(max[r]),
                         _mm256_set1_ps(inverse_sum[r]), _mm256_set1_ps(delta[r])};
        if (bias != NULL) {
            dgate[r] += attend_row(&q, keys, row, drow, bias - r, dbias != NULL ? dbias - r : NULL);
            continue;
        }
        for (size_t j = 0; j < keys; j += LANES) attend(&q, keys - j, row + j, drow + j, _mm256_setzero_ps(), false);
    }
}

/* The sigmoid and its slope. With e = exp(-|x|) the slope is e / (1 + e)^2, which has no cancellation. */
static inline __m256 sigmoid_slope(__m256 x, __m256 *value)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 e = kern_exp_avx2(_mm256_or_ps(x, _mm256_set1_ps(-0.0f)));
    const __m256 large = _mm256_div_ps(one, _mm256_add_ps(one, e)), small = _mm256_mul_ps(e, large);
    *value = _mm256_blendv_ps(large, small, x);
    return _mm256_mul_ps(small, large);
}

/* Gradients of up to 8 heads of one row: of the sums under the two sigmoids, and of constant[h]. */
typedef struct gate_gradients {
    float a[LANES], g[LANES], constant[LANES];
} gate_gradients;

/* With gate = a (g c - 1) + 2: da = dgate (g c - 1), dg = dgate a c, dc = dgate a g. */
static inline gate_gradients gradients_of(size_t heads, size_t dim, const float *x, const float *w, const float *b,
                                          const float *constant, const float *dgate, size_t ldg)
{
    float d[LANES] = {0};
    for (size_t h = 0; h < heads; h++) d[h] = dgate[h * ldg];
    const __m256 dv = _mm256_loadu_ps(d), c = kern_load_avx2(constant, heads);
    __m256 a, g;
    kern_gate_sums_avx2(heads, dim, x, w, b, &a, &g);
    const __m256 a_slope = sigmoid_slope(a, &a), g_slope = sigmoid_slope(g, &g);
    const __m256 da = _mm256_mul_ps(dv, _mm256_fmsub_ps(g, c, _mm256_set1_ps(1.0f)));
    const __m256 by_a = _mm256_mul_ps(dv, a);
    gate_gradients out;
    _mm256_storeu_ps(out.a, _mm256_mul_ps(da, a_slope));
    _mm256_storeu_ps(out.g, _mm256_mul_ps(_mm256_mul_ps(by_a, c), g_slope));
    _mm256_storeu_ps(out.constant, _mm256_mul_ps(by_a, g));
    return out;
}

/* s + d * x */
static inline kern_wide_avx2 weigh(kern_wide_avx2 s, kern_wide_avx2 x, float d)
{
    const __m256d by = _mm256_set1_pd((double)d);
    return kern_wide_fma_avx2(x, (kern_wide_avx2){by, by}, s);
}

/* 8 of a head's elements, for the heads of one row in turn. dx may be NULL. */
static inline void gate_strip(size_t heads, size_t dim, size_t lanes, const gate_gradients *d, const float *x,
                              const float *w, float *dx, double *dw)
{
    const __m256 w0 = kern_load_avx2(w, lanes), w1 = kern_load_avx2(w + dim, lanes);
    kern_wide_avx2 s0 = kern_wide_load_avx2(dw, lanes), s1 = kern_wide_load_avx2(dw + dim, lanes);
    for (size_t h = 0; h < heads; h++) {
        const kern_wide_avx2 v = kern_widen_avx2(kern_load_avx2(x + h * dim, lanes));
        s0 = weigh(s0, v, d->a[h]);
        s1 = weigh(s1, v, d->g[h]);
        if (dx != NULL) {
            const __m256 by_a = _mm256_mul_ps(_mm256_set1_ps(d->a[h]), w0);
            const __m256 more = _mm256_fmadd_ps(_mm256_set1_ps(d->g[h]), w1, by_a);
            const __m256 sum = _mm256_add_ps(kern_load_avx2(dx + h * dim, lanes), more);
            kern_store_avx2(dx + h * dim, lanes, sum);
        }
    }
    kern_wide_store_avx2(dw, lanes, s0);
    kern_wide_store_avx2(dw + dim, lanes, s1);
}

static void kern_relative_gate_backward_f32_avx2(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
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
                gate_strip(count, dim, dim - p, &d, at + p, w + p, dx != NULL ? dx + i * lddx + h * dim + p : NULL,
                           dw + p);
        }
}

void kern_table_fill_avx2_backward_attention(kern_table *t)
{
    t->attention_backward_f32 = kern_attention_backward_f32_avx2;
    t->relative_gate_backward_f32 = kern_relative_gate_backward_f32_avx2;
}
