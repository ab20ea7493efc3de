/* Lists that options take, as "f32,int8" or "1,2", and the machine by name. */
#ifndef BENCH_WORK_LISTS_H
#define BENCH_WORK_LISTS_H

#include "bench/bench.h"

enum { BENCH_MOST_THREADS = 16, BENCH_PRECISIONS = 3 };

/* "f32", "bf16", "int8". */
const char *bench_precision_name(eng_precision p);

/* The precisions of --precision, eng_precision each, in out [BENCH_PRECISIONS]; a list that is NULL: SIZE_MAX alone.
 * Returns how many; 0 when the list cannot be read, which has been reported. */
size_t bench_read_precisions(const char *list, size_t *out);

/* The same of --threads, in out [BENCH_MOST_THREADS]; NULL: 0 alone. */
size_t bench_read_threads(const char *list, uint64_t *out);

/* What /proc/cpuinfo calls the CPU, or "unknown CPU". */
void bench_cpu_name(size_t size, char *out);

/* What the tier's kernels may use beyond its bundle, of what is here, as " + VNNI"; "" where there is nothing. */
const char *bench_caps_name(const kern_table *k);

#endif
