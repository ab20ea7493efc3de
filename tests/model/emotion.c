/* Our own emotion models (WavLMForSpeechEmotion) against the reference's logits: every pooling and conditioning of
 * tests/golden/<backbone>/ser_*.safetensors, assembled to a folder as `train` would write it and loaded from there. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "model/wlm.h"
#include "tests/support/compare.h"
#include "tests/support/emotion_folder.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

static char report[512];

static wts_checkpoint open_file(const char *path)
{
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    return c;
}

enum { BATCH = 3, LABELS = 8 };

/* The inputs of the golden batch, from the mapped file itself. */
static void read_inputs(const wts_checkpoint *ser, wlm_input *inputs)
{
    const wts_tensor *gender = wts_checkpoint_find(ser, "batch.gender"), *text = wts_checkpoint_find(ser, "batch.text");
    cr_assert(gender && gender->dtype == WTS_I64 && gender->count == BATCH);
    for (size_t u = 0; u < BATCH; u++) {
        char name[64];
        int64_t id;
        snprintf(name, sizeof name, "batch.%zu.waveform", u);
        const wts_tensor *wave = wts_checkpoint_find(ser, name);
        cr_assert(wave && wave->dtype == WTS_F32);
        memcpy(&id, (const char *)gender->data + u * sizeof id, sizeof id);
        inputs[u] = (wlm_input){.samples = wave->data, .count = wave->count, .gender = id ? "male" : "female"};
        if (text) inputs[u].text = (const float *)text->data + u * text->shape[1];
    }
}

/* Utterance u of a result is what it is alone: the same failure, or the same bits. */
static void expect_as_alone(wlm_model *model, const wlm_input *input, const wlm_result *result, size_t u, bool fails)
{
    wlm_error together = {0}, failure = {0};
    wlm_result *alone;
    int status = wlm_run(model, 1, input, WLM_HIDDEN_STATES, &alone, &failure);
    cr_assert_eq(status != 0, fails, "%zu: %s", u, failure.message);
    cr_assert_eq(wlm_result_status(result, u, &together), status, "%zu: %s", u, together.message);
    cr_assert_eq(wlm_result_status(result, u, NULL), status);
    cr_assert_str_eq(together.message, failure.message);
    size_t states = 0, frames = 0, width = 0, same[3];
    const float *hidden = wlm_result_hidden_states(result, u, &states, &frames, &width);
    if (fails) {
        cr_assert(!hidden && !wlm_result_logits(result, u) && !wlm_result_scores(result, u));
        cr_assert_eq(wlm_result_best(result, u), 0);
        return;
    }
    cr_assert(cmp_bits(wlm_result_logits(result, u), wlm_result_logits(alone, 0), LABELS, report, sizeof report), "%s",
              report);
    cr_assert(cmp_bits(wlm_result_scores(result, u), wlm_result_scores(alone, 0), LABELS, report, sizeof report), "%s",
              report);
    const float *want = wlm_result_hidden_states(alone, 0, &same[0], &same[1], &same[2]);
    cr_assert(hidden && want && states == same[0] && frames == same[1] && width == same[2]);
    cr_assert(cmp_bits(hidden, want, states * frames * width, report, sizeof report), "%s", report);
    wlm_result_free(alone);
}

