/* bench roofline: every op of a forward pass, its time, its work, and the bound that peak and bandwidth, both measured
 * in the same run, set for it. Probes of quiet moments run between the ops (outside of their time). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "bench/measure/median.h"
#include "bench/measure/stream.h"
#include "bench/work/lists.h"
#include "bench/work/network.h"
#include "bench/work/op_work.h"

enum { MOST_OPS = 64, MOST_CALLS = 1 << 16, LEAST_PASSES = 3, MOST_PASSES = 256 };
static const double PROBE_EVERY = 1e-3, USUAL_SECONDS = 20;

typedef struct op_call {
    size_t op, pass;
    double time;
    bench_level level;
} op_call;

/* Everything about one kind of op. */
typedef struct op_line {
    bench_op op;
    bench_op_work work;
    size_t calls; /* of a pass */
    size_t quiet_calls;
    double time, quiet_time; /* of a pass: its median; calls times the median of the quiet ones */
    double bound;
    bool memory;
} op_line;

typedef struct roofline {
    bench_run *run;
    const char *name;
    const mdl_model *m;
    const bench_noise *noise;
    float *logits;
    op_line ops[MOST_OPS];
    size_t n_ops;
    op_call *calls;           /* [MOST_CALLS] */
    size_t n_calls, unprobed; /* calls from `unprobed` on wait for their probe */
    size_t passes;
    double whole[MOST_PASSES], rest[MOST_PASSES];
    /* the op that runs */
    size_t current, inside;             /* inside: ops that run in it too, which are not counted */
    double begun, since_probe, probing; /* probing: seconds of this pass spent in probes */
    bench_level before;
    double peak[BENCH_PRECISIONS], stream;
} roofline;

/* ---- While it runs ---- */

static size_t find_op(roofline *r, bench_op op)
{
    size_t i = 0;
    for (; i < r->n_ops; i++) {
        const bench_op *o = &r->ops[i].op;
        if (strcmp(o->name, op.name) == 0 && o->rows == op.rows && o->cols == op.cols && o->depth == op.depth) return i;
    }
    if (i == MOST_OPS) return MOST_OPS - 1;
    r->ops[i].op = op;
    r->ops[i].work = bench_work_of_op(r->m, r->noise, &op);
    r->n_ops++;
    return i;
}

static void op_begins(void *arg, const char *name, size_t rows, size_t cols, size_t depth)
{
    roofline *r = arg;
    if (r->inside++) return;
    r->current = find_op(r, (bench_op){name, rows, cols, depth});
    r->begun = eng_now();
}

static void probe(roofline *r)
{
    const double start = eng_now();
    const bench_level after = bench_probe(r->run, r->run->threads, ENG_F32);
    for (; r->unprobed < r->n_calls; r->unprobed++) r->calls[r->unprobed].level = bench_between(r->before, after);
    r->before = after;
    r->peak[ENG_F32] = fmax(r->peak[ENG_F32], after.peak);
    r->since_probe = 0;
    r->probing += eng_now() - start;
}

static void op_ends(void *arg)
{
    roofline *r = arg;
    const double time = eng_now() - r->begun;
    if (--r->inside || r->n_calls == MOST_CALLS) return;
    r->calls[r->n_calls++] = (op_call){.op = r->current, .pass = r->passes, .time = time};
    r->since_probe += time;
    if (r->since_probe >= PROBE_EVERY) probe(r);
}

/* ---- Passes ---- */

static eng_status run_pass(roofline *r, eng_error *err)
{
    eng_context *ctx = &r->run->ctx;
    const eng_trace trace = {op_begins, op_ends, r};
    const size_t first = r->n_calls;
    r->inside = 0;
    probe(r);
    r->probing = 0;
    ctx->trace = &trace;
    const double start = eng_now();
    eng_status status = mdl_forward(r->m, ctx, r->noise->n, r->noise->inputs, r->logits, NULL, err);
    const double whole = eng_now() - start - r->probing;
    ctx->trace = NULL;
    if (status) return status;
    probe(r);
    for (size_t p = 1; p < BENCH_PRECISIONS; p++)
        r->peak[p] = fmax(r->peak[p], bench_probe(r->run, r->run->threads, (eng_precision)p).peak);
    double ops = 0;
    for (size_t i = first; i < r->n_calls; i++) ops += r->calls[i].time;
    r->whole[r->passes] = whole;
    r->rest[r->passes] = whole - ops;
    r->passes++;
    return ENG_OK;
}

