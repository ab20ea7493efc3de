/* Training steps against the reference's (tests/golden/<backbone>/adamw.safetensors): 25 steps of AdamW on one batch, the
 * CNN feature encoder frozen. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/tape.h"
#include "model/network/forward.h"
#include "model/training/loss.h"
#include "model/training/optimizer.h"
#include "tests/support/compare.h"
#include "tests/support/emotion_folder.h"
#include "tests/support/support.h"

enum { BATCH = 4, STEPS = 25 };

typedef struct training {
    support_engine *e;
    mdl_model *m;
    wts_checkpoint golden;
    char *directory;
    eng_tape tape;
    mdl_optimizer optimizer;
    mdl_input inputs[BATCH];
    size_t labels[BATCH];
} training;

static training *training_new(const char *backbone, size_t threads)
{
    training *t = eng_alloc_zero(1, sizeof *t);
    eng_error err = {0};
    t->e = support_engine_new(threads);
    t->directory = support_temporary();
    cr_assert_eq(wts_checkpoint_open(support_path("golden/%s/adamw.safetensors", backbone), &t->golden, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_eq(emotion_folder_write(t->directory, support_path("golden/%s", backbone), &t->golden, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_eq(mdl_model_load_trainable(t->directory, &t->e->ctx.k, t->e->ctx.pool, &t->m, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_gt(mdl_params_freeze(&t->m->params, "wavlm.feature_extractor.", true), 0);
    cr_assert_eq(mdl_optimizer_init(&t->optimizer, &t->m->params, NULL, &err), ENG_OK, "%s", err.message);
    for (size_t u = 0; u < BATCH; u++) {
        char name[64];
        int64_t gender, label;
        snprintf(name, sizeof name, "batch.%zu.waveform", u);
        const wts_tensor *wave = wts_checkpoint_find(&t->golden, name);
        cr_assert_not_null(wave);
        memcpy(&gender, (const int64_t *)wts_checkpoint_find(&t->golden, "batch.gender")->data + u, sizeof gender);
        memcpy(&label, (const int64_t *)wts_checkpoint_find(&t->golden, "batch.labels")->data + u, sizeof label);
        t->inputs[u] = (mdl_input){.samples = wave->data, .count = wave->count, .gender = (int)gender};
        t->labels[u] = (size_t)label;
    }
    eng_tape_init(&t->tape);
    return t;
}

static void training_free(training *t)
{
    eng_tape_fini(&t->tape);
    mdl_optimizer_fini(&t->optimizer);
    mdl_model_free(t->m);
    wts_checkpoint_close(&t->golden);
    support_remove(t->directory);
    support_engine_free(t->e);
    eng_free(t);
}

/* Adds to the gradients; returns the loss. */
static double forward_backward(training *t)
{
    eng_context *ctx = &t->e->ctx;
    mdl_loss_options plain = {0};
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    ctx->tape = &t->tape;
    eng_tensor logits = mdl_forward_recorded(t->m, ctx, BATCH, t->inputs, NULL, NULL);
    cr_assert(eng_good(ctx), "%s", ctx->error.message);
    double loss = mdl_loss_labels(logits, t->labels, &plain, 1);
    eng_backward(ctx);
    ctx->tape = NULL;
    cr_assert(eng_good(ctx), "%s", ctx->error.message);
    eng_arena_rewind(ctx->arena, mark);
    return loss;
}

/* One step; returns the loss before it. */
static double step(training *t)
{
    const mdl_params *p = &t->m->params;
    mdl_adamw a = mdl_adamw_defaults();
    a.learning_rate = 1e-3;
    double loss = forward_backward(t);
    for (size_t i = 0; i < p->count; i++)
        if (p->param[i].frozen) p->param[i].grad[0] = 1;
    mdl_optimizer_step(&t->optimizer, p, &t->e->ctx, &a, 1);
    for (size_t i = 0; i < p->count; i++)
        for (size_t q = 0; q < p->param[i].count; q++)
            cr_assert_eq(p->param[i].grad[q], 0, "a gradient of %s is left", p->param[i].name);
    return loss;
}

