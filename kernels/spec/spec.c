#include "kernels/spec/spec.h"

#include "kernels/spec/parts.h"

void kern_spec_fill(kern_table *t)
{
    *t = (kern_table){.tier = KERN_TIER_PORTABLE};
    kern_spec_fill_gemm(t);
    kern_spec_fill_norm(t);
    kern_spec_fill_math(t);
    kern_spec_fill_attention(t);
    kern_spec_fill_convert(t);
    kern_spec_fill_backward(t);
}
