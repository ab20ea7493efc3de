#include "engine/ops/activation.h"

#include <string.h>

#include "engine/tape.h"

enum { ROWS_A_TASK = 32 };

typedef struct activation_run {
    const kern_table *k;
    eng_tensor x, y;
    kern_act act;
} activation_run;

static size_t task_rows(size_t rows, size_t task)
{
    size_t left = rows - task * ROWS_A_TASK;
    return left < ROWS_A_TASK ? left : ROWS_A_TASK;
}

static size_t task_count(size_t rows)
{
    return (rows + ROWS_A_TASK - 1) / ROWS_A_TASK;
}

static void activation_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    activation_run *r = arg;
    for (size_t i = task * ROWS_A_TASK, end = i + task_rows(r->x.rows, task); i < end; i++) {
        const float *x = eng_row(r->x, i);
        float *y = eng_row(r->y, i);
        switch (r->act) {
        case KERN_ACT_GELU: r->k->gelu_f32(r->x.cols, x, y); break;
        case KERN_ACT_RELU: r->k->relu_f32(r->x.cols, x, y); break;
        case KERN_ACT_TANH: r->k->tanh_f32(r->x.cols, x, y); break;
        case KERN_ACT_NONE: memmove(y, x, r->x.cols * sizeof *y); break;
        }
    }
}

static void activation_backward_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    activation_run *r = arg;
    for (size_t i = task * ROWS_A_TASK, end = i + task_rows(r->x.rows, task); i < end; i++) {
        const float *dy = eng_grad_row(r->y, i);
        float *dx = eng_grad_row(r->x, i);
        switch (r->act) {
        case KERN_ACT_GELU: r->k->gelu_backward_f32(r->x.cols, eng_row(r->x, i), dy, dx); break;
        case KERN_ACT_RELU: r->k->relu_backward_f32(r->x.cols, eng_row(r->x, i), dy, dx); break;
        case KERN_ACT_TANH: r->k->tanh_backward_f32(r->x.cols, eng_row(r->y, i), dy, dx); break;
        case KERN_ACT_NONE: r->k->add_f32(r->x.cols, dx, dy, dx); break;
        }
    }
}

typedef struct activation_saved {
    eng_tensor x, y;
    kern_act act;
} activation_saved;

static void activation_backward(eng_context *ctx, void *saved)
{
    const activation_saved *s = saved;
    activation_run run = {&ctx->k, s->x, s->y, s->act};
    eng_pool_run(ctx->pool, task_count(s->x.rows), activation_backward_task, &run);
}

void eng_activation_into(eng_context *ctx, eng_tensor x, kern_act act, eng_tensor y)
{
    if (!eng_good(ctx)) return;
    ENG_CHECK(x.rows == y.rows && x.cols == y.cols, "activation: x [%zu, %zu], y [%zu, %zu]", x.rows, x.cols, y.rows,
              y.cols);
    activation_run run = {&ctx->k, x, y, act};
    eng_pool_run(ctx->pool, task_count(x.rows), activation_task, &run);
    if (!x.grad) return;
    activation_saved *s = eng_record(ctx, activation_backward, sizeof *s);
    if (s) *s = (activation_saved){x, y, act};
}

typedef struct accumulate_run {
    const kern_table *k;
    size_t rows, cols;
    const float *src;
    size_t lds;
    float *dst;
    size_t ldd;
} accumulate_run;

static void accumulate_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    accumulate_run *r = arg;
    for (size_t i = task * ROWS_A_TASK, end = i + task_rows(r->rows, task); i < end; i++)
        r->k->add_f32(r->cols, r->dst + i * r->ldd, r->src + i * r->lds, r->dst + i * r->ldd);
}

void eng_accumulate(eng_context *ctx, size_t rows, size_t cols, const float *src, size_t lds, float *dst, size_t ldd)
{
    if (!src || !dst) return;
    accumulate_run run = {&ctx->k, rows, cols, src, lds, dst, ldd};
    eng_pool_run(ctx->pool, task_count(rows), accumulate_task, &run);
}

typedef struct sum_saved {
    eng_tensor a, b, y;
} sum_saved;

typedef struct sum_run {
    const kern_table *k;
    sum_saved t;
} sum_run;

static void sum_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    sum_run *r = arg;
    for (size_t i = task * ROWS_A_TASK, end = i + task_rows(r->t.y.rows, task); i < end; i++)
        r->k->add_f32(r->t.y.cols, eng_row(r->t.a, i), eng_row(r->t.b, i), eng_row(r->t.y, i));
}

static void sum_backward(eng_context *ctx, void *saved)
{
    const sum_saved *s = saved;
    eng_accumulate(ctx, s->y.rows, s->y.cols, s->y.grad, s->y.stride, s->a.grad, s->a.stride);
    eng_accumulate(ctx, s->y.rows, s->y.cols, s->y.grad, s->y.stride, s->b.grad, s->b.stride);
}

void eng_sum_into(eng_context *ctx, eng_tensor a, eng_tensor b, eng_tensor y)
{
    if (!eng_good(ctx)) return;
    ENG_CHECK(a.rows == y.rows && a.cols == y.cols && b.rows == y.rows && b.cols == y.cols,
              "sum: a [%zu, %zu], b [%zu, %zu], y [%zu, %zu]", a.rows, a.cols, b.rows, b.cols, y.rows, y.cols);
    sum_run run = {&ctx->k, {a, b, y}};
    eng_pool_run(ctx->pool, task_count(y.rows), sum_task, &run);
    sum_saved *s = eng_record(ctx, sum_backward, sizeof *s);
    if (s) *s = run.t;
}
