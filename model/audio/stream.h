/* A recording read as it comes, at 16 kHz, in memory that does not grow with its length: a file, a pipe or standard input;
 * WAV and raw samples decoded here, the rest by ffmpeg, which writes while we read. mdl_audio_read (audio.h) is this read to
 * the end. */
#ifndef MODEL_AUDIO_STREAM_H
#define MODEL_AUDIO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "model/audio/pcm.h"
#include "model/audio/samples.h"

/* All zero: what is there says itself what it is. */
typedef struct mdl_audio_options {
    mdl_pcm_format raw; /* raw samples of this format, at this rate and number of channels, and no file */
    double rate;        /* Hz, a whole number */
    size_t channels;
    uint64_t most_decoded; /* bytes that ffmpeg may write; 0: any number */
} mdl_audio_options;

typedef struct mdl_audio_stream mdl_audio_stream;

/* What is known of a recording once it is open. */
typedef struct mdl_audio_info {
    size_t channels;
    double rate;      /* its own, Hz */
    uint64_t samples; /* of each channel, at 16 kHz, as the header declares them; 0: it does not */
    bool exact;       /* that is what will come, unless there is an error */
} mdl_audio_info;

/* Opens an audio file ("-": standard input, from where it stands). options may be NULL. What cannot be read twice and is no
 * WAV is kept for ffmpeg in a file without a name first (see mdl_source_spool). The calling thread must live as long as the
 * stream, since ffmpeg ends with it. *out is NULL on failure. */
eng_status mdl_audio_stream_open(const char *path, const mdl_audio_options *options, mdl_audio_stream **out,
                                 eng_error *err);

/* Valid as long as the stream. */
const mdl_audio_info *mdl_audio_stream_info(const mdl_audio_stream *s);

/* Up to most >= 1 samples of each channel to channel[c], as soon as there is one; *count is 0 at the end, and only there. A
 * pipe is read to its own end, also behind the audio. Errors, among them what is known only at the end: ENG_E_FORMAT for
 * audio that is truncated, not finite, or not there at all ("holds no samples"), and when ffmpeg fails after all; ENG_E_IO
 * for a file that shrinks. A file that grows is read to the length that it had when it was opened. After an error the
 * stream can only be closed. */
eng_status mdl_audio_stream_read(mdl_audio_stream *s, size_t most, float *const *channel, size_t *count, eng_error *err);

/* At any time. NULL is fine. */
void mdl_audio_stream_close(mdl_audio_stream *s);

#endif
