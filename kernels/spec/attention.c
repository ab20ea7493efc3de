/* Attention, the specification: softmax, the online softmax with WavLM's gated relative position bias, and the gate itself.
 * Contracts: kernels.h. */
#include "kernels/spec/parts.h"

#include <math.h>

static void kern_softmax_f32_spec(size_t n, const float *x, float *y)
{
    double top = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < n; i++)
        if (!(x[i] <= top)) top = x[i];
    for (size_t i = 0; i < n; i++) sum += exp(x[i] - top);
    for (size_t i = 0; i < n; i++) y[i] = (float)(exp(x[i] - top) / sum);
}

static void kern_attention_softmax_f32_spec(size_t rows, size_t keys, float *s, size_t lds, float scale,
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
        float top = before;
        for (size_t j = 0; j < keys; j++) {
            double v = (double)row[j] * scale;
            if (bias != NULL) v += (double)gate[r] * bias[(ptrdiff_t)j - (ptrdiff_t)r];
            row[j] = (float)v;
            if (!(row[j] <= top)) top = row[j];
        }
        double sum = 0.0;
        for (size_t j = 0; j < keys; j++) {
            const double e = exp((double)row[j] - top);
            row[j] = (float)e;
            sum += e;
        }
        const double factor = before == -INFINITY ? 0.0 : exp((double)before - top);
        rescale[r] = (float)factor;
        running_sum[r] = (float)(running_sum[r] * factor + sum);
        running_max[r] = top;
    }
}

static void kern_relative_gate_f32_spec(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                        const float *w, const float *b, const float *constant, float *gate, size_t ldg)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            const float *xih = x + i * ldx + h * dim;
            const double a = kern_sigmoid_f64_spec(kern_dot_f64_spec(dim, w, xih) + b[0]);
            const double g = kern_sigmoid_f64_spec(kern_dot_f64_spec(dim, w + dim, xih) + b[1]);
            gate[h * ldg + i] = (float)(a * (g * constant[h] - 1.0) + 2.0);
        }
}

void kern_spec_fill_attention(kern_table *t)
{
    t->softmax_f32 = kern_softmax_f32_spec;
    t->attention_softmax_f32 = kern_attention_softmax_f32_spec;
    t->relative_gate_f32 = kern_relative_gate_f32_spec;
}
