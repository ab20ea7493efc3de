/* Seconds, and the middle of several. */
#ifndef BENCH_MEASURE_CLOCK_H
#define BENCH_MEASURE_CLOCK_H

#include <stddef.h>

/* Seconds on the monotonic clock. */
double bench_now(void);

/* Median of n > 0 values; sorts them. */
double bench_median(size_t n, double *values);

#endif
