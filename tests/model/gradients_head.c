/* The backward passes from the hidden states to the logits against finite differences (grad_op.h). */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/tape.h"
#include "model/network/forward.h"
#include "model/network/mix.h"
#include "tests/support/compare.h"
#include "tests/support/grad_op.h"

static mdl_model model; /* of the running test's process */

static eng_weight weight_of(const grad_op *c, size_t i, size_t n, size_t k)
{
    cr_assert_eq(n * k, c->input[i].count);
    return (eng_weight){.n = n, .k = k, .data = c->input[i].data, .grad = c->input[i].grad};
}

/* ---- Mix ---- */

enum { STATES = 4, MIX_ROWS = 150, MIX_COLS = 7 }; /* more rows than a task or a stretch of a sum has */

static eng_tensor mix_forward(grad_op *c)
{
    eng_context *ctx = c->ctx;
    mdl_mix mix = mdl_mix_begin(ctx, grad_op_vector(c, STATES), STATES, MIX_ROWS, MIX_COLS);
    for (size_t i = 0; i < STATES; i++) mdl_mix_add(ctx, &mix, i, grad_op_tensor(c, i, MIX_ROWS, MIX_COLS));
    return mix.sum;
}

Test(gradients_head, mix)
{
    grad_op c = {.forward = mix_forward};
    for (size_t i = 0; i < STATES; i++) grad_op_add(&c, "state", MIX_ROWS * MIX_COLS, 1);
    grad_op_add(&c, "layer_weights", STATES, 1);
    grad_op_check(&c, MIX_ROWS * MIX_COLS);
}

/* ---- Relative bias ---- */

enum { BUCKETS = 32, HEADS = 3, REACH = 60 };

static eng_tensor bias_forward(grad_op *c)
{
    model.bias_embedding = grad_op_vector(c, 0);
    eng_relative_bias bias = mdl_relative_bias(&model, c->ctx, REACH);
    return (eng_tensor){(float *)bias.table, HEADS, 2 * REACH - 1, 2 * REACH - 1, bias.grad};
}

Test(gradients_head, relative_bias)
{
    model = (mdl_model){.config = {.buckets = BUCKETS, .max_distance = 40, .heads = HEADS}};
    grad_op c = {.forward = bias_forward};
    grad_op_add(&c, "embedding", BUCKETS * HEADS, 1);
    grad_op_check(&c, HEADS * (2 * REACH - 1));
}

/* ---- Pooling ---- */

enum { WIDTH = 10, FRAMES = 163, UTTERANCES = 4 };
static const size_t offsets[] = {0, 12, 13, 20, FRAMES}; /* one of a single frame: its variance is below the least */
static const eng_batch batch = {UTTERANCES, offsets};

static eng_tensor pool_forward(grad_op *c)
{
    if (c->inputs > 1) {
        model.head.pool = (mdl_linear){weight_of(c, 1, WIDTH, WIDTH), grad_op_vector(c, 2)};
        model.head.pool_vector = grad_op_vector(c, 3);
    }
    return mdl_pool(&model, c->ctx, batch, grad_op_tensor(c, 0, FRAMES, WIDTH));
}

static grad_op pool_case(mdl_pooling pooling)
{
    model = (mdl_model){.config = {.hidden = WIDTH, .head = MDL_HEAD_EMOTION, .pooling = pooling}};
    grad_op c = {.forward = pool_forward};
    grad_op_add(&c, "x", FRAMES * WIDTH, 1);
    if (pooling == MDL_POOL_MEAN || pooling == MDL_POOL_STD) return c;
    grad_op_add(&c, "W", WIDTH * WIDTH, 0.3f);
    grad_op_add(&c, "bias", WIDTH, 0.5f);
    grad_op_add(&c, "v", WIDTH, 1);
    return c;
}

static void check_pooling(mdl_pooling pooling)
{
    grad_op c = pool_case(pooling);
    grad_op_check(&c, UTTERANCES * mdl_config_pooled(&model.config));
}

Test(gradients_head, pooling_mean) { check_pooling(MDL_POOL_MEAN); }

Test(gradients_head, pooling_std) { check_pooling(MDL_POOL_STD); }

Test(gradients_head, pooling_attention) { check_pooling(MDL_POOL_ATTENTION); }

Test(gradients_head, pooling_attentive_std) { check_pooling(MDL_POOL_ATTENTIVE_STD); }

