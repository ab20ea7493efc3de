/* Convolutions, weight norm, group norm and dropout: forward passes against their definitions in double, backward
 * passes against finite differences. */
#include <criterion/criterion.h>
#include <math.h>

#include "engine/ops/conv1d.h"
#include "engine/ops/dropout.h"
#include "engine/ops/group_norm.h"
#include "engine/ops/grouped_conv.h"
#include "engine/tape.h"
#include "engine/ops/weight_norm.h"
#include "tests/support/compare.h"
#include "tests/support/grad_op.h"

static char report[512];

/* Utterances of one frame, of none, shorter than a kernel, and longer than a stretch of the forward pass. */
static const size_t offsets[] = {0, 1, 1, 8, 290};
static const eng_batch batch = {4, offsets};
enum { FRAMES = 290 };

/* ---- Grouped convolution ---- */

typedef struct conv_shape {
    size_t groups, width, kernel;
    kern_act act;
} conv_shape;

static conv_shape shape; /* of the running test's process */

static eng_tensor grouped_forward(grad_op *c)
{
    size_t channels = shape.groups * shape.width, depth = shape.kernel * shape.width;
    eng_weight *w = eng_arena_alloc(c->ctx->arena, shape.groups, sizeof *w);
    for (size_t g = 0; g < shape.groups; g++)
        w[g] = (eng_weight){.n = shape.width,
                            .k = depth,
                            .data = c->input[1].data + g * shape.width * depth,
                            .grad = c->input[1].grad + g * shape.width * depth};
    eng_grouped_conv_weights weights = {shape.groups, shape.kernel, w, grad_op_vector(c, 2)};
    return eng_grouped_conv_residual(c->ctx, batch, grad_op_tensor(c, 0, FRAMES, channels), weights, shape.act);
}

Test(gradients, grouped_conv)
{
    static const conv_shape shapes[] = {{3, 5, 16, KERN_ACT_GELU}, {1, 7, 5, KERN_ACT_TANH}, {2, 4, 1, KERN_ACT_NONE}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        shape = shapes[i];
        size_t channels = shape.groups * shape.width;
        grad_op c = {.forward = grouped_forward};
        grad_op_add(&c, "x", FRAMES * channels, 1);
        grad_op_add(&c, "W", channels * shape.kernel * shape.width, 0.2f);
        grad_op_add(&c, "bias", channels, 1);
        grad_op_check(&c, FRAMES * channels);
    }
}

/* ---- Weight norm ---- */

enum { GROUPS = 2, OUT = 6, WIDTH = 3, KERNEL = 4 };

Test(forward, weight_norm_is_a_length_a_tap)
{
    support_engine *e = support_engine_new(2);
    float *v = support_normal(41, OUT * WIDTH * KERNEL, 3), *g = support_normal(42, KERNEL, 1);
    float want[OUT * KERNEL * WIDTH];
    for (size_t tap = 0; tap < KERNEL; tap++) {
        double squares = 0;
        for (size_t i = 0; i < OUT * WIDTH; i++) squares += (double)v[i * KERNEL + tap] * v[i * KERNEL + tap];
        for (size_t o = 0; o < OUT; o++)
            for (size_t c = 0; c < WIDTH; c++)
                want[(o * KERNEL + tap) * WIDTH + c] =
                    (float)(v[(o * WIDTH + c) * KERNEL + tap] * (g[tap] / sqrt(squares)));
    }
    eng_normed_weight p = {GROUPS, OUT, WIDTH, KERNEL, {v, NULL}, {g, NULL}};
    const eng_weight *w = eng_weight_norm(&e->ctx, p);
    cr_assert_not_null(w);
    size_t group = OUT / GROUPS * KERNEL * WIDTH;
    for (size_t i = 0; i < GROUPS; i++) {
        cr_assert(w[i].n == OUT / GROUPS && w[i].k == KERNEL * WIDTH && !w[i].grad && !w[i].packed.panels);
        cr_assert(cmp_ulp(w[i].data, want + i * group, group, 2, report, sizeof report), "group %zu: %s", i, report);
    }
    eng_free(v), eng_free(g);
    support_engine_free(e);
}

