/* From a path to a model: which tensors there must be, of which shape. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/checkpoint/load.h"
#include "model/checkpoint/load_positional.h"
#include "model/checkpoint/loader.h"
#include "model/network/model.h"
#include "weights/folder.h"

enum { NAME_SIZE = 256 };

typedef struct full_name {
    char text[NAME_SIZE];
} full_name;

static full_name name_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

static full_name name_of(const char *format, ...)
{
    full_name n;
    va_list args;
    va_start(args, format);
    vsnprintf(n.text, sizeof n.text, format, args);
    va_end(args);
    return n;
}

static mdl_linear load_linear(mdl_loader *l, const char *name, size_t out, size_t in)
{
    mdl_linear linear = {0};
    mdl_loader_linear(l, name, 1, &name, out, in, &linear.w, &linear.bias);
    return linear;
}

static mdl_norm load_norm(mdl_loader *l, const char *name, size_t n)
{
    mdl_norm norm;
    norm.gamma = mdl_loader_vector(l, name_of("%s.weight", name).text, n);
    norm.beta = mdl_loader_vector(l, name_of("%s.bias", name).text, n);
    return norm;
}

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
        mdl_loader_list(l, name_of("%s.weight", name).text, 2, (size_t[]){n, n}, MDL_PARAM_AS_IS, identity->w.data,
                        identity->w.grad);
    mdl_loader_list_packed(l, name, &identity->w);
    identity->bias = mdl_loader_adopt(l, name_of("%s.bias", name).text, 1, &n, zeros);
    mdl_params_freeze(l->params, name, true);
}

/* Microsoft's class has no projection where the widths are equal (WavLM.py, post_extract_proj). */
static mdl_linear load_feature_projection(mdl_loader *l, size_t out, size_t in)
{
    const char *name = "wavlm.feature_projection.projection";
    if (l->layout != WTS_LAYOUT_MICROSOFT || in != out || mdl_loader_has(l, name_of("%s.weight", name).text))
        return load_linear(l, name, out, in);
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
        mdl_loader_conv(l, name_of("%s.%zu.conv", base, i).text, c->conv_dim[i], in, c->conv_kernel[i],
                        &conv->linear.w);
        if (c->conv_bias)
            conv->linear.bias = mdl_loader_vector(l, name_of("%s.%zu.conv.bias", base, i).text, c->conv_dim[i]);
        if (!c->group_norm || i == 0)
            conv->norm = load_norm(l, name_of("%s.%zu.layer_norm", base, i).text, c->conv_dim[i]);
        in = c->conv_dim[i];
    }
    m->feature_norm = load_norm(l, "wavlm.feature_projection.layer_norm", in);
    l->part = MDL_PART_LAYERS;
    m->feature_projection = load_feature_projection(l, c->hidden, in);
}

static void load_gate(mdl_loader *l, mdl_model *m, const char *base, mdl_layer *layer)
{
    size_t heads = m->config.heads, dim = m->config.hidden / heads;
    mdl_gate *g = &layer->gate;
    g->w = mdl_loader_param(l, name_of("%s.gru_rel_pos_linear.weight", base).text, 2, (size_t[]){8, dim});
    g->b = mdl_loader_vector(l, name_of("%s.gru_rel_pos_linear.bias", base).text, 8);
    g->constant = mdl_loader_param(l, name_of("%s.gru_rel_pos_const", base).text, 4, (size_t[]){1, heads, 1, 1});
}

