/* What the parts of the GEMM driver share: product.c walks over blocks, layout.c lays operands out for the
 * micro-kernels, packed.c packs weights; attention's tiles are laid out alike (engine/ops/attention_*.c). Only these include
 * this header. */
#ifndef ENGINE_GEMM_PARTS_H
#define ENGINE_GEMM_PARTS_H

#include "engine/gemm/gemm.h"

/* A product, and how it is computed. */
typedef struct eng_product_plan {
    const kern_table *k;
    const kern_gemm_blocks *blocks; /* of the micro-kernel that multiplies */
    size_t m;
    eng_left a;
    eng_right b;
    float *c;
    size_t ldc;
    bool accumulate;
    eng_epilogue e;
    eng_precision precision; /* of the operands */
    bool widened;            /* bf16 operands, multiplied in f32 */
    size_t group;            /* elements of k in a unit of what is multiplied */
    size_t units, kc;        /* depth, and that of a slice, in such units */
} eng_product_plan;

static inline size_t eng_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t eng_ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* n floats to units of bf16 or (as unsigned bytes, x * inverse_scale + 128) int8; the last unit is filled up with
 * values that stand for 0. */
void eng_layout_row(const kern_table *k, eng_precision precision, size_t n, const float *x, float inverse_scale,
                    uint32_t *units);

/* The scale of a row whose largest magnitude is absmax, so that 127 stands for that, and its inverse; both 0 where it
 * is too small to be divided by, and a scale that makes the row's results NaN where it is not finite. */
float eng_quantised_scale(float absmax, float *inverse);

/* The depth of a panel of A: whole runs. */
static inline size_t eng_left_depth(const eng_product_plan *p, size_t depth)
{
    return eng_ceil_div(depth, p->blocks->run) * p->blocks->run;
}

/* Floats of scratch that laying out needs beside its result, for a slice of `depth` units. */
size_t eng_layout_scratch(const eng_product_plan *p, size_t depth);

/* Rows [first, first + rows) of A, units [p0, p0 + depth) of k, as panels of A (kern_gemm_blocks), one after the
 * other, each eng_left_depth deep; int8: the rows' scales to row_scale. */
void eng_layout_left(const eng_product_plan *p, size_t first, size_t rows, size_t p0, size_t depth, void *scratch,
                     uint32_t *panels, float *row_scale);

/* Columns [first, first + n) of a B that is not packed, n <= nr, as a panel [depth][nr]. */
void eng_layout_right(const eng_product_plan *p, size_t first, size_t n, size_t p0, size_t depth, void *scratch,
                      uint32_t *panel);

/* Units [p0, p0 + depth) of the packed bf16 panel whose first column is `first`, widened to floats [depth][nr]. p0 is
 * even. */
void eng_layout_widened(const eng_product_plan *p, size_t first, size_t p0, size_t depth, float *panel);

#endif
