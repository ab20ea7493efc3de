/* bench: measures speed, and error beside it. One line a measurement. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/options.h"

static const tool_option options[] = {
    {.name = "json", .kind = TOOL_FLAG, .offset = offsetof(bench_options, json), .help = "one JSON object a line"},
    {.name = "threads",
     .kind = TOOL_COUNT,
     .offset = offsetof(bench_options, threads),
     .value = "N",
     .help = "worker threads; 0, the default: one per CPU",
     .max = 4096},
    {.name = "cpu",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, cpu),
     .value = "TIER",
     .help = "kernels to use: scalar, avx2, avx512, neon (default: the best here, or WLM_CPU)"},
    {.name = "precision",
     .kind = TOOL_CHOICE,
     .offset = offsetof(bench_options, precision),
     .help = "arithmetic of the weights",
     .choices = "f32"},
    {.name = "peer",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, peer),
     .value = "NAME",
     .help = "measure another library on the same shapes too: openblas"},
    {.name = NULL},
};

static const tool_program program = {
    .name = "bench",
    .usage = "[options] gemm [MxNxK...] | ops [KERNEL...]",
    .summary = "gemm  the blocked matrix product, on WavLM's shapes or those given\n"
               "ops   the kernels around it, one thread, all or those given",
    .options = options,
};

typedef struct command {
    const char *name;
    bool (*run)(bench_run *run, size_t n, char **operands);
} command;

static const command commands[] = {{"gemm", bench_gemm}, {"ops", bench_ops}};

/* ---- Time ---- */

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(size_t n, double *values)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

void bench_time(bench_run *run, bool with_peak, bench_fn fn, void *arg, bench_result *r)
{
    enum { ROUNDS = 7, MOST = 64 };
    const double round_seconds = 0.03;
    double times[ROUNDS * MOST];
    size_t n = 0;
    r->peak_gflops = NAN;
    for (size_t round = 0; round < ROUNDS; round++) {
        if (with_peak) r->peak_gflops = fmax(r->peak_gflops, bench_peak_f32(run, run->threads));
        fn(arg);
        const double start = bench_now();
        for (size_t i = 0; i < MOST; i++) {
            const double t0 = bench_now();
            fn(arg);
            const double t1 = bench_now();
            times[n++] = t1 - t0;
            if (t1 - start > round_seconds) break;
        }
    }
    r->time_s = bench_median(n, times);
    r->time_min_s = times[0]; /* sorted by now */
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

/* ---- Results ---- */

static void print_number(const char *name, double value)
{
    if (isfinite(value))
        printf(", \"%s\": %.6g", name, value);
    else
        printf(", \"%s\": null", name);
}

static void print_json(const bench_result *r)
{
    printf("{\"bench\": \"%s\", \"engine\": \"%s\", \"shape\": \"%s\", \"precision\": \"f32\", \"threads\": %zu, "
           "\"seconds_audio\": null",
           r->bench, r->engine, r->shape, r->threads);
    print_number("time_s", r->time_s);
    print_number("time_min_s", r->time_min_s);
    print_number("gflops", r->gflops);
    print_number("peak_gflops", r->peak_gflops);
    print_number("share_of_peak", r->gflops / r->peak_gflops);
    print_number("gbytes_s", r->gbytes_s);
    print_number("max_error", r->max_error);
    printf("}\n");
}

static void print_text(const bench_result *r)
{
    printf("%-5s %-9s %-28s f32 x%zu %11.2f us (least %11.2f)", r->bench, r->engine, r->shape, r->threads,
           1e6 * r->time_s, 1e6 * r->time_min_s);
    if (isfinite(r->gflops))
        printf("  %6.1f of %6.1f GFLOP/s (%3.0f %%)", r->gflops, r->peak_gflops, 100.0 * r->gflops / r->peak_gflops);
    if (isfinite(r->gbytes_s)) printf("  %6.1f GB/s", r->gbytes_s);
    if (isfinite(r->max_error)) printf("  error %.1e", r->max_error);
    putchar('\n');
}

void bench_print(const bench_run *run, const bench_result *r)
{
    if (run->options->json)
        print_json(r);
    else
        print_text(r);
    fflush(stdout);
}

/* ---- Start ---- */

/* The table of the tier asked for; false, with a message, when it is not there. */
static bool choose_kernels(const char *name, kern_table *table)
{
    const kern_cpu cpu = kern_cpu_probe();
    kern_tier tier = cpu.best;
    if (!name) name = getenv("WLM_CPU");
    if (name && *name && !kern_tier_find(name, &tier)) {
        fprintf(stderr, "bench: no CPU tier is called '%s'\n", name);
        return false;
    }
    if (!(cpu.tiers >> tier & 1u) || !kern_table_fill(table, tier, cpu.caps)) {
        fprintf(stderr, "bench: this machine or this build has no %s\n", kern_tier_name(tier));
        return false;
    }
    return true;
}

static const command *find_command(const char *name)
{
    for (size_t i = 0; name && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    fprintf(stderr, "bench: expected gemm or ops, found %s (--help shows more)\n", name ? name : "nothing");
    return NULL;
}

static int run_command(const command *c, const bench_options *o, size_t n, char **operands)
{
    bench_run run = {.options = o};
    eng_error *err = &run.ctx.error;
    eng_arena arena;
    if (o->peer && strcmp(o->peer, "openblas") != 0) {
        fprintf(stderr, "bench: --peer: expected openblas, found %s\n", o->peer);
        return 1;
    }
    if (!choose_kernels(o->cpu, &run.ctx.k)) return 1;
    if (eng_pool_new((size_t)o->threads, &run.ctx.pool, err) != ENG_OK) {
        fprintf(stderr, "bench: %s\n", err->message);
        return 2;
    }
    eng_arena_init(&arena);
    run.ctx.arena = &arena;
    run.threads = eng_pool_threads(run.ctx.pool);
    fprintf(stderr, "bench: %s kernels, %zu threads\n", kern_tier_name(run.ctx.k.tier), run.threads);
    int status = c->run(&run, n, operands) ? 0 : 1;
    if (!eng_good(&run.ctx)) {
        fprintf(stderr, "bench: %s\n", run.ctx.error.message);
        status = 2;
    }
    eng_arena_fini(&arena);
    eng_pool_free(run.ctx.pool);
    return status;
}

int main(int argc, char **argv)
{
    bench_options o = {0};
    size_t operands;
    int status;
    if (!tool_options_start(&program, argc, argv, &o, &operands, &status)) return status;
    const command *c = find_command(operands > 0 ? argv[1] : NULL);
    return c ? run_command(c, &o, operands - 1, argv + 2) : 1;
}
