/* Names: which model's checkpoint this is by its tensors' names, and every layout's names in one language, Hugging
 * Face's (modeling_wavlm.py), with "wavlm." in front of the backbone's. */
#ifndef WEIGHTS_NAMES_H
#define WEIGHTS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "weights/checkpoint.h"

typedef enum wts_layout {
    WTS_LAYOUT_BACKBONE,                /* Hugging Face's WavLMModel, with or without "wavlm." */
    WTS_LAYOUT_SEQUENCE_CLASSIFICATION, /* Hugging Face's WavLMForSequenceClassification */
    WTS_LAYOUT_ODYSSEY,                 /* Odyssey 2024 baseline: ssl_model., pool_model., ser_model. */
    WTS_LAYOUT_EMOTION,                 /* this project's WavLMForSpeechEmotion */
    WTS_LAYOUT_MICROSOFT,               /* the original WavLM-*.pt */
    WTS_LAYOUT_UNKNOWN
} wts_layout;

/* By the tensors' names; where they leave a choice, by the config's "architectures" and "model_type". config: the root
 * of config.json, or NULL. */
wts_layout wts_layout_detect(const wts_checkpoint *c, const wts_value *config);

/* For people: "WavLM backbone (Hugging Face)". */
const char *wts_layout_name(wts_layout layout);

/* For a checkpoint of unknown layout: what it seems to be ("a wav2vec 2.0 model"), or NULL when that cannot be told. */
const char *wts_layout_hint(const wts_checkpoint *c);

/* Translates one name: Microsoft's spellings, "ssl_model." and missing prefixes, both spellings of weight norm (to
 * weight_g, weight_v), a leading "module." of DataParallel (dropped). Other names are copied. False when out (size
 * bytes) is too short. */
bool wts_canonical_name(wts_layout layout, const char *name, char *out, size_t size);

/* The other way, for messages: how a checkpoint of this layout spells a canonical name. False when it spells it the same
 * or in more than one way, or when out is too short. */
bool wts_native_name(wts_layout layout, const char *canonical, char *out, size_t size);

/* All tensors of a checkpoint by canonical name. Borrows c. */
typedef struct wts_name_map {
    const wts_checkpoint *c;
    const char **names; /* canonical name of c->tensors[i] */
    struct wts_name_map_private *p;
} wts_name_map;

/* Error: two tensors of one canonical name (both spellings at once, say). On failure *map holds nothing. */
eng_status wts_name_map_init(wts_name_map *map, const wts_checkpoint *c, wts_layout layout, eng_error *err);
void wts_name_map_fini(wts_name_map *map);

/* NULL when there is none. */
const wts_tensor *wts_name_map_find(const wts_name_map *map, const char *canonical);

#endif
