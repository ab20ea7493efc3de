/* Dropout, layer drop, masks and checkpointed layers in the recorded forward pass, on the golden models. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/tape.h"
#include "model/network/forward.h"
#include "tests/support/compare.h"
#include "tests/support/emotion_folder.h"
#include "tests/support/support.h"

enum { BATCH = 3, LABELS = 8 };

static const mdl_regularisation everything = {.hidden_dropout = 0.1,
                                              .attention_dropout = 0.1,
                                              .activation_dropout = 0.15,
                                              .feature_dropout = 0.1,
                                              .final_dropout = 0.2,
                                              .layer_drop = 0.3,
                                              .mask_time_prob = 0.3,
                                              .mask_time_length = 3,
                                              .mask_time_min = 1,
                                              .mask_feature_prob = 0.2,
                                              .mask_feature_length = 4};

typedef struct subject {
    support_engine *e;
    mdl_model *m;
    wts_checkpoint ser;
    char *directory;
    mdl_input inputs[BATCH]; /* the first frames of the golden batch */
    size_t whole[BATCH];     /* samples of all of it */
} subject;

static subject subject_new(const char *backbone, size_t threads)
{
    subject s = {.e = support_engine_new(threads), .directory = support_temporary()};
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("golden/%s/ser_mean.safetensors", backbone), &s.ser, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_eq(emotion_folder_write(s.directory, support_path("golden/%s", backbone), &s.ser, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_eq(mdl_model_load_trainable(s.directory, &s.e->ctx.k, s.e->ctx.pool, &s.m, &err), ENG_OK, "%s", err.message);
    for (size_t u = 0; u < BATCH; u++) {
        char name[64];
        snprintf(name, sizeof name, "batch.%zu.waveform", u);
        const wts_tensor *wave = wts_checkpoint_find(&s.ser, name);
        const wts_tensor *text = wts_checkpoint_find(&s.ser, "batch.text");
        cr_assert_not_null(wave);
        size_t count = 5000 - 700 * u;
        s.whole[u] = wave->count;
        cr_assert_geq(wave->count, count);
        s.inputs[u] = (mdl_input){.samples = wave->data, .count = count, .gender = (int)(u % 2)};
        if (text) s.inputs[u].text = (const float *)text->data + u * text->shape[1];
    }
    return s;
}

static void subject_free(subject *s)
{
    mdl_model_free(s->m);
    wts_checkpoint_close(&s->ser);
    support_remove(s->directory);
    support_engine_free(s->e);
}

static size_t gradient_count(const mdl_model *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->params.count; i++) count += m->params.param[i].count;
    return count;
}

/* What a forward and backward pass gives. The loss weights the logits at random. */
typedef struct outcome {
    size_t n, gradients, held; /* held: bytes of the arena */
    float logits[BATCH * LABELS];
    float *gradient; /* of all parameters, one after the other */
} outcome;

static void outcome_free(outcome *o)
{
    eng_free(o->gradient);
}

static void seed_loss(eng_tensor logits)
{
    float *weight = support_normal(11, logits.rows * logits.cols, 1);
    memcpy(logits.grad, weight, logits.rows * logits.cols * sizeof *weight);
    eng_free(weight);
}

static outcome run(subject *s, size_t n, const mdl_input *inputs, const mdl_training *training)
{
    eng_context *ctx = &s->e->ctx;
    eng_tape tape;
    eng_tape_init(&tape);
    outcome o = {.n = n, .gradients = gradient_count(s->m)};
    mdl_params_clear_gradients(&s->m->params);
    ctx->tape = &tape;
    eng_tensor logits = mdl_forward_recorded(s->m, ctx, n, inputs, training, NULL);
    cr_assert(eng_good(ctx), "%s", ctx->error.message);
    cr_assert(logits.rows == n && logits.cols == LABELS);
    memcpy(o.logits, logits.data, n * LABELS * sizeof(float));
    seed_loss(logits);
    eng_backward(ctx);
    cr_assert(eng_good(ctx), "%s", ctx->error.message);
    ctx->tape = NULL;
    o.held = s->e->arena.total;
    o.gradient = eng_alloc(o.gradients, sizeof *o.gradient);
    float *at = o.gradient;
    for (size_t i = 0; i < s->m->params.count; i++) {
        const mdl_param *p = &s->m->params.param[i];
        memcpy(at, p->grad, p->count * sizeof *at);
        at += p->count;
    }
    eng_tape_fini(&tape);
    eng_arena_rewind(ctx->arena, (eng_arena_mark){0});
    eng_arena_trim(ctx->arena);
    return o;
}

static void expect_same(const char *what, const outcome *got, const outcome *want)
{
    char report[512];
    cr_assert(got->n == want->n && got->gradients == want->gradients);
    cr_assert(cmp_bits(got->logits, want->logits, want->n * LABELS, report, sizeof report), "%s: logits: %s", what, report);
    cr_assert(cmp_bits(got->gradient, want->gradient, want->gradients, report, sizeof report), "%s: gradients: %s", what,
              report);
}

static bool same_logits(const float *a, const float *b)
{
    return memcmp(a, b, LABELS * sizeof *a) == 0;
}

static const uint32_t ids[BATCH] = {7, 40000, 12};
static const char *const backbones[] = {"base", "large"};

static mdl_training training_of(mdl_regularisation rates)
{
    return (mdl_training){.rates = rates, .seed = 0x123456789abcdefu, .step = 3, .ids = ids};
}

Test(regularisation, rates_of_zero_change_no_bit)
{
    for (size_t b = 0; b < 2; b++) {
        subject s = subject_new(backbones[b], 2);
        mdl_training zero = training_of((mdl_regularisation){.mask_time_length = 10, .mask_feature_length = 10});
        outcome plain = run(&s, BATCH, s.inputs, NULL), got = run(&s, BATCH, s.inputs, &zero);
        expect_same(backbones[b], &got, &plain);
        outcome_free(&plain);
        outcome_free(&got);
        subject_free(&s);
    }
}

Test(regularisation, checkpointed_layers_change_no_bit_and_take_less_memory)
{
    for (size_t b = 0; b < 2; b++) {
        subject s = subject_new(backbones[b], 2);
        for (size_t u = 0; u < BATCH; u++) s.inputs[u].count = s.whole[u];
        for (size_t on = 0; on < 2; on++) {
            mdl_training t = training_of(on ? everything : (mdl_regularisation){.hidden_dropout = 0});
            outcome kept = run(&s, BATCH, s.inputs, &t);
            t.checkpoint_layers = true;
            outcome again = run(&s, BATCH, s.inputs, &t);
            expect_same(backbones[b], &again, &kept);
            cr_assert_lt(again.held, kept.held);
            outcome_free(&kept);
            outcome_free(&again);
        }
        subject_free(&s);
    }
}

Test(regularisation, each_rate_has_an_effect)
{
    subject s = subject_new("large", 2);
    const mdl_regularisation one[] = {{.hidden_dropout = 0.1},  {.attention_dropout = 0.1}, {.activation_dropout = 0.1},
                                      {.feature_dropout = 0.1}, {.final_dropout = 0.1},     {.layer_drop = 1},
                                      {.mask_time_prob = 0.1, .mask_time_length = 2, .mask_time_min = 1},
                                      {.mask_feature_prob = 0.2, .mask_feature_length = 2}};
    outcome plain = run(&s, BATCH, s.inputs, NULL);
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        mdl_training t = training_of(one[i]);
        outcome got = run(&s, BATCH, s.inputs, &t);
        for (size_t u = 0; u < BATCH; u++)
            cr_assert(!same_logits(got.logits + u * LABELS, plain.logits + u * LABELS), "rate %zu, utterance %zu", i, u);
        outcome_free(&got);
    }
    outcome_free(&plain);
    subject_free(&s);
}

