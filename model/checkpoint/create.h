/* The model that a training begins with: from a checkpoint, or with random weights from a configuration alone; with the
 * checkpoint's head, or a new one. */
#ifndef MODEL_CHECKPOINT_CREATE_H
#define MODEL_CHECKPOINT_CREATE_H

#include "model/network/model.h"
#include "weights/value.h"

/* The head that is wanted. A field that was not asked for follows the checkpoint's (or config.json's) head, or, for a new
 * head, the default. */
typedef struct mdl_head_request {
    size_t labels;            /* of the data, at least 1 */
    const char *const *label; /* [labels], in the order of a new head's ids */
    bool regression;          /* the labels are attributes: outputs are values */
    const mdl_pooling *pooling;                /* NULL: not asked for (new head: mean) */
    const mdl_conditioning *gender, *text;     /* NULL: not asked for (new head: none) */
    size_t text_size;                          /* of the text embeddings; 0: there are none */
    size_t projection;                         /* classifier_proj_size; 0: not asked for (new head: 256) */
    bool renew;                                /* replace a head that is there, also one of another purpose (CTC, ...) */
    size_t *unknown; /* where to put which of label the model's head does not have, when that is the error; may be NULL */
} mdl_head_request;

/* The output that a label of some data means: the one of that name, else of that name in another case, else the output
 * with that number. False when there is none. */
bool mdl_find_label(const mdl_config *c, const char *name, size_t *id);

/* Opens init for training. init is what mdl_model_load takes, or a folder with config.json (and maybe
 * preprocessor_config.json) and no checkpoint: then all weights are random, drawn from seed as
 * transformers.WavLMPreTrainedModel._init_weights and torch.nn's defaults do for the head. A backbone (and a model whose
 * head is to be renewed) gets a new WavLMForSpeechEmotion head, also drawn from seed. A model with a head goes on from it:
 * asking for another pooling, conditioning or projection, or for labels that it does not have (mdl_find_label), is an error
 * that says which and that the head can be renewed. *new_head: whether the head is new; *random_backbone: whether the backbone is. Every parameter
 * is in m->params. Free with mdl_model_free. */
eng_status mdl_model_create(const char *init, const mdl_head_request *want, uint64_t seed, const kern_table *k,
                            eng_pool *pool, mdl_model **out, bool *new_head, bool *random_backbone, eng_error *err);

/* A model of random weights from a configuration alone, to measure with: config is config.json's root, read only during
 * the call, name what errors call it. want NULL: the backbone without a head, whatever config names; else with a new head.
 * trainable: as mdl_model_create's, in f32; else for inference, weights packed as mdl_model_load does for that precision
 * and allow_bf16.
 * Weights are mdl_model_create's of the same seed. The input rule is the released models'. Free with mdl_model_free. */
eng_status mdl_model_random(const char *name, const wts_value *config, const mdl_head_request *want, bool trainable,
                            eng_precision precision, bool allow_bf16, uint64_t seed, const kern_table *k,
                            eng_pool *pool, mdl_model **out, eng_error *err);

#endif
