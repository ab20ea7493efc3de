/* config.json and preprocessor_config.json from what read.c made of them. Field names: see config.h. Fields of the
 * source's config.json that this project does not know are kept: its users' tools may. */
#include "model/config/write.h"

#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "model/config/json_text.h"

static const char *act_name(kern_act act)
{
    return act == KERN_ACT_RELU ? "relu" : "gelu";
}

static void write_sizes(mdl_json *j, const char *key, const size_t *values, size_t count)
{
    mdl_json_list(j, key);
    for (size_t i = 0; i < count; i++) mdl_json_size(j, NULL, values[i]);
    mdl_json_end_list(j);
}

static const wts_value *source_field(const mdl_config *c, const char *key)
{
    return c->source ? wts_value_get(wts_doc_root(c->source), key) : NULL;
}

static bool is_text(const wts_value *v, const char *text)
{
    return v && v->kind == WTS_STRING && strcmp(v->text, text) == 0;
}

/* An Odyssey baseline's class is its users' own and has no fixed name. */
static const char *class_name(const mdl_config *c)
{
    static const char *const names[] = {[MDL_HEAD_NONE] = "WavLMModel",
                                        [MDL_HEAD_SEQUENCE_CLASSIFICATION] = "WavLMForSequenceClassification",
                                        [MDL_HEAD_ODYSSEY] = NULL,
                                        [MDL_HEAD_EMOTION] = "WavLMForSpeechEmotion"};
    return names[c->head];
}

static void write_class(mdl_json *j, const mdl_config *c)
{
    const wts_value *named = source_field(c, "architectures");
    if (class_name(c)) {
        mdl_json_list(j, "architectures");
        mdl_json_text(j, NULL, class_name(c));
        mdl_json_end_list(j);
    } else if (named) {
        mdl_json_value(j, "architectures", named);
    }
    mdl_json_text(j, "model_type", c->head == MDL_HEAD_ODYSSEY ? "ser" : "wavlm");
}

static void write_backbone(mdl_json *j, const mdl_config *c)
{
    mdl_json_size(j, "hidden_size", c->hidden);
    mdl_json_size(j, "num_hidden_layers", c->layers);
    mdl_json_size(j, "num_attention_heads", c->heads);
    mdl_json_size(j, "intermediate_size", c->intermediate);
    mdl_json_text(j, "hidden_act", act_name(c->act));
    mdl_json_text(j, "feat_extract_norm", c->group_norm ? "group" : "layer");
    mdl_json_text(j, "feat_extract_activation", act_name(c->conv_act));
    mdl_json_size(j, "num_feat_extract_layers", c->convs);
    write_sizes(j, "conv_dim", c->conv_dim, c->convs);
    write_sizes(j, "conv_kernel", c->conv_kernel, c->convs);
    write_sizes(j, "conv_stride", c->conv_stride, c->convs);
    mdl_json_bool(j, "conv_bias", c->conv_bias);
    mdl_json_bool(j, "do_stable_layer_norm", c->pre_norm);
    mdl_json_size(j, "num_conv_pos_embeddings", c->pos_kernel);
    mdl_json_size(j, "num_conv_pos_embedding_groups", c->pos_groups);
    mdl_json_size(j, "num_buckets", c->buckets);
    mdl_json_size(j, "max_bucket_distance", c->max_distance);
    mdl_json_number_f32(j, "layer_norm_eps", c->eps);
    mdl_json_number(j, "initializer_range", c->initializer_range);
    mdl_json_text(j, "torch_dtype", "float32");
    if (c->weight_precision) mdl_json_text(j, "weight_precision", c->weight_precision);
}

static void write_regularisation(mdl_json *j, const mdl_config *c)
{
    const mdl_regularisation *o = &c->regularisation;
    mdl_json_number(j, "hidden_dropout", o->hidden_dropout);
    mdl_json_number(j, "attention_dropout", o->attention_dropout);
    mdl_json_number(j, "activation_dropout", o->activation_dropout);
    mdl_json_number(j, "feat_proj_dropout", o->feature_dropout);
    mdl_json_number(j, c->head == MDL_HEAD_ODYSSEY ? "classifier_dropout_prob" : "final_dropout", o->final_dropout);
    mdl_json_number(j, "layerdrop", o->layer_drop);
    mdl_json_bool(j, "apply_spec_augment", true); /* false was read as rates of 0 */
    mdl_json_number(j, "mask_time_prob", o->mask_time_prob);
    mdl_json_size(j, "mask_time_length", o->mask_time_length);
    mdl_json_size(j, "mask_time_min_masks", o->mask_time_min);
    mdl_json_number(j, "mask_feature_prob", o->mask_feature_prob);
    mdl_json_size(j, "mask_feature_length", o->mask_feature_length);
    mdl_json_size(j, "mask_feature_min_masks", o->mask_feature_min);
}

static void write_labels(mdl_json *j, const mdl_config *c, const char *count_key)
{
    char id[24];
    mdl_json_size(j, count_key, c->labels);
    mdl_json_object(j, "id2label");
    for (size_t i = 0; i < c->labels; i++) {
        snprintf(id, sizeof id, "%zu", i);
        mdl_json_text(j, id, c->label[i]);
    }
    mdl_json_end_object(j);
    mdl_json_object(j, "label2id");
    for (size_t i = 0; i < c->labels; i++) mdl_json_size(j, c->label[i], i);
    mdl_json_end_object(j);
}

