/* From the command line to options that fit each other. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/memory.h"
#include "model/config/config.h"
#include "tools/train/options/options.h"
#include "tools/train/options/recipe.h"
#include "tools/train/options/table.h"

static bool read_range(const char *text, double *low, double *high)
{
    char *end;
    if (!text) return true;
    *low = strtod(text, &end);
    if (end == text || *end != ':') return false;
    const char *second = end + 1;
    *high = strtod(second, &end);
    return end != second && !*end && isfinite(*low) && isfinite(*high) && *low <= *high;
}

static eng_status check(train_options *o, size_t operands, char **argv, eng_error *err)
{
    if (operands)
        return eng_fail(err, ENG_E_USAGE, "what is \"%s\"? Recordings are named by --data LIST", argv[1]);
    if (!o->init) return eng_fail(err, ENG_E_USAGE, "no model to begin with: give --init DIR (--help shows all options)");
    if (!o->data) return eng_fail(err, ENG_E_USAGE, "no recordings: give --data LIST");
    if (!o->out) return eng_fail(err, ENG_E_USAGE, "no place for the results: give --out DIR");
    if (!read_range(o->noise_snr, &o->snr_low, &o->snr_high))
        return eng_fail(err, ENG_E_USAGE, "--noise-snr: expected LOW:HIGH in dB, found \"%s\"", o->noise_snr);
    if (!read_range(o->range, &o->range_low, &o->range_high) || o->range_low >= o->range_high)
        return eng_fail(err, ENG_E_USAGE, "--attribute-range: expected LOW:HIGH, found \"%s\"", o->range);
    if (o->soft_labels && o->loss != TRAIN_CROSS_ENTROPY && o->loss != TRAIN_FOCAL)
        return eng_fail(err, ENG_E_USAGE, "--soft-labels needs --loss cross-entropy or focal");
    if (o->loss == TRAIN_CCC && (o->class_weights || o->label_smoothing > 0))
        return eng_fail(err, ENG_E_USAGE, "%s is of classes; --loss ccc has none",
                        o->class_weights ? "--class-weights" : "--label-smoothing");
    if (o->loss == TRAIN_CCC && o->batch_size == 1)
        return eng_fail(err, ENG_E_USAGE,
                        "--loss ccc compares the recordings of a batch: --batch-size expected at least 2, found 1");
    if (o->text_conditioning != TRAIN_UNSET && o->text_conditioning != MDL_COND_NONE && !o->text)
        return eng_fail(err, ENG_E_USAGE, "--text-conditioning needs sentence embeddings: give --text-embeddings FILE");
    if (isnan(o->head_lr)) o->head_lr = o->lr;
    return ENG_OK;
}

bool train_options_start(int argc, char **argv, train_options *o, int *exit_status)
{
    *o = (train_options){.pooling = TRAIN_UNSET, .gender = TRAIN_UNSET, .text_conditioning = TRAIN_UNSET, .epochs = 20,
                         .exchange = TRAIN_UNSET, .batch_size = 8, .accumulate = 1, .seed = 1, .decoders = 2, .cache_mib = 2048, .crop = 12,
                         .lr = 1e-5, .head_lr = NAN, .weight_decay = 0.01, .focal_gamma = 2, .dropout = NAN,
                         .hidden_dropout = NAN, .attention_dropout = NAN, .activation_dropout = NAN,
                         .feature_dropout = NAN, .final_dropout = NAN, .layer_drop = NAN, .mask_time_prob = NAN,
                         .mask_feature_prob = NAN, .save_minutes = 15, .patience_seconds = 600, .snr_low = 5, .snr_high = 30, .range_low = 1,
                         .range_high = 7};
    eng_error err = {0};
    size_t operands;
    if (train_recipe_expand(o, &argc, &argv, &err)) {
        fprintf(stderr, "train: %s\n", err.message);
        *exit_status = 1;
        return false;
    }
    if (!tool_options_start(&train_program, argc, argv, o, &operands, exit_status)) return false;
    if (!check(o, operands, argv, &err)) return true;
    fprintf(stderr, "train: %s\n", err.message);
    *exit_status = 1;
    return false;
}

void train_options_end(train_options *o)
{
    eng_free(o->recipe_text);
    eng_free(o->recipe_arguments);
    *o = (train_options){0};
}
