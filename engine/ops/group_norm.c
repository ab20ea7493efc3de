#include "engine/ops/group_norm.h"

#include <math.h>
#include <string.h>

#include "engine/ops/reduce.h"
#include "engine/tape.h"

enum { ROWS_A_TASK = 64 };

/* Of an utterance and channel. */
typedef struct channel_stats {
    double mean, rstd;
} channel_stats;

typedef struct group_norm_saved {
    eng_batch batch;
    eng_tensor x, y;
    eng_vector gamma, beta;
    channel_stats *stats; /* [n, channels] */
} group_norm_saved;

/* One utterance; x and y are its rows. factors: forward -mean and scale; backward mean, gain, and what is taken from
 * dy, a constant and a multiple of x - mean. */
typedef struct group_norm_run {
    const kern_table *k;
    eng_tensor x, y;
    const float *beta;
    float *factors; /* [4, channels] */
} group_norm_run;

static eng_tensor task_rows(eng_tensor t, size_t task)
{
    size_t first = task * ROWS_A_TASK, left = t.rows - first;
    return eng_rows(t, first, left < ROWS_A_TASK ? left : ROWS_A_TASK);
}

static size_t task_count(size_t rows)
{
    return (rows + ROWS_A_TASK - 1) / ROWS_A_TASK;
}

static void moment_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const group_norm_run *r = arg;
    r->k->channel_moments_f32(rows, r->x.cols, eng_row(r->x, first), r->x.stride, NULL, sums, sums + r->x.cols);
}

/* Centred first: as one affine map, x * scale + shift, a nearly constant channel would show the rounding of shift. */
static void norm_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const group_norm_run *r = arg;
    size_t channels = r->x.cols;
    eng_tensor x = task_rows(r->x, task), y = task_rows(r->y, task);
    for (size_t i = 0; i < x.rows; i++) r->k->add_f32(channels, eng_row(x, i), r->factors, eng_row(y, i));
    r->k->channel_affine_f32(x.rows, channels, y.data, y.stride, r->factors + channels, r->beta, y.data, y.stride);
}

static void dot_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const group_norm_run *r = arg;
    size_t channels = r->x.cols;
    const float *dy = eng_grad_row(r->y, first);
    r->k->channel_sum_f32(rows, channels, dy, r->y.stride, sums);
    r->k->channel_dot_f32(rows, channels, dy, r->y.stride, eng_row(r->x, first), r->x.stride, sums + channels);
}

static void norm_backward_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const group_norm_run *r = arg;
    size_t channels = r->x.cols;
    const float *mean = r->factors, *gain = mean + channels, *constant = gain + channels, *slope = constant + channels;
    eng_tensor x = task_rows(r->x, task), y = task_rows(r->y, task);
    for (size_t i = 0; i < x.rows; i++) {
        const float *dy = eng_grad_row(y, i), *row = eng_row(x, i);
        float *dx = eng_grad_row(x, i);
        for (size_t j = 0; j < channels; j++) dx[j] += gain[j] * (dy[j] - constant[j] - (row[j] - mean[j]) * slope[j]);
    }
}

/* One utterance. sums: [2, channels] of its own; totals gather dbeta, then dgamma. */
static bool norm_backward_utterance(eng_context *ctx, const group_norm_saved *s, size_t u, float *factors, double *sums,
                                    double *totals)
{
    size_t channels = s->x.cols, frames = eng_batch_frames(s->batch, u), begin = s->batch.offset[u];
    const channel_stats *stats = s->stats + u * channels;
    group_norm_run run = {&ctx->k, eng_rows(s->x, begin, frames), eng_rows(s->y, begin, frames), NULL, factors};
    if (!eng_reduce_rows(ctx, frames, 2 * channels, dot_rows, &run, sums)) return false;
    for (size_t j = 0; j < channels; j++) {
        double mean = stats[j].mean, rstd = stats[j].rstd;
        double along = (sums[channels + j] - mean * sums[j]) * rstd; /* sum of dy h */
        totals[j] += sums[j];
        totals[channels + j] += along;
        factors[j] = (float)mean;
        factors[channels + j] = (float)(s->gamma.data[j] * rstd);
        factors[2 * channels + j] = (float)(sums[j] / (double)frames);
        factors[3 * channels + j] = (float)(along * rstd / (double)frames);
    }
    if (s->x.grad) eng_pool_run(ctx->pool, task_count(frames), norm_backward_task, &run);
    return true;
}

