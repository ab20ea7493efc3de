/* Backward passes against finite differences. The loss is a sum of the outputs with random weights (a plain sum would be
 * constant for softmax and layer norm); derivatives by four points; compared tensor by tensor in the L2 norm. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/activation.h"
#include "engine/attention.h"
#include "engine/layer_norm.h"
#include "engine/linear.h"
#include "engine/random.h"
#include "engine/tape.h"
#include "tests/compare.h"
#include "tests/support.h"

enum { MAX_INPUTS = 8, SAMPLES = 48 };

/* An input of the function under test: its numbers and where the backward pass leaves their gradient. */
typedef struct grad_input {
    const char *name;
    size_t count;
    float *data, *grad;
} grad_input;

typedef struct grad_case {
    support_engine *e;
    size_t inputs;
    grad_input input[MAX_INPUTS];
    eng_tensor (*forward)(struct grad_case *c); /* from the inputs to the output, in the engine's context */
    eng_batch batch;
} grad_case;

static grad_input *add_input(grad_case *c, const char *name, size_t count, float scale)
{
    grad_input *in = &c->input[c->inputs++];
    in->name = name;
    in->count = count;
    in->data = support_normal(100 + c->inputs, count, scale);
    in->grad = eng_alloc_zero(count, sizeof(float));
    return in;
}

/* Input i as a tensor that wants a gradient. */
static eng_tensor tensor_of(const grad_case *c, size_t i, size_t rows, size_t cols)
{
    cr_assert_eq(rows * cols, c->input[i].count);
    return (eng_tensor){c->input[i].data, rows, cols, cols, c->input[i].grad};
}

static eng_vector vector_of(const grad_case *c, size_t i)
{
    return (eng_vector){c->input[i].data, c->input[i].grad};
}

static double loss(grad_case *c, const float *weights)
{
    eng_arena_mark mark = eng_arena_save(c->e->ctx.arena);
    eng_tensor y = c->forward(c);
    cr_assert(eng_good(&c->e->ctx), "%s", c->e->ctx.error.message);
    double sum = 0;
    for (size_t i = 0; i < y.rows; i++)
        for (size_t j = 0; j < y.cols; j++) sum += (double)weights[i * y.cols + j] * eng_row(y, i)[j];
    eng_arena_rewind(c->e->ctx.arena, mark);
    return sum;
}

/* Fills the inputs' gradients. */
static void backward(grad_case *c, const float *weights)
{
    eng_tape tape;
    eng_tape_init(&tape);
    c->e->ctx.tape = &tape;
    eng_tensor y = c->forward(c);
    cr_assert(y.grad && tape.count > 0);
    for (size_t i = 0; i < y.rows; i++)
        memcpy(eng_grad_row(y, i), weights + i * y.cols, y.cols * sizeof(float));
    eng_backward(&c->e->ctx);
    cr_assert(eng_good(&c->e->ctx), "%s", c->e->ctx.error.message);
    c->e->ctx.tape = NULL;
    eng_tape_fini(&tape);
}

static double derivative(grad_case *c, const float *weights, float *x)
{
    float kept = *x, h = 0.02f;
    static const float steps[4] = {-2, -1, 1, 2};
    static const double factors[4] = {1, -8, 8, -1};
    double sum = 0;
    for (size_t i = 0; i < 4; i++) {
        *x = kept + steps[i] * h;
        sum += factors[i] * loss(c, weights);
    }
    *x = kept;
    return sum / (12 * (double)h);
}

static void check_case(grad_case *c, size_t outputs)
{
    float *weights = support_normal(7, outputs, 1);
    backward(c, weights);
    for (size_t n = 0; n < c->inputs; n++) {
        grad_input *in = &c->input[n];
        size_t step = in->count / SAMPLES + 1;
        double error = 0, norm = 0;
        size_t compared = 0;
        for (size_t i = n % step; i < in->count; i += step, compared++) {
            double want = derivative(c, weights, in->data + i);
            error += (in->grad[i] - want) * (in->grad[i] - want);
            norm += want * want;
        }
        cr_assert_gt(compared, 0);
        cr_assert(norm > 0 && !(sqrt(error / norm) > 1e-3), "d%s: relative error %g over %zu of %zu", in->name,
                  sqrt(error / norm), compared, in->count);
    }
    for (size_t n = 0; n < c->inputs; n++) {
        eng_free(c->input[n].data);
        eng_free(c->input[n].grad);
    }
    eng_free(weights);
    support_engine_free(c->e);
}

/* ---- Products ---- */