/* From v and g to the convolution's result: its width is that of x. */
static eng_tensor normed_forward(grad_op *c)
{
    eng_normed_weight p = {GROUPS, OUT, WIDTH, KERNEL, grad_op_vector(c, 1), grad_op_vector(c, 2)};
    eng_grouped_conv_weights weights = {GROUPS, KERNEL, eng_weight_norm(c->ctx, p), {NULL, NULL}};
    return eng_grouped_conv_residual(c->ctx, batch, grad_op_tensor(c, 0, FRAMES, OUT), weights, KERN_ACT_GELU);
}

Test(gradients, weight_norm)
{
    grad_op c = {.forward = normed_forward};
    grad_op_add(&c, "x", FRAMES * OUT, 1);
    grad_op_add(&c, "v", OUT * WIDTH * KERNEL, 1);
    grad_op_add(&c, "g", KERNEL, 2);
    grad_op_check(&c, FRAMES * OUT);
}

/* ---- Strided convolution ---- */

typedef struct strided_shape {
    size_t channels, outputs, kernel, stride;
    bool bias;
} strided_shape;

/* As the released models' first layer and the others have it; taps that do not meet; one tap. */
static const strided_shape strided_shapes[] = {
    {1, 6, 10, 5, false}, {5, 4, 3, 2, true}, {3, 7, 2, 2, true}, {4, 3, 2, 3, true}, {2, 5, 1, 1, true}};
enum { STRIDED_SHAPES = sizeof strided_shapes / sizeof *strided_shapes };
static strided_shape strided; /* of the running test's process */

static eng_batch strided_out(size_t *offset)
{
    offset[0] = 0;
    for (size_t u = 0; u < batch.n; u++)
        offset[u + 1] = offset[u] + eng_conv1d_frames(eng_batch_frames(batch, u), strided.kernel, strided.stride);
    return (eng_batch){batch.n, offset};
}

static eng_tensor strided_forward(grad_op *c)
{
    size_t depth = strided.kernel * strided.channels;
    eng_weight *w = eng_arena_alloc(c->ctx->arena, 1, sizeof *w);
    *w = (eng_weight){.n = strided.outputs, .k = depth, .data = c->input[1].data, .grad = c->input[1].grad};
    eng_batch out = strided_out(eng_arena_alloc(c->ctx->arena, batch.n + 1, sizeof(size_t)));
    eng_conv1d_weights weights = {strided.kernel, strided.stride, w, {NULL, NULL}};
    if (strided.bias) weights.bias = grad_op_vector(c, 2);
    return eng_conv1d(c->ctx, batch, grad_op_tensor(c, 0, FRAMES, strided.channels), out, weights);
}

Test(gradients, conv1d)
{
    for (size_t i = 0; i < STRIDED_SHAPES; i++) {
        strided = strided_shapes[i];
        size_t offset[8];
        eng_batch out = strided_out(offset);
        grad_op c = {.forward = strided_forward};
        grad_op_add(&c, "x", FRAMES * strided.channels, 1);
        grad_op_add(&c, "W", strided.outputs * strided.kernel * strided.channels, 0.3f);
        if (strided.bias) grad_op_add(&c, "bias", strided.outputs, 1);
        grad_op_check(&c, out.offset[out.n] * strided.outputs);
    }
}

