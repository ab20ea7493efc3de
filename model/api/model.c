/* Models: opened, asked, closed. */
#include "model/api/parts.h"

#include <stdio.h>

#include "engine/memory.h"
#include "engine/threads.h"
#include "model/config/config.h"
#include "model/tier.h"

const char *wlm_version(void)
{
    return WLM_VERSION;
}

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
        return mdl_api_report(&e, err);
    }
    eng_arena_init(&w->arena);
    if (open_model(path, options ? options : &defaults, w, &e)) {
        wlm_model_close(w);
        return mdl_api_report(&e, err);
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
