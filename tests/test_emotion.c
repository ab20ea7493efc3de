/* Our own emotion models (WavLMForSpeechEmotion) against the reference's logits: every pooling and conditioning of
 * tests/golden/<backbone>/ser_*.safetensors, assembled to a folder as `train` would write it and loaded from there. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/wlm.h"
#include "tests/compare.h"
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

static const char *metadata(const wts_checkpoint *c, const char *key)
{
    const wts_value *v = wts_value_get(c->extra, key);
    cr_assert(v && v->kind == WTS_STRING, "no metadata %s", key);
    return strcmp(v->text, "None") == 0 ? "none" : v->text;
}

/* The backbone's config.json with the head's fields in front. */
static void write_config(const char *directory, const char *backbone, const wts_checkpoint *ser)
{
    char path[600], text[8192];
    FILE *in = fopen(support_path("golden/%s/config.json", backbone), "r");
    cr_assert_not_null(in);
    size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = '\0';
    char *fields = strstr(text, "\"model_type\"");
    cr_assert_not_null(fields);
    const char *gender = metadata(ser, "gender_conditioning"), *text_size = metadata(ser, "text_dim");
    const wts_tensor *projection = wts_checkpoint_find(ser, "weight.projection.weight");
    cr_assert_not_null(projection);
    snprintf(path, sizeof path, "%s/config.json", directory);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    fprintf(out, "{\"architectures\": [\"WavLMForSpeechEmotion\"], \"pooling\": \"%s\", \"gender_conditioning\": \"%s\",\n",
            metadata(ser, "pooling"), gender);
    if (strcmp(text_size, "0") != 0)
        fprintf(out, "\"text_conditioning\": \"%s\", \"text_embedding_size\": %s,\n", gender, text_size);
    fprintf(out, "\"classifier_proj_size\": %zu, \"num_labels\": 8,\n%s", projection->shape[0], fields);
    cr_assert_eq(fclose(out), 0);
    snprintf(path, sizeof path, "cp '%s' '%s/'", support_path("golden/%s/preprocessor_config.json", backbone), directory);
    cr_assert_eq(system(path), 0);
}

static void add_tensors(wts_writer *w, const wts_checkpoint *from, const char *old_prefix, const char *new_prefix)
{
    size_t skip = strlen(old_prefix);
    for (size_t i = 0; i < from->count; i++) {
        const wts_tensor *t = &from->tensors[i];
        char name[256];
        eng_error err = {0};
        if (strncmp(t->name, old_prefix, skip) != 0) continue;
        snprintf(name, sizeof name, "%s%s", new_prefix, t->name + skip);
        cr_assert_eq(wts_writer_add(w, name, t->dtype, t->ndim, t->shape, t->data, &err), ENG_OK, "%s", err.message);
    }
}

static void write_model(const char *directory, const char *backbone, const wts_checkpoint *ser)
{
    char path[600];
    wts_writer *w;
    wts_checkpoint upstream = open_file(support_path("golden/%s/model.safetensors", backbone));
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    cr_assert_eq(wts_writer_open(path, 64, 4096, NULL, &w, NULL), ENG_OK);
    add_tensors(w, &upstream, "", "wavlm.");
    add_tensors(w, ser, "weight.", "");
    cr_assert_eq(wts_writer_finish(w, NULL), ENG_OK);
    wts_checkpoint_close(&upstream);
    write_config(directory, backbone, ser);
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

static void check(const char *backbone, const char *head)
{
    support_table(); /* skips where the CPU lacks the tier */
    wts_checkpoint ser = open_file(support_path("golden/%s/ser_%s.safetensors", backbone, head));
    char *directory = support_temporary();
    write_model(directory, backbone, &ser);
    wlm_model *model;
    wlm_error err;
    cr_assert_eq(wlm_model_open(directory, NULL, &model, &err), 0, "%s", err.message);
    cr_assert_eq(wlm_model_labels(model), LABELS);
    wlm_input inputs[BATCH];
    read_inputs(&ser, inputs);
    const wts_tensor *want = wts_checkpoint_find(&ser, "logits");
    cr_assert(want && want->count == BATCH * LABELS);
    wlm_result *together, *alone;
    cr_assert_eq(wlm_run(model, BATCH, inputs, 0, &together, &err), 0, "%s", err.message);
    for (size_t u = 0; u < BATCH; u++) {
        const float *logits = wlm_result_logits(together, u);
        cr_assert(cmp_abs(logits, (const float *)want->data + u * LABELS, LABELS, 1e-4, report, sizeof report),
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

static void check_heads(const char *backbone)
{
    check(backbone, "mean");
    check(backbone, "std");
    check(backbone, "attention");
    check(backbone, "attentive_std");
}

Test(emotion, large) { check_heads("large"); }

Test(emotion, base) { check_heads("base"); }
