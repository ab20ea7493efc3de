#include "kernels/kernels.h"

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "compile this file with the neon tier's flags"
#endif

void kern_table_fill_neon(kern_table *t)
{
    t->tier = KERN_TIER_NEON;
}
