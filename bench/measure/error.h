/* How far results are from what they should be: the largest difference over the largest number that was wanted. */
#ifndef BENCH_MEASURE_ERROR_H
#define BENCH_MEASURE_ERROR_H

typedef struct bench_error {
    double worst, largest; /* 0 and 0 to begin with */
} bench_error;

/* One result. A difference that is NaN counts as the largest number there is: nothing that comes later hides it. */
void bench_error_add(bench_error *e, double got, double want);

/* Of all that were added. NAN when there were none, or nothing but zeros was wanted and found. */
double bench_error_share(const bench_error *e);

#endif
