/* Which tensors a backbone must have, of which shape. */
#include <string.h>

#include "model/checkpoint/initialise.h"
#include "model/checkpoint/load_parts.h"
#include "model/checkpoint/load_positional.h"

static bool identity_row(void *arg, size_t row, float *out, eng_arena *scratch)
{
    (void)scratch;
    memset(out, 0, *(const size_t *)arg * sizeof *out);
    out[row] = 1;
    return true;
}

/* A model is written as Hugging Face's, whose class always has a projection; frozen, it stays what it is. */
static void list_identity(mdl_loader *l, const char *name, mdl_linear *identity, size_t n)
{
    float *zeros = eng_arena_alloc(l->memory, n, sizeof *zeros);
    if (!zeros) {
        mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for %s", name);
        return;
    }
    memset(zeros, 0, n * sizeof *zeros);
    if (l->trainable)
        mdl_loader_list(l, mdl_name_of("%s.weight", name).text, 2, (size_t[]){n, n}, MDL_PARAM_AS_IS, identity->w.data,
                        identity->w.grad);
    mdl_loader_list_packed(l, name, &identity->w);
    identity->bias = mdl_loader_adopt(l, mdl_name_of("%s.bias", name).text, 1, &n, zeros);
    mdl_params_freeze(l->params, name, true);
}

/* Microsoft's class has no projection where the widths are equal (WavLM.py, post_extract_proj). */
static mdl_linear load_feature_projection(mdl_loader *l, size_t out, size_t in)
{
    const char *name = "wavlm.feature_projection.projection";
    if (l->layout != WTS_LAYOUT_MICROSOFT || in != out || mdl_loader_has(l, mdl_name_of("%s.weight", name).text))
        return mdl_load_linear(l, name, out, in);
    mdl_linear identity = {0};
    mdl_loader_pack(l, out, in, identity_row, &in, &identity.w);
    if (l->params && !l->status) list_identity(l, name, &identity, in);
    return identity;
}

static void load_feature_encoder(mdl_loader *l, mdl_model *m)
{
    const mdl_config *c = &m->config;
    size_t in = 1;
    l->part = MDL_PART_CNN;
    for (size_t i = 0; i < c->convs; i++) {
        const char *base = "wavlm.feature_extractor.conv_layers";
        mdl_conv *conv = &m->conv[i];
        mdl_loader_conv(l, mdl_name_of("%s.%zu.conv", base, i).text, c->conv_dim[i], in, c->conv_kernel[i],
                        &conv->linear.w);
        if (c->conv_bias)
            conv->linear.bias = mdl_loader_vector(l, mdl_name_of("%s.%zu.conv.bias", base, i).text, c->conv_dim[i]);
        if (!c->group_norm || i == 0)
            conv->norm = mdl_load_norm(l, mdl_name_of("%s.%zu.layer_norm", base, i).text, c->conv_dim[i]);
        in = c->conv_dim[i];
    }
    m->feature_norm = mdl_load_norm(l, "wavlm.feature_projection.layer_norm", in);
    l->part = MDL_PART_LAYERS;
    m->feature_projection = load_feature_projection(l, c->hidden, in);
}

static void load_gate(mdl_loader *l, mdl_model *m, const char *base, mdl_layer *layer)
{
    size_t heads = m->config.heads, dim = m->config.hidden / heads;
    mdl_gate *g = &layer->gate;
    g->w = mdl_loader_param(l, mdl_name_of("%s.gru_rel_pos_linear.weight", base).text, 2, (size_t[]){8, dim});
    g->b = mdl_loader_vector(l, mdl_name_of("%s.gru_rel_pos_linear.bias", base).text, 8);
    g->constant = mdl_loader_param(l, mdl_name_of("%s.gru_rel_pos_const", base).text, 4, (size_t[]){1, heads, 1, 1});
}

static void load_layer(mdl_loader *l, mdl_model *m, size_t index)
{
    const mdl_config *c = &m->config;
    mdl_layer *layer = &m->layer[index];
    mdl_name base = mdl_name_of("wavlm.encoder.layers.%zu", index), attention = mdl_name_of("%s.attention", base.text);
    mdl_name q = mdl_name_of("%s.q_proj", attention.text), k = mdl_name_of("%s.k_proj", attention.text),
              v = mdl_name_of("%s.v_proj", attention.text);
    mdl_loader_linear(l, mdl_name_of("%s.qkv_proj", attention.text).text, 3, (const char *[]){q.text, k.text, v.text},
                      c->hidden, c->hidden, &layer->qkv.w, &layer->qkv.bias);
    layer->out = mdl_load_linear(l, mdl_name_of("%s.out_proj", attention.text).text, c->hidden, c->hidden);
    layer->up = mdl_load_linear(l, mdl_name_of("%s.feed_forward.intermediate_dense", base.text).text, c->intermediate, c->hidden);
    layer->down = mdl_load_linear(l, mdl_name_of("%s.feed_forward.output_dense", base.text).text, c->hidden, c->intermediate);
    layer->attention_norm = mdl_load_norm(l, mdl_name_of("%s.layer_norm", base.text).text, c->hidden);
    layer->final_norm = mdl_load_norm(l, mdl_name_of("%s.final_layer_norm", base.text).text, c->hidden);
    load_gate(l, m, attention.text, layer);
}

/* Only training masks; then the embedding is there, though the checkpoint may have none. */
static void load_mask_embedding(mdl_loader *l, mdl_model *m)
{
    const char *name = "wavlm.masked_spec_embed";
    size_t n = m->config.hidden;
    if (!l->trainable) {
        mdl_loader_ignore(l, name);
        return;
    }
    if (mdl_loader_has(l, name) || mdl_loader_draws(l, name)) {
        m->mask_embedding = mdl_loader_vector(l, name, n);
    } else {
        mdl_initialiser any = {.config = &m->config, .backbone = true};
        float *data = eng_arena_alloc(l->memory, n, sizeof *data);
        if (data) mdl_initialise(&any, l->pool, name, 1, &n, data);
        else mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for tensor %s", name);
        m->mask_embedding = mdl_loader_adopt(l, name, 1, &n, data);
    }
    mdl_params_freeze(l->params, name, true);
}

void mdl_load_backbone(mdl_loader *l, mdl_model *m)
{
    const mdl_config *c = &m->config;
    load_feature_encoder(l, m);
    mdl_load_positional(l, m);
    m->encoder_norm = mdl_load_norm(l, "wavlm.encoder.layer_norm", c->hidden);
    m->bias_embedding = mdl_loader_param(l, "wavlm.encoder.layers.0.attention.rel_attn_embed.weight", 2,
                                        (size_t[]){c->buckets, c->heads});
    m->layer = eng_arena_alloc(&m->memory, c->layers, sizeof *m->layer);
    if (!m->layer) {
        mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for %zu layers", c->layers);
        return;
    }
    memset(m->layer, 0, c->layers * sizeof *m->layer);
    l->part = MDL_PART_LAYERS;
    for (size_t i = 0; i < c->layers && !l->status; i++) load_layer(l, m, i);
    load_mask_embedding(l, m);
}
