/* WAV files to samples. */
#ifndef MODEL_AUDIO_WAV_H
#define MODEL_AUDIO_WAV_H

#include <stddef.h>

#include "engine/error.h"
#include "model/audio/pcm.h"
#include "model/audio/samples.h"
#include "model/audio/source.h"

/* Reads a WAV file's chunks from the source's beginning: *out is what mdl_pcm_open reads from where it then stands. A
 * data chunk of declared size 0 or 0xFFFFFFFF (a pipe's) reaches to the end of the file; one longer than the file is an
 * error that says how much is missing: here, or of a pipe when that ends. ENG_E_UNSUPPORTED: a codec that is not read
 * here. A pipe must have its audio and its fmt chunk among the bytes that a source holds; it is not released. */
eng_status mdl_wav_header(mdl_source *source, mdl_pcm *out, eng_error *err);

/* Decodes a WAV file in memory at its own rate, all of it. name is for messages. */
eng_status mdl_wav_decode(const char *name, const void *bytes, size_t size, mdl_audio *out, eng_error *err);

/* True when bytes begin like a WAV file (RIFF, RF64 or BW64 with WAVE). */
int mdl_wav_detect(const void *bytes, size_t size);

#endif
