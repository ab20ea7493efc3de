/* The vocabulary: sixteen lanes, in which every kernel outside the matrix product is written once (kernels/body/).
 *
 * A tier is one header with the functions below, static inline, on types of its own. This file includes the one that the
 * build asks for (-DKERN_VECTOR_AVX512 and so on; portable.h, plain C, where none is asked for) and is their contract.
 * tests/kernels/vocabulary/ holds every tier to it, lane by lane and bit by bit. All tiers give the same bits, but for the
 * sign and payload of a NaN.
 *
 * Types: f32x16, i32x16 (integers of 32 bits, signed or not as the function says), f64x8, mask16 (true or false a lane).
 * Rounding is IEEE 754's, to nearest even, once a function; subnormal numbers count. n is a number of lanes, of which
 * those from 16 (8 of f64x8) on count as 16 (8): "first" functions read or write the first n elements in memory alone,
 * and lanes behind them are +0. Memory needs the alignment of its elements. No function reads or writes anything else.
 *
 * Memory
 *   f32x16_load(x)  f32x16_load_first(x, n)  f32x16_store(y, v)  f32x16_store_first(y, n, v)        floats
 *   i32x16_load(x)  i32x16_load_first(x, n)  i32x16_store(y, v)  i32x16_store_first(y, n, v)        uint32_t
 *   i32x16_load_u16(x, n)          the first n of 16 uint16_t, widened
 *   i32x16_store_u16(y, n, v)      the lower halves of the first n lanes
 *   i32x16_store_halves(y, v)      all 32 halves as uint16_t, each lane's lower one first
 *   i32x16_store_u8(y, n, v)       the lowest bytes of the first n lanes
 *   f32x16_load_f16(x, n)          the first n of 16 half floats (IEEE binary16, exact; NaN becomes quiet)
 *   f32x16_store_f16(y, n, v)      to half floats, to nearest even, subnormal ones included; NaN stays a quiet NaN
 *   f64x8_load(x)   f64x8_load_first(x, n)   f64x8_store(y, v)   f64x8_store_first(y, n, v)         doubles
 *   f64x8_load_f32(x, n)           the first n of 8 floats, widened
 *
 * Floats
 *   f32x16_set1(x)                 x in every lane
 *   f32x16_first(n, v)             lanes from n on become +0
 *   f32x16_add  _sub  _mul  _div (a, b)   f32x16_sqrt(v)
 *   f32x16_fma(a, b, c)  a b + c       f32x16_fms(a, b, c)  a b - c       f32x16_fnma(a, b, c)  c - a b:   rounded once
 *   f32x16_min(a, b)  a < b ? a : b    f32x16_max(a, b)  a > b ? a : b:   where either is NaN, or both are zeros, b
 *   f32x16_abs(v)                  without its sign
 *   f32x16_with_sign(v, s)         v, whose sign must be +, with the sign of s
 *   f32x16_sum(v)                  halves: lanes i and i + 8, then i and i + 4, i + 2, i + 1
 *   f32x16_lane0(v)                the first lane, as a float
 *   f32x16_top(v)                  f32x16_max of the same halves: the largest lane
 *
 * Masks
 *   f32x16_less(a, b)  a < b   f32x16_greater(a, b)  a > b   f32x16_not_less(a, b)  !(a < b): so NaN is not less
 *   f32x16_is_nan(v)               f32x16_negative(v)  the sign bit, also of zeros and NaN
 *   f32x16_select(m, a, b)         m ? a : b         f32x16_keep(m, v)  m ? v : +0
 *   mask16_first(n)                the first n lanes        mask16_or(a, b)   mask16_any(m)
 *
 * Integers
 *   i32x16_set1(x)  i32x16_add  _sub  _and  _or (a, b), modulo 2^32      i32x16_max(a, b), signed
 *   i32x16_shift_left(v, count)    i32x16_shift_right(v, count), zeros come in; count a constant below 32
 *   i32x16_select(m, a, b)         i32x16_top(v)     the largest lane, signed, as an int32_t
 *   i32x16_upper_halves(a, b)      32 upper halves in a row, a's first: lane p holds the two of lanes 2p and 2p + 1 of
 *                                  (a, b), the first one lower
 *   i32x16_bits(v)  f32x16_of_bits(v)     the same bits as the other type
 *   i32x16_round(v)                to nearest even; where v is NaN or outside int32_t a number whose lower half is 0
 *   f32x16_of_i32(v)               signed, rounded
 *   f32x16_lookup8(table, i)       table[i & 7] of eight floats
 *
 * Doubles
 *   f64x8_set1(x)  f64x8_add  _mul (a, b)
 *   f64x8_add_product(a, b, s)     s + a b, where a b is exact in double, as products of two floats are: fused or not
 *   f64x8_low(v)   f64x8_high(v)   lanes 0 to 7, 8 to 15 of an f32x16, widened
 *   f64x8_sum(v)                   halves: lanes i and i + 4, then i and i + 2, i + 1
 *
 * Blocks, from memory to memory; units of four bytes are copied as they are
 *   block16_transpose(x, ldx, y, ldy)                          y[j * ldy + i] = x[i * ldx + j], i, j < 16
 *   block16_transpose_part(rows, columns, kept, x, ldx, y, ldy)   the same for i < kept, j < columns, all <= 16; zeros
 *                                                              where i >= rows; rows may be more than kept
 *   block16_interleave6(x, ldx, y)                             y[6 * j + i] = x[i * ldx + j], i < 6, j < 16
 */
#ifndef KERNELS_VECTOR_VECTOR_H
#define KERNELS_VECTOR_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Inlined whatever the compiler thinks of it: arguments that are constants at the call are constants inside. In plain C
 * under gcc's address sanitizer the compiler decides: instrumented, and all in one piece, it takes a quarter of an hour a
 * file. */
#if defined(__SANITIZE_ADDRESS__) && !defined(KERN_VECTOR_AVX512) && !defined(KERN_VECTOR_AVX2) && !defined(KERN_VECTOR_NEON)
#define KERN_INLINE static inline __attribute__((unused))
#else
#define KERN_INLINE static inline __attribute__((always_inline))
#endif

/* Unrolls a loop of constant length whole, so that arrays of vectors are registers. Each compiler ignores the other's. */
#ifdef __clang__
#define KERN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KERN_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(KERN_VECTOR_AVX512)
#include "kernels/vector/avx512.h"
#elif defined(KERN_VECTOR_AVX2)
#include "kernels/vector/avx2.h"
#elif defined(KERN_VECTOR_NEON)
#include "kernels/vector/neon.h"
#else
#include "kernels/vector/portable.h"
#endif

#endif
