/* WAV files to samples. */
#ifndef MODEL_AUDIO_WAV_H
#define MODEL_AUDIO_WAV_H

#include <stddef.h>

#include "engine/error.h"
#include "model/audio/samples.h"

/* Decodes a WAV file in memory at its own rate. name is for messages. A data chunk of declared size 0 or 0xFFFFFFFF (a
 * pipe's) reaches to the end of the file; a data chunk longer than the file is an error that says how much is missing.
 * Samples that are not finite are an error. */
eng_status mdl_wav_decode(const char *name, const void *bytes, size_t size, mdl_audio *out, eng_error *err);

/* True when bytes begin like a WAV file (RIFF, RF64 or BW64 with WAVE). */
int mdl_wav_detect(const void *bytes, size_t size);

#endif
