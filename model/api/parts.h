/* What stands behind the handles of wlm.h; for this folder alone. */
#ifndef MODEL_API_PARTS_H
#define MODEL_API_PARTS_H

#include "engine/context.h"
#include "model/network/model.h"
#include "model/wlm.h"

struct wlm_model {
    mdl_model *model;
    eng_pool *pool;
    eng_arena arena; /* of context */
    eng_context context;
    const char *note; /* of wlm_model_note; NULL, a literal or repacked */
    char repacked[256];
};

struct wlm_result {
    size_t n, labels, states, width;
    float *logits, *scores; /* [n, labels] */
    float **hidden;         /* [n] of [states, frames, width], or NULL */
    size_t *frames;         /* [n] */
    eng_error *failure;     /* [n], status ENG_OK where there is none; NULL: none failed */
};

/* from in the form of the API, into err unless that is NULL; from's status. */
int mdl_api_report(const eng_error *from, wlm_error *err);

#endif
