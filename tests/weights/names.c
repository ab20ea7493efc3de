/* Layouts and names: what every checkpoint's keys are called in one language. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/files.h"
#include "tests/support/support.h"
#include "weights/names.h"

Test(names, canonical)
{
    static const struct {
        wts_layout layout;
        const char *name, *canonical;
    } rows[] = {
        {WTS_LAYOUT_MICROSOFT, "mask_emb", "wavlm.masked_spec_embed"},
        {WTS_LAYOUT_MICROSOFT, "layer_norm.weight", "wavlm.feature_projection.layer_norm.weight"},
        {WTS_LAYOUT_MICROSOFT, "post_extract_proj.bias", "wavlm.feature_projection.projection.bias"},
        {WTS_LAYOUT_MICROSOFT, "feature_extractor.conv_layers.6.0.weight", "wavlm.feature_extractor.conv_layers.6.conv.weight"},
        {WTS_LAYOUT_MICROSOFT, "feature_extractor.conv_layers.0.2.weight", "wavlm.feature_extractor.conv_layers.0.layer_norm.weight"},
        {WTS_LAYOUT_MICROSOFT, "feature_extractor.conv_layers.3.2.1.bias", "wavlm.feature_extractor.conv_layers.3.layer_norm.bias"},
        {WTS_LAYOUT_MICROSOFT, "encoder.pos_conv.0.weight_g", "wavlm.encoder.pos_conv_embed.conv.weight_g"},
        {WTS_LAYOUT_MICROSOFT, "encoder.pos_conv.0.parametrizations.weight.original1", "wavlm.encoder.pos_conv_embed.conv.weight_v"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layer_norm.bias", "wavlm.encoder.layer_norm.bias"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.11.self_attn.grep_linear.weight", "wavlm.encoder.layers.11.attention.gru_rel_pos_linear.weight"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.23.self_attn.grep_a", "wavlm.encoder.layers.23.attention.gru_rel_pos_const"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.0.self_attn.relative_attention_bias.weight", "wavlm.encoder.layers.0.attention.rel_attn_embed.weight"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.1.self_attn.q_proj.bias", "wavlm.encoder.layers.1.attention.q_proj.bias"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.1.self_attn_layer_norm.bias", "wavlm.encoder.layers.1.layer_norm.bias"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.1.fc1.weight", "wavlm.encoder.layers.1.feed_forward.intermediate_dense.weight"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.1.fc2.bias", "wavlm.encoder.layers.1.feed_forward.output_dense.bias"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.1.final_layer_norm.bias", "wavlm.encoder.layers.1.final_layer_norm.bias"},
        {WTS_LAYOUT_MICROSOFT, "encoder.layers.x.fc1.weight", "encoder.layers.x.fc1.weight"},
        {WTS_LAYOUT_MICROSOFT, "mask_embedding", "mask_embedding"},
        {WTS_LAYOUT_BACKBONE, "encoder.layers.0.layer_norm.weight", "wavlm.encoder.layers.0.layer_norm.weight"},
        {WTS_LAYOUT_BACKBONE, "module.encoder.layers.0.layer_norm.weight", "wavlm.encoder.layers.0.layer_norm.weight"},
        {WTS_LAYOUT_BACKBONE, "masked_spec_embed", "wavlm.masked_spec_embed"},
        {WTS_LAYOUT_BACKBONE, "wavlm.masked_spec_embed", "wavlm.masked_spec_embed"},
        {WTS_LAYOUT_BACKBONE, "encoder.pos_conv_embed.conv.parametrizations.weight.original0", "wavlm.encoder.pos_conv_embed.conv.weight_g"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "wavlm.encoder.pos_conv_embed.conv.parametrizations.weight.original1", "wavlm.encoder.pos_conv_embed.conv.weight_v"},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "projector.weight", "projector.weight"},
        {WTS_LAYOUT_EMOTION, "pool.linear.weight", "pool.linear.weight"},
        {WTS_LAYOUT_ODYSSEY, "ssl_model.encoder.layer_norm.bias", "wavlm.encoder.layer_norm.bias"},
        {WTS_LAYOUT_ODYSSEY, "module.ssl_model.encoder.pos_conv_embed.conv.parametrizations.weight.original0", "wavlm.encoder.pos_conv_embed.conv.weight_g"},
        {WTS_LAYOUT_ODYSSEY, "ser_model.fc.0.0.weight", "ser_model.fc.0.0.weight"},
        {WTS_LAYOUT_UNKNOWN, "encoder.layer_norm.bias", "encoder.layer_norm.bias"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[128];
        size_t length = strlen(rows[i].canonical);
        cr_assert(wts_canonical_name(rows[i].layout, rows[i].name, out, sizeof out));
        cr_assert_str_eq(out, rows[i].canonical);
        cr_assert(wts_canonical_name(rows[i].layout, rows[i].name, out, length + 1));
        for (size_t size = 0; size <= length; size++)
            cr_assert(!wts_canonical_name(rows[i].layout, rows[i].name, out, size), "%s in %zu bytes", rows[i].name, size);
    }
}

/* Back again, for messages: NULL where the spelling is the same or cannot be told. */
Test(names, native)
{
    static const struct {
        wts_layout layout;
        const char *canonical, *native;
    } rows[] = {
        {WTS_LAYOUT_MICROSOFT, "wavlm.encoder.layers.11.feed_forward.output_dense.bias", "encoder.layers.11.fc2.bias"},
        {WTS_LAYOUT_MICROSOFT, "wavlm.encoder.layers.1.attention.gru_rel_pos_linear.bias", "encoder.layers.1.self_attn.grep_linear.bias"},
        {WTS_LAYOUT_MICROSOFT, "wavlm.encoder.layers.1.attention.v_proj.bias", "encoder.layers.1.self_attn.v_proj.bias"},
        {WTS_LAYOUT_MICROSOFT, "wavlm.feature_extractor.conv_layers.6.conv.weight", "feature_extractor.conv_layers.6.0.weight"},
        {WTS_LAYOUT_MICROSOFT, "wavlm.feature_extractor.conv_layers.0.layer_norm.weight", NULL}, /* Large's or Base's */
        {WTS_LAYOUT_MICROSOFT, "wavlm.masked_spec_embed", "mask_emb"},
        {WTS_LAYOUT_MICROSOFT, "classifier.weight", NULL},
        {WTS_LAYOUT_ODYSSEY, "wavlm.encoder.layer_norm.bias", "ssl_model.encoder.layer_norm.bias"},
        {WTS_LAYOUT_ODYSSEY, "ser_model.fc.0.0.weight", NULL},
        {WTS_LAYOUT_BACKBONE, "wavlm.encoder.layer_norm.bias", NULL},
        {WTS_LAYOUT_EMOTION, "wavlm.encoder.layer_norm.bias", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[128], back[128];
        bool known = wts_native_name(rows[i].layout, rows[i].canonical, out, sizeof out);
        cr_assert_eq(known, rows[i].native != NULL, "%s", rows[i].canonical);
        if (!known) continue;
        cr_assert_str_eq(out, rows[i].native);
        cr_assert(wts_canonical_name(rows[i].layout, out, back, sizeof back));
        cr_assert_str_eq(back, rows[i].canonical);
        cr_assert(!wts_native_name(rows[i].layout, rows[i].canonical, out, strlen(rows[i].native)));
    }
}

/* A safetensors file of one-byte tensors with these names, the last one NULL. */
static bytes make(const char *const *names)
{
    bytes header = {0};
    size_t n = 0;
    for (; names[n]; n++) {
        char entry[300];
        snprintf(entry, sizeof entry, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}", n ? "," : "{",
                 names[n], n, n + 1);
        bytes_text(&header, entry);
    }
    bytes_add(&header, n ? "}" : "{}", n ? 2 : 3);
    bytes file = file_safetensors((char *)header.data, n);
    bytes_free(&header);
    return file;
}

#define GATE "encoder.layers.0.attention.gru_rel_pos_linear.weight"

Test(names, layouts)
{
    static const struct {
        wts_layout layout;
        const char *config; /* "architectures" */
        const char *hint;   /* for unknown layouts */
        const char *names[5];
    } rows[] = {
        {WTS_LAYOUT_BACKBONE, NULL, NULL, {GATE}},
        {WTS_LAYOUT_BACKBONE, NULL, NULL, {"module." GATE}},
        {WTS_LAYOUT_BACKBONE, "WavLMModel", NULL, {"wavlm." GATE}},
        {WTS_LAYOUT_MICROSOFT, NULL, NULL, {"mask_emb", "encoder.layers.0.self_attn.grep_linear.weight"}},
        {WTS_LAYOUT_ODYSSEY, NULL, NULL, {"ssl_model." GATE, "pool_model.attention"}},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, NULL, NULL, {"wavlm." GATE, "projector.weight", "classifier.weight"}},
        {WTS_LAYOUT_SEQUENCE_CLASSIFICATION, "WavLMForSequenceClassification", NULL, {"wavlm." GATE}},
        {WTS_LAYOUT_EMOTION, NULL, NULL, {"wavlm." GATE, "projection.weight", "classifier.weight", "layer_weights"}},
        {WTS_LAYOUT_EMOTION, "WavLMForSpeechEmotion", NULL, {"wavlm." GATE, "classifier.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "AudioFrameClassification", {"wavlm." GATE, "classifier.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "XVector", {"wavlm." GATE, "projector.weight", "classifier.weight", "tdnn.0.kernel.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "CTC", {"wavlm." GATE, "lm_head.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "vox-profile", {"backbone_model." GATE, "model_seq.0.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "SpeechBrain", {"model." GATE}},
        {WTS_LAYOUT_UNKNOWN, NULL, "wav2vec 2.0", {"wav2vec2.encoder.layers.0.attention.q_proj.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "HuBERT", {"hubert.encoder.layers.0.attention.q_proj.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "fairseq", {"mask_emb", "encoder.layers.0.self_attn.q_proj.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "relative position", {"feature_projection.projection.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "Whisper", {"model.encoder.conv1.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "text encoder", {"embeddings.word_embeddings.weight"}},
        {WTS_LAYOUT_UNKNOWN, NULL, "without tensors", {NULL}},
        {WTS_LAYOUT_UNKNOWN, NULL, NULL, {"something.else"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bytes file = make(rows[i].names);
        wts_checkpoint c;
        wts_doc *config = NULL;
        eng_error err = {0};
        char json[128];
        cr_assert_eq(wts_checkpoint_open_memory("m", file.data, file.size, &c, &err), ENG_OK, "%s", err.message);
        snprintf(json, sizeof json, "{\"architectures\":[\"%s\"]}", rows[i].config ? rows[i].config : "");
        cr_assert_eq(wts_json_parse("c", json, strlen(json), &config, &err), ENG_OK, "%s", err.message);
        wts_layout layout = wts_layout_detect(&c, rows[i].config ? wts_doc_root(config) : NULL);
        cr_assert_eq(layout, rows[i].layout, "row %zu: %s", i, wts_layout_name(layout));
        if (layout == WTS_LAYOUT_UNKNOWN) {
            const char *hint = wts_layout_hint(&c);
            if (rows[i].hint) cr_assert(hint && strstr(hint, rows[i].hint), "row %zu: %s", i, hint ? hint : "no hint");
            else cr_assert_null(hint);
        }
        wts_doc_free(config);
        wts_checkpoint_close(&c);
        bytes_free(&file);
    }
    wts_doc *odd = NULL;
    static const char list[] = "{\"architectures\":\"WavLMForSpeechEmotion\"}";
    cr_assert_eq(wts_json_parse("c", list, sizeof list - 1, &odd, NULL), ENG_OK);
    bytes file = make((const char *const[]){GATE, NULL});
    wts_checkpoint c;
    cr_assert_eq(wts_checkpoint_open_memory("m", file.data, file.size, &c, NULL), ENG_OK);
    cr_assert_eq(wts_layout_detect(&c, wts_doc_root(odd)), WTS_LAYOUT_BACKBONE);
    wts_doc_free(odd);
    wts_checkpoint_close(&c);
    bytes_free(&file);
}

Test(names, golden_layouts)
{
    static const struct {
        const char *file;
        wts_layout layout;
    } rows[] = {
        {"golden/base/model.safetensors", WTS_LAYOUT_BACKBONE},
        {"golden/hf_sequence_classification/model.safetensors", WTS_LAYOUT_SEQUENCE_CLASSIFICATION},
        {"golden/odyssey/model.safetensors", WTS_LAYOUT_ODYSSEY},
        {"golden/large/forward.safetensors", WTS_LAYOUT_UNKNOWN},
        {"golden/large/adamw.safetensors", WTS_LAYOUT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wts_checkpoint c;
        wts_name_map map;
        eng_error err = {0};
        cr_assert_eq(wts_checkpoint_open(support_path("%s", rows[i].file), &c, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(wts_layout_detect(&c, NULL), rows[i].layout, "%s", rows[i].file);
        cr_assert_eq(wts_name_map_init(&map, &c, rows[i].layout, &err), ENG_OK, "%s", err.message);
        bool known = rows[i].layout != WTS_LAYOUT_UNKNOWN;
        static const char *const tensors[] = {"wavlm.encoder.pos_conv_embed.conv.weight_g", "wavlm.encoder.pos_conv_embed.conv.weight_v",
                                              "wavlm.masked_spec_embed", "wavlm.feature_projection.layer_norm.bias"};
        for (size_t j = 0; j < 4; j++) cr_assert_eq(wts_name_map_find(&map, tensors[j]) != NULL, known, "%s", tensors[j]);
        cr_assert_null(wts_name_map_find(&map, ""));
        wts_name_map_fini(&map);
        wts_name_map_fini(&map);
        wts_checkpoint_close(&c);
    }
}

Test(names, two_of_one_name)
{
    bytes file = make((const char *const[]){GATE, "encoder.pos_conv_embed.conv.weight_g",
                                            "encoder.pos_conv_embed.conv.parametrizations.weight.original0", NULL});
    wts_checkpoint c;
    wts_name_map map;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open_memory("m", file.data, file.size, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_name_map_init(&map, &c, WTS_LAYOUT_BACKBONE, &err), ENG_E_FORMAT);
    cr_assert(strstr(err.message, "original0") && strstr(err.message, "are both wavlm."), "%s", err.message);
    wts_checkpoint_close(&c);
    bytes_free(&file);
}
