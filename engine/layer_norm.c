#include "engine/layer_norm.h"

enum { ROWS_A_TASK = 32 };

typedef struct norm_run {
    const kern_table *k;
    eng_tensor x, y;
    const float *gamma, *beta;
    float eps;
} norm_run;

static void norm_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    norm_run *r = arg;
    size_t first = task * ROWS_A_TASK, left = r->x.rows - first;
    size_t rows = left < ROWS_A_TASK ? left : ROWS_A_TASK;
    r->k->layer_norm_f32(rows, r->x.cols, eng_row(r->x, first), r->x.stride, r->gamma, r->beta, r->eps,
                         eng_row(r->y, first), r->y.stride, NULL, NULL);
}

void eng_layer_norm_into(eng_context *ctx, eng_tensor x, const float *gamma, const float *beta, float eps,
                         eng_tensor y)
{
    if (!eng_good(ctx)) return;
    ENG_CHECK(x.rows == y.rows && x.cols == y.cols, "layer norm: x [%zu, %zu], y [%zu, %zu]", x.rows, x.cols, y.rows,
              y.cols);
    norm_run run = {&ctx->k, x, y, gamma, beta, eps};
    eng_pool_run(ctx->pool, (x.rows + ROWS_A_TASK - 1) / ROWS_A_TASK, norm_task, &run);
}

eng_tensor eng_layer_norm(eng_context *ctx, eng_tensor x, const float *gamma, const float *beta, float eps)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, x.cols);
    eng_layer_norm_into(ctx, x, gamma, beta, eps, y);
    return y;
}
