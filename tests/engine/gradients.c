/* Backward passes of linear, layer norm, attention and its gate against finite differences; the products that they rest
 * on against their definition. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/attention_parts.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/random.h"
#include "engine/tape.h"
#include "tests/support/compare.h"
#include "tests/support/grad_op.h"
#include "tests/support/support.h"

/* ---- Products ---- */

Test(products, operands_as_they_lie)
{
    support_engine *one = support_engine_new(1), *two = support_engine_new(2);
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 2}, {70, 40, 33}, {37, 300, 600}, {300, 33, 65}, {2, 0, 3}};
    char report[512];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t m = sizes[s][0], k = sizes[s][1], n = sizes[s][2];
        float *a = support_normal(1, m * k + 1, 1), *b = support_normal(2, k * n + 1, 1),
              *c0 = support_normal(3, m * n, 1);
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

static eng_tensor linear_forward(grad_op *c)
{
    static eng_weight w;
    w = (eng_weight){.n = OUT, .k = IN, .data = c->input[1].data, .grad = c->input[1].grad};
    return eng_linear(c->ctx, grad_op_tensor(c, 0, ROWS, IN), &w, grad_op_vector(c, 2), acts[act_index],
                      grad_op_tensor(c, 3, ROWS, OUT));
}

Test(gradients, linear)
{
    for (act_index = 0; act_index < 3; act_index++) {
        grad_op c = {.forward = linear_forward};
        grad_op_add(&c, "x", ROWS * IN, 1);
        grad_op_add(&c, "W", OUT * IN, 0.3f);
        grad_op_add(&c, "bias", OUT, 1);
        grad_op_add(&c, "residual", ROWS * OUT, 1);
        grad_op_check(&c, ROWS * OUT);
    }
}

/* ---- Layer norm ---- */

static eng_tensor norm_forward(grad_op *c)
{
    return eng_layer_norm(c->ctx, grad_op_tensor(c, 0, ROWS, IN), grad_op_vector(c, 1), grad_op_vector(c, 2), 1e-5f);
}

Test(gradients, layer_norm)
{
    grad_op c = {.forward = norm_forward};
    grad_op_add(&c, "x", ROWS * IN, 2);
    grad_op_add(&c, "gamma", IN, 1);
    grad_op_add(&c, "beta", IN, 1);
    grad_op_check(&c, ROWS * IN);
}

/* ---- Attention, its gate and its bias table ---- */

enum { HEADS = 2, DIM = 6, WIDTH = HEADS * DIM, FRAMES = 313, REACH = 300 };
static const size_t offsets[] = {0, 12, 13, FRAMES};

static eng_tensor attention_forward(grad_op *c)
{
    eng_tensor x = grad_op_tensor(c, 0, FRAMES, WIDTH);
    eng_gate_weights w = {grad_op_vector(c, 2), grad_op_vector(c, 3), grad_op_vector(c, 4)};
    eng_tensor gate = eng_relative_gate(c->ctx, x, HEADS, w);
    eng_relative_bias bias = {c->input[5].data, REACH, c->input[5].grad};
    return eng_attention(c->ctx, (eng_batch){3, offsets}, grad_op_tensor(c, 1, FRAMES, 3 * WIDTH), HEADS, gate, bias, ENG_F32);
}

Test(gradients, attention)
{
    grad_op c = {.forward = attention_forward};
    grad_op_add(&c, "x", FRAMES * WIDTH, 1);
    grad_op_add(&c, "qkv", FRAMES * 3 * WIDTH, 1);
    grad_op_add(&c, "gate w", 2 * DIM, 0.5f);
    grad_op_add(&c, "gate b", 2, 0.5f);
    grad_op_add(&c, "gate constant", HEADS, 1);
    grad_op_add(&c, "bias", HEADS * (2 * REACH - 1), 1);
    grad_op_check(&c, FRAMES * WIDTH);
}

/* ---- Attention with dropout ---- */

static const uint32_t ids[] = {5, 1, 77};
static const eng_attention_dropout dropout = {.p = 0.3f, .stream = {.seed = 9, .step = 2, .purpose = 40}, .ids = ids};