/* One bad input fails the whole batch, or itself alone. */
static void check_failures(wlm_model *model, const wlm_input *inputs)
{
    enum { MANY = 2 * BATCH + 4 };
    wlm_input many[MANY];
    bool fails[MANY] = {false};
    for (size_t i = 0; i < MANY; i++) many[i] = inputs[i % BATCH];
    float *broken = eng_alloc(many[2].count, sizeof *broken);
    cr_assert_not_null(broken);
    memcpy(broken, many[2].samples, many[2].count * sizeof *broken);
    broken[many[2].count / 2] = NAN;
    many[0].count = 399;
    many[2].samples = broken;
    many[5].gender = NULL;
    many[6].gender = "other";
    many[7].text = NULL;
    many[MANY - 1].count = 0;
    fails[0] = fails[2] = fails[MANY - 1] = true;
    fails[5] = fails[6] = wlm_model_wants_gender(model);
    fails[7] = wlm_model_text_size(model) > 0;
    wlm_error err = {0};
    wlm_result *result;
    cr_assert_eq(wlm_run(model, MANY, many, WLM_EACH | WLM_HIDDEN_STATES, &result, &err), 0, "%s", err.message);
    for (size_t u = 0; u < MANY; u++) expect_as_alone(model, &many[u], result, u, fails[u]);
    wlm_result_free(result);
    cr_assert_eq(wlm_run(model, 1, many, WLM_EACH, &result, &err), 0, "none that can be run: %s", err.message);
    expect_as_alone(model, many, result, 0, true);
    cr_assert_eq(wlm_result_status(result, 1, &err), 0, "there is no such utterance");
    wlm_result_free(result);
    for (size_t u = 0; u < MANY; u++) {
        if (!fails[u]) continue;
        wlm_input pair[] = {inputs[1], many[u]};
        cr_assert_neq(wlm_run(model, 2, pair, 0, &result, &err), 0, "utterance %zu", u);
        cr_assert_null(result);
    }
    eng_free(broken);
}

static void check(const char *backbone, const char *head, const char *precision, double tolerance)
{
    support_table(); /* skips where the CPU lacks the tier */
    wts_checkpoint ser = open_file(support_path("golden/%s/ser_%s.safetensors", backbone, head));
    char *directory = support_temporary();
    eng_error broken = {0};
    cr_assert_eq(emotion_folder_write(directory, support_path("golden/%s", backbone), &ser, &broken), ENG_OK, "%s",
                 broken.message);
    wlm_model *model;
    wlm_error err;
    wlm_options options = {.threads = 3, .precision = precision};
    cr_assert_eq(wlm_model_open(directory, &options, &model, &err), 0, "%s", err.message);
    cr_assert_str_eq(wlm_model_precision(model), precision);
    cr_assert_eq(wlm_model_labels(model), LABELS);
    wlm_input inputs[BATCH];
    read_inputs(&ser, inputs);
    const wts_tensor *want = wts_checkpoint_find(&ser, "logits");
    cr_assert(want && want->count == BATCH * LABELS);
    wlm_result *together, *alone;
    cr_assert_eq(wlm_run(model, BATCH, inputs, 0, &together, &err), 0, "%s", err.message);
    for (size_t u = 0; u < BATCH; u++) {
        const float *logits = wlm_result_logits(together, u);
        cr_assert(cmp_abs(logits, (const float *)want->data + u * LABELS, LABELS, tolerance, report, sizeof report),
                  "%s %s, utterance %zu: %s", backbone, head, u, report);
        cr_assert_eq(wlm_run(model, 1, &inputs[u], 0, &alone, &err), 0, "%s", err.message);
        cr_assert(cmp_bits(wlm_result_logits(alone, 0), logits, LABELS, report, sizeof report), "alone: %s", report);
        wlm_result_free(alone);
    }
    if (wlm_model_wants_gender(model)) {
        inputs[1].gender = NULL;
        cr_assert_eq(wlm_run(model, BATCH, inputs, 0, &alone, &err), WLM_E_USAGE);
        cr_assert(strstr(err.message, "gender"), "%s", err.message);
        inputs[1].gender = "male";
    }
    check_failures(model, inputs);
    wlm_result_free(together);
    wlm_model_close(model);
    wts_checkpoint_close(&ser);
    support_remove(directory);
}

/* Logits lie between -3.1 and 3. */
static void check_heads(const char *backbone)
{
    static const char *const heads[] = {"mean", "std", "attention", "attentive_std"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        check(backbone, heads[i], "f32", 1e-4);
        check(backbone, heads[i], "bf16", 0.05);
        check(backbone, heads[i], "int8", 0.2);
    }
}

Test(emotion, large) { check_heads("large"); }

Test(emotion, base) { check_heads("base"); }