static size_t quiet_calls(const roofline *r, size_t op, double *times)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_calls; i++) {
        const op_call *c = &r->calls[i];
        if (c->op != op || !bench_is_quiet(&r->run->known[r->run->threads > 1], c->level)) continue;
        if (times) times[n] = c->time;
        n++;
    }
    return n;
}

static bool all_quiet(const roofline *r)
{
    for (size_t i = 0; i < r->n_ops; i++)
        if (quiet_calls(r, i, NULL) < BENCH_ENOUGH_QUIET) return false;
    return true;
}

/* One pass that does not count, then as many as it takes. */
static eng_status run_passes(roofline *r, eng_error *err)
{
    const bench_options *o = r->run->options;
    const double most = o->quick ? 0 : o->seconds_each > 0 ? o->seconds_each : USUAL_SECONDS;
    r->stream = bench_stream(r->run);
    eng_status status = run_pass(r, err);
    const size_t calls = r->n_calls;
    r->n_calls = r->unprobed = r->passes = 0;
    const double start = eng_now();
    while (!status && r->passes < MOST_PASSES && r->n_calls + calls <= MOST_CALLS) {
        if (r->passes >= LEAST_PASSES && (eng_now() - start >= most || all_quiet(r))) break;
        status = run_pass(r, err);
    }
    r->stream = fmax(r->stream, bench_stream(r->run));
    if (!status && !eng_good(&r->run->ctx)) *err = r->run->ctx.error, status = err->status;
    return status;
}

/* ---- What comes of it ---- */

static double pass_time(const roofline *r, size_t op)
{
    double sums[MOST_PASSES] = {0};
    for (size_t i = 0; i < r->n_calls; i++)
        if (r->calls[i].op == op) sums[r->calls[i].pass] += r->calls[i].time;
    return bench_median(r->passes, sums);
}

static int longer_first(const void *a, const void *b)
{
    const double x = ((const op_line *)a)->time, y = ((const op_line *)b)->time;
    return (x < y) - (x > y);
}

static eng_status conclude(roofline *r, eng_error *err)
{
    double *times = eng_alloc(r->n_calls + 1, sizeof *times);
    if (!times) return eng_fail(err, ENG_E_MEMORY, "out of memory for the times of %zu calls", r->n_calls);
    for (size_t i = 0; i < r->n_ops; i++) {
        op_line *l = &r->ops[i];
        size_t n = 0;
        for (size_t c = 0; c < r->n_calls; c++) n += r->calls[c].op == i;
        l->calls = n / r->passes;
        l->time = pass_time(r, i);
        l->quiet_calls = quiet_calls(r, i, times);
        l->quiet_time = NAN;
        if (l->quiet_calls >= BENCH_LEAST_QUIET) l->quiet_time = (double)l->calls * bench_median(l->quiet_calls, times);
        const double compute = 1e-9 * l->work.flop / r->peak[l->work.precision],
                     memory = 1e-9 * l->work.bytes / r->stream;
        l->memory = memory > compute;
        l->bound = (double)l->calls * fmax(compute, memory);
    }
    eng_free(times);
    qsort(r->ops, r->n_ops, sizeof *r->ops, longer_first);
    return ENG_OK;
}

static void shape_of(const bench_op *op, size_t size, char *out)
{
    int at = snprintf(out, size, "%zux%zu", op->rows, op->cols);
    if (op->depth) snprintf(out + at, size - (size_t)at, "x%zu", op->depth);
}

