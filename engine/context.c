#include "engine/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void eng_abort(const char *file, int line, const char *condition, const char *format, ...)
{
    fprintf(stderr, "%s:%d: %s does not hold: ", file, line, condition);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

void eng_out_of_memory(eng_context *ctx, const char *doing, size_t bytes)
{
    if (eng_good(ctx))
        eng_fail(&ctx->error, ENG_E_MEMORY, "out of memory: %s needs %zu bytes more", doing, bytes);
}

eng_tensor eng_tensor_plain(eng_context *ctx, size_t rows, size_t cols)
{
    eng_tensor t = {NULL, rows, cols, cols, NULL};
    if (!eng_good(ctx)) return t;
    size_t count;
    if (eng_mul_size(rows, cols, &count)) t.data = eng_arena_alloc(ctx->arena, count, sizeof(float));
    if (!t.data) eng_out_of_memory(ctx, "a tensor", rows * cols * sizeof(float));
    return t;
}

eng_tensor eng_tensor_new(eng_context *ctx, size_t rows, size_t cols)
{
    eng_tensor t = eng_tensor_plain(ctx, rows, cols);
    if (!ctx->tape || !t.data) return t;
    t.grad = eng_tensor_plain(ctx, rows, cols).data;
    if (t.grad) memset(t.grad, 0, rows * cols * sizeof *t.grad);
    return t;
}

eng_arena_mark eng_scope_open(const eng_context *ctx)
{
    return eng_arena_save(ctx->arena);
}

void eng_scope_close(eng_context *ctx, eng_arena_mark mark)
{
    if (!ctx->tape) eng_arena_rewind(ctx->arena, mark);
}
