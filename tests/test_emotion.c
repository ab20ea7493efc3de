/* Our own emotion models (WavLMForSpeechEmotion) against the reference's logits: every pooling and conditioning of
 * tests/golden/<backbone>/ser_*.safetensors, assembled to a folder as `train` would write it and loaded from there. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/wlm.h"
#include "tests/compare.h"
#include "tests/emotion_folder.h"
#include "tests/support.h"
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
    }
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