Test(forward, conv1d_reads_each_utterance_alone)
{
    support_engine *e = support_engine_new(2);
    for (size_t i = 0; i < STRIDED_SHAPES; i++) {
        strided = strided_shapes[i];
        size_t offset[8], channels = strided.channels, outputs = strided.outputs, depth = strided.kernel * channels;
        eng_batch out = strided_out(offset);
        eng_tensor x = {support_normal(51, FRAMES * channels, 1), FRAMES, channels, channels, NULL};
        float *w = support_normal(52, outputs * depth, 1), *bias = support_normal(53, outputs, 1);
        size_t count = offset[out.n] * outputs;
        float *want = eng_alloc(count, sizeof *want);
        for (size_t u = 0; u < batch.n; u++)
            for (size_t t = 0; t < eng_batch_frames(out, u); t++)
                for (size_t o = 0; o < outputs; o++) {
                    double sum = strided.bias ? bias[o] : 0;
                    for (size_t tap = 0; tap < strided.kernel; tap++)
                        for (size_t c = 0; c < channels; c++)
                            sum += (double)w[(o * strided.kernel + tap) * channels + c] *
                                   eng_row(x, batch.offset[u] + t * strided.stride + tap)[c];
                    want[(offset[u] + t) * outputs + o] = (float)sum;
                }
        eng_weight loose = {.n = outputs, .k = depth, .data = w};
        eng_conv1d_weights weights = {strided.kernel, strided.stride, &loose, {strided.bias ? bias : NULL, NULL}};
        eng_tensor y = eng_conv1d(&e->ctx, batch, x, out, weights);
        cr_assert(eng_good(&e->ctx) && y.rows * y.cols == count);
        cr_assert(cmp_abs(y.data, want, count, 1e-5, report, sizeof report), "shape %zu: %s", i, report);
        eng_free(x.data), eng_free(w), eng_free(bias), eng_free(want);
    }
    support_engine_free(e);
}

/* ---- Group norm ---- */

enum { CHANNELS = 6 };

/* No utterance of one frame: its variance is 0, and differences do not find the derivative at a scale of sqrt(eps). */
static const size_t norm_offsets[] = {0, 5, 5, 140, 290};
static const eng_batch norm_batch = {4, norm_offsets};

static eng_tensor group_norm_forward(grad_op *c)
{
    return eng_group_norm(c->ctx, norm_batch, grad_op_tensor(c, 0, FRAMES, CHANNELS), grad_op_vector(c, 1),
                          grad_op_vector(c, 2), 1e-5f);
}

Test(gradients, group_norm)
{
    grad_op c = {.forward = group_norm_forward};
    grad_op_add(&c, "x", FRAMES * CHANNELS, 2);
    grad_op_add(&c, "gamma", CHANNELS, 1);
    grad_op_add(&c, "beta", CHANNELS, 1);
    grad_op_check(&c, FRAMES * CHANNELS);
}

Test(forward, group_norm_is_over_an_utterance)
{
    support_engine *e = support_engine_new(2);
    eng_tensor x = {support_normal(61, FRAMES * CHANNELS, 2), FRAMES, CHANNELS, CHANNELS, NULL};
    float *gamma = support_normal(62, CHANNELS, 1), *beta = support_normal(63, CHANNELS, 1), want[FRAMES * CHANNELS];
    for (size_t t = 0; t < FRAMES; t++) eng_row(x, t)[1] += 1000; /* far from 0 */
    for (size_t u = 0; u < batch.n; u++)
        for (size_t j = 0; j < CHANNELS; j++) {
            size_t begin = batch.offset[u], end = batch.offset[u + 1];
            double mean = 0, var = 0, frames = (double)(end - begin);
            for (size_t t = begin; t < end; t++) mean += eng_row(x, t)[j] / frames;
            for (size_t t = begin; t < end; t++) var += (eng_row(x, t)[j] - mean) * (eng_row(x, t)[j] - mean) / frames;
            for (size_t t = begin; t < end; t++)
                want[t * CHANNELS + j] = (float)((eng_row(x, t)[j] - mean) / sqrt(var + 1e-5) * gamma[j] + beta[j]);
        }
    eng_tensor y = eng_group_norm(&e->ctx, batch, x, (eng_vector){gamma, NULL}, (eng_vector){beta, NULL}, 1e-5f);
    cr_assert(eng_good(&e->ctx));
    cr_assert(cmp_abs(y.data, want, FRAMES * CHANNELS, 1e-4, report, sizeof report), "%s", report);
    eng_free(x.data), eng_free(gamma), eng_free(beta);
    support_engine_free(e);
}

