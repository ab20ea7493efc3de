/* bench train: a whole training step of a model with a new head: forward, cross-entropy, backward, the gradient's length,
 * AdamW. Nothing is dropped or masked, so that every step does the same work. Error: gradients of a short clip, against
 * the specification in f32, which computes in double. */
#include <math.h>
#include <stdio.h>

#include "kernels/spec/spec.h"
#include "bench/measure/median.h"
#include "bench/measure/error.h"
#include "bench/work/flops.h"
#include "bench/work/network.h"
#include "engine/clock.h"
#include "engine/tape.h"
#include "model/training/exchange.h"
#include "model/training/loss.h"
#include "model/training/optimizer.h"

typedef struct step_run {
    bench_run *run;
    mdl_model *m;
    const bench_noise *noise;
    uint32_t *ids;  /* [n] */
    size_t *labels; /* [n] */
    eng_tape tape;
    mdl_optimizer optimizer;
    mdl_exchange *exchange; /* NULL: of the gradients' error alone */
    bool *present;          /* [ranks], a shard each */
    double waited, sent;    /* of the calls that count */
    double forward_backward[BENCH_MOST_REPEATS + 1]; /* of each call */
    size_t calls;
} step_run;

static void forward_backward(step_run *s)
{
    eng_context *ctx = &s->run->ctx;
    const mdl_loss_options plain = {0};
    mdl_training training = {.step = (uint32_t)s->calls,
                             .ids = s->ids,
                             .checkpoint_layers = s->run->options->checkpoint_layers};
    if (s->exchange) {
        mdl_exchange_begin(s->exchange, s->present);
        training.watch = mdl_exchange_watch(s->exchange, eng_ranks_self(s->run->ranks), true);
    }
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    ctx->tape = &s->tape;
    eng_tensor logits = mdl_forward_recorded(s->m, ctx, s->noise->n, s->noise->inputs, &training, NULL);
    if (eng_good(ctx)) {
        double loss = mdl_loss_labels(logits, s->labels, &plain, 1);
        if (!isfinite(loss)) eng_fail(&ctx->error, ENG_E_MISMATCH, "%s: the loss is %g", s->m->path, loss);
        eng_backward(ctx);
    }
    ctx->tape = NULL;
    eng_tape_clear(&s->tape);
    eng_arena_rewind(ctx->arena, mark);
}

/* ---- Error ---- */

enum { SAMPLED = 97 };                     /* elements of each parameter */
static const double ERROR_SECONDS = 0.25; /* as of bench model */

/* Gradients of the clip by k's kernels in that precision, to out [params, SAMPLED]. Training weights are plain memory,
 * which every tier reads. */
static void sample_gradients(step_run *s, const kern_table *k, eng_precision precision, float *out)
{
    eng_context *ctx = &s->run->ctx;
    const kern_table usual = ctx->k;
    const eng_precision asked = ctx->precision;
    const mdl_params *p = &s->m->params;
    ctx->k = *k;
    ctx->precision = precision;
    forward_backward(s);
    ctx->k = usual;
    ctx->precision = asked;
    for (size_t i = 0; i < p->count; i++)
        for (size_t q = 0; q < SAMPLED; q++)
            out[i * SAMPLED + q] = p->param[i].grad ? p->param[i].grad[q * 7919 % p->param[i].count] : 0;
    mdl_params_clear_gradients(p);
}

/* Largest difference over the largest gradient of all. */
static double gradient_error(size_t n, const float *got, const float *want)
{
    bench_error error = {0};
    for (size_t i = 0; i < n; i++) bench_error_add(&error, (double)got[i], (double)want[i]);
    return bench_error_share(&error);
}

static eng_status measure_error(bench_run *run, mdl_model *m, double *error, eng_error *err)
{
    const size_t least = mdl_config_min_samples(&m->config), n = m->params.count * SAMPLED;
    const double seconds = fmax((double)least / 16000, ERROR_SECONDS);
    bench_noise noise;
    uint32_t id = 0;
    size_t label = 0;
    kern_table spec;
    step_run s = {.run = run, .m = m, .noise = &noise, .ids = &id, .labels = &label};
    float *got = eng_alloc(n, sizeof *got), *want = eng_alloc(n, sizeof *want);
    eng_tape_init(&s.tape);
    eng_status status = bench_noise_init(m, (bench_case){1, seconds}, &noise, err);
    if (!status && (!got || !want)) status = eng_fail(err, ENG_E_MEMORY, "out of memory for gradients");
    if (!status) {
        kern_spec_fill(&spec);
        sample_gradients(&s, &spec, ENG_F32, want);
        sample_gradients(&s, &run->ctx.k, run->ctx.precision, got);
        *error = gradient_error(n, got, want);
        if (!eng_good(&run->ctx)) *err = run->ctx.error, status = err->status;
    }
    bench_noise_fini(&noise);
    eng_tape_fini(&s.tape);
    eng_free(want);
    eng_free(got);
    return status;
}

/* ---- Speed ---- */

