/* Backward pass of the grouped convolution, z[t] = sum over taps of W[tap] x[t + tap - pad], pad = kernel/2:
 *
 *   dx[s] += sum over taps of W[tap]^T dz[s - tap + pad]: with the taps in reverse order again a convolution, of dz
 * padded with kernel - 1 - pad frames in front: a GEMM on overlapping rows dW[tap] += sum over t of dz[t] x[t + tap -
 * pad]^T: dz^T times the overlapping rows of the padded x
 *
 * A group is two tasks, one a gradient, each over all utterances in their order: every sum has one writer. */
#include <string.h>

#include "engine/ops/grouped_conv_parts.h"
#include "engine/ops/reduce.h"

typedef struct backward_run {
    eng_context *ctx;
    const eng_grouped_conv_saved *s;
    size_t width, longest;
    bool *failed;
} backward_run;

/* turned[(tap, out)][in] = W[out][(kernel - 1 - tap, in)]. */
static void turn_weights(const eng_weight *w, size_t kernel, size_t width, float *turned)
{
    for (size_t tap = 0; tap < kernel; tap++)
        for (size_t o = 0; o < width; o++)
            memcpy(turned + (tap * width + o) * width, w->data + o * w->k + (kernel - 1 - tap) * width,
                   width * sizeof *turned);
}

static bool input_gradient(const backward_run *r, eng_arena *scratch, size_t group)
{
    const eng_grouped_conv_saved *s = r->s;
    size_t width = r->width, kernel = s->w.kernel, column = group * width, depth = kernel * width;
    float *turned = eng_arena_alloc(scratch, depth * width, sizeof *turned);
    float *dz = eng_arena_alloc(scratch, (r->longest + kernel) * width, sizeof *dz);
    if (!turned || !dz) return false;
    turn_weights(&s->w.weights[group], kernel, width, turned);
    for (size_t u = 0; u < s->batch.n; u++) {
        size_t begin = s->batch.offset[u], frames = eng_batch_frames(s->batch, u);
        eng_grouped_conv_pad(s->z.grad + column, s->z.stride, width, begin, begin + frames, begin,
                             kernel - 1 - kernel / 2, frames + kernel - 1, dz);
        if (!eng_product_serial(&r->ctx->k, scratch, frames, (eng_left){dz, width, false},
                                (eng_right){.n = width, .k = depth, .data = turned, .ld = width},
                                eng_grad_row(s->x, begin) + column, s->x.stride, true, NULL))
            return false;
    }
    return true;
}

static bool weight_gradient(const backward_run *r, eng_arena *scratch, size_t group)
{
    const eng_grouped_conv_saved *s = r->s;
    size_t width = r->width, kernel = s->w.kernel, column = group * width, depth = kernel * width;
    float *x = eng_arena_alloc(scratch, (r->longest + kernel) * width, sizeof *x);
    if (!x) return false;
    for (size_t u = 0; u < s->batch.n; u++) {
        size_t begin = s->batch.offset[u], frames = eng_batch_frames(s->batch, u);
        eng_grouped_conv_pad(s->x.data + column, s->x.stride, width, begin, begin + frames, begin, kernel / 2,
                             frames + kernel - 1, x);
        if (!eng_product_serial(&r->ctx->k, scratch, width,
                                (eng_left){eng_grad_row(s->z, begin) + column, s->z.stride, true},
                                (eng_right){.n = depth, .k = frames, .data = x, .ld = width}, s->w.weights[group].grad,
                                depth, true, NULL))
            return false;
    }
    return true;
}

static void backward_task(void *arg, size_t task, size_t worker)
{
    backward_run *r = arg;
    eng_arena *scratch = eng_pool_scratch(r->ctx->pool, worker);
    eng_arena_mark mark = eng_arena_save(scratch);
    size_t group = task / 2;
    bool good = true;
    if (task % 2 == 0 && r->s->x.grad) good = input_gradient(r, scratch, group);
    if (task % 2 == 1 && r->s->w.weights[group].grad) good = weight_gradient(r, scratch, group);
    if (!good) r->failed[worker] = true;
    eng_arena_rewind(scratch, mark);
}

typedef struct bias_run {
    const kern_table *k;
    eng_tensor z;
} bias_run;

static void bias_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const bias_run *r = arg;
    r->k->channel_sum_f32(rows, r->z.cols, eng_grad_row(r->z, first), r->z.stride, sums);
}

void eng_grouped_conv_backward(eng_context *ctx, void *saved)
{
    const eng_grouped_conv_saved *s = saved;
    size_t threads = eng_pool_threads(ctx->pool), channels = s->x.cols;
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    double *sums = eng_arena_alloc(ctx->arena, channels, sizeof *sums);
    if (!failed || !sums) {
        eng_out_of_memory(ctx, "a grouped convolution's gradient", channels * sizeof *sums);
        return;
    }
    memset(failed, 0, threads * sizeof *failed);
    backward_run run = {ctx, s, channels / s->w.groups, 0, failed};
    for (size_t u = 0; u < s->batch.n; u++)
        if (eng_batch_frames(s->batch, u) > run.longest) run.longest = eng_batch_frames(s->batch, u);
    eng_pool_run(ctx->pool, 2 * s->w.groups, backward_task, &run);
    for (size_t i = 0; i < threads; i++)
        if (failed[i])
            eng_out_of_memory(ctx, "a grouped convolution's gradient",
                              (run.longest + s->w.kernel * (run.width + 1)) * run.width * sizeof(float));
    bias_run bias = {&ctx->k, s->z};
    if (s->w.bias.grad && eng_reduce_rows(ctx, s->z.rows, channels, bias_rows, &bias, sums))
        eng_add_sums(channels, sums, s->w.bias.grad);
}
