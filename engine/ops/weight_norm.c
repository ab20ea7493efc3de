#include "engine/ops/weight_norm.h"

#include <math.h>
#include <string.h>

#include "engine/ops/reduce.h"
#include "engine/tape.h"

typedef struct weight_norm_saved {
    eng_normed_weight p;
    eng_tensor w;        /* [out, kernel * width] */
    const double *norms; /* [kernel] */
} weight_norm_saved;

/* Of the forward and the backward pass; a task is one output's weights. */
typedef struct weight_norm_run {
    const kern_table *k;
    eng_normed_weight p;
    eng_tensor w;
    const float *scale; /* [kernel]: g / n */
    const float *pull;  /* [kernel]: g s / n^3 */
    float *turned;      /* dw in v's order, [out, width, kernel] */
} weight_norm_run;

static void square_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const weight_norm_run *r = arg;
    size_t kernel = r->p.kernel;
    const float *v = r->p.v.data + first * kernel;
    r->k->channel_dot_f32(rows, kernel, v, kernel, v, kernel, sums);
}

static void dot_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const weight_norm_run *r = arg;
    size_t kernel = r->p.kernel;
    r->k->channel_dot_f32(rows, kernel, r->turned + first * kernel, kernel, r->p.v.data + first * kernel, kernel, sums);
}

static void scale_task(void *arg, size_t o, size_t worker)
{
    (void)worker;
    const weight_norm_run *r = arg;
    size_t width = r->p.width, kernel = r->p.kernel;
    r->k->transpose_f32(width, kernel, r->p.v.data + o * width * kernel, kernel, eng_row(r->w, o), width);
    r->k->scale_rows_f32(kernel, width, eng_row(r->w, o), width, r->scale);
}

static void turn_task(void *arg, size_t o, size_t worker)
{
    (void)worker;
    const weight_norm_run *r = arg;
    size_t width = r->p.width, kernel = r->p.kernel;
    r->k->transpose_f32(kernel, width, eng_grad_row(r->w, o), width, r->turned + o * width * kernel, kernel);
}

static void direction_task(void *arg, size_t o, size_t worker)
{
    (void)worker;
    const weight_norm_run *r = arg;
    size_t kernel = r->p.kernel;
    for (size_t i = o * r->p.width, end = i + r->p.width; i < end; i++) {
        const float *dw = r->turned + i * kernel, *v = r->p.v.data + i * kernel;
        float *dv = r->p.v.grad + i * kernel;
        for (size_t tap = 0; tap < kernel; tap++) dv[tap] += r->scale[tap] * dw[tap] - r->pull[tap] * v[tap];
    }
}

static void weight_norm_backward(eng_context *ctx, void *saved)
{
    const weight_norm_saved *s = saved;
    size_t kernel = s->p.kernel, rows = s->p.out * s->p.width;
    float *turned = eng_tensor_plain(ctx, rows, kernel).data, *factors = eng_tensor_plain(ctx, 2, kernel).data;
    double *dots = eng_arena_alloc(ctx->arena, kernel, sizeof *dots);
    if (!dots) eng_out_of_memory(ctx, "weight norm's gradient", kernel * sizeof *dots);
    if (!eng_good(ctx)) return;
    float *scale = factors, *pull = factors + kernel;
    weight_norm_run run = {&ctx->k, s->p, s->w, scale, pull, turned};
    eng_pool_run(ctx->pool, s->p.out, turn_task, &run);
    if (!eng_reduce_rows(ctx, rows, kernel, dot_rows, &run, dots)) return;
    for (size_t tap = 0; tap < kernel; tap++) {
        double n = s->norms[tap], g = s->p.g.data[tap];
        scale[tap] = (float)(g / n);
        pull[tap] = (float)(g * dots[tap] / (n * n * n));
        if (s->p.g.grad) s->p.g.grad[tap] += (float)(dots[tap] / n);
    }
    if (s->p.v.grad) eng_pool_run(ctx->pool, s->p.out, direction_task, &run);
}

const eng_weight *eng_weight_norm(eng_context *ctx, eng_normed_weight p)
{
    if (!eng_good(ctx)) return NULL;
    ENG_CHECK(p.groups > 0 && p.out % p.groups == 0, "weight norm: %zu outputs, %zu groups", p.out, p.groups);
    bool learns = ctx->tape && (p.v.grad || p.g.grad);
    size_t depth = p.kernel * p.width, outputs = p.out / p.groups;
    eng_tensor w = learns ? eng_tensor_new(ctx, p.out, depth) : eng_tensor_plain(ctx, p.out, depth);
    eng_weight *weights = eng_arena_alloc(ctx->arena, p.groups, sizeof *weights);
    double *norms = eng_arena_alloc(ctx->arena, p.kernel, sizeof *norms);
    float *scale = eng_tensor_plain(ctx, 1, p.kernel).data;
    if (!weights || !norms) eng_out_of_memory(ctx, "weight norm", p.groups * sizeof *weights);
    if (!eng_good(ctx)) return NULL;

    weight_norm_run run = {.k = &ctx->k, .p = p, .w = w, .scale = scale};
    if (!eng_reduce_rows(ctx, p.out * p.width, p.kernel, square_rows, &run, norms)) return NULL;
    for (size_t tap = 0; tap < p.kernel; tap++) {
        norms[tap] = sqrt(norms[tap]);
        scale[tap] = (float)(p.g.data[tap] / norms[tap]);
    }
    eng_pool_run(ctx->pool, p.out, scale_task, &run);
    memset(weights, 0, p.groups * sizeof *weights);
    for (size_t i = 0; i < p.groups; i++) {
        eng_tensor rows = eng_rows(w, i * outputs, outputs);
        weights[i] = (eng_weight){.n = outputs, .k = depth, .data = rows.data, .grad = rows.grad};
    }
    weight_norm_saved *s = learns ? eng_record(ctx, weight_norm_backward, sizeof *s) : NULL;
    if (s) *s = (weight_norm_saved){p, w, norms};
    return eng_good(ctx) ? weights : NULL;
}
