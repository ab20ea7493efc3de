/* Models: opened, shared, asked, closed. */
#include "model/api/parts.h"

#include <stdio.h>

#include "engine/memory.h"
#include "engine/threads.h"
#include "model/config/config.h"
#include "model/tier.h"

_Static_assert(WLM_VERSION_MAJOR == WLM_PROJECT_MAJOR && WLM_VERSION_MINOR == WLM_PROJECT_MINOR &&
                   WLM_VERSION_PATCH == WLM_PROJECT_PATCH,
               "wlm.h has another version than meson.build");

const char *wlm_version(void)
{
    return WLM_VERSION;
}

/* ---- Weights ---- */

/* What the user should know of how m was read. */
static void note_weights(mdl_api_weights *weights, const kern_table *k)
{
    const mdl_model *m = weights->model;
    const char *tier = kern_tier_name(k->tier);
    if (m->repacked) {
        snprintf(weights->repacked, sizeof weights->repacked,
                 "converted for kernels with panels of %zu, and %s has %zu: repacked while loading (convert --cpu %s "
                 "makes a model that opens at once)", m->panels.width, tier, k->gemm_blocks.nr, tier);
        weights->note = weights->repacked;
    } else if (m->config.input_assumed) {
        weights->note = m->config.input == MDL_INPUT_RAW
                            ? "no preprocessor_config.json: the waveform is taken as it is (as the Base models expect)"
                            : "no preprocessor_config.json: the waveform is normalised (as the Large model expects)";
    }
}

static void let_go(mdl_api_weights *weights)
{
    if (!weights || atomic_fetch_sub_explicit(&weights->handles, 1, memory_order_acq_rel) > 1) return;
    mdl_model_free(weights->model);
    eng_free(weights);
}

static eng_status load_weights(const char *path, const wlm_options *o, wlm_model *w, eng_error *err)
{
    eng_precision precision;
    if (o->precision && !eng_precision_find(o->precision, &precision))
        return eng_fail(err, ENG_E_UNSUPPORTED, "precision \"%s\" is not supported; expected f32, bf16 or int8",
                        o->precision);
    w->weights = eng_alloc_zero(1, sizeof *w->weights);
    if (!w->weights) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    atomic_init(&w->weights->handles, 1);
    eng_status status = mdl_model_load(path, o->precision ? &precision : NULL, o->allow_bf16 != 0, &w->context.k, w->pool,
                                       &w->weights->model, err);
    if (!status) note_weights(w->weights, &w->context.k);
    return status;
}

/* ---- Handles ---- */

/* A handle without weights, whose threads are there. */
static eng_status new_handle(const wlm_options *o, wlm_model **out, eng_error *err)
{
    eng_status status = mdl_api_check_reserved(o->reserved, sizeof o->reserved / sizeof *o->reserved, "wlm_options", err);
    if (status) return status;
    wlm_model *w = *out = eng_alloc_zero(1, sizeof *w);
    if (!w) return eng_fail(err, ENG_E_MEMORY, "out of memory for a model");
    eng_arena_init(&w->arena);
    w->context.arena = &w->arena;
    status = eng_pool_new(o->threads, &w->pool, err);
    w->context.pool = w->pool;
    return status;
}

/* Gives *out a handle that is ready, or closes it again. */
static int hand_out(wlm_model *w, eng_status status, const eng_error *e, wlm_model **out, wlm_error *err)
{
    if (status) {
        wlm_model_close(w);
        return mdl_api_report(e, err);
    }
    w->model = w->weights->model;
    *out = w;
    return WLM_OK;
}

static const wlm_options DEFAULTS = {0};

int wlm_model_open(const char *path, const wlm_options *options, wlm_model **out, wlm_error *err)
{
    const wlm_options *o = options ? options : &DEFAULTS;
    eng_error e = {0};
    wlm_model *w = *out = NULL;
    eng_status status = new_handle(o, &w, &e);
    if (!status) status = mdl_choose_tier(o->cpu, &w->context.k, &e);
    if (!status) status = load_weights(path, o, w, &e);
    return hand_out(w, status, &e, out, err);
}

int wlm_model_share(const wlm_model *model, const wlm_options *options, wlm_model **out, wlm_error *err)
{
    const wlm_options *o = options ? options : &DEFAULTS;
    eng_error e = {0};
    wlm_model *w = *out = NULL;
    eng_status status = ENG_OK;
    if (o->cpu || o->precision || o->allow_bf16)
        status = eng_fail(&e, ENG_E_USAGE, "cpu, precision and allow_bf16 belong to the weights, which are shared as they are");
    if (!status) status = new_handle(o, &w, &e);
    if (!status) {
        w->context.k = model->context.k;
        w->weights = model->weights;
        atomic_fetch_add_explicit(&w->weights->handles, 1, memory_order_relaxed);
    }
    return hand_out(w, status, &e, out, err);
}

void wlm_model_close(wlm_model *w)
{
    if (!w) return;
    let_go(w->weights);
    eng_pool_free(w->pool);
    eng_arena_fini(&w->arena);
    eng_free(w);
}

/* ---- Questions ---- */

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

size_t wlm_model_frames(const wlm_model *w, size_t samples)
{
    return mdl_config_frames(&w->model->config, samples);
}

size_t wlm_model_states(const wlm_model *w)
{
    return w->model->config.layers + 1;
}

size_t wlm_model_width(const wlm_model *w)
{
    return w->model->config.hidden;
}

size_t wlm_model_embedding_size(const wlm_model *w)
{
    return mdl_config_pooled(&w->model->config);
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
    return w->weights->note;
}
