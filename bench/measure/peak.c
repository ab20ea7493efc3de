/* What the cores can do, measured where nothing else takes part: the loops of loops.h, on all threads at once. */
#include "engine/clock.h"
#include "bench/bench.h"

#include <math.h>
#include <stdatomic.h>

#include "bench/measure/median.h"
#include "bench/measure/loops.h"

enum { SLICES = 5, CALLS = 3, MOST_WARM = 16, MOST_THREADS = 4096 };
static const double LONGEST_WAIT = 2e-3;

/* What one thread reached, GFLOP/s. */
typedef struct peak_rate {
    double plain, filled;
} peak_rate;

typedef struct peak_run {
    bench_loops loops;
    size_t threads;
    _Atomic size_t arrived;
    peak_rate *rates; /* [threads] */
} peak_run;

static double slice(bench_loop fn)
{
    float sink = 0;
    const double start = eng_now();
    for (size_t c = 0; c < CALLS; c++) fn(&sink);
    const double seconds = eng_now() - start;
    __asm__ volatile("" : : "m"(sink));
    return seconds;
}

/* A core that did nothing wide for a while takes some 100 us to grant the widest vectors their full rate. */
static void warm_up(bench_loop fn)
{
    double before = slice(fn);
    for (size_t i = 0; i < MOST_WARM; i++) {
        const double now = slice(fn);
        if (now > 0.98 * before) return;
        before = now;
    }
}

/* Medians of short slices in turn: an interrupt in one of them does not count. */
static peak_rate rate_of(const bench_loops *loops)
{
    double plain[SLICES], filled[SLICES];
    warm_up(loops->plain);
    for (size_t s = 0; s < SLICES; s++) {
        plain[s] = slice(loops->plain);
        filled[s] = loops->filled ? slice(loops->filled) : NAN;
    }
    const double work = 1e-9 * CALLS * loops->operations;
    return (peak_rate){work / bench_median(SLICES, plain), loops->filled ? work / bench_median(SLICES, filled) : NAN};
}

/* Waits for the other threads before it begins, though not for ever: one may have taken two tasks. */
static void peak_task(void *arg, size_t task, size_t worker)
{
    peak_run *p = arg;
    (void)worker;
    atomic_fetch_add(&p->arrived, 1);
    const double start = eng_now();
    while (atomic_load(&p->arrived) < p->threads && eng_now() - start < LONGEST_WAIT) continue;
    p->rates[task] = rate_of(&p->loops);
}

static void run_peak(const bench_run *run, bench_loops loops, size_t threads, peak_rate *rates)
{
    peak_run p = {.loops = loops, .threads = threads, .rates = rates};
    if (threads == 1)
        peak_task(&p, 0, 0);
    else
        eng_pool_run(run->ctx.pool, threads, peak_task, &p);
}

static double reduced_peak(const bench_run *run, size_t threads, eng_precision p)
{
    peak_rate rates[MOST_THREADS];
    double sum = 0;
    run_peak(run, bench_loops_reduced(run, p), threads, rates);
    for (size_t i = 0; i < threads; i++) sum += rates[i].plain;
    return sum;
}

bench_level bench_probe(bench_run *run, size_t threads, eng_precision precision)
{
    peak_rate rates[MOST_THREADS];
    bench_level level = {0, INFINITY, INFINITY};
    run_peak(run, bench_loops_f32(run), threads, rates);
    for (size_t i = 0; i < threads; i++) {
        level.peak += rates[i].plain;
        level.slowest = fmin(level.slowest, rates[i].plain);
        level.filled = fmin(level.filled, rates[i].filled / rates[i].plain);
    }
    const eng_precision p = bench_peak_precision(run, precision);
    if (p != ENG_F32) level.peak = reduced_peak(run, threads, p);
    bench_learn(&run->known[threads > 1], level, bench_probe_is_absolute(run));
    return level;
}
