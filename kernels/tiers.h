/* What fills each tier's part of a table; only kern_table_fill calls these. Each sets the members that its files implement
 * and leaves the rest. */
#ifndef KERNELS_TIERS_H
#define KERNELS_TIERS_H

#include "kernels/kernels.h"

/* The bodies (kernels/body/), compiled for the tier: every member. */
void kern_fill_bodies_portable(kern_table *t);
void kern_fill_bodies_neon(kern_table *t);
void kern_fill_bodies_avx2(kern_table *t);
void kern_fill_bodies_avx512(kern_table *t);

/* The micro-kernels of the matrix product (kernels/gemm/), each with its blocks. */
void kern_fill_neon_f32(kern_table *t);
void kern_fill_neon_i8(kern_table *t);
void kern_fill_neon_dot(kern_table *t);
void kern_fill_avx2_f32(kern_table *t);
void kern_fill_avx2_i8(kern_table *t);
void kern_fill_avx512_f32(kern_table *t);
void kern_fill_avx512_bf16(kern_table *t);
void kern_fill_avx512_vnni(kern_table *t);
void kern_fill_avx512_amx(kern_table *t);

#endif