Test(products, operands_as_they_lie)
{
    support_engine *one = support_engine_new(1), *two = support_engine_new(2);
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 2}, {70, 40, 33}, {37, 300, 600}, {300, 33, 65}, {2, 0, 3}};
    char report[512];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t m = sizes[s][0], k = sizes[s][1], n = sizes[s][2];
        float *a = support_normal(1, m * k + 1, 1), *b = support_normal(2, k * n + 1, 1), *c0 = support_normal(3, m * n, 1);
        float *want = eng_alloc(m * n, sizeof *want), *got = eng_alloc(m * n, sizeof *got);
        for (size_t kind = 0; kind < 8; kind++) {
            bool at = kind & 1, bt = kind & 2, accumulate = kind & 4;
            for (size_t i = 0; i < m; i++)
                for (size_t j = 0; j < n; j++) {
                    float sum = accumulate ? c0[i * n + j] : 0;
                    for (size_t p = 0; p < k; p++)
                        sum = fmaf(at ? a[p * m + i] : a[i * k + p], bt ? b[j * k + p] : b[p * n + j], sum);
                    want[i * n + j] = sum;
                }
            eng_left left = {a, at ? m : k, at};
            eng_right right = {.n = n, .k = k, .data = b, .ld = bt ? k : n, .transposed = bt};
            support_engine *engines[] = {one, two};
            for (size_t e = 0; e < 2; e++) {
                memcpy(got, c0, m * n * sizeof *got);
                eng_product(&engines[e]->ctx, m, left, right, got, n, accumulate, NULL);
                cr_assert(cmp_bits(got, want, m * n, report, sizeof report), "%zu: %s", kind, report);
            }
            memcpy(got, c0, m * n * sizeof *got);
            cr_assert(eng_product_serial(&one->ctx.k, eng_pool_scratch(one->ctx.pool, 0), m, left, right, got, n,
                                         accumulate, NULL));
            cr_assert(cmp_bits(got, want, m * n, report, sizeof report), "serial %zu: %s", kind, report);
        }
        eng_free(a), eng_free(b), eng_free(c0), eng_free(want), eng_free(got);
    }
    support_engine_free(one);
    support_engine_free(two);
}

/* ---- Linear, with every activation and a residual ---- */

enum { ROWS = 37, IN = 20, OUT = 13 };
static const kern_act acts[] = {KERN_ACT_NONE, KERN_ACT_GELU, KERN_ACT_TANH};
static size_t act_index; /* of the running test's process */

static eng_tensor linear_forward(grad_case *c)
{
    static eng_weight w;
    w = (eng_weight){.n = OUT, .k = IN, .data = c->input[1].data, .grad = c->input[1].grad};
    return eng_linear(&c->e->ctx, tensor_of(c, 0, ROWS, IN), &w, vector_of(c, 2), acts[act_index],
                      tensor_of(c, 3, ROWS, OUT));
}

Test(gradients, linear)
{
    for (act_index = 0; act_index < 3; act_index++) {
        grad_case c = {.e = support_engine_new(2), .forward = linear_forward};
        add_input(&c, "x", ROWS * IN, 1);
        add_input(&c, "W", OUT * IN, 0.3f);
        add_input(&c, "bias", OUT, 1);
        add_input(&c, "residual", ROWS * OUT, 1);
        check_case(&c, ROWS * OUT);
    }
}

/* ---- Layer norm ---- */

static eng_tensor norm_forward(grad_case *c)
{
    return eng_layer_norm(&c->e->ctx, tensor_of(c, 0, ROWS, IN), vector_of(c, 1), vector_of(c, 2), 1e-5f);
}

Test(gradients, layer_norm)
{
    grad_case c = {.e = support_engine_new(2), .forward = norm_forward};
    add_input(&c, "x", ROWS * IN, 2);
    add_input(&c, "gamma", IN, 1);
    add_input(&c, "beta", IN, 1);
    check_case(&c, ROWS * IN);
}

/* ---- Attention, its gate and its bias table ---- */

enum { HEADS = 2, DIM = 6, WIDTH = HEADS * DIM, FRAMES = 313, REACH = 300 };
static const size_t offsets[] = {0, 12, 13, FRAMES};

static eng_tensor attention_forward(grad_case *c)
{
    eng_tensor x = tensor_of(c, 0, FRAMES, WIDTH);
    eng_gate_weights w = {vector_of(c, 2), vector_of(c, 3), vector_of(c, 4)};
    eng_tensor gate = eng_relative_gate(&c->e->ctx, x, HEADS, w);
    eng_relative_bias bias = {c->input[5].data, REACH, c->input[5].grad};
    return eng_attention(&c->e->ctx, (eng_batch){3, offsets}, tensor_of(c, 1, FRAMES, 3 * WIDTH), HEADS, gate, bias);
}

Test(gradients, attention)
{
    grad_case c = {.e = support_engine_new(2), .forward = attention_forward};
    add_input(&c, "x", FRAMES * WIDTH, 1);
    add_input(&c, "qkv", FRAMES * 3 * WIDTH, 1);
    add_input(&c, "gate w", 2 * DIM, 0.5f);
    add_input(&c, "gate b", 2, 0.5f);
    add_input(&c, "gate constant", HEADS, 1);
    add_input(&c, "bias", HEADS * (2 * REACH - 1), 1);
    check_case(&c, FRAMES * WIDTH);
}
