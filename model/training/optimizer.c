#include "model/training/optimizer.h"

#include <math.h>
#include <string.h>

#include "engine/math/math.h"

enum { PIECE = 1 << 16 };

mdl_adamw mdl_adamw_defaults(void)
{
    return (mdl_adamw){.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
}

eng_status mdl_optimizer_init(mdl_optimizer *o, const mdl_params *p, eng_error *err)
{
    *o = (mdl_optimizer){.count = p->count};
    o->mean = eng_alloc_zero(p->count, sizeof *o->mean);
    o->square = eng_alloc_zero(p->count, sizeof *o->square);
    bool failed = !o->mean || !o->square;
    for (size_t i = 0; i < p->count && !failed; i++) {
        if (p->param[i].frozen) continue;
        o->mean[i] = eng_alloc_zero(p->param[i].count, sizeof(float));
        o->square[i] = eng_alloc_zero(p->param[i].count, sizeof(float));
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
    eng_free(o->mean);
    eng_free(o->square);
    *o = (mdl_optimizer){0};
}

typedef struct step_run {
    const kern_table *k;
    const mdl_param *param;
    float *mean, *square;
    kern_adamw a;
} step_run;

static void step_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const step_run *r = arg;
    size_t first = task * PIECE, left = r->param->count - first, n = left < PIECE ? left : PIECE;
    float *grad = r->param->grad + first;
    if (!r->param->frozen) r->k->adamw_f32(n, r->param->data + first, grad, r->mean + first, r->square + first, &r->a);
    memset(grad, 0, n * sizeof *grad); /* while it is in the cache */
}

/* ---- The gradient's length ---- */

typedef struct norm_run {
    const kern_table *k;
    const mdl_param *param;
    double *squares; /* a piece */
} norm_run;

static void norm_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const norm_run *r = arg;
    size_t first = task * PIECE, left = r->param->count - first;
    r->squares[task] = r->k->sum_squares_f32(left < PIECE ? left : PIECE, r->param->grad + first);
}

double mdl_gradient_norm(const mdl_params *p, eng_context *ctx)
{
    double sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->param[i].frozen) continue;
        eng_arena_mark mark = eng_arena_save(ctx->arena);
        size_t pieces = (p->param[i].count + PIECE - 1) / PIECE;
        double *squares = eng_arena_alloc(ctx->arena, pieces, sizeof *squares);
        if (!squares) {
            eng_out_of_memory(ctx, "the gradient's norm", pieces * sizeof *squares);
            return NAN;
        }
        norm_run run = {&ctx->k, &p->param[i], squares};
        eng_pool_run(ctx->pool, pieces, norm_task, &run);
        for (size_t piece = 0; piece < pieces; piece++) sum += squares[piece];
        eng_arena_rewind(ctx->arena, mark);
    }
    return sqrt(sum);
}

/* ---- A step ---- */

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
        step_run run = {&ctx->k, &p->param[i], o->mean[i], o->square[i],
                        step_constants(a, rate, (double)o->step, gradient_scale)};
        eng_pool_run(ctx->pool, (p->param[i].count + PIECE - 1) / PIECE, step_task, &run);
    }
}
