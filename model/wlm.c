#include "model/wlm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/audio.h"
#include "model/forward.h"
#include "model/tier.h"

struct wlm_model {
    mdl_model *model;
    eng_pool *pool;
    eng_arena arena;
    eng_context context;
    const char *note;
    char repacked[256];
};

struct wlm_audio {
    mdl_audio audio;
};

struct wlm_result {
    size_t n, labels, states, width;
    float *logits, *scores; /* [n, labels] */
    float **hidden;         /* [n] of [states, frames, width], or NULL */
    size_t *frames;         /* [n] */
};

static int report(const eng_error *from, wlm_error *err)
{
    if (err) {
        err->status = (int)from->status;
        snprintf(err->message, sizeof err->message, "%s", from->message);
    }
    return (int)from->status;
}

const char *wlm_version(void)
{
    return WLM_VERSION;
}

/* ---- Models ---- */

static eng_status open_model(const char *path, const wlm_options *o, wlm_model *w, eng_error *err)
{
    eng_precision precision;
    if (o->precision && !eng_precision_find(o->precision, &precision))
        return eng_fail(err, ENG_E_UNSUPPORTED, "precision \"%s\" is not supported; expected f32, bf16 or int8",
                        o->precision);
    eng_status status = mdl_choose_tier(o->cpu, &w->context.k, err);
    if (!status) status = eng_pool_new(o->threads, &w->pool, err);
    if (!status)
        status = mdl_model_load(path, o->precision ? &precision : NULL, &w->context.k, w->pool, &w->model, err);
    if (status) return status;
    w->context.pool = w->pool;
    w->context.arena = &w->arena;
    if (w->model->repacked) {
        snprintf(w->repacked, sizeof w->repacked,
                 "converted for kernels with panels of %zu, and %s has %zu: repacked while loading (convert --cpu %s "
                 "makes a model that opens at once)",
                 w->model->panels.width, wlm_model_cpu(w), w->context.k.gemm_blocks.nr, wlm_model_cpu(w));
        w->note = w->repacked;
        return ENG_OK;
    }
    if (w->model->config.input_assumed)
        w->note = w->model->config.input == MDL_INPUT_RAW
                      ? "no preprocessor_config.json: the waveform is taken as it is (as the Base models expect)"
                      : "no preprocessor_config.json: the waveform is normalised (as the Large model expects)";
    return ENG_OK;
}

int wlm_model_open(const char *path, const wlm_options *options, wlm_model **out, wlm_error *err)
{
    static const wlm_options defaults = {0};
    eng_error e = {0};
    *out = NULL;
    wlm_model *w = eng_alloc_zero(1, sizeof *w);
    if (!w) {
        eng_fail(&e, ENG_E_MEMORY, "%s: out of memory", path);
        return report(&e, err);
    }
    eng_arena_init(&w->arena);
    if (open_model(path, options ? options : &defaults, w, &e)) {
        wlm_model_close(w);
        return report(&e, err);
    }
    *out = w;
    return WLM_OK;
}

void wlm_model_close(wlm_model *w)
{
    if (!w) return;
    mdl_model_free(w->model);
    eng_pool_free(w->pool);
    eng_arena_fini(&w->arena);
    eng_free(w);
}

size_t wlm_model_labels(const wlm_model *w)
{
    return w->model->config.head == MDL_HEAD_NONE ? 0 : w->model->config.labels;
}

const char *wlm_model_label(const wlm_model *w, size_t i)
{
    return i < wlm_model_labels(w) ? w->model->config.label[i] : NULL;
}

int wlm_model_is_regression(const wlm_model *w)
{
    return w->model->config.regression;
}

int wlm_model_wants_gender(const wlm_model *w)
{
    return w->model->config.gender != MDL_COND_NONE;
}

size_t wlm_model_text_size(const wlm_model *w)
{
    return w->model->config.text_size;
}

