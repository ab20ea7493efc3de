#include "model/audio/pcm.h"

#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/bytes.h"

enum { BLOCK = 1 << 16 }; /* bytes; more than any frame has */

static const struct {
    const char *name;
    size_t bytes;
} formats[] = {
    [MDL_PCM_NONE] = {"", 0},       [MDL_PCM_U8] = {"u8", 1},       [MDL_PCM_S16] = {"s16le", 2},
    [MDL_PCM_S24] = {"s24le", 3},   [MDL_PCM_S32] = {"s32le", 4},   [MDL_PCM_F32] = {"f32le", 4},
    [MDL_PCM_F64] = {"f64le", 8},   [MDL_PCM_MULAW] = {"mulaw", 1}, [MDL_PCM_ALAW] = {"alaw", 1},
};

mdl_pcm_format mdl_pcm_named(const char *name)
{
    for (int i = MDL_PCM_U8; i <= MDL_PCM_ALAW; i++)
        if (strcmp(name, formats[i].name) == 0) return (mdl_pcm_format)i;
    return MDL_PCM_NONE;
}

size_t mdl_pcm_frame(const mdl_pcm *p)
{
    return p->channels * formats[p->format].bytes;
}

/* ---- One channel: count samples, step bytes apart ---- */

/* G.711: sign, 3-bit exponent, 4-bit mantissa; the results are on the 16-bit scale that everybody uses. */
static float decode_mulaw(unsigned code)
{
    code = ~code & 0xFF;
    int magnitude = (int)((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84;
    return (float)(code & 0x80 ? -magnitude : magnitude) / 32768.0f;
}

static float decode_alaw(unsigned code)
{
    code ^= 0x55;
    unsigned exponent = code >> 4 & 7, mantissa = (code & 0x0F) << 4;
    int magnitude = (int)(exponent ? (mantissa + 0x108) << (exponent - 1) : mantissa + 8);
    return (float)(code & 0x80 ? magnitude : -magnitude) / 32768.0f;
}

static void decode_integers(const unsigned char *p, size_t step, size_t bytes, float *out, size_t count)
{
    switch (bytes) {
    case 1:
        for (size_t i = 0; i < count; i++) out[i] = (float)((int)p[i * step] - 128) / 128.0f;
        break;
    case 2:
        for (size_t i = 0; i < count; i++) out[i] = (float)(int16_t)mdl_get16(p + i * step) / 32768.0f;
        break;
    case 3:
        for (size_t i = 0; i < count; i++) {
            const unsigned char *s = p + i * step;
            uint32_t upper = (uint32_t)mdl_get16(s) << 8 | (uint32_t)s[2] << 24;
            out[i] = (float)((int32_t)upper / 256) / 8388608.0f;
        }
        break;
    default:
        for (size_t i = 0; i < count; i++) out[i] = (float)(int32_t)mdl_get32(p + i * step) / 2147483648.0f;
        break;
    }
}

static void decode_floats(const unsigned char *p, size_t step, size_t bytes, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes == 4) {
            uint32_t bits = mdl_get32(p + i * step);
            memcpy(&out[i], &bits, sizeof bits);
        } else {
            uint64_t bits = mdl_get64(p + i * step);
            double value;
            memcpy(&value, &bits, sizeof bits);
            out[i] = (float)value;
        }
    }
}

/* ---- Reading ---- */

eng_status mdl_pcm_open(mdl_pcm_reader *r, mdl_source *source, const mdl_pcm *pcm, eng_error *err)
{
    *r = (mdl_pcm_reader){.source = source, .pcm = *pcm, .left = pcm->size};
    r->block = eng_alloc(BLOCK, 1);
    if (!r->block) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", source->name);
    for (unsigned i = 0; i < 256; i++) r->g711[i] = pcm->format == MDL_PCM_ALAW ? decode_alaw(i) : decode_mulaw(i);
    return ENG_OK;
}

void mdl_pcm_close(mdl_pcm_reader *r)
{
    eng_free(r->block);
    r->block = NULL;
}

/* Takes more bytes to the block, in which less than a frame is; *got 0 at the end of the audio. */
static eng_status fill(mdl_pcm_reader *r, size_t *got, eng_error *err)
{
    memmove(r->block, r->block + r->begin, r->have);
    r->begin = 0;
    size_t room = BLOCK - r->have;
    if (room > r->left) room = (size_t)r->left;
    *got = 0;
    if (room == 0) return ENG_OK;
    eng_status status = mdl_source_read(r->source, r->block + r->have, room, got, err);
    if (status) return status;
    if (*got == 0 && r->pcm.size != UINT64_MAX && !r->pcm.may_end)
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: truncated: the data chunk declares %llu bytes of audio, the file holds %llu: %llu bytes are "
                        "missing",
                        r->source->name, (unsigned long long)r->pcm.size, (unsigned long long)(r->pcm.size - r->left),
                        (unsigned long long)r->left);
    r->have += *got;
    if (r->left != UINT64_MAX) r->left -= *got;
    return ENG_OK;
}

static eng_status decode(const mdl_pcm_reader *r, size_t count, float *const *channel, eng_error *err)
{
    mdl_pcm_format format = r->pcm.format;
    size_t bytes = formats[format].bytes, step = bytes * r->pcm.channels;
    for (size_t c = 0; c < r->pcm.channels; c++) {
        const unsigned char *p = r->block + r->begin + c * bytes;
        float *out = channel[c];
        if (format == MDL_PCM_MULAW || format == MDL_PCM_ALAW) {
            for (size_t i = 0; i < count; i++) out[i] = r->g711[p[i * step]];
        } else if (format == MDL_PCM_F32 || format == MDL_PCM_F64) {
            decode_floats(p, step, bytes, out, count);
            for (size_t i = 0; i < count; i++)
                if (!isfinite(out[i]))
                    return eng_fail(err, ENG_E_FORMAT, "%s: sample %llu of channel %zu is not finite", r->source->name,
                                    (unsigned long long)(r->frames + i), c);
        } else {
            decode_integers(p, step, bytes, out, count);
        }
    }
    return ENG_OK;
}

eng_status mdl_pcm_read(mdl_pcm_reader *r, size_t most, float *const *channel, size_t *count, eng_error *err)
{
    size_t frame = mdl_pcm_frame(&r->pcm);
    *count = 0;
    while (r->have < frame) {
        size_t got;
        eng_status status = fill(r, &got, err);
        if (status || got == 0) return status;
    }
    size_t frames = r->have / frame;
    if (frames > most) frames = most;
    eng_status status = decode(r, frames, channel, err);
    if (status) return status;
    r->begin += frames * frame;
    r->have -= frames * frame;
    r->frames += frames;
    *count = frames;
    return ENG_OK;
}
