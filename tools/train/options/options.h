/* What `train` was asked for. */
#ifndef TOOLS_TRAIN_OPTIONS_OPTIONS_H
#define TOOLS_TRAIN_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "model/augment/augment.h"
#include "model/training/training.h"

/* A number or choice that was not asked for: NaN, TRAIN_UNSET. */
#define TRAIN_UNSET SIZE_MAX

typedef enum train_loss { TRAIN_CROSS_ENTROPY, TRAIN_FOCAL, TRAIN_CCC } train_loss;
typedef enum train_schedule { TRAIN_CONSTANT, TRAIN_LINEAR, TRAIN_COSINE } train_schedule;

typedef struct train_options {
    const char *recipe, *init, *data, *out, *audio, *dev_speakers, *test_speakers, *text, *cpu, *noise_snr, *range;
    size_t pooling, gender, text_conditioning; /* TRAIN_UNSET, or the enums of model/config/config.h */
    size_t loss, class_weights, schedule, precision;
    size_t exchange; /* TRAIN_UNSET, or 0: f32, 1: bf16 */
    uint64_t epochs, steps, batch_size, accumulate, seed, threads, decoders, patience, cache_mib, projection, shards;
    uint64_t mask_time_length, mask_feature_length; /* 0: not asked for */
    double batch_seconds, crop, lr, head_lr, weight_decay, warmup, clip, label_smoothing, focal_gamma;
    double dropout, hidden_dropout, attention_dropout, activation_dropout, feature_dropout, final_dropout, layer_drop;
    double mask_time_prob, mask_feature_prob;
    double gain, noise, speed, pitch, equalise, ema, save_minutes, patience_seconds;
    bool no_shuffle, resume, strict, train_feature_encoder, checkpoint_layers, new_head, soft_labels, quiet;
    double snr_low, snr_high, range_low, range_high; /* from noise_snr and range */
    char *recipe_text, **recipe_arguments;           /* what texts of a recipe point into */
} train_options;

/* What main begins with (as tool_options_start): the recipe's options, then the command line's over them; checked. False:
 * *exit_status is what main returns. Free with train_options_end in any case; texts live until then. */
bool train_options_start(int argc, char **argv, train_options *o, int *exit_status);
void train_options_end(train_options *o);

/* Every option that decides what is computed, one a line as in a recipe, to compare with a resumed run's; a heap string
 * (eng_free), NULL when out of memory. With `length`, also those that say how long (epochs, steps, patience). */
char *train_options_text(const train_options *o, bool length);

/* The first line of one that is not in the other, into out (size bytes): false when both are the same. */
bool train_options_differ(const char *before, const char *now, char *out, size_t size);

/* config's rates with what was asked for over them. --dropout 0 turns everything off; --dropout P sets the four
 * dropouts of activations (hidden, attention, activation, final) alone. The finer options go before it. */
mdl_regularisation train_options_rates(const train_options *o, const mdl_regularisation *config);

mdl_augmentation train_options_augmentation(const train_options *o);

#endif
