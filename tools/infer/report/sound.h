/* What the page shows and plays of a recording's sound, gathered while it is decoded: the waveform's outline, and, where
 * the page is to hold the audio itself, 16-bit samples. */
#ifndef TOOLS_INFER_REPORT_SOUND_H
#define TOOLS_INFER_REPORT_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "model/audio/samples.h"

enum {
    INFER_SOUND_PEAK = 800,   /* samples a peak: 50 ms */
    INFER_SOUND_HEADER = 44   /* bytes of a WAV header before the samples */
};

/* A peak is the lowest and the highest sample of 50 ms, at 127 a full scale, rounded away from zero so that no sound
 * looks like silence: 2.4 KB a minute and channel, and up to half as much that is held in advance. Others read this. */
typedef struct infer_sound {
    size_t channels, samples; /* samples: of a channel */
    int8_t **peak;            /* [channels], of each [infer_sound_peaks * 2]: lowest, highest */
    size_t peak_room;         /* peaks */
    unsigned char *wav;       /* INFER_SOUND_HEADER bytes that are not filled in, then [samples][channels], little-endian */
    size_t wav_room, wav_most;
    bool wav_dropped; /* the audio became larger than wav_most */
} infer_sound;

/* An empty recording. wav_most: the most bytes of WAV that are kept; 0: none. Errors: out of memory. infer_sound_fini in
 * any case. */
eng_status infer_sound_init(infer_sound *s, size_t channels, size_t wav_most, eng_error *err);

/* The next count samples, 16 kHz, channel[channels][count]; cut to [-1, 1] as 16-bit files are; what is not a number is
 * silence. Errors: out of memory. */
eng_status infer_sound_add(infer_sound *s, const float *const *channel, size_t count, eng_error *err);

/* Peaks of a channel: one for each 50 ms that have begun. */
size_t infer_sound_peaks(const infer_sound *s);

/* Bytes of the recording as a WAV file; 0 where none is kept, or the audio was larger than that. */
size_t infer_sound_wav_size(const infer_sound *s);

/* The WAV file, its header filled in; infer_sound_wav_size bytes, the sound's own. Not for a size of 0. */
const unsigned char *infer_sound_wav(infer_sound *s);

/* Frees what s holds; all zero before is fine. */
void infer_sound_fini(infer_sound *s);

#endif
