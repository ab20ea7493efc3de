/* bench train: a whole training step of a model with a new head: forward, cross-entropy, backward, the gradient's length,
 * AdamW. Nothing is dropped or masked, so that every step does the same work. No error is given: golden gradients and
 * losses are the tests' (tests/test_golden_gradients.c). */
#include <math.h>
#include <stdio.h>

#include "bench/flops.h"
#include "bench/network.h"
#include "engine/tape.h"
#include "model/loss.h"
#include "model/optimizer.h"

typedef struct step_run {
    bench_run *run;
    mdl_model *m;
    const bench_noise *noise;
    uint32_t *ids;  /* [n] */
    size_t *labels; /* [n] */
    eng_tape tape;
    mdl_optimizer optimizer;
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
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    mdl_params_clear_gradients(&s->m->params);
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

static void step(void *arg)
{
    step_run *s = arg;
    eng_context *ctx = &s->run->ctx;
    const double start = bench_now();
    forward_backward(s);
    s->forward_backward[s->calls++] = bench_now() - start;
    if (!eng_good(ctx)) return;
    mdl_adamw a = mdl_adamw_defaults();
    double norm = mdl_gradient_norm(&s->m->params, ctx);
    if (!isfinite(norm)) eng_fail(&ctx->error, ENG_E_MISMATCH, "%s: the gradient is %g", s->m->path, norm);
    else mdl_optimizer_step(&s->optimizer, &s->m->params, ctx, &a, 1);
}

static void print(step_run *s, const char *name)
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
    network.work_gflop = 1e-9 * bench_training_flops(&flops, o->train_feature_encoder, o->checkpoint_layers);
    bench_result r = {.bench = "train",
                      .engine = "wavlm.c",
                      .gbytes_s = NAN,
                      .max_error = NAN,
                      .threads = run->threads,
                      .network = &network};
    bench_reset_peak();
    bench_time_calls(run, o->repeats ? (size_t)o->repeats : 3, step, s, &r);
    network.peak_bytes = bench_peak_bytes();
    r.gflops = network.work_gflop / r.time_s;
    if (!eng_good(&run->ctx)) return;
    network.forward_backward_s = bench_median(s->calls - 1, s->forward_backward + 1); /* the first does not count */
    bench_print(run, &r);
}

static eng_status measure(bench_run *run, const char *name, mdl_model *m, bench_case what, eng_error *err)
{
    bench_noise noise = {0};
    step_run s = {.run = run, .m = m, .noise = &noise};
    s.ids = eng_alloc_zero(what.batch, sizeof *s.ids);
    s.labels = eng_alloc_zero(what.batch, sizeof *s.labels);
    eng_tape_init(&s.tape);
    eng_status status = mdl_optimizer_init(&s.optimizer, &m->params, err);
    if (!status) status = bench_noise_init(m, what, &noise, err);
    if (!status && (!s.ids || !s.labels)) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    if (!status) {
        for (size_t u = 0; u < what.batch; u++) s.ids[u] = (uint32_t)u, s.labels[u] = u % m->config.labels;
        print(&s, name);
        status = run->ctx.error.status;
        if (status) *err = run->ctx.error;
        eng_arena_trim(run->ctx.arena);
    }
    bench_noise_fini(&noise);
    mdl_optimizer_fini(&s.optimizer);
    eng_tape_fini(&s.tape);
    eng_free(s.ids);
    eng_free(s.labels);
    return status;
}

static eng_status measure_model(bench_run *run, const char *name, size_t n, const bench_case *cases, eng_error *err)
{
    mdl_model *m;
    eng_status status = bench_open(run, name, true, &run->ctx.k, &m, err);
    if (status) return status;
    m->train_encoder = run->options->train_feature_encoder;
    mdl_params_freeze(&m->params, "wavlm.feature_extractor.", !m->train_encoder);
    for (size_t i = 0; i < n && !status; i++) status = measure(run, name, m, cases[i], err);
    mdl_model_free(m);
    return status;
}

bool bench_train(bench_run *run, size_t n, char **operands)
{
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
