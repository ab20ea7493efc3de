/* What memory can do. */
#ifndef BENCH_MEASURE_STREAM_H
#define BENCH_MEASURE_STREAM_H

#include "bench/bench.h"

/* GB/s, read and written together, on all threads of the run; the best of a few passes over arrays larger than the
 * caches. NAN once run->ctx has failed for lack of memory. */
double bench_stream(bench_run *run);

#endif