static void load_layer(mdl_loader *l, mdl_model *m, size_t index)
{
    const mdl_config *c = &m->config;
    mdl_layer *layer = &m->layer[index];
    full_name base = name_of("wavlm.encoder.layers.%zu", index), attention = name_of("%s.attention", base.text);
    full_name q = name_of("%s.q_proj", attention.text), k = name_of("%s.k_proj", attention.text),
              v = name_of("%s.v_proj", attention.text);
    mdl_loader_linear(l, name_of("%s.qkv_proj", attention.text).text, 3, (const char *[]){q.text, k.text, v.text},
                      c->hidden, c->hidden, &layer->qkv.w, &layer->qkv.bias);
    layer->out = load_linear(l, name_of("%s.out_proj", attention.text).text, c->hidden, c->hidden);
    layer->up = load_linear(l, name_of("%s.feed_forward.intermediate_dense", base.text).text, c->intermediate, c->hidden);
    layer->down = load_linear(l, name_of("%s.feed_forward.output_dense", base.text).text, c->hidden, c->intermediate);
    layer->attention_norm = load_norm(l, name_of("%s.layer_norm", base.text).text, c->hidden);
    layer->final_norm = load_norm(l, name_of("%s.final_layer_norm", base.text).text, c->hidden);
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

static void load_backbone(mdl_loader *l, mdl_model *m)
{
    const mdl_config *c = &m->config;
    load_feature_encoder(l, m);
    mdl_load_positional(l, m);
    m->encoder_norm = load_norm(l, "wavlm.encoder.layer_norm", c->hidden);
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

/* Labels from the classifier's shape when the configuration does not name them. */
static void settle_labels(mdl_loader *l, mdl_model *m, const char *classifier)
{
    mdl_config *c = &m->config;
    size_t rows;
    if (mdl_loader_draws(l, classifier) || !mdl_loader_outputs(l, classifier, &rows)) return;
    if (c->labels && c->labels != rows)
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s.%s has %zu rows; expected %zu, as many as config.json has labels",
                        classifier, l->panels.present ? "bias" : "weight", rows, c->labels);
    if (c->labels) return;
    if (rows == 0 || rows > MDL_MAX_LABELS) {
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s.%s has %zu rows; expected 1 to %d labels", classifier,
                        l->panels.present ? "bias" : "weight", rows, MDL_MAX_LABELS);
        return;
    }
    c->label = eng_alloc_zero(rows, sizeof *c->label);
    if (c->label) c->labels = rows;
    for (size_t i = 0; i < c->labels; i++)
        if (!(c->label[i] = eng_strdup(name_of("LABEL_%zu", i).text))) c->labels = i;
    if (c->labels != rows) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for labels");
}

static bool new_hidden(mdl_loader *l, mdl_head_weights *h, size_t n)
{
    h->hidden = eng_arena_alloc(l->memory, n, sizeof *h->hidden);
    h->hidden_norm = eng_arena_alloc(l->memory, n, sizeof *h->hidden_norm);
    if (!h->hidden || !h->hidden_norm) {
        h->hidden = NULL;
        mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for the head");
        return false;
    }
    memset(h->hidden, 0, n * sizeof *h->hidden);
    memset(h->hidden_norm, 0, n * sizeof *h->hidden_norm);
    return true;
}

static void load_odyssey_head(mdl_loader *l, mdl_model *m)
{
    mdl_config *c = &m->config;
    mdl_head_weights *h = &m->head;
    size_t in = mdl_config_pooled(c);
    h->pool = load_linear(l, "pool_model.sap_linear", c->hidden, c->hidden);
    h->pool_vector = mdl_loader_param(l, "pool_model.attention", 2, (size_t[]){c->hidden, 1});
    settle_labels(l, m, "ser_model.out.0");
    /* the baseline's class builds its first layer whatever classifier_hidden_layers says (net/ser.py) */
    if (c->head_layers == 0 && mdl_loader_has_linear(l, "ser_model.fc.0.0")) c->head_layers = 1;
    if (!new_hidden(l, h, c->head_layers)) return;
    for (size_t i = 0; i < c->head_layers && !l->status; i++) {
        full_name linear = name_of("ser_model.fc.%zu.0", i), norm = name_of("ser_model.fc.%zu.1", i);
        size_t rows;
        if (!mdl_loader_outputs(l, linear.text, &rows)) return;
        h->hidden[i] = load_linear(l, linear.text, rows, in);
        h->hidden_norm[i] = load_norm(l, norm.text, rows);
        in = c->projection = rows;
    }
    h->classifier = load_linear(l, "ser_model.out.0", c->labels, in);
}

