/* Reading configurations: fields, presets, the input rule, Microsoft's cfg, and what is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "model/config/config.h"
#include "model/config/write.h"
#include "weights/value.h"

/* Parses and reads; *c is the caller's. preprocessor may be NULL. */
static eng_status read_config(wts_layout layout, const char *json, const char *preprocessor, mdl_config *c, eng_error *err)
{
    wts_doc *doc = NULL, *pre = NULL;
    cr_assert_eq(wts_json_parse("test", json, strlen(json), &doc, err), ENG_OK, "%s", err->message);
    if (preprocessor)
        cr_assert_eq(wts_json_parse("test", preprocessor, strlen(preprocessor), &pre, err), ENG_OK, "%s", err->message);
    eng_status status =
        mdl_config_read(layout, wts_doc_root(doc), pre ? wts_doc_root(pre) : NULL, "some/config.json", c, err);
    wts_doc_free(doc);
    wts_doc_free(pre);
    return status;
}

static mdl_config good(wts_layout layout, const char *json, const char *preprocessor)
{
    mdl_config c;
    eng_error err = {0};
    cr_assert_eq(read_config(layout, json, preprocessor, &c, &err), ENG_OK, "%s: %s", json, err.message);
    return c;
}

/* The message names the file and contains both texts. */
static void refused(wts_layout layout, const char *json, const char *preprocessor, const char *field, const char *text)
{
    mdl_config c;
    eng_error err = {0};
    cr_assert_neq(read_config(layout, json, preprocessor, &c, &err), ENG_OK, "accepted: %s", json);
    cr_assert(strncmp(err.message, "some/", 5) == 0 && strstr(err.message, "config.json: "), "%s", err.message);
    cr_assert(strstr(err.message, field) && strstr(err.message, text), "\"%s\", without %s or %s", err.message, field, text);
    cr_assert_null(strchr(err.message, '\n'));
    mdl_config_fini(&c);
}

static void check_convs(const mdl_config *c, size_t n, const size_t (*want)[3])
{
    cr_assert_eq(c->convs, n, "%zu convolutions instead of %zu", c->convs, n);
    for (size_t i = 0; i < n; i++)
        cr_assert(c->conv_dim[i] == want[i][0] && c->conv_kernel[i] == want[i][1] && c->conv_stride[i] == want[i][2],
                  "convolution %zu is (%zu, %zu, %zu)", i, c->conv_dim[i], c->conv_kernel[i], c->conv_stride[i]);
}

static const size_t released_convs[7][3] = {{512, 10, 5}, {512, 3, 2}, {512, 3, 2}, {512, 3, 2},
                                            {512, 3, 2},  {512, 2, 2}, {512, 2, 2}};

/* ---- Defaults and presets ---- */

Test(config, empty_object_is_base)
{
    mdl_config c = good(WTS_LAYOUT_BACKBONE, "{}", NULL);
    cr_assert(c.hidden == 768 && c.layers == 12 && c.heads == 12 && c.intermediate == 3072);
    check_convs(&c, 7, released_convs);
    cr_assert(c.group_norm && !c.pre_norm && !c.conv_bias && c.act == KERN_ACT_GELU && c.conv_act == KERN_ACT_GELU);
    cr_assert(c.pos_kernel == 128 && c.pos_groups == 16 && c.buckets == 320 && c.max_distance == 800 && c.eps == 1e-5f);
    cr_assert(c.head == MDL_HEAD_NONE && !c.weighted_sum && c.labels == 0);
    cr_assert(c.input == MDL_INPUT_RAW && c.input_assumed);
    mdl_config_fini(&c);
}

Test(config, odyssey_takes_its_backbone_from_ssl_type)
{
    mdl_config c = good(WTS_LAYOUT_ODYSSEY,
                        "{\"model_type\": \"ser\", \"ssl_type\": \"microsoft/wavlm-large\", \"num_classes\": 8,"
                        " \"mean\": -1e-4, \"std\": 0.07}", NULL);
    cr_assert(c.hidden == 1024 && c.layers == 24 && c.heads == 16 && c.intermediate == 4096);
    check_convs(&c, 7, released_convs);
    cr_assert(!c.group_norm && c.pre_norm && c.head == MDL_HEAD_ODYSSEY && c.pooling == MDL_POOL_ATTENTIVE_STD);
    cr_assert(c.head_layers == 1 && c.labels == 8 && !c.regression && strcmp(c.label[7], "LABEL_7") == 0);
    cr_assert(c.input == MDL_INPUT_CORPUS && c.input_mean == -1e-4 && c.input_std == 0.07 && !c.input_assumed);
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_ODYSSEY,
             "{\"ssl_type\": \"wavlm-base-plus\", \"num_hidden_layers\": 3, \"classifier_hidden_layers\": 0, \"mean\": 0,"
             " \"std\": 1, \"id2label\": {\"0\": \"arousal\", \"2\": \"valence\", \"1\": \"dominance\"}}", NULL);
    cr_assert(c.hidden == 768 && c.layers == 3 && c.group_norm && c.head_layers == 0);
    cr_assert(c.labels == 3 && c.regression && strcmp(c.label[1], "dominance") == 0 && strcmp(c.label[2], "valence") == 0);
    mdl_config_fini(&c);
}

