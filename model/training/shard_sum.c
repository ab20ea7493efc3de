#include "model/training/shard_sum.h"

#include <string.h>

#include "engine/memory.h"

eng_status mdl_shard_sum_init(mdl_shard_sum *s, const mdl_params *params, const mdl_division *division,
                              const kern_table *k, bool rounded, size_t shards, size_t first, size_t end, eng_error *err)
{
    *s = (mdl_shard_sum){.params = params, .division = division, .k = *k, .rounded = rounded, .shards = shards,
                         .first = first, .end = end};
    s->present = eng_alloc_zero(shards + 1, sizeof *s->present);
    s->value = eng_alloc_zero(shards, sizeof *s->value);
    return s->present && s->value ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for %zu shards", shards);
}

void mdl_shard_sum_fini(mdl_shard_sum *s)
{
    eng_free(s->present);
    eng_free(s->value);
    for (size_t i = 0; i < MDL_FOREST_MOST; i++) eng_free(s->buffer[i]);
    *s = (mdl_shard_sum){0};
}

void mdl_shard_sum_begin(mdl_shard_sum *s, const bool *present)
{
    s->last = SIZE_MAX;
    s->next = s->first;
    s->nodes = 0;
    memset(s->used, 0, sizeof s->used);
    memset(s->value, 0, s->shards * sizeof *s->value);
    for (size_t i = 0; i < s->shards; i++) {
        s->present[i + 1] = s->present[i] + present[i];
        if (present[i] && i >= s->first && i < s->end) s->last = i;
    }
    if (s->last != SIZE_MAX) s->value[s->last] = (mdl_node_value){1, MDL_VALUE_GRADIENT, 0};
}

bool mdl_shard_sum_has(const mdl_shard_sum *s, mdl_node node)
{
    return s->present[node.first + node.count] > s->present[node.first];
}

void mdl_shard_sum_expect(mdl_shard_sum *s, mdl_node node, size_t index)
{
    s->value[node.first] = (mdl_node_value){node.count, MDL_VALUE_RECEIVED, index};
}

/* ---- Values ---- */

size_t mdl_shard_sum_scratch(const mdl_shard_sum *s)
{
    size_t depth = 2;
    for (size_t n = s->shards; n > 1; n = mdl_node_left(n)) depth++;
    return depth * MDL_READ_MOST;
}

static void round_to_bf16(const mdl_shard_sum *s, size_t n, float *x)
{
    uint16_t half[MDL_READ_MOST];
    s->k.f32_to_bf16(n, x, half);
    s->k.bf16_to_f32(n, half, x);
}

static void load(const mdl_shard_sum *s, mdl_node_value v, size_t at, mdl_run run, const mdl_received *received, float *out)
{
    const size_t bytes = run.count * sizeof *out;
    if (v.where == MDL_VALUE_BUFFER) memcpy(out, s->buffer[v.index] + at, bytes);
    if (v.where == MDL_VALUE_GRADIENT) {
        memcpy(out, s->params->param[run.param].grad + run.first, bytes);
        if (s->rounded) round_to_bf16(s, run.count, out);
    }
    if (v.where != MDL_VALUE_RECEIVED) return;
    size_t place = v.index * received->span.count + (at - received->span.first);
    if (s->rounded) s->k.bf16_to_f32(run.count, received->bf16 + place, out);
    else memcpy(out, received->f32 + place, bytes);
}

void mdl_shard_sum_read(const mdl_shard_sum *s, mdl_node node, size_t at, mdl_run run, const mdl_received *received,
                        float *scratch, float *out)
{
    const mdl_node_value known = s->value[node.first];
    if (known.count == node.count && known.where != MDL_VALUE_NONE) {
        load(s, known, at, run, received, out);
        return;
    }
    const size_t half = mdl_node_left(node.count);
    const mdl_node left = {node.first, half}, right = {node.first + half, node.count - half};
    const bool both = mdl_shard_sum_has(s, left) && mdl_shard_sum_has(s, right);
    if (!both) {
        mdl_shard_sum_read(s, mdl_shard_sum_has(s, left) ? left : right, at, run, received, scratch, out);
        return;
    }
    mdl_shard_sum_read(s, left, at, run, received, scratch, out);
    mdl_shard_sum_read(s, right, at, run, received, scratch + MDL_READ_MOST, scratch);
    s->k.add_f32(run.count, out, scratch, out);
    if (s->rounded) round_to_bf16(s, run.count, out);
}

/* ---- Over all elements ---- */

typedef struct pass {
    mdl_shard_sum *s;
    eng_context *ctx;
    size_t block;
    mdl_node node;
    float *out;     /* [elements that learn]; NULL: the gradients */
    float *scratch; /* [workers, mdl_shard_sum_scratch + MDL_READ_MOST] */
} pass;