static void load_emotion_head(mdl_loader *l, mdl_model *m)
{
    mdl_config *c = &m->config;
    mdl_head_weights *h = &m->head;
    size_t pooled = mdl_config_pooled(c);
    h->mix = mdl_loader_vector(l, "layer_weights", c->layers + 1);
    if (c->pooling == MDL_POOL_ATTENTION) {
        h->pool = load_linear(l, "pool.linear", c->hidden, c->hidden);
        h->pool_vector = mdl_loader_vector(l, "pool.v", c->hidden);
    } else if (c->pooling == MDL_POOL_ATTENTIVE_STD) {
        h->pool = load_linear(l, "pool.sap_linear", c->hidden, c->hidden);
        h->pool_vector = mdl_loader_param(l, "pool.attention", 2, (size_t[]){c->hidden, 1});
    }
    if (c->gender != MDL_COND_NONE)
        h->gender = mdl_loader_param(l, "gender.weight", 2, (size_t[]){c->genders, pooled});
    if (c->text != MDL_COND_NONE) h->text = load_linear(l, "text", pooled, c->text_size);
    settle_labels(l, m, "classifier");
    if (!new_hidden(l, h, 1)) return;
    h->hidden[0] = load_linear(l, "projection", c->projection, pooled);
    h->classifier = load_linear(l, "classifier", c->labels, c->projection);
}

static void load_sequence_classification_head(mdl_loader *l, mdl_model *m)
{
    mdl_config *c = &m->config;
    mdl_head_weights *h = &m->head;
    if (c->weighted_sum) h->mix = mdl_loader_vector(l, "layer_weights", c->layers + 1);
    settle_labels(l, m, "classifier");
    if (!new_hidden(l, h, 1)) return;
    h->hidden[0] = load_linear(l, "projector", c->projection, c->hidden);
    h->classifier = load_linear(l, "classifier", c->labels, c->projection);
}

static void load_head(mdl_loader *l, mdl_model *m)
{
    l->part = MDL_PART_HEAD;
    switch (m->config.head) {
    case MDL_HEAD_NONE: break;
    case MDL_HEAD_SEQUENCE_CLASSIFICATION: load_sequence_classification_head(l, m); break;
    case MDL_HEAD_ODYSSEY: load_odyssey_head(l, m); break;
    case MDL_HEAD_EMOTION: load_emotion_head(l, m); break;
    }
}

wts_layout mdl_layout_named(const wts_value *root)
{
    const wts_value *type = wts_value_get(root, "model_type"), *classes = wts_value_get(root, "architectures");
    if (type && type->kind == WTS_STRING && strcmp(type->text, "ser") == 0) return WTS_LAYOUT_ODYSSEY;
    if (!classes || classes->kind != WTS_LIST || classes->count == 0 || classes->items[0].kind != WTS_STRING)
        return WTS_LAYOUT_BACKBONE;
    const char *name = classes->items[0].text;
    if (strcmp(name, "WavLMForSpeechEmotion") == 0) return WTS_LAYOUT_EMOTION;
    if (strcmp(name, "WavLMForSequenceClassification") == 0) return WTS_LAYOUT_SEQUENCE_CLASSIFICATION;
    return WTS_LAYOUT_BACKBONE;
}

/* Says what is wrong when the checkpoint is of no known layout, or has no configuration. */
static eng_status check_layout(const mdl_model *m, const wts_checkpoint *file, const wts_value *root, eng_error *err)
{
    const char *hint = wts_layout_hint(file);
    if (m->layout == WTS_LAYOUT_UNKNOWN)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: not a checkpoint that this program knows%s%s; expected WavLM from Hugging Face or "
                        "Microsoft, WavLMForSequenceClassification, an Odyssey baseline or WavLMForSpeechEmotion",
                        file->path, hint ? ": it looks like " : "", hint ? hint : "");
    if (!root && m->layout == WTS_LAYOUT_MICROSOFT)
        return eng_fail(err, ENG_E_MISSING,
                        "%s: no \"cfg\" beside its tensors (taken for: %s, which carries its configuration there)",
                        file->path, wts_layout_name(m->layout));
    if (!root)
        return eng_fail(err, ENG_E_MISSING, "%s: no config.json beside it (taken for: %s, which needs one)", file->path,
                        wts_layout_name(m->layout));
    return ENG_OK;
}

