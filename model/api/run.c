/* Inputs through the model: checked, run as one batch, turned into a result. */
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/threads.h"
#include "model/api/parts.h"
#include "model/network/forward.h"

static eng_status read_input(const wlm_model *w, const wlm_input *input, mdl_input *out, eng_error *err)
{
    const mdl_config *c = &w->model->config;
    const char *gender = input->gender;
    *out = (mdl_input){input->samples, input->count, -1, input->text};
    if (mdl_api_check_reserved(input->reserved, sizeof input->reserved / sizeof *input->reserved, "wlm_input", err))
        return ENG_E_UNSUPPORTED;
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

static eng_status read_inputs(mdl_api_run *run, const wlm_input *inputs, unsigned flags, eng_error *err)
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

static eng_status new_result(const wlm_model *w, size_t n, const wlm_input *inputs, wlm_result **out, eng_error *err)
{
    wlm_result *r = *out = eng_alloc_zero(1, sizeof *r);
    if (!r) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    *r = (wlm_result){.n = n, .labels = wlm_model_labels(w), .width = wlm_model_width(w)};
    size_t outputs;
    if (eng_mul_size(n, r->labels, &outputs)) {
        r->logits = eng_alloc(outputs, sizeof *r->logits);
        r->scores = eng_alloc(outputs, sizeof *r->scores);
    }
    r->span = eng_alloc_zero(n, sizeof *r->span);
    if (!r->logits || !r->scores || !r->span) return eng_fail(err, ENG_E_MEMORY, "out of memory for the results");
    for (size_t u = 0; u < n; u++) r->span[u][1] = inputs[u].count;
    return ENG_OK;
}

static eng_status check_finite(const wlm_result *r, size_t u, eng_error *err)
{
    for (size_t i = 0; r->hidden && i < r->states * r->frames[u] * r->width; i++)
        if (!isfinite(r->hidden[u][i]))
            return eng_fail(err, ENG_E_MISMATCH,
                            "hidden state %zu is not finite: the model's weights do not fit (or hold NaN)",
                            i / (r->frames[u] * r->width));
    for (size_t i = 0; r->embedding && i < r->pooled; i++)
        if (!isfinite(r->embedding[u * r->pooled + i]))
            return eng_fail(err, ENG_E_MISMATCH,
                            "the embedding is not finite: the model's weights do not fit (or hold NaN)");
    for (size_t i = 0; i < r->labels; i++)
        if (!isfinite(r->logits[u * r->labels + i]))
            return eng_fail(err, ENG_E_MISMATCH,
                            "the model's output is not a finite number: its weights do not fit");
    return ENG_OK;
}

/* Scores of the utterances that were run, whose logits lie one after the other. */
static eng_status fill_scores(const mdl_api_run *run, unsigned flags, eng_error *err)
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

static eng_status run_model(wlm_model *w, mdl_api_run *run, const wlm_input *inputs, eng_error *err)
{
    const wlm_run_options *o = run->options;
    mdl_observer observer = {mdl_api_observe, run};
    bool observes = o->flags & (WLM_HIDDEN_STATES | WLM_EMBEDDINGS) || o->progress;
    eng_status status = read_inputs(run, inputs, o->flags, err);
    if (!status) status = mdl_api_keep(run, err);
    eng_pool_watch(w->pool, o->cancel ? &o->cancel->asked : NULL);
    if (!status && eng_pool_stopped(w->pool)) status = eng_fail(err, ENG_E_CANCELLED, "cancelled");
    if (!status)
        status = mdl_forward(w->model, &w->context, run->n, run->input, run->result->logits, observes ? &observer : NULL,
                             err);
    eng_pool_watch(w->pool, NULL);
    if (!status) status = fill_scores(run, o->flags, err);
    if (!status && o->progress) o->progress(o->progress_arg, 1);
    return status;
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

int wlm_run_with(wlm_model *w, size_t n, const wlm_input *inputs, const wlm_run_options *options, wlm_result **out,
                 wlm_error *err)
{
    static const wlm_run_options none = {0};
    eng_error e = {0};
    *out = NULL;
    mdl_api_run run = {.model = w, .options = options ? options : &none};
    eng_status status = mdl_api_check_run(w, run.options, &e);
    if (!status) {
        run.input = eng_alloc(n, sizeof *run.input);
        run.place = eng_alloc(n, sizeof *run.place);
        if (!run.input || !run.place) status = eng_fail(&e, ENG_E_MEMORY, "out of memory for %zu inputs", n);
    }
    if (!status) status = new_result(w, n, inputs, &run.result, &e);
    if (!status) status = run_model(w, &run, inputs, &e);
    eng_free(run.input);
    eng_free(run.place);
    if (status == ENG_E_MEMORY) trim_memory(w);
    if (status) {
        wlm_result_free(run.result);
        return mdl_api_report(&e, err);
    }
    *out = run.result;
    return WLM_OK;
}

int wlm_run(wlm_model *w, size_t n, const wlm_input *inputs, unsigned flags, wlm_result **out, wlm_error *err)
{
    return wlm_run_with(w, n, inputs, &(wlm_run_options){.flags = flags}, out, err);
}
