/* The library as programs use it: embeddings, chosen hidden states, progress, cancelling, struct fields to come. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "model/wlm.h"
#include "tests/support/compare.h"
#include "tests/support/emotion_folder.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

enum { SAMPLES = 16000 };

static char report[512];

static wlm_model *open_model(const char *path)
{
    wlm_model *model;
    wlm_error err;
    wlm_options options = {.threads = 2};
    cr_assert_eq(wlm_model_open(path, &options, &model, &err), 0, "%s", err.message);
    return model;
}

/* A sound without end: sines that fade into each other. */
static float *sound(size_t count)
{
    float *x = eng_alloc(count, sizeof *x);
    cr_assert_not_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(0.2 * sin((double)i * 0.05) * sin((double)i * 0.0003) + 0.1 * sin((double)(i * i % 100003) * 0.01));
    return x;
}

static wlm_result *run_with(wlm_model *model, const wlm_input *input, const wlm_run_options *options)
{
    wlm_error err;
    wlm_result *result;
    cr_assert_eq(wlm_run_with(model, 1, input, options, &result, &err), 0, "%s", err.message);
    cr_assert_eq(wlm_result_count(result), 1);
    return result;
}

/* The mean over time of hidden state s. */
static void mean_state(const wlm_result *result, size_t s, float *mean)
{
    size_t states, frames, width;
    const float *hidden = wlm_result_hidden_states(result, 0, &states, &frames, &width);
    cr_assert(hidden && s < states && frames);
    for (size_t j = 0; j < width; j++) {
        double sum = 0;
        for (size_t t = 0; t < frames; t++) sum += hidden[(s * frames + t) * width + j];
        mean[j] = (float)(sum / (double)frames);
    }
}

/* Of a head that takes the mean of the last hidden state, and of no head, the embedding is known from outside. */
static void check_mean(const char *path)
{
    float *x = sound(SAMPLES), mean[4096];
    wlm_model *model = open_model(path);
    wlm_input input = {.samples = x, .count = SAMPLES};
    wlm_result *result = run_with(model, &input, &(wlm_run_options){.flags = WLM_EMBEDDINGS | WLM_HIDDEN_STATES});
    size_t size = 0;
    const float *embedding = wlm_result_embedding(result, 0, &size);
    cr_assert(embedding && size == wlm_model_width(model) && size == wlm_model_embedding_size(model) && size <= 4096);
    mean_state(result, wlm_model_states(model) - 1, mean);
    cr_assert(cmp_abs_rel(embedding, mean, size, 1e-5, 1e-5, report, sizeof report), "%s: %s", path, report);
    cr_assert_null(wlm_result_embedding(result, 1, &size), "there is no such utterance");
    wlm_result_free(result);
    result = run_with(model, &input, NULL);
    cr_assert_null(wlm_result_embedding(result, 0, &size), "none was asked for");
    wlm_result_free(result);
    wlm_model_close(model);
    eng_free(x);
}

Test(embedding, backbone) { check_mean(support_path("golden/large")); }

Test(embedding, backbone_group_norm) { check_mean(support_path("golden/base")); }

static wts_checkpoint open_file(const char *path)
{
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    return c;
}

/* classifier(relu(projection(embedding))) from the checkpoint's own tensors. */
static void classify(const wts_checkpoint *ser, const float *embedding, size_t size, float *logits)
{
    const wts_tensor *w1 = wts_checkpoint_find(ser, "weight.projection.weight"),
                     *b1 = wts_checkpoint_find(ser, "weight.projection.bias"),
                     *w2 = wts_checkpoint_find(ser, "weight.classifier.weight"),
                     *b2 = wts_checkpoint_find(ser, "weight.classifier.bias");
    cr_assert(w1 && b1 && w2 && b2 && w1->shape[1] == size, "the embedding has %zu numbers", size);
    double hidden[1024];
    size_t inner = w1->shape[0];
    cr_assert_leq(inner, 1024);
    for (size_t i = 0; i < inner; i++) {
        hidden[i] = ((const float *)b1->data)[i];
        for (size_t j = 0; j < size; j++) hidden[i] += (double)((const float *)w1->data)[i * size + j] * (double)embedding[j];
        if (!(hidden[i] > 0)) hidden[i] = 0;
    }
    for (size_t i = 0; i < w2->shape[0]; i++) {
        double sum = ((const float *)b2->data)[i];
        for (size_t j = 0; j < inner; j++) sum += (double)((const float *)w2->data)[i * inner + j] * hidden[j];
        logits[i] = (float)sum;
    }
}

