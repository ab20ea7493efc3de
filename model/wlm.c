#include "model/wlm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/audio/audio.h"
#include "model/network/forward.h"
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
    eng_error *failure;     /* [n], status ENG_OK where there is none; NULL: none failed */
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
        status = mdl_model_load(path, o->precision ? &precision : NULL, o->allow_bf16 != 0, &w->context.k, w->pool,
                                &w->model, err);
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

/* The inputs of a call that can be run, and where their results go. */
typedef struct model_run {
    const wlm_model *model;
    wlm_result *result;
    size_t n;
    mdl_input *input; /* [n] */
    size_t *place;    /* [n], rising: which utterances of the result they are */
} model_run;

static eng_status read_input(const wlm_model *w, const wlm_input *input, mdl_input *out, eng_error *err)
{
    const mdl_config *c = &w->model->config;
    const char *gender = input->gender;
    *out = (mdl_input){input->samples, input->count, -1, input->text};
    if (c->gender != MDL_COND_NONE && gender) {
        if (strcmp(gender, "female") == 0) out->gender = c->female;
        else if (strcmp(gender, "male") == 0) out->gender = c->male;
        else return eng_fail(err, ENG_E_USAGE, "gender \"%s\"; expected female or male", gender);
    }
    return mdl_check_input(w->model, out, err);
}

/* Notes that utterance u failed; returns the status where that fails the whole call. */
static eng_status fail_one(wlm_result *r, size_t u, unsigned flags, const eng_error *failure, eng_error *err)
{
    if (!(flags & WLM_EACH)) {
        *err = *failure;
        return failure->status;
    }
    if (!r->failure) r->failure = eng_alloc_zero(r->n, sizeof *r->failure);
    if (!r->failure) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    r->failure[u] = *failure;
    return ENG_OK;
}

static eng_status read_inputs(model_run *run, const wlm_input *inputs, unsigned flags, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t u = 0; u < run->result->n && !status; u++) {
        eng_error failure = {0};
        if (read_input(run->model, &inputs[u], &run->input[run->n], &failure))
            status = fail_one(run->result, u, flags, &failure, err);
        else run->place[run->n++] = u;
    }
    return status;
}

static void keep_hidden(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    const model_run *run = arg;
    const wlm_result *r = run->result;
    if (stage != MDL_STAGE_HIDDEN) return;
    for (size_t i = 0; i < run->n; i++) {
        size_t frames = eng_batch_frames(batch, i);
        for (size_t t = 0; t < frames; t++)
            memcpy(r->hidden[run->place[i]] + (index * frames + t) * r->width, eng_row(x, batch.offset[i] + t),
                   r->width * sizeof(float));
    }
}

static eng_status new_result(const wlm_model *w, size_t n, wlm_result **out, eng_error *err)
{
    const mdl_config *c = &w->model->config;
    wlm_result *r = *out = eng_alloc_zero(1, sizeof *r);
    if (!r) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    *r = (wlm_result){.n = n, .labels = wlm_model_labels(w), .states = c->layers + 1, .width = c->hidden};
    r->logits = eng_alloc(n * r->labels, sizeof *r->logits);
    r->scores = eng_alloc(n * r->labels, sizeof *r->scores);
    if (!r->logits || !r->scores) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    return ENG_OK;
}

static eng_status new_hidden(const model_run *run, eng_error *err)
{
    wlm_result *r = run->result;
    r->hidden = eng_alloc_zero(r->n, sizeof *r->hidden);
    r->frames = eng_alloc_zero(r->n, sizeof *r->frames);
    if (!r->hidden || !r->frames) return eng_fail(err, ENG_E_MEMORY, "out of memory for the hidden states");
    for (size_t i = 0; i < run->n; i++) {
        size_t u = run->place[i], floats;
        r->frames[u] = mdl_config_frames(&run->model->model->config, run->input[i].count);
        if (eng_mul_size(r->states * r->width, r->frames[u], &floats)) r->hidden[u] = eng_alloc(floats, sizeof(float));
        if (!r->hidden[u])
            return eng_fail(err, ENG_E_MEMORY, "out of memory for hidden states [%zu, %zu, %zu]", r->states,
                            r->frames[u], r->width);
    }
    return ENG_OK;
}

