/* Whose checkpoint is this? The tensors' names tell; config.json decides where they leave a choice. */
#include <stdio.h>
#include <string.h>

#include "weights/names.h"

static const char *plain_name(const wts_tensor *t)
{
    return strncmp(t->name, "module.", 7) == 0 ? t->name + 7 : t->name;
}

static bool has_prefix(const wts_checkpoint *c, const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t i = 0; i < c->count; i++)
        if (strncmp(plain_name(&c->tensors[i]), prefix, n) == 0) return true;
    return false;
}

static bool has_part(const wts_checkpoint *c, const char *part)
{
    for (size_t i = 0; i < c->count; i++)
        if (strstr(c->tensors[i].name, part)) return true;
    return false;
}

static bool has_name(const wts_checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(plain_name(&c->tensors[i]), name) == 0) return true;
    return false;
}

/* WavLM differs from its relatives by the gate of the relative position bias. */
static bool has_backbone(const wts_checkpoint *c, const char *prefix, const char *gate)
{
    char name[96];
    snprintf(name, sizeof name, "%sencoder.layers.0.%s.weight", prefix, gate);
    return has_name(c, name);
}

/* The first of config's "architectures", or "". */
static const char *architecture(const wts_value *config)
{
    const wts_value *list = wts_value_get(config, "architectures");
    if (!list || list->kind != WTS_LIST || list->count == 0 || list->items[0].kind != WTS_STRING) return "";
    return list->items[0].text;
}

wts_layout wts_layout_detect(const wts_checkpoint *c, const wts_value *config)
{
    const char *named = architecture(config);
    const char *gate = "attention.gru_rel_pos_linear";
    if (has_backbone(c, "", "self_attn.grep_linear")) return WTS_LAYOUT_MICROSOFT;
    if (has_backbone(c, "ssl_model.", gate) || has_backbone(c, "ssl_model.wavlm.", gate)) return WTS_LAYOUT_ODYSSEY;
    if (!has_backbone(c, "", gate) && !has_backbone(c, "wavlm.", gate)) return WTS_LAYOUT_UNKNOWN;
    if (strcmp(named, "WavLMForSpeechEmotion") == 0) return WTS_LAYOUT_EMOTION;
    if (strcmp(named, "WavLMForSequenceClassification") == 0) return WTS_LAYOUT_SEQUENCE_CLASSIFICATION;
    if (has_prefix(c, "tdnn.") || has_prefix(c, "lm_head.")) return WTS_LAYOUT_UNKNOWN;
    bool classifier = has_prefix(c, "classifier.");
    if (classifier && has_prefix(c, "projector.")) return WTS_LAYOUT_SEQUENCE_CLASSIFICATION;
    if (classifier && has_prefix(c, "projection.") && has_name(c, "layer_weights")) return WTS_LAYOUT_EMOTION;
    return classifier ? WTS_LAYOUT_UNKNOWN : WTS_LAYOUT_BACKBONE;
}

const char *wts_layout_name(wts_layout layout)
{
    switch (layout) {
    case WTS_LAYOUT_BACKBONE: return "WavLM backbone (Hugging Face)";
    case WTS_LAYOUT_SEQUENCE_CLASSIFICATION: return "WavLMForSequenceClassification (Hugging Face)";
    case WTS_LAYOUT_ODYSSEY: return "Odyssey 2024 baseline on WavLM";
    case WTS_LAYOUT_EMOTION: return "WavLMForSpeechEmotion";
    case WTS_LAYOUT_MICROSOFT: return "WavLM backbone (Microsoft's original)";
    case WTS_LAYOUT_UNKNOWN: break;
    }
    return "unknown";
}

/* A WavLM, but with something else around it. */
static const char *hint_for_wavlm(const wts_checkpoint *c)
{
    if (has_prefix(c, "backbone_model."))
        return "a vox-profile model (backbone_model., model_seq.), whose head is not supported";
    if (has_prefix(c, "model.")) return "WavLM inside a wrapper (prefix \"model.\"), as SpeechBrain or s3prl save it";
    if (has_prefix(c, "tdnn.")) return "WavLMForXVector, a model for speaker verification";
    if (has_prefix(c, "lm_head.")) return "WavLMForCTC, a model for speech recognition";
    if (has_prefix(c, "classifier."))
        return "WavLM with a classifier of another layout (WavLMForAudioFrameClassification?)";
    return "WavLM with an unknown layout of names";
}

const char *wts_layout_hint(const wts_checkpoint *c)
{
    if (c->count == 0) return "a checkpoint without tensors";
    if (has_part(c, ".gru_rel_pos_linear.") || has_part(c, ".grep_linear.")) return hint_for_wavlm(c);
    if (has_prefix(c, "wav2vec2.")) return "a wav2vec 2.0 model";
    if (has_prefix(c, "hubert.")) return "a HuBERT model";
    if (has_prefix(c, "unispeech")) return "a UniSpeech model";
    if (has_prefix(c, "data2vec")) return "a data2vec model";
    if (has_prefix(c, "w2v_encoder.") || has_prefix(c, "w2v_model.")) return "a fine-tuned fairseq model";
    if (has_prefix(c, "mask_emb")) return "a fairseq wav2vec 2.0 or HuBERT model";
    if (has_prefix(c, "feature_extractor.conv_layers.") || has_prefix(c, "feature_projection."))
        return "a wav2vec 2.0 or HuBERT backbone (it has no relative position bias)";
    if (has_prefix(c, "model.encoder.conv1.") || has_prefix(c, "encoder.conv1.")) return "a Whisper model";
    if (has_prefix(c, "sap_linear.")) return "the pooling part of an Odyssey 2024 baseline, saved alone";
    if (has_prefix(c, "fc.0.0.")) return "the classifier part of an Odyssey 2024 baseline, saved alone";
    if (has_prefix(c, "0.w.weight")) return "the output layer of a SpeechBrain model, saved alone";
    if (has_part(c, "embeddings.word_embeddings.")) return "a text encoder (BERT or MPNet)";
    return NULL;
}