/* The inputs' gradients for the gradient `weights` of all outputs. */
static void run_backward(grad_op *c, const float *weights)
{
    support_engine *e = support_engine_new(2);
    eng_tape tape;
    eng_tape_init(&tape);
    c->ctx = &e->ctx;
    e->ctx.tape = &tape;
    eng_tensor y = c->forward(c);
    cr_assert(eng_good(&e->ctx) && y.grad && y.stride == y.cols, "%s", e->ctx.error.message);
    memcpy(y.grad, weights, y.rows * y.cols * sizeof *weights);
    eng_backward(&e->ctx);
    cr_assert(eng_good(&e->ctx), "%s", e->ctx.error.message);
    eng_tape_fini(&tape);
    support_engine_free(e);
}

static void free_inputs(grad_op *c)
{
    for (size_t i = 0; i < c->inputs; i++) {
        eng_free(c->input[i].data);
        eng_free(c->input[i].grad);
    }
}

/* A constant channel has the least deviation; nothing flows back through it, whereas through the others it does. */
Test(gradients_head, pooling_constant_channel)
{
    static const mdl_pooling kinds[] = {MDL_POOL_STD, MDL_POOL_ATTENTIVE_STD};
    for (size_t k = 0; k < 2; k++) {
        grad_op c = pool_case(kinds[k]);
        for (size_t t = 0; t < FRAMES; t++) c.input[0].data[t * WIDTH + 3] = 0.75f;
        if (k == 1) memset(c.input[3].data, 0, WIDTH * sizeof(float)); /* no gradient by way of the weights */
        float *weights = support_normal(7, UTTERANCES * 2 * WIDTH, 1);
        for (size_t u = 0; u < UTTERANCES; u++) memset(weights + u * 2 * WIDTH, 0, WIDTH * sizeof(float));
        run_backward(&c, weights);
        for (size_t t = 0; t < FRAMES; t++)
            for (size_t j = 0; j < WIDTH; j++) {
                float got = c.input[0].grad[t * WIDTH + j];
                bool flows = j != 3 && t != 12; /* frame 12 is an utterance alone */
                cr_assert(flows ? got < 0 || got > 0 : got == 0, "dx[%zu, %zu] = %g", t, j, (double)got);
            }
        eng_free(weights);
        free_inputs(&c);
    }
}

/* ---- Conditioning ---- */

enum { ROWS = 5, POOLED = 6, TEXT = 4 };

static eng_tensor condition_forward(grad_op *c)
{
    static const int genders[ROWS] = {1, 0, 1, 1, 0};
    static const float texts[ROWS * TEXT] = {1, -2, 0.5f, 3, 0.25f, -1, 2, 1, -0.5f, 1,
                                             1, -1, 2,    0, 1,     -3, 0, 1, -1,    1};
    mdl_input inputs[ROWS];
    for (size_t u = 0; u < ROWS; u++) inputs[u] = (mdl_input){.gender = genders[u], .text = texts + u * TEXT};
    size_t next = 1;
    if (model.config.gender != MDL_COND_NONE) model.head.gender = grad_op_vector(c, next++);
    if (model.config.text != MDL_COND_NONE)
        model.head.text = (mdl_linear){weight_of(c, next, POOLED, TEXT), grad_op_vector(c, next + 1)};
    return mdl_condition(&model, c->ctx, inputs, grad_op_tensor(c, 0, ROWS, POOLED));
}

static void check_condition(mdl_conditioning gender, mdl_conditioning text)
{
    model = (mdl_model){.config = {.gender = gender, .genders = 2, .text = text, .text_size = TEXT}};
    grad_op c = {.forward = condition_forward};
    grad_op_add(&c, "pooled", ROWS * POOLED, 1);
    if (gender != MDL_COND_NONE) grad_op_add(&c, "gender", 2 * POOLED, 1);
    if (text != MDL_COND_NONE) {
        grad_op_add(&c, "text W", POOLED * TEXT, 0.5f);
        grad_op_add(&c, "text bias", POOLED, 1);
    }
    grad_op_check(&c, ROWS * POOLED);
}

Test(gradients_head, conditioning)
{
    check_condition(MDL_COND_MULTIPLY, MDL_COND_NONE);
    check_condition(MDL_COND_MEAN, MDL_COND_NONE);
    check_condition(MDL_COND_NONE, MDL_COND_MULTIPLY);
    check_condition(MDL_COND_NONE, MDL_COND_MEAN);
    check_condition(MDL_COND_MULTIPLY, MDL_COND_MULTIPLY);
    check_condition(MDL_COND_MEAN, MDL_COND_MULTIPLY);
}

