/* The scalar tier in parts, each filling its members of the table, and the one-element functions that they share.
 * "double, rounded once" below means: evaluated in double by libm and rounded to float at the end, so that the error
 * against the exact value is within a hair of half an ulp. Only the scalar tier's own files include this header. */
#ifndef KERNELS_SCALAR_H
#define KERNELS_SCALAR_H

#include "kernels/kernels.h"

void kern_table_fill_scalar_gemm(kern_table *t);
void kern_table_fill_scalar_norm(kern_table *t);
void kern_table_fill_scalar_math(kern_table *t);
void kern_table_fill_scalar_attention(kern_table *t);
void kern_table_fill_scalar_convert(kern_table *t);
void kern_table_fill_scalar_backward(kern_table *t);

/* x * (1 + erf(x / sqrt 2)) / 2 in double, not rounded; -0 at -inf, the limit. */
double kern_gelu_f64_scalar(double x);

/* 1 / (1 + exp(-x)) in double, not rounded. */
double kern_sigmoid_f64_scalar(double x);

/* x where x >= 0, +0 where x < 0; NaN and -0 stay as they are. */
float kern_relu_one_scalar(float x);

/* sum_j x[j] * y[j] in double, ascending j; each product of two floats is exact in double. */
double kern_dot_f64_scalar(size_t n, const float *x, const float *y);

#endif
