/* Audio that is not WAV, decoded by the ffmpeg program where it is installed. */
#ifndef MODEL_AUDIO_FFMPEG_H
#define MODEL_AUDIO_FFMPEG_H

#include <stddef.h>

#include "engine/error.h"
#include "model/audio/audio.h"

/* name: for messages. path: the file that ffmpeg opens, or NULL: then bytes is the whole input. Otherwise bytes is its
 * beginning, by which a message names the kind of file. */
typedef struct mdl_ffmpeg_input {
    const char *name, *path;
    const void *bytes;
    size_t size;
} mdl_ffmpeg_input;

/* What bytes begin like ("MP3", "FLAC", "Ogg Opus", ...), for messages; "unknown format" when nothing fits. */
const char *mdl_audio_kind(const void *bytes, size_t size);

/* Runs the ffmpeg program found in PATH on the first audio stream and decodes what it writes: own rate and channels
 * kept. The name of a file is never seen by a shell and never taken for an option or a network address. *out is the
 * caller's to free. ENG_E_UNSUPPORTED when ffmpeg is not installed, ENG_E_FORMAT with ffmpeg's own words when it fails,
 * ENG_E_IO when it cannot be run. */
eng_status mdl_ffmpeg_decode(const mdl_ffmpeg_input *input, mdl_audio *out, eng_error *err);

#endif
