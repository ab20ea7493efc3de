/* Pooling over time. p is the pooled vector, a the softmax over time of v . tanh(W x + b):
 *
 *   mean:          p = mean x
 *   std:           p = [mean x ; sqrt(max(mean x^2 - (mean x)^2, 1e-5))]       (population variance)
 *   attention:     p = sum a x
 *   attentive_std: p = [sum a x ; sqrt(max(sum a x^2 - (sum a x)^2, 1e-5))]    (Odyssey baseline, net/pooling.py)
 *
 * Sums run in double over the utterance's frames in order.
 *
 * Backward, with w_t = a_t or 1/frames, mu and sigma the two halves of p, and dvar = dsigma / (2 sigma), 0 where the
 * variance is below 1e-5:
 *
 *   dx_t += w_t (dmu + 2 dvar (x_t - mu))
 *
 * and with attention, whose scores are s_t = v . h_t, h_t = tanh(W x_t + b),
 *
 *   da_t = dmu . (x_t - mu) + dvar . (x_t - mu)^2 (but for a constant, which the softmax ignores)
 *   ds_t = a_t (da_t - sum a da),  dh_t += ds_t v,  dv += sum ds_t h_t
 *
 * all in double. Kept: the sums, a, tanh(W x + b). */
#include <math.h>
#include <string.h>

#include "engine/ops/linear.h"
#include "engine/ops/reduce.h"
#include "engine/tape.h"
#include "model/network/forward.h"

static const double LEAST_VARIANCE = 1e-5;

typedef struct pool_run {
    eng_context *ctx; /* of the pass that runs */
    eng_batch batch;
    eng_tensor x, hidden, out; /* hidden: tanh(W x + b), attention only */
    eng_vector v;
    float *weight; /* [frames], attention only */
    double *sums;  /* [n, 2, cols] */
} pool_run;

static bool spreads(const pool_run *r)
{
    return r->out.cols == 2 * r->x.cols;
}

/* Mean and variance of channel j of utterance u, from the sums. */
static void channel_statistics(const pool_run *r, size_t u, size_t j, double *mean, double *var)
{
    size_t cols = r->x.cols;
    const double *sum = r->sums + u * 2 * cols, *squares = sum + cols;
    double divisor = r->weight ? 1 : (double)eng_batch_frames(r->batch, u);
    *mean = sum[j] / divisor;
    *var = squares[j] / divisor - *mean * *mean;
}

static void pool_task(void *arg, size_t u, size_t worker)
{
    (void)worker;
    pool_run *r = arg;
    const kern_table *k = &r->ctx->k;
    size_t first = r->batch.offset[u], frames = eng_batch_frames(r->batch, u), cols = r->x.cols;
    float *weight = r->weight ? r->weight + first : NULL;
    if (weight) {
        for (size_t t = 0; t < frames; t++)
            weight[t] = k->dot_f32(cols, eng_row(r->hidden, first + t), r->v.data);
        k->softmax_f32(frames, weight, weight);
    }
    double *sum = r->sums + u * 2 * cols;
    memset(sum, 0, 2 * cols * sizeof *sum);
    k->channel_moments_f32(frames, cols, eng_row(r->x, first), r->x.stride, weight, sum, sum + cols);
    float *out = eng_row(r->out, u);
    for (size_t j = 0; j < cols; j++) {
        double mean, var;
        channel_statistics(r, u, j, &mean, &var);
        out[j] = (float)mean;
        if (spreads(r)) out[cols + j] = (float)sqrt(var > LEAST_VARIANCE ? var : LEAST_VARIANCE);
    }
}

/* ---- Backward ---- */

typedef struct pool_back {
    pool_run *r;
    double *statistics; /* [n, 3, cols]: mean, dmean, dvar */
    double *score;      /* [frames]: da, then ds; attention only */
} pool_back;

static void utterance_gradients(const pool_run *r, size_t u, double *mean, double *dmean, double *dvar)
{
    size_t cols = r->x.cols;
    const float *dout = eng_grad_row(r->out, u);
    for (size_t j = 0; j < cols; j++) {
        double var;
        channel_statistics(r, u, j, &mean[j], &var);
        dmean[j] = dout[j];
        dvar[j] = spreads(r) && var >= LEAST_VARIANCE ? dout[cols + j] / (2 * sqrt(var)) : 0;
    }
}