/* ---- Fields ---- */

Test(config, every_field_of_the_backbone)
{
    mdl_config c = good(
        WTS_LAYOUT_BACKBONE,
        "{\"hidden_size\": 60, \"num_hidden_layers\": 5.0, \"num_attention_heads\": 4, \"intermediate_size\": 7,"
        " \"conv_dim\": [9, 3], \"conv_kernel\": [4, 2], \"conv_stride\": [6, 1], \"conv_bias\": true,"
        " \"feat_extract_norm\": \"layer\", \"do_stable_layer_norm\": true, \"feat_extract_activation\": \"relu\","
        " \"hidden_act\": null, \"num_conv_pos_embeddings\": 5, \"num_conv_pos_embedding_groups\": 3, \"num_buckets\": 33,"
        " \"max_bucket_distance\": 9, \"layer_norm_eps\": 1e-12, \"tdnn_dim\": \"whatever\", \"new_field\": []}",
        NULL);
    cr_assert(c.hidden == 60 && c.layers == 5 && c.heads == 4 && c.intermediate == 7);
    check_convs(&c, 2, (const size_t[][3]){{9, 4, 6}, {3, 2, 1}});
    cr_assert(c.conv_bias && !c.group_norm && c.pre_norm && c.conv_act == KERN_ACT_RELU && c.act == KERN_ACT_GELU);
    cr_assert(c.pos_kernel == 5 && c.pos_groups == 3 && c.buckets == 33 && c.max_distance == 9 && c.eps == 1e-12f);
    cr_assert_eq(c.input, MDL_INPUT_HF);
    /* frames = ((n - 4) / 6 + 1) - 2 + 1 */
    cr_assert_eq(mdl_config_min_samples(&c), 10);
    cr_assert(mdl_config_frames(&c, 9) == 0 && mdl_config_frames(&c, 10) == 1 && mdl_config_frames(&c, 15) == 1);
    cr_assert(mdl_config_frames(&c, 16) == 2 && mdl_config_frames(&c, 0) == 0);
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_BACKBONE, "{}", NULL);
    cr_assert(mdl_config_min_samples(&c) == 400 && mdl_config_frames(&c, 399) == 0 && mdl_config_frames(&c, 400) == 1);
    cr_assert(mdl_config_frames(&c, 719) == 1 && mdl_config_frames(&c, 720) == 2 && mdl_config_frames(&c, 16000) == 49);
    mdl_config_fini(&c);
}

/* The fields of mdl_regularisation one by one: its padding is anyone's. */
static void check_rates(mdl_regularisation got, mdl_regularisation want)
{
    cr_assert(got.hidden_dropout == want.hidden_dropout && got.attention_dropout == want.attention_dropout);
    cr_assert(got.activation_dropout == want.activation_dropout && got.feature_dropout == want.feature_dropout);
    cr_assert(got.final_dropout == want.final_dropout && got.layer_drop == want.layer_drop);
    cr_assert(got.mask_time_prob == want.mask_time_prob && got.mask_time_length == want.mask_time_length);
    cr_assert(got.mask_time_min == want.mask_time_min && got.mask_feature_prob == want.mask_feature_prob);
    cr_assert(got.mask_feature_length == want.mask_feature_length && got.mask_feature_min == want.mask_feature_min);
}

