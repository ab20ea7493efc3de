/* The scalar tier: the specification of every kernel. Plain and complete, never tuned. */
#include "kernels/kernels.h"

void kern_table_fill_scalar(kern_table *t)
{
    t->tier = KERN_TIER_SCALAR;
}
