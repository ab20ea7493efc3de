/* config.json and preprocessor_config.json to a mdl_config. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/gemm/precision.h"
#include "model/config/config.h"
#include "model/config/microsoft.h"
#include "model/config/reader.h"

enum { MAX_MIN_SAMPLES = 1 << 30, MAX_MASK = 1 << 20 };

/* The released models: wavlm-base and wavlm-base-plus share one architecture; it is also WavLMConfig's default, as are the
 * rates. */
static void preset_base(mdl_config *c)
{
    static const mdl_regularisation rates = {.hidden_dropout = 0.1,
                                             .attention_dropout = 0.1,
                                             .activation_dropout = 0.1,
                                             .final_dropout = 0.1,
                                             .layer_drop = 0.1,
                                             .mask_time_prob = 0.05,
                                             .mask_time_length = 10,
                                             .mask_time_min = 2,
                                             .mask_feature_length = 10};
    static const size_t kernel[7] = {10, 3, 3, 3, 3, 2, 2}, stride[7] = {5, 2, 2, 2, 2, 2, 2};
    c->hidden = 768;
    c->layers = 12;
    c->heads = 12;
    c->intermediate = 3072;
    c->convs = 7;
    for (size_t i = 0; i < 7; i++) {
        c->conv_dim[i] = 512;
        c->conv_kernel[i] = kernel[i];
        c->conv_stride[i] = stride[i];
    }
    c->group_norm = true;
    c->conv_act = c->act = KERN_ACT_GELU;
    c->pos_kernel = 128;
    c->pos_groups = 16;
    c->buckets = 320;
    c->max_distance = 800;
    c->eps = 1e-5f;
    c->initializer_range = 0.02;
    c->regularisation = rates;
}

static void preset_large(mdl_config *c)
{
    preset_base(c);
    c->hidden = 1024;
    c->layers = 24;
    c->heads = 16;
    c->intermediate = 4096;
    c->group_norm = false;
    c->pre_norm = true;
}

/* The Odyssey baseline names its backbone by hub id (ssl_type). */
static void preset_by_name(mdl_reader *r, mdl_config *c)
{
    const char *name = mdl_read_text(r, "ssl_type", "microsoft/wavlm-large");
    const char *last = strrchr(name, '/');
    last = last ? last + 1 : name;
    if (strcmp(last, "wavlm-large") == 0) preset_large(c);
    else if (strcmp(last, "wavlm-base") == 0 || strcmp(last, "wavlm-base-plus") == 0) preset_base(c);
    else
        mdl_read_fail(r, ENG_E_UNSUPPORTED,
                      "ssl_type is \"%s\"; expected microsoft/wavlm-large, wavlm-base or wavlm-base-plus", name);
    /* rates of the released models' own config.json; the baseline's head has 0.5 */
    mdl_regularisation *o = &c->regularisation;
    o->activation_dropout = 0;
    o->feature_dropout = 0.1;
    o->final_dropout = 0.5;
    o->layer_drop = c->pre_norm ? 0.1 : 0.05;
    o->mask_time_prob = c->pre_norm ? 0.075 : 0.05;
}

static kern_act read_act(mdl_reader *r, const char *key)
{
    static const mdl_choice acts[] = {{"gelu", KERN_ACT_GELU}, {"relu", KERN_ACT_RELU}, {NULL, 0}};
    return (kern_act)mdl_read_choice(r, key, "gelu", acts);
}

static void read_convs(mdl_reader *r, mdl_config *c)
{
    size_t dims = mdl_read_sizes(r, "conv_dim", c->conv_dim, c->convs, MDL_MAX_CONVS, 65536);
    size_t kernels = mdl_read_sizes(r, "conv_kernel", c->conv_kernel, c->convs, MDL_MAX_CONVS, 4096);
    size_t strides = mdl_read_sizes(r, "conv_stride", c->conv_stride, c->convs, MDL_MAX_CONVS, 4096);
    if (dims != kernels || dims != strides)
        mdl_read_fail(r, ENG_E_MISMATCH, "conv_dim, conv_kernel and conv_stride have %zu, %zu and %zu entries", dims,
                      kernels, strides);
    c->convs = dims;
    c->conv_bias = mdl_read_bool(r, "conv_bias", c->conv_bias);
}

