/* Per group and stretch of frames: lay the group's channels out as [frames + kernel - 1, channels/groups], zeros
 * outside the utterance; then output frame t reads one contiguous run of kernel * channels/groups floats: a GEMM on
 * overlapping rows. */
#include <string.h>

#include "engine/ops/activation.h"
#include "engine/ops/grouped_conv_parts.h"
#include "engine/tape.h"

enum { FRAMES_A_TASK = 256 };

typedef struct conv_stretch {
    size_t first, frames; /* within the whole batch */
    size_t begin, end;    /* of its utterance */
} conv_stretch;

typedef struct conv_run {
    eng_context *ctx;
    const conv_stretch *stretches;
    eng_tensor x, y;
    eng_grouped_conv_weights w;
    kern_act act;
    bool residual;
    bool *failed;
} conv_run;

static void conv_task(void *arg, size_t task, size_t worker)
{
    conv_run *r = arg;
    const conv_stretch s = r->stretches[task / r->w.groups];
    size_t group = task % r->w.groups, width = r->x.cols / r->w.groups, kernel = r->w.kernel;
    eng_arena *scratch = eng_pool_scratch(r->ctx->pool, worker);
    eng_arena_mark mark = eng_arena_save(scratch);
    size_t rows = s.frames + kernel - 1;
    float *in = eng_arena_alloc(scratch, rows * width, sizeof *in);
    if (!in) {
        r->failed[worker] = true;
        return;
    }
    size_t column = group * width;
    eng_grouped_conv_pad(r->x.data + column, r->x.stride, width, s.begin, s.end, s.first, kernel / 2, rows, in);
    eng_epilogue e = {r->w.bias.data ? r->w.bias.data + column : NULL, r->act,
                      r->residual ? eng_row(r->x, s.first) + column : NULL, r->x.stride};
    if (!eng_product_serial(&r->ctx->k, scratch, s.frames, (eng_left){in, width, false},
                            eng_weight_right(&r->w.weights[group]), eng_row(r->y, s.first) + column, r->y.stride, false,
                            &e))
        r->failed[worker] = true;
    eng_arena_rewind(scratch, mark);
}

static size_t cut_stretches(eng_batch batch, conv_stretch *out)
{
    size_t n = 0;
    for (size_t u = 0; u < batch.n; u++)
        for (size_t f = batch.offset[u]; f < batch.offset[u + 1]; f += FRAMES_A_TASK, n++) {
            size_t left = batch.offset[u + 1] - f;
            if (out)
                out[n] = (conv_stretch){f, left < FRAMES_A_TASK ? left : FRAMES_A_TASK, batch.offset[u],
                                        batch.offset[u + 1]};
        }
    return n;
}

/* out = act(conv(x) + bias), + x if residual. */
static void convolve(eng_context *ctx, eng_batch batch, eng_tensor x, eng_grouped_conv_weights w, kern_act act,
                     bool residual, eng_tensor out)
{
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    size_t n = cut_stretches(batch, NULL), threads = eng_pool_threads(ctx->pool);
    conv_stretch *stretches = eng_arena_alloc(ctx->arena, n, sizeof *stretches);
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    if (!stretches || !failed) {
        eng_out_of_memory(ctx, "a grouped convolution", n * sizeof *stretches);
        return;
    }
    memset(failed, 0, threads * sizeof *failed);
    cut_stretches(batch, stretches);
    conv_run run = {ctx, stretches, x, out, w, act, residual, failed};
    eng_op_begin(ctx, "grouped_conv", x.rows, x.cols, w.kernel);
    eng_pool_run(ctx->pool, n * w.groups, conv_task, &run);
    eng_op_end(ctx);
    for (size_t i = 0; i < threads; i++)
        if (failed[i]) eng_out_of_memory(ctx, "a grouped convolution", FRAMES_A_TASK * x.cols * sizeof(float));
    eng_arena_rewind(ctx->arena, mark);
}

eng_tensor eng_grouped_conv_residual(eng_context *ctx, eng_batch batch, eng_tensor x, eng_grouped_conv_weights w,
                                     kern_act act)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, x.cols);
    if (!eng_good(ctx)) return y;
    ENG_CHECK(x.cols % w.groups == 0 && batch.offset[batch.n] == x.rows, "grouped conv: x [%zu, %zu], %zu groups",
              x.rows, x.cols, w.groups);
    size_t width = x.cols / w.groups;
    for (size_t g = 0; g < w.groups; g++)
        ENG_CHECK(w.weights[g].n == width && w.weights[g].k == w.kernel * width,
                  "grouped conv: W [%zu, %zu], %zu taps of %zu channels", w.weights[g].n, w.weights[g].k, w.kernel,
                  width);
    if (!ctx->tape) {
        convolve(ctx, batch, x, w, act, true, y);
        return y;
    }
    eng_tensor z = eng_tensor_new(ctx, x.rows, x.cols), activated = z;
    if (!eng_good(ctx)) return y;
    convolve(ctx, batch, x, w, KERN_ACT_NONE, false, z);
    eng_grouped_conv_saved *s = eng_record(ctx, eng_grouped_conv_backward, sizeof *s);
    if (s) *s = (eng_grouped_conv_saved){batch, x, z, w};
    if (act != KERN_ACT_NONE) {
        activated = eng_tensor_new(ctx, x.rows, x.cols);
        eng_activation_into(ctx, z, act, activated);
    }
    eng_sum_into(ctx, x, activated, y);
    return y;
}
