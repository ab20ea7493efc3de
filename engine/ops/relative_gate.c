/* The gate of the relative bias, for all rows of the attention's input. */
#include "engine/ops/attention.h"
#include "engine/ops/reduce.h"
#include "engine/tape.h"

enum { GATE_ROWS = 64 };

typedef struct gate_run {
    const kern_table *k;
    eng_tensor x, gate;
    eng_gate_weights w;
} gate_run;

static void gate_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    gate_run *r = arg;
    size_t first = task * GATE_ROWS, left = r->x.rows - first, rows = left < GATE_ROWS ? left : GATE_ROWS;
    size_t heads = r->gate.rows;
    r->k->relative_gate_f32(rows, heads, r->x.cols / heads, eng_row(r->x, first), r->x.stride, r->w.w.data, r->w.b.data,
                            r->w.constant.data, r->gate.data + first, r->gate.stride);
}

/* sums: dw [2, dim], db [2], dconstant [heads] */
static void gate_backward_rows(void *arg, size_t first, size_t rows, double *sums)
{
    gate_run *r = arg;
    size_t heads = r->gate.rows, dim = r->x.cols / heads;
    r->k->relative_gate_backward_f32(rows, heads, dim, eng_row(r->x, first), r->x.stride, r->w.w.data, r->w.b.data,
                                     r->w.constant.data, r->gate.grad + first, r->gate.stride,
                                     r->x.grad ? eng_grad_row(r->x, first) : NULL, r->x.stride, sums, sums + 2 * dim,
                                     sums + 2 * dim + 2);
}

static void gate_backward(eng_context *ctx, void *saved)
{
    gate_run *r = saved;
    size_t heads = r->gate.rows, dim = r->x.cols / heads, width = 2 * dim + 2 + heads;
    double *sums = eng_arena_alloc(ctx->arena, width, sizeof *sums);
    if (!sums) {
        eng_out_of_memory(ctx, "the gate's gradient", width * sizeof *sums);
        return;
    }
    r->k = &ctx->k;
    if (!eng_reduce_rows(ctx, r->x.rows, width, gate_backward_rows, r, sums)) return;
    eng_add_sums(2 * dim, sums, r->w.w.grad);
    eng_add_sums(2, sums + 2 * dim, r->w.b.grad);
    eng_add_sums(heads, sums + 2 * dim + 2, r->w.constant.grad);
}

eng_tensor eng_relative_gate(eng_context *ctx, eng_tensor x, size_t heads, eng_gate_weights w)
{
    eng_tensor gate = eng_tensor_new(ctx, heads, x.rows);
    if (!eng_good(ctx)) return gate;
    ENG_CHECK(heads && x.cols % heads == 0, "relative gate: width %zu, %zu heads", x.cols, heads);
    gate_run run = {&ctx->k, x, gate, w};
    eng_op_begin(ctx, "relative_gate", x.rows, x.cols, heads);
    eng_pool_run(ctx->pool, (x.rows + GATE_ROWS - 1) / GATE_ROWS, gate_task, &run);
    eng_op_end(ctx);
    gate_run *s = eng_record(ctx, gate_backward, sizeof *s);
    if (s) *s = run;
    return gate;
}