/* What the classifier makes of the embedding are the logits: pooling and conditioning are in it, nothing else. */
static void check_classified(const char *head)
{
    wts_checkpoint ser = open_file(support_path("golden/large/ser_%s.safetensors", head));
    char *folder = support_temporary();
    eng_error broken = {0};
    cr_assert_eq(emotion_folder_write(folder, support_path("golden/large"), &ser, &broken), ENG_OK, "%s", broken.message);
    wlm_model *model = open_model(folder);
    const wts_tensor *text = wts_checkpoint_find(&ser, "batch.text"), *wave = wts_checkpoint_find(&ser, "batch.0.waveform");
    cr_assert_not_null(wave);
    wlm_input input = {.samples = wave->data, .count = wave->count, .gender = "female", .text = text ? text->data : NULL};
    wlm_result *result = run_with(model, &input, &(wlm_run_options){.flags = WLM_EMBEDDINGS});
    size_t size = 0, labels = wlm_model_labels(model);
    const float *embedding = wlm_result_embedding(result, 0, &size);
    float logits[64];
    cr_assert(embedding && labels <= 64);
    classify(&ser, embedding, size, logits);
    cr_assert(cmp_abs_rel(wlm_result_logits(result, 0), logits, labels, 1e-5, 1e-5, report, sizeof report), "%s: %s", head,
              report);
    wlm_result_free(result);
    wlm_model_close(model);
    wts_checkpoint_close(&ser);
    support_remove(folder);
}

Test(embedding, emotion_heads)
{
    check_classified("mean");
    check_classified("std");
    check_classified("attention");
    check_classified("attentive_std");
}

/* Of the other heads: their sizes, and the same bits in a batch in which one fails. */
static void check_batch(const char *path, size_t times)
{
    float *x = sound(SAMPLES);
    wlm_model *model = open_model(path);
    wlm_input inputs[] = {{.samples = x, .count = 9000}, {.samples = x, .count = 10}, {.samples = x + 77, .count = 12000}};
    wlm_run_options options = {.flags = WLM_EMBEDDINGS | WLM_EACH};
    wlm_error err;
    wlm_result *together;
    cr_assert_eq(wlm_run_with(model, 3, inputs, &options, &together, &err), 0, "%s", err.message);
    cr_assert_eq(wlm_result_count(together), 3);
    for (size_t u = 0; u < 3; u += 2) {
        wlm_result *alone = run_with(model, &inputs[u], &options);
        size_t size = 0, same = 0, begin = 9, end = 9;
        const float *got = wlm_result_embedding(together, u, &size), *want = wlm_result_embedding(alone, 0, &same);
        cr_assert(got && want && size == same && size == times * wlm_model_width(model));
        cr_assert(cmp_bits(got, want, size, report, sizeof report), "%s", report);
        wlm_result_span(together, u, &begin, &end);
        cr_assert(begin == 0 && end == inputs[u].count);
        wlm_result_free(alone);
    }
    size_t size;
    cr_assert_null(wlm_result_embedding(together, 1, &size), "it failed");
    cr_assert_eq(wlm_result_status(together, 1, &err), WLM_E_USAGE);
    wlm_result_free(together);
    wlm_model_close(model);
    eng_free(x);
}

Test(embedding, sequence_classification) { check_batch(support_path("golden/hf_sequence_classification"), 1); }

Test(embedding, odyssey) { check_batch(support_path("golden/odyssey"), 2); }

/* ---- Hidden states ---- */

Test(hidden_states, chosen_ones_in_their_order)
{
    float *x = sound(SAMPLES);
    wlm_model *model = open_model(support_path("golden/large"));
    wlm_input input = {.samples = x, .count = SAMPLES};
    size_t last = wlm_model_states(model) - 1, layers[] = {last, 0, last, 1}, all[3], some[3];
    wlm_result *whole = run_with(model, &input, &(wlm_run_options){.flags = WLM_HIDDEN_STATES});
    wlm_result *part =
        run_with(model, &input, &(wlm_run_options){.flags = WLM_HIDDEN_STATES, .layers = layers, .layer_count = 4});
    const float *want = wlm_result_hidden_states(whole, 0, &all[0], &all[1], &all[2]);
    const float *got = wlm_result_hidden_states(part, 0, &some[0], &some[1], &some[2]);
    cr_assert(want && got && all[0] == last + 1 && some[0] == 4 && some[1] == all[1] && some[2] == all[2]);
    cr_assert_eq(all[1], wlm_model_frames(model, SAMPLES));
    cr_assert_eq(all[2], wlm_model_width(model));
    size_t state = all[1] * all[2];
    for (size_t i = 0; i < 4; i++)
        cr_assert(cmp_bits(got + i * state, want + layers[i] * state, state, report, sizeof report), "%zu: %s", i, report);
    wlm_result_free(whole);
    wlm_result_free(part);
    wlm_error err;
    layers[2] = last + 1;
    wlm_run_options options = {.flags = WLM_HIDDEN_STATES, .layers = layers, .layer_count = 4};
    cr_assert_eq(wlm_run_with(model, 1, &input, &options, &part, &err), WLM_E_USAGE);
    cr_assert(strstr(err.message, "hidden state"), "%s", err.message);
    cr_assert_null(part);
    wlm_model_close(model);
    eng_free(x);
}

