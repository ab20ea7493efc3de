/* The middle of several. */
#ifndef BENCH_MEASURE_MEDIAN_H
#define BENCH_MEASURE_MEDIAN_H

#include <stddef.h>

/* Median of n > 0 values; sorts them. */
double bench_median(size_t n, double *values);

#endif
