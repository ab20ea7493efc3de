/* source -> pcm -> resample, with ffmpeg as the source of a source. */
#include "model/audio/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "model/audio/ffmpeg.h"
#include "model/audio/resample.h"
#include "model/audio/source.h"
#include "model/audio/wav.h"

enum { WAV_HEAD = 12, HEAD_SIZE = 4096, BLOCK = 1 << 12 };

struct mdl_audio_stream {
    char *name;
    int fd;
    bool own_fd;
    mdl_source source;
    mdl_ffmpeg *ffmpeg; /* NULL: the source is what was opened */
    mdl_pcm pcm;
    mdl_pcm_reader reader;
    mdl_audio_info info;
    mdl_resampler *resampler; /* NULL at 16 kHz */
    float *block;             /* what it is given */
    float *channel[MDL_AUDIO_MAX_CHANNELS];
    bool ended;
};

/* ---- Opening ---- */

static eng_status open_file(mdl_audio_stream *s, const char *path, eng_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    s->fd = -1;
    s->name = eng_strdup(is_stdin ? "standard input" : path);
    if (!s->name) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    s->own_fd = !is_stdin;
    s->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) {
        eng_status status = errno == ENOENT ? ENG_E_MISSING : ENG_E_IO;
        return eng_fail(err, status, "%s: cannot open: %s", s->name, strerror(errno));
    }
    struct stat info;
    if (fstat(s->fd, &info) != 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", s->name, strerror(errno));
    if (S_ISDIR(info.st_mode)) return eng_fail(err, ENG_E_IO, "%s: is a folder, expected an audio file", s->name);
    /* Standard input is somebody's, at a place that is theirs; the system's files of size 0 may hold something. */
    if (S_ISREG(info.st_mode) && !is_stdin && info.st_size > 0)
        mdl_source_init_file(&s->source, s->name, s->fd, (uint64_t)info.st_size);
    else
        mdl_source_init_pipe(&s->source, s->name, mdl_source_descriptor, &s->fd);
    return ENG_OK;
}

static eng_status open_raw(mdl_audio_stream *s, const mdl_audio_options *o, eng_error *err)
{
    if (o->channels < 1 || o->channels > MDL_AUDIO_MAX_CHANNELS)
        return eng_fail(err, ENG_E_USAGE, "%s: raw samples of %zu channels, expected 1 to %d", s->name, o->channels,
                        MDL_AUDIO_MAX_CHANNELS);
    if (!(o->rate >= MDL_PCM_RATE_MIN && o->rate <= MDL_PCM_RATE_MAX && o->rate == floor(o->rate)))
        return eng_fail(err, ENG_E_USAGE, "%s: raw samples at %g Hz, expected a whole number from %d to %d", s->name,
                        o->rate, MDL_PCM_RATE_MIN, MDL_PCM_RATE_MAX);
    s->pcm = (mdl_pcm){o->raw, o->channels, (unsigned)o->rate, s->source.size, true};
    return ENG_OK;
}

/* The header of what ffmpeg writes. What it has to say itself when there is none, goes before. */
static eng_status open_decoded(mdl_audio_stream *s, eng_error *err)
{
    eng_status status = mdl_wav_header(&s->source, &s->pcm, err);
    if (status != ENG_E_FORMAT && status != ENG_E_UNSUPPORTED) return status;
    eng_error other = {ENG_OK, ""};
    eng_status later = ENG_OK;
    char rest[HEAD_SIZE];
    for (size_t got = 1; got && !later;) later = mdl_ffmpeg_read(s->ffmpeg, rest, sizeof rest, &got, &other);
    if (later) later = eng_fail_prefix(&other, "%s", s->name);
    if (!later) later = mdl_ffmpeg_end(s->ffmpeg, &other);
    return later ? eng_fail(err, later, "%s", other.message) : status;
}

/* Has ffmpeg decode what is open, whose beginning is `head`; the source is then what ffmpeg writes. */
static eng_status open_foreign(mdl_audio_stream *s, const void *head, size_t size, const mdl_audio_options *o, eng_error *err)
{
    int spooled = -1;
    mdl_ffmpeg_input input = {s->name, s->source.file, head, size, 0, o->most_decoded};
    /* A playlist is refused before it is waited for. */
    if (input.file < 0 && !mdl_audio_reference_kind(head, size)) {
        eng_status status = mdl_source_spool(&s->source, &spooled, err);
        if (status) return status;
        input.file = spooled;
    }
    eng_status status = mdl_ffmpeg_open(&input, &s->ffmpeg, err);
    if (spooled >= 0) close(spooled);
    if (status) return status;
    mdl_source_fini(&s->source);
    mdl_source_init_pipe(&s->source, s->name, mdl_ffmpeg_read, s->ffmpeg);
    return open_decoded(s, err);
}