Test(regularisation, an_utterance_has_its_numbers_in_any_batch)
{
    for (size_t b = 0; b < 2; b++) {
        subject s = subject_new(backbones[b], 2);
        mdl_training t = training_of(everything);
        outcome all = run(&s, BATCH, s.inputs, &t);
        uint32_t turned[2] = {ids[2], ids[0]};
        mdl_input two[2] = {s.inputs[2], s.inputs[0]};
        t.ids = turned;
        outcome pair = run(&s, 2, two, &t);
        t.step++;
        outcome later = run(&s, 2, two, &t);
        t.step--;
        t.seed++;
        outcome other = run(&s, 2, two, &t);
        t.seed--;
        turned[0]++;
        outcome renamed = run(&s, 2, two, &t);
        cr_assert(same_logits(pair.logits, all.logits + 2 * LABELS) && same_logits(pair.logits + LABELS, all.logits));
        for (size_t u = 0; u < 2; u++) {
            cr_assert(!same_logits(later.logits + u * LABELS, pair.logits + u * LABELS), "another step");
            cr_assert(!same_logits(other.logits + u * LABELS, pair.logits + u * LABELS), "another seed");
        }
        cr_assert(!same_logits(renamed.logits, pair.logits), "another utterance");
        cr_assert(same_logits(renamed.logits + LABELS, pair.logits + LABELS), "an utterance with a new neighbour");
        outcome *done[] = {&all, &pair, &later, &other, &renamed};
        for (size_t i = 0; i < 5; i++) outcome_free(done[i]);
        subject_free(&s);
    }
}