/* WavLMForCTC and its like: a backbone under a head of another purpose. */
static bool has_other_head(const wts_checkpoint *file)
{
    return wts_checkpoint_find(file, "wavlm.encoder.layers.0.attention.gru_rel_pos_linear.weight") != NULL;
}

/* Whether the weights are packed already, on which config.json and checkpoint must agree. */
static eng_status check_panels(mdl_model *m, const wts_checkpoint *file, eng_error *err)
{
    mdl_config *c = &m->config;
    eng_status status = file ? wts_panels_read(file, &m->panels, err) : ENG_OK;
    if (status) return status;
    if (!file) c->weight_precision = NULL; /* the parameters are drawn */
    const char *said = c->weight_precision, *is = m->panels.present ? eng_precision_name(m->panels.precision) : NULL;
    if (said == is) return ENG_OK; /* both are eng_precision_name's, or NULL */
    return eng_fail(err, ENG_E_MISMATCH, "%s: the weights %s%s, but config.json's weight_precision %s%s", file->path,
                    is ? "were converted to " : "are no converted panels", is ? is : "", said ? "is " : "is not there",
                    said ? said : "");
}

eng_status mdl_load_config(mdl_model *m, const wts_folder *folder, const wts_checkpoint *file, bool backbone_only,
                           eng_error *err)
{
    wts_doc *config = NULL, *preprocessor = NULL;
    const char *name = folder->config;
    eng_status status = ENG_OK;
    if (folder->config) status = wts_json_read(folder->config, &config, err);
    if (!status && folder->preprocessor) status = wts_json_read(folder->preprocessor, &preprocessor, err);
    const wts_value *root = config ? wts_doc_root(config) : NULL;
    if (!status) {
        m->layout = file ? wts_layout_detect(file, root) : mdl_layout_named(root);
        if (m->layout == WTS_LAYOUT_UNKNOWN && backbone_only && has_other_head(file)) m->layout = WTS_LAYOUT_BACKBONE;
        if (m->layout == WTS_LAYOUT_MICROSOFT) {
            root = wts_value_get(file->extra, "cfg");
            name = file->path;
        }
        if (file) status = check_layout(m, file, root, err);
    }
    if (!status)
        status = mdl_config_read(m->layout, root, preprocessor ? wts_doc_root(preprocessor) : NULL, name, &m->config,
                                 err);
    if (m->layout == WTS_LAYOUT_MICROSOFT) wts_doc_free(config);
    else m->config.source = config;
    wts_doc_free(preprocessor);
    return status ? status : check_panels(m, file, err);
}

eng_status mdl_load_weights(mdl_model *m, const wts_checkpoint *file, const mdl_initialiser *init, mdl_load_purpose purpose,
                            const kern_table *k, eng_pool *pool, eng_error *err)
{
    if (purpose == MDL_LOAD_TO_TRAIN && m->panels.present)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: its weights were converted to %s for inference and cannot be trained: begin with the "
                        "checkpoint that it was converted from",
                        file->path, eng_precision_name(m->panels.precision));
    mdl_loader l = {.path = file ? file->path : m->path,
                    .file = file,
                    .init = init,
                    .layout = m->layout,
                    .panels = m->panels,
                    .k = k,
                    .pool = pool,
                    .precision = m->precision,
                    .bf16_is_fast = k->bf16_is_fast && m->allow_bf16,
                    .to_store = purpose == MDL_LOAD_TO_CONVERT,
                    .memory = &m->memory,
                    .trainable = purpose == MDL_LOAD_TO_TRAIN,
                    .params = purpose == MDL_LOAD_TO_RUN ? NULL : &m->params,
                    .err = err};
    eng_status status = mdl_loader_init(&l);
    if (!status) {
        if (init) mdl_loader_ignore_head(&l);
        load_backbone(&l, m);
        if (!l.status) load_head(&l, m);
        status = mdl_loader_finish(&l);
        m->borrows = l.borrowed;
        m->repacked = m->panels.present && m->panels.width != k->gemm_blocks.nr;
    }
    mdl_loader_fini(&l);
    return status;
}

