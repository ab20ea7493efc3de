#include "engine/ops/dropout.h"

#include "engine/tape.h"

enum { ROWS_A_TASK = 32, CHUNK = 256 };

typedef struct dropout_saved {
    eng_batch batch;
    const uint32_t *ids;
    eng_tensor x, y;
    float p;
    eng_stream stream;
} dropout_saved;

/* One utterance. */
typedef struct dropout_run {
    const kern_table *k;
    eng_tensor x, y;
    float p;
    eng_stream stream;
} dropout_run;

/* mask[i] = 0 or 1 / (1 - p), for elements first .. first + n - 1. */
static void draw_mask(const dropout_run *r, size_t first, size_t n, float *mask)
{
    float kept = r->p < 1 ? 1 / (1 - r->p) : 0;
    eng_uniform(r->stream, (uint32_t)first, n, mask);
    for (size_t i = 0; i < n; i++) mask[i] = mask[i] < r->p ? 0 : kept;
}

static void dropout_rows(const dropout_run *r, size_t task, bool backward)
{
    float mask[CHUNK];
    size_t first = task * ROWS_A_TASK, cols = r->x.cols, left = r->x.rows - first;
    for (size_t i = first; i < first + (left < ROWS_A_TASK ? left : ROWS_A_TASK); i++)
        for (size_t j = 0; j < cols; j += CHUNK) {
            size_t n = cols - j < CHUNK ? cols - j : CHUNK;
            draw_mask(r, i * cols + j, n, mask);
            if (!backward) {
                r->k->mul_f32(n, eng_row(r->x, i) + j, mask, eng_row(r->y, i) + j);
                continue;
            }
            float *dx = eng_grad_row(r->x, i) + j;
            r->k->mul_f32(n, eng_grad_row(r->y, i) + j, mask, mask);
            r->k->add_f32(n, dx, mask, dx);
        }
}

static void dropout_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    dropout_rows(arg, task, false);
}

static void dropout_backward_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    dropout_rows(arg, task, true);
}

static void run_utterances(eng_context *ctx, const dropout_saved *s, eng_task_fn fn)
{
    for (size_t u = 0; u < s->batch.n; u++) {
        size_t begin = s->batch.offset[u], frames = eng_batch_frames(s->batch, u);
        dropout_run run = {&ctx->k, eng_rows(s->x, begin, frames), eng_rows(s->y, begin, frames), s->p, s->stream};
        run.stream.utterance = s->ids[u];
        eng_pool_run(ctx->pool, (frames + ROWS_A_TASK - 1) / ROWS_A_TASK, fn, &run);
    }
}

static void dropout_backward(eng_context *ctx, void *saved)
{
    run_utterances(ctx, saved, dropout_backward_task);
}

eng_tensor eng_dropout(eng_context *ctx, eng_batch batch, const uint32_t *ids, eng_tensor x, float p, eng_stream stream)
{
    if (!eng_good(ctx) || p == 0) return x;
    ENG_CHECK(p > 0 && p <= 1 && batch.offset[batch.n] == x.rows, "dropout: p = %g, x [%zu, %zu], %zu frames",
              (double)p, x.rows, x.cols, batch.offset[batch.n]);
    dropout_saved saved = {batch, ids, x, eng_tensor_new(ctx, x.rows, x.cols), p, stream};
    if (!eng_good(ctx)) return saved.y;
    run_utterances(ctx, &saved, dropout_task);
    dropout_saved *s = x.grad ? eng_record(ctx, dropout_backward, sizeof *s) : NULL;
    if (s) *s = saved;
    return saved.y;
}