/* The sums over all ops. A quiet sum needs all of them. */
static op_line sum_of_ops(const roofline *r)
{
    op_line sum = {.quiet_calls = SIZE_MAX};
    for (size_t i = 0; i < r->n_ops; i++) {
        const op_line *l = &r->ops[i];
        const double calls = (double)l->calls;
        sum.calls += l->calls;
        sum.time += l->time;
        sum.quiet_time += l->quiet_time;
        sum.bound += l->bound;
        sum.work.flop += calls * l->work.flop;
        sum.work.bytes += calls * l->work.bytes;
        if (l->quiet_calls < sum.quiet_calls) sum.quiet_calls = l->quiet_calls;
    }
    return sum;
}

/* ---- JSON: a line an op, one for what no op explains, one for the whole pass ---- */

static void json_head(const roofline *r, const char *op, eng_precision precision)
{
    printf("{\"bench\": \"roofline\", \"engine\": \"wavlm.c\"");
    bench_put_text("model", r->name);
    bench_put_text("op", op);
    printf(", \"precision\": \"%s\", \"threads\": %zu, \"batch\": %zu", bench_precision_name(precision),
           r->run->threads, r->noise->n);
    bench_put_number("seconds_audio", (double)(r->noise->n * r->noise->samples) / 16000);
}

static void json_line(const roofline *r, const op_line *l, const char *name, const char *shape, const char *bound,
                      double time, double whole)
{
    const double calls = shape ? (double)l->calls : 1, flop = calls * l->work.flop, bytes = calls * l->work.bytes;
    json_head(r, name, l->work.precision);
    if (shape)
        bench_put_text("shape", shape);
    else
        printf(", \"shape\": null");
    printf(", \"passes\": %zu, \"calls\": %zu, \"quiet_calls\": %zu", r->passes, l->calls, l->quiet_calls);
    bench_put_number("time_s", time);
    bench_put_number("quiet_time_s", l->quiet_time);
    bench_put_number("share_of_time", time / whole);
    bench_put_number("work_gflop", 1e-9 * flop);
    bench_put_number("work_bytes", bytes);
    bench_put_number("gflops", 1e-9 * flop / time);
    bench_put_number("gbytes_s", 1e-9 * bytes / time);
    bench_put_number("peak_gflops", r->peak[l->work.precision]);
    bench_put_number("stream_gbytes_s", r->stream);
    if (bound)
        bench_put_text("bound", bound);
    else
        printf(", \"bound\": null");
    bench_put_number("bound_s", l->bound);
    bench_put_number("distance", time / l->bound);
    bench_put_number("quiet_distance", l->quiet_time / l->bound);
}

static void print_json(const roofline *r, const op_line *sum, double whole, double rest)
{
    char shape[96];
    for (size_t i = 0; i < r->n_ops; i++) {
        const op_line *l = &r->ops[i];
        shape_of(&l->op, sizeof shape, shape);
        json_line(r, l, l->work.role, shape, l->memory ? "memory" : "compute", l->time, whole);
        printf("}\n");
    }
    json_line(r, sum, "whole", NULL, NULL, whole, whole);
    bench_put_number("sum_of_ops_s", sum->time);
    bench_put_number("rest_s", rest);
    printf("}\n");
}

/* ---- Text ---- */

static void text_line(const op_line *l, const char *name, const char *shape, const char *bound, double time,
                      double whole)
{
    const double calls = shape[0] ? (double)l->calls : 1, flop = calls * l->work.flop, bytes = calls * l->work.bytes;
    printf("| %-25s | %-14s | %5zu | %9.3f | %5.1f %% | %8.2f | %7.1f | %8.1f | %6.1f | %-7s | %8.3f | %8.2f |", name,
           shape, l->calls, 1e3 * time, 100 * time / whole, 1e-9 * flop, 1e-9 * flop / time, 1e-6 * bytes,
           1e-9 * bytes / time, bound, 1e3 * l->bound, time / l->bound);
    if (isfinite(l->quiet_time))
        printf(" %8.3f | %5.2f |\n", 1e3 * l->quiet_time, l->quiet_time / l->bound);
    else
        printf(" %8s | %5s |\n", "-", "-");
}

