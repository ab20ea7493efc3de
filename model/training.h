/* What a training step adds to the forward pass: dropout, layer drop, SpecAugment, checkpointed layers. All random numbers
 * are functions of (seed, step, utterance, place), so an utterance gets the same ones in any batch and after a resume. */
#ifndef MODEL_TRAINING_H
#define MODEL_TRAINING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names and meaning: transformers.WavLMConfig; all zero: nothing is dropped or masked. */
typedef struct mdl_regularisation {
    double hidden_dropout;          /* after the position embedding, attention's projection and the feed-forward part */
    double attention_dropout;       /* of attention probabilities */
    double activation_dropout;      /* inside the feed-forward part */
    double feature_dropout;         /* feat_proj_dropout: after the feature projection */
    double final_dropout;           /* before the classifier */
    double layer_drop;              /* layerdrop: a layer other than the first is skipped, for the whole step */
    double mask_time_prob;          /* SpecAugment (apply_spec_augment): share of frames in masked spans */
    size_t mask_time_length, mask_time_min;
    double mask_feature_prob;
    size_t mask_feature_length, mask_feature_min;
} mdl_regularisation;

typedef struct mdl_training {
    mdl_regularisation rates;
    uint64_t seed;
    uint32_t step;
    const uint32_t *ids;    /* [n], a number for each utterance of the batch */
    bool checkpoint_layers; /* keep one input a layer and run the layer again in the backward pass */
} mdl_training;

#endif
