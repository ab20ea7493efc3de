#include "model/network/mix.h"

#include <string.h>

#include "engine/ops/reduce.h"
#include "engine/tape.h"

enum { ROWS_A_TASK = 64 };

typedef struct scaled_run {
    const kern_table *k;
    size_t rows, cols;
    float scale;
    const float *x;
    size_t ldx;
    float *y;
    size_t ldy;
} scaled_run;

static void scaled_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    scaled_run *r = arg;
    for (size_t i = task * ROWS_A_TASK; i < r->rows && i < (task + 1) * ROWS_A_TASK; i++)
        r->k->axpy_f32(r->cols, r->scale, r->x + i * r->ldx, r->y + i * r->ldy);
}

/* y += scale * x */
static void add_scaled(eng_context *ctx, size_t rows, size_t cols, float scale, const float *x, size_t ldx, float *y,
                       size_t ldy)
{
    scaled_run run = {&ctx->k, rows, cols, scale, x, ldx, y, ldy};
    eng_pool_run(ctx->pool, (rows + ROWS_A_TASK - 1) / ROWS_A_TASK, scaled_task, &run);
}

/* ---- softmax(layer_weights) ---- */

typedef struct weights_saved {
    eng_vector layer_weights;
    const float *weight;
    const double *dweight;
    size_t states;
} weights_saved;

static void weights_backward(eng_context *ctx, void *saved)
{
    (void)ctx;
    const weights_saved *s = saved;
    double mean = 0;
    for (size_t i = 0; i < s->states; i++) mean += s->weight[i] * s->dweight[i];
    for (size_t i = 0; i < s->states; i++)
        s->layer_weights.grad[i] += (float)(s->weight[i] * (s->dweight[i] - mean));
}

mdl_mix mdl_mix_begin(eng_context *ctx, eng_vector layer_weights, size_t states, size_t rows, size_t cols)
{
    mdl_mix mix = {0};
    float *weight = eng_tensor_plain(ctx, 1, states).data;
    eng_tensor sum = eng_tensor_new(ctx, rows, cols);
    double *dweight = NULL;
    bool wanted = ctx->tape && layer_weights.grad;
    if (wanted && !(dweight = eng_arena_alloc(ctx->arena, states, sizeof *dweight)))
        eng_out_of_memory(ctx, "the layer weights' gradient", states * sizeof *dweight);
    if (!eng_good(ctx)) return mix;
    ctx->k.softmax_f32(states, layer_weights.data, weight);
    memset(sum.data, 0, rows * cols * sizeof(float));
    mix = (mdl_mix){sum, weight, dweight};
    if (!wanted) return mix;
    memset(dweight, 0, states * sizeof *dweight);
    weights_saved *s = eng_record(ctx, weights_backward, sizeof *s);
    if (s) *s = (weights_saved){layer_weights, weight, dweight, states};
    return mix;
}

/* ---- One state ---- */

typedef struct state_saved {
    mdl_mix mix;
    size_t index;
    eng_tensor state;
    const kern_table *k; /* set in the backward pass */
} state_saved;

static void dot_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const state_saved *s = arg;
    eng_tensor sum = s->mix.sum;
    s->k->channel_dot_f32(rows, sum.cols, eng_row(s->state, first), s->state.stride, eng_grad_row(sum, first),
                          sum.stride, sums);
}

static void state_backward(eng_context *ctx, void *saved)
{
    state_saved *s = saved;
    eng_tensor sum = s->mix.sum;
    if (s->state.grad)
        add_scaled(ctx, sum.rows, sum.cols, s->mix.weight[s->index], sum.grad, sum.stride, s->state.grad,
                   s->state.stride);
    if (!s->mix.dweight) return;
    double *sums = eng_arena_alloc(ctx->arena, sum.cols, sizeof *sums);
    if (!sums) {
        eng_out_of_memory(ctx, "the layer weights' gradient", sum.cols * sizeof *sums);
        return;
    }
    s->k = &ctx->k;
    if (!eng_reduce_rows(ctx, sum.rows, sum.cols, dot_rows, s, sums)) return;
    for (size_t j = 0; j < sum.cols; j++) s->mix.dweight[s->index] += sums[j];
}

void mdl_mix_add(eng_context *ctx, const mdl_mix *mix, size_t index, eng_tensor state)
{
    if (!eng_good(ctx)) return;
    eng_tensor sum = mix->sum;
    ENG_CHECK(state.rows == sum.rows && state.cols == sum.cols, "mix: state [%zu, %zu], sum [%zu, %zu]", state.rows,
              state.cols, sum.rows, sum.cols);
    eng_op_begin(ctx, "mix", sum.rows, sum.cols, 0);
    add_scaled(ctx, sum.rows, sum.cols, mix->weight[index], state.data, state.stride, sum.data, sum.stride);
    eng_op_end(ctx);
    if (!state.grad && !mix->dweight) return;
    state_saved *s = eng_record(ctx, state_backward, sizeof *s);
    if (s) *s = (state_saved){*mix, index, state, NULL};
}