/* ---- Classification ---- */

enum { HIDDEN = 9, LABELS = 3 };

static eng_tensor classify_forward(grad_op *c)
{
    mdl_head_weights *h = &model.head;
    size_t in = POOLED, next = 1;
    size_t layers = model.config.head == MDL_HEAD_ODYSSEY ? model.config.head_layers : 1;
    for (size_t i = 0; i < layers; i++, in = HIDDEN) {
        h->hidden[i].w = weight_of(c, next++, HIDDEN, in);
        if (model.config.head == MDL_HEAD_ODYSSEY) {
            h->hidden_norm[i] = (mdl_norm){grad_op_vector(c, next), grad_op_vector(c, next + 1)};
            next += 2;
        } else {
            h->hidden[i].bias = grad_op_vector(c, next++);
        }
    }
    h->classifier = (mdl_linear){weight_of(c, next, LABELS, in), {0}}; /* its bias: see the golden gradients */
    return mdl_classify(&model, c->ctx, NULL, grad_op_tensor(c, 0, ROWS, POOLED));
}

/* What relu sees lies far from its kink, on either side of it: differences across the kink would be wrong. */
static void add_offsets(grad_op *c, const char *name)
{
    grad_op_add(c, name, HIDDEN, 1);
    for (size_t j = 0; j < HIDDEN; j++) c->input[c->inputs - 1].data[j] = j % 3 ? 6 : -6;
}

static void check_classify(mdl_head head, size_t layers)
{
    mdl_linear hidden[2] = {0};
    mdl_norm norm[2] = {0};
    model = (mdl_model){.config = {.head = head, .head_layers = layers, .labels = LABELS},
                        .head = {.hidden = hidden, .hidden_norm = norm}};
    grad_op c = {.forward = classify_forward};
    grad_op_add(&c, "pooled", ROWS * POOLED, 1);
    for (size_t i = 0; i < layers; i++) {
        grad_op_add(&c, "hidden W", HIDDEN * (i ? HIDDEN : POOLED), 0.3f);
        if (head == MDL_HEAD_ODYSSEY) grad_op_add(&c, "norm gamma", HIDDEN, 1);
        add_offsets(&c, head == MDL_HEAD_ODYSSEY ? "norm beta" : "hidden bias");
    }
    grad_op_add(&c, "classifier W", LABELS * HIDDEN, 0.5f);
    grad_op_check(&c, ROWS * LABELS);
}

Test(gradients_head, classification)
{
    check_classify(MDL_HEAD_EMOTION, 1);
    check_classify(MDL_HEAD_SEQUENCE_CLASSIFICATION, 1);
    check_classify(MDL_HEAD_ODYSSEY, 1);
    check_classify(MDL_HEAD_ODYSSEY, 2);
}

/* ---- Frozen parameters ---- */

/* Without gradients of their own, the parameters let the others' through, to the bit. */
Test(gradients_head, frozen_pooling)
{
    grad_op all = pool_case(MDL_POOL_ATTENTIVE_STD), frozen = pool_case(MDL_POOL_ATTENTIVE_STD);
    float *weights = support_normal(7, UTTERANCES * 2 * WIDTH, 1);
    char report[512];
    run_backward(&all, weights);
    for (size_t i = 1; i < frozen.inputs; i++) {
        eng_free(frozen.input[i].grad);
        frozen.input[i].grad = NULL;
    }
    run_backward(&frozen, weights);
    cr_assert(cmp_bits(frozen.input[0].grad, all.input[0].grad, FRAMES * WIDTH, report, sizeof report), "%s", report);
    eng_free(weights);
    free_inputs(&all);
    free_inputs(&frozen);
}

Test(gradients_head, frozen_bias_records_nothing)
{
    support_engine *e = support_engine_new(1);
    float *embedding = support_normal(1, BUCKETS * HEADS, 1);
    mdl_model m = {.config = {.buckets = BUCKETS, .max_distance = 40, .heads = HEADS},
                   .bias_embedding = {embedding, NULL}};
    eng_tape tape;
    eng_tape_init(&tape);
    e->ctx.tape = &tape;
    eng_relative_bias bias = mdl_relative_bias(&m, &e->ctx, REACH);
    cr_assert(bias.table && !bias.grad && tape.count == 0);
    e->ctx.tape = NULL;
    eng_tape_fini(&tape);
    eng_free(embedding);
    support_engine_free(e);
}