/* Finds out what it is. A pipe is waited for no longer than it takes to know a WAV file. */
static eng_status open_audio(mdl_audio_stream *s, const mdl_audio_options *o, eng_error *err)
{
    if (o->raw != MDL_PCM_NONE) return open_raw(s, o, err);
    unsigned char head[HEAD_SIZE];
    size_t size, more = 0;
    eng_status status = mdl_source_take(&s->source, head, WAV_HEAD, &size, err);
    if (!status && size == 0) status = eng_fail(err, ENG_E_FORMAT, "%s: empty, expected audio", s->name);
    if (status) return status;
    if (mdl_wav_detect(head, size)) {
        status = mdl_wav_header(&s->source, &s->pcm, err);
        if (status != ENG_E_UNSUPPORTED) return status; /* else a codec inside WAV that ffmpeg may know */
        status = mdl_source_seek(&s->source, size, err);
    }
    if (!status) status = mdl_source_take(&s->source, head + size, HEAD_SIZE - size, &more, err);
    return status ? status : open_foreign(s, head, size + more, o, err);
}

static eng_status open_rate(mdl_audio_stream *s, eng_error *err)
{
    const mdl_pcm *p = &s->pcm;
    s->info = (mdl_audio_info){.channels = p->channels, .rate = p->rate};
    size_t samples;
    uint64_t own = p->size / mdl_pcm_frame(p);
    if (p->size != UINT64_MAX && !(p->may_end && s->source.file < 0) && own <= SIZE_MAX &&
        mdl_resampled_length((size_t)own, p->rate, MDL_SAMPLE_RATE, &samples)) {
        s->info.samples = samples;
        s->info.exact = s->source.file >= 0;
    }
    if (p->rate == MDL_SAMPLE_RATE) return ENG_OK;
    eng_status status = mdl_resampler_open(p->rate, MDL_SAMPLE_RATE, p->channels, &s->resampler, err);
    if (status) return eng_fail_prefix(err, "%s", s->name);
    s->block = eng_alloc(p->channels * BLOCK, sizeof *s->block);
    if (!s->block) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", s->name);
    for (size_t c = 0; c < p->channels; c++) s->channel[c] = s->block + c * BLOCK;
    return ENG_OK;
}

eng_status mdl_audio_stream_open(const char *path, const mdl_audio_options *options, mdl_audio_stream **out, eng_error *err)
{
    static const mdl_audio_options none = {.raw = MDL_PCM_NONE};
    *out = NULL;
    mdl_audio_stream *s = eng_alloc_zero(1, sizeof *s);
    if (!s) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    eng_status status = open_file(s, path, err);
    if (!status) status = open_audio(s, options ? options : &none, err);
    if (!status) {
        mdl_source_release(&s->source);
        status = mdl_pcm_open(&s->reader, &s->source, &s->pcm, err);
    }
    if (!status) status = open_rate(s, err);
    if (status)
        mdl_audio_stream_close(s);
    else
        *out = s;
    return status;
}

const mdl_audio_info *mdl_audio_stream_info(const mdl_audio_stream *s)
{
    return &s->info;
}

void mdl_audio_stream_close(mdl_audio_stream *s)
{
    if (!s) return;
    mdl_resampler_close(s->resampler);
    mdl_pcm_close(&s->reader);
    mdl_source_fini(&s->source);
    mdl_ffmpeg_close(s->ffmpeg);
    if (s->own_fd && s->fd >= 0) close(s->fd);
    eng_free(s->block);
    eng_free(s->name);
    eng_free(s);
}

/* ---- Reading ---- */

/* The audio is at its end: what else a pipe has is read, so that who writes it is not hindered, and ffmpeg asked how it
 * went. */
static eng_status finish(mdl_audio_stream *s, eng_error *err)
{
    char rest[HEAD_SIZE];
    eng_status status = ENG_OK;
    s->ended = true;
    if (s->source.file < 0)
        for (size_t got = 1; got && !status;) status = mdl_source_read(&s->source, rest, sizeof rest, &got, err);
    if (!status && s->ffmpeg) status = mdl_ffmpeg_end(s->ffmpeg, err);
    if (!status && s->reader.frames == 0) status = eng_fail(err, ENG_E_FORMAT, "%s: holds no samples", s->name);
    return status;
}

/* Gives the resampler more, or tells it that there is none. */
static eng_status feed(mdl_audio_stream *s, eng_error *err)
{
    size_t count;
    eng_status status = mdl_pcm_read(&s->reader, BLOCK, s->channel, &count, err);
    if (!status && count == 0) {
        status = finish(s, err);
        if (!status) mdl_resampler_finish(s->resampler);
    }
    for (size_t at = 0; at < count && !status;) at += mdl_resampler_push(s->resampler, s->channel, at, count - at);
    return status;
}

eng_status mdl_audio_stream_read(mdl_audio_stream *s, size_t most, float *const *channel, size_t *count, eng_error *err)
{
    eng_status status = ENG_OK;
    *count = 0;
    if (!s->resampler) {
        if (s->ended) return ENG_OK;
        status = mdl_pcm_read(&s->reader, most, channel, count, err);
        return !status && *count == 0 ? finish(s, err) : status;
    }
    while (!status) {
        *count = mdl_resampler_pull(s->resampler, channel, 0, most);
        if (*count || s->ended) break;
        status = feed(s, err);
    }
    return status;
}
