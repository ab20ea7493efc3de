/* Per group and stretch of frames: lay the group's channels out as [frames + kernel - 1, channels/groups], zeros outside
 * the utterance; then output frame t reads one contiguous run of kernel * channels/groups floats: a GEMM on overlapping
 * rows. */
#include "engine/grouped_conv.h"

#include <string.h>

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
    for (size_t i = 0; i < rows; i++) {
        size_t shifted = s.first + i; /* frame + kernel/2: unsigned, so compare before subtracting */
        if (shifted < s.begin + kernel / 2 || shifted >= s.end + kernel / 2)
            memset(in + i * width, 0, width * sizeof *in);
        else
            memcpy(in + i * width, eng_row(r->x, shifted - kernel / 2) + group * width, width * sizeof *in);
    }
    size_t column = group * width;
    eng_epilogue e = {r->w.bias.data + column, r->act, eng_row(r->x, s.first) + column, r->x.stride};
    if (!eng_gemm_serial(&r->ctx->k, scratch, s.frames, in, width, &r->w.weights[group].packed,
                         eng_row(r->y, s.first) + column, r->y.stride, &e))
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

eng_tensor eng_grouped_conv_residual(eng_context *ctx, eng_batch batch, eng_tensor x, eng_grouped_conv_weights w,
                                     kern_act act)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, x.cols);
    if (!eng_good(ctx)) return y;
    ENG_CHECK(x.cols % w.groups == 0 && batch.offset[batch.n] == x.rows, "grouped conv: x [%zu, %zu], %zu groups",
              x.rows, x.cols, w.groups);
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    size_t n = cut_stretches(batch, NULL), threads = eng_pool_threads(ctx->pool);
    conv_stretch *stretches = eng_arena_alloc(ctx->arena, n, sizeof *stretches);
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    if (!stretches || !failed) {
        eng_out_of_memory(ctx, "a grouped convolution", n * sizeof *stretches);
        return y;
    }
    memset(failed, 0, threads * sizeof *failed);
    cut_stretches(batch, stretches);
    conv_run run = {ctx, stretches, x, y, w, act, failed};
    eng_pool_run(ctx->pool, n * w.groups, conv_task, &run);
    for (size_t i = 0; i < threads; i++)
        if (failed[i]) eng_out_of_memory(ctx, "a grouped convolution", FRAMES_A_TASK * x.cols * sizeof(float));
    eng_arena_rewind(ctx->arena, mark);
    return y;
}
