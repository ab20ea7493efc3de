#include "kernels/avx512.h"

void kern_table_fill_avx512(kern_table *t)
{
    t->tier = KERN_TIER_AVX512;
    kern_table_fill_avx512_gemm(t);
    kern_table_fill_avx512_pack(t);
    kern_table_fill_avx512_math(t);
    kern_table_fill_avx512_norm(t);
    kern_table_fill_avx512_reduce(t);
    kern_table_fill_avx512_attention(t);
    kern_table_fill_avx512_convert(t);
    kern_table_fill_avx512_transpose(t);
    kern_table_fill_avx512_backward_math(t);
    kern_table_fill_avx512_backward_norm(t);
    kern_table_fill_avx512_backward_attention(t);
    kern_table_fill_avx512_optimizer(t);
    kern_table_fill_avx512_quantise(t);
}
