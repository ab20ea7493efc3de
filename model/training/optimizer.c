#include "model/training/optimizer.h"

#include <math.h>
#include <string.h>

#include "engine/math/math.h"

enum { PIECE = 1 << 16 };

mdl_adamw mdl_adamw_defaults(void)
{
    return (mdl_adamw){.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
}

eng_status mdl_optimizer_init(mdl_optimizer *o, const mdl_params *p, const mdl_span *own, eng_error *err)
{
    *o = (mdl_optimizer){.count = p->count};
    o->own = mdl_params_learning(p);
    o->mean = eng_alloc_zero(p->count, sizeof *o->mean);
    o->square = eng_alloc_zero(p->count, sizeof *o->square);
    bool failed = !o->own || !o->mean || !o->square;
    if (!failed && own) memcpy(o->own, own, p->count * sizeof *own);
    for (size_t i = 0; i < p->count && !failed; i++) {
        if (!o->own[i].count) continue;
        o->mean[i] = eng_alloc_zero(o->own[i].count, sizeof(float));
        o->square[i] = eng_alloc_zero(o->own[i].count, sizeof(float));
        failed = !o->mean[i] || !o->square[i];
    }
    return failed ? eng_fail(err, ENG_E_MEMORY, "out of memory for the optimizer's state") : ENG_OK;
}

void mdl_optimizer_fini(mdl_optimizer *o)
{
    for (size_t i = 0; i < o->count; i++) {
        if (o->mean) eng_free(o->mean[i]);
        if (o->square) eng_free(o->square[i]);
    }
    eng_free(o->own);
    eng_free(o->mean);
    eng_free(o->square);
    *o = (mdl_optimizer){0};
}

typedef struct step_run {
    const kern_table *k;
    const mdl_param *param;
    mdl_span own;
    float *mean, *square;
    kern_adamw a;
} step_run;

static void step_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const step_run *r = arg;
    const size_t first = task * PIECE, left = r->param->count - first, end = first + (left < PIECE ? left : PIECE);
    const size_t own_end = r->own.first + r->own.count;
    const size_t from = first > r->own.first ? first : r->own.first, to = end < own_end ? end : own_end;
    float *grad = r->param->grad;
    if (from < to) {
        const size_t at = from - r->own.first;
        r->k->adamw_f32(to - from, r->param->data + from, grad + from, r->mean + at, r->square + at, &r->a);
    }
    memset(grad + first, 0, (end - first) * sizeof *grad); /* while it is in the cache */
}

static kern_adamw step_constants(const mdl_adamw *a, double rate, double t, double gradient_scale)
{
    return (kern_adamw){.decay = (float)(1 - rate * a->weight_decay),
                        .step_size = (float)(rate / (1 - eng_pow(a->beta1, t))),
                        .root = (float)sqrt(1 - eng_pow(a->beta2, t)),
                        .eps = (float)a->eps,
                        .beta1 = (float)a->beta1,
                        .one_minus_beta1 = (float)(1 - a->beta1),
                        .beta2 = (float)a->beta2,
                        .one_minus_beta2 = (float)(1 - a->beta2),
                        .grad_scale = (float)gradient_scale};
}

void mdl_optimizer_step(mdl_optimizer *o, const mdl_params *p, eng_context *ctx, const mdl_adamw *a,
                        double gradient_scale)
{
    o->step++;
    for (size_t i = 0; i < p->count; i++) {
        double rate = a->learning_rate * p->param[i].rate;
        step_run run = {&ctx->k, &p->param[i], o->own[i], o->mean[i], o->square[i],
                        step_constants(a, rate, (double)o->step, gradient_scale)};
        eng_pool_run(ctx->pool, (p->param[i].count + PIECE - 1) / PIECE, step_task, &run);
    }
}