/* ds, from da in score[frames]; dtanh += ds v. */
static void score_gradients(const pool_run *r, size_t first, size_t frames, double *score)
{
    const float *a = r->weight + first;
    double mean = 0;
    for (size_t t = 0; t < frames; t++) mean += a[t] * score[t];
    for (size_t t = 0; t < frames; t++) {
        score[t] = a[t] * (score[t] - mean);
        r->ctx->k.axpy_f32(r->x.cols, (float)score[t], r->v.data, eng_grad_row(r->hidden, first + t));
    }
}

static void pool_backward_task(void *arg, size_t u, size_t worker)
{
    (void)worker;
    const pool_back *b = arg;
    const pool_run *r = b->r;
    size_t first = r->batch.offset[u], frames = eng_batch_frames(r->batch, u), cols = r->x.cols;
    double *mean = b->statistics + u * 3 * cols, *dmean = mean + cols, *dvar = dmean + cols;
    utterance_gradients(r, u, mean, dmean, dvar);
    for (size_t t = 0; t < frames; t++) {
        const float *x = eng_row(r->x, first + t);
        double w = r->weight ? r->weight[first + t] : 1 / (double)frames;
        float *dx = r->x.grad ? eng_grad_row(r->x, first + t) : NULL;
        for (size_t j = 0; dx && j < cols; j++) dx[j] += (float)(w * (dmean[j] + 2 * dvar[j] * (x[j] - mean[j])));
        if (!b->score) continue;
        double sum = 0;
        for (size_t j = 0; j < cols; j++) {
            double centred = x[j] - mean[j];
            sum += (dmean[j] + dvar[j] * centred) * centred;
        }
        b->score[first + t] = sum;
    }
    if (b->score) score_gradients(r, first, frames, b->score + first);
}

/* sums += ds_t tanh_t */
static void vector_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const pool_back *b = arg;
    for (size_t t = first; t < first + rows; t++) {
        const float *hidden = eng_row(b->r->hidden, t);
        for (size_t j = 0; j < b->r->hidden.cols; j++) sums[j] += b->score[t] * hidden[j];
    }
}

static void pool_backward(eng_context *ctx, void *saved)
{
    pool_run *r = saved;
    size_t cols = r->x.cols;
    r->ctx = ctx;
    pool_back b = {.r = r, .statistics = eng_arena_alloc(ctx->arena, r->batch.n * 3 * cols, sizeof(double))};
    double *sums = eng_arena_alloc(ctx->arena, cols, sizeof *sums);
    if (r->weight) b.score = eng_arena_alloc(ctx->arena, r->x.rows, sizeof *b.score);
    if (!b.statistics || !sums || (r->weight && !b.score)) {
        eng_out_of_memory(ctx, "pooling's gradient", (r->batch.n * 3 * cols + r->x.rows) * sizeof(double));
        return;
    }
    eng_pool_run(ctx->pool, r->batch.n, pool_backward_task, &b);
    if (r->weight && r->v.grad && eng_reduce_rows(ctx, r->x.rows, cols, vector_rows, &b, sums))
        eng_add_sums(cols, sums, r->v.grad);
}

eng_tensor mdl_pool(const mdl_model *m, eng_context *ctx, eng_batch batch, eng_tensor x)
{
    eng_tensor out = eng_tensor_new(ctx, batch.n, mdl_config_pooled(&m->config));
    eng_arena_mark mark = eng_scope_open(ctx);
    pool_run run = {.ctx = ctx, .batch = batch, .x = x, .out = out};
    if (m->config.pooling == MDL_POOL_ATTENTION || m->config.pooling == MDL_POOL_ATTENTIVE_STD) {
        run.hidden = eng_linear(ctx, x, &m->head.pool.w, m->head.pool.bias, KERN_ACT_TANH, (eng_tensor){0});
        run.weight = eng_tensor_plain(ctx, 1, x.rows).data;
        run.v = m->head.pool_vector;
    }
    run.sums = eng_arena_alloc(ctx->arena, batch.n * 2 * x.cols, sizeof *run.sums);
    if (!run.sums) eng_out_of_memory(ctx, "pooling", batch.n * 2 * x.cols * sizeof *run.sums);
    if (eng_good(ctx)) {
        eng_pool_run(ctx->pool, batch.n, pool_task, &run);
        pool_run *s = eng_record(ctx, pool_backward, sizeof *s);
        if (s) *s = run;
    }
    eng_scope_close(ctx, mark);
    return out;
}