static eng_tensor dropped_forward(grad_op *c)
{
    eng_relative_bias bias = {c->input[2].data, REACH, c->input[2].grad};
    return eng_attention_dropped(c->ctx, (eng_batch){3, offsets}, grad_op_tensor(c, 0, FRAMES, 3 * WIDTH), HEADS,
                                 grad_op_tensor(c, 1, HEADS, FRAMES), bias, ENG_F32, &dropout);
}

Test(gradients, attention_with_dropout)
{
    grad_op c = {.forward = dropped_forward};
    grad_op_add(&c, "qkv", FRAMES * 3 * WIDTH, 1);
    grad_op_add(&c, "gate", HEADS * FRAMES, 1);
    grad_op_add(&c, "bias", HEADS * (2 * REACH - 1), 1);
    grad_op_check(&c, FRAMES * WIDTH);
}

/* ---- Attention over more keys than a tile: rescaled sums, and a second tile of probabilities and of masks ---- */

enum { LONG_DIM = 3, LONG = ENG_KEY_TILE + 20, LONG_FRAMES = 7 + LONG };
static const size_t long_offsets[] = {0, 7, LONG_FRAMES};

static eng_tensor long_forward(grad_op *c)
{
    eng_relative_bias bias = {c->input[2].data, LONG, c->input[2].grad};
    return eng_attention_dropped(c->ctx, (eng_batch){2, long_offsets}, grad_op_tensor(c, 0, LONG_FRAMES, 3 * LONG_DIM), 1,
                                 grad_op_tensor(c, 1, 1, LONG_FRAMES), bias, ENG_F32, &dropout);
}

Test(gradients, attention_over_two_tiles)
{
    grad_op c = {.forward = long_forward};
    grad_op_add(&c, "qkv", LONG_FRAMES * 3 * LONG_DIM, 1);
    grad_op_add(&c, "gate", LONG_FRAMES, 1);
    grad_op_add(&c, "bias", 2 * LONG - 1, 1);
    grad_op_check(&c, LONG_FRAMES * LONG_DIM);
}

/* Against the definition: the probabilities drawn from the stream as the header says. Values of ones count the kept
 * probabilities of queries and keys that are all alike. */
Test(dropout, attention_probabilities)
{
    support_engine *e = support_engine_new(2);
    eng_tensor qkv = eng_tensor_plain(&e->ctx, FRAMES, 3 * WIDTH), gate = eng_tensor_plain(&e->ctx, HEADS, FRAMES);
    float *table = support_normal(3, HEADS * (2 * REACH - 1), 1), drawn[FRAMES];
    for (size_t i = 0; i < FRAMES; i++)
        for (size_t j = 0; j < 3 * WIDTH; j++) eng_row(qkv, i)[j] = j < 2 * WIDTH ? 0 : 1;
    for (size_t i = 0; i < HEADS * FRAMES; i++) gate.data[i] = 0;
    eng_relative_bias bias = {table, REACH, NULL};
    eng_tensor out = eng_attention_dropped(&e->ctx, (eng_batch){3, offsets}, qkv, HEADS, gate, bias, ENG_F32,
                                           &dropout);
    cr_assert(eng_good(&e->ctx));
    size_t kept = 0, all = 0;
    for (size_t u = 0; u < 3; u++) {
        size_t frames = offsets[u + 1] - offsets[u];
        for (size_t h = 0; h < HEADS; h++)
            for (size_t q = 0; q < frames; q++) {
                eng_stream s = {.seed = 9, .step = 2, .utterance = ids[u], .purpose = 40 + (uint32_t)h};
                size_t left = 0;
                eng_uniform(s, (uint32_t)(q * frames), frames, drawn);
                for (size_t k = 0; k < frames; k++) left += !(drawn[k] < 0.3f);
                double want = (double)left / (double)frames / (1 - (double)0.3f);
                double got = eng_row(out, offsets[u] + q)[h * DIM];
                cr_assert(fabs(got - want) <= 1e-5, "utterance %zu, head %zu, query %zu: %g, expected %g", u, h, q, got,
                          want);
                kept += left;
                all += frames;
            }
    }
    double sigma = sqrt((double)all * 0.3 * 0.7);
    cr_assert(fabs((double)kept - 0.7 * (double)all) <= 5 * sigma, "%zu of %zu kept", kept, all);
    eng_free(table);
    support_engine_free(e);
}
