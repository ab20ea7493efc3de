/* Operands of the matrix product's micro-kernels, laid out as panels of a tier's own width. */
#ifndef BENCH_WORK_PANELS_H
#define BENCH_WORK_PANELS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* Rows are multiples of every tier's tile; 288 KB, in L2. */
enum {
    PANELS_M = 96,
    PANELS_N = 192,
    PANELS_UNITS = 256,
    PANELS_TOTAL = (PANELS_M + PANELS_N) * PANELS_UNITS,
    PANELS_BYTES = 4 * (PANELS_TOTAL + PANELS_M * PANELS_N), /* the result counted, too */
};

/* Elements in a unit. */
typedef enum panels_type { PANELS_F32 = 1, PANELS_BF16 = 2, PANELS_I8 = 4 } panels_type;

typedef struct bench_panels {
    float *units; /* [PANELS_TOTAL], the caller's: panels of A, then of B */
    int32_t correction[PANELS_N];
    float scale[PANELS_N];
} bench_panels;

/* Fills p from rows of PANELS_UNITS * type floats, within -4 .. 4: a [PANELS_M], b [PANELS_N]. scratch is room for
 * PANELS_N * PANELS_UNITS floats. */
void bench_panels_fill(const kern_table *k, panels_type type, const float *a, const float *b, float *scratch,
                       bench_panels *p);

/* The product, tile by tile, to c [PANELS_M, PANELS_N]. */
void bench_panels_multiply(const kern_table *k, panels_type type, const bench_panels *p, float *c);

#endif
