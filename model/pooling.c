/* Pooling over time. p is the pooled vector, a the softmax over time of v . tanh(W x + b):
 *
 *   mean:          p = mean x
 *   std:           p = [mean x ; sqrt(max(mean x^2 - (mean x)^2, 1e-5))]       (population variance)
 *   attention:     p = sum a x
 *   attentive_std: p = [sum a x ; sqrt(max(sum a x^2 - (sum a x)^2, 1e-5))]    (Odyssey baseline, net/pooling.py)
 *
 * Sums run in double over the utterance's frames in order. */
#include <math.h>
#include <string.h>

#include "engine/linear.h"
#include "model/forward.h"

typedef struct pool_run {
    const mdl_model *m;
    eng_context *ctx;
    eng_batch batch;
    eng_tensor x, hidden, out; /* hidden: tanh(W x + b), attention only */
    float *weight;             /* [frames], attention only */
    double *sums;              /* [n, 2, cols] */
} pool_run;

static void pool_task(void *arg, size_t u, size_t worker)
{
    (void)worker;
    pool_run *r = arg;
    const kern_table *k = &r->ctx->k;
    size_t first = r->batch.offset[u], frames = eng_batch_frames(r->batch, u), cols = r->x.cols;
    float *weight = r->weight ? r->weight + first : NULL;
    if (weight) {
        for (size_t t = 0; t < frames; t++)
            weight[t] = k->dot_f32(cols, eng_row(r->hidden, first + t), r->m->head.pool_vector.data);
        k->softmax_f32(frames, weight, weight);
    }
    double *sum = r->sums + u * 2 * cols, *squares = sum + cols;
    memset(sum, 0, 2 * cols * sizeof *sum);
    k->channel_moments_f32(frames, cols, eng_row(r->x, first), r->x.stride, weight, sum, squares);
    double divisor = weight ? 1 : (double)frames;
    float *out = eng_row(r->out, u);
    bool spread = r->out.cols == 2 * cols;
    for (size_t j = 0; j < cols; j++) {
        double mean = sum[j] / divisor, var = squares[j] / divisor - mean * mean;
        out[j] = (float)mean;
        if (spread) out[cols + j] = (float)sqrt(var > 1e-5 ? var : 1e-5);
    }
}

eng_tensor mdl_pool(const mdl_model *m, eng_context *ctx, eng_batch batch, eng_tensor x)
{
    eng_tensor out = eng_tensor_new(ctx, batch.n, mdl_config_pooled(&m->config));
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    pool_run run = {.m = m, .ctx = ctx, .batch = batch, .x = x, .out = out};
    if (m->config.pooling == MDL_POOL_ATTENTION || m->config.pooling == MDL_POOL_ATTENTIVE_STD) {
        run.hidden = eng_linear(ctx, x, &m->head.pool.w, m->head.pool.bias, KERN_ACT_TANH, (eng_tensor){0});
        run.weight = eng_tensor_new(ctx, 1, x.rows).data;
    }
    run.sums = eng_arena_alloc(ctx->arena, batch.n * 2 * x.cols, sizeof *run.sums);
    if (!run.sums) eng_out_of_memory(ctx, "pooling", batch.n * 2 * x.cols * sizeof *run.sums);
    if (eng_good(ctx)) eng_pool_run(ctx->pool, batch.n, pool_task, &run);
    eng_arena_rewind(ctx->arena, mark);
    return out;
}
