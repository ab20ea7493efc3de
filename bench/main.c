/* bench: measures speed, and error beside it. One line a measurement. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/work/lists.h"
#include "bench/measure/table.h"
#include "model/tier.h"
#include "tools/common/options.h"

static const tool_option options[] = {
    {.name = "json", .kind = TOOL_FLAG, .offset = offsetof(bench_options, json), .help = "one JSON object a line"},
    {.name = "markdown",
     .kind = TOOL_FLAG,
     .offset = offsetof(bench_options, markdown),
     .help = "model: a table to paste, as when --precision or --threads has several"},
    {.name = "threads",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, thread_list),
     .value = "LIST",
     .help = "worker threads, as 1,2; 0, the default: one per CPU"},
    {.name = "cpu",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, cpu),
     .value = "TIER",
     .help = "kernels to use: portable, avx2, avx512, neon (default: the best here, or WLM_CPU); avx512-amx: without AMX"},
    {.name = "precision",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, precision_list),
     .value = "LIST",
     .help = "all but ops: what the weights' products are computed in, some of f32,bf16,int8 (f32)"},
    {.name = "allow-bf16",
     .kind = TOOL_FLAG,
     .offset = offsetof(bench_options, allow_bf16),
     .help = "int8: convolutions and attention in bf16 where the CPU is fast at it"},
    {.name = "kind",
     .kind = TOOL_CHOICE,
     .offset = offsetof(bench_options, kind),
     .help = "gemm: y = x W^T with W packed (nt), and for gradients dx = dy W (nn), dW = dy^T x (tn)",
     .choices = "nt|nn|tn|all"},
    {.name = "peer",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, peer),
     .value = "NAME",
     .help = "gemm: measure another library on the same shapes too: openblas"},
    {.name = "seconds-each",
     .kind = TOOL_NUMBER,
     .offset = offsetof(bench_options, seconds_each),
     .value = "S",
     .help = "gemm, ops, roofline: how long to wait for quiet moments, a shape, a kernel, a model (3, 1, 20)",
     .min = 0.01,
     .max = 3600},
    {.name = "quick",
     .kind = TOOL_FLAG,
     .offset = offsetof(bench_options, quick),
     .help = "a few calls of everything: to see that it works, not how fast"},
    {.name = "seconds",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, seconds),
     .value = "LIST",
     .help = "model, train, roofline: lengths of an utterance, as 1,3,10 (default: model 1,3,10,30; train 2 x 5 and\n"
             "1 x 10; roofline 10)"},
    {.name = "batch",
     .kind = TOOL_COUNT,
     .offset = offsetof(bench_options, batch),
     .value = "N",
     .help = "model, train, roofline: utterances of a batch (default 1)",
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
    {.name = "exchange",
     .kind = TOOL_CHOICE,
     .offset = offsetof(bench_options, exchange),
     .help = "train under mpirun: what ranks send each other (f32)",
     .choices = "f32|bf16"},
    {.name = "one-by-one",
     .kind = TOOL_FLAG,
     .offset = offsetof(bench_options, one_by_one),
     .help = "train under mpirun: exchange behind the backward pass, to see what overlap gains"},
    {.name = "data",
     .kind = TOOL_TEXT,
     .offset = offsetof(bench_options, data),
     .value = "LIST",
     .help = "quality: recordings, a list with a column emotion where labels are known (tests/data)"},
    {.name = NULL},
};

static const tool_program program = {
    .name = "bench",
    .usage = "[options] gemm [MxNxK...] | ops [KERNEL...] | model [MODEL...] | train [MODEL...] | roofline [MODEL...] |\n"
             "       quality [MODEL...]",
    .summary = "gemm      the blocked matrix product, on WavLM's shapes or those given\n"
               "ops       the kernels around it, one thread, all or those given\n"
               "model     a forward pass\n"
               "train     a training step: forward, backward, AdamW; under mpirun or srun of all ranks, each with its batch\n"
               "roofline  every op of a forward pass: its time, and how far that is from what the machine allows\n"
               "quality   what bf16 and int8 change in labels, scores and hidden states (the default model and large)\n"
               "MODEL is large (the default), base or base-plus, with random weights, or a model's folder.",
    .options = options,
};

/* What of the options a command looks at. */
typedef struct command {
    const char *name;
    bool (*run)(bench_run *run, size_t n, char **operands);
    bool reduced, table; /* precisions below f32; --markdown */
    bool ranks;          /* measures what several processes do together */
} command;

static const command commands[] = {{"gemm", bench_gemm, true, false, false},
                                   {"ops", bench_ops, false, false, false},
                                   {"model", bench_model, true, true, false},
                                   {"train", bench_train, true, false, true},
                                   {"roofline", bench_roofline, true, false, false},
                                   {"quality", bench_quality, true, false, false}};

