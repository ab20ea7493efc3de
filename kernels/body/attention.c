/* Attention: softmax, the online softmax with WavLM's gated relative position bias, and the gate itself. Contracts:
 * kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/gate.h"
#include "kernels/body/math.h"

#include <math.h>

enum { TOPS = 2 };

typedef struct exp_row {
    const float *x;
    float *y;
    f32x16 top;
} exp_row;

/* y = exp(x - top), top >= x, added up; 0 behind the row's end */
KERN_INLINE f32x16 sum_exp(f32x16 s, const void *with, size_t j, size_t n)
{
    const exp_row *r = with;
    const f32x16 e = exp_below(f32x16_sub(f32x16_load_first(r->x + j, n), r->top));
    f32x16_store_first(r->y + j, n, e);
    return f32x16_add(s, f32x16_first(n, e));
}

KERN_INLINE float exp_of_row(size_t n, const float *x, float top, float *y)
{
    const exp_row row = {x, y, f32x16_set1(top)};
    return sum_row(n, sum_exp, &row);
}

/* The top of before and of v's first n lanes; a NaN may pass it by: the sum of the row's exponentials keeps it. */
KERN_INLINE f32x16 top_of(f32x16 before, size_t n, f32x16 v)
{
    return f32x16_select(mask16_first(n), f32x16_max(before, v), before);
}

static void kern_softmax_f32(size_t n, const float *x, float *y)
{
    const size_t whole = n - n % LANES, rest = n - whole;
    f32x16 top = f32x16_set1(-INFINITY);
    for (size_t j = 0; j < whole; j += LANES) top = f32x16_max(top, f32x16_load(x + j));
    if (rest > 0) top = top_of(top, rest, f32x16_load_first(x + whole, rest));
    const f32x16 sum = f32x16_set1(exp_of_row(n, x, f32x16_top(top), y));
    for (size_t j = 0; j < whole; j += LANES) f32x16_store(y + j, f32x16_div(f32x16_load(y + j), sum));
    if (rest > 0) f32x16_store_first(y + whole, rest, f32x16_div(f32x16_load_first(y + whole, rest), sum));
}

/* s = s * scale + gate * bias at n <= 16 keys */
KERN_INLINE f32x16 score_at(size_t n, float *s, f32x16 scale, bool biased, f32x16 gate, const float *bias)
{
    f32x16 v = f32x16_mul(f32x16_load_first(s, n), scale);
    if (biased) v = f32x16_fma(gate, f32x16_load_first(bias, n), v);
    f32x16_store_first(s, n, v);
    return v;
}

/* The scores of one row; returns their top. bias points at key 0 of this row, biased being a constant where this is
 * inlined. */
KERN_INLINE float score_row(size_t keys, float *s, float scale, bool biased, float gate, const float *bias)
{
    const f32x16 by = f32x16_set1(scale), g = f32x16_set1(gate), lowest = f32x16_set1(-INFINITY);
    f32x16 top[TOPS] = {lowest, lowest};
    size_t j = 0;
    for (; j + TOPS * LANES <= keys; j += TOPS * LANES) {
        KERN_UNROLL
        for (size_t q = 0; q < TOPS; q++) {
            const size_t at = j + q * LANES;
            top[q] = f32x16_max(top[q], score_at(LANES, s + at, by, biased, g, biased ? bias + at : NULL));
        }
    }
    for (; j < keys; j += LANES)
        top[0] = top_of(top[0], keys - j, score_at(keys - j, s + j, by, biased, g, biased ? bias + j : NULL));
    return f32x16_top(f32x16_max(top[0], top[1]));
}

KERN_INLINE float exp_one(float x)
{
    return f32x16_lane0(exp_below(f32x16_set1(x)));
}

static void kern_attention_softmax_f32(size_t rows, size_t keys, float *s, size_t lds, float scale, const float *gate,
                                       const float *bias, float *running_max, float *running_sum, float *rescale)
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
        const float sum = exp_of_row(keys, row, top, row);
        rescale[r] = before == -INFINITY ? 0.0f : exp_one(before - top);
        running_sum[r] = running_sum[r] * rescale[r] + sum;
        running_max[r] = top;
    }
}

static void kern_relative_gate_f32(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                                   const float *b, const float *constant, float *gate, size_t ldg)
{
    const f32x16 one = f32x16_set1(1.0f), two = f32x16_set1(2.0f);
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h += LANES) { /* the sums of up to 16 heads, then their sigmoids at once */
            const size_t count = heads - h < LANES ? heads - h : LANES;
            f32x16 a, g;
            float out[LANES];
            gate_sums(count, dim, x + i * ldx + h * dim, w, b, &a, &g);
            a = sigmoid_of(a);
            g = sigmoid_of(g);
            f32x16_store(out, f32x16_fma(a, f32x16_fms(g, f32x16_load_first(constant + h, count), one), two));
            for (size_t q = 0; q < count; q++) gate[(h + q) * ldg + i] = out[q];
        }
}

void kern_fill_attention(kern_table *t)
{
    t->softmax_f32 = kern_softmax_f32;
    t->attention_softmax_f32 = kern_attention_softmax_f32;
    t->relative_gate_f32 = kern_relative_gate_f32;
}