size_t wlm_model_min_samples(const wlm_model *w)
{
    return mdl_config_min_samples(&w->model->config);
}

const char *wlm_model_cpu(const wlm_model *w)
{
    return kern_tier_name(w->context.k.tier);
}

const char *wlm_model_precision(const wlm_model *w)
{
    return eng_precision_name(w->model->precision);
}

size_t wlm_model_threads(const wlm_model *w)
{
    return eng_pool_threads(w->pool);
}

const char *wlm_model_note(const wlm_model *w)
{
    return w->note;
}

/* ---- Audio ---- */

int wlm_audio_read(const char *path, wlm_audio **out, wlm_error *err)
{
    eng_error e = {0};
    *out = NULL;
    wlm_audio *a = eng_alloc_zero(1, sizeof *a);
    /* Not e.status: that of a first attempt stays there when ffmpeg succeeded after it. */
    eng_status status = a ? mdl_audio_read(path, &a->audio, &e) : eng_fail(&e, ENG_E_MEMORY, "%s: out of memory", path);
    if (status) {
        eng_free(a);
        return report(&e, err);
    }
    *out = a;
    return WLM_OK;
}

void wlm_audio_free(wlm_audio *a)
{
    if (!a) return;
    mdl_audio_free(&a->audio);
    eng_free(a);
}

size_t wlm_audio_channels(const wlm_audio *a)
{
    return a->audio.channels;
}

size_t wlm_audio_count(const wlm_audio *a)
{
    return a->audio.samples;
}

const float *wlm_audio_samples(const wlm_audio *a, size_t c)
{
    return c < a->audio.channels ? a->audio.data + c * a->audio.stride : NULL;
}

void wlm_audio_mix(wlm_audio *a)
{
    mdl_audio_mix(&a->audio);
}

/* ---- Running ---- */

static eng_status read_inputs(const wlm_model *w, size_t n, const wlm_input *inputs, mdl_input *out, eng_error *err)
{
    const mdl_config *c = &w->model->config;
    for (size_t u = 0; u < n; u++) {
        out[u] = (mdl_input){inputs[u].samples, inputs[u].count, -1, inputs[u].text};
        const char *gender = inputs[u].gender;
        if (c->gender == MDL_COND_NONE || !gender) continue;
        if (strcmp(gender, "female") == 0) out[u].gender = c->female;
        else if (strcmp(gender, "male") == 0) out[u].gender = c->male;
        else return eng_fail(err, ENG_E_USAGE, "gender \"%s\"; expected female or male", gender);
    }
    return ENG_OK;
}

static void keep_hidden(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    wlm_result *r = arg;
    if (stage != MDL_STAGE_HIDDEN) return;
    for (size_t u = 0; u < r->n; u++) {
        size_t frames = eng_batch_frames(batch, u);
        for (size_t t = 0; t < frames; t++)
            memcpy(r->hidden[u] + (index * frames + t) * r->width, eng_row(x, batch.offset[u] + t),
                   r->width * sizeof(float));
    }
}

static eng_status new_result(const wlm_model *w, size_t n, const wlm_input *inputs, unsigned flags, wlm_result **out,
                             eng_error *err)
{
    const mdl_config *c = &w->model->config;
    wlm_result *r = *out = eng_alloc_zero(1, sizeof *r);
    if (!r) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    *r = (wlm_result){.n = n, .labels = wlm_model_labels(w), .states = c->layers + 1, .width = c->hidden};
    r->logits = eng_alloc(n * r->labels, sizeof *r->logits);
    r->scores = eng_alloc(n * r->labels, sizeof *r->scores);
    if (!r->logits || !r->scores) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    if (!(flags & WLM_HIDDEN_STATES)) return ENG_OK;
    r->hidden = eng_alloc_zero(n, sizeof *r->hidden);
    r->frames = eng_alloc_zero(n, sizeof *r->frames);
    if (!r->hidden || !r->frames) return eng_fail(err, ENG_E_MEMORY, "out of memory for the hidden states");
    for (size_t u = 0; u < n; u++) {
        r->frames[u] = mdl_config_frames(c, inputs[u].count);
        size_t floats;
        if (eng_mul_size(r->states * r->width, r->frames[u], &floats))
            r->hidden[u] = eng_alloc(floats, sizeof(float));
        if (!r->hidden[u])
            return eng_fail(err, ENG_E_MEMORY, "out of memory for hidden states [%zu, %zu, %zu]", r->states,
                            r->frames[u], r->width);
    }
    return ENG_OK;
}

