/* Microsoft's cfg: its names and defaults, and conv_feature_layers, a Python expression that is read, not run. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/config/config.h"
#include "model/config/microsoft.h"
#include "weights/value.h"

#define GATED "\"relative_position_embedding\": true, \"gru_rel_pos\": true"

static eng_status read_cfg(const char *json, mdl_config *c, eng_error *err)
{
    wts_doc *doc;
    cr_assert_eq(wts_json_parse("test", json, strlen(json), &doc, err), ENG_OK, "%s", err->message);
    eng_status status = mdl_config_read(WTS_LAYOUT_MICROSOFT, wts_doc_root(doc), NULL, "WavLM.pt", c, err);
    wts_doc_free(doc);
    return status;
}

Test(config_microsoft, fields_and_defaults)
{
    mdl_config c;
    eng_error err = {0};
    cr_assert_eq(read_cfg("{" GATED "}", &c, &err), ENG_OK, "%s", err.message);
    cr_assert(c.hidden == 768 && c.layers == 12 && c.heads == 12 && c.intermediate == 3072 && c.convs == 7);
    cr_assert(c.group_norm && !c.pre_norm && c.input == MDL_INPUT_RAW && c.buckets == 320 && c.max_distance == 1280);
    cr_assert(c.conv_dim[6] == 512 && c.conv_kernel[6] == 2 && c.conv_stride[6] == 2 && c.eps == 1e-5f);
    const mdl_regularisation *o = &c.regularisation;
    cr_assert(o->hidden_dropout == 0.1 && o->attention_dropout == 0.1 && o->activation_dropout == 0 && o->layer_drop == 0);
    cr_assert(o->feature_dropout == 0 && o->mask_time_prob == 0.65 && o->mask_time_length == 10 && o->mask_time_min == 2);
    cr_assert(o->mask_feature_prob == 0 && o->mask_feature_length == 10);
    mdl_config_fini(&c);
    cr_assert_eq(read_cfg("{\"extractor_mode\": \"layer_norm\", \"encoder_layers\": 24, \"encoder_embed_dim\": 1024,"
                          " \"encoder_ffn_embed_dim\": 4096, \"encoder_attention_heads\": 16, \"layer_norm_first\": true,"
                          " \"activation_fn\": \"relu\", \"conv_bias\": true, \"normalize\": true, \"conv_pos\": 9,"
                          " \"conv_pos_groups\": 2, \"num_buckets\": 10, \"max_distance\": 800,"
                          " \"dropout\": 0.2, \"attention_dropout\": 0.3, \"activation_dropout\": 0.4,"
                          " \"encoder_layerdrop\": 0.05, \"dropout_input\": 0.6, \"mask_prob\": 0.8,"
                          " \"mask_length\": 11, \"mask_channel_prob\": 0.7, \"mask_channel_length\": 12,"
                          " \"conv_feature_layers\": \"[(8,10,5)]\", " GATED "}", &c, &err), ENG_OK, "%s", err.message);
    cr_assert(c.hidden == 1024 && c.layers == 24 && c.heads == 16 && c.intermediate == 4096 && c.convs == 1);
    cr_assert(!c.group_norm && c.pre_norm && c.conv_bias && c.input == MDL_INPUT_LAYER_NORM && !c.input_assumed);
    cr_assert(c.act == KERN_ACT_RELU && c.conv_act == KERN_ACT_GELU && c.pos_kernel == 9 && c.pos_groups == 2);
    cr_assert(c.buckets == 10 && c.max_distance == 800 && c.head == MDL_HEAD_NONE);
    cr_assert(o->hidden_dropout == 0.2 && o->attention_dropout == 0.3 && o->activation_dropout == 0.4);
    cr_assert(o->layer_drop == 0.05 && o->feature_dropout == 0.6 && o->mask_time_prob == 0.8);
    cr_assert(o->mask_time_length == 11 && o->mask_feature_prob == 0.7 && o->mask_feature_length == 12);
    mdl_config_fini(&c);
}

Test(config_microsoft, refused)
{
    static const struct {
        const char *json, *field;
    } rows[] = {
        {"{}", "gru_rel_pos"},
        {"{\"relative_position_embedding\": true, \"gru_rel_pos\": false}", "gru_rel_pos"},
        {"{\"encoder_attention_heads\": 5, " GATED "}", "encoder_embed_dim 768 is not a multiple of encoder_attention_heads 5"},
        {"{\"conv_pos_groups\": 5, " GATED "}", "conv_pos_groups 5"},
        {"{\"max_distance\": 80, " GATED "}", "max_distance 80"},
        {"{\"encoder_embed_dim\": \"768\", " GATED "}", "encoder_embed_dim is text"},
        {"{\"extractor_mode\": \"group\", " GATED "}", "extractor_mode"},
        {"{\"activation_fn\": \"tanh\", " GATED "}", "activation_fn is \"tanh\""},
        {"{\"conv_feature_layers\": \"[(512,10)]\", " GATED "}", "conv_feature_layers is \"[(512,10)]\""},
        {"{\"conv_feature_layers\": [[512,10,5]], " GATED "}", "conv_feature_layers is a list"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mdl_config c;
        eng_error err = {0};
        cr_assert_neq(read_cfg(rows[i].json, &c, &err), ENG_OK, "accepted: %s", rows[i].json);
        cr_assert(strncmp(err.message, "WavLM.pt: ", 10) == 0 && strstr(err.message, rows[i].field), "%s", err.message);
        mdl_config_fini(&c);
    }
}

/* ---- conv_feature_layers ---- */

