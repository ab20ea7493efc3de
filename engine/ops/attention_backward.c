/* Backward pass of attention: one task is a head, over all utterances, so that its bias table's gradient has one writer.
 *
 * For each block of queries and tile of keys, recomputed: S = Q K^T and dP = dO V^T; then P and dS in place; then
 * dV += P^T dO, dK += dS^T Q, dQ += dS K. Sums run over blocks and tiles in their order. With dropout the tile's mask is
 * drawn again, for dP before dS is formed and for P before dV is. */
#include <math.h>
#include <string.h>

#include "engine/gemm/parts.h"
#include "engine/ops/attention_parts.h"

typedef struct backward_run {
    eng_context *ctx;
    const eng_attention_saved *s;
    size_t dim;
    bool *failed;
} backward_run;

/* One utterance's head. Operands in panels, gradients compact. */
typedef struct head_panels {
    size_t tile;
    float *keys, *values;         /* K^T, V^T: panels [dim][nr] */
    float *key_rows;              /* K: panels [frames][nr] */
    float *query_rows, *out_rows; /* of a block, Q and dO: panels [queries][nr] */
    float *queries, *dout;        /* of a block, [queries, dim] */
    float *scores, *dscores;      /* [queries, tile] */
    float *masks;                 /* as scores; empty where nothing is dropped */
    float *turned;                /* [tile, queries]: a tile's transpose */
    float *dqueries;              /* of a block, [queries, dim] */
    float *dkeys, *dvalues;       /* [frames, dim] */
} head_panels;

static bool new_panels(const backward_run *r, eng_arena *scratch, size_t frames, head_panels *h)
{
    size_t nr = r->ctx->k.gemm_blocks.nr, dim = r->dim;
    size_t wide = (dim + nr - 1) / nr * nr, tall = (frames + nr - 1) / nr * nr;
    h->tile = ENG_KEY_TILE;
    struct {
        float **place;
        size_t count;
    } wanted[] = {{&h->keys, tall * dim},
                  {&h->values, tall * dim},
                  {&h->key_rows, frames * wide},
                  {&h->query_rows, ENG_MAX_QUERIES * wide},
                  {&h->out_rows, ENG_MAX_QUERIES * wide},
                  {&h->queries, ENG_MAX_QUERIES * dim},
                  {&h->dout, ENG_MAX_QUERIES * dim},
                  {&h->scores, ENG_MAX_QUERIES * h->tile},
                  {&h->dscores, ENG_MAX_QUERIES * h->tile},
                  {&h->masks, r->s->dropout.p > 0 ? ENG_MAX_QUERIES * h->tile : 0},
                  {&h->turned, ENG_MAX_QUERIES * h->tile},
                  {&h->dqueries, ENG_MAX_QUERIES * dim},
                  {&h->dkeys, frames * dim},
                  {&h->dvalues, frames * dim}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        *wanted[i].place = eng_arena_alloc(scratch, wanted[i].count, sizeof(float));
        if (!*wanted[i].place) return false;
    }
    memset(h->dkeys, 0, frames * dim * sizeof(float));
    memset(h->dvalues, 0, frames * dim * sizeof(float));
    return true;
}

/* One tile: queries `first`.. (rows of the whole batch) against keys key.. of utterance u. */
static void backward_tile(const backward_run *r, const head_panels *h, size_t head, size_t u, size_t first,
                          size_t queries, size_t key, size_t keys, const float *delta)
{
    const eng_attention_saved *s = r->s;
    const kern_table *k = &r->ctx->k;
    size_t dim = r->dim, tile = h->tile, row = head * s->gate.cols + first;
    size_t begin = s->batch.offset[u], frames = eng_batch_frames(s->batch, u);
    bool drops = s->dropout.p > 0;
    ptrdiff_t centre = (ptrdiff_t)(head * (2 * s->bias.reach - 1) + s->bias.reach - 1);
    ptrdiff_t entry = centre + (ptrdiff_t)key - (ptrdiff_t)(first - begin);
    float *dgate = s->gate.grad + head * s->gate.stride + first;
    eng_attention_product(k, ENG_F32, queries, keys, dim, h->queries, dim, h->keys + key * dim, dim, 0, h->scores, tile, false);
    eng_attention_product(k, ENG_F32, queries, keys, dim, h->dout, dim, h->values + key * dim, dim, 0, h->dscores, tile, false);
    if (drops) {
        eng_attention_masks(&s->dropout, s->dropout.ids[u], head, frames, first - begin, queries, key, keys, h->masks,
                            tile);
        eng_attention_apply(k, queries, keys, h->masks, h->dscores, tile);
    }
    k->attention_backward_f32(queries, keys, h->scores, tile, h->dscores, tile, 1.0f / sqrtf((float)dim),
                              eng_row(s->gate, head) + first, s->bias.table + entry, s->max + row, s->inverse_sum + row,
                              delta, dgate, s->bias.grad ? s->bias.grad + entry : NULL);
    if (drops) eng_attention_apply(k, queries, keys, h->masks, h->scores, tile);
    k->transpose_f32(queries, keys, h->scores, tile, h->turned, ENG_MAX_QUERIES);
    eng_attention_product(k, ENG_F32, keys, dim, queries, h->turned, ENG_MAX_QUERIES, h->out_rows, queries, 0,
                          h->dvalues + key * dim, dim, true);
    k->transpose_f32(queries, keys, h->dscores, tile, h->turned, ENG_MAX_QUERIES);
    eng_attention_product(k, ENG_F32, keys, dim, queries, h->turned, ENG_MAX_QUERIES, h->query_rows, queries, 0,
                          h->dkeys + key * dim, dim, true);
    eng_attention_product(k, ENG_F32, queries, dim, keys, h->dscores, tile, h->key_rows, frames, key, h->dqueries, dim, key > 0);
}