static void norm_backward(eng_context *ctx, void *saved)
{
    const group_norm_saved *s = saved;
    size_t channels = s->x.cols;
    float *factors = eng_tensor_plain(ctx, 4, channels).data;
    double *sums = eng_arena_alloc(ctx->arena, channels, 4 * sizeof *sums);
    if (!sums) eng_out_of_memory(ctx, "group norm's gradient", channels * 4 * sizeof *sums);
    if (!eng_good(ctx)) return;
    double *totals = sums + 2 * channels;
    memset(totals, 0, 2 * channels * sizeof *totals);
    for (size_t u = 0; u < s->batch.n; u++)
        if (eng_batch_frames(s->batch, u) > 0 && !norm_backward_utterance(ctx, s, u, factors, sums, totals)) return;
    eng_add_sums(channels, totals, s->beta.grad);
    eng_add_sums(channels, totals + channels, s->gamma.grad);
}

static bool norm_utterance(eng_context *ctx, const group_norm_saved *s, size_t u, float eps, float *factors,
                           double *sums)
{
    size_t channels = s->x.cols, frames = eng_batch_frames(s->batch, u), begin = s->batch.offset[u];
    channel_stats *stats = s->stats + u * channels;
    group_norm_run run = {&ctx->k, eng_rows(s->x, begin, frames), eng_rows(s->y, begin, frames), s->beta.data, factors};
    if (!eng_reduce_rows(ctx, frames, 2 * channels, moment_rows, &run, sums)) return false;
    for (size_t j = 0; j < channels; j++) {
        double mean = sums[j] / (double)frames, var = sums[channels + j] / (double)frames - mean * mean;
        stats[j] = (channel_stats){mean, 1 / sqrt((var > 0 ? var : 0) + eps)};
        factors[j] = (float)-mean;
        factors[channels + j] = (float)(s->gamma.data[j] * stats[j].rstd);
    }
    eng_pool_run(ctx->pool, task_count(frames), norm_task, &run);
    return true;
}

eng_tensor eng_group_norm(eng_context *ctx, eng_batch batch, eng_tensor x, eng_vector gamma, eng_vector beta, float eps)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, x.cols);
    if (!eng_good(ctx)) return y;
    ENG_CHECK(batch.offset[batch.n] == x.rows, "group norm: x [%zu, %zu], %zu frames in the batch", x.rows, x.cols,
              batch.offset[batch.n]);
    eng_arena_mark mark = eng_scope_open(ctx);
    size_t count;
    group_norm_saved saved = {batch, x, y, gamma, beta, NULL};
    if (eng_mul_size(batch.n, x.cols, &count)) saved.stats = eng_arena_alloc(ctx->arena, count, sizeof *saved.stats);
    float *factors = eng_tensor_plain(ctx, 4, x.cols).data;
    double *sums = eng_arena_alloc(ctx->arena, x.cols, 2 * sizeof *sums);
    if (!saved.stats || !sums) eng_out_of_memory(ctx, "group norm", batch.n * x.cols * sizeof *saved.stats);
    if (!eng_good(ctx)) return y;
    for (size_t u = 0; u < batch.n; u++)
        if (eng_batch_frames(batch, u) > 0 && !norm_utterance(ctx, &saved, u, eps, factors, sums)) return y;
    eng_scope_close(ctx, mark);
    group_norm_saved *s = eng_record(ctx, norm_backward, sizeof *s);
    if (s) *s = saved;
    return y;
}