static void read_backbone(mdl_reader *r, mdl_config *c)
{
    static const mdl_choice norms[] = {{"group", 1}, {"layer", 0}, {NULL, 0}};
    c->hidden = mdl_read_size(r, "hidden_size", c->hidden, 1, 65536);
    c->layers = mdl_read_size(r, "num_hidden_layers", c->layers, 1, 1024);
    c->heads = mdl_read_size(r, "num_attention_heads", c->heads, 1, 4096);
    c->intermediate = mdl_read_size(r, "intermediate_size", c->intermediate, 1, 1 << 20);
    read_convs(r, c);
    c->group_norm = mdl_read_choice(r, "feat_extract_norm", c->group_norm ? "group" : "layer", norms);
    c->pre_norm = mdl_read_bool(r, "do_stable_layer_norm", c->pre_norm);
    c->conv_act = read_act(r, "feat_extract_activation");
    c->act = read_act(r, "hidden_act");
    c->pos_kernel = mdl_read_size(r, "num_conv_pos_embeddings", c->pos_kernel, 1, 65536);
    c->pos_groups = mdl_read_size(r, "num_conv_pos_embedding_groups", c->pos_groups, 1, 65536);
    c->buckets = mdl_read_size(r, "num_buckets", c->buckets, 4, 1 << 20);
    c->max_distance = mdl_read_size(r, "max_bucket_distance", c->max_distance, 2, 1 << 30);
    c->eps = (float)mdl_read_number(r, "layer_norm_eps", c->eps, 0, 1);
    c->initializer_range = mdl_read_number(r, "initializer_range", c->initializer_range, 0, 1e3);
    if (mdl_read_bool(r, "add_adapter", false))
        mdl_read_fail(r, ENG_E_UNSUPPORTED, "add_adapter is true; adapters are not supported");
}

/* Names of the fields that must agree, which Microsoft's cfg spells otherwise. */
typedef struct backbone_names {
    const char *hidden, *heads, *groups, *buckets, *distance;
} backbone_names;

static void check_backbone(mdl_reader *r, wts_layout layout, const mdl_config *c)
{
    static const backbone_names hugging_face = {"hidden_size", "num_attention_heads", "num_conv_pos_embedding_groups",
                                                "num_buckets", "max_bucket_distance"};
    static const backbone_names microsoft = {"encoder_embed_dim", "encoder_attention_heads", "conv_pos_groups",
                                             "num_buckets", "max_distance"};
    const backbone_names *n = layout == WTS_LAYOUT_MICROSOFT ? &microsoft : &hugging_face;
    if (c->hidden % c->heads)
        mdl_read_fail(r, ENG_E_MISMATCH, "%s %zu is not a multiple of %s %zu", n->hidden, c->hidden, n->heads, c->heads);
    if (c->hidden % c->pos_groups)
        mdl_read_fail(r, ENG_E_MISMATCH, "%s %zu is not a multiple of %s %zu", n->hidden, c->hidden, n->groups,
                      c->pos_groups);
    if (c->max_distance <= c->buckets / 4)
        mdl_read_fail(r, ENG_E_MISMATCH, "%s %zu must be more than a quarter of %s %zu", n->distance, c->max_distance,
                      n->buckets, c->buckets);
    if (c->convs == 0) mdl_read_fail(r, ENG_E_MISMATCH, "conv_dim is empty; expected at least one layer");
    if (!r->status && mdl_config_min_samples(c) > MAX_MIN_SAMPLES)
        mdl_read_fail(r, ENG_E_MISMATCH, "the convolutions' kernels and strides need more than %d samples for one frame",
                      MAX_MIN_SAMPLES);
}

/* preprocessor_config.json (Wav2Vec2FeatureExtractor): do_normalize defaults to true there. Without that file the rule
 * follows the released models: normalised where the feature encoder uses layer norm. input_normalization, this project's
 * field, says what do_normalize cannot (model/config/write.h). */