static void add_rows(const kern_table *k, size_t rows, size_t dim, const float *x, float *out, size_t ldo)
{
    for (size_t i = 0; i < rows; i++) k->add_f32(dim, out + i * ldo, x + i * dim, out + i * ldo);
}

static void backward_block(const backward_run *r, const head_panels *h, size_t head, size_t u, size_t first,
                           size_t queries)
{
    const eng_attention_saved *s = r->s;
    const kern_table *k = &r->ctx->k;
    size_t dim = r->dim, column = head * dim, frames = eng_batch_frames(s->batch, u);
    float delta[ENG_MAX_QUERIES];
    for (size_t i = 0; i < queries; i++) {
        memcpy(h->queries + i * dim, eng_row(s->qkv, first + i) + column, dim * sizeof(float));
        memcpy(h->dout + i * dim, eng_grad_row(s->out, first + i) + column, dim * sizeof(float));
        delta[i] = k->dot_f32(dim, h->dout + i * dim, eng_row(s->out, first + i) + column);
    }
    eng_attention_pack_rows(k, ENG_F32, queries, dim, h->queries, dim, h->query_rows);
    eng_attention_pack_rows(k, ENG_F32, queries, dim, h->dout, dim, h->out_rows);
    for (size_t key = 0; key < frames; key += h->tile)
        backward_tile(r, h, head, u, first, queries, key, eng_min(h->tile, frames - key), delta);
    add_rows(k, queries, dim, h->dqueries, eng_grad_row(s->qkv, first) + column, s->qkv.stride);
}

static void backward_task(void *arg, size_t head, size_t worker)
{
    backward_run *r = arg;
    const eng_attention_saved *s = r->s;
    const kern_table *k = &r->ctx->k;
    size_t dim = r->dim, width = s->heads * dim, block = eng_attention_queries(k, ENG_F32);
    eng_arena *scratch = eng_pool_scratch(r->ctx->pool, worker);
    for (size_t u = 0; u < s->batch.n; u++) {
        size_t begin = s->batch.offset[u], frames = eng_batch_frames(s->batch, u), stride = s->qkv.stride;
        eng_arena_mark mark = eng_arena_save(scratch);
        head_panels h;
        if (!new_panels(r, scratch, frames, &h)) {
            r->failed[worker] = true;
            return;
        }
        const float *keys = eng_row(s->qkv, begin) + width + head * dim, *values = keys + width;
        eng_attention_pack_columns(k, ENG_F32, frames, dim, keys, stride, NULL, h.keys);
        eng_attention_pack_columns(k, ENG_F32, frames, dim, values, stride, NULL, h.values);
        eng_attention_pack_rows(k, ENG_F32, frames, dim, keys, stride, h.key_rows);
        for (size_t q = 0; q < frames; q += block)
            backward_block(r, &h, head, u, begin + q, eng_min(block, frames - q));
        add_rows(k, frames, dim, h.dkeys, eng_grad_row(s->qkv, begin) + width + head * dim, stride);
        add_rows(k, frames, dim, h.dvalues, eng_grad_row(s->qkv, begin) + 2 * width + head * dim, stride);
        eng_arena_rewind(scratch, mark);
    }
}

void eng_attention_backward(eng_context *ctx, void *saved)
{
    const eng_attention_saved *s = saved;
    size_t threads = eng_pool_threads(ctx->pool);
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    if (!failed) {
        eng_out_of_memory(ctx, "attention's gradient", threads);
        return;
    }
    memset(failed, 0, threads * sizeof *failed);
    backward_run run = {ctx, s, s->qkv.cols / 3 / s->heads, failed};
    eng_pool_run(ctx->pool, s->heads, backward_task, &run);
    for (size_t i = 0; i < threads; i++)
        if (failed[i]) eng_out_of_memory(ctx, "attention's gradient", 6 * s->bias.reach * run.dim * sizeof(float));
}
