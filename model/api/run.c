/* Inputs through the model: checked, run as one batch, turned into a result. */
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/threads.h"
#include "model/api/parts.h"
#include "model/network/forward.h"

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
        return mdl_api_report(&e, err);
    }
    *out = run.result;
    return WLM_OK;
}
