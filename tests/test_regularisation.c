/* Dropout, layer drop, SpecAugment and checkpointed layers in the recorded forward pass, on the golden emotion models. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/tape.h"
#include "model/forward.h"
#include "tests/compare.h"
#include "tests/emotion_folder.h"
#include "tests/grad_op.h"
#include "tests/support.h"

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

/* ---- SpecAugment ---- */

Test(regularisation, mask_spans)
{
    support_engine *e = support_engine_new(1);
    eng_stream s = {.seed = 5};
    size_t n = 101, length = 7, draws = 3000, first[95] = {0}, count;
    double expected = 0.4 * 101 / 7, spans = 0;
    for (s.step = 0; s.step < draws; s.step++) {
        size_t *start = mdl_mask_spans(s, n, 0.4, length, 2, &e->arena, &count);
        cr_assert(start && (count == 5 || count == 6), "%zu spans", count); /* expected is 5.77 */
        for (size_t i = 0; i < count; i++) {
            cr_assert_leq(start[i], n - length);
            for (size_t j = 0; j < i; j++) cr_assert_neq(start[i], start[j]);
            first[start[i]]++;
        }
        spans += (double)count;
        eng_arena_rewind(&e->arena, (eng_arena_mark){0});
    }
    cr_assert(fabs(spans / (double)draws - expected) <= 5 * 0.5 / sqrt((double)draws), "%g spans", spans / (double)draws);
    double mean = spans / 95;
    for (size_t i = 0; i < 95; i++) cr_assert(fabs((double)first[i] - mean) <= 5 * sqrt(mean), "%zu begin at %zu", first[i], i);
    static const struct {
        size_t n, length, least, want;
        double prob;
    } rows[] = {{6, 7, 2, 0, 1},   {7, 7, 2, 1, 0.01}, {7, 7, 0, 1, 1}, {20, 7, 9, 2, 0.01}, {21, 7, 9, 3, 0.01}, {0, 7, 9, 0, 1},
                {30, 3, 2, 10, 1}, {30, 1, 2, 30, 1},  {30, 3, 2, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mdl_mask_spans(s, rows[i].n, rows[i].prob, rows[i].length, rows[i].least, &e->arena, &count);
        cr_assert_eq(count, rows[i].want, "row %zu: %zu", i, count);
    }
    support_engine_free(e);
}

enum { CHANNELS = 20, FRAMES = 2060 };
static const size_t offsets[] = {0, 2, 60, FRAMES};

static mdl_training masking(void)
{
    return training_of((mdl_regularisation){.mask_time_prob = 0.3,
                                            .mask_time_length = 4,
                                            .mask_time_min = 2,
                                            .mask_feature_prob = 0.5,
                                            .mask_feature_length = 5});
}

/* Every element is its own, the embedding's, or 0, as whole frames and whole channels of an utterance. */
Test(regularisation, masked_frames_and_channels)
{
    support_engine *e = support_engine_new(2);
    float *own = support_normal(1, FRAMES * CHANNELS, 1), *embedding = support_normal(2, CHANNELS, 1);
    mdl_model m = {.mask_embedding = {embedding, NULL}};
    mdl_training t = masking();
    eng_tensor x = {own, FRAMES, CHANNELS, CHANNELS, NULL};
    eng_tensor y = mdl_spec_augment(&m, &e->ctx, (eng_batch){BATCH, offsets}, &t, x);
    cr_assert(eng_good(&e->ctx) && y.data != x.data);
    for (size_t u = 0; u < BATCH; u++) {
        size_t masked = 0, silent = 0, frames = offsets[u + 1] - offsets[u];
        bool zero[CHANNELS];
        for (size_t j = 0; j < CHANNELS; j++) silent += zero[j] = eng_row(y, offsets[u])[j] == 0;
        for (size_t i = offsets[u]; i < offsets[u + 1]; i++) {
            size_t kept = 0;
            while (kept < CHANNELS && zero[kept]) kept++;
            cr_assert_lt(kept, CHANNELS);
            bool frame = eng_row(y, i)[kept] == embedding[kept];
            masked += frame;
            for (size_t j = 0; j < CHANNELS; j++)
                cr_assert_eq(eng_row(y, i)[j], zero[j] ? 0 : frame ? embedding[j] : eng_row(x, i)[j], "%zu %zu", i, j);
        }
        cr_assert(silent >= 5 && silent <= 10, "%zu channels", silent);
        if (u == 0) cr_assert_eq(masked, 0, "no room for a span");
        /* spans overlap: a frame is free of 150 spans of 4 among 1997 places */
        double expected = u == 2 ? 1 - pow(1 - 4.0 / 1997, 150) : 0.26, share = (double)masked / (double)frames;
        if (u) cr_assert(fabs(share - expected) <= (u == 2 ? 0.03 : 0.15), "%g of the frames", share);
    }
    eng_free(own);
    eng_free(embedding);
    support_engine_free(e);
}

static eng_tensor masked_forward(grad_op *c)
{
    static mdl_model m;
    static mdl_training t;
    t = masking();
    m = (mdl_model){.mask_embedding = grad_op_vector(c, 1)};
    return mdl_spec_augment(&m, c->ctx, (eng_batch){BATCH, offsets}, &t, grad_op_tensor(c, 0, FRAMES, CHANNELS));
}

Test(regularisation, gradients_of_masks)
{
    grad_op c = {.forward = masked_forward};
    grad_op_add(&c, "x", FRAMES * CHANNELS, 1);
    grad_op_add(&c, "embedding", CHANNELS, 1);
    grad_op_check(&c, FRAMES * CHANNELS);
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
    size_t compared = 0, masks = 0;
    const float *at = o.gradient;
    for (size_t i = 0; i < s.m->params.count; i++) {
        mdl_param *p = &s.m->params.param[i];
        bool agrees = strncmp(p->name, "wavlm.feature_extractor.", 24) != 0 && slope_agrees(&s, &t, p, at);
        compared += agrees;
        masks += agrees && p->data == s.m->mask_embedding.data;
        at += p->count;
    }
    cr_assert(3 * compared > s.m->params.count && masks == 1, "%zu of %zu", compared, s.m->params.count);
    outcome_free(&o);
    subject_free(&s);
}

Test(regularisation, gradients_of_base) { check_slopes("base"); }

Test(regularisation, gradients_of_large) { check_slopes("large"); }
