/* What every op gets: the kernels, the threads, the arena for its results, and a sticky error.
 *
 * Ops return tensors in ctx->arena. When memory runs out an op sets ctx->error and returns an empty tensor; every op
 * does nothing once ctx->error is set, so a forward pass checks once, at its end. A shape mismatch between ops is a bug
 * of the caller and aborts, in release builds too (ENG_CHECK). */
#ifndef ENGINE_CONTEXT_H
#define ENGINE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "engine/gemm/precision.h"
#include "engine/threads.h"
#include "kernels/kernels.h"

/* A matrix, [rows, cols], row-major with a row stride in elements. A value: it owns nothing. grad, of the same shape and
 * stride, holds the loss's gradient while a tape records; NULL: no gradient is wanted here. */
typedef struct eng_tensor {
    float *data;
    size_t rows, cols, stride;
    float *grad;
} eng_tensor;

typedef struct eng_tape eng_tape;

/* Sees the ops of a forward pass, for measurements: begin when one starts to compute, with its name and up to three
 * sizes (what they are, the op says where it calls), end when it has its result. Both on the thread that called the op,
 * outside of any task, so that the pool is free. An op that fails may not end. */
typedef struct eng_trace {
    void (*begin)(void *arg, const char *op, size_t rows, size_t cols, size_t depth);
    void (*end)(void *arg);
    void *arg;
} eng_trace;

typedef struct eng_context {
    kern_table k;
    eng_pool *pool;
    eng_arena *arena;
    eng_precision precision; /* f32 or bf16: of products of weights that are not packed (linear, conv1d, CNN), and back */
    eng_tape *tape; /* NULL: inference; nothing is recorded and nothing is kept for a backward pass (tape.h) */
    eng_error error;
    const eng_trace *trace; /* NULL: nobody looks */
} eng_context;

static inline void eng_op_begin(const eng_context *ctx, const char *op, size_t rows, size_t cols, size_t depth)
{
    if (ctx->trace) ctx->trace->begin(ctx->trace->arg, op, rows, cols, depth);
}

static inline void eng_op_end(const eng_context *ctx)
{
    if (ctx->trace) ctx->trace->end(ctx->trace->arg);
}

/* True while no op has failed. */
static inline bool eng_good(const eng_context *ctx)
{
    return ctx->error.status == ENG_OK;
}

/* A new [rows, cols] tensor in ctx->arena, uninitialised, stride = cols; with a gradient of zeros while a tape records.
 * Empty (data NULL) once ctx has failed. */
eng_tensor eng_tensor_new(eng_context *ctx, size_t rows, size_t cols);

/* The same without a gradient: a constant, or scratch. */
eng_tensor eng_tensor_plain(eng_context *ctx, size_t rows, size_t cols);

/* Scopes give memory back where nothing has to be kept: close rewinds ctx->arena to where open found it, unless a tape
 * records, whose nodes still need what was allocated. */
eng_arena_mark eng_scope_open(const eng_context *ctx);
void eng_scope_close(eng_context *ctx, eng_arena_mark mark);

/* Marks ctx as out of memory for what was being done. */
void eng_out_of_memory(eng_context *ctx, const char *doing, size_t bytes);

/* Row i of t. */
static inline float *eng_row(eng_tensor t, size_t i)
{
    return t.data + i * t.stride;
}

/* Row i of t's gradient. */
static inline float *eng_grad_row(eng_tensor t, size_t i)
{
    return t.grad + i * t.stride;
}

/* Rows [first, first + count) of t. */
static inline eng_tensor eng_rows(eng_tensor t, size_t first, size_t count)
{
    return (eng_tensor){t.data + first * t.stride, count, t.cols, t.stride, t.grad ? t.grad + first * t.stride : NULL};
}

/* A packed batch: the frames of n utterances one after the other; utterance i owns rows offset[i] .. offset[i+1]-1. */
typedef struct eng_batch {
    size_t n;
    const size_t *offset; /* [n + 1], offset[0] = 0 */
} eng_batch;

static inline size_t eng_batch_frames(eng_batch b, size_t i)
{
    return b.offset[i + 1] - b.offset[i];
}

/* Aborts with the file, line and message: the condition is the caller's duty. */
#define ENG_CHECK(condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) eng_abort(__FILE__, __LINE__, #condition, __VA_ARGS__);                                     \
    } while (0)

_Noreturn void eng_abort(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
