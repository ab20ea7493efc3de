/* Audio files to 16 kHz mono float, as the models expect.
 *
 * WAV is decoded here (RIFF, RF64, BW64; PCM 8/16/24/32, IEEE float 32/64, A-law, mu-law, WAVE_FORMAT_EXTENSIBLE);
 * everything else goes through the ffmpeg program when it is installed. Samples are scaled as libsndfile and torchaudio
 * do: integer PCM divided by 2^(bits-1) (8-bit unsigned is centred first), floats as they are. */
#ifndef MODEL_AUDIO_AUDIO_H
#define MODEL_AUDIO_AUDIO_H

#include "engine/error.h"
#include "model/audio/samples.h"
#include "model/audio/stream.h"

/* Reads an audio file ("-": standard input) and resamples it to 16 kHz, all channels kept. */
eng_status mdl_audio_read(const char *path, mdl_audio *out, eng_error *err);

/* The same of what the options say that it is. Of most_decoded 0 is 8 GiB, 6 hours of 48 kHz stereo. */
eng_status mdl_audio_read_as(const char *path, const mdl_audio_options *options, mdl_audio *out, eng_error *err);

#endif
