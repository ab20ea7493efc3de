#include "kernels/avx2.h"

void kern_table_fill_avx2(kern_table *t)
{
    t->tier = KERN_TIER_AVX2;
    kern_table_fill_avx2_gemm(t);
    kern_table_fill_avx2_pack(t);
    kern_table_fill_avx2_math(t);
    kern_table_fill_avx2_norm(t);
    kern_table_fill_avx2_reduce(t);
    kern_table_fill_avx2_attention(t);
    kern_table_fill_avx2_convert(t);
    kern_table_fill_avx2_transpose(t);
    kern_table_fill_avx2_backward_math(t);
    kern_table_fill_avx2_backward_norm(t);
    kern_table_fill_avx2_backward_attention(t);
    kern_table_fill_avx2_optimizer(t);
    kern_table_fill_avx2_i8(t);
    kern_table_fill_avx2_quantise(t);
}
