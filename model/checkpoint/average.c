#include "model/checkpoint/average.h"

#include <string.h>

#include "engine/memory.h"

eng_status mdl_average_init(mdl_average *a, const mdl_params *p, eng_error *err)
{
    *a = (mdl_average){.count = p->count, .value = eng_alloc_zero(p->count, sizeof *a->value)};
    bool failed = !a->value;
    for (size_t i = 0; i < p->count && !failed; i++) {
        if (p->param[i].frozen) continue;
        a->value[i] = eng_alloc(p->param[i].count, sizeof(float));
        failed = !a->value[i];
        if (!failed) memcpy(a->value[i], p->param[i].data, p->param[i].count * sizeof(float));
    }
    return failed ? eng_fail(err, ENG_E_MEMORY, "out of memory for the average of the weights") : ENG_OK;
}

void mdl_average_fini(mdl_average *a)
{
    for (size_t i = 0; a->value && i < a->count; i++) eng_free(a->value[i]);
    eng_free(a->value);
    *a = (mdl_average){0};
}

void mdl_average_step(mdl_average *a, const mdl_params *p, double decay, size_t t)
{
    double early = (1 + (double)t) / (10 + (double)t);
    float share = (float)(1 - (early < decay ? early : decay));
    for (size_t i = 0; i < a->count && a->value; i++) {
        float *average = a->value[i];
        const float *x = p->param[i].data;
        for (size_t j = 0; average && j < p->param[i].count; j++) average[j] += share * (x[j] - average[j]);
    }
}

void mdl_average_swap(mdl_average *a, const mdl_params *p)
{
    for (size_t i = 0; i < a->count && a->value; i++) {
        float *average = a->value[i], *x = p->param[i].data;
        for (size_t j = 0; average && j < p->param[i].count; j++) {
            float kept = x[j];
            x[j] = average[j];
            average[j] = kept;
        }
    }
}