mdl_model *mdl_model_new(const char *path, eng_error *err)
{
    mdl_model *m = eng_alloc_zero(1, sizeof *m);
    if (m) eng_arena_init(&m->memory);
    if (m && (m->path = eng_strdup(path))) return m;
    eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    mdl_model_free(m);
    return NULL;
}

/* m->precision: what was asked for, or the model's own. */
static eng_status settle_precision(mdl_model *m, const eng_precision *asked, eng_error *err)
{
    const wts_panels *p = &m->panels;
    m->precision = p->present ? p->precision : asked ? *asked : ENG_F32;
    if (!asked || *asked == m->precision) return ENG_OK;
    return eng_fail(err, ENG_E_MISMATCH,
                    "%s: the model was converted to %s, and %s was asked for: open it as what it is, or convert the "
                    "checkpoint that it was made of",
                    m->path, eng_precision_name(m->precision), eng_precision_name(*asked));
}

static eng_status load_model(const char *path, const eng_precision *precision, bool allow_bf16,
                             mdl_load_purpose purpose, const kern_table *k, eng_pool *pool, mdl_model **out, eng_error *err)
{
    *out = NULL;
    wts_folder folder;
    eng_status status = wts_folder_resolve(path, &folder, err);
    if (status) return status;
    wts_checkpoint file;
    status = wts_folder_open(&folder, &file, err);
    if (!status) {
        mdl_model *m = mdl_model_new(path, err);
        status = m ? mdl_load_config(m, &folder, &file, false, err) : ENG_E_MEMORY;
        if (!status) status = settle_precision(m, precision, err);
        if (!status) m->allow_bf16 = allow_bf16;
        if (!status) status = mdl_load_weights(m, &file, NULL, purpose, k, pool, err);
        if (!status && m->borrows) {
            m->file = file;
            file = (wts_checkpoint){0};
        }
        if (status) mdl_model_free(m);
        else *out = m;
        wts_checkpoint_close(&file);
    }
    wts_folder_fini(&folder);
    return status;
}

eng_status mdl_model_load(const char *path, const eng_precision *precision, bool allow_bf16, const kern_table *k,
                          eng_pool *pool, mdl_model **out, eng_error *err)
{
    return load_model(path, precision, allow_bf16, MDL_LOAD_TO_RUN, k, pool, out, err);
}

eng_status mdl_model_load_to_convert(const char *path, const eng_precision *precision, const kern_table *k,
                                     eng_pool *pool, mdl_model **out, eng_error *err)
{
    return load_model(path, precision, false, MDL_LOAD_TO_CONVERT, k, pool, out, err);
}

eng_status mdl_model_load_trainable(const char *path, const kern_table *k, eng_pool *pool, mdl_model **out,
                                    eng_error *err)
{
    return load_model(path, NULL, false, MDL_LOAD_TO_TRAIN, k, pool, out, err);
}

void mdl_model_free(mdl_model *m)
{
    if (!m) return;
    for (size_t i = 0; i < MDL_MAX_CONVS; i++) eng_packed_free(&m->conv[i].linear.w.packed);
    eng_packed_free(&m->feature_projection.w.packed);
    for (size_t g = 0; m->pos_conv && g < m->config.pos_groups; g++) eng_packed_free(&m->pos_conv[g].packed);
    for (size_t i = 0; m->layer && i < m->config.layers; i++) {
        mdl_layer *layer = &m->layer[i];
        eng_packed_free(&layer->qkv.w.packed);
        eng_packed_free(&layer->out.w.packed);
        eng_packed_free(&layer->up.w.packed);
        eng_packed_free(&layer->down.w.packed);
    }
    mdl_head_weights *h = &m->head;
    size_t hidden = m->config.head == MDL_HEAD_ODYSSEY ? m->config.head_layers : 1;
    for (size_t i = 0; h->hidden && i < hidden; i++) eng_packed_free(&h->hidden[i].w.packed);
    eng_packed_free(&h->pool.w.packed);
    eng_packed_free(&h->text.w.packed);
    eng_packed_free(&h->classifier.w.packed);
    wts_checkpoint_close(&m->file);
    eng_arena_fini(&m->memory);
    mdl_params_fini(&m->params);
    mdl_config_fini(&m->config);
    eng_free(m->path);
    eng_free(m);
}
