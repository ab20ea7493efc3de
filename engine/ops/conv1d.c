/* Frame t reads kernel * channels floats at t * stride * channels: GEMMs on overlapping rows, one an utterance. For dx
 * the taps are taken `stride` at a time: then what the frames add to lies side by side, [frames, stride * channels],
 * and each such slice of taps is a GEMM that accumulates. */
#include "engine/ops/conv1d.h"

#include "engine/ops/reduce.h"
#include "engine/tape.h"

typedef struct conv1d_saved {
    eng_batch in, out;
    eng_tensor x, y;
    eng_conv1d_weights w;
} conv1d_saved;

size_t eng_conv1d_frames(size_t frames, size_t kernel, size_t stride)
{
    return frames < kernel ? 0 : (frames - kernel) / stride + 1;
}

/* One utterance's dx. */
static void input_gradient(eng_context *ctx, const conv1d_saved *s, size_t u)
{
    const eng_weight *w = s->w.w;
    size_t frames = eng_batch_frames(s->out, u), channels = s->x.cols, step = s->w.stride * channels;
    eng_left dy = {eng_grad_row(s->y, s->out.offset[u]), s->y.stride, false};
    float *dx = eng_grad_row(s->x, s->in.offset[u]);
    for (size_t first = 0; first < w->k; first += step) {
        size_t columns = w->k - first < step ? w->k - first : step;
        eng_product(ctx, frames, dy, (eng_right){.n = columns, .k = w->n, .data = w->data + first, .ld = w->k, .precision = ctx->precision},
                    dx + first, step, true, NULL);
    }
}

static void weight_gradient(eng_context *ctx, const conv1d_saved *s, size_t u)
{
    const eng_weight *w = s->w.w;
    size_t frames = eng_batch_frames(s->out, u), step = s->w.stride * s->x.cols;
    eng_product(ctx, w->n, (eng_left){eng_grad_row(s->y, s->out.offset[u]), s->y.stride, true},
                (eng_right){.n = w->k,
                            .k = frames,
                            .data = eng_row(s->x, s->in.offset[u]),
                            .ld = step,
                            .precision = ctx->precision},
                w->grad, w->k, true, NULL);
}

typedef struct bias_run {
    const kern_table *k;
    eng_tensor y;
} bias_run;

static void bias_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const bias_run *r = arg;
    r->k->channel_sum_f32(rows, r->y.cols, eng_grad_row(r->y, first), r->y.stride, sums);
}

static void conv1d_backward(eng_context *ctx, void *saved)
{
    const conv1d_saved *s = saved;
    for (size_t u = 0; u < s->out.n; u++) {
        if (eng_batch_frames(s->out, u) == 0) continue;
        if (s->x.grad) input_gradient(ctx, s, u);
        if (s->w.w->grad) weight_gradient(ctx, s, u);
    }
    if (!s->w.bias.grad) return;
    double *sums = eng_arena_alloc(ctx->arena, s->y.cols, sizeof *sums);
    bias_run run = {&ctx->k, s->y};
    if (!sums)
        eng_out_of_memory(ctx, "a bias's gradient", s->y.cols * sizeof *sums);
    else if (eng_reduce_rows(ctx, s->y.rows, s->y.cols, bias_rows, &run, sums))
        eng_add_sums(s->y.cols, sums, s->w.bias.grad);
}

eng_tensor eng_conv1d(eng_context *ctx, eng_batch in, eng_tensor x, eng_batch out, eng_conv1d_weights w)
{
    eng_tensor y = eng_tensor_new(ctx, out.offset[out.n], w.w->n);
    if (!eng_good(ctx)) return y;
    ENG_CHECK(w.stride > 0 && in.n == out.n && in.offset[in.n] == x.rows && x.stride == x.cols &&
                  w.w->k == w.kernel * x.cols,
              "conv1d: x [%zu, %zu] with row stride %zu, W [%zu, %zu], %zu taps", x.rows, x.cols, x.stride, w.w->n,
              w.w->k, w.kernel);
    eng_epilogue e = {w.bias.data, KERN_ACT_NONE, NULL, 0};
    for (size_t u = 0; u < in.n; u++) {
        size_t frames = eng_batch_frames(out, u);
        ENG_CHECK(frames == eng_conv1d_frames(eng_batch_frames(in, u), w.kernel, w.stride),
                  "conv1d: utterance %zu, %zu frames to %zu, %zu taps, stride %zu", u, eng_batch_frames(in, u), frames,
                  w.kernel, w.stride);
        eng_product(ctx, frames, (eng_left){eng_row(x, in.offset[u]), w.stride * x.cols, false}, eng_weight_right_in(ctx, w.w),
                    eng_row(y, out.offset[u]), y.stride, false, &e);
    }
    conv1d_saved *s = eng_record(ctx, conv1d_backward, sizeof *s);
    if (s) *s = (conv1d_saved){in, out, x, y, w};
    return y;
}