Test(config, regularisation)
{
    mdl_config c = good(WTS_LAYOUT_BACKBONE, "{}", NULL);
    check_rates(c.regularisation, (mdl_regularisation){0.1, 0.1, 0.1, 0, 0.1, 0.1, 0.05, 10, 2, 0, 10, 0});
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_BACKBONE,
             "{\"hidden_dropout\": 0.11, \"attention_dropout\": 0.12, \"activation_dropout\": 0.13,"
             " \"feat_proj_dropout\": 0.14, \"final_dropout\": 0, \"layerdrop\": 1, \"mask_time_prob\": 0.075,"
             " \"mask_time_length\": 4, \"mask_time_min_masks\": 1, \"mask_feature_prob\": 0.5,"
             " \"mask_feature_length\": 64, \"mask_feature_min_masks\": 3}",
             NULL);
    check_rates(c.regularisation, (mdl_regularisation){0.11, 0.12, 0.13, 0.14, 0, 1, 0.075, 4, 1, 0.5, 64, 3});
    char *written = mdl_config_text(&c);
    mdl_config_fini(&c);
    cr_assert_not_null(written);
    c = good(WTS_LAYOUT_BACKBONE, written, NULL);
    check_rates(c.regularisation, (mdl_regularisation){0.11, 0.12, 0.13, 0.14, 0, 1, 0.075, 4, 1, 0.5, 64, 3});
    mdl_config_fini(&c);
    eng_free(written);
    c = good(WTS_LAYOUT_BACKBONE, "{\"apply_spec_augment\": false, \"mask_feature_prob\": 0.5}", NULL);
    cr_assert(c.regularisation.mask_time_prob == 0 && c.regularisation.mask_feature_prob == 0);
    mdl_config_fini(&c);
    refused(WTS_LAYOUT_BACKBONE, "{\"layerdrop\": 1.5}", NULL, "layerdrop", "1.5");
    refused(WTS_LAYOUT_BACKBONE, "{\"mask_time_prob\": \"often\"}", NULL, "mask_time_prob", "text");
    refused(WTS_LAYOUT_BACKBONE, "{\"mask_time_length\": 0}", NULL, "mask_time_length", "0");
    /* the baseline's backbone by name, its head by its own field */
    c = good(WTS_LAYOUT_ODYSSEY, "{\"num_classes\": 8, \"mean\": 0, \"std\": 1, \"final_dropout\": 0.9}", NULL);
    check_rates(c.regularisation, (mdl_regularisation){0.1, 0.1, 0, 0.1, 0.5, 0.1, 0.075, 10, 2, 0, 10, 0});
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_ODYSSEY,
             "{\"num_classes\": 8, \"mean\": 0, \"std\": 1, \"ssl_type\": \"microsoft/wavlm-base-plus\","
             " \"classifier_dropout_prob\": 0.25}",
             NULL);
    check_rates(c.regularisation, (mdl_regularisation){0.1, 0.1, 0, 0.1, 0.25, 0.05, 0.05, 10, 2, 0, 10, 0});
    mdl_config_fini(&c);
}

Test(config, input_rule)
{
    static const struct {
        const char *config, *preprocessor;
        mdl_input_rule rule;
    } rows[] = {
        {"{\"feat_extract_norm\": \"group\"}", "{}", MDL_INPUT_HF}, /* the class's default */
        {"{\"feat_extract_norm\": \"group\"}", "{\"do_normalize\": true}", MDL_INPUT_HF},
        {"{\"feat_extract_norm\": \"layer\"}", "{\"do_normalize\": false, \"sampling_rate\": 16000}", MDL_INPUT_RAW},
        {"{\"feat_extract_norm\": \"layer\"}", NULL, MDL_INPUT_HF},
        {"{\"feat_extract_norm\": \"group\"}", NULL, MDL_INPUT_RAW},
        {"{}", "{\"do_normalize\": true, \"input_normalization\": \"layer_norm\"}", MDL_INPUT_LAYER_NORM},
        {"{}", "{\"input_normalization\": \"corpus\", \"input_mean\": -0.5, \"input_std\": 2}", MDL_INPUT_CORPUS},
        {"{}", "{\"input_normalization\": \"none\"}", MDL_INPUT_RAW},
        {"{}", "{\"do_normalize\": false, \"input_normalization\": \"utterance\"}", MDL_INPUT_HF},
        {"{}", "{\"do_normalize\": false, \"input_normalization\": null}", MDL_INPUT_RAW},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mdl_config c = good(WTS_LAYOUT_BACKBONE, rows[i].config, rows[i].preprocessor);
        cr_assert(c.input == rows[i].rule && c.input_assumed == !rows[i].preprocessor, "row %zu", i);
        if (c.input == MDL_INPUT_CORPUS) cr_assert(c.input_mean == -0.5 && c.input_std == 2);
        mdl_config_fini(&c);
    }
    refused(WTS_LAYOUT_BACKBONE, "{}", "{\"input_normalization\": \"minmax\"}", "preprocessor_config.json", "minmax");
    refused(WTS_LAYOUT_BACKBONE, "{}", "{\"input_normalization\": \"corpus\"}", "preprocessor_config.json", "input_mean");
    refused(WTS_LAYOUT_BACKBONE, "{}", "{\"do_normalize\": 1}", "preprocessor_config.json: do_normalize", "whole number");
    refused(WTS_LAYOUT_BACKBONE, "{}", "{\"sampling_rate\": 8000}", "sampling_rate is 8000", "16000");
    refused(WTS_LAYOUT_BACKBONE, "{}", "[true]", "preprocessor_config.json", "object");
}