/* Ids that are neither female nor male have a row in the embedding too. */
static void write_gender(mdl_json *j, const mdl_config *c)
{
    const wts_value *map = source_field(c, "gender2id");
    mdl_json_object(j, "gender2id");
    mdl_json_size(j, "female", (size_t)c->female);
    mdl_json_size(j, "male", (size_t)c->male);
    for (size_t i = 0; map && map->kind == WTS_DICT && i < map->count; i++) {
        const wts_member *m = &map->members[i];
        bool known = m->value.number == c->female || m->value.number == c->male;
        if (!known && m->value.number < (double)c->genders) mdl_json_value(j, m->key, &m->value);
    }
    mdl_json_end_object(j);
}

static void write_emotion_head(mdl_json *j, const mdl_config *c)
{
    static const char *const pools[] = {[MDL_POOL_MEAN] = "mean",
                                        [MDL_POOL_STD] = "std",
                                        [MDL_POOL_ATTENTION] = "attention",
                                        [MDL_POOL_ATTENTIVE_STD] = "attentive_std"};
    static const char *const conds[] = {
        [MDL_COND_NONE] = "none", [MDL_COND_MULTIPLY] = "multiply", [MDL_COND_MEAN] = "mean"};
    mdl_json_text(j, "pooling", pools[c->pooling]);
    mdl_json_text(j, "gender_conditioning", conds[c->gender]);
    if (c->gender != MDL_COND_NONE) write_gender(j, c);
    mdl_json_text(j, "text_conditioning", conds[c->text]);
    if (c->text != MDL_COND_NONE) mdl_json_size(j, "text_embedding_size", c->text_size);
}

static void write_odyssey_head(mdl_json *j, const mdl_config *c)
{
    const wts_value *name = source_field(c, "ssl_type");
    if (name) mdl_json_value(j, "ssl_type", name);
    else mdl_json_text(j, "ssl_type", "microsoft/wavlm-large");
    mdl_json_size(j, "classifier_hidden_layers", c->head_layers);
    mdl_json_size(j, "sampling_rate", 16000);
    mdl_json_number(j, "mean", c->input_mean);
    mdl_json_number(j, "std", c->input_std);
}

static void write_head(mdl_json *j, const mdl_config *c)
{
    if (c->head == MDL_HEAD_NONE) return;
    if (c->head == MDL_HEAD_ODYSSEY) {
        write_odyssey_head(j, c);
        write_labels(j, c, "num_classes");
        return;
    }
    if (c->head == MDL_HEAD_EMOTION) write_emotion_head(j, c);
    mdl_json_bool(j, "use_weighted_layer_sum", c->weighted_sum);
    mdl_json_size(j, "classifier_proj_size", c->projection);
    mdl_json_text(j, "problem_type", c->regression ? "regression" : "single_label_classification");
    write_labels(j, c, "num_labels");
}

/* Fields that are this project's to write, and that are left out where they do not apply; a dtype that is not ours. */
static bool is_stale(const char *key)
{
    static const char *const keys[] = {"dtype",        "quantization_config",  "gender2id",
                                       "num_classes",  "gender_embedding_size", "text_embedding_size",
                                       "architectures", "weight_precision"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static void keep_unknown(mdl_json *j, const mdl_config *c)
{
    const wts_value *root = c->source ? wts_doc_root(c->source) : NULL, *classes = source_field(c, "architectures");
    bool odyssey = is_text(source_field(c, "model_type"), "ser");
    if (!root || root->kind != WTS_DICT || odyssey != (c->head == MDL_HEAD_ODYSSEY)) return;
    bool named = classes && classes->kind == WTS_LIST && classes->count > 0;
    bool same_class = odyssey || (named && is_text(&classes->items[0], class_name(c)));
    for (size_t i = 0; i < root->count; i++) {
        const char *key = root->members[i].key;
        bool code = strcmp(key, "auto_map") == 0; /* the class's own Python code */
        if (!mdl_json_has(j, key) && !is_stale(key) && (!code || same_class))
            mdl_json_value(j, key, &root->members[i].value);
    }
}

char *mdl_config_text(const mdl_config *c)
{
    mdl_json j = {0};
    mdl_json_object(&j, NULL);
    write_class(&j, c);
    write_backbone(&j, c);
    write_regularisation(&j, c);
    write_head(&j, c);
    keep_unknown(&j, c);
    mdl_json_end_object(&j);
    return mdl_json_finish(&j);
}

char *mdl_preprocessor_text(const mdl_config *c)
{
    mdl_json j = {0};
    mdl_json_object(&j, NULL);
    mdl_json_text(&j, "feature_extractor_type", "Wav2Vec2FeatureExtractor");
    mdl_json_bool(&j, "do_normalize", c->input == MDL_INPUT_HF || c->input == MDL_INPUT_LAYER_NORM);
    if (c->input == MDL_INPUT_LAYER_NORM) mdl_json_text(&j, "input_normalization", "layer_norm");
    if (c->input == MDL_INPUT_CORPUS) {
        mdl_json_text(&j, "input_normalization", "corpus");
        mdl_json_number(&j, "input_mean", c->input_mean);
        mdl_json_number(&j, "input_std", c->input_std);
    }
    mdl_json_size(&j, "sampling_rate", 16000);
    mdl_json_size(&j, "feature_size", 1);
    mdl_json_text(&j, "padding_side", "right");
    mdl_json_number(&j, "padding_value", 0);
    mdl_json_bool(&j, "return_attention_mask", !c->group_norm); /* as the released models have it */
    mdl_json_end_object(&j);
    return mdl_json_finish(&j);
}
