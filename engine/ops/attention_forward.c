/* One task is a head and up to QUERIES_A_TASK queries of an utterance. It packs the head's keys and values into the
 * micro-kernel's panels once; then, for each block of queries, walks over tiles of keys with an online softmax:
 *
 *   S = Q K^T;  P = exp(S * scale + gate * bias - running max);  O = O * rescale + P V;  at the end O /= running sum
 *
 * Key tiles start at the utterance's first frame and have a fixed width, so a query's arithmetic does not depend on which
 * block or batch it is in. Dropout multiplies P by its mask after the sum was taken. In bf16 Q, K, P and V are rounded for
 * the two products; P's sum is that of the weights before they are rounded. */
#include "engine/ops/attention.h"

#include <math.h>
#include <string.h>

#include "engine/gemm/parts.h"
#include "engine/ops/attention_parts.h"
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
    eng_precision precision;  /* ENG_F32 or ENG_BF16 */
    float *max, *inverse_sum; /* [heads, frames], kept for the backward pass; else NULL */
    bool *failed;
} attention_run;

/* A head's keys and values as panels, and what a block of queries needs. */
typedef struct head_scratch {
    size_t tile;      /* keys in a score tile */
    uint32_t *keys;   /* panels [ceil(frames / nr)] of [units of dim][nr] */
    uint32_t *values; /* panels [ceil(dim / nr)] of [units of frames][nr] */
    float *scores;    /* [ENG_MAX_QUERIES, tile] */
    float *masks;     /* as scores; NULL: nothing is dropped */
    void *queries;    /* f32: [ENG_MAX_QUERIES, dim]; bf16: a left operand. Rows of qkv and out, a power of two apart, */
    float *out;       /* [ENG_MAX_QUERIES, dim]             would compete for the same few cache sets */
    uint32_t *left;   /* bf16: the tile's weights as a left operand */
    void *packing;    /* what laying operands out needs */
} head_scratch;

static bool pack_head(const attention_run *r, const attention_part *p, size_t head, eng_arena *scratch, head_scratch *s)
{
    const kern_table *k = &r->ctx->k;
    eng_precision precision = r->precision;
    size_t nr = eng_attention_blocks(k, precision)->nr, dim = r->dim, width = r->heads * dim;
    size_t key_panels = (p->frames + nr - 1) / nr, value_panels = (dim + nr - 1) / nr;
    s->tile = ENG_KEY_TILE;
    bool rounds = precision == ENG_BF16, drops = r->dropout.p > 0;
    size_t queries = rounds ? eng_attention_left_size(k, ENG_MAX_QUERIES, dim) : ENG_MAX_QUERIES * dim;
    size_t weights = rounds ? eng_attention_left_size(k, ENG_MAX_QUERIES, s->tile) : 0;
    struct {
        void *place;
        size_t count;
    } wanted[] = {{&s->keys, key_panels * nr * eng_attention_units(precision, dim)},
                  {&s->values, value_panels * nr * eng_attention_units(precision, p->frames)},
                  {&s->scores, ENG_MAX_QUERIES * s->tile},
                  {&s->masks, drops ? ENG_MAX_QUERIES * s->tile : 0},
                  {&s->queries, queries},
                  {&s->out, ENG_MAX_QUERIES * dim},
                  {&s->left, weights},
                  {&s->packing, eng_attention_scratch(k, precision, dim > s->tile ? dim : s->tile)}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *block = eng_arena_alloc(scratch, wanted[i].count, sizeof(uint32_t));
        if (!block) return false;
        memcpy(wanted[i].place, &block, sizeof block);
    }
    if (!drops) s->masks = NULL;
    const float *keys = eng_row(r->qkv, p->begin) + width + head * dim, *values = keys + width;
    eng_attention_pack_columns(k, precision, p->frames, dim, keys, r->qkv.stride, s->packing, s->keys);
    eng_attention_pack_rows(k, precision, p->frames, dim, values, r->qkv.stride, s->values);
    return true;
}

/* A block's queries, as the products want them. */
static void lay_out_queries(const attention_run *r, const head_scratch *s, const float *x, size_t queries)
{
    if (r->precision == ENG_BF16) {
        eng_attention_pack_left(&r->ctx->k, queries, r->dim, x, r->qkv.stride, s->packing, s->queries);
        return;
    }
    for (size_t i = 0; i < queries; i++)
        memcpy((float *)s->queries + i * r->dim, x + i * r->qkv.stride, r->dim * sizeof *x);
}

