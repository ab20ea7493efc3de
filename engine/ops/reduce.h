/* Sums over rows for parameter gradients: the same bits on any number of threads. */
#ifndef ENGINE_OPS_REDUCE_H
#define ENGINE_OPS_REDUCE_H

#include "engine/context.h"

/* Adds rows [first, first + rows) of the op's data to sums [width]. Called from several threads at once. */
typedef void (*eng_rows_fn)(void *arg, size_t first, size_t rows, double *sums);

/* Cuts `rows` rows in stretches of fixed length, lets fn sum each in double, and adds the stretches in their order:
 * sums [width]. Returns false, with ctx->error set, when out of memory. */
bool eng_reduce_rows(eng_context *ctx, size_t rows, size_t width, eng_rows_fn fn, void *arg, double *sums);

/* out[i] += sums[i] for i < n; nothing when out is NULL. */
void eng_add_sums(size_t n, const double *sums, float *out);

#endif
