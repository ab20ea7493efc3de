/* Decoded audio in memory. */
#ifndef MODEL_AUDIO_SAMPLES_H
#define MODEL_AUDIO_SAMPLES_H

#include <stddef.h>

enum { MDL_SAMPLE_RATE = 16000, MDL_AUDIO_MAX_CHANNELS = 64 };

/* Decoded audio: channel c's samples at data[c * stride + i], i < samples. */
typedef struct mdl_audio {
    float *data;
    size_t channels, samples, stride;
    double rate; /* Hz */
} mdl_audio;

/* Which channels to label: all mixed to one (the mean), each on its own, or one of them (from 0). */
typedef enum mdl_channel_mode { MDL_CHANNELS_MIX, MDL_CHANNELS_SPLIT, MDL_CHANNELS_ONE } mdl_channel_mode;

void mdl_audio_free(mdl_audio *a);

/* Mixes a's channels down to their mean, in place: afterwards a->channels is 1. */
void mdl_audio_mix(mdl_audio *a);

#endif
