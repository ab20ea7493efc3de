/* Backward of attention with WavLM's gated relative position bias, and of the gate. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/gate.h"
#include "kernels/body/math.h"
#include "kernels/body/wide.h"

/* A row of scores, and what is the same for all its keys. bias and dbias point at key 0 of this row. */
typedef struct query {
    float *s, *dp, *dbias;
    const float *bias;
    f32x16 scale, gate, max, inverse_sum, delta;
} query;

/* n <= 16 keys from j on: p over the scores, ds * scale over dp; returns ds. The scores and their exponentials come out bit
 * for bit as in the forward pass. */
KERN_INLINE f32x16 attend(const query *q, size_t j, size_t n, bool biased, f32x16 bias)
{
    f32x16 v = f32x16_mul(f32x16_load_first(q->s + j, n), q->scale);
    if (biased) v = f32x16_fma(q->gate, bias, v);
    const f32x16 p = f32x16_mul(exp_below(f32x16_sub(v, q->max)), q->inverse_sum);
    const f32x16 ds = f32x16_mul(p, f32x16_sub(f32x16_load_first(q->dp + j, n), q->delta));
    f32x16_store_first(q->s + j, n, p);
    f32x16_store_first(q->dp + j, n, f32x16_mul(ds, q->scale));
    return ds;
}

/* The same with a bias; adds ds * bias to s and to dbias, which may be NULL, what is its due. */
KERN_INLINE f32x16 attend_biased(f32x16 s, const void *with, size_t j, size_t n)
{
    const query *q = with;
    const f32x16 bias = f32x16_load_first(q->bias + j, n), ds = attend(q, j, n, true, bias);
    if (q->dbias != NULL) {
        float *at = q->dbias + j;
        f32x16_store_first(at, n, f32x16_fma(ds, q->gate, f32x16_load_first(at, n)));
    }
    return f32x16_fma(f32x16_first(n, ds), bias, s);
}

static void kern_attention_backward_f32(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp,
                                        float scale, const float *gate, const float *bias, const float *max,
                                        const float *inverse_sum, const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        const query q = {.s = s + r * lds,
                         .dp = dp + r * lddp,
                         .dbias = bias != NULL && dbias != NULL ? dbias - r : NULL,
                         .bias = bias != NULL ? bias - r : NULL,
                         .scale = f32x16_set1(scale),
                         .gate = f32x16_set1(bias != NULL ? gate[r] : 0.0f),
                         .max = f32x16_set1(max[r]),
                         .inverse_sum = f32x16_set1(inverse_sum[r]),
                         .delta = f32x16_set1(delta[r])};
        if (bias != NULL) {
            dgate[r] += sum_row(keys, attend_biased, &q);
            continue;
        }
        size_t j = 0;
        for (; j + LANES <= keys; j += LANES) attend(&q, j, LANES, false, q.gate);
        if (j < keys) attend(&q, j, keys - j, false, q.gate);
    }
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
    const f32x16 dv = f32x16_load(d), c = f32x16_load_first(constant, heads);
    f32x16 a, g;
    gate_sums(heads, dim, x, w, b, &a, &g);
    const f32x16 a_slope = sigmoid_slope(a, &a), g_slope = sigmoid_slope(g, &g);
    const f32x16 da = f32x16_mul(dv, f32x16_fms(g, c, f32x16_set1(1.0f)));
    const f32x16 by_a = f32x16_mul(dv, a);
    gate_gradients out;
    f32x16_store(out.a, f32x16_mul(da, a_slope));
    f32x16_store(out.g, f32x16_mul(f32x16_mul(by_a, c), g_slope));
    f32x16_store(out.constant, f32x16_mul(by_a, g));
    return out;
}

/* n <= 16 of a head's elements, for the heads of one row in turn. dx may be NULL. */
KERN_INLINE void gate_strip(size_t heads, size_t dim, size_t n, const gate_gradients *d, const float *x, const float *w,
                            float *dx, double *dw)
{
    const f32x16 w0 = f32x16_load_first(w, n), w1 = f32x16_load_first(w + dim, n);
    wide s0 = wide_load(dw, n), s1 = wide_load(dw + dim, n);
    for (size_t h = 0; h < heads; h++) {
        const wide v = wide_load_f32(x + h * dim, n);
        s0 = wide_add_product(v, wide_set1((double)d->a[h]), s0);
        s1 = wide_add_product(v, wide_set1((double)d->g[h]), s1);
        if (dx != NULL) {
            const f32x16 by_a = f32x16_mul(f32x16_set1(d->a[h]), w0);
            const f32x16 more = f32x16_fma(f32x16_set1(d->g[h]), w1, by_a);
            f32x16_store_first(dx + h * dim, n, f32x16_add(f32x16_load_first(dx + h * dim, n), more));
        }
    }
    wide_store(dw, n, s0);
    wide_store(dw + dim, n, s1);
}

static void kern_relative_gate_backward_f32(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                            const float *w, const float *b, const float *constant, const float *dgate,
                                            size_t ldg, float *dx, size_t lddx, double *dw, double *db,
                                            double *dconstant)
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
            for (size_t p = 0; p < dim; p += LANES) {
                float *to = dx != NULL ? dx + i * lddx + h * dim + p : NULL;
                if (dim - p >= LANES)
                    gate_strip(count, dim, LANES, &d, at + p, w + p, to, dw + p);
                else
                    gate_strip(count, dim, dim - p, &d, at + p, w + p, to, dw + p);
            }
        }
}

void kern_fill_attention_backward(kern_table *t)
{
    t->attention_backward_f32 = kern_attention_backward_f32;
    t->relative_gate_backward_f32 = kern_relative_gate_backward_f32;
}
