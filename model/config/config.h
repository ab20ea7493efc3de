/* What a model is: sizes, switches, input rule and head, from config.json, preprocessor_config.json or Microsoft's cfg.
 * Field names: transformers.WavLMConfig; unilm WavLM.py (WavLMConfig); the Odyssey 2024 baseline's config; our own
 * WavLMForSpeechEmotion (README, "Model formats"). */
#ifndef MODEL_CONFIG_CONFIG_H
#define MODEL_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "kernels/kernels.h"
#include "model/training/training.h"
#include "weights/names.h"
#include "weights/value.h"

enum { MDL_MAX_CONVS = 16, MDL_MAX_LABELS = 4096 };

typedef enum mdl_input_rule {
    MDL_INPUT_RAW,         /* as decoded */
    MDL_INPUT_HF,          /* (x - mean) / sqrt(var + 1e-7) (Wav2Vec2FeatureExtractor, do_normalize) */
    MDL_INPUT_LAYER_NORM,  /* (x - mean) / sqrt(var + 1e-5) (Microsoft, s3prl: layer_norm over the waveform) */
    MDL_INPUT_CORPUS       /* (x - input_mean) / (input_std + 1e-6) (Odyssey baseline) */
} mdl_input_rule;

typedef enum mdl_head {
    MDL_HEAD_NONE,                    /* backbone alone */
    MDL_HEAD_SEQUENCE_CLASSIFICATION, /* mix or last layer -> projector -> mean -> classifier */
    MDL_HEAD_ODYSSEY,                 /* last layer -> attentive std -> (linear, layer norm, relu)* -> linear */
    MDL_HEAD_EMOTION                  /* mix -> pooling -> conditioning -> relu(projection) -> classifier */
} mdl_head;

typedef enum mdl_pooling { MDL_POOL_MEAN, MDL_POOL_STD, MDL_POOL_ATTENTION, MDL_POOL_ATTENTIVE_STD } mdl_pooling;
typedef enum mdl_conditioning { MDL_COND_NONE, MDL_COND_MULTIPLY, MDL_COND_MEAN } mdl_conditioning;

typedef struct mdl_config {
    /* backbone */
    size_t hidden, layers, heads, intermediate;
    size_t convs, conv_dim[MDL_MAX_CONVS], conv_kernel[MDL_MAX_CONVS], conv_stride[MDL_MAX_CONVS];
    bool conv_bias;
    bool group_norm;        /* feat_extract_norm "group": group norm on the first conv only; else layer norm on each */
    bool pre_norm;          /* do_stable_layer_norm: layer norm before attention and feed-forward */
    kern_act conv_act, act; /* feat_extract_activation, hidden_act */
    size_t pos_kernel, pos_groups;
    size_t buckets, max_distance;
    float eps;
    double initializer_range; /* deviation of a linear layer's random initial weights */

    /* input */
    mdl_input_rule input;
    double input_mean, input_std; /* MDL_INPUT_CORPUS */
    bool input_assumed;           /* the rule was not written anywhere: it follows the feature encoder's norm */

    /* head */
    mdl_head head;
    bool weighted_sum;           /* mix of all hidden states by softmax(layer_weights); else the last one */
    mdl_pooling pooling;
    mdl_conditioning gender, text;
    size_t genders;              /* rows of the gender embedding: 1 + the largest id */
    int female, male;            /* gender2id */
    size_t text_size;            /* text_embedding_size */
    size_t projection;           /* classifier_proj_size (Odyssey: hidden size of its head) */
    size_t head_layers;          /* Odyssey: classifier_hidden_layers */
    size_t labels;               /* outputs of the classifier */
    char **label;                /* [labels], id2label or "0", "1", ...; owned */
    bool regression;             /* attributes (arousal, valence, dominance): outputs are values, not classes */

    const char *weight_precision; /* of a converted model's weights: "f32", "bf16", "int8"; NULL: of no converted model */

    wts_doc *source; /* config.json as it was read, whose other fields a saved model keeps; owned; NULL: there is none */
    mdl_regularisation regularisation; /* what the model was trained with; only training looks at it */
} mdl_config;

/* Width of the pooled vector: hidden, or twice that for std and attentive std. */
size_t mdl_config_pooled(const mdl_config *c);

/* Frames for that many samples at 16 kHz; 0 when there are too few for one. */
size_t mdl_config_frames(const mdl_config *c, size_t samples);

/* Fewest samples that give a frame (400 for the released models); SIZE_MAX when that overflows. */
size_t mdl_config_min_samples(const mdl_config *c);

/* Reads a configuration. layout: what the checkpoint is; config: config.json's root, or Microsoft's cfg for
 * WTS_LAYOUT_MICROSOFT; preprocessor: preprocessor_config.json's root or NULL. Values that the engine cannot compute
 * with are errors that name the field, the value and what is supported. config_name names the file in errors.
 * Free with mdl_config_fini, also after an error. */
eng_status mdl_config_read(wts_layout layout, const wts_value *config, const wts_value *preprocessor,
                           const char *config_name, mdl_config *out, eng_error *err);
void mdl_config_fini(mdl_config *c);

#endif