static void step(void *arg)
{
    step_run *s = arg;
    eng_context *ctx = &s->run->ctx;
    const double start = eng_now();
    forward_backward(s);
    s->forward_backward[s->calls++] = eng_now() - start;
    if (!eng_good(ctx)) return;
    mdl_adamw a = mdl_adamw_defaults();
    mdl_exchange_sum(s->exchange, ctx);
    double norm = mdl_exchange_norm(s->exchange, ctx);
    if (!isfinite(norm)) {
        eng_fail(&ctx->error, ENG_E_MISMATCH, "%s: the gradient is %g", s->m->path, norm);
        return;
    }
    mdl_exchange_keep(s->exchange);
    mdl_optimizer_step(&s->optimizer, &s->m->params, ctx, &a, 1);
    mdl_exchange_give(s->exchange);
    const double waited = mdl_exchange_waited(s->exchange), sent = (double)eng_ranks_sent(s->run->ranks);
    if (s->calls == 1) return; /* does not count */
    s->waited += waited;
    s->sent += sent;
}

static void print(step_run *s, const char *name, double error)
{
    bench_run *run = s->run;
    const bench_options *o = run->options;
    const bench_flops flops = bench_forward_flops(&s->m->config, s->noise->n, s->noise->samples);
    bench_network network = {.model = name,
                             .batch = s->noise->n,
                             .seconds_audio = (double)(s->noise->n * s->noise->samples) / 16000,
                             .training = true,
                             .checkpoint_layers = o->checkpoint_layers,
                             .train_feature_encoder = o->train_feature_encoder};
    network.ranks = network.shards = eng_ranks_count(run->ranks);
    network.work_gflop = 1e-9 * bench_training_flops(&flops, o->train_feature_encoder, o->checkpoint_layers);
    bench_result r = {.bench = "train",
                      .engine = "wavlm.c",
                      .precision = run->ctx.precision,
                      .gbytes_s = NAN,
                      .max_error = error,
                      .threads = run->threads,
                      .network = &network};
    bench_reset_peak();
    bench_time_calls(run, o->repeats ? (size_t)o->repeats : 3, step, s, &r);
    network.peak_bytes = bench_peak_bytes();
    if (!eng_good(&run->ctx)) return;
    mdl_exchange_settle(s->exchange);
    network.waited_s = s->waited / (double)(s->calls - 1);
    network.sent_bytes = s->sent / (double)(s->calls - 1);
    if (eng_ranks_self(run->ranks)) return;
    network.forward_backward_s = bench_median(s->calls - 1, s->forward_backward + 1); /* the first does not count */
    bench_print(run, &r);
}

static eng_status measure(bench_run *run, const char *name, mdl_model *m, bench_case what, double error, eng_error *err)
{
    bench_noise noise = {0};
    step_run s = {.run = run, .m = m, .noise = &noise};
    s.ids = eng_alloc_zero(what.batch, sizeof *s.ids);
    s.labels = eng_alloc_zero(what.batch, sizeof *s.labels);
    eng_tape_init(&s.tape);
    s.present = eng_alloc(eng_ranks_count(run->ranks), sizeof *s.present);
    for (size_t i = 0; s.present && i < eng_ranks_count(run->ranks); i++) s.present[i] = true;
    const mdl_exchange_options o = {.ranks = run->ranks,
                                    .shards = eng_ranks_count(run->ranks),
                                    .bf16 = run->options->exchange == 1,
                                    .one_by_one = run->options->one_by_one};
    eng_status status = mdl_exchange_new(&o, &m->params, m->config.layers, &run->ctx.k, &s.exchange, err);
    if (!status) status = mdl_optimizer_init(&s.optimizer, &m->params, mdl_exchange_own(s.exchange), err);
    if (!status) status = bench_noise_init(m, what, &noise, err);
    if (!status && (!s.ids || !s.labels || !s.present)) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    if (!status) {
        for (size_t u = 0; u < what.batch; u++) s.ids[u] = (uint32_t)u, s.labels[u] = u % m->config.labels;
        print(&s, name, error);
        status = run->ctx.error.status;
        if (status) *err = run->ctx.error;
        eng_arena_trim(run->ctx.arena);
    }
    bench_noise_fini(&noise);
    mdl_exchange_free(s.exchange);
    mdl_optimizer_fini(&s.optimizer);
    eng_free(s.present);
    eng_tape_fini(&s.tape);
    eng_free(s.ids);
    eng_free(s.labels);
    return status;
}

static eng_status measure_model(bench_run *run, const char *name, size_t n, const bench_case *cases, eng_error *err)
{
    mdl_model *m;
    eng_status status = bench_open(run, name, true, NULL, &run->ctx.k, &m, err);
    if (status) return status;
    m->train_encoder = run->options->train_feature_encoder;
    mdl_params_freeze(&m->params, "wavlm.feature_extractor.", !m->train_encoder);
    double error = NAN;
    if (eng_ranks_count(run->ranks) == 1) status = measure_error(run, m, &error, err); /* else others would wait for it */
    for (size_t i = 0; i < n && !status; i++) status = measure(run, name, m, cases[i], error, err);
    mdl_model_free(m);
    return status;
}

bool bench_train(bench_run *run, size_t n, char **operands)
{
    if (run->options->precision == ENG_INT8) {
        fprintf(stderr, "bench: --precision int8: a training's are f32 and bf16\n");
        return false;
    }
    run->ctx.precision = run->options->precision == ENG_BF16 ? ENG_BF16 : ENG_F32;
    static const bench_case usual[] = {{2, 5}, {1, 10}};
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
