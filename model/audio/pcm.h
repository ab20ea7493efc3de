/* Samples as they lie in files and pipes, one frame (a sample of each channel) after the other, to float. Integers are
 * divided by 2^(bits - 1) (8 bits unsigned are centred first), floats taken as they are; A-law and mu-law: ITU-T G.711. */
#ifndef MODEL_AUDIO_PCM_H
#define MODEL_AUDIO_PCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "model/audio/source.h"

/* All of them the lowest byte first. MDL_PCM_NONE: no samples, but a file that says what it holds. */
typedef enum mdl_pcm_format {
    MDL_PCM_NONE,
    MDL_PCM_U8,
    MDL_PCM_S16,
    MDL_PCM_S24,
    MDL_PCM_S32,
    MDL_PCM_F32,
    MDL_PCM_F64,
    MDL_PCM_MULAW,
    MDL_PCM_ALAW
} mdl_pcm_format;

enum { MDL_PCM_RATE_MIN = 100, MDL_PCM_RATE_MAX = 768000 }; /* Hz */

/* The format that ffmpeg's muxers call so: u8, s16le, s24le, s32le, f32le, f64le, mulaw, alaw. MDL_PCM_NONE: unknown. */
mdl_pcm_format mdl_pcm_named(const char *name);

/* What audio there is. */
typedef struct mdl_pcm {
    mdl_pcm_format format;
    size_t channels; /* 1 to MDL_AUDIO_MAX_CHANNELS */
    unsigned rate;   /* Hz */
    uint64_t size;   /* bytes; UINT64_MAX: to the end */
    bool may_end;    /* the end may come before that */
} mdl_pcm;

/* Bytes of a sample of each channel. */
size_t mdl_pcm_frame(const mdl_pcm *p);

typedef struct mdl_pcm_reader {
    mdl_source *source; /* the caller's */
    mdl_pcm pcm;
    uint64_t left;   /* bytes of audio not yet read */
    uint64_t frames; /* given */
    unsigned char *block;
    size_t begin, have; /* bytes in it that were not yet decoded */
    float g711[256];
} mdl_pcm_reader;

/* Reads the audio from where the source stands. Close it whatever the status. */
eng_status mdl_pcm_open(mdl_pcm_reader *r, mdl_source *source, const mdl_pcm *pcm, eng_error *err);
void mdl_pcm_close(mdl_pcm_reader *r);

/* Up to most >= 1 samples of each channel to channel[c], as soon as there is one; *count 0 at the end. An incomplete last
 * frame is dropped: a recorder that was killed leaves one. ENG_E_FORMAT: the source ended before the audio did, or a
 * sample is not finite. */
eng_status mdl_pcm_read(mdl_pcm_reader *r, size_t most, float *const *channel, size_t *count, eng_error *err);

#endif