Test(config, heads)
{
    mdl_config c = good(WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"id2label\": {\"1\": \"b\", \"0\": \"a\"}}", NULL);
    cr_assert(c.head == MDL_HEAD_SEQUENCE_CLASSIFICATION && !c.weighted_sum && c.projection == 256 && c.labels == 2);
    cr_assert(strcmp(c.label[0], "a") == 0 && strcmp(c.label[1], "b") == 0 && mdl_config_pooled(&c) == 768);
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"use_weighted_layer_sum\": true, \"classifier_proj_size\": 3}", NULL);
    cr_assert(c.weighted_sum && c.projection == 3 && c.labels == 0); /* the classifier's shape decides */
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_EMOTION,
             "{\"pooling\": \"std\", \"gender_conditioning\": \"mean\", \"gender2id\": {\"x\": 4, \"female\": 1, \"male\": 0},"
             " \"text_conditioning\": \"multiply\", \"text_embedding_size\": 11, \"num_labels\": 3}", NULL);
    cr_assert(c.head == MDL_HEAD_EMOTION && c.weighted_sum && c.pooling == MDL_POOL_STD && mdl_config_pooled(&c) == 1536);
    cr_assert(c.gender == MDL_COND_MEAN && c.genders == 5 && c.female == 1 && c.male == 0);
    cr_assert(c.text == MDL_COND_MULTIPLY && c.text_size == 11 && c.labels == 3 && strcmp(c.label[2], "LABEL_2") == 0);
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_EMOTION, "{\"problem_type\": \"regression\", \"num_labels\": 2}", NULL);
    cr_assert(c.regression);
    mdl_config_fini(&c);
    c = good(WTS_LAYOUT_EMOTION, "{\"pooling\": \"attention\", \"gender_conditioning\": \"multiply\"}", NULL);
    cr_assert(c.pooling == MDL_POOL_ATTENTION && mdl_config_pooled(&c) == 768 && c.text == MDL_COND_NONE);
    cr_assert(c.genders == 2 && c.female == 0 && c.male == 1 && c.labels == 0);
    mdl_config_fini(&c);
}

/* ---- What is refused ---- */