static void read_input_rule(const wts_value *preprocessor, mdl_reader *config, mdl_config *c)
{
    static const mdl_choice rules[] = {{"none", MDL_INPUT_RAW},
                                       {"utterance", MDL_INPUT_HF},
                                       {"layer_norm", MDL_INPUT_LAYER_NORM},
                                       {"corpus", MDL_INPUT_CORPUS},
                                       {NULL, 0}};
    if (!preprocessor) {
        c->input = c->group_norm ? MDL_INPUT_RAW : MDL_INPUT_HF;
        c->input_assumed = true;
        return;
    }
    char name[1024]; /* beside config.json */
    const char *slash = strrchr(config->name, '/');
    snprintf(name, sizeof name, "%.*spreprocessor_config.json", slash ? (int)(slash + 1 - config->name) : 0, config->name);
    mdl_reader r = {preprocessor, name, config->err, config->status, NULL};
    if (preprocessor->kind != WTS_DICT) mdl_read_fail(&r, ENG_E_FORMAT, "expected an object");
    c->input = mdl_read_bool(&r, "do_normalize", true) ? MDL_INPUT_HF : MDL_INPUT_RAW;
    c->input = (mdl_input_rule)mdl_read_choice(&r, "input_normalization", c->input == MDL_INPUT_HF ? "utterance" : "none",
                                               rules);
    if (c->input == MDL_INPUT_CORPUS) {
        c->input_mean = mdl_read_number(&r, "input_mean", NAN, -1e6, 1e6);
        c->input_std = mdl_read_number(&r, "input_std", NAN, 0, 1e6);
    }
    double rate = mdl_read_number(&r, "sampling_rate", 16000, 1, 1e9);
    if (rate != 16000) mdl_read_fail(&r, ENG_E_UNSUPPORTED, "sampling_rate is %g; expected 16000", rate);
    config->status = r.status;
}

/* The Odyssey baseline has a rate of its own for its head. */
static void read_regularisation(mdl_reader *r, wts_layout layout, mdl_regularisation *o)
{
    const char *final = layout == WTS_LAYOUT_ODYSSEY ? "classifier_dropout_prob" : "final_dropout";
    o->hidden_dropout = mdl_read_number(r, "hidden_dropout", o->hidden_dropout, 0, 1);
    o->attention_dropout = mdl_read_number(r, "attention_dropout", o->attention_dropout, 0, 1);
    o->activation_dropout = mdl_read_number(r, "activation_dropout", o->activation_dropout, 0, 1);
    o->feature_dropout = mdl_read_number(r, "feat_proj_dropout", o->feature_dropout, 0, 1);
    o->final_dropout = mdl_read_number(r, final, o->final_dropout, 0, 1);
    o->layer_drop = mdl_read_number(r, "layerdrop", o->layer_drop, 0, 1);
    o->mask_time_prob = mdl_read_number(r, "mask_time_prob", o->mask_time_prob, 0, 1);
    o->mask_time_length = mdl_read_size(r, "mask_time_length", o->mask_time_length, 1, MAX_MASK);
    o->mask_time_min = mdl_read_size(r, "mask_time_min_masks", o->mask_time_min, 0, MAX_MASK);
    o->mask_feature_prob = mdl_read_number(r, "mask_feature_prob", o->mask_feature_prob, 0, 1);
    o->mask_feature_length = mdl_read_size(r, "mask_feature_length", o->mask_feature_length, 1, MAX_MASK);
    o->mask_feature_min = mdl_read_size(r, "mask_feature_min_masks", o->mask_feature_min, 0, MAX_MASK);
    if (!mdl_read_bool(r, "apply_spec_augment", true)) o->mask_time_prob = o->mask_feature_prob = 0;
}

