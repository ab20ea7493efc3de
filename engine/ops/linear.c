#include "engine/ops/linear.h"

#include "engine/ops/activation.h"
#include "engine/ops/reduce.h"
#include "engine/tape.h"

typedef struct linear_saved {
    eng_tensor x, residual, y;
    const eng_weight *w;
    eng_vector bias;
} linear_saved;

static void bias_rows(void *arg, size_t first, size_t rows, double *sums)
{
    const linear_saved *s = ((void **)arg)[0];
    const kern_table *k = ((void **)arg)[1];
    k->channel_sum_f32(rows, s->y.cols, eng_grad_row(s->y, first), s->y.stride, sums);
}

static void linear_backward(eng_context *ctx, void *saved)
{
    linear_saved *s = saved;
    size_t rows = s->x.rows, n = s->w->n, k = s->w->k;
    eng_left dy = {s->y.grad, s->y.stride, false}, dy_columns = {s->y.grad, s->y.stride, true};
    if (s->x.grad)
        eng_product(ctx, rows, dy, (eng_right){.n = k, .k = n, .data = s->w->data, .ld = k, .precision = ctx->precision},
                    s->x.grad, s->x.stride, true, NULL);
    if (s->w->grad)
        eng_product(ctx, n, dy_columns,
                    (eng_right){.n = k, .k = rows, .data = s->x.data, .ld = s->x.stride, .precision = ctx->precision},
                    s->w->grad, k, true, NULL);
    if (s->bias.grad) {
        double *sums = eng_arena_alloc(ctx->arena, n, sizeof *sums);
        void *arg[] = {s, &ctx->k};
        if (!sums) eng_out_of_memory(ctx, "a bias's gradient", n * sizeof *sums);
        else if (eng_reduce_rows(ctx, rows, n, bias_rows, arg, sums)) eng_add_sums(n, sums, s->bias.grad);
    }
    if (s->residual.grad)
        eng_accumulate(ctx, rows, n, s->y.grad, s->y.stride, s->residual.grad, s->residual.stride);
}

void eng_linear_into(eng_context *ctx, eng_tensor x, const eng_weight *w, eng_vector bias, kern_act act,
                     eng_tensor residual, eng_tensor y)
{
    if (!eng_good(ctx)) return;
    ENG_CHECK(x.cols == w->k && y.cols == w->n && y.rows == x.rows, "linear: x [%zu, %zu], W [%zu, %zu], y [%zu, %zu]",
              x.rows, x.cols, w->n, w->k, y.rows, y.cols);
    ENG_CHECK(!residual.data || (residual.rows == y.rows && residual.cols == y.cols),
              "linear: residual [%zu, %zu], y [%zu, %zu]", residual.rows, residual.cols, y.rows, y.cols);
    bool keep = ctx->tape && act != KERN_ACT_NONE;
    eng_tensor z = keep ? eng_tensor_new(ctx, y.rows, y.cols) : y;
    eng_epilogue e = {bias.data, keep ? KERN_ACT_NONE : act, keep ? NULL : residual.data, residual.stride};
    if (!eng_good(ctx)) return;
    eng_op_begin(ctx, "linear", x.rows, w->n, w->k);
    eng_product(ctx, x.rows, (eng_left){x.data, x.stride, false}, eng_weight_right_in(ctx, w), z.data, z.stride, false,
                &e);
    eng_op_end(ctx);
    linear_saved *s = eng_record(ctx, linear_backward, sizeof *s);
    if (s) *s = (linear_saved){x, keep ? (eng_tensor){0} : residual, z, w, bias};
    if (!keep) return;
    if (!residual.data) {
        eng_activation_into(ctx, z, act, y);
        return;
    }
    eng_tensor activated = eng_tensor_new(ctx, y.rows, y.cols);
    eng_activation_into(ctx, z, act, activated);
    eng_sum_into(ctx, residual, activated, y);
}

eng_tensor eng_linear(eng_context *ctx, eng_tensor x, const eng_weight *w, eng_vector bias, kern_act act,
                      eng_tensor residual)
{
    eng_tensor y = eng_tensor_new(ctx, x.rows, w->n);
    eng_linear_into(ctx, x, w, bias, act, residual, y);
    return y;
}
