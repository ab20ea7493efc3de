/* Backward of attention with WavLM's gated relative position bias, and of that bias's gate. */
#include "kernels/neon.h"
#include "kernels/neon_double.h"
#include "kernels/neon_sum.h"

/* What is the same for all keys of a query. */
typedef struct query {
    float scale, gate, max, inverse_sum, delta;
} query;

/* Four keys: the probabilities, from scores that come out bit for bit as in the forward pass. */
static inline float32x4_t attend(const query *q, float32x4_t s, float32x4_t bias, bool biased)
{
    float32x4_t v = vmulq_n_f32(s, q->scale);
    if (biased) v = vfmaq_n_f32(v, bias, q->gate);
    return vmulq_n_f32(neon_exp(vsubq_f32(v, vdupq_n_f32(q->max))), q->inverse_sum);
}

static inline float32x4_t gradient(const query *q, float32x4_t p, float32x4_t dp)
{
    return vmulq_f32(p, vsubq_f32(dp, vdupq_n_f32(q->delta)));
}

/* The last keys < 4 of a row; returns ds * bias. bias and dbias may be NULL. */
static inline float32x4_t attend_part(const query *q, size_t keys, float *s, float *dp, const float *bias, float *dbias)
{
    const float32x4_t zero = vdupq_n_f32(0.0f), b = bias ? neon_load_part(bias, keys, 0.0f) : zero;
    const float32x4_t p = attend(q, neon_load_part(s, keys, 0.0f), b, bias != NULL);
    float kept[4] = {0.0f};
    neon_store_part(kept, keys, gradient(q, p, neon_load_part(dp, keys, 0.0f))); /* what lies beyond may be NaN */
    const float32x4_t ds = vld1q_f32(kept);
    neon_store_part(s, keys, p);
    neon_store_part(dp, keys, vmulq_n_f32(ds, q->scale));
    if (dbias) neon_store_part(dbias, keys, vfmaq_n_f32(neon_load_part(dbias, keys, 0.0f), ds, q->gate));
    return vmulq_f32(ds, b);
}

/* One row; bias and dbias, if not NULL, point at its key 0. Returns sum_j ds * bias[j]. */
static inline __attribute__((always_inline)) float attend_row(const query *q, size_t keys, float *s, float *dp,
                                                              const float *bias, float *dbias)
{
    double total = 0.0;
    for (size_t start = 0; start < keys; start += NEON_SUM_BLOCK) {
        const size_t end = keys - start < NEON_SUM_BLOCK ? keys : start + NEON_SUM_BLOCK;
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        size_t j = start;
        for (; j + 4 <= end; j += 4) {
            const float32x4_t b = bias ? vld1q_f32(bias + j) : acc[3];
            const float32x4_t p = attend(q, vld1q_f32(s + j), b, bias != NULL);
            const float32x4_t ds = gradient(q, p, vld1q_f32(dp + j));
            vst1q_f32(s + j, p);
            vst1q_f32(dp + j, vmulq_n_f32(ds, q->scale));
            if (bias) acc[0] = vfmaq_f32(acc[0], ds, b);
            if (dbias) vst1q_f32(dbias + j, vfmaq_n_f32(vld1q_f32(dbias + j), ds, q->gate));
        }
        if (j < end) acc[1] = attend_part(q, end - j, s + j, dp + j, bias ? bias + j : NULL, dbias ? dbias + j : NULL);
        total += neon_total(acc);
    }
    return (float)total;
}

void kern_attention_backward_f32_neon(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp,
                                      float scale, const float *gate, const float *bias, const float *max,
                                      const float *inverse_sum, const float *delta, float *dgate, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        const query q = {scale, bias ? gate[r] : 0.0f, max[r], inverse_sum[r], delta[r]};
        float *row = s + r * lds, *drow = dp + r * lddp;
        if (bias)
            dgate[r] += attend_row(&q, keys, row, drow, bias - r, dbias ? dbias - r : NULL);
        else
            attend_row(&q, keys, row, drow, NULL, NULL);
    }
}

/* dx += u * w[0] + v * w[1], dw[0] += u * x, dw[1] += v * x for one row and head. dx may be NULL. */
static inline void gate_row(size_t dim, const float *x, const float *w, float u, float v, float *dx, double *dw)
{
    const neon_wide uw = neon_widen(vdupq_n_f32(u)), vw = neon_widen(vdupq_n_f32(v));
    const float *w1 = w + dim;
    double *dw1 = dw + dim;
    size_t j = 0;
    for (; j + 4 <= dim; j += 4) {
        const neon_wide xw = neon_widen(vld1q_f32(x + j));
        neon_wide_store(dw + j, neon_wide_fma(neon_wide_load(dw + j), uw, xw));
        neon_wide_store(dw1 + j, neon_wide_fma(neon_wide_load(dw1 + j), vw, xw));
        if (!dx) continue;
        const float32x4_t more = vfmaq_n_f32(vmulq_n_f32(vld1q_f32(w + j), u), vld1q_f32(w1 + j), v);
        vst1q_f32(dx + j, vaddq_f32(vld1q_f32(dx + j), more));
    }
    for (; j < dim; j++) {
        dw[j] += (double)u * (double)x[j];
        dw1[j] += (double)v * (double)x[j];
        if (dx) dx[j] += __builtin_fmaf(w1[j], v, w[j] * u);
    }
}

void kern_relative_gate_backward_f32_neon(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                          const float *w, const float *b, const float *constant, const float *dgate,
                                          size_t ldg, float *dx, size_t lddx, double *dw, double *db, double *dconstant)
{
    const float32x4_t one = vdupq_n_f32(1.0f);
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            const float *xih = x + i * ldx + h * dim;
            const float pre[2] = {(float)(neon_dot(dim, w, xih) + (double)b[0]),
                                  (float)(neon_dot(dim, w + dim, xih) + (double)b[1])};
            /* With z = exp(-|x|) the sigmoid is 1 / (1 + z) or z / (1 + z), its slope the product of both. */
            const float32x4_t logit = neon_load_part(pre, 2, 0.0f), z = neon_exp(vnegq_f32(vabsq_f32(logit)));
            const float32x4_t large = vdivq_f32(one, vaddq_f32(one, z)), small = vmulq_f32(z, large);
            const float32x4_t value = vbslq_f32(vcltzq_f32(logit), small, large), slope = vmulq_f32(small, large);
            const float a = vgetq_lane_f32(value, 0), g = vgetq_lane_f32(value, 1), c = constant[h];
            const float d = dgate[h * ldg + i], by_a = d * a;
            const float u = d * __builtin_fmaf(g, c, -1.0f) * vgetq_lane_f32(slope, 0);
            const float v = by_a * c * vgetq_lane_f32(slope, 1);
            gate_row(dim, xih, w, u, v, dx ? dx + i * lddx + h * dim : NULL, dw);
            db[0] += (double)u;
            db[1] += (double)v;
            dconstant[h] += (double)(by_a * g);
        }
}