/* ---- Progress and cancelling ---- */

typedef struct watcher {
    double last;
    size_t calls, cancel_at; /* cancel_at: the call that cancels; 0: none */
    wlm_cancel *cancel;
} watcher;

static void watch(void *arg, double share)
{
    watcher *w = arg;
    cr_assert(share > w->last && share <= 1, "%g after %g", share, w->last);
    w->last = share;
    if (++w->calls != w->cancel_at) return;
    wlm_cancel_request(w->cancel);
}

static void check_cancelled(wlm_model *model, const wlm_input *input, wlm_cancel *cancel, size_t at)
{
    watcher w = {.cancel_at = at, .cancel = cancel};
    wlm_run_options options = {
        .flags = WLM_EMBEDDINGS | WLM_HIDDEN_STATES, .cancel = cancel, .progress = watch, .progress_arg = &w};
    wlm_result *result;
    wlm_error err;
    cr_assert_eq(wlm_run_with(model, 1, input, &options, &result, &err), WLM_E_CANCELLED, "%zu", at);
    cr_assert_eq(err.status, WLM_E_CANCELLED);
    cr_assert_null(result);
    cr_assert_eq(w.calls, at, "called %zu times, cancelled at %zu", w.calls, at);
    wlm_cancel_reset(cancel);
}

Test(progress, rises_to_one_and_cancels_anywhere)
{
    float *x = sound(SAMPLES);
    wlm_model *model = open_model(support_path("golden/large"));
    wlm_input input = {.samples = x, .count = SAMPLES};
    watcher w = {.last = 0};
    wlm_error err;
    wlm_result *want = run_with(model, &input, &(wlm_run_options){.flags = WLM_EMBEDDINGS}), *got;
    got = run_with(model, &input, &(wlm_run_options){.flags = WLM_EMBEDDINGS, .progress = watch, .progress_arg = &w});
    cr_assert(w.last == 1 && w.calls > 2, "%zu calls to %g", w.calls, w.last);
    wlm_result_free(got);
    wlm_cancel *cancel;
    cr_assert_eq(wlm_cancel_new(&cancel, &err), 0, "%s", err.message);
    for (size_t at = 1; at < w.calls; at++) {
        check_cancelled(model, &input, cancel, at);
        size_t size, same;
        got = run_with(model, &input, &(wlm_run_options){.flags = WLM_EMBEDDINGS, .cancel = cancel});
        cr_assert(cmp_bits(wlm_result_embedding(got, 0, &size), wlm_result_embedding(want, 0, &same), wlm_model_width(model),
                           report, sizeof report), "after cancelling at %zu: %s", at, report);
        wlm_result_free(got);
    }
    wlm_cancel_request(cancel);
    cr_assert_eq(wlm_run_with(model, 1, &input, &(wlm_run_options){.cancel = cancel}, &got, &err), WLM_E_CANCELLED);
    wlm_cancel_free(cancel);
    wlm_result_free(want);
    wlm_model_close(model);
    eng_free(x);
}

/* ---- Struct fields to come ---- */

Test(reserved, what_is_not_known_is_refused)
{
    float x[SAMPLES] = {0};
    wlm_error err;
    wlm_model *model, *second;
    wlm_result *result;
    wlm_stream *stream;
    const char *path = support_path("golden/large");
    wlm_options options = {.reserved = {[7] = 1}};
    cr_assert_eq(wlm_model_open(path, &options, &model, &err), WLM_E_UNSUPPORTED);
    cr_assert_null(model);
    model = open_model(path);
    cr_assert_eq(wlm_model_share(model, &options, &second, &err), WLM_E_UNSUPPORTED);
    options = (wlm_options){.cpu = "portable"};
    cr_assert_eq(wlm_model_share(model, &options, &second, &err), WLM_E_USAGE);
    wlm_input input = {.samples = x, .count = SAMPLES, .reserved = {[3] = 1}};
    cr_assert_eq(wlm_run(model, 1, &input, 0, &result, &err), WLM_E_UNSUPPORTED);
    cr_assert(strstr(err.message, "wlm_input"), "%s", err.message);
    input.reserved[3] = 0;
    cr_assert_eq(wlm_run(model, 1, &input, 64, &result, &err), WLM_E_UNSUPPORTED);
    cr_assert_eq(wlm_run_with(model, 1, &input, &(wlm_run_options){.reserved = {1}}, &result, NULL), WLM_E_UNSUPPORTED);
    cr_assert_null(result);
    cr_assert_eq(wlm_stream_open(model, &(wlm_stream_options){.reserved = {1}}, &stream, &err), WLM_E_UNSUPPORTED);
    wlm_run_options run = {.flags = 64};
    cr_assert_eq(wlm_stream_open(model, &(wlm_stream_options){.run = &run}, &stream, &err), WLM_E_UNSUPPORTED);
    cr_assert_null(stream);
    wlm_model_close(model);
}
