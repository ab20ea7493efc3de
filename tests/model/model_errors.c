/* Loading is total. Folders with tiny random models are written here, then spoilt in one place: a missing, extra or
 * misshapen tensor, another dtype, a configuration that does not fit the weights. Each must be refused with one line that
 * names the file and the tensor or field. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/network/forward.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

enum { HIDDEN = 12, HEADS = 2, LAYERS = 2, WIDE = 8, CONV = 6, BUCKETS = 8, LABELS = 3, PROJECTION = 5, MAX_TENSORS = 128 };

typedef struct entry {
    char name[96];
    wts_dtype dtype;
    size_t ndim, shape[4];
} entry;

/* A model to be written. */
typedef struct sketch {
    entry entries[MAX_TENSORS];
    size_t count;
    char config[1024];
} sketch;

static void add(sketch *s, size_t ndim, const size_t *shape, const char *format, ...) __attribute__((format(printf, 4, 5)));

static void add(sketch *s, size_t ndim, const size_t *shape, const char *format, ...)
{
    cr_assert_lt(s->count, MAX_TENSORS);
    entry *e = &s->entries[s->count++];
    *e = (entry){.dtype = WTS_F32, .ndim = ndim};
    memcpy(e->shape, shape, ndim * sizeof *shape);
    va_list args;
    va_start(args, format);
    vsnprintf(e->name, sizeof e->name, format, args);
    va_end(args);
}

#define SHAPE(...) sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), (size_t[]){__VA_ARGS__}

static void add_linear(sketch *s, const char *name, size_t out, size_t in)
{
    add(s, SHAPE(out, in), "%s.weight", name);
    add(s, SHAPE(out), "%s.bias", name);
}

static void add_norm(sketch *s, const char *name, size_t n)
{
    add(s, SHAPE(n), "%s.weight", name);
    add(s, SHAPE(n), "%s.bias", name);
}

static void add_layer(sketch *s, const char *prefix, size_t layer)
{
    static const char *const projections[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
    char base[64], name[96];
    snprintf(base, sizeof base, "%sencoder.layers.%zu", prefix, layer);
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.attention.%s", base, projections[i]);
        add_linear(s, name, HIDDEN, HIDDEN);
    }
    snprintf(name, sizeof name, "%s.attention.gru_rel_pos_linear", base);
    add_linear(s, name, 8, HIDDEN / HEADS);
    add(s, SHAPE(1, HEADS, 1, 1), "%s.attention.gru_rel_pos_const", base);
    if (layer == 0) add(s, SHAPE(BUCKETS, HEADS), "%s.attention.rel_attn_embed.weight", base);
    snprintf(name, sizeof name, "%s.feed_forward.intermediate_dense", base);
    add_linear(s, name, WIDE, HIDDEN);
    snprintf(name, sizeof name, "%s.feed_forward.output_dense", base);
    add_linear(s, name, HIDDEN, WIDE);
    snprintf(name, sizeof name, "%s.layer_norm", base);
    add_norm(s, name, HIDDEN);
    snprintf(name, sizeof name, "%s.final_layer_norm", base);
    add_norm(s, name, HIDDEN);
}