Test(config, values_of_the_wrong_kind)
{
    static const char *const sizes[] = {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                                        "num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "num_buckets",
                                        "max_bucket_distance"};
    static const struct {
        const char *value, *text;
    } wrong[] = {{"-1", "is -1; expected"},       {"0", "is 0; expected"},           {"1e300", "expected"},
                 {"123456789012", "123456789012"}, {"1.5", "expected a whole number"}, {"\"16\"", "is text; expected"},
                 {"true", "is a boolean"},        {"[16]", "is a list"},             {"{}", "is an object"},
                 {"NaN", "expected"},             {"Infinity", "expected"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            char json[128];
            snprintf(json, sizeof json, "{\"%s\": %s}", sizes[i], wrong[j].value);
            refused(WTS_LAYOUT_BACKBONE, json, NULL, sizes[i], wrong[j].text);
        }
}

Test(config, refused_backbones)
{
    static const struct {
        const char *json, *field, *text;
    } rows[] = {
        {"[1]", "object", "configuration"},
        {"{\"num_attention_heads\": 5}", "hidden_size 768", "num_attention_heads 5"},
        {"{\"num_conv_pos_embedding_groups\": 5}", "hidden_size 768", "num_conv_pos_embedding_groups 5"},
        {"{\"max_bucket_distance\": 80}", "max_bucket_distance 80", "num_buckets 320"},
        {"{\"conv_dim\": [512]}", "conv_dim", "1, 7 and 7 entries"},
        {"{\"conv_stride\": []}", "conv_stride", "7, 7 and 0 entries"},
        {"{\"conv_dim\": [], \"conv_kernel\": [], \"conv_stride\": []}", "conv_dim is empty", ""},
        {"{\"conv_kernel\": [10, 3, 3, 3, 3, 2, -2]}", "conv_kernel[6] is -2", "whole number from 1"},
        {"{\"conv_stride\": [5, 2.5, 2, 2, 2, 2, 2]}", "conv_stride[1] is 2.5", "whole number"},
        {"{\"conv_stride\": [5, \"2\", 2, 2, 2, 2, 2]}", "conv_stride[1] is text", "whole number"},
        {"{\"conv_dim\": 512}", "conv_dim is a whole number", "list"},
        {"{\"conv_dim\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "conv_dim has 17 entries", "16"},
        {"{\"conv_stride\": [4096, 4096, 4096, 4096, 4096, 4096, 4096]}", "strides", "samples"},
        {"{\"conv_bias\": 0}", "conv_bias is a whole number", "boolean"},
        {"{\"feat_extract_norm\": \"batch\"}", "feat_extract_norm is \"batch\"", "\"group\", \"layer\""},
        {"{\"hidden_act\": \"silu\"}", "hidden_act is \"silu\"", "\"gelu\""},
        {"{\"feat_extract_activation\": 3}", "feat_extract_activation is a whole number", "text"},
        {"{\"layer_norm_eps\": -1e-5}", "layer_norm_eps", "expected"},
        {"{\"layer_norm_eps\": NaN}", "layer_norm_eps", "expected"},
        {"{\"add_adapter\": true}", "add_adapter", "not supported"},
        {"{\"model_type\": \"hubert\"}", "model_type is \"hubert\"", "\"wavlm\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(WTS_LAYOUT_BACKBONE, rows[i].json, NULL, rows[i].field, rows[i].text);
}

Test(config, refused_heads)
{
    static const struct {
        wts_layout layout;
        const char *json, *field, *text;
    } rows[] = {
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"id2label\": {\"0\": \"a\", \"2\": \"b\"}}", "id2label", "id 1"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"id2label\": {}}", "id2label", "expected"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"id2label\": [\"a\"]}", "id2label", "object"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"id2label\": {\"0\": 7}}", "id2label", "id 0"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"id2label\": {\"0\": \"a\", \"1\": \"a\"}}", "id2label", "both 0 and 1"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"num_labels\": 3, \"id2label\": {\"0\": \"a\"}}", "num_labels is 3",
         "id2label has 1"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"use_weighted_layer_sum\": \"yes\"}", "use_weighted_layer_sum", "boolean"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "{\"problem_type\": \"multi_label_classification\"}", "problem_type",
         "regression"},
        {WTS_LAYOUT_EMOTION, "{\"num_labels\": -3}", "num_labels is -3", "expected"},
        {WTS_LAYOUT_EMOTION, "{\"pooling\": \"max\"}", "pooling is \"max\"", "\"attentive_std\""},
        {WTS_LAYOUT_EMOTION, "{\"gender_conditioning\": \"add\"}", "gender_conditioning is \"add\"", "\"multiply\""},
        {WTS_LAYOUT_EMOTION, "{\"gender_conditioning\": \"mean\", \"gender2id\": {\"female\": 0}}", "gender2id", "male"},
        {WTS_LAYOUT_EMOTION, "{\"gender_conditioning\": \"mean\", \"gender2id\": {\"female\": 0, \"male\": 0}}", "gender2id",
         "both 0"},
        {WTS_LAYOUT_EMOTION, "{\"gender_conditioning\": \"mean\", \"gender2id\": {\"female\": 0, \"male\": -1}}",
         "gender2id: male is -1", "expected"},
        {WTS_LAYOUT_EMOTION, "{\"gender_conditioning\": \"mean\", \"gender2id\": [0, 1]}", "gender2id", "object"},
        {WTS_LAYOUT_EMOTION, "{\"gender_conditioning\": \"mean\", \"gender_embedding_size\": 5}",
         "gender_embedding_size is 5", "768"},
        {WTS_LAYOUT_EMOTION, "{\"text_conditioning\": \"mean\"}", "text_embedding_size", "no field"},
        {WTS_LAYOUT_ODYSSEY, "{\"mean\": 0, \"std\": 1, \"ssl_type\": \"facebook/hubert-base\"}", "ssl_type", "hubert"},
        {WTS_LAYOUT_ODYSSEY, "{\"std\": 1}", "\"mean\"", "no field"},
        {WTS_LAYOUT_ODYSSEY, "{\"mean\": 0, \"std\": -1}", "std is -1", "expected"},
        {WTS_LAYOUT_ODYSSEY, "{\"mean\": 0, \"std\": 1, \"sampling_rate\": 8000}", "sampling_rate is 8000", "16000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i].layout, rows[i].json, NULL, rows[i].field, rows[i].text);
}