static void pass_task(void *arg, size_t task, size_t worker)
{
    const pass *p = arg;
    const mdl_shard_sum *s = p->s;
    const size_t room = mdl_shard_sum_scratch(s);
    float *scratch = p->scratch + worker * (room + MDL_READ_MOST), *read = scratch + room;
    const mdl_block *block = &s->division->block[p->block];
    for (size_t at = block->piece[task], end = block->piece[task + 1]; at < end;) {
        mdl_run run = mdl_division_run(s->division, p->block, at, end);
        if (run.count > MDL_READ_MOST) run.count = MDL_READ_MOST;
        float *grad = s->params->param[run.param].grad + run.first;
        mdl_shard_sum_read(s, p->node, at, run, NULL, scratch, read);
        memcpy(p->out ? p->out + at : grad, read, run.count * sizeof *read);
        if (p->out) memset(grad, 0, run.count * sizeof *grad);
        at += run.count;
    }
}

/* The value of node, everywhere, to out and zero to the gradients; or, out NULL, to the gradients. */
static void evaluate(mdl_shard_sum *s, eng_context *ctx, mdl_node node, float *out)
{
    const size_t floats = eng_pool_threads(ctx->pool) * (mdl_shard_sum_scratch(s) + MDL_READ_MOST);
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    float *scratch = eng_arena_alloc(ctx->arena, floats, sizeof *scratch);
    if (!scratch) eng_out_of_memory(ctx, "a sum of gradients", floats * sizeof *scratch);
    for (size_t b = 0; b < s->division->blocks && scratch; b++) {
        pass p = {.s = s, .block = b, .node = node, .out = out, .scratch = scratch};
        eng_pool_run(ctx->pool, s->division->block[b].pieces, pass_task, &p);
    }
    eng_arena_rewind(ctx->arena, mark);
}

/* ---- Taking ---- */

static void push(mdl_shard_sum *s, mdl_node node, size_t buffer)
{
    s->stack[s->nodes] = node;
    s->buffer_of[s->nodes++] = buffer;
    if (buffer != SIZE_MAX) s->value[node.first] = (mdl_node_value){node.count, MDL_VALUE_BUFFER, buffer};
}

/* The node that `node` becomes with what it completes on the stack; *below: how much of the stack stays. */
static mdl_node join(const mdl_shard_sum *s, mdl_node node, size_t *below)
{
    size_t n = s->nodes;
    while (n && mdl_node_siblings(s->shards, s->stack[n - 1], node)) {
        n--;
        node = (mdl_node){s->stack[n].first, s->stack[n].count + node.count};
    }
    *below = n;
    return node;
}

static size_t free_buffer(mdl_shard_sum *s, eng_context *ctx)
{
    size_t i = 0, elements = mdl_division_elements(s->division);
    while (s->used[i]) i++;
    if (!s->buffer[i]) s->buffer[i] = eng_alloc(elements, sizeof *s->buffer[i]);
    if (!s->buffer[i]) eng_out_of_memory(ctx, "the gradients of a shard", elements * sizeof *s->buffer[i]);
    else s->used[i] = true;
    return i;
}

/* Puts a shard behind what is taken: present, its value is the gradients. */
static void take(mdl_shard_sum *s, eng_context *ctx, size_t shard, bool present)
{
    size_t below, buffer = SIZE_MAX, values = present;
    mdl_node node = join(s, (mdl_node){shard, 1}, &below);
    for (size_t i = s->nodes; i-- > below;) {
        if (s->buffer_of[i] == SIZE_MAX) continue;
        buffer = s->buffer_of[i];
        values++;
    }
    if (present) s->value[shard] = (mdl_node_value){1, MDL_VALUE_GRADIENT, 0};
    if (present && buffer == SIZE_MAX) buffer = free_buffer(s, ctx);
    if (eng_good(ctx) && (present || values > 1)) evaluate(s, ctx, node, s->buffer[buffer]);
    for (size_t i = below; i < s->nodes; i++)
        if (s->buffer_of[i] != SIZE_MAX && s->buffer_of[i] != buffer) s->used[s->buffer_of[i]] = false;
    s->nodes = below;
    push(s, node, buffer);
    s->next = shard + 1;
}

void mdl_shard_sum_take(mdl_shard_sum *s, eng_context *ctx, size_t shard)
{
    if (shard == s->last) return;
    for (; s->next < shard && eng_good(ctx);) take(s, ctx, s->next, false); /* absent ones before the first */
    if (eng_good(ctx)) take(s, ctx, shard, true);
    while (eng_good(ctx) && s->next < s->last && !mdl_shard_sum_has(s, (mdl_node){s->next, 1}))
        take(s, ctx, s->next, false); /* while the gradients are zero */
}

void mdl_shard_sum_finish(mdl_shard_sum *s, eng_context *ctx)
{
    if (s->last == SIZE_MAX || (s->present[s->shards] == 1 && !s->rounded)) return; /* the gradients are the sum */
    evaluate(s, ctx, (mdl_node){0, s->shards}, NULL);
}
