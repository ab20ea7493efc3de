#include "engine/tape.h"

struct eng_tape_node {
    eng_tape_node *previous;
    eng_backward_fn fn;
    void *saved;
};

void eng_tape_init(eng_tape *t)
{
    *t = (eng_tape){0};
    eng_arena_init(&t->arena);
}

void eng_tape_fini(eng_tape *t)
{
    eng_arena_fini(&t->arena);
    *t = (eng_tape){0};
}

void *eng_record(eng_context *ctx, eng_backward_fn fn, size_t bytes)
{
    eng_tape *t = ctx->tape;
    if (!t || !eng_good(ctx)) return NULL;
    eng_tape_node *node = eng_arena_alloc(&t->arena, 1, sizeof *node);
    void *saved = eng_arena_alloc(&t->arena, bytes, 1);
    if (!node || !saved) {
        eng_out_of_memory(ctx, "the tape", bytes);
        return NULL;
    }
    *node = (eng_tape_node){t->last, fn, saved};
    t->last = node;
    t->count++;
    return saved;
}

void eng_backward(eng_context *ctx)
{
    eng_tape *t = ctx->tape;
    ctx->tape = NULL; /* what a backward function computes is not recorded */
    for (eng_tape_node *node = t->last; node && eng_good(ctx); node = node->previous) {
        eng_arena_mark mark = eng_arena_save(ctx->arena);
        node->fn(ctx, node->saved);
        eng_arena_rewind(ctx->arena, mark);
    }
    ctx->tape = t;
    eng_tape_clear(t);
}

void eng_tape_clear(eng_tape *t)
{
    t->last = NULL;
    t->count = 0;
    eng_arena_rewind(&t->arena, (eng_arena_mark){0});
}
