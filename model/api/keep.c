/* What a run keeps on its way: hidden states, embeddings; and how far it is. */
#include <string.h>

#include "engine/memory.h"
#include "model/api/parts.h"

static bool keeps(const mdl_api_run *run, unsigned flag)
{
    return (run->options->flags & flag) != 0;
}

eng_status mdl_api_check_run(const wlm_model *model, const wlm_run_options *o, eng_error *err)
{
    const unsigned known = WLM_HIDDEN_STATES | WLM_EACH | WLM_EMBEDDINGS;
    size_t states = wlm_model_states(model);
    if (o->flags & ~known)
        return eng_fail(err, ENG_E_UNSUPPORTED, "flags %#x: version %s of the library knows %#x", o->flags, wlm_version(),
                        known);
    for (size_t i = 0; o->layers && i < o->layer_count; i++)
        if (o->layers[i] >= states)
            return eng_fail(err, ENG_E_USAGE, "hidden state %zu was asked for; the model has 0 to %zu", o->layers[i],
                            states - 1);
    return mdl_api_check_reserved(o->reserved, sizeof o->reserved / sizeof *o->reserved, "wlm_run_options", err);
}

static eng_status keep_hidden(const mdl_api_run *run, eng_error *err)
{
    const wlm_run_options *o = run->options;
    wlm_result *r = run->result;
    r->states = o->layers ? o->layer_count : wlm_model_states(run->model);
    r->hidden = eng_alloc_zero(r->n, sizeof *r->hidden);
    r->frames = eng_alloc_zero(r->n, sizeof *r->frames);
    if (!r->hidden || !r->frames) return eng_fail(err, ENG_E_MEMORY, "out of memory for the hidden states");
    for (size_t i = 0; i < run->n; i++) {
        size_t u = run->place[i], rows, floats;
        r->frames[u] = wlm_model_frames(run->model, run->input[i].count);
        if (eng_mul_size(r->states, r->frames[u], &rows) && eng_mul_size(rows, r->width, &floats))
            r->hidden[u] = eng_alloc(floats, sizeof(float));
        if (!r->hidden[u])
            return eng_fail(err, ENG_E_MEMORY, "out of memory for hidden states [%zu, %zu, %zu]", r->states,
                            r->frames[u], r->width);
    }
    return ENG_OK;
}

eng_status mdl_api_keep(const mdl_api_run *run, eng_error *err)
{
    wlm_result *r = run->result;
    eng_status status = keeps(run, WLM_HIDDEN_STATES) ? keep_hidden(run, err) : ENG_OK;
    if (status || !keeps(run, WLM_EMBEDDINGS)) return status;
    r->pooled = wlm_model_embedding_size(run->model);
    size_t floats;
    if (eng_mul_size(r->n, r->pooled, &floats)) r->embedding = eng_alloc(floats, sizeof *r->embedding);
    return r->embedding ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for the embeddings");
}

/* ---- While it runs ---- */

/* Hidden state `index` of the batch, to where it was asked for. */
static void take_state(const mdl_api_run *run, size_t index, eng_batch batch, eng_tensor x)
{
    const wlm_run_options *o = run->options;
    const wlm_result *r = run->result;
    for (size_t s = 0; s < r->states; s++) {
        if ((o->layers ? o->layers[s] : s) != index) continue;
        for (size_t i = 0; i < run->n; i++) {
            size_t frames = eng_batch_frames(batch, i);
            float *to = r->hidden[run->place[i]] + s * frames * r->width;
            for (size_t t = 0; t < frames; t++)
                memcpy(to + t * r->width, eng_row(x, batch.offset[i] + t), r->width * sizeof(float));
        }
    }
}

static void take_embeddings(const mdl_api_run *run, eng_tensor x)
{
    const wlm_result *r = run->result;
    if (!x.data) return; /* out of memory, which the context knows */
    for (size_t i = 0; i < run->n; i++)
        memcpy(r->embedding + run->place[i] * r->pooled, eng_row(x, i), r->pooled * sizeof(float));
}

/* Multiplications of the feature encoder, and of a layer, for the batch: near enough for a share of the time. */
static double encoder_work(const mdl_config *c, const mdl_api_run *run)
{
    double work = 0;
    for (size_t i = 0; i < run->n; i++) {
        double rows = (double)run->input[i].count, channels = 1;
        for (size_t l = 0; l < c->convs; l++) {
            rows /= (double)c->conv_stride[l];
            work += rows * (double)(c->conv_dim[l] * c->conv_kernel[l]) * channels;
            channels = (double)c->conv_dim[l];
        }
    }
    return work;
}

static double layer_work(const mdl_config *c, eng_batch batch)
{
    double work = 0, width = (double)c->hidden;
    for (size_t i = 0; i < batch.n; i++) {
        double frames = (double)eng_batch_frames(batch, i);
        work += frames * width * (4 * width + 2 * (double)c->intermediate + 2 * frames);
    }
    return work;
}

static void tell(mdl_api_run *run, mdl_stage stage, size_t index, eng_batch batch)
{
    const mdl_config *c = &run->model->model->config;
    if (!run->options->progress) return;
    double layer = layer_work(c, batch), encoder = encoder_work(c, run), all = encoder + layer * (double)c->layers;
    double done = stage == MDL_STAGE_HIDDEN ? (encoder + layer * (double)index) / all : encoder / all;
    if (done <= run->done || done >= 1) return; /* 1 is told when there is a result */
    run->done = done;
    run->options->progress(run->options->progress_arg, done);
}

void mdl_api_observe(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    mdl_api_run *run = arg;
    wlm_model *w = run->model;
    const mdl_config *c = &w->model->config;
    if (stage == MDL_STAGE_HIDDEN && run->result->hidden) take_state(run, index, batch, x);
    if (keeps(run, WLM_EMBEDDINGS)) {
        if (stage == MDL_STAGE_POOLED) take_embeddings(run, x);
        else if (c->head == MDL_HEAD_NONE && stage == MDL_STAGE_HIDDEN && index == c->layers)
            take_embeddings(run, mdl_pool(w->model, &w->context, batch, x));
    }
    if (stage == MDL_STAGE_CONV || stage == MDL_STAGE_HIDDEN) tell(run, stage, index, batch);
}
