#include "kernels/kernels.h"

kern_cpu kern_cpu_probe(void)
{
    return (kern_cpu){.tiers = 1u << KERN_TIER_SCALAR, .best = KERN_TIER_SCALAR};
}
