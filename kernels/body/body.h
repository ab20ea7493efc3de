/* The bodies: each file defines its kernels, static, over the vocabulary, and one function that sets their members of the
 * table. meson compiles every file once a tier and gives each copy's function the tier's name (-Dkern_fill_norm=
 * kern_fill_norm_avx2 and so on), so that all of them fit into one program. */
#ifndef KERNELS_BODY_BODY_H
#define KERNELS_BODY_BODY_H

#include "kernels/kernels.h"

void kern_fill_attention(kern_table *t);
void kern_fill_attention_backward(kern_table *t);
void kern_fill_convert(kern_table *t);
void kern_fill_elementwise(kern_table *t);
void kern_fill_elementwise_backward(kern_table *t);
void kern_fill_gemm(kern_table *t);
void kern_fill_layout(kern_table *t);
void kern_fill_norm(kern_table *t);
void kern_fill_norm_backward(kern_table *t);
void kern_fill_optimizer(kern_table *t);
void kern_fill_quantise(kern_table *t);
void kern_fill_reduce(kern_table *t);

/* bodies.c: all of the above. Only table.c calls it, under each tier's name. */
void kern_fill_bodies(kern_table *t);

#endif
