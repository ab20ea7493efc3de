/* The tape: what the backward pass has to do, in order.
 *
 * Ops are eager. While ctx->tape is set, an op that has something to differentiate records a node: a function and the
 * few values that it needs. eng_backward runs the nodes from last to first; each adds to the gradients of its inputs and
 * parameters (forward overwrites, backward accumulates). The caller seeds the last tensor's gradient. */
#ifndef ENGINE_TAPE_H
#define ENGINE_TAPE_H

#include "engine/context.h"

/* Adds to the gradients of the op's inputs. saved: what the op kept. */
typedef void (*eng_backward_fn)(eng_context *ctx, void *saved);

typedef struct eng_tape_node eng_tape_node;

struct eng_tape {
    eng_arena arena; /* of the nodes */
    eng_tape_node *last;
    size_t count;
};

void eng_tape_init(eng_tape *t);
void eng_tape_fini(eng_tape *t);

/* Appends a node and returns `bytes` of memory for what fn needs, uninitialised; NULL when no tape records, or when out
 * of memory (ctx->error is then set). */
void *eng_record(eng_context *ctx, eng_backward_fn fn, size_t bytes);

/* Runs all nodes backwards and empties the tape. A node may itself record and run a nested tape (checkpointing). */
void eng_backward(eng_context *ctx);

/* Drops all nodes. */
void eng_tape_clear(eng_tape *t);

#endif
