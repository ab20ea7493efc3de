/* The scalar tier: the specification of every kernel. Plain and complete, never tuned: reductions and transcendental
 * functions run in double and round once, so that the bounds of the other tiers are against the true value. */
#include "kernels/scalar.h"

void kern_table_fill_scalar(kern_table *t)
{
    t->tier = KERN_TIER_SCALAR;
    kern_table_fill_scalar_gemm(t);
    kern_table_fill_scalar_norm(t);
    kern_table_fill_scalar_math(t);
    kern_table_fill_scalar_attention(t);
    kern_table_fill_scalar_convert(t);
    kern_table_fill_scalar_backward(t);
}