static void fill_scores(const wlm_model *w, wlm_result *r)
{
    for (size_t u = 0; r->labels && u < r->n; u++) {
        const float *logits = r->logits + u * r->labels;
        if (wlm_model_is_regression(w)) memcpy(r->scores + u * r->labels, logits, r->labels * sizeof *logits);
        else w->context.k.softmax_f32(r->labels, logits, r->scores + u * r->labels);
    }
}

static eng_status check_finite(const wlm_result *r, eng_error *err)
{
    for (size_t u = 0; r->hidden && u < r->n; u++)
        for (size_t i = 0; i < r->states * r->frames[u] * r->width; i++)
            if (!isfinite(r->hidden[u][i]))
                return eng_fail(err, ENG_E_MISMATCH,
                                "hidden state %zu is not finite: the model's weights do not fit (or hold NaN)",
                                i / (r->frames[u] * r->width));
    for (size_t i = 0; i < r->n * r->labels; i++)
        if (!isfinite(r->logits[i]))
            return eng_fail(err, ENG_E_MISMATCH, "the model's output is not a finite number: its weights do not fit");
    return ENG_OK;
}

int wlm_run(wlm_model *w, size_t n, const wlm_input *inputs, unsigned flags, wlm_result **out, wlm_error *err)
{
    eng_error e = {0};
    *out = NULL;
    wlm_result *r = NULL;
    mdl_input *in = eng_alloc(n, sizeof *in);
    if (!in) eng_fail(&e, ENG_E_MEMORY, "out of memory for %zu inputs", n);
    eng_status status = e.status;
    if (!status) status = read_inputs(w, n, inputs, in, &e);
    if (!status) status = new_result(w, n, inputs, flags, &r, &e);
    mdl_observer observer = {keep_hidden, r};
    if (!status)
        status = mdl_forward(w->model, &w->context, n, in, r->logits, r->hidden ? &observer : NULL, &e);
    if (!status) status = check_finite(r, &e);
    eng_free(in);
    if (status) {
        wlm_result_free(r);
        return report(&e, err);
    }
    fill_scores(w, r);
    *out = r;
    return WLM_OK;
}

void wlm_result_free(wlm_result *r)
{
    if (!r) return;
    for (size_t u = 0; r->hidden && u < r->n; u++) eng_free(r->hidden[u]);
    eng_free(r->hidden);
    eng_free(r->frames);
    eng_free(r->logits);
    eng_free(r->scores);
    eng_free(r);
}

const float *wlm_result_logits(const wlm_result *r, size_t u)
{
    return r->labels && u < r->n ? r->logits + u * r->labels : NULL;
}

const float *wlm_result_scores(const wlm_result *r, size_t u)
{
    return r->labels && u < r->n ? r->scores + u * r->labels : NULL;
}

size_t wlm_result_best(const wlm_result *r, size_t u)
{
    const float *scores = wlm_result_scores(r, u);
    size_t best = 0;
    for (size_t i = 1; scores && i < r->labels; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

const float *wlm_result_hidden_states(const wlm_result *r, size_t u, size_t *states, size_t *frames, size_t *width)
{
    if (!r->hidden || u >= r->n) return NULL;
    *states = r->states;
    *frames = r->frames[u];
    *width = r->width;
    return r->hidden[u];
}