static eng_status check_finite(const wlm_result *r, size_t u, eng_error *err)
{
    for (size_t i = 0; r->hidden && i < r->states * r->frames[u] * r->width; i++)
        if (!isfinite(r->hidden[u][i]))
            return eng_fail(err, ENG_E_MISMATCH,
                            "hidden state %zu is not finite: the model's weights do not fit (or hold NaN)",
                            i / (r->frames[u] * r->width));
    for (size_t i = 0; i < r->labels; i++)
        if (!isfinite(r->logits[u * r->labels + i]))
            return eng_fail(err, ENG_E_MISMATCH,
                            "the model's output is not a finite number: its weights do not fit");
    return ENG_OK;
}

/* Scores of the utterances that were run, whose logits lie one after the other. */
static eng_status fill_scores(const model_run *run, unsigned flags, eng_error *err)
{
    wlm_result *r = run->result;
    eng_status status = ENG_OK;
    for (size_t i = run->n; i-- > 0;) /* from the last: a logit moves to where none lies that is still to move */
        memmove(r->logits + run->place[i] * r->labels, r->logits + i * r->labels, r->labels * sizeof(float));
    for (size_t i = 0; i < run->n && !status; i++) {
        size_t u = run->place[i];
        eng_error failure = {0};
        if (check_finite(r, u, &failure)) status = fail_one(r, u, flags, &failure, err);
        const float *logits = r->logits + u * r->labels;
        if (wlm_model_is_regression(run->model)) memcpy(r->scores + u * r->labels, logits, r->labels * sizeof *logits);
        else if (r->labels) run->model->context.k.softmax_f32(r->labels, logits, r->scores + u * r->labels);
    }
    return status;
}

static eng_status run_model(wlm_model *w, model_run *run, const wlm_input *inputs, unsigned flags, eng_error *err)
{
    mdl_observer observer = {keep_hidden, run};
    eng_status status = read_inputs(run, inputs, flags, err);
    if (!status && flags & WLM_HIDDEN_STATES) status = new_hidden(run, err);
    if (!status)
        status = mdl_forward(w->model, &w->context, run->n, run->input, run->result->logits,
                             flags & WLM_HIDDEN_STATES ? &observer : NULL, err);
    return status ? status : fill_scores(run, flags, err);
}

/* Gives memory back that would be kept for the next call, where a smaller one may need it. */
static void trim_memory(wlm_model *w)
{
    eng_arena_trim(&w->arena);
    for (size_t i = 0; i < eng_pool_threads(w->pool); i++) {
        eng_arena *scratch = eng_pool_scratch(w->pool, i);
        eng_arena_rewind(scratch, (eng_arena_mark){0}); /* a task that failed may have left some */
        eng_arena_trim(scratch);
    }
}

int wlm_run(wlm_model *w, size_t n, const wlm_input *inputs, unsigned flags, wlm_result **out, wlm_error *err)
{
    eng_error e = {0};
    *out = NULL;
    model_run run = {.model = w, .input = eng_alloc(n, sizeof *run.input), .place = eng_alloc(n, sizeof *run.place)};
    eng_status status = ENG_OK;
    if (!run.input || !run.place) status = eng_fail(&e, ENG_E_MEMORY, "out of memory for %zu inputs", n);
    if (!status) status = new_result(w, n, &run.result, &e);
    if (!status) status = run_model(w, &run, inputs, flags, &e);
    eng_free(run.input);
    eng_free(run.place);
    if (status == ENG_E_MEMORY) trim_memory(w);
    if (status) {
        wlm_result_free(run.result);
        return report(&e, err);
    }
    *out = run.result;
    return WLM_OK;
}

void wlm_result_free(wlm_result *r)
{
    if (!r) return;
    for (size_t u = 0; r->hidden && u < r->n; u++) eng_free(r->hidden[u]);
    eng_free(r->hidden);
    eng_free(r->frames);
    eng_free(r->failure);
    eng_free(r->logits);
    eng_free(r->scores);
    eng_free(r);
}

static bool was_run(const wlm_result *r, size_t u)
{
    return u < r->n && !(r->failure && r->failure[u].status);
}

int wlm_result_status(const wlm_result *r, size_t u, wlm_error *err)
{
    return u >= r->n || was_run(r, u) ? WLM_OK : report(&r->failure[u], err);
}

const float *wlm_result_logits(const wlm_result *r, size_t u)
{
    return r->labels && was_run(r, u) ? r->logits + u * r->labels : NULL;
}

const float *wlm_result_scores(const wlm_result *r, size_t u)
{
    return r->labels && was_run(r, u) ? r->scores + u * r->labels : NULL;
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
    if (!r->hidden || !was_run(r, u)) return NULL;
    *states = r->states;
    *frames = r->frames[u];
    *width = r->width;
    return r->hidden[u];
}
