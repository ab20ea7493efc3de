#include "model/checkpoint/params.h"

#include <string.h>

#include "engine/memory.h"

eng_status mdl_params_add(mdl_params *p, const char *name, size_t ndim, const size_t *shape, mdl_param_layout layout,
                          float *data, float *grad, eng_error *err)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 256;
        mdl_param *grown = eng_grow(p->param, p->count, capacity, sizeof *grown);
        if (!grown) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu parameters", capacity);
        p->param = grown;
        p->capacity = capacity;
    }
    mdl_param *new = &p->param[p->count];
    *new = (mdl_param){.name = eng_strdup(name), .ndim = ndim, .count = 1, .layout = layout, .data = data, .grad = grad, .rate = 1};
    if (!new->name) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu parameters", p->count + 1);
    for (size_t i = 0; i < ndim; i++) {
        new->shape[i] = shape[i];
        new->count *= shape[i];
    }
    p->count++;
    return ENG_OK;
}

void mdl_params_fini(mdl_params *p)
{
    for (size_t i = 0; i < p->count; i++) eng_free(p->param[i].name);
    eng_free(p->param);
    *p = (mdl_params){0};
}

const mdl_param *mdl_params_find(const mdl_params *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->param[i].name, name) == 0) return &p->param[i];
    return NULL;
}

size_t mdl_params_freeze(mdl_params *p, const char *prefix, bool frozen)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (strncmp(p->param[i].name, prefix, strlen(prefix)) != 0) continue;
        p->param[i].frozen = frozen;
        n++;
    }
    return n;
}

void mdl_params_set_rate(mdl_params *p, const char *prefix, double rate)
{
    for (size_t i = 0; i < p->count; i++)
        if (strncmp(p->param[i].name, prefix, strlen(prefix)) == 0) p->param[i].rate = rate;
}

mdl_span *mdl_params_learning(const mdl_params *p)
{
    mdl_span *spans = eng_alloc_zero(p->count, sizeof *spans);
    for (size_t i = 0; spans && i < p->count; i++)
        if (!p->param[i].frozen) spans[i].count = p->param[i].count;
    return spans;
}

void mdl_params_clear_gradients(const mdl_params *p)
{
    for (size_t i = 0; i < p->count; i++) memset(p->param[i].grad, 0, p->param[i].count * sizeof(float));
}

void mdl_param_read(const mdl_param *p, const float *what, float *out)
{
    if (p->layout == MDL_PARAM_AS_IS) {
        memcpy(out, what, p->count * sizeof *out);
        return;
    }
    size_t in = p->shape[1], kernel = p->shape[2];
    for (size_t o = 0; o < p->shape[0]; o++)
        for (size_t c = 0; c < in; c++)
            for (size_t tap = 0; tap < kernel; tap++)
                out[(o * in + c) * kernel + tap] = what[(o * kernel + tap) * in + c];
}
