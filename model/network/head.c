/* Conditioning and classification of the pooled vectors. */
#include <string.h>

#include "engine/ops/activation.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/tape.h"
#include "model/network/forward.h"

static const eng_tensor NO_TENSOR = {0};

/* ---- Rows of the gender embedding ---- */

typedef struct gender_saved {
    eng_vector table;
    eng_tensor e;
    size_t *row; /* [e.rows] */
} gender_saved;

static void gender_backward(eng_context *ctx, void *saved)
{
    const gender_saved *s = saved;
    for (size_t u = 0; u < s->e.rows; u++) {
        float *grad = s->table.grad + s->row[u] * s->e.cols;
        ctx->k.add_f32(s->e.cols, grad, eng_grad_row(s->e, u), grad);
    }
}

/* e[u] = table[gender of u]; dtable[gender of u] += de[u], utterance by utterance. */
static eng_tensor gender_rows(eng_context *ctx, eng_vector table, const mdl_input *inputs, size_t n, size_t cols)
{
    eng_tensor e = table.grad ? eng_tensor_new(ctx, n, cols) : eng_tensor_plain(ctx, n, cols);
    size_t *row = eng_arena_alloc(ctx->arena, n, sizeof *row);
    if (!row) eng_out_of_memory(ctx, "gender conditioning", n * sizeof *row);
    if (!eng_good(ctx)) return e;
    for (size_t u = 0; u < n; u++) {
        row[u] = (size_t)inputs[u].gender;
        memcpy(eng_row(e, u), table.data + row[u] * cols, cols * sizeof(float));
    }
    gender_saved *s = table.grad ? eng_record(ctx, gender_backward, sizeof *s) : NULL;
    if (s) *s = (gender_saved){table, e, row};
    return e;
}

/* ---- Conditioning ---- */

typedef struct condition_saved {
    mdl_conditioning how;
    eng_tensor p, e, y;
} condition_saved;

static void condition_backward(eng_context *ctx, void *saved)
{
    (void)ctx;
    const condition_saved *s = saved;
    for (size_t u = 0; u < s->y.rows; u++) {
        const float *dy = eng_grad_row(s->y, u), *p = eng_row(s->p, u), *e = eng_row(s->e, u);
        bool product = s->how == MDL_COND_MULTIPLY;
        for (size_t i = 0; s->p.grad && i < s->y.cols; i++) eng_grad_row(s->p, u)[i] += dy[i] * (product ? e[i] : 0.5f);
        for (size_t i = 0; s->e.grad && i < s->y.cols; i++) eng_grad_row(s->e, u)[i] += dy[i] * (product ? p[i] : 0.5f);
    }
}

/* y = p * e, or (p + e) / 2 (arXiv 2405.04485, gender conditioning). */
static eng_tensor condition(eng_context *ctx, mdl_conditioning how, eng_tensor p, eng_tensor e)
{
    eng_tensor y = eng_tensor_new(ctx, p.rows, p.cols);
    if (!eng_good(ctx)) return y;
    ENG_CHECK(e.rows == p.rows && e.cols == p.cols, "conditioning: p [%zu, %zu], e [%zu, %zu]", p.rows, p.cols, e.rows,
              e.cols);
    for (size_t u = 0; u < p.rows; u++) {
        const float *a = eng_row(p, u), *b = eng_row(e, u);
        float *out = eng_row(y, u);
        for (size_t i = 0; i < p.cols; i++) out[i] = how == MDL_COND_MULTIPLY ? a[i] * b[i] : (a[i] + b[i]) * 0.5f;
    }
    condition_saved *s = p.grad || e.grad ? eng_record(ctx, condition_backward, sizeof *s) : NULL;
    if (s) *s = (condition_saved){how, p, e, y};
    return y;
}

eng_tensor mdl_condition(const mdl_model *m, eng_context *ctx, const mdl_input *inputs, eng_tensor pooled)
{
    const mdl_config *c = &m->config;
    const mdl_head_weights *h = &m->head;
    if (c->gender != MDL_COND_NONE)
        pooled = condition(ctx, c->gender, pooled, gender_rows(ctx, h->gender, inputs, pooled.rows, pooled.cols));
    if (c->text == MDL_COND_NONE) return pooled;
    eng_tensor text = eng_tensor_plain(ctx, pooled.rows, c->text_size);
    for (size_t u = 0; eng_good(ctx) && u < pooled.rows; u++)
        memcpy(eng_row(text, u), inputs[u].text, c->text_size * sizeof(float));
    return condition(ctx, c->text, pooled, eng_linear(ctx, text, &h->text.w, h->text.bias, KERN_ACT_NONE, NO_TENSOR));
}

/* ---- Classification ---- */

/* Dropout of a row an utterance, after the head's layer. */
static eng_tensor final_dropout(const mdl_training *t, eng_context *ctx, eng_tensor x, size_t layer)
{
    if (mdl_dropout_rate(t, MDL_DRAW_FINAL) == 0) return x;
    size_t *offset = eng_arena_alloc(ctx->arena, x.rows + 1, sizeof *offset);
    if (!offset) {
        eng_out_of_memory(ctx, "a batch", (x.rows + 1) * sizeof *offset);
        return x;
    }
    for (size_t u = 0; u <= x.rows; u++) offset[u] = u;
    return mdl_dropout(t, ctx, (eng_batch){x.rows, offset}, x, MDL_DRAW_FINAL, layer);
}

eng_tensor mdl_classify(const mdl_model *m, eng_context *ctx, const mdl_training *training, eng_tensor pooled)
{
    const mdl_config *c = &m->config;
    const mdl_head_weights *h = &m->head;
    eng_tensor x = pooled;
    if (c->head == MDL_HEAD_ODYSSEY) {
        for (size_t i = 0; i < c->head_layers; i++) {
            x = eng_linear(ctx, x, &h->hidden[i].w, h->hidden[i].bias, KERN_ACT_NONE, NO_TENSOR);
            x = eng_layer_norm(ctx, x, h->hidden_norm[i].gamma, h->hidden_norm[i].beta, 1e-5f);
            eng_tensor positive = eng_tensor_new(ctx, x.rows, x.cols);
            eng_activation_into(ctx, x, KERN_ACT_RELU, positive);
            x = final_dropout(training, ctx, positive, i);
        }
    } else {
        /* the projector of WavLMForSequenceClassification is linear and commutes with the mean over time */
        kern_act act = c->head == MDL_HEAD_EMOTION ? KERN_ACT_RELU : KERN_ACT_NONE;
        x = eng_linear(ctx, x, &h->hidden[0].w, h->hidden[0].bias, act, NO_TENSOR);
        if (act != KERN_ACT_NONE) x = final_dropout(training, ctx, x, 0);
    }
    return eng_linear(ctx, x, &h->classifier.w, h->classifier.bias, KERN_ACT_NONE, NO_TENSOR);
}
