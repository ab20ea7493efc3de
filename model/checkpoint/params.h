/* A model's parameters, by name. Of a trainable model: what the optimizer steps over, what is saved, whose gradients tests
 * compare. Of one that is loaded to be converted: what is written, packed weights among it. */
#ifndef MODEL_CHECKPOINT_PARAMS_H
#define MODEL_CHECKPOINT_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/gemm/gemm.h"

/* How a parameter lies in memory. */
typedef enum mdl_param_layout {
    MDL_PARAM_AS_IS,   /* as in the checkpoint */
    MDL_PARAM_CONV     /* [out, in, kernel] lies as [out, kernel, in] */
} mdl_param_layout;

/* data and grad [count]: the model's own memory; grad NULL in a model to be converted. */
typedef struct mdl_param {
    char *name; /* canonical (weights/names.h) */
    size_t ndim, shape[4], count;
    mdl_param_layout layout;
    float *data, *grad;
    bool frozen; /* the optimizer leaves it alone */
    double rate; /* its learning rate, as a multiple of the optimizer's; 1 at first */
    eng_packed packed; /* to be converted: a weight [n, k] whose storage is the model's; then there is no data */
} mdl_param;

/* Elements [first, first + count) of a parameter. */
typedef struct mdl_span {
    size_t first, count;
} mdl_span;

typedef struct mdl_params {
    size_t count, capacity;
    mdl_param *param; /* in the order of loading */
} mdl_params;

/* Appends a parameter; data and grad are borrowed. */
eng_status mdl_params_add(mdl_params *p, const char *name, size_t ndim, const size_t *shape, mdl_param_layout layout,
                          float *data, float *grad, eng_error *err);
void mdl_params_fini(mdl_params *p);

/* NULL when there is none of that name. */
const mdl_param *mdl_params_find(const mdl_params *p, const char *name);

/* Freezes (or thaws) every parameter whose name begins so; returns how many there are. */
size_t mdl_params_freeze(mdl_params *p, const char *prefix, bool frozen);

/* Sets the rate of every parameter whose name begins so. */
void mdl_params_set_rate(mdl_params *p, const char *prefix, double rate);

/* Spans [p->count], the whole of every parameter that is not frozen and nothing of the others; NULL when out of memory.
 * Free with eng_free. */
mdl_span *mdl_params_learning(const mdl_params *p);

/* Sets every gradient to zero. */
void mdl_params_clear_gradients(const mdl_params *p);

/* Copies a parameter (or its gradient: what = p->grad) to out [count] in the checkpoint's layout. */
void mdl_param_read(const mdl_param *p, const float *what, float *out);

#endif
