/* Calls, the probes between them, and what is made of their times. */
#include <math.h>

#include "engine/clock.h"
#include "bench/bench.h"
#include "bench/measure/median.h"

void bench_settle(bench_run *run)
{
    const double start = eng_now(), most = run->options->quick ? 0.0 : 0.25;
    do {
        bench_probe(run, 1, ENG_F32);
        if (run->threads > 1) bench_probe(run, run->threads, ENG_F32);
    } while (eng_now() - start < most);
}

/* ---- Samples ---- */

enum { MOST_SAMPLES = 16384, MOST_A_BURST = 16 };

typedef struct sample {
    double time;
    bench_level level;
} sample;

typedef struct samples {
    sample at[MOST_SAMPLES];
    size_t n;
} samples;

static bool is_quiet(const bench_run *run, const bench_result *r, const sample *s)
{
    return bench_is_quiet(&run->known[r->threads > 1], s->level);
}

static size_t count_quiet(const bench_run *run, const bench_result *r, const samples *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) n += is_quiet(run, r, &s->at[i]);
    return n;
}

/* values: room for s->n. */
static void conclude(const bench_run *run, const samples *s, double *values, bench_result *r)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (is_quiet(run, r, &s->at[i])) values[n++] = s->at[i].time;
    r->calls = s->n;
    r->quiet_calls = n;
    if (n >= BENCH_LEAST_QUIET) {
        r->quiet_time_s = bench_median(n, values);
        n = 0;
        for (size_t i = 0; i < s->n; i++)
            if (is_quiet(run, r, &s->at[i])) values[n++] = r->work_gflop / s->at[i].time / s->at[i].level.peak;
        r->quiet_share = isfinite(r->work_gflop) ? bench_median(n, values) : NAN;
    }
    for (size_t i = 0; i < s->n; i++) values[i] = s->at[i].time;
    r->time_s = bench_median(s->n, values);
    r->time_min_s = values[0]; /* sorted by now */
    r->gflops = r->work_gflop / r->time_s;
}

/* The probe after what was timed; it and the one before decide about samples from `first` on. */
static void probe_after(bench_run *run, samples *s, size_t first, bench_level *before, bench_result *r)
{
    const bench_level after = bench_probe(run, r->threads, r->precision);
    for (size_t i = first; i < s->n; i++) s->at[i].level = bench_between(*before, after);
    *before = after;
    r->peak_gflops = fmax(r->peak_gflops, after.peak);
}

static samples *begin(bench_run *run, bench_result *r, bench_level *before)
{
    samples *s = eng_alloc(1, sizeof *s);
    r->time_s = r->time_min_s = r->quiet_time_s = r->quiet_share = r->gflops = r->peak_gflops = NAN;
    if (!s) {
        eng_out_of_memory(&run->ctx, "the times of a measurement", sizeof *s);
        return NULL;
    }
    s->n = 0;
    r->peak_precision = bench_peak_precision(run, r->precision);
    *before = bench_probe(run, r->threads, r->precision);
    return s;
}

static void end(bench_run *run, samples *s, bench_result *r)
{
    double *values = eng_alloc(s->n + 1, sizeof *values);
    if (!values) eng_out_of_memory(&run->ctx, "the times of a measurement", s->n * sizeof *values);
    if (eng_good(&run->ctx) && s->n) conclude(run, s, values, r);
    eng_free(values);
    eng_free(s);
}

void bench_time(bench_run *run, double most_seconds, bench_fn fn, void *arg, bench_result *r)
{
    const bench_options *o = run->options;
    const double least = o->quick ? 0.01 : 0.2, burst = 2e-3;
    const double most = o->quick ? least : o->seconds_each > 0 ? o->seconds_each : most_seconds;
    fn(arg);
    bench_level before;
    samples *s = begin(run, r, &before);
    if (!s) return;
    const double start = eng_now();
    for (bool more = true; more && eng_good(&run->ctx);) {
        const size_t first = s->n;
        for (double t0 = eng_now(), t1 = t0; s->n - first < MOST_A_BURST && t1 - t0 < burst;) {
            const double begun = eng_now();
            fn(arg);
            t1 = eng_now();
            s->at[s->n++].time = t1 - begun;
        }
        probe_after(run, s, first, &before, r);
        const double gone = eng_now() - start;
        const bool enough = gone >= least && count_quiet(run, r, s) >= BENCH_ENOUGH_QUIET;
        more = !enough && gone < most && s->n + MOST_A_BURST <= MOST_SAMPLES;
    }
    end(run, s, r);
}

void bench_time_calls(bench_run *run, size_t repeats, bench_fn fn, void *arg, bench_result *r)
{
    r->work_gflop = r->network->work_gflop;
    fn(arg);
    bench_level before;
    samples *s = eng_good(&run->ctx) ? begin(run, r, &before) : NULL;
    if (!s) return;
    for (size_t i = 0; i < repeats && eng_good(&run->ctx); i++) {
        const double start = eng_now();
        fn(arg);
        s->at[s->n++].time = eng_now() - start;
        probe_after(run, s, i, &before, r);
    }
    end(run, s, r);
}

void bench_fill(size_t n, float *x, uint64_t seed)
{
    uint64_t state = seed * 2 + 1;
    for (size_t i = 0; i < n; i++) {
        state =
            state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator; its upper bits are good */
        x[i] = (float)((double)(state >> 40) * 0x1p-23 - 1.0);
    }
}
