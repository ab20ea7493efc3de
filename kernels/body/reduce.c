/* Reductions over a contiguous vector. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"

#include <math.h>

static float kern_sum_f32(size_t n, const float *x)
{
    return sum_values(n, x);
}

static float kern_dot_f32(size_t n, const float *x, const float *y)
{
    return sum_products(n, x, y);
}

static float kern_max_f32(size_t n, const float *x)
{
    f32x16 top = f32x16_set1(-INFINITY);
    mask16 nan = f32x16_is_nan(top);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const f32x16 v = f32x16_load(x + i);
        nan = mask16_or(nan, f32x16_is_nan(v));
        top = f32x16_max(top, v);
    }
    float best = mask16_any(nan) ? NAN : f32x16_top(top);
    for (; i < n; i++)
        if (!(x[i] <= best)) best = isnan(best) ? best : x[i];
    return best;
}

void kern_fill_reduce(kern_table *t)
{
    t->sum_f32 = kern_sum_f32;
    t->max_f32 = kern_max_f32;
    t->dot_f32 = kern_dot_f32;
}