/* The layers of text as "d,k,s d,k,s ..."; "-" when it is refused. */
static void layers_of(const char *text, char *out, size_t size)
{
    mdl_config c = {0};
    size_t at = 0;
    snprintf(out, size, "-");
    if (!mdl_parse_conv_layers(text, &c)) return;
    for (size_t i = 0; i < c.convs && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%zu,%zu,%zu", i ? " " : "", c.conv_dim[i], c.conv_kernel[i],
                               c.conv_stride[i]);
}

Test(config_microsoft, conv_layers)
{
    static const struct {
        const char *text, *layers;
    } rows[] = {
        {"[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2",
         "512,10,5 512,3,2 512,3,2 512,3,2 512,3,2 512,2,2 512,2,2"},
        {"[(1,2,3)]", "1,2,3"},
        {" [ ( 1 , 2 , 3 ) , ] ", "1,2,3"},
        {"[(1,2,3,)]", "1,2,3"},
        {"2*[(1,2,3)]", "1,2,3 1,2,3"},
        {"[(1,2,3), (4,5,6)] * 2", "1,2,3 4,5,6 1,2,3 4,5,6"},
        {"2 * [(1,2,3)] * 2", "1,2,3 1,2,3 1,2,3 1,2,3"},
        {"[(1,2,3)]+[(4,5,6)]*1+[]", "1,2,3 4,5,6"},
        {"[(1,1,1)]*16", "1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1 1,1,1"},
        {"[(1,1,1)]*17", "-"},
        {"[(1,1,1)]*15 + [(1,1,1)]*2", "-"},
        {"[(1,1,1)]*99999999999999999999999", "-"},
        {"[(1,1,1)]*0", "-"},
        {"[]", "-"},
        {"", "-"},
        {"[(1,1,1)", "-"},
        {"[(1,1,1]", "-"},
        {"[(1,1)]", "-"},
        {"[(1,1,1,1)]", "-"},
        {"[(1,0,1)]", "-"},
        {"[(1,-1,1)]", "-"},
        {"[(1,1.5,1)]", "-"},
        {"[(99999999999999999999,1,1)]", "-"},
        {"(1,1,1)", "-"},
        {"[(1,1,1)] + ", "-"},
        {"[(1,1,1)] * [(1,1,1)]", "-"},
        {"[(1,1,1)] [(1,1,1)]", "-"},
        {"[(1,1,1)]; import os", "-"},
        {"eval(\"[(1,1,1)]\")", "-"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[512];
        layers_of(rows[i].text, got, sizeof got);
        cr_assert_str_eq(got, rows[i].layers, "%s gives %s", rows[i].text, got);
    }
}
