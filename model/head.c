/* Conditioning and classification of the pooled vectors. */
#include "engine/layer_norm.h"
#include "engine/linear.h"
#include "model/forward.h"

/* p = p * e, or (p + e) / 2 (arXiv 2405.04485, gender conditioning). */
static void condition_row(mdl_conditioning how, size_t n, const float *e, float *p)
{
    for (size_t i = 0; i < n; i++) p[i] = how == MDL_COND_MULTIPLY ? p[i] * e[i] : (p[i] + e[i]) * 0.5f;
}

void mdl_condition(const mdl_model *m, eng_context *ctx, const mdl_input *inputs, eng_tensor pooled)
{
    const mdl_config *c = &m->config;
    if (!eng_good(ctx)) return;
    if (c->gender != MDL_COND_NONE)
        for (size_t u = 0; u < pooled.rows; u++)
            condition_row(c->gender, pooled.cols, m->head.gender.data + (size_t)inputs[u].gender * pooled.cols,
                          eng_row(pooled, u));
    if (c->text == MDL_COND_NONE) return;
    for (size_t u = 0; u < pooled.rows; u++) {
        eng_arena_mark mark = eng_arena_save(ctx->arena);
        eng_tensor text = eng_tensor_new(ctx, 1, c->text_size);
        for (size_t i = 0; eng_good(ctx) && i < c->text_size; i++) text.data[i] = inputs[u].text[i];
        eng_tensor e = eng_linear(ctx, text, &m->head.text.w, m->head.text.bias, KERN_ACT_NONE, (eng_tensor){0});
        if (eng_good(ctx)) condition_row(c->text, pooled.cols, e.data, eng_row(pooled, u));
        eng_arena_rewind(ctx->arena, mark);
    }
}

eng_tensor mdl_classify(const mdl_model *m, eng_context *ctx, eng_tensor pooled)
{
    const mdl_config *c = &m->config;
    const mdl_head_weights *h = &m->head;
    eng_tensor none = {0}, x = pooled;
    if (c->head == MDL_HEAD_ODYSSEY) {
        for (size_t i = 0; i < c->head_layers; i++) {
            x = eng_linear(ctx, x, &h->hidden[i].w, h->hidden[i].bias, KERN_ACT_NONE, none);
            eng_layer_norm_into(ctx, x, h->hidden_norm[i].gamma, h->hidden_norm[i].beta, 1e-5f, x);
            if (eng_good(ctx)) ctx->k.relu_f32(x.rows * x.cols, x.data, x.data);
        }
    } else {
        /* the projector of WavLMForSequenceClassification is linear and commutes with the mean over time */
        kern_act act = c->head == MDL_HEAD_EMOTION ? KERN_ACT_RELU : KERN_ACT_NONE;
        x = eng_linear(ctx, x, &h->hidden[0].w, h->hidden[0].bias, act, none);
    }
    return eng_linear(ctx, x, &h->classifier.w, h->classifier.bias, KERN_ACT_NONE, none);
}
