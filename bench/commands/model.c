/* bench model: the forward pass, from waveforms to logits (of a backbone: to its last hidden state). Error: that state for
 * a short clip, against the specification in f32, which computes in double. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/spec/spec.h"
#include "bench/measure/error.h"
#include "bench/work/flops.h"
#include "bench/work/network.h"

/* Short, since the specification of WavLM Large takes a second for each tenth of a second of audio; a dozen frames still pass all layers. */
static const double ERROR_SECONDS = 0.25;

/* ---- Error ---- */

typedef struct last_state {
    size_t layers, count;
    float *data; /* [count], NULL before the first call, or out of memory */
} last_state;

static void keep_state(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    last_state *s = arg;
    (void)batch;
    if (stage != MDL_STAGE_HIDDEN || index != s->layers) return;
    s->data = eng_alloc(x.rows * x.cols, sizeof *s->data);
    s->count = s->data ? x.rows * x.cols : 0;
    for (size_t i = 0; s->data && i < x.rows; i++) memcpy(s->data + i * x.cols, eng_row(x, i), x.cols * sizeof *s->data);
}

static size_t error_samples(const mdl_model *m)
{
    size_t least = mdl_config_min_samples(&m->config), usual = (size_t)(ERROR_SECONDS * 16000);
    return least > usual ? least : usual;
}

/* The last hidden state of the clip in *out, whose data the caller frees. */
static eng_status run_clip(bench_run *run, const mdl_model *m, const kern_table *k, last_state *out, eng_error *err)
{
    bench_noise noise;
    kern_table usual = run->ctx.k;
    float *logits = eng_alloc(m->config.labels, sizeof *logits);
    *out = (last_state){.layers = m->config.layers};
    mdl_observer observer = {keep_state, out};
    eng_status status = bench_noise_init(m, (bench_case){1, (double)error_samples(m) / 16000}, &noise, err);
    if (!status && !logits) status = eng_fail(err, ENG_E_MEMORY, "out of memory for logits");
    run->ctx.k = *k;
    if (!status) status = mdl_forward(m, &run->ctx, 1, noise.inputs, logits, &observer, err);
    run->ctx.k = usual;
    if (!status && !out->data) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a hidden state");
    eng_free(logits);
    bench_noise_fini(&noise);
    return status;
}

/* What the specification makes of the clip: with a model of its own, since weights are packed for a tile. */
static eng_status run_reference(bench_run *run, const char *name, last_state *out, eng_error *err)
{
    kern_table spec;
    mdl_model *m;
    *out = (last_state){0};
    kern_spec_fill(&spec);
    const eng_precision exact = ENG_F32;
    eng_status status = bench_open(run, name, false, &exact, &spec, &m, err);
    if (!status) status = run_clip(run, m, &spec, out, err);
    mdl_model_free(m);
    return status;
}

static double state_error(const last_state *got, const last_state *want)
{
    bench_error error = {0};
    if (got->count != want->count) bench_error_add(&error, NAN, 0);
    else
        for (size_t i = 0; i < want->count; i++) bench_error_add(&error, (double)got->data[i], (double)want->data[i]);
    return bench_error_share(&error);
}

/* ---- Speed ---- */

typedef struct forward_run {
    bench_run *run;
    const mdl_model *m;
    const bench_noise *noise;
    float *logits;
} forward_run;

static void forward(void *arg)
{
    forward_run *f = arg;
    eng_error err = {0};
    if (mdl_forward(f->m, &f->run->ctx, f->noise->n, f->noise->inputs, f->logits, NULL, &err)) f->run->ctx.error = err;
}

static eng_status measure(bench_run *run, const char *name, const mdl_model *m, bench_case what, double error,
                          eng_error *err)
{
    bench_noise noise;
    forward_run f = {run, m, &noise, eng_alloc(what.batch * m->config.labels, sizeof(float))};
    eng_status status = bench_noise_init(m, what, &noise, err);
    if (!status && !f.logits) status = eng_fail(err, ENG_E_MEMORY, "out of memory for logits");
    if (!status) {
        bench_flops flops = bench_forward_flops(&m->config, noise.n, noise.samples);
        bench_network network = {.model = name, .batch = noise.n, .work_gflop = 1e-9 * bench_flops_sum(&flops)};
        network.seconds_audio = (double)(noise.n * noise.samples) / 16000;
        bench_result r = {.bench = "model", .engine = "wavlm.c", .precision = m->precision};
        r.threads = run->threads;
        r.network = &network;
        bench_reset_peak();
        bench_time_calls(run, run->options->repeats ? (size_t)run->options->repeats : 5, forward, &f, &r);
        network.peak_bytes = bench_peak_bytes();
        r.gbytes_s = NAN;
        r.max_error = error;
        if (eng_good(&run->ctx)) bench_print(run, &r);
        else *err = run->ctx.error, status = err->status;
        eng_arena_trim(run->ctx.arena);
    }
    bench_noise_fini(&noise);
    eng_free(f.logits);
    return status;
}

static eng_status measure_model(bench_run *run, const char *name, size_t n, const bench_case *cases, eng_error *err)
{
    mdl_model *m = NULL;
    eng_precision asked;
    last_state want, got = {0};
    eng_status status = run_reference(run, name, &want, err);
    if (!status) status = bench_open(run, name, false, bench_precision(run, &asked), &run->ctx.k, &m, err);
    if (!status) status = run_clip(run, m, &run->ctx.k, &got, err);
    double error = status ? NAN : state_error(&got, &want);
    for (size_t i = 0; i < n && !status; i++) status = measure(run, name, m, cases[i], error, err);
    eng_free(want.data);
    eng_free(got.data);
    mdl_model_free(m);
    return status;
}

bool bench_model(bench_run *run, size_t n, char **operands)
{
    static const bench_case usual[] = {{1, 1}, {1, 3}, {1, 10}, {1, 30}};
    static char large[] = "large";
    char *alone = large;
    bench_case cases[BENCH_MOST_LENGTHS];
    eng_error err = {0};
    size_t count = bench_cases(run, sizeof usual / sizeof *usual, usual, cases);
    if (!count) return false;
    if (n == 0) n = 1, operands = &alone;
    for (size_t i = 0; i < n; i++)
        if (measure_model(run, operands[i], count, cases, &err)) {
            run->ctx.error = err;
            break;
        }
    return true;
}
