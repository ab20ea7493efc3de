#include "engine/ops/reduce.h"

#include <string.h>

enum { STRETCH = 128 };

typedef struct reduce_run {
    size_t rows, width;
    eng_rows_fn fn;
    void *arg;
    double *partial; /* [stretches, width] */
} reduce_run;

static void reduce_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    reduce_run *r = arg;
    size_t first = task * STRETCH, left = r->rows - first;
    double *sums = r->partial + task * r->width;
    memset(sums, 0, r->width * sizeof *sums);
    r->fn(r->arg, first, left < STRETCH ? left : STRETCH, sums);
}

bool eng_reduce_rows(eng_context *ctx, size_t rows, size_t width, eng_rows_fn fn, void *arg, double *sums)
{
    if (!eng_good(ctx)) return false;
    memset(sums, 0, width * sizeof *sums);
    size_t stretches = (rows + STRETCH - 1) / STRETCH, count;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    double *partial = eng_mul_size(stretches, width, &count) ? eng_arena_alloc(ctx->arena, count, sizeof *partial) : NULL;
    if (!partial) {
        eng_out_of_memory(ctx, "a sum over rows", stretches * width * sizeof *partial);
        return false;
    }
    reduce_run run = {rows, width, fn, arg, partial};
    eng_pool_run(ctx->pool, stretches, reduce_task, &run);
    for (size_t s = 0; s < stretches; s++)
        for (size_t i = 0; i < width; i++) sums[i] += partial[s * width + i];
    eng_arena_rewind(ctx->arena, mark);
    return true;
}

void eng_add_sums(size_t n, const double *sums, float *out)
{
    for (size_t i = 0; out && i < n; i++) out[i] += (float)sums[i];
}
