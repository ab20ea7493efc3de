/* One task is a head and up to QUERIES_A_TASK queries of an utterance. It packs the head's keys and values into the
 * micro-kernel's panels once; then, for each block of queries, walks over tiles of keys with an online softmax:
 *
 *   S = Q K^T;  P = exp(S * scale + gate * bias - running max);  O = O * rescale + P V;  at the end O /= running sum
 *
 * Key tiles start at the utterance's first frame and have a fixed width, so a query's arithmetic does not depend on which
 * block or batch it is in. Dropout multiplies P by its mask after the sum was taken. */
#include "engine/attention.h"

#include <math.h>
#include <string.h>

#include "engine/attention_parts.h"
#include "engine/tape.h"

enum { QUERIES_A_TASK = 2048 };

typedef struct attention_part {
    size_t begin, frames;          /* the utterance */
    size_t first_query, queries;   /* within the utterance */
    size_t utterance;
} attention_part;

typedef struct attention_run {
    eng_context *ctx;
    const attention_part *parts;
    eng_tensor qkv, gate, out;
    size_t heads, dim;
    float scale;
    eng_relative_bias bias;
    eng_attention_dropout dropout;
    float *max, *inverse_sum; /* [heads, frames], kept for the backward pass; else NULL */
    bool *failed;
} attention_run;

/* A head's keys and values as panels, and the score tile. */
typedef struct head_scratch {
    size_t tile;     /* keys in a score tile, a multiple of nr */
    float *keys;     /* panels [ceil(frames / nr)] of [dim][nr] */
    float *values;   /* panels [ceil(dim / nr)] of [frames][nr] */
    float *scores;   /* [ENG_MAX_QUERIES, tile] */
    float *masks;    /* as scores; NULL: nothing is dropped */
    float *queries;  /* [ENG_MAX_QUERIES, dim]: rows of qkv and out lie a power of two apart and would compete for */
    float *out;      /* [ENG_MAX_QUERIES, dim]  the same few cache sets */
} head_scratch;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool pack_head(const attention_run *r, const attention_part *p, size_t head, eng_arena *scratch, head_scratch *s)
{
    const kern_table *k = &r->ctx->k;
    size_t nr = k->gemm_blocks.nr, dim = r->dim, width = r->heads * dim;
    size_t key_panels = (p->frames + nr - 1) / nr, value_panels = (dim + nr - 1) / nr;
    s->tile = (ENG_KEY_TILE + nr - 1) / nr * nr;
    s->keys = eng_arena_alloc(scratch, key_panels * nr * dim, sizeof(float));
    s->values = eng_arena_alloc(scratch, value_panels * nr * p->frames, sizeof(float));
    s->scores = eng_arena_alloc(scratch, ENG_MAX_QUERIES * s->tile, sizeof(float));
    s->masks = NULL;
    if (r->dropout.p > 0) {
        s->masks = eng_arena_alloc(scratch, ENG_MAX_QUERIES * s->tile, sizeof(float));
        if (!s->masks) return false;
    }
    s->queries = eng_arena_alloc(scratch, ENG_MAX_QUERIES * dim, sizeof(float));
    s->out = eng_arena_alloc(scratch, ENG_MAX_QUERIES * dim, sizeof(float));
    if (!s->keys || !s->values || !s->scores || !s->queries || !s->out) return false;
    const float *keys = eng_row(r->qkv, p->begin) + width + head * dim, *values = keys + width;
    eng_attention_pack_columns(k, p->frames, dim, keys, r->qkv.stride, s->keys);
    eng_attention_pack_rows(k, p->frames, dim, values, r->qkv.stride, s->values);
    return true;
}

/* queries rows from query on, against all keys. */
static void attend_block(const attention_run *r, const attention_part *p, size_t head, const head_scratch *s,
                         size_t query, size_t queries)
{
    const kern_table *k = &r->ctx->k;
    float running_max[ENG_MAX_QUERIES], running_sum[ENG_MAX_QUERIES], rescale[ENG_MAX_QUERIES];
    size_t dim = r->dim, first = p->begin + query, column = head * dim;
    for (size_t i = 0; i < queries; i++) {
        running_max[i] = -INFINITY;
        running_sum[i] = 0;
        memcpy(s->queries + i * dim, eng_row(r->qkv, first + i) + column, dim * sizeof(float));
    }
    const float *gate = eng_row(r->gate, head) + first;
    const float *bias = r->bias.table + head * (2 * r->bias.reach - 1) + r->bias.reach - 1;
    for (size_t key = 0; key < p->frames; key += s->tile) {
        size_t keys = min_size(s->tile, p->frames - key);
        eng_attention_product(k, queries, keys, dim, s->queries, dim, s->keys + key * dim, dim, 0, s->scores, s->tile, false);
        k->attention_softmax_f32(queries, keys, s->scores, s->tile, r->scale, gate,
                                 bias + ((ptrdiff_t)key - (ptrdiff_t)query), running_max, running_sum, rescale);
        if (key) k->scale_rows_f32(queries, dim, s->out, dim, rescale);
        if (s->masks) {
            eng_attention_masks(&r->dropout, r->dropout.ids[p->utterance], head, p->frames, query, queries, key, keys,
                                s->masks, s->tile);
            eng_attention_apply(k, queries, keys, s->masks, s->scores, s->tile);
        }
        eng_attention_product(k, queries, dim, keys, s->scores, s->tile, s->values, p->frames, key, s->out, dim, key > 0);
    }
    for (size_t i = 0; i < queries; i++) rescale[i] = 1.0f / running_sum[i];
    if (r->max) {
        memcpy(r->max + head * r->qkv.rows + first, running_max, queries * sizeof(float));
        memcpy(r->inverse_sum + head * r->qkv.rows + first, rescale, queries * sizeof(float));
    }
    k->scale_rows_f32(queries, dim, s->out, dim, rescale);
    for (size_t i = 0; i < queries; i++)
        memcpy(eng_row(r->out, first + i) + column, s->out + i * dim, dim * sizeof(float));
}