/* The backbone; more: further fields of config.json, beginning with a comma, or "". */
static void start(sketch *s, const char *prefix, const char *more)
{
    *s = (sketch){.count = 0};
    snprintf(s->config, sizeof s->config,
             "{\"hidden_size\": %d, \"num_attention_heads\": %d, \"num_hidden_layers\": %d, \"intermediate_size\": %d,"
             " \"conv_dim\": [%d, %d], \"conv_kernel\": [10, 4], \"conv_stride\": [5, 4], \"conv_bias\": true,"
             " \"feat_extract_norm\": \"layer\", \"num_conv_pos_embeddings\": 3, \"num_conv_pos_embedding_groups\": 2,"
             " \"num_buckets\": %d, \"max_bucket_distance\": 20%s}",
             HIDDEN, HEADS, LAYERS, WIDE, CONV, CONV, BUCKETS, more);
    char name[96];
    for (size_t i = 0; i < 2; i++) {
        add(s, SHAPE(CONV, i ? CONV : 1, i ? 4 : 10), "%sfeature_extractor.conv_layers.%zu.conv.weight", prefix, i);
        add(s, SHAPE(CONV), "%sfeature_extractor.conv_layers.%zu.conv.bias", prefix, i);
        snprintf(name, sizeof name, "%sfeature_extractor.conv_layers.%zu.layer_norm", prefix, i);
        add_norm(s, name, CONV);
    }
    snprintf(name, sizeof name, "%sfeature_projection.layer_norm", prefix);
    add_norm(s, name, CONV);
    snprintf(name, sizeof name, "%sfeature_projection.projection", prefix);
    add_linear(s, name, HIDDEN, CONV);
    add(s, SHAPE(1, 1, 3), "%sencoder.pos_conv_embed.conv.weight_g", prefix);
    add(s, SHAPE(HIDDEN, HIDDEN / 2, 3), "%sencoder.pos_conv_embed.conv.weight_v", prefix);
    add(s, SHAPE(HIDDEN), "%sencoder.pos_conv_embed.conv.bias", prefix);
    snprintf(name, sizeof name, "%sencoder.layer_norm", prefix);
    add_norm(s, name, HIDDEN);
    for (size_t i = 0; i < LAYERS; i++) add_layer(s, prefix, i);
}

typedef enum kind { BACKBONE, CLASSIFIER, ODYSSEY, EMOTION, KINDS } kind;

static void start_kind(sketch *s, kind k)
{
    if (k == BACKBONE) start(s, "", ", \"architectures\": [\"WavLMModel\"]");
    if (k == CLASSIFIER) {
        start(s, "wavlm.", ", \"use_weighted_layer_sum\": true, \"classifier_proj_size\": 5, \"num_labels\": 3");
        add(s, SHAPE(LAYERS + 1), "layer_weights");
        add_linear(s, "projector", PROJECTION, HIDDEN);
        add_linear(s, "classifier", LABELS, PROJECTION);
    }
    if (k == ODYSSEY) {
        start(s, "ssl_model.", ", \"model_type\": \"ser\", \"mean\": 0.1, \"std\": 0.2, \"num_classes\": 3");
        add_linear(s, "pool_model.sap_linear", HIDDEN, HIDDEN);
        add(s, SHAPE(HIDDEN, 1), "pool_model.attention");
        add_linear(s, "ser_model.fc.0.0", PROJECTION, 2 * HIDDEN);
        add_norm(s, "ser_model.fc.0.1", PROJECTION);
        add_linear(s, "ser_model.out.0", LABELS, PROJECTION);
    }
    if (k == EMOTION) {
        start(s, "wavlm.", ", \"architectures\": [\"WavLMForSpeechEmotion\"], \"pooling\": \"attention\","
                           " \"gender_conditioning\": \"mean\", \"text_conditioning\": \"multiply\","
                           " \"text_embedding_size\": 4, \"classifier_proj_size\": 5, \"num_labels\": 3");
        add(s, SHAPE(LAYERS + 1), "layer_weights");
        add_linear(s, "pool.linear", HIDDEN, HIDDEN);
        add(s, SHAPE(HIDDEN), "pool.v");
        add(s, SHAPE(2, HIDDEN), "gender.weight");
        add_linear(s, "text", HIDDEN, 4);
        add_linear(s, "projection", PROJECTION, HIDDEN);
        add_linear(s, "classifier", LABELS, PROJECTION);
    }
}

static void write_text(const char *directory, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0, "cannot write %s", path);
}

