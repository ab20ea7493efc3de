#include "kernels/body/body.h"

void kern_fill_bodies(kern_table *t)
{
    kern_fill_attention(t);
    kern_fill_attention_backward(t);
    kern_fill_convert(t);
    kern_fill_elementwise(t);
    kern_fill_elementwise_backward(t);
    kern_fill_gemm(t);
    kern_fill_layout(t);
    kern_fill_norm(t);
    kern_fill_norm_backward(t);
    kern_fill_optimizer(t);
    kern_fill_quantise(t);
    kern_fill_reduce(t);
}
