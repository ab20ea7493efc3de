#include "tests/support/grad_op.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/tape.h"
#include "tests/support/compare.h"

/* About as many elements of an input have their gradients compared, each by four forward passes; of a small input all. */
enum { SAMPLES = 48, SAMPLES_EMULATED = 10 };

void grad_op_add(grad_op *c, const char *name, size_t count, float scale)
{
    cr_assert_lt(c->inputs, GRAD_OP_INPUTS);
    grad_op_input *in = &c->input[c->inputs++];
    in->name = name;
    in->count = count;
    in->data = support_normal(100 + c->inputs, count, scale);
    in->grad = eng_alloc_zero(count, sizeof(float));
}

eng_tensor grad_op_tensor(const grad_op *c, size_t i, size_t rows, size_t cols)
{
    cr_assert_eq(rows * cols, c->input[i].count);
    return (eng_tensor){c->input[i].data, rows, cols, cols, c->input[i].grad};
}

eng_vector grad_op_vector(const grad_op *c, size_t i)
{
    return (eng_vector){c->input[i].data, c->input[i].grad};
}

static double loss(grad_op *c, const float *weights, size_t outputs)
{
    eng_arena_mark mark = eng_arena_save(c->ctx->arena);
    eng_tensor y = c->forward(c);
    cr_assert(eng_good(c->ctx), "%s", c->ctx->error.message);
    cr_assert_eq(y.rows * y.cols, outputs);
    double sum = 0;
    for (size_t i = 0; i < y.rows; i++)
        for (size_t j = 0; j < y.cols; j++) sum += (double)weights[i * y.cols + j] * eng_row(y, i)[j];
    eng_arena_rewind(c->ctx->arena, mark);
    return sum;
}

/* Fills the inputs' gradients, and out with the forward pass's result. */
static void backward(grad_op *c, const float *weights, float *out)
{
    eng_tape tape;
    eng_tape_init(&tape);
    c->ctx->tape = &tape;
    eng_tensor y = c->forward(c);
    cr_assert(y.grad && tape.count > 0);
    for (size_t i = 0; i < y.rows; i++) {
        memcpy(out + i * y.cols, eng_row(y, i), y.cols * sizeof(float));
        memcpy(eng_grad_row(y, i), weights + i * y.cols, y.cols * sizeof(float));
    }
    eng_backward(c->ctx);
    cr_assert(eng_good(c->ctx), "%s", c->ctx->error.message);
    c->ctx->tape = NULL;
    eng_tape_fini(&tape);
}

static double derivative(grad_op *c, const float *weights, size_t outputs, float *x)
{
    float kept = *x, h = 0.02f;
    static const float steps[4] = {-2, -1, 1, 2};
    static const double factors[4] = {1, -8, 8, -1};
    double sum = 0;
    for (size_t i = 0; i < 4; i++) {
        *x = kept + steps[i] * h;
        sum += factors[i] * loss(c, weights, outputs);
    }
    *x = kept;
    return sum / (12 * (double)h);
}

/* One thread must leave the bits that two left in the gradients and in y. */
static void check_one_thread(grad_op *c, const float *weights, const float *y, size_t outputs)
{
    char report[512];
    float *kept[GRAD_OP_INPUTS], *got = eng_alloc(outputs, sizeof *got);
    for (size_t n = 0; n < c->inputs; n++) {
        kept[n] = c->input[n].grad;
        c->input[n].grad = eng_alloc_zero(c->input[n].count, sizeof(float));
    }
    support_engine *one = support_engine_new(1);
    eng_context *two = c->ctx;
    c->ctx = &one->ctx;
    backward(c, weights, got);
    cr_assert(cmp_bits(got, y, outputs, report, sizeof report), "one thread: y: %s", report);
    for (size_t n = 0; n < c->inputs; n++) {
        cr_assert(cmp_bits(c->input[n].grad, kept[n], c->input[n].count, report, sizeof report), "one thread: d%s: %s",
                  c->input[n].name, report);
        eng_free(c->input[n].grad);
        c->input[n].grad = kept[n];
    }
    c->ctx = two;
    support_engine_free(one);
    eng_free(got);
}

/* A second backward pass must add to what the first left. */
static void check_accumulation(grad_op *c, const float *weights, size_t outputs)
{
    char report[512];
    float *once[GRAD_OP_INPUTS], *y = eng_alloc(outputs, sizeof *y);
    for (size_t n = 0; n < c->inputs; n++) {
        grad_op_input *in = &c->input[n];
        once[n] = in->grad;
        in->grad = eng_alloc(in->count, sizeof *in->grad);
        memcpy(in->grad, once[n], in->count * sizeof *in->grad);
    }
    backward(c, weights, y);
    for (size_t n = 0; n < c->inputs; n++) {
        grad_op_input *in = &c->input[n];
        for (size_t i = 0; i < in->count; i++) in->grad[i] -= once[n][i];
        cr_assert(cmp_rms(in->grad, once[n], in->count, 1e-5, report, sizeof report), "added d%s: %s", in->name,
                  report);
        eng_free(in->grad);
        in->grad = once[n];
    }
    eng_free(y);
}

/* Without a tape the forward pass may be fused: the same numbers but for rounding. */
static void check_untaped(grad_op *c, const float *taped, size_t outputs)
{
    char report[512];
    float *plain = eng_alloc(outputs, sizeof *plain);
    eng_arena_mark mark = eng_arena_save(c->ctx->arena);
    eng_tensor y = c->forward(c);
    cr_assert_null(y.grad);
    for (size_t i = 0; i < y.rows; i++) memcpy(plain + i * y.cols, eng_row(y, i), y.cols * sizeof *plain);
    cr_assert(cmp_abs_rel(taped, plain, outputs, 1e-6, 1e-6, report, sizeof report), "under a tape: %s", report);
    eng_arena_rewind(c->ctx->arena, mark);
    eng_free(plain);
}

void grad_op_check(grad_op *c, size_t outputs)
{
    support_engine *e = support_engine_new(2);
    c->ctx = &e->ctx;
    float *weights = support_normal(7, outputs, 1), *y = eng_alloc(outputs, sizeof *y);
    backward(c, weights, y);
    check_one_thread(c, weights, y, outputs);
    check_accumulation(c, weights, outputs);
    check_untaped(c, y, outputs);
    const size_t samples = support_emulated() ? SAMPLES_EMULATED : SAMPLES;
    for (size_t n = 0; n < c->inputs; n++) {
        grad_op_input *in = &c->input[n];
        size_t step = in->count < SAMPLES ? 1 : in->count / samples + 1, compared = 0;
        double error = 0, norm = 0;
        for (size_t i = n % step; i < in->count; i += step, compared++) {
            double want = derivative(c, weights, outputs, in->data + i);
            error += (in->grad[i] - want) * (in->grad[i] - want);
            norm += want * want;
        }
        cr_assert_gt(compared, 0);
        cr_assert(norm > 0 && sqrt(error / norm) <= 1e-3, "d%s: relative error %g over %zu of %zu", in->name,
                  sqrt(error / norm), compared, in->count);
    }
    for (size_t n = 0; n < c->inputs; n++) {
        eng_free(c->input[n].data);
        eng_free(c->input[n].grad);
    }
    eng_free(weights);
    eng_free(y);
    support_engine_free(e);
}