static void write_model(const sketch *s, const char *directory)
{
    char path[512];
    wts_writer *w;
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    cr_assert_eq(wts_writer_open(path, s->count, 64 * s->count, NULL, &w, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < s->count; i++) {
        const entry *e = &s->entries[i];
        size_t count = 1;
        for (size_t d = 0; d < e->ndim; d++) count *= e->shape[d];
        float *x = support_normal(i, 2 * count, 0.3f); /* enough bytes for I64, too */
        cr_assert_eq(wts_writer_add(w, e->name, e->dtype, e->ndim, e->shape, x, &err), ENG_OK, "%s", err.message);
        eng_free(x);
    }
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    write_text(directory, "config.json", s->config);
}

static eng_status load(const char *path, mdl_model **m, eng_error *err)
{
    support_engine *e = support_engine_new(1);
    eng_status status = mdl_model_load(path, NULL, false, &e->ctx.k, e->ctx.pool, m, err);
    cr_assert_eq(status == ENG_OK, *m != NULL);
    support_engine_free(e);
    return status;
}

/* The folder is refused by one line with all three texts (NULL: nothing to look for). */
static void refused(const char *directory, eng_status status, const char *file, const char *what, const char *found)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(load(directory, &m, &err), status, "%s, %s: status %d: %s", file, what, (int)err.status, err.message);
    const char *texts[] = {file, what, found};
    for (size_t i = 0; i < 3; i++)
        cr_assert(!texts[i] || strstr(err.message, texts[i]), "\"%s\" does not hold %s", err.message, texts[i]);
    cr_assert_null(strchr(err.message, '\n'), "%s", err.message);
}

static void refused_model(const sketch *s, const char *directory, eng_status status, const char *what, const char *found)
{
    write_model(s, directory);
    refused(directory, status, "model.safetensors", what, found);
}

/* ---- Tensors ---- */

static void check_each_tensor(kind k)
{
    char *directory = support_temporary();
    static sketch whole, spoilt;
    start_kind(&whole, k);
    write_model(&whole, directory);
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(load(directory, &m, &err), ENG_OK, "%s", err.message);
    mdl_model_free(m);
    for (size_t i = 0; i < whole.count; i++) {
        const char *name = whole.entries[i].name;
        spoilt = whole;
        memmove(&spoilt.entries[i], &spoilt.entries[i + 1], (whole.count - i - 1) * sizeof *spoilt.entries);
        spoilt.count--;
        /* without the tensor that tells a WavLM from its relatives it is none; without a head's it may be another model's */
        bool gate = strstr(name, "layers.0.attention.gru_rel_pos_linear.weight") != NULL;
        if (gate) refused_model(&spoilt, directory, ENG_E_UNSUPPORTED, "not a checkpoint", NULL);
        else refused_model(&spoilt, directory, ENG_E_MISSING, name, "no tensor");

        spoilt = whole;
        spoilt.entries[i].shape[spoilt.entries[i].ndim - 1]++;
        refused_model(&spoilt, directory, ENG_E_MISMATCH, name, "expected");

        spoilt = whole;
        spoilt.entries[i].dtype = WTS_I64;
        refused_model(&spoilt, directory, ENG_E_UNSUPPORTED, name, "I64");
    }
    support_remove(directory);
}

Test(model_errors, each_tensor_of_a_backbone) { check_each_tensor(BACKBONE); }

Test(model_errors, each_tensor_of_a_classifier) { check_each_tensor(CLASSIFIER); }

Test(model_errors, each_tensor_of_an_odyssey_baseline) { check_each_tensor(ODYSSEY); }

Test(model_errors, each_tensor_of_an_emotion_model) { check_each_tensor(EMOTION); }