static void print_text(const roofline *r, const op_line *sum, double whole, double rest)
{
    char shape[96], cpu[512];
    bench_cpu_name(sizeof cpu, cpu);
    printf("WavLM `%s`, %zu x %g s, %zu threads: wavlm.c " WLM_VERSION ", %s, kernels %s%s\n", r->name, r->noise->n,
           (double)r->noise->samples / 16000, r->run->threads, cpu, kern_tier_name(r->run->ctx.k.tier),
           bench_caps_name(&r->run->ctx.k));
    printf("Peak %.1f GFLOP/s", r->peak[ENG_F32]);
    for (size_t p = 1; p < BENCH_PRECISIONS; p++)
        if (bench_peak_precision(r->run, (eng_precision)p) == (eng_precision)p)
            printf(", %s %.1f", bench_precision_name((eng_precision)p), r->peak[p]);
    printf("; memory %.1f GB/s. Medians of %zu passes; quiet: of calls that no other load disturbed.\n\n", r->stream,
           r->passes);
    printf("| %-25s | %-14s | %5s | %9s | %7s | %8s | %7s | %8s | %6s | %-7s | %8s | %8s | %8s | %5s |\n", "op", "size",
           "calls", "ms", "share", "GFLOP", "GFLOP/s", "MB", "GB/s", "bound", "bound ms", "distance", "quiet ms",
           "dist.");
    printf("| --- | --- | --: | --: | --: | --: | --: | --: | --: | --- | --: | --: | --: | --: |\n");
    for (size_t i = 0; i < r->n_ops; i++) {
        const op_line *l = &r->ops[i];
        shape_of(&l->op, sizeof shape, shape);
        text_line(l, l->work.role, shape, l->memory ? "memory" : "compute", l->time, whole);
    }
    text_line(sum, "all ops", "", "", sum->time, whole);
    printf("| %-25s | %-14s | %5s | %9.3f | %5.1f %% |\n", "rest", "", "", 1e3 * rest, 100 * rest / whole);
    printf("| %-25s | %-14s | %5s | %9.3f | %5.1f %% |\n", "whole pass", "", "", 1e3 * whole, 100.0);
}

/* ---- Start ---- */

static eng_status measure(bench_run *run, const char *name, const mdl_model *m, bench_case what, eng_error *err)
{
    bench_noise noise;
    roofline *r = eng_alloc_zero(1, sizeof *r);
    eng_status status = bench_noise_init(m, what, &noise, err);
    if (!r) status = status ? status : eng_fail(err, ENG_E_MEMORY, "out of memory for a roofline");
    if (r) {
        r->run = run, r->name = name, r->m = m, r->noise = &noise;
        r->logits = eng_alloc(what.batch * m->config.labels, sizeof *r->logits);
        r->calls = eng_alloc(MOST_CALLS, sizeof *r->calls);
        if (!status && (!r->logits || !r->calls)) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a roofline");
        if (!status) status = run_passes(r, err);
        if (!status) status = conclude(r, err);
        if (!status) {
            const op_line sum = sum_of_ops(r);
            const double whole = bench_median(r->passes, r->whole), rest = bench_median(r->passes, r->rest);
            if (run->options->json)
                print_json(r, &sum, whole, rest);
            else
                print_text(r, &sum, whole, rest);
            fflush(stdout);
        }
        eng_free(r->calls);
        eng_free(r->logits);
        eng_arena_trim(run->ctx.arena);
    }
    bench_noise_fini(&noise);
    eng_free(r);
    return status;
}

bool bench_roofline(bench_run *run, size_t n, char **operands)
{
    static const bench_case usual[] = {{1, 10}};
    static char large[] = "large";
    char *alone = large;
    bench_case cases[BENCH_MOST_LENGTHS];
    eng_error err = {0};
    const size_t count = bench_cases(run, sizeof usual / sizeof *usual, usual, cases);
    if (!count) return false;
    if (n == 0) n = 1, operands = &alone;
    for (size_t i = 0; i < n && !err.status; i++) {
        mdl_model *m = NULL;
        eng_precision asked;
        eng_status status = bench_open(run, operands[i], false, bench_precision(run, &asked), &run->ctx.k, &m, &err);
        for (size_t c = 0; c < count && !status; c++) status = measure(run, operands[i], m, cases[c], &err);
        mdl_model_free(m);
    }
    if (err.status) run->ctx.error = err;
    return true;
}
