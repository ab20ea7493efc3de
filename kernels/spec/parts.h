/* The specification in parts, each filling its members of the table, and the one-element functions that they share.
 * "double, rounded once" below means: evaluated in double by libm and rounded to float at the end, so that the error
 * against the exact value is within a hair of half an ulp. Only the specification's own files include this header. */
#ifndef KERNELS_SPEC_PARTS_H
#define KERNELS_SPEC_PARTS_H

#include "kernels/kernels.h"

void kern_spec_fill_gemm(kern_table *t);
void kern_spec_fill_norm(kern_table *t);
void kern_spec_fill_math(kern_table *t);
void kern_spec_fill_attention(kern_table *t);
void kern_spec_fill_convert(kern_table *t);
void kern_spec_fill_backward(kern_table *t);

/* x * (1 + erf(x / sqrt 2)) / 2 in double, not rounded; -0 at -inf, the limit. */
double kern_gelu_f64_spec(double x);

/* 1 / (1 + exp(-x)) in double, not rounded. */
double kern_sigmoid_f64_spec(double x);

/* x where x >= 0, +0 where x < 0; NaN and -0 stay as they are. */
float kern_relu_one_spec(float x);

/* sum_j x[j] * y[j] in double, ascending j; each product of two floats is exact in double. */
double kern_dot_f64_spec(size_t n, const float *x, const float *y);

#endif
