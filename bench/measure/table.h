/* Results of whole models as a table in GitHub's Markdown, to paste: a row a length, a column for each precision and
 * number of threads. */
#ifndef BENCH_MEASURE_TABLE_H
#define BENCH_MEASURE_TABLE_H

#include "bench/bench.h"

/* What a cell is made of. */
typedef struct bench_cell {
    const char *model; /* the command line's own */
    size_t batch, threads, calls, quiet_calls, bytes;
    eng_precision precision, peak_precision;
    double seconds; /* of an utterance */
    double time_s, quiet_time_s, x_realtime, share, quiet_share, error;
} bench_cell;

/* Cells in the order in which they came; all zeros: none yet. */
struct bench_table {
    bench_cell *cells;
    size_t n, room;
};

/* Takes over a result that has r->network. False: out of memory. */
bool bench_table_add(bench_table *table, const bench_result *r);

/* Prints a table for each model to stdout, under a line that names program, CPU and kernels. */
void bench_table_print(const bench_table *table, const kern_table *k);

void bench_table_free(bench_table *table);

#endif
