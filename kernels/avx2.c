#include "kernels/kernels.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with the avx2 tier's flags"
#endif

void kern_table_fill_avx2(kern_table *t)
{
    t->tier = KERN_TIER_AVX2;
}