/* The key projection's bias has no gradient: AdamW turns its rounding noise into steps, so it is not compared. */
static void compare_final(const training *t)
{
    for (size_t i = 0; i < t->m->params.count; i++) {
        const mdl_param *p = &t->m->params.param[i];
        char name[256], report[512];
        if (strstr(p->name, "k_proj.bias")) continue;
        snprintf(name, sizeof name, "final.%s", p->name);
        const wts_tensor *want = wts_checkpoint_find(&t->golden, name);
        cr_assert(want && want->count == p->count, "%s", name);
        float *got = eng_alloc(p->count, sizeof *got);
        mdl_param_read(p, p->data, got);
        cr_assert(cmp_rms(got, want->data, p->count, 1e-2, report, sizeof report), "%s: %s", name, report);
        eng_free(got);
    }
}

static void check(const char *backbone)
{
    training *t = training_new(backbone, 2);
    const wts_tensor *losses = wts_checkpoint_find(&t->golden, "losses");
    cr_assert(losses && losses->count == STEPS);
    for (size_t i = 0; i < STEPS; i++) {
        double got = step(t), want = ((const float *)losses->data)[i];
        cr_assert(fabs(got - want) <= 1e-3, "%s: loss %zu is %.7g, expected %.7g", backbone, i, got, want);
    }
    compare_final(t);
    training_free(t);
}

/* bf16 keeps 8 bits of each operand; the curve stays within 0.02 of the f32 reference's, whose losses are about 2. */
static void check_bf16(const char *backbone)
{
    training *t = training_new(backbone, 2);
    const wts_tensor *losses = wts_checkpoint_find(&t->golden, "losses");
    cr_assert(losses && losses->count == STEPS);
    t->e->ctx.precision = ENG_BF16;
    size_t other = 0;
    for (size_t i = 0; i < STEPS; i++) {
        double got = step(t), want = ((const float *)losses->data)[i];
        cr_assert(fabs(got - want) <= 2e-2, "%s: loss %zu is %.7g in bf16, %.7g in f32", backbone, i, got, want);
        other += fabs(got - want) > 1e-5;
    }
    cr_assert_gt(other, 0, "%s: nothing was rounded", backbone);
    training_free(t);
}

Test(training, bf16)
{
    check_bf16("large");
    check_bf16("base");
}

/* All gradients as one vector, of a first step. */
Test(training, bf16_gradients_point_where_those_of_f32_do)
{
    static const char *const backbones[] = {"large", "base"};
    for (size_t b = 0; b < 2; b++) {
        training *exact = training_new(backbones[b], 2), *rounded = training_new(backbones[b], 2);
        rounded->e->ctx.precision = ENG_BF16;
        forward_backward(exact), forward_backward(rounded);
        double ab = 0, aa = 0, bb = 0;
        for (size_t i = 0; i < exact->m->params.count; i++) {
            const mdl_param *p = &exact->m->params.param[i], *q = &rounded->m->params.param[i];
            for (size_t j = 0; j < p->count; j++) {
                ab += (double)p->grad[j] * q->grad[j];
                aa += (double)p->grad[j] * p->grad[j];
                bb += (double)q->grad[j] * q->grad[j];
            }
        }
        const double cosine = ab / sqrt(aa * bb);
        cr_assert(cosine > 0.99 && cosine < 1, "%s: cosine %.9g", backbones[b], cosine);
        training_free(exact), training_free(rounded);
    }
}

Test(training, large) { check("large"); }

Test(training, base) { check("base"); }

static void check_threads(eng_precision precision)
{
    training *one = training_new("base", 1), *three = training_new("base", 3);
    char report[512];
    one->e->ctx.precision = three->e->ctx.precision = precision;
    for (size_t i = 0; i < 3; i++) cr_assert_eq(step(one), step(three), "step %zu", i);
    for (size_t i = 0; i < one->m->params.count; i++) {
        const mdl_param *p = &one->m->params.param[i];
        cr_assert(cmp_bits(three->m->params.param[i].data, p->data, p->count, report, sizeof report), "%s: %s", p->name,
                  report);
    }
    training_free(one);
    training_free(three);
}

Test(training, same_bits_on_any_number_of_threads)
{
    check_threads(ENG_F32);
    check_threads(ENG_BF16);
}
