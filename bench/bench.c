/* bench: measures speed, and error beside it. One line a measurement. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/tier.h"
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
    {.name = "seconds",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, seconds),
     .value = "LIST",
     .help = "model, train: lengths of an utterance, as 1,3,10 (default: model 1,3,10,30; train 2 x 5 and 1 x 10)"},
    {.name = "batch",
     .kind = TOOL_COUNT,
     .offset = offsetof(bench_options, batch),
     .value = "N",
     .help = "model, train: utterances of a batch (default 1)",
     .max = 1024},
    {.name = "repeats",
     .kind = TOOL_COUNT,
     .offset = offsetof(bench_options, repeats),
     .value = "N",
     .help = "model, train: calls that count, after one that does not (default: model 5, train 3)",
     .max = BENCH_MOST_REPEATS},
    {.name = "checkpoint-layers",
     .kind = TOOL_FLAG,
     .offset = offsetof(bench_options, checkpoint_layers),
     .help = "train: keep one input a layer and compute the rest again"},
    {.name = "train-feature-encoder",
     .kind = TOOL_FLAG,
     .offset = offsetof(bench_options, train_feature_encoder),
     .help = "train: the CNN too"},
    {.name = NULL},
};

static const tool_program program = {
    .name = "bench",
    .usage = "[options] gemm [MxNxK...] | ops [KERNEL...] | model [MODEL...] | train [MODEL...]",
    .summary = "gemm   the blocked matrix product, on WavLM's shapes or those given\n"
               "ops    the kernels around it, one thread, all or those given\n"
               "model  a forward pass\n"
               "train  a training step: forward, backward, AdamW\n"
               "MODEL is large (the default), base or base-plus, with random weights, or a model's folder.",
    .options = options,
};

typedef struct command {
    const char *name;
    bool (*run)(bench_run *run, size_t n, char **operands);
} command;

static const command commands[] = {
    {"gemm", bench_gemm}, {"ops", bench_ops}, {"model", bench_model}, {"train", bench_train}};

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

void bench_time_calls(bench_run *run, size_t repeats, bench_fn fn, void *arg, bench_result *r)
{
    enum { PEAKS = 8 }; /* of a millisecond each, around every call */
    double times[BENCH_MOST_REPEATS];
    r->peak_gflops = NAN;
    r->time_s = r->time_min_s = NAN;
    fn(arg);
    for (size_t i = 0; i < repeats && eng_good(&run->ctx); i++) {
        for (size_t p = 0; p < PEAKS; p++) r->peak_gflops = fmax(r->peak_gflops, bench_peak_f32(run, run->threads));
        const double start = bench_now();
        fn(arg);
        times[i] = bench_now() - start;
    }
    if (!eng_good(&run->ctx)) return;
    r->time_s = bench_median(repeats, times);
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

/* ---- Start ---- */

static const command *find_command(const char *name)
{
    for (size_t i = 0; name && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    fprintf(stderr, "bench: expected gemm, ops, model or train, found %s (--help shows more)\n", name ? name : "nothing");
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
    if (mdl_choose_tier(o->cpu, &run.ctx.k, err) != ENG_OK) {
        fprintf(stderr, "bench: %s\n", err->message);
        return 1;
    }
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
