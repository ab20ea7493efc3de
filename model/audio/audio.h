/* Audio files to 16 kHz mono float, as the models expect.
 *
 * WAV is decoded here (RIFF, RF64, BW64; PCM 8/16/24/32, IEEE float 32/64, A-law, mu-law, WAVE_FORMAT_EXTENSIBLE);
 * everything else goes through the ffmpeg program when it is installed. Samples are scaled as libsndfile and torchaudio
 * do: integer PCM divided by 2^(bits-1) (8-bit unsigned is centred first), floats as they are. */
#ifndef MODEL_AUDIO_AUDIO_H
#define MODEL_AUDIO_AUDIO_H

#include <stddef.h>

#include "engine/error.h"

enum { MDL_SAMPLE_RATE = 16000, MDL_AUDIO_MAX_CHANNELS = 64 };

/* Decoded audio: channel c's samples at data[c * stride + i], i < samples. */
typedef struct mdl_audio {
    float *data;
    size_t channels, samples, stride;
    double rate; /* Hz */
} mdl_audio;

void mdl_audio_free(mdl_audio *a);

/* Decodes a WAV file in memory at its own rate. name is for messages. A data chunk of declared size 0 or 0xFFFFFFFF (a
 * pipe's) reaches to the end of the file; a data chunk longer than the file is an error that says how much is missing.
 * Samples that are not finite are an error. */
eng_status mdl_wav_decode(const char *name, const void *bytes, size_t size, mdl_audio *out, eng_error *err);

/* True when bytes begin like a WAV file (RIFF, RF64 or BW64 with WAVE). */
int mdl_wav_detect(const void *bytes, size_t size);

/* Resamples each channel to rate_out by a windowed-sinc polyphase filter (see resample.c for its design and measured
 * response). Output length is ceil(samples * rate_out / rate_in). in is left as it is; *out is a new audio. */
eng_status mdl_resample(const mdl_audio *in, double rate_out, mdl_audio *out, eng_error *err);

/* Reads an audio file ("-": standard input) and resamples it to 16 kHz, all channels kept. */
eng_status mdl_audio_read(const char *path, mdl_audio *out, eng_error *err);

/* Which channels to label: all mixed to one (the mean), each on its own, or one of them (from 0). */
typedef enum mdl_channel_mode { MDL_CHANNELS_MIX, MDL_CHANNELS_SPLIT, MDL_CHANNELS_ONE } mdl_channel_mode;

/* Mixes a's channels down to their mean, in place: afterwards a->channels is 1. */
void mdl_audio_mix(mdl_audio *a);

#endif
