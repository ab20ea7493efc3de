/* What stands behind the handles of wlm.h; for this folder alone. */
#ifndef MODEL_API_PARTS_H
#define MODEL_API_PARTS_H

#include <stdatomic.h>

#include "engine/context.h"
#include "model/network/forward.h"
#include "model/network/model.h"
#include "model/wlm.h"

/* What the handles of one model share. Nothing here is written once the first of them is open, but for the count. */
typedef struct mdl_api_weights {
    mdl_model *model;
    const char *note; /* of wlm_model_note; NULL, a literal or repacked */
    char repacked[256];
    atomic_size_t handles; /* the last one frees */
} mdl_api_weights;

struct wlm_model {
    mdl_api_weights *weights;
    const mdl_model *model; /* in weights */
    eng_pool *pool;
    eng_arena arena; /* of context */
    eng_context context;
};

struct wlm_cancel {
    atomic_bool asked;
};

struct wlm_result {
    size_t n, labels, width, pooled;
    float *logits, *scores; /* [n, labels] */
    float *embedding;       /* [n, pooled], or NULL */
    float **hidden;         /* [n] of [states, frames, width], or NULL */
    size_t states;          /* that are kept of each utterance */
    size_t *frames;         /* [n], with hidden */
    size_t (*span)[2];      /* [n]: begin, end */
    eng_error *failure;     /* [n], status ENG_OK where there is none; NULL: none failed */
};

/* from in the form of the API, into err unless that is NULL; from's status. */
int mdl_api_report(const eng_error *from, wlm_error *err);

/* WLM_E_UNSUPPORTED where one of a struct's reserved fields is set. */
eng_status mdl_api_check_reserved(const size_t *reserved, size_t count, const char *name, eng_error *err);

/* The inputs of a call that can be run, and where their results go. */
typedef struct mdl_api_run {
    wlm_model *model;
    const wlm_run_options *options;
    wlm_result *result;
    size_t n;
    mdl_input *input; /* [n] */
    size_t *place;    /* [n], rising: which utterances of the result they are */
    double done;      /* share of the work that progress was told */
} mdl_api_run;

/* Whether there is all that a run on model is asked for. */
eng_status mdl_api_check_run(const wlm_model *model, const wlm_run_options *o, eng_error *err);

/* Makes room for what run->options asks to be kept. */
eng_status mdl_api_keep(const mdl_api_run *run, eng_error *err);

/* An observer's fn (forward.h), whose arg is an mdl_api_run: keeps that, and tells the progress. */
void mdl_api_observe(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x);

#endif
