/* The NEON tier's kernels by name, for neon.c to put into the table. Contracts: kernels.h, one entry per name. */
#ifndef KERNELS_NEON_H
#define KERNELS_NEON_H

#include "kernels/kernels.h"

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "compile this file with the neon tier's flags"
#endif

/* neon_gemm.c. Tile 8 x 12: 24 accumulators of four floats. */
#define KERN_NEON_MR 8
#define KERN_NEON_NR 12
void kern_gemm_f32_neon(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                        size_t ldc, bool accumulate, const kern_ahead *ahead);
void kern_gemm_pack_neon(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel);

/* neon_i8.c, for the same tile. neon_dot.c has its own kern_table_fill. */
void kern_gemm_i8_neon(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                       const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                       size_t ldc, const kern_ahead *ahead);

/* neon_quantise.c */
void kern_quantise_u8_neon(size_t n, const float *x, float inverse_scale, uint8_t *y);
float kern_absmax_f32_neon(size_t n, const float *x);

/* neon_epilogue.c */
void kern_epilogue_f32_neon(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                            const float *residual, size_t ldr);

/* neon_norm.c */
void kern_layer_norm_f32_neon(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma, const float *beta,
                              float eps, float *y, size_t ldy, float *mean, float *rstd);
void kern_channel_moments_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, const float *weight,
                                   double *sum, double *sumsq);
void kern_channel_affine_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, const float *scale,
                                  const float *shift, float *y, size_t ldy);

/* neon_elementwise.c */
void kern_exp_f32_neon(size_t n, const float *x, float *y);
void kern_tanh_f32_neon(size_t n, const float *x, float *y);
void kern_sigmoid_f32_neon(size_t n, const float *x, float *y);
void kern_gelu_f32_neon(size_t n, const float *x, float *y);
void kern_relu_f32_neon(size_t n, const float *x, float *y);
void kern_add_f32_neon(size_t n, const float *a, const float *b, float *y);
void kern_mul_f32_neon(size_t n, const float *a, const float *b, float *y);
void kern_axpy_f32_neon(size_t n, float alpha, const float *x, float *y);
void kern_scale_rows_f32_neon(size_t rows, size_t n, float *x, size_t ldx, const float *factor);

/* neon_reduce.c */
float kern_sum_f32_neon(size_t n, const float *x);
float kern_max_f32_neon(size_t n, const float *x);
float kern_dot_f32_neon(size_t n, const float *x, const float *y);

/* neon_attention.c */
void kern_softmax_f32_neon(size_t n, const float *x, float *y);
void kern_attention_softmax_f32_neon(size_t rows, size_t keys, float *s, size_t lds, float scale, const float *gate,
                                     const float *bias, float *running_max, float *running_sum, float *rescale);
void kern_relative_gate_f32_neon(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx, const float *w,
                                 const float *b, const float *constant, float *gate, size_t ldg);

/* neon_transpose.c */
void kern_transpose_f32_neon(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy);

/* neon_backward_math.c */
void kern_gelu_backward_f32_neon(size_t n, const float *x, const float *dy, float *dx);
void kern_relu_backward_f32_neon(size_t n, const float *x, const float *dy, float *dx);
void kern_tanh_backward_f32_neon(size_t n, const float *y, const float *dy, float *dx);
void kern_softmax_backward_f32_neon(size_t n, const float *y, const float *dy, float *dx);

/* neon_backward_norm.c */
void kern_channel_sum_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, double *sum);
void kern_channel_dot_f32_neon(size_t rows, size_t channels, const float *x, size_t ldx, const float *y, size_t ldy,
                               double *sum);
void kern_layer_norm_backward_f32_neon(size_t rows, size_t n, const float *x, size_t ldx, const float *gamma,
                                       const float *mean, const float *rstd, const float *dy, size_t lddy, float *dx,
                                       size_t lddx, double *dgamma, double *dbeta);

/* neon_backward_attention.c */
void kern_attention_backward_f32_neon(size_t rows, size_t keys, float *s, size_t lds, float *dp, size_t lddp,
                                      float scale, const float *gate, const float *bias, const float *max,
                                      const float *inverse_sum, const float *delta, float *dgate, float *dbias);
void kern_relative_gate_backward_f32_neon(size_t rows, size_t heads, size_t dim, const float *x, size_t ldx,
                                          const float *w, const float *b, const float *constant, const float *dgate,
                                          size_t ldg, float *dx, size_t lddx, double *dw, double *db,
                                          double *dconstant);

/* neon_optimizer.c */
double kern_sum_squares_f32_neon(size_t n, const float *x);
void kern_adamw_f32_neon(size_t n, float *w, const float *grad, float *m, float *v, const kern_adamw *a);

/* neon_convert.c */
void kern_f16_to_f32_neon(size_t n, const uint16_t *x, float *y);
void kern_f32_to_f16_neon(size_t n, const float *x, uint16_t *y);
void kern_bf16_to_f32_neon(size_t n, const uint16_t *x, float *y);
void kern_f32_to_bf16_neon(size_t n, const float *x, uint16_t *y);
void kern_f32_to_bf16_pairs_neon(size_t n, const float *low, const float *high, uint32_t *y);
void kern_bf16_pairs_to_f32_neon(size_t n, const uint32_t *x, float *low, float *high);

#endif