static bool is_attribute(const char *label)
{
    static const char *const names[] = {"arousal", "dominance", "valence", "EmoAct", "EmoDom", "EmoVal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(label, names[i]) == 0) return true;
    return false;
}

/* id2label: {"0": name, ...}; keys 0..n-1 in any order. count_key: the field with their number, which may stand alone. */
static void read_labels(mdl_reader *r, mdl_config *c, const char *count_key)
{
    size_t count = mdl_read_size(r, count_key, 0, 0, MDL_MAX_LABELS);
    const wts_value *map = wts_value_get(r->value, "id2label");
    if (!map || map->kind == WTS_NULL) {
        c->labels = count;
    } else if (map->kind != WTS_DICT || map->count == 0 || map->count > MDL_MAX_LABELS) {
        mdl_read_fail(r, ENG_E_FORMAT, "id2label: expected an object of 1 to %d labels", MDL_MAX_LABELS);
        return;
    } else {
        if (count && count != map->count)
            mdl_read_fail(r, ENG_E_MISMATCH, "%s is %zu, but id2label has %zu labels", count_key, count, map->count);
        c->labels = map->count;
    }
    if (c->labels == 0) return; /* the classifier's shape decides */
    c->label = eng_alloc_zero(c->labels, sizeof *c->label);
    if (!c->label) {
        mdl_read_fail(r, ENG_E_MEMORY, "out of memory for %zu labels", c->labels);
        return;
    }
    bool all_attributes = true;
    for (size_t i = 0; i < c->labels; i++) {
        char key[32], plain[32];
        snprintf(key, sizeof key, "%zu", i);
        snprintf(plain, sizeof plain, "LABEL_%zu", i);
        const wts_value *v = map && map->kind == WTS_DICT ? wts_value_get(map, key) : NULL;
        if (map && map->kind == WTS_DICT && (!v || v->kind != WTS_STRING)) {
            mdl_read_fail(r, ENG_E_FORMAT, "id2label: no text for id %zu; expected ids 0 to %zu", i, c->labels - 1);
            return;
        }
        c->label[i] = eng_strdup(v ? v->text : plain);
        if (!c->label[i]) {
            mdl_read_fail(r, ENG_E_MEMORY, "out of memory for labels");
            return;
        }
        if (!is_attribute(c->label[i])) all_attributes = false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->label[i], c->label[j]) == 0)
                mdl_read_fail(r, ENG_E_FORMAT, "id2label: \"%s\" stands for both %zu and %zu", c->label[i], j, i);
    }
    c->regression = all_attributes;
}

static void read_gender(mdl_reader *r, mdl_config *c)
{
    c->female = 0;
    c->male = 1;
    c->genders = 2;
    const wts_value *map = wts_value_get(r->value, "gender2id");
    if (map && map->kind != WTS_NULL) {
        mdl_reader m = {map, r->name, r->err, r->status, "gender2id"};
        if (map->kind != WTS_DICT) mdl_read_fail(&m, ENG_E_FORMAT, "expected an object");
        c->female = (int)mdl_read_size(&m, "female", SIZE_MAX, 0, 1000);
        c->male = (int)mdl_read_size(&m, "male", SIZE_MAX, 0, 1000);
        c->genders = 0;
        for (size_t i = 0; map->kind == WTS_DICT && i < map->count; i++) {
            size_t id = mdl_read_size(&m, map->members[i].key, SIZE_MAX, 0, 1000);
            if (id + 1 > c->genders) c->genders = id + 1;
        }
        if (c->female == c->male) mdl_read_fail(&m, ENG_E_MISMATCH, "female and male are both %d", c->male);
        r->status = m.status;
    }
    size_t size = mdl_read_size(r, "gender_embedding_size", mdl_config_pooled(c), 1, 1 << 20);
    if (size != mdl_config_pooled(c))
        mdl_read_fail(r, ENG_E_UNSUPPORTED,
                      "gender_embedding_size is %zu; the pooled vector that it conditions has %zu elements", size,
                      mdl_config_pooled(c));
}

static void read_problem(mdl_reader *r, mdl_config *c)
{
    static const mdl_choice problems[] = {{"single_label_classification", 0}, {"regression", 1}, {NULL, 0}};
    if (mdl_read_choice(r, "problem_type", "single_label_classification", problems)) c->regression = true;
}