/* ---- Start ---- */

static const command *find_command(const char *name)
{
    for (size_t i = 0; name && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    fprintf(stderr, "bench: expected gemm, ops, model, train, roofline or quality, found %s (--help shows more)\n",
            name ? name : "nothing");
    return NULL;
}

static bool options_fit(const command *c, const bench_options *o)
{
    if (o->peer && strcmp(o->peer, "openblas") != 0) {
        fprintf(stderr, "bench: --peer: expected openblas, found %s\n", o->peer);
        return false;
    }
    if (o->precision_list && strcmp(o->precision_list, "f32") != 0 && !c->reduced) {
        fprintf(stderr, "bench: --precision: %s measures f32 alone\n", c->name);
        return false;
    }
    if (o->markdown && (!c->table || o->json)) {
        fprintf(stderr, "bench: --markdown: of model alone, and not with --json\n");
        return false;
    }
    return true;
}

static void say_what_runs(const bench_run *run)
{
    char cpu[512];
    if (run->ranks && eng_ranks_self(run->ranks)) return;
    bench_cpu_name(sizeof cpu, cpu);
    fprintf(stderr, "bench: %s, %s kernels%s, %zu threads\n", cpu, kern_tier_name(run->ctx.k.tier),
            bench_caps_name(&run->ctx.k), run->threads);
}

/* How far the times can be believed. */
static void say_what_probes_saw(const bench_run *run)
{
    if (run->ranks && eng_ranks_self(run->ranks)) return;
    const bench_known *one = &run->known[0], *all = &run->known[1];
    fprintf(stderr, "bench: %zu of %zu moments were quiet", one->quiet + all->quiet, one->probes + all->probes);
    fprintf(stderr, "%s\n", 2 * (one->quiet + all->quiet) < one->probes + all->probes ? " (bench/README.md)" : "");
}

/* One precision on one number of threads. */
static int run_command(const command *c, const bench_options *o, bench_table *table, eng_ranks *ranks, size_t n,
                       char **operands)
{
    bench_run run = {.options = o, .table = table, .ranks = ranks};
    eng_error *err = &run.ctx.error;
    eng_arena arena;
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
    say_what_runs(&run);
    bench_settle(&run);
    int status = c->run(&run, n, operands) ? 0 : 1;
    if (!eng_good(&run.ctx)) {
        fprintf(stderr, "bench: %s\n", run.ctx.error.message);
        status = 2;
    }
    if (status == 0) say_what_probes_saw(&run);
    eng_arena_fini(&arena);
    eng_pool_free(run.ctx.pool);
    return status;
}

/* Every precision on every number of threads; a table of them at the end, where there is one. */
static int run_lists(const command *c, bench_options *o, eng_ranks *ranks, size_t n, char **operands)
{
    size_t precisions[BENCH_PRECISIONS];
    uint64_t threads[BENCH_MOST_THREADS];
    const size_t n_precisions = bench_read_precisions(o->precision_list, precisions);
    const size_t n_threads = bench_read_threads(o->thread_list, threads);
    bench_table table = {0};
    const bool tabulate = o->markdown || (c->table && !o->json && n_precisions * n_threads > 1);
    int status = n_precisions && n_threads && options_fit(c, o) ? 0 : 1;
    for (size_t p = 0; p < n_precisions && status == 0; p++)
        for (size_t t = 0; t < n_threads && status == 0; t++) {
            o->precision = precisions[p];
            o->threads = threads[t];
            status = run_command(c, o, tabulate ? &table : NULL, ranks, n, operands);
        }
    kern_table k;
    if (status == 0 && tabulate && mdl_choose_tier(o->cpu, &k, NULL) == ENG_OK) bench_table_print(&table, &k);
    bench_table_free(&table);
    return status;
}

static void report_lost(const char *message)
{
    fprintf(stderr, "bench: %s\n", message);
}

int main(int argc, char **argv)
{
    bench_options o = {.precision = SIZE_MAX};
    size_t operands;
    int status;
    if (!tool_options_start(&program, argc, argv, &o, &operands, &status)) return status;
    const command *c = find_command(operands > 0 ? argv[1] : NULL);
    if (!c) return 1;
    eng_ranks *ranks = NULL;
    eng_error err = {0};
    if (c->ranks && eng_ranks_open(&argc, &argv, report_lost, &ranks, &err)) {
        report_lost(err.message);
        return 2;
    }
    status = run_lists(c, &o, ranks, operands - 1, argv + 2);
    eng_ranks_close(ranks);
    return status;
}
