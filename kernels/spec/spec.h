/* The specification of every kernel: plain code in double, never tuned, that owes nothing to the vocabulary. Reductions and
 * transcendental functions run in double, by libm, and round once, so that the bounds of the tiers are against the true
 * value. No tier: tests compare every tier with it, bench measures errors against it, programs that users run do without. */
#ifndef KERNELS_SPEC_SPEC_H
#define KERNELS_SPEC_SPEC_H

#include "kernels/kernels.h"

/* Sets every member of t. Its tier reads portable, and the blocks of its products are its own. */
void kern_spec_fill(kern_table *t);

#endif