static void read_emotion_head(mdl_reader *r, mdl_config *c)
{
    static const mdl_choice pools[] = {{"mean", MDL_POOL_MEAN},
                                       {"std", MDL_POOL_STD},
                                       {"attention", MDL_POOL_ATTENTION},
                                       {"attentive_std", MDL_POOL_ATTENTIVE_STD},
                                       {NULL, 0}};
    static const mdl_choice conds[] = {
        {"none", MDL_COND_NONE}, {"multiply", MDL_COND_MULTIPLY}, {"mean", MDL_COND_MEAN}, {NULL, 0}};
    c->head = MDL_HEAD_EMOTION;
    c->weighted_sum = true;
    c->pooling = (mdl_pooling)mdl_read_choice(r, "pooling", "mean", pools);
    c->gender = (mdl_conditioning)mdl_read_choice(r, "gender_conditioning", "none", conds);
    c->text = (mdl_conditioning)mdl_read_choice(r, "text_conditioning", "none", conds);
    if (c->gender != MDL_COND_NONE) read_gender(r, c);
    if (c->text != MDL_COND_NONE) c->text_size = mdl_read_size(r, "text_embedding_size", SIZE_MAX, 1, 1 << 20);
    c->projection = mdl_read_size(r, "classifier_proj_size", 256, 1, 1 << 20);
    read_labels(r, c, "num_labels");
    read_problem(r, c);
}

static void read_head(mdl_reader *r, wts_layout layout, const wts_value *preprocessor, mdl_config *c)
{
    if (layout == WTS_LAYOUT_ODYSSEY) {
        c->head = MDL_HEAD_ODYSSEY;
        c->pooling = MDL_POOL_ATTENTIVE_STD;
        c->head_layers = mdl_read_size(r, "classifier_hidden_layers", 1, 0, 64);
        read_labels(r, c, "num_classes");
        c->input = MDL_INPUT_CORPUS;
        c->input_mean = mdl_read_number(r, "mean", NAN, -1e6, 1e6);
        c->input_std = mdl_read_number(r, "std", NAN, 0, 1e6);
        double rate = mdl_read_number(r, "sampling_rate", 16000, 1, 1e9);
        if (rate != 16000) mdl_read_fail(r, ENG_E_UNSUPPORTED, "sampling_rate is %g; expected 16000", rate);
        return;
    }
    read_input_rule(preprocessor, r, c);
    if (layout == WTS_LAYOUT_SEQUENCE_CLASSIFICATION) {
        c->head = MDL_HEAD_SEQUENCE_CLASSIFICATION;
        c->pooling = MDL_POOL_MEAN;
        c->weighted_sum = mdl_read_bool(r, "use_weighted_layer_sum", false);
        c->projection = mdl_read_size(r, "classifier_proj_size", 256, 1, 1 << 20);
        read_labels(r, c, "num_labels");
        read_problem(r, c);
    } else if (layout == WTS_LAYOUT_EMOTION) {
        read_emotion_head(r, c);
    }
}

/* This project's: written by convert. */
static void read_weight_precision(mdl_reader *r, mdl_config *c)
{
    const char *name = mdl_read_text(r, "weight_precision", NULL);
    eng_precision precision;
    if (!name) return;
    if (eng_precision_find(name, &precision)) c->weight_precision = eng_precision_name(precision);
    else mdl_read_fail(r, ENG_E_UNSUPPORTED, "weight_precision is \"%s\"; expected f32, bf16 or int8", name);
}

eng_status mdl_config_read(wts_layout layout, const wts_value *config, const wts_value *preprocessor,
                           const char *config_name, mdl_config *out, eng_error *err)
{
    *out = (mdl_config){.head = MDL_HEAD_NONE};
    mdl_reader r = {config, config_name, err, ENG_OK, NULL};
    if (!config || config->kind != WTS_DICT) {
        mdl_read_fail(&r, ENG_E_FORMAT, "expected an object with the model's configuration");
        return r.status;
    }
    if (layout == WTS_LAYOUT_MICROSOFT) {
        mdl_config_read_microsoft(&r, out);
    } else {
        const char *type = mdl_read_text(&r, "model_type", "wavlm");
        if (strcmp(type, "wavlm") != 0 && strcmp(type, "ser") != 0)
            mdl_read_fail(&r, ENG_E_UNSUPPORTED, "model_type is \"%s\"; expected \"wavlm\" or \"ser\"", type);
        preset_base(out);
        if (layout == WTS_LAYOUT_ODYSSEY) preset_by_name(&r, out);
        read_backbone(&r, out);
        read_head(&r, layout, preprocessor, out);
        read_regularisation(&r, layout, &out->regularisation);
        read_weight_precision(&r, out);
    }
    check_backbone(&r, layout, out);
    return r.status;
}