/* out = (key > 0 ? out : 0) + P V for that tile. */
static void weigh_tile(const attention_run *r, const head_scratch *s, size_t frames, size_t queries, size_t key,
                       size_t keys)
{
    const kern_table *k = &r->ctx->k;
    const void *left = s->scores;
    if (r->precision == ENG_BF16) {
        eng_attention_pack_left(k, queries, keys, s->scores, s->tile, s->packing, s->left);
        left = s->left;
    }
    eng_attention_product(k, r->precision, queries, r->dim, eng_attention_units(r->precision, keys), left, s->tile,
                          s->values, eng_attention_units(r->precision, frames), eng_attention_units(r->precision, key),
                          s->out, r->dim, key > 0);
}

/* queries rows from query on, against all keys. */
static void attend_block(const attention_run *r, const attention_part *p, size_t head, const head_scratch *s,
                         size_t query, size_t queries)
{
    const kern_table *k = &r->ctx->k;
    eng_precision precision = r->precision;
    float running_max[ENG_MAX_QUERIES], running_sum[ENG_MAX_QUERIES], rescale[ENG_MAX_QUERIES];
    size_t dim = r->dim, units = eng_attention_units(precision, dim), first = p->begin + query, column = head * dim;
    lay_out_queries(r, s, eng_row(r->qkv, first) + column, queries);
    for (size_t i = 0; i < queries; i++) {
        running_max[i] = -INFINITY;
        running_sum[i] = 0;
    }
    const float *gate = eng_row(r->gate, head) + first;
    const float *bias = r->bias.table + head * (2 * r->bias.reach - 1) + r->bias.reach - 1;
    for (size_t key = 0; key < p->frames; key += s->tile) {
        size_t keys = eng_min(s->tile, p->frames - key);
        eng_attention_product(k, precision, queries, keys, units, s->queries, dim, s->keys + key * units, units, 0,
                              s->scores, s->tile, false);
        k->attention_softmax_f32(queries, keys, s->scores, s->tile, r->scale, gate,
                                 bias + ((ptrdiff_t)key - (ptrdiff_t)query), running_max, running_sum, rescale);
        if (key) k->scale_rows_f32(queries, dim, s->out, dim, rescale);
        if (s->masks) {
            eng_attention_masks(&r->dropout, r->dropout.ids[p->utterance], head, p->frames, query, queries, key, keys,
                                s->masks, s->tile);
            eng_attention_apply(k, queries, keys, s->masks, s->scores, s->tile);
        }
        weigh_tile(r, s, p->frames, queries, key, keys);
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
    size_t block = eng_attention_queries(&r->ctx->k, r->precision);
    for (size_t q = 0; q < p->queries; q += block)
        attend_block(r, p, head, &s, p->first_query + q, eng_min(block, p->queries - q));
    eng_arena_rewind(scratch, mark);
}

static size_t cut_parts(eng_batch batch, attention_part *out)
{
    size_t n = 0;
    for (size_t u = 0; u < batch.n; u++) {
        size_t frames = eng_batch_frames(batch, u);
        for (size_t q = 0; q < frames; q += QUERIES_A_TASK, n++)
            if (out) out[n] = (attention_part){batch.offset[u], frames, q, eng_min(QUERIES_A_TASK, frames - q), u};
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
                                 eng_relative_bias bias, eng_precision precision,
                                 const eng_attention_dropout *dropout)
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
    bool rounds = precision != ENG_F32 && ctx->k.bf16_is_fast && !ctx->tape;
    attention_run run = {.ctx = ctx,
                         .parts = parts,
                         .qkv = qkv,
                         .gate = gate,
                         .out = out,
                         .heads = heads,
                         .dim = dim,
                         .scale = 1.0f / sqrtf((float)dim),
                         .bias = bias,
                         .dropout = drop,
                         .precision = rounds ? ENG_BF16 : ENG_F32,
                         .max = max,
                         .inverse_sum = inverse_sum,
                         .failed = failed};
    size_t nr = eng_attention_blocks(&ctx->k, run.precision)->nr;
    ENG_CHECK(ENG_KEY_TILE % nr == 0, "attention: tiles of %d keys, panels of %zu", (int)ENG_KEY_TILE, nr);
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
                         eng_relative_bias bias, eng_precision precision)
{
    return eng_attention_dropped(ctx, batch, qkv, heads, gate, bias, precision, NULL);
}
