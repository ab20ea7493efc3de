#include "engine/ops/layer_norm.h"

#include "engine/ops/reduce.h"
#include "engine/tape.h"

enum { ROWS_A_TASK = 32 };

typedef struct norm_run {
    const kern_table *k;
    eng_tensor x, y;
    const float *gamma, *beta;
    float eps;
    float *mean, *rstd; /* [rows], kept for the backward pass; else NULL */
} norm_run;

static void norm_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    norm_run *r = arg;
    size_t first = task * ROWS_A_TASK, left = r->x.rows - first;
    size_t rows = left < ROWS_A_TASK ? left : ROWS_A_TASK;
    r->k->layer_norm_f32(rows, r->x.cols, eng_row(r->x, first), r->x.stride, r->gamma, r->beta, r->eps,
                         eng_row(r->y, first), r->y.stride, r->mean ? r->mean + first : NULL,
                         r->rstd ? r->rstd + first : NULL);
}

typedef struct norm_saved {
    eng_tensor x, y;
    eng_vector gamma, beta;
    const float *mean, *rstd;
    const kern_table *k; /* set in the backward pass */
} norm_saved;

static void norm_backward_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const norm_saved *s = arg;
    size_t n = s->x.cols;
    s->k->layer_norm_backward_f32(rows, n, eng_row(s->x, first), s->x.stride, s->gamma.data, s->mean + first,
                                  s->rstd + first, eng_grad_row(s->y, first), s->y.stride,
                                  s->x.grad ? eng_grad_row(s->x, first) : NULL, s->x.stride, sums, sums + n);
}

static void norm_backward(eng_context *ctx, void *saved)
{
    norm_saved *s = saved;
    size_t n = s->x.cols;
    double *sums = eng_arena_alloc(ctx->arena, 2 * n, sizeof *sums);
    if (!sums) {
        eng_out_of_memory(ctx, "a layer norm's gradient", 2 * n * sizeof *sums);
        return;
    }
    s->k = &ctx->k;
    if (!eng_reduce_rows(ctx, s->x.rows, 2 * n, norm_backward_rows, s, sums)) return;
    eng_add_sums(n, sums, s->gamma.grad);
    eng_add_sums(n, sums + n, s->beta.grad);
}

void eng_layer_norm_into(eng_context *ctx, eng_tensor x, eng_vector gamma, eng_vector beta, float eps, eng_tensor y)
{
    if (!eng_good(ctx)) return;
    ENG_CHECK(x.rows == y.rows && x.cols == y.cols, "layer norm: x [%zu, %zu], y [%zu, %zu]", x.rows, x.cols, y.rows,
              y.cols);
    ENG_CHECK(!ctx->tape || x.data != y.data, "layer norm in place under a tape: [%zu, %zu]", x.rows, x.cols);
    norm_run run = {&ctx->k, x, y, gamma.data, beta.data, eps, NULL, NULL};
    if (ctx->tape) {
        run.mean = eng_tensor_plain(ctx, 1, x.rows).data;
        run.rstd = eng_tensor_plain(ctx, 1, x.rows).data;
        if (!eng_good(ctx)) return;
    }
    eng_op_begin(ctx, "layer_norm", x.rows, x.cols, 0);
    eng_pool_run(ctx->pool, (x.rows + ROWS_A_TASK - 1) / ROWS_A_TASK, norm_task, &run);
    eng_op_end(ctx);
    norm_saved *s = eng_record(ctx, norm_backward, sizeof *s);
    if (s) *s = (norm_saved){x, y, gamma, beta, run.mean, run.rstd, NULL};
}

eng_tensor eng_layer_norm(eng_context *ctx, eng_tensor x, eng_vector gamma, eng_vector beta, float eps)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, x.cols);
    eng_layer_norm_into(ctx, x, gamma, beta, eps, y);
    return y;
}
