/* The forward pass, from waveforms at 16 kHz to logits. */
#ifndef MODEL_NETWORK_FORWARD_H
#define MODEL_NETWORK_FORWARD_H

#include "engine/context.h"
#include "model/network/model.h"
#include "model/training/training.h"

typedef struct mdl_input {
    const float *samples; /* mono, 16 kHz, finite */
    size_t count;         /* at least mdl_config_min_samples */
    int gender;           /* row of the gender embedding; read only by a model with gender conditioning */
    const float *text;    /* [text_size]; read only by a model with text conditioning */
} mdl_input;

/* Intermediate results, as Hugging Face names them, for the whole packed batch. */
typedef enum mdl_stage {
    MDL_STAGE_CONV,      /* the feature encoder's output [frames, channels] */
    MDL_STAGE_PROJECTED, /* after the feature projection [frames, hidden] */
    MDL_STAGE_HIDDEN,    /* hidden_states[index], index 0..layers [frames, hidden] */
    MDL_STAGE_POOLED     /* what the head classifies: pooled over time and conditioned [n, pooled]; no head: not observed */
} mdl_stage;

/* Called on the calling thread as each result is there; the tensor is valid during the call only. */
typedef struct mdl_observer {
    void (*fn)(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x);
    void *arg;
} mdl_observer;

/* What mdl_forward asks of an input by itself: its length, and the gender and text that the model wants. ENG_E_USAGE with
 * what is missing. */
eng_status mdl_check_input(const mdl_model *m, const mdl_input *input, eng_error *err);

/* Runs n utterances as one packed batch. logits: [n, labels] (MDL_HEAD_NONE: may be NULL). observer may be NULL. Each
 * utterance's results have the same bits in any batch and on any number of threads. Memory comes from ctx->arena, which
 * is rewound before returning. Error: out of memory; an input that is too short; a missing gender or text; called off by
 * what ctx->pool watches (eng_pool_watch). */
eng_status mdl_forward(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs, float *logits,
                       const mdl_observer *observer, eng_error *err);

/* The same, recorded where ctx->tape is set: returns the logits [n, labels] with their gradient (a backbone's last hidden
 * state), in ctx->arena, which is not rewound. training may be NULL: nothing is dropped, every activation is kept. With
 * a training but without a tape: the same function, not differentiated. Errors go to ctx->error. */
eng_tensor mdl_forward_recorded(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs,
                                const mdl_training *training, const mdl_observer *observer);

/* ---- The stages, in the order of the data. Tensors come from ctx->arena; ctx->error is sticky. ---- */

/* y = the waveform normalised by the model's rule (config.h, mdl_input_rule). */
void mdl_normalise_input(const mdl_config *c, const float *x, size_t count, float *y);

/* CNN feature encoder, tile by tile over time: waves[u] has samples[u] samples; out is
 * [frames, last conv_dim]. */
void mdl_feature_encoder(const mdl_model *m, eng_context *ctx, eng_batch batch, const float *const *waves,
                         const size_t *samples, eng_tensor out);

/* The same, recorded on ctx->tape: samples are the utterances in waves [samples, 1]. Returns [frames, last conv_dim]. */
eng_tensor mdl_feature_encoder_recorded(const mdl_model *m, eng_context *ctx, eng_batch samples, eng_tensor waves);

/* SpecAugment (Park et al., Interspeech 2019) of projected features, as transformers masks them: in each utterance spans of
 * mask_time_length frames become m->mask_embedding, then spans of mask_feature_length channels 0 throughout. A share
 * prob of frames (channels) is masked as mdl_mask_spans says. Returns a new tensor, or x where training is NULL or masks
 * nothing. Backward: gradients pass where nothing was masked; those of masked frames go to the embedding. */
eng_tensor mdl_spec_augment(const mdl_model *m, eng_context *ctx, eng_batch batch, const mdl_training *training,
                            eng_tensor x);

/* The bias table of all layers, [heads, 2 * reach - 1] (engine/ops/attention.h). Bucket of d = key - query
 * (modeling_wavlm._relative_positions_bucket): half of the buckets for d > 0; within a half, exact below a quarter of the
 * buckets, then logarithmic up to max_distance. Backward: the table's gradient, to which every layer adds, summed by
 * bucket to the embedding's. */
eng_relative_bias mdl_relative_bias(const mdl_model *m, eng_context *ctx, size_t reach);

/* Bucket of distance key - query, in [0, buckets). */
size_t mdl_relative_bucket(size_t buckets, size_t max_distance, ptrdiff_t distance);

/* The gate's parameters as the engine wants them: eight rows summed to two. */
eng_gate_weights mdl_fold_gate(const mdl_gate *gate, eng_context *ctx, size_t dim);

/* Transformer layer `index`: y = layer(x), y of x's shape and not overlapping it. training may be NULL. */
void mdl_encoder_layer(const mdl_model *m, eng_context *ctx, eng_batch batch, size_t index, eng_relative_bias bias,
                       const mdl_training *training, eng_tensor x, eng_tensor y);

/* The same on a tape, which keeps x and y alone: the backward pass runs the layer again, with the same random numbers. The
 * same bits as mdl_encoder_layer's, forwards and backwards. */
void mdl_encoder_layer_checkpointed(const mdl_model *m, eng_context *ctx, eng_batch batch, size_t index,
                                    eng_relative_bias bias, const mdl_training *training, eng_tensor x, eng_tensor y);

/* The stages from here on record themselves while a tape does (engine/tape.h). */

/* Pooling over time: [frames, hidden] to [n, pooled] (config.h, mdl_pooling). */
eng_tensor mdl_pool(const mdl_model *m, eng_context *ctx, eng_batch batch, eng_tensor x);

/* Gender, then text conditioning of the pooled vectors: a new tensor of their shape, or pooled itself where there is none.
 * inputs: as many as pooled has rows; no gradient for the text embeddings. */
eng_tensor mdl_condition(const mdl_model *m, eng_context *ctx, const mdl_input *inputs, eng_tensor pooled);

/* Pooled vectors to logits [n, labels]. training may be NULL; its final dropout follows every rectified layer (the
 * projector of WavLMForSequenceClassification has none). */
eng_tensor mdl_classify(const mdl_model *m, eng_context *ctx, const mdl_training *training, eng_tensor pooled);

#endif
