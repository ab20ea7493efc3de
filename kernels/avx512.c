#include "kernels/kernels.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with the avx512 tier's flags"
#endif

void kern_table_fill_avx512(kern_table *t)
{
    t->tier = KERN_TIER_AVX512;
}
