/* Convolutions, weight norm, group norm and dropout: forward passes against their definitions in double, backward
 * passes against finite differences. */
#include <criterion/criterion.h>

#include "engine/grouped_conv.h"
#include "tests/grad_op.h"

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
