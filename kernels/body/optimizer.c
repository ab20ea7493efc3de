/* What an optimizer's step needs: the sum of squares of a gradient, and AdamW. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"
#include "kernels/body/wide.h"

enum { SQUARE_STREAMS = 2 };

/* n <= 16 elements */
KERN_INLINE wide add_squares(wide s, size_t n, const float *x)
{
    const wide v = wide_load_f32(x, n);
    return wide_add_product(v, v, s);
}

/* Vectors go to two accumulators of sixteen doubles in turn, those after the last whole turn to the first. */
static double kern_sum_squares_f32(size_t n, const float *x)
{
    wide s[SQUARE_STREAMS] = {wide_set1(0.0), wide_set1(0.0)};
    size_t i = 0;
    for (; i + SQUARE_STREAMS * LANES <= n; i += SQUARE_STREAMS * LANES) {
        KERN_UNROLL
        for (size_t q = 0; q < SQUARE_STREAMS; q++) s[q] = add_squares(s[q], LANES, x + i + q * LANES);
    }
    for (; i < n; i += LANES) s[0] = add_squares(s[0], n - i, x + i);
    const wide both = wide_add(s[0], s[1]);
    return f64x8_sum(f64x8_add(both.low, both.high));
}

/* n <= 16 elements */
KERN_INLINE void adamw_step(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    const f32x16 g = f32x16_mul(f32x16_load_first(grad, n), f32x16_set1(a->grad_scale));
    const f32x16 decayed = f32x16_mul(f32x16_load_first(w, n), f32x16_set1(a->decay));
    const f32x16 m1 = f32x16_add(f32x16_mul(f32x16_load_first(m, n), f32x16_set1(a->beta1)),
                                 f32x16_mul(g, f32x16_set1(a->one_minus_beta1)));
    const f32x16 v1 = f32x16_add(f32x16_mul(f32x16_load_first(v, n), f32x16_set1(a->beta2)),
                                 f32x16_mul(f32x16_mul(g, g), f32x16_set1(a->one_minus_beta2)));
    const f32x16 root = f32x16_div(f32x16_sqrt(v1), f32x16_set1(a->root));
    const f32x16 step = f32x16_div(m1, f32x16_add(root, f32x16_set1(a->eps)));
    f32x16_store_first(m, n, m1);
    f32x16_store_first(v, n, v1);
    f32x16_store_first(w, n, f32x16_sub(decayed, f32x16_mul(f32x16_set1(a->step_size), step)));
}

static void kern_adamw_f32(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a)
{
    const kern_adamw constants = *a; /* so that no store to w can change them */
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) adamw_step(LANES, w + i, grad + i, m + i, v + i, &constants);
    if (i < n) adamw_step(n - i, w + i, grad + i, m + i, v + i, &constants);
}

void kern_fill_optimizer(kern_table *t)
{
    t->sum_squares_f32 = kern_sum_squares_f32;
    t->adamw_f32 = kern_adamw_f32;
}
