/* Multiply-adds on registers alone, in as many chains as hide their latency (4 or 5 cycles, two a cycle: 12 chains,
 * which leaves registers over; 4 a cycle on some ARM: 24). Functions carry their own target flags, so one binary has
 * all.
 *
 * The plain loop issues some 2.3 instructions a cycle, and so it runs at full speed also where another tenant's
 * hyperthread takes half of the core's decoders and slots, which halves real kernels: they need 3 to 3.5. Hence a
 * second loop, the same with a no-op after every other multiply-add: 20 instructions in the 6 cycles that 12
 * multiply-adds take. A core of which nobody takes anything, four instructions wide, runs both at the same speed. */
#ifndef BENCH_MEASURE_LOOPS_H
#define BENCH_MEASURE_LOOPS_H

#include "bench/bench.h"

/* Stores what the chains computed, so that they are computed. */
typedef void (*bench_loop)(float *sink);

typedef struct bench_loops {
    bench_loop plain, filled; /* filled NULL: there is none */
    double operations;        /* of one call */
} bench_loops;

/* Those of the tier's vector width, or, for the portable tier, of the best one of this machine. */
bench_loops bench_loops_f32(const bench_run *run);

/* Those of p's products, where bench_peak_precision gives p and p is not f32; the plain one alone. */
bench_loops bench_loops_reduced(const bench_run *run, eng_precision p);

#endif
