/* A whole recording: a stream read to its end. */
#include "model/audio/audio.h"

#include <string.h>

#include "engine/memory.h"
#include "model/audio/stream.h"

enum { STRIDE_UNIT = 16, FIRST_ROOM = 1 << 18, STEP = 1 << 16 };
/* Bytes that ffmpeg may write: 6 hours of 48 kHz stereo; more is a decompression bomb. */
static const uint64_t DECODED_MAX = UINT64_C(8) << 30;

/* Gives each channel room for `room` samples, rounded up. */
static eng_status make_room(mdl_audio *a, size_t room, const char *name, eng_error *err)
{
    size_t stride, count;
    if (!eng_add_size(room, STRIDE_UNIT - 1, &stride)) return eng_fail(err, ENG_E_MEMORY, "%s: too long", name);
    stride -= stride % STRIDE_UNIT;
    if (!eng_mul_size(stride, a->channels, &count)) return eng_fail(err, ENG_E_MEMORY, "%s: too long", name);
    float *data = eng_alloc(count, sizeof *data);
    if (!data)
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu samples of %zu channels", name, stride, a->channels);
    for (size_t c = 0; c < a->channels && a->samples; c++)
        memcpy(data + c * stride, a->data + c * a->stride, a->samples * sizeof *data);
    eng_free(a->data);
    a->data = data;
    a->stride = stride;
    return ENG_OK;
}

static eng_status read_all(mdl_audio_stream *s, const char *name, mdl_audio *a, eng_error *err)
{
    const mdl_audio_info *info = mdl_audio_stream_info(s);
    size_t room = info->exact && info->samples <= SIZE_MAX ? (size_t)info->samples : FIRST_ROOM;
    float rest[MDL_AUDIO_MAX_CHANNELS]; /* what an exact length leaves no room for is an end to be met */
    eng_status status = make_room(a, room, name, err);
    for (size_t got = 1; got && !status; a->samples += got) {
        float *channel[MDL_AUDIO_MAX_CHANNELS];
        if (!info->exact && a->stride - a->samples < STEP) status = make_room(a, a->stride + a->stride / 2, name, err);
        if (status) break;
        size_t left = a->stride - a->samples;
        for (size_t c = 0; c < a->channels; c++) channel[c] = left ? a->data + c * a->stride + a->samples : &rest[c];
        status = mdl_audio_stream_read(s, left ? left : 1, channel, &got, err);
        if (!status && got > left) status = eng_fail(err, ENG_E_FORMAT, "%s: more audio than its header says", name);
    }
    if (!status && a->stride - a->samples >= STRIDE_UNIT) status = make_room(a, a->samples, name, err);
    return status;
}

eng_status mdl_audio_read(const char *path, mdl_audio *out, eng_error *err)
{
    return mdl_audio_read_as(path, &(mdl_audio_options){.raw = MDL_PCM_NONE}, out, err);
}

eng_status mdl_audio_read_as(const char *path, const mdl_audio_options *options, mdl_audio *out, eng_error *err)
{
    *out = (mdl_audio){0};
    mdl_audio_options o = *options;
    mdl_audio_stream *s;
    if (!o.most_decoded) o.most_decoded = DECODED_MAX;
    eng_status status = mdl_audio_stream_open(path, &o, &s, err);
    if (status) return status;
    mdl_audio a = {.channels = mdl_audio_stream_info(s)->channels, .rate = MDL_SAMPLE_RATE};
    status = read_all(s, strcmp(path, "-") == 0 ? "standard input" : path, &a, err);
    mdl_audio_stream_close(s);
    if (status)
        mdl_audio_free(&a);
    else
        *out = a;
    return status;
}