Test(model_errors, extra_tensors)
{
    char *directory = support_temporary();
    static sketch s;
    for (kind k = BACKBONE; k < KINDS; k++) {
        start_kind(&s, k);
        add(&s, SHAPE(2, 3), "encoder.layers.2.surprise");
        refused_model(&s, directory, ENG_E_MISMATCH, "encoder.layers.2.surprise", "F32[2, 3]");
        start_kind(&s, k);
        add(&s, SHAPE(4), "encoder.position_ids"); /* a buffer that some versions save */
        s.entries[s.count - 1].dtype = WTS_I64;
        write_model(&s, directory);
        mdl_model *m;
        eng_error err = {0};
        cr_assert_eq(load(directory, &m, &err), ENG_OK, "%s", err.message);
        mdl_model_free(m);
    }
    start_kind(&s, BACKBONE);
    add(&s, SHAPE(1, 1, 3), "encoder.pos_conv_embed.conv.parametrizations.weight.original0");
    refused_model(&s, directory, ENG_E_FORMAT, "original0", "weight_g");
    support_remove(directory);
}

/* ---- Configurations that do not fit ---- */

/* Replaces the first `from` in the configuration by `to`. */
static void change(sketch *s, const char *from, const char *to)
{
    char changed[sizeof s->config], *at = strstr(s->config, from);
    cr_assert_not_null(at, "%s", from);
    int n = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - s->config), s->config, to, at + strlen(from));
    cr_assert(n > 0 && (size_t)n < sizeof changed);
    memcpy(s->config, changed, (size_t)n + 1);
}

Test(model_errors, configurations_that_do_not_fit)
{
    static const struct {
        kind k;
        const char *from, *to, *file, *what;
    } rows[] = {
        {BACKBONE, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "model.safetensors", "layers.2."},
        {BACKBONE, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "model.safetensors", "layers.1."},
        {BACKBONE, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1024", "model.safetensors", "layers.2."},
        {BACKBONE, "\"hidden_size\": 12", "\"hidden_size\": 65536", "model.safetensors", "expected [65536, 6]"},
        {BACKBONE, "\"num_attention_heads\": 2", "\"num_attention_heads\": 5", "config.json", "num_attention_heads 5"},
        {BACKBONE, "\"num_attention_heads\": 2", "\"num_attention_heads\": 4", "model.safetensors", "rel_attn_embed"},
        {BACKBONE, "\"num_buckets\": 8", "\"num_buckets\": 9", "model.safetensors", "rel_attn_embed"},
        {BACKBONE, "\"conv_bias\": true", "\"conv_bias\": false", "model.safetensors", "conv.bias"},
        {BACKBONE, "\"layer\"", "\"group\"", "model.safetensors", "conv_layers.1.layer_norm"},
        {BACKBONE, "[10, 4]", "[10, 4, 2]", "config.json", "conv_kernel"},
        {BACKBONE, "[10, 4]", "[10, 5]", "model.safetensors", "conv_layers.1.conv.weight"},
        {BACKBONE, "\"num_conv_pos_embeddings\": 3", "\"num_conv_pos_embeddings\": 4", "model.safetensors", "weight_v"},
        {BACKBONE, "WavLMModel", "WavLMForSequenceClassification", "model.safetensors", "classifier.weight"},
        {BACKBONE, "WavLMModel", "WavLMForSpeechEmotion", "model.safetensors", "layer_weights"},
        {CLASSIFIER, "\"num_labels\": 3", "\"num_labels\": 4", "model.safetensors", "classifier.weight has 3 rows; expected 4"},
        {CLASSIFIER, "\"num_labels\": 3", "\"id2label\": {\"0\": \"a\", \"1\": \"b\"}", "model.safetensors",
         "classifier.weight has 3 rows; expected 2"},
        {CLASSIFIER, "\"use_weighted_layer_sum\": true", "\"use_weighted_layer_sum\": false", "model.safetensors",
         "layer_weights"},
        {CLASSIFIER, "\"classifier_proj_size\": 5", "\"classifier_proj_size\": 6", "model.safetensors", "projector.weight"},
        {ODYSSEY, "\"num_classes\": 3", "\"num_classes\": 4", "model.safetensors", "ser_model.out.0.weight"},
        {ODYSSEY, "\"num_classes\": 3", "\"classifier_hidden_layers\": 2", "model.safetensors", "ser_model.fc.1.0.weight"},
        {ODYSSEY, "\"mean\"", "\"moan\"", "config.json", "mean"},
        {EMOTION, "\"attention\"", "\"mean\"", "model.safetensors", "pool."},
        {EMOTION, "\"attention\"", "\"attentive_std\"", "model.safetensors", "pool.sap_linear.weight"},
        {EMOTION, "\"gender_conditioning\": \"mean\"", "\"gender_conditioning\": \"none\"", "model.safetensors",
         "gender.weight"},
        {EMOTION, "\"text_embedding_size\": 4", "\"text_embedding_size\": 5", "model.safetensors", "text.weight"},
        {EMOTION, "\"text_embedding_size\": 4", "\"text_size\": 4", "config.json", "text_embedding_size"},
    };
    char *directory = support_temporary();
    static sketch s;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start_kind(&s, rows[i].k);
        change(&s, rows[i].from, rows[i].to);
        write_model(&s, directory);
        mdl_model *m;
        eng_error err = {0};
        cr_assert_neq(load(directory, &m, &err), ENG_OK, "row %zu is accepted", i);
        cr_assert(strstr(err.message, rows[i].file) && strstr(err.message, rows[i].what), "row %zu: %s", i, err.message);
    }
    support_remove(directory);
}

