/* Reading audio: bytes from a file, a pipe or standard input; WAV decoded here, the rest by ffmpeg; then 16 kHz. */
#include "model/audio/audio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "model/audio/ffmpeg.h"
#include "model/audio/resample.h"
#include "model/audio/wav.h"

enum { HEAD_SIZE = 4096, READ_STEP = 1 << 16 };

typedef struct byte_block {
    unsigned char *bytes;
    size_t size, room;
} byte_block;

/* Reads on until block holds `limit` bytes or the input ends. */
static eng_status read_up_to(int fd, const char *name, size_t limit, byte_block *block, eng_error *err)
{
    while (block->size < limit) {
        if (block->size == block->room) {
            size_t room = block->room + (block->room > READ_STEP ? block->room / 2 : READ_STEP);
            unsigned char *grown = eng_grow(block->bytes, block->size, room, 1);
            if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory after %zu bytes", name, block->size);
            block->bytes = grown;
            block->room = room;
        }
        size_t wanted = limit - block->size, free_room = block->room - block->size;
        ssize_t n = read(fd, block->bytes + block->size, wanted < free_room ? wanted : free_room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", name, strerror(errno));
        if (n == 0) break;
        block->size += (size_t)n;
    }
    return ENG_OK;
}

/* Decodes what fd holds, at its own rate. Of a file of our own that is no WAV only the beginning is read here: ffmpeg
 * reads it. `whole`: fd is somebody's, at a place that is not to be changed, and is read to its end. */
static eng_status decode_open(int fd, bool whole, const char *name, mdl_audio *out, eng_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", name, strerror(errno));
    if (S_ISDIR(info.st_mode)) return eng_fail(err, ENG_E_IO, "%s: is a folder, expected an audio file", name);
    bool by_file = S_ISREG(info.st_mode) && !whole;

    byte_block block = {0};
    eng_status status = read_up_to(fd, name, HEAD_SIZE, &block, err);
    if (!status && block.size == 0) status = eng_fail(err, ENG_E_FORMAT, "%s: empty, expected audio", name);
    bool is_wav = !status && mdl_wav_detect(block.bytes, block.size);
    if (!status && (is_wav || !by_file)) status = read_up_to(fd, name, SIZE_MAX, &block, err);
    bool foreign = !status && !is_wav;
    if (is_wav && !status) {
        status = mdl_wav_decode(name, block.bytes, block.size, out, err);
        foreign = status == ENG_E_UNSUPPORTED; /* a codec inside WAV that ffmpeg may know */
    }
    if (foreign) {
        mdl_ffmpeg_input input = {name, by_file ? fd : -1, block.bytes, block.size, 0};
        status = mdl_ffmpeg_decode(&input, out, err);
    }
    eng_free(block.bytes);
    return status;
}

eng_status mdl_audio_read(const char *path, mdl_audio *out, eng_error *err)
{
    *out = (mdl_audio){0};
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        eng_status status = errno == ENOENT ? ENG_E_MISSING : ENG_E_IO;
        return eng_fail(err, status, "%s: cannot open: %s", name, strerror(errno));
    }
    mdl_audio decoded = {0};
    eng_status status = decode_open(fd, is_stdin, name, &decoded, err);
    if (!is_stdin) close(fd);
    if (status) return status;

    if (decoded.samples == 0) {
        status = eng_fail(err, ENG_E_FORMAT, "%s: holds no samples", name);
    } else if (decoded.rate == MDL_SAMPLE_RATE) {
        *out = decoded;
        return ENG_OK;
    } else {
        status = mdl_resample(&decoded, MDL_SAMPLE_RATE, out, err);
        if (status) eng_fail_prefix(err, "%s", name);
    }
    mdl_audio_free(&decoded);
    return status;
}
