#include "model/checkpoint/average.h"

#include <string.h>

#include "engine/memory.h"

eng_status mdl_average_init(mdl_average *a, const mdl_params *p, const mdl_span *own, eng_error *err)
{
    *a = (mdl_average){.count = p->count, .own = mdl_params_learning(p)};
    a->value = eng_alloc_zero(p->count, sizeof *a->value);
    bool failed = !a->value || !a->own;
    if (!failed && own) memcpy(a->own, own, p->count * sizeof *own);
    for (size_t i = 0; i < p->count && !failed; i++) {
        const mdl_span s = a->own[i];
        if (!s.count) continue;
        a->value[i] = eng_alloc(s.count, sizeof(float));
        failed = !a->value[i];
        if (!failed) memcpy(a->value[i], p->param[i].data + s.first, s.count * sizeof(float));
    }
    return failed ? eng_fail(err, ENG_E_MEMORY, "out of memory for the average of the weights") : ENG_OK;
}

void mdl_average_fini(mdl_average *a)
{
    for (size_t i = 0; a->value && i < a->count; i++) eng_free(a->value[i]);
    eng_free(a->value);
    eng_free(a->own);
    *a = (mdl_average){0};
}

void mdl_average_step(mdl_average *a, const mdl_params *p, double decay, size_t t)
{
    double early = (1 + (double)t) / (10 + (double)t);
    float share = (float)(1 - (early < decay ? early : decay));
    for (size_t i = 0; i < a->count && a->value; i++) {
        float *average = a->value[i];
        const float *x = p->param[i].data + a->own[i].first;
        for (size_t j = 0; j < a->own[i].count; j++) average[j] += share * (x[j] - average[j]);
    }
}

void mdl_average_swap(mdl_average *a, const mdl_params *p)
{
    for (size_t i = 0; i < a->count && a->value; i++) {
        float *average = a->value[i], *x = p->param[i].data + a->own[i].first;
        for (size_t j = 0; j < a->own[i].count; j++) {
            float kept = x[j];
            x[j] = average[j];
            average[j] = kept;
        }
    }
}