Test(model_errors, files_that_are_not_there_or_not_json)
{
    char *directory = support_temporary();
    static sketch s;
    refused(directory, ENG_E_MISSING, directory, "no checkpoint in this folder", "model.safetensors");
    refused("/no/such/model", ENG_E_MISSING, "/no/such/model", NULL, NULL);
    start_kind(&s, BACKBONE);
    write_model(&s, directory);
    write_text(directory, "config.json", "{\"hidden_size\": 12,");
    refused(directory, ENG_E_FORMAT, "config.json", "line 1", NULL);
    write_text(directory, "config.json", "[]");
    refused(directory, ENG_E_FORMAT, "config.json", "object", NULL);
    write_text(directory, "config.json", s.config);
    write_text(directory, "preprocessor_config.json", "{\"do_normalize\": \"yes\"}");
    refused(directory, ENG_E_FORMAT, "preprocessor_config.json", "do_normalize", "boolean");
    write_text(directory, "preprocessor_config.json", "{}");
    char path[512];
    snprintf(path, sizeof path, "%s/config.json", directory);
    cr_assert_eq(remove(path), 0);
    refused(directory, ENG_E_MISSING, "model.safetensors", "no config.json", NULL);
    support_remove(directory);
}

/* ---- Inputs that a model cannot take ---- */

Test(model_errors, inputs)
{
    char *directory = support_temporary();
    static sketch s;
    start_kind(&s, EMOTION);
    write_model(&s, directory);
    support_engine *e = support_engine_new(1);
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(directory, NULL, false, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_config_min_samples(&m->config), 25);
    float wave[25] = {0.5f}, text[4] = {0}, logits[LABELS];
    mdl_input input = {wave, 25, 0, text};
    cr_assert_eq(mdl_forward(m, &e->ctx, 1, &input, logits, NULL, &err), ENG_OK, "%s", err.message);
    static const struct {
        size_t count;
        int gender;
        bool text;
        const char *message;
    } rows[] = {{24, 0, true, "24 samples"}, {0, 0, true, "at least 25"}, {25, -1, true, "gender"}, {25, 2, true, "gender"},
                {25, 1, false, "text"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mdl_input bad = {wave, rows[i].count, rows[i].gender, rows[i].text ? text : NULL};
        cr_assert_eq(mdl_forward(m, &e->ctx, 1, &bad, logits, NULL, &err), ENG_E_USAGE, "row %zu", i);
        cr_assert(strstr(err.message, rows[i].message), "%s", err.message);
    }
    mdl_model_free(m);
    support_engine_free(e);
    support_remove(directory);
}