Test(regularisation, same_bits_on_any_number_of_threads)
{
    for (size_t b = 0; b < 2; b++) {
        subject one = subject_new(backbones[b], 1), three = subject_new(backbones[b], 3);
        mdl_training t = training_of(everything);
        t.checkpoint_layers = b;
        outcome want = run(&one, BATCH, one.inputs, &t), got = run(&three, BATCH, three.inputs, &t);
        expect_same(backbones[b], &got, &want);
        outcome_free(&want);
        outcome_free(&got);
        subject_free(&one);
        subject_free(&three);
    }
}

/* ---- Layer drop ---- */

typedef struct states {
    size_t count;
    float *state[8];
} states;

static void keep_state(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    (void)batch;
    states *s = arg;
    if (stage != MDL_STAGE_HIDDEN) return;
    cr_assert(index == s->count && index < 8 && x.stride == x.cols);
    s->state[s->count] = eng_alloc(x.rows * x.cols, sizeof(float));
    memcpy(s->state[s->count++], x.data, x.rows * x.cols * sizeof(float));
}

Test(regularisation, a_certain_layer_drop_leaves_the_first_layer)
{
    subject s = subject_new("base", 2); /* post-norm: a skipped layer changes nothing */
    states got = {0};
    mdl_training t = training_of((mdl_regularisation){.layer_drop = 1});
    mdl_forward_recorded(s.m, &s.e->ctx, BATCH, s.inputs, &t, &(mdl_observer){keep_state, &got});
    cr_assert(eng_good(&s.e->ctx), "%s", s.e->ctx.error.message);
    cr_assert(got.count == s.m->config.layers + 1 && got.count > 2);
    size_t bytes = s.m->config.hidden * sizeof(float); /* the first frame */
    cr_assert_neq(memcmp(got.state[0], got.state[1], bytes), 0);
    for (size_t i = 2; i < got.count; i++) cr_assert_eq(memcmp(got.state[i], got.state[1], bytes), 0, "state %zu", i);
    for (size_t i = 0; i < got.count; i++) eng_free(got.state[i]);
    subject_free(&s);
}

Test(regularisation, layers_are_skipped_as_often_as_asked)
{
    mdl_training t = training_of((mdl_regularisation){.layer_drop = 0.25});
    size_t skipped = 0, steps = 4000, layers = 4;
    for (t.step = 0; t.step < steps; t.step++) {
        cr_assert(!mdl_layer_skipped(&t, 0));
        for (size_t i = 1; i <= layers; i++) skipped += mdl_layer_skipped(&t, i);
    }
    double n = (double)(steps * layers), sigma = sqrt(n * 0.25 * 0.75);
    cr_assert(fabs((double)skipped - 0.25 * n) <= 5 * sigma, "%zu of %g", skipped, n);
}

/* ---- The classifier's dropout ---- */

/* With everything dropped before the classifier its bias is left; the projector of WavLMForSequenceClassification is not
 * dropped. */
