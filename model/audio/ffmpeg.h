/* Audio that is not WAV, decoded by the ffmpeg program where it is installed.
 *
 * A file from anywhere is opened by us and never by ffmpeg. ffmpeg is given bytes: an open file, or one without a name, as
 * its standard input. It may use that and no other protocol, and no format but those of a list in ffmpeg.c, none of
 * which needs a second file: a playlist, under whatever name, leads it nowhere. */
#ifndef MODEL_AUDIO_FFMPEG_H
#define MODEL_AUDIO_FFMPEG_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

typedef struct mdl_ffmpeg_input {
    const char *name;  /* for messages; its ending tells formats that have no signature (.g722, .sln) */
    int file;          /* can be read at any place; read from its beginning. The caller's, who may close it once it runs */
    const void *bytes; /* its beginning, which tells what kind it is */
    size_t size;
    double patience;      /* seconds without progress after which ffmpeg is ended; 0: 30 */
    uint64_t most_output; /* bytes that it may write; 0: any number */
} mdl_ffmpeg_input;

/* A running ffmpeg. */
typedef struct mdl_ffmpeg mdl_ffmpeg;

/* What bytes begin like ("MP3", "FLAC", "Ogg Opus", ...), for messages; "unknown format" when nothing fits. */
const char *mdl_audio_kind(const void *bytes, size_t size);

/* The kind of playlist, manifest or script that bytes begin like ("an HLS playlist", ...): a file that holds no audio
 * but names other files. NULL when nothing fits. */
const char *mdl_audio_reference_kind(const void *bytes, size_t size);

/* Starts the ffmpeg program found in PATH on the first audio stream, and waits for the first of what it writes: a WAV file,
 * own rate and channels kept. It is ended with the calling thread; name must outlive it. ENG_E_UNSUPPORTED when ffmpeg is
 * not installed; ENG_E_FORMAT for what names other files, for formats that are not on the list, and with ffmpeg's own words
 * when it fails; ENG_E_IO when it cannot be run or makes no progress: no output, and nothing of the input read that had not
 * been read. */
eng_status mdl_ffmpeg_open(const mdl_ffmpeg_input *input, mdl_ffmpeg **out, eng_error *err);

/* What it has written, as mdl_source_more has it (ffmpeg: an mdl_ffmpeg). Errors do not name the file. */
eng_status mdl_ffmpeg_read(void *ffmpeg, void *out, size_t room, size_t *got, eng_error *err);

/* Behind the end of its output: ENG_OK when it succeeded, else as mdl_ffmpeg_open. */
eng_status mdl_ffmpeg_end(mdl_ffmpeg *f, eng_error *err);

/* Ends it where it still runs. NULL is fine. */
void mdl_ffmpeg_close(mdl_ffmpeg *f);

#endif