/* ---- Dropout ---- */

static const uint32_t ids[] = {70, 3, 11, 4};
static const eng_stream stream = {.seed = 9, .step = 2, .utterance = 99, .purpose = 5};
enum { WIDE = 300 }; /* more than a chunk of the mask */

static eng_tensor dropout_forward(grad_op *c)
{
    return eng_dropout(c->ctx, batch, ids, grad_op_tensor(c, 0, FRAMES, WIDE), 0.3f, stream);
}

Test(gradients, dropout)
{
    grad_op c = {.forward = dropout_forward};
    grad_op_add(&c, "x", FRAMES * WIDE, 1);
    grad_op_check(&c, FRAMES * WIDE);
}

Test(forward, dropout_masks_by_utterance_not_by_batch)
{
    support_engine *e = support_engine_new(2);
    eng_tensor x = {support_normal(71, FRAMES * WIDE, 1), FRAMES, WIDE, WIDE, NULL};
    float p = 0.3f, *want = eng_alloc(FRAMES * WIDE, sizeof *want), *draw = eng_alloc(FRAMES * WIDE, sizeof *draw);
    size_t dropped = 0;
    for (size_t u = 0; u < batch.n; u++) {
        size_t begin = batch.offset[u] * WIDE, count = eng_batch_frames(batch, u) * WIDE;
        eng_uniform((eng_stream){.seed = 9, .step = 2, .utterance = ids[u], .purpose = 5}, 0, count, draw);
        for (size_t i = 0; i < count; i++) {
            want[begin + i] = draw[i] < p ? 0 : x.data[begin + i] / (1 - p);
            dropped += draw[i] < p;
        }
    }
    eng_tensor y = eng_dropout(&e->ctx, batch, ids, x, p, stream);
    cr_assert(cmp_abs_rel(y.data, want, FRAMES * WIDE, 0, 3e-7, report, sizeof report), "%s", report);
    cr_assert(fabs((double)dropped / (FRAMES * WIDE) - p) < 0.01, "%zu of %d", dropped, FRAMES * WIDE);
    for (size_t u = 0; u < batch.n; u++) { /* alone, the same numbers */
        size_t count = eng_batch_frames(batch, u), alone[] = {0, count};
        if (count == 0) continue;
        eng_tensor one =
            eng_dropout(&e->ctx, (eng_batch){1, alone}, ids + u, eng_rows(x, offsets[u], count), p, stream);
        cr_assert(cmp_bits(one.data, eng_row(y, offsets[u]), count * WIDE, report, sizeof report), "%zu: %s", u,
                  report);
    }
    eng_tensor none = eng_dropout(&e->ctx, batch, ids, x, 1, stream);
    for (size_t i = 0; i < FRAMES * WIDE; i++) cr_assert(none.data[i] == 0);
    eng_free(x.data), eng_free(want), eng_free(draw);
    support_engine_free(e);
}

Test(forward, dropout_of_nothing_is_the_input)
{
    support_engine *e = support_engine_new(1);
    eng_tape tape;
    eng_tape_init(&tape);
    e->ctx.tape = &tape;
    eng_tensor x = eng_tensor_new(&e->ctx, FRAMES, WIDE);
    eng_tensor y = eng_dropout(&e->ctx, batch, ids, x, 0, stream);
    cr_assert(x.data && y.data == x.data && y.grad == x.grad && tape.count == 0);
    eng_tape_fini(&tape);
    support_engine_free(e);
}
