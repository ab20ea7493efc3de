/* Quiet moments. On a machine that others use too, the time of a call says as much about them as about the call. So
 * probes run before and after what is timed, on as many threads. A call was quiet when in both probes, on every thread,
 * the loop of multiply-adds with no-ops between kept BENCH_FULL of the speed of the plain one beside it, whatever the
 * clock was at that time, and the plain one reached BENCH_CLOCK of the best of the run, which is what the clock alone
 * moves it by. */
#ifndef BENCH_MEASURE_QUIET_H
#define BENCH_MEASURE_QUIET_H

#include <stdbool.h>
#include <stddef.h>

enum { BENCH_LEAST_QUIET = 3, BENCH_ENOUGH_QUIET = 15 };
#define BENCH_FULL 0.97
#define BENCH_CLOCK 0.90

/* What a probe saw (peak.c). */
typedef struct bench_level {
    double peak;    /* GFLOP/s of products on registers, all threads together */
    double slowest; /* the slowest thread's, in f32 */
    double filled;  /* the rate with no-ops between over that without, of the thread that lost most */
} bench_level;

/* What probes on one number of threads saw so far. */
typedef struct bench_known {
    double slowest, filled; /* the best of each */
    size_t probes, quiet;
} bench_known;

/* Takes a probe into account. */
void bench_learn(bench_known *known, bench_level level, bool absolute);

/* Whether that was a quiet moment, by what is known so far. */
bool bench_is_quiet(const bench_known *known, bench_level level);

/* What is known of what lies between two probes: the worse of both, and the higher peak. */
bench_level bench_between(bench_level before, bench_level after);

#endif
