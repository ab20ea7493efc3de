/* What of the model's training was asked for: the config's rates with the options over them, augmentation. */
#include <math.h>

#include "tools/train/options/options.h"

static void override_rate(double *rate, double asked)
{
    if (!isnan(asked)) *rate = asked;
}

mdl_regularisation train_options_rates(const train_options *o, const mdl_regularisation *config)
{
    mdl_regularisation r = *config;
    if (o->dropout == 0) {
        r.hidden_dropout = r.attention_dropout = r.activation_dropout = r.feature_dropout = r.final_dropout = 0;
        r.layer_drop = r.mask_time_prob = r.mask_feature_prob = 0;
        r.mask_time_min = r.mask_feature_min = 0;
    } else if (!isnan(o->dropout)) {
        r.hidden_dropout = r.attention_dropout = r.activation_dropout = r.final_dropout = o->dropout;
    }
    override_rate(&r.hidden_dropout, o->hidden_dropout);
    override_rate(&r.attention_dropout, o->attention_dropout);
    override_rate(&r.activation_dropout, o->activation_dropout);
    override_rate(&r.feature_dropout, o->feature_dropout);
    override_rate(&r.final_dropout, o->final_dropout);
    override_rate(&r.layer_drop, o->layer_drop);
    override_rate(&r.mask_time_prob, o->mask_time_prob);
    override_rate(&r.mask_feature_prob, o->mask_feature_prob);
    if (o->mask_time_length) r.mask_time_length = o->mask_time_length;
    if (o->mask_feature_length) r.mask_feature_length = o->mask_feature_length;
    return r;
}

mdl_augmentation train_options_augmentation(const train_options *o)
{
    return (mdl_augmentation){.gain_db = o->gain, .noise_prob = o->noise, .snr_low = o->snr_low, .snr_high = o->snr_high,
                              .speed = o->speed, .pitch = o->pitch, .equalise_db = o->equalise};
}
