#include "engine/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

eng_tensor eng_tensor_new(eng_context *ctx, size_t rows, size_t cols)
{
    eng_tensor t = {NULL, rows, cols, cols};
    if (!eng_good(ctx)) return t;
    size_t count;
    if (eng_mul_size(rows, cols, &count)) t.data = eng_arena_alloc(ctx->arena, count, sizeof(float));
    if (!t.data) eng_out_of_memory(ctx, "a tensor", rows * cols * sizeof(float));
    return t;
}
