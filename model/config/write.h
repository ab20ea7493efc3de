/* The texts beside a saved model's weights. */
#ifndef MODEL_CONFIG_WRITE_H
#define MODEL_CONFIG_WRITE_H

#include "model/config/config.h"

/* config.json's text for c, as a heap string (eng_free); NULL when out of memory. */
char *mdl_config_text(const mdl_config *c);

/* preprocessor_config.json's text for c, as a heap string (eng_free); NULL when out of memory. It is transformers'
 * Wav2Vec2FeatureExtractor. Rules that it cannot say stand in fields of this project's, which transformers steps over and
 * mdl_config_read honours: input_normalization "layer_norm" (eps 1e-5 in place of 1e-7) and "corpus" (with input_mean and
 * input_std). */
char *mdl_preprocessor_text(const mdl_config *c);

#endif
