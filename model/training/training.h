/* What a training step adds to the forward pass: dropout, layer drop, SpecAugment, checkpointed layers. All random numbers
 * are functions of (seed, step, utterance, place), so an utterance gets the same ones in any batch and after a resume. */
#ifndef MODEL_TRAINING_TRAINING_H
#define MODEL_TRAINING_TRAINING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/context.h"
#include "engine/random.h"

/* Names and meaning: transformers.WavLMConfig; all zero: nothing is dropped or masked. */
typedef struct mdl_regularisation {
    double hidden_dropout;          /* after the position embedding, attention's projection and the feed-forward part */
    double attention_dropout;       /* of attention probabilities */
    double activation_dropout;      /* inside the feed-forward part */
    double feature_dropout;         /* feat_proj_dropout: after the feature projection */
    double final_dropout;           /* before the classifier */
    double layer_drop;              /* layerdrop: a layer other than the first is skipped, for the whole step */
    double mask_time_prob;          /* SpecAugment (apply_spec_augment): share of frames in masked spans. The embedding
                                     * that they become, wavlm.masked_spec_embed, is a frozen parameter as loaded: whoever
                                     * masks thaws it (mdl_params_freeze), so that one that takes no part does not decay */
    size_t mask_time_length, mask_time_min;
    double mask_feature_prob;
    size_t mask_feature_length, mask_feature_min;
} mdl_regularisation;

/* Follows the blocks of parameters (model/training/division.h) through a step: before is called ahead of a block's first
 * use in a forward pass, after when its gradients are complete in the backward pass. Both on the calling thread. */
typedef struct mdl_watch {
    void (*before)(void *arg, size_t block);
    void (*after)(void *arg, size_t block);
    void *arg;
} mdl_watch;

typedef struct mdl_training {
    mdl_regularisation rates;
    uint64_t seed;
    uint32_t step;
    const uint32_t *ids;    /* [n], a number for each utterance of the batch; read until the backward pass is over */
    bool checkpoint_layers; /* keep one input a layer and run the layer again in the backward pass */
    const mdl_watch *watch; /* NULL: nobody follows */
} mdl_training;

/* What a step's random numbers are for. Each has a stream of its own in every layer. */
typedef enum mdl_draw {
    MDL_DRAW_FEATURE,       /* dropout: after the feature projection */
    MDL_DRAW_POSITION,      /* after the position embedding */
    MDL_DRAW_ATTENTION_OUT, /* after attention's projection */
    MDL_DRAW_ACTIVATION,    /* inside the feed-forward part */
    MDL_DRAW_FEED_FORWARD,  /* after it */
    MDL_DRAW_FINAL,         /* before the classifier; layer: the head's */
    MDL_DRAW_LAYER,         /* whether the layer is skipped */
    MDL_DRAW_TIME_MASK,     /* SpecAugment */
    MDL_DRAW_FEATURE_MASK,
    MDL_DRAW_ATTENTION = 256 /* of attention probabilities: head h takes MDL_DRAW_ATTENTION + h */
} mdl_draw;

/* The stream for that: its purpose is 2^31 + 2^16 * layer + what, which leaves the lower half of all purposes to draws
 * that are counted in epochs. Its utterance is 0. t is not NULL. */
eng_stream mdl_training_stream(const mdl_training *t, mdl_draw what, size_t layer);

/* The rate of that dropout; 0 when t is NULL, and for draws that are no dropout. */
float mdl_dropout_rate(const mdl_training *t, mdl_draw what);

/* x after that dropout (engine/ops/dropout.h), or x itself where its rate is 0. */
eng_tensor mdl_dropout(const mdl_training *t, eng_context *ctx, eng_batch batch, eng_tensor x, mdl_draw what,
                       size_t layer);

/* Spans of `length` places to mask among n (modeling_wavlm._compute_mask_indices): floor(prob * n / length + u) of them,
 * u uniform in [0, 1), but at least `least`, and no more than have room one after the other. starts [*count] are distinct
 * and uniform in [0, n - length]; spans may overlap. The array comes from arena; NULL, with *count > 0, when out of
 * memory. *count = 0 where prob is 0 or n < length. The stream's numbers: u is 0, start i is 1 + i. */
size_t *mdl_mask_spans(eng_stream stream, size_t n, double prob, size_t length, size_t least, eng_arena *arena,
                       size_t *count);

/* The forward pass reaches a block: calls watch->before, and records that the backward pass calls watch->after when it is
 * done with everything recorded later. training may be NULL. */
void mdl_watch_block(const mdl_training *t, eng_context *ctx, size_t block);

/* Whether this step skips the layer: layers other than the first, with probability layer_drop. False when t is NULL. */
bool mdl_layer_skipped(const mdl_training *t, size_t layer);

#endif
