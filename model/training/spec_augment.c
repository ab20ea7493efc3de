/* SpecAugment, on packed batches: each utterance is masked by itself, by its own random numbers. */
#include <string.h>

#include "engine/ops/reduce.h"
#include "engine/tape.h"
#include "model/network/forward.h"

enum { ROWS_A_TASK = 64 };

/* ---- Which places ---- */

size_t *mdl_mask_spans(eng_stream stream, size_t n, double prob, size_t length, size_t least, eng_arena *arena,
                       size_t *count)
{
    *count = 0;
    if (prob <= 0 || length == 0 || n < length) return NULL;
    float u;
    eng_uniform(stream, 0, 1, &u);
    size_t places = n - length + 1, spans = (size_t)(prob * (double)n / (double)length + (double)u);
    if (spans < least) spans = least;
    if (spans > n / length) spans = n / length;
    *count = spans;
    size_t *start = eng_arena_alloc(arena, places, sizeof *start);
    if (!start) return NULL;
    for (size_t i = 0; i < places; i++) start[i] = i;
    for (size_t i = 0; i < spans; i++) { /* the first steps of a shuffle */
        eng_uniform(stream, (uint32_t)i + 1, 1, &u);
        size_t other = i + (size_t)((double)u * (double)(places - i)), turn = start[i];
        start[i] = start[other];
        start[other] = turn;
    }
    return start;
}

/* Sets the flags [n] of what is masked; returns false when out of memory. */
static bool draw_flags(eng_context *ctx, eng_stream stream, size_t n, double prob, size_t length, size_t least, bool *flag)
{
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    size_t count, *start = mdl_mask_spans(stream, n, prob, length, least, ctx->arena, &count);
    memset(flag, 0, n * sizeof *flag);
    if (count && !start) {
        eng_out_of_memory(ctx, "masks", n * sizeof *start);
        return false;
    }
    for (size_t i = 0; i < count; i++) memset(flag + start[i], 1, length * sizeof *flag);
    eng_arena_rewind(ctx->arena, mark);
    return true;
}

/* ---- The op ---- */

typedef struct augment_run {
    const kern_table *k;
    eng_batch batch;
    eng_tensor x, y;
    eng_vector embedding;
    const bool *frame;   /* [x.rows] */
    const float *keep;   /* [batch.n, x.cols]: 0 for masked channels, else 1 */
    const size_t *owner; /* [x.rows]: the frame's utterance */
} augment_run;

/* y = (masked frame ? embedding : x) * keep */
static void augment_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const augment_run *r = arg;
    for (size_t i = task * ROWS_A_TASK; i < r->x.rows && i < (task + 1) * ROWS_A_TASK; i++)
        r->k->mul_f32(r->x.cols, r->frame[i] ? r->embedding.data : eng_row(r->x, i), r->keep + r->owner[i] * r->x.cols,
                      eng_row(r->y, i));
}

/* Frames that are not masked: dx += dy * keep. sums: dembedding, of those that are. */
static void augment_backward_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const augment_run *r = arg;
    size_t cols = r->x.cols;
    for (size_t i = first; i < first + rows; i++) {
        const float *dy = eng_grad_row(r->y, i), *keep = r->keep + r->owner[i] * cols;
        if (r->frame[i]) r->k->channel_dot_f32(1, cols, dy, cols, keep, cols, sums);
        for (size_t j = 0; !r->frame[i] && r->x.grad && j < cols; j++) eng_grad_row(r->x, i)[j] += dy[j] * keep[j];
    }
}

static void augment_backward(eng_context *ctx, void *saved)
{
    augment_run *r = saved;
    size_t cols = r->x.cols;
    double *sums = eng_arena_alloc(ctx->arena, cols, sizeof *sums);
    if (!sums) {
        eng_out_of_memory(ctx, "the mask embedding's gradient", cols * sizeof *sums);
        return;
    }
    r->k = &ctx->k;
    if (eng_reduce_rows(ctx, r->x.rows, cols, augment_backward_rows, r, sums)) eng_add_sums(cols, sums, r->embedding.grad);
}

static void draw_masks(eng_context *ctx, const mdl_training *t, augment_run *r)
{
    const mdl_regularisation *o = &t->rates;
    size_t frames = r->x.rows, cols = r->x.cols, n = r->batch.n;
    bool *frame = eng_arena_alloc(ctx->arena, frames, sizeof *frame), *channel;
    size_t *owner = eng_arena_alloc(ctx->arena, frames, sizeof *owner);
    float *keep = eng_arena_alloc(ctx->arena, n * cols, sizeof *keep);
    channel = eng_arena_alloc(ctx->arena, cols, sizeof *channel);
    if (!frame || !owner || !keep || !channel) {
        eng_out_of_memory(ctx, "masks", n * cols * sizeof *keep);
        return;
    }
    for (size_t u = 0; u < n; u++) {
        size_t begin = r->batch.offset[u], own = eng_batch_frames(r->batch, u);
        eng_stream time = mdl_training_stream(t, MDL_DRAW_TIME_MASK, 0);
        eng_stream feature = mdl_training_stream(t, MDL_DRAW_FEATURE_MASK, 0);
        time.utterance = feature.utterance = t->ids[u];
        if (!draw_flags(ctx, time, own, o->mask_time_prob, o->mask_time_length, o->mask_time_min, frame + begin) ||
            !draw_flags(ctx, feature, cols, o->mask_feature_prob, o->mask_feature_length, o->mask_feature_min, channel))
            return;
        for (size_t i = 0; i < own; i++) owner[begin + i] = u;
        for (size_t j = 0; j < cols; j++) keep[u * cols + j] = channel[j] ? 0 : 1;
    }
    r->frame = frame;
    r->owner = owner;
    r->keep = keep;
}

eng_tensor mdl_spec_augment(const mdl_model *m, eng_context *ctx, eng_batch batch, const mdl_training *training,
                            eng_tensor x)
{
    if (!training || !eng_good(ctx)) return x;
    if (!(training->rates.mask_time_prob > 0) && !(training->rates.mask_feature_prob > 0)) return x;
    ENG_CHECK(m->mask_embedding.data || !(training->rates.mask_time_prob > 0), "masks in a model without an embedding");
    augment_run run = {.k = &ctx->k, .batch = batch, .x = x, .embedding = m->mask_embedding};
    run.y = eng_tensor_new(ctx, x.rows, x.cols);
    if (eng_good(ctx)) draw_masks(ctx, training, &run);
    if (!eng_good(ctx)) return run.y;
    eng_pool_run(ctx->pool, (x.rows + ROWS_A_TASK - 1) / ROWS_A_TASK, augment_task, &run);
    augment_run *s = eng_record(ctx, augment_backward, sizeof *s);
    if (s) *s = run;
    return run.y;
}
