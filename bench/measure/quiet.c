#include "bench/measure/quiet.h"

#include <math.h>

bench_level bench_between(bench_level before, bench_level after)
{
    return (bench_level){fmax(before.peak, after.peak), fmin(before.slowest, after.slowest),
                         fmin(before.filled, after.filled)};
}

void bench_learn(bench_known *known, bench_level level, bool absolute)
{
    known->slowest = fmax(known->slowest, level.slowest);
    if (absolute)
        known->filled = 1;
    else if (level.slowest >= BENCH_FULL * known->slowest)
        known->filled = fmax(known->filled, level.filled);
    known->probes++;
    known->quiet += bench_is_quiet(known, level);
}

bool bench_is_quiet(const bench_known *known, bench_level level)
{
    return level.filled >= BENCH_FULL * known->filled && level.slowest >= BENCH_CLOCK * known->slowest;
}
