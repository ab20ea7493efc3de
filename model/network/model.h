/* A loaded model: packed weights and small vectors, ready to run. */
#ifndef MODEL_NETWORK_MODEL_H
#define MODEL_NETWORK_MODEL_H

#include "engine/ops/attention.h"
#include "engine/context.h"
#include "engine/param.h"
#include "model/config/config.h"
#include "model/checkpoint/params.h"
#include "model/checkpoint/precision.h"
#include "weights/panels.h"

/* Linear layer; bias.data is NULL where the checkpoint has none. */
typedef struct mdl_linear {
    eng_weight w;
    eng_vector bias;
} mdl_linear;

/* Affine part of a norm; gamma.data NULL: no norm here. */
typedef struct mdl_norm {
    eng_vector gamma, beta;
} mdl_norm;

/* One layer of the feature encoder: W [dim, kernel * channels], the input's index as [tap][channel]. */
typedef struct mdl_conv {
    mdl_linear linear;
    mdl_norm norm;
} mdl_conv;

/* gru_rel_pos_linear and its constant, as in the checkpoint: w [8, hidden / heads], b [8], constant [heads]. */
typedef struct mdl_gate {
    eng_vector w, b, constant;
} mdl_gate;

typedef struct mdl_layer {
    mdl_linear qkv; /* [3 * hidden, hidden]: queries, keys, values */
    mdl_linear out, up, down;
    mdl_norm attention_norm, final_norm;
    mdl_gate gate;
} mdl_layer;

/* Head parts that the configuration does not ask for are empty. */
typedef struct mdl_head_weights {
    eng_vector mix;           /* [layers + 1], before softmax */
    mdl_linear pool;          /* [hidden, hidden] */
    eng_vector pool_vector;   /* [hidden] */
    eng_vector gender;        /* [genders, pooled] */
    mdl_linear text;          /* [pooled, text_size] */
    mdl_linear *hidden;       /* projection; Odyssey: head_layers of them */
    mdl_norm *hidden_norm;    /* Odyssey */
    mdl_linear classifier;    /* [labels, ...] */
} mdl_head_weights;

typedef struct mdl_model {
    mdl_config config;
    wts_layout layout;
    eng_precision precision; /* that was asked for: precision.h says which weights follow; a trainable model's are f32 */
    bool allow_bf16;         /* of an int8 model: what int8 leaves in f32 may be bf16, where that is fast */
    char *path;
    eng_arena memory; /* vectors and tables */
    wts_panels panels;   /* how a converted file's weights were packed */
    bool borrows;        /* some weights lie in the file */
    bool repacked;       /* in panels of another width than these kernels': all were moved, which is worth a note */
    wts_checkpoint file; /* a converted file stays mapped while weights lie in it; else closed */
    mdl_conv conv[MDL_MAX_CONVS];
    mdl_norm feature_norm;
    mdl_linear feature_projection;
    eng_weight *pos_conv; /* [pos_groups] of [hidden / groups, kernel * hidden / groups]; training: made from v and g */
    eng_vector pos_v;     /* training only: [hidden, hidden / groups, kernel] */
    eng_vector pos_g;     /* training only: [kernel] */
    eng_vector pos_bias;
    mdl_norm encoder_norm;
    eng_vector bias_embedding; /* [buckets, heads] */
    eng_vector mask_embedding; /* training only: [hidden], what masked frames become; frozen as loaded (training.h) */
    mdl_layer *layer;          /* [layers] */
    mdl_head_weights head;
    mdl_params params;  /* of a trainable model, or one to be converted; else empty */
    bool train_encoder; /* a tape records the CNN feature encoder too; else it is frozen, as in the paper */
} mdl_model;

/* Loads the model at path: a folder as Hugging Face writes it, or a checkpoint file with its config.json beside it
 * (Microsoft's .pt carries its own). Loading is total: a missing, extra or misshapen tensor is an error that names file,
 * tensor, expected and found. Weights are packed for k's kernels on pool's threads, in that precision (NULL: the
 * model's own, f32 unless it was converted); pages of the mapped file are given back as they are packed. A converted model
 * (save.h) is used where it is mapped, and repacked, to the same numbers, when it was made for kernels of another panel
 * width. Asking for another precision than its own is an error. allow_bf16: where the CPU is fast at bf16, an int8 model's
 * convolutions and attention may run in that (precision.h): faster there, with other bits than on other CPUs. Free with
 * mdl_model_free. */
eng_status mdl_model_load(const char *path, const eng_precision *precision, bool allow_bf16, const kern_table *k,
                          eng_pool *pool, mdl_model **out, eng_error *err);

/* The same, with all that was loaded listed in params, for mdl_model_save to write a converted model. */
eng_status mdl_model_load_to_convert(const char *path, const eng_precision *precision, const kern_table *k,
                                     eng_pool *pool, mdl_model **out, eng_error *err);

/* The same for training: weights lie in plain memory with a gradient of zeros beside each, listed in params. A converted
 * model cannot be trained. */
eng_status mdl_model_load_trainable(const char *path, const kern_table *k, eng_pool *pool, mdl_model **out,
                                    eng_error *err);

void mdl_model_free(mdl_model *m);

#endif
