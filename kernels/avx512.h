/* The avx512 tier in parts, each filling its members of the table. Only the tier's own files include this header. */
#ifndef KERNELS_AVX512_H
#define KERNELS_AVX512_H

#include "kernels/kernels.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with the avx512 tier's flags"
#endif

#include <immintrin.h>

/* Unrolls a loop of constant length whole, so that arrays of vectors are registers. Each compiler ignores the other's.
 */
#ifdef __clang__
#define KERN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KERN_UNROLL _Pragma("GCC unroll 16")
#endif

void kern_table_fill_avx512_gemm(kern_table *t);
void kern_table_fill_avx512_pack(kern_table *t);
void kern_table_fill_avx512_math(kern_table *t);
void kern_table_fill_avx512_norm(kern_table *t);
void kern_table_fill_avx512_reduce(kern_table *t);
void kern_table_fill_avx512_attention(kern_table *t);
void kern_table_fill_avx512_convert(kern_table *t);
void kern_table_fill_avx512_transpose(kern_table *t);
void kern_table_fill_avx512_backward_math(kern_table *t);
void kern_table_fill_avx512_backward_norm(kern_table *t);
void kern_table_fill_avx512_backward_attention(kern_table *t);
void kern_table_fill_avx512_optimizer(kern_table *t);
void kern_table_fill_avx512_quantise(kern_table *t);

/* The first min(n, 16) of 16 lanes. */
static inline __mmask16 kern_lanes_avx512(size_t n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1u);
}

#endif