static void attention_task(void *arg, size_t task, size_t worker)
{
    attention_run *r = arg;
    const attention_part *p = &r->parts[task / r->heads];
    size_t head = task % r->heads;
    eng_arena *scratch = eng_pool_scratch(r->ctx->pool, worker);
    eng_arena_mark mark = eng_arena_save(scratch);
    head_scratch s;
    if (!pack_head(r, p, head, scratch, &s)) {
        r->failed[worker] = true;
        return;
    }
    size_t block = min_size(ENG_QUERY_TILES * r->ctx->k.gemm_blocks.mr, ENG_MAX_QUERIES);
    for (size_t q = 0; q < p->queries; q += block)
        attend_block(r, p, head, &s, p->first_query + q, min_size(block, p->queries - q));
    eng_arena_rewind(scratch, mark);
}

static size_t cut_parts(eng_batch batch, attention_part *out)
{
    size_t n = 0;
    for (size_t u = 0; u < batch.n; u++) {
        size_t frames = eng_batch_frames(batch, u);
        for (size_t q = 0; q < frames; q += QUERIES_A_TASK, n++)
            if (out) out[n] = (attention_part){batch.offset[u], frames, q, min_size(QUERIES_A_TASK, frames - q), u};
    }
    return n;
}

static void check_shapes(eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate, eng_relative_bias bias,
                         eng_attention_dropout dropout)
{
    size_t width = qkv.cols / 3;
    ENG_CHECK(heads && qkv.cols == 3 * width && width % heads == 0 && gate.rows == heads && gate.cols == qkv.rows,
              "attention: qkv [%zu, %zu], %zu heads, gate [%zu, %zu]", qkv.rows, qkv.cols, heads, gate.rows, gate.cols);
    for (size_t u = 0; u < batch.n; u++)
        ENG_CHECK(eng_batch_frames(batch, u) <= bias.reach, "attention: %zu frames, bias table reaches %zu",
                  eng_batch_frames(batch, u), bias.reach);
    ENG_CHECK(dropout.p >= 0 && dropout.p <= 1, "attention: p = %g", (double)dropout.p);
}

eng_tensor eng_attention_dropped(eng_context *ctx, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                                 eng_relative_bias bias, const eng_attention_dropout *dropout)
{
    static const eng_attention_dropout none = {.p = 0};
    eng_attention_dropout drop = dropout ? *dropout : none;
    size_t width = qkv.cols / 3;
    eng_tensor out = eng_tensor_new(ctx, qkv.rows, width);
    if (!eng_good(ctx)) return out;
    check_shapes(batch, qkv, heads, gate, bias, drop);
    float *max = NULL, *inverse_sum = NULL;
    if (ctx->tape) {
        max = eng_tensor_plain(ctx, heads, qkv.rows).data;
        inverse_sum = eng_tensor_plain(ctx, heads, qkv.rows).data;
        if (!eng_good(ctx)) return out;
    }
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    size_t n = cut_parts(batch, NULL), threads = eng_pool_threads(ctx->pool), dim = width / heads;
    attention_part *parts = eng_arena_alloc(ctx->arena, n, sizeof *parts);
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    if (!parts || !failed) {
        eng_out_of_memory(ctx, "attention", n * sizeof *parts);
        return out;
    }
    memset(failed, 0, threads * sizeof *failed);
    cut_parts(batch, parts);
    attention_run run = {ctx, parts, qkv, gate, out, heads, dim, 1.0f / sqrtf((float)dim), bias, drop, max, inverse_sum,
                         failed};
    eng_op_begin(ctx, "attention", qkv.rows, width, heads);
    eng_pool_run(ctx->pool, n * heads, attention_task, &run);
    eng_op_end(ctx);
    for (size_t i = 0; i < threads; i++)
        if (failed[i]) eng_out_of_memory(ctx, "attention", 2 * bias.reach * dim * sizeof(float));
    eng_arena_rewind(ctx->arena, mark);
    eng_attention_saved *saved = eng_record(ctx, eng_attention_backward, sizeof *saved);
    if (saved) *saved = (eng_attention_saved){batch, heads, qkv, gate, out, bias, max, inverse_sum, drop};
    return out;
}

eng_tensor eng_attention(eng_context *ctx, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                         eng_relative_bias bias)
{
    return eng_attention_dropped(ctx, batch, qkv, heads, gate, bias, NULL);
}
