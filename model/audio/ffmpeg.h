/* Audio that is not WAV, decoded by the ffmpeg program where it is installed.
 *
 * A file from anywhere is opened by us and never by ffmpeg. ffmpeg is given bytes: the open file, or a file in memory,
 * as its standard input. It may use that and no other protocol, and no format but those of a list in ffmpeg.c, none of
 * which needs a second file: a playlist, under whatever name, leads it nowhere. */
#ifndef MODEL_AUDIO_FFMPEG_H
#define MODEL_AUDIO_FFMPEG_H

#include <stddef.h>

#include "engine/error.h"
#include "model/audio/samples.h"

typedef struct mdl_ffmpeg_input {
    const char *name;  /* for messages; its ending tells formats that have no signature (.g722, .sln) */
    int file;          /* a regular file, which is read from its beginning and stays the caller's; -1: there is none */
    const void *bytes; /* with a file its beginning, which tells what kind it is; without one the whole input */
    size_t size;
    double patience; /* seconds without progress after which ffmpeg is ended; 0: 30 */
} mdl_ffmpeg_input;

/* What bytes begin like ("MP3", "FLAC", "Ogg Opus", ...), for messages; "unknown format" when nothing fits. */
const char *mdl_audio_kind(const void *bytes, size_t size);

/* The kind of playlist, manifest or script that bytes begin like ("an HLS playlist", ...): a file that holds no audio
 * but names other files. NULL when nothing fits. */
const char *mdl_audio_reference_kind(const void *bytes, size_t size);

/* Runs the ffmpeg program found in PATH on the first audio stream and decodes what it writes: own rate and channels
 * kept. *out is the caller's to free. ENG_E_UNSUPPORTED when ffmpeg is not installed; ENG_E_FORMAT for what names other
 * files, for formats that are not on the list, and with ffmpeg's own words when it fails; ENG_E_IO when it cannot be
 * run or makes no progress: no output, and nothing of the input read that had not been read. */
eng_status mdl_ffmpeg_decode(const mdl_ffmpeg_input *input, mdl_audio *out, eng_error *err);

#endif