static void check_final(const char *folder, bool drops)
{
    support_engine *e = support_engine_new(2);
    eng_error err = {0};
    mdl_model *m;
    cr_assert_eq(mdl_model_load_trainable(support_path("golden/%s", folder), &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s",
                 err.message);
    size_t width = mdl_config_pooled(&m->config), labels = m->config.labels;
    float *pooled = support_normal(4, BATCH * width, 1);
    eng_tensor x = {pooled, BATCH, width, width, NULL};
    mdl_training t = training_of((mdl_regularisation){.final_dropout = 1});
    eng_tensor plain = mdl_classify(m, &e->ctx, NULL, x), got = mdl_classify(m, &e->ctx, &t, x);
    cr_assert(eng_good(&e->ctx) && labels > 0);
    for (size_t u = 0; u < BATCH; u++)
        for (size_t i = 0; i < labels; i++) {
            cr_assert_eq(eng_row(got, u)[i], drops ? m->head.classifier.bias.data[i] : eng_row(plain, u)[i], "%s: %zu %zu",
                         folder, u, i);
            if (drops) cr_assert_neq(eng_row(got, u)[i], eng_row(plain, u)[i], "%s: %zu %zu", folder, u, i);
        }
    eng_free(pooled);
    mdl_model_free(m);
    support_engine_free(e);
}

Test(regularisation, dropout_before_the_classifier)
{
    check_final("odyssey", true);
    check_final("variants/emotion_conditioned", true);
    check_final("hf_sequence_classification", false);
}

/* ---- Gradients ---- */

static double loss_of(subject *s, const mdl_training *t)
{
    eng_context *ctx = &s->e->ctx;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    eng_tensor logits = mdl_forward_recorded(s->m, ctx, BATCH, s->inputs, t, NULL);
    cr_assert(eng_good(ctx), "%s", ctx->error.message);
    float *weight = support_normal(11, BATCH * LABELS, 1);
    double loss = 0;
    for (size_t i = 0; i < BATCH * LABELS; i++) loss += (double)weight[i] * logits.data[i];
    eng_free(weight);
    eng_arena_rewind(ctx->arena, mark);
    return loss;
}

/* The loss's slope along a parameter's own gradient, by four points, is the gradient's length. The points lie so that the
 * loss moves by 5e-3 at most, for the head has kinks. False, nothing compared, where the gradient is too short for the
 * loss's rounding. */
static bool slope_agrees(subject *s, const mdl_training *t, mdl_param *p, const float *gradient)
{
    static const double steps[4] = {-2, -1, 1, 2}, factors[4] = {1, -8, 8, -1};
    double norm = 0, slope = 0;
    for (size_t i = 0; i < p->count; i++) norm += (double)gradient[i] * gradient[i];
    norm = sqrt(norm);
    if (norm < 0.05) return false;
    double h = norm > 0.5 ? 5e-3 / norm : 1e-2;
    float *kept = eng_alloc(p->count, sizeof *kept);
    memcpy(kept, p->data, p->count * sizeof *kept);
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < p->count; i++) p->data[i] = (float)(kept[i] + steps[k] * h * gradient[i] / norm);
        slope += factors[k] * loss_of(s, t) / (12 * h);
    }
    memcpy(p->data, kept, p->count * sizeof *kept);
    eng_free(kept);
    cr_assert(fabs(slope - norm) <= 1e-2 * norm, "%s: slope %g, gradient %g", p->name, slope, norm);
    return true;
}

static void check_slopes(const char *backbone)
{
    subject s = subject_new(backbone, 1); /* short passes by the hundred */
    mdl_training t = training_of(everything);
    t.rates.layer_drop = 0;
    t.checkpoint_layers = true;
    outcome o = run(&s, BATCH, s.inputs, &t);
    size_t compared = 0, masks = 0, looked_at = 0, step = support_emulated() ? 5 : 1;
    const float *at = o.gradient;
    for (size_t i = 0; i < s.m->params.count; i++) {
        mdl_param *p = &s.m->params.param[i];
        bool mask = p->data == s.m->mask_embedding.data, due = mask || i % step == 0;
        bool agrees = due && strncmp(p->name, "wavlm.feature_extractor.", 24) != 0 && slope_agrees(&s, &t, p, at);
        looked_at += due;
        compared += agrees;
        masks += agrees && mask;
        at += p->count;
    }
    cr_assert(3 * compared > looked_at && masks == 1, "%zu of %zu", compared, looked_at);
    outcome_free(&o);
    subject_free(&s);
}

Test(regularisation, gradients_of_base) { check_slopes("base"); }

Test(regularisation, gradients_of_large) { check_slopes("large"); }
