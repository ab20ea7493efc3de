/* WAV files to float: the RIFF container (RFC 2361, Microsoft's "Multimedia Programming Interface and Data
 * Specifications 1.0"), RF64/BW64 with its ds64 chunk (EBU Tech 3306, ITU-R BS.2088), WAVE_FORMAT_EXTENSIBLE, and the
 * A-law and mu-law of ITU-T G.711.
 *
 * The chunks are scanned once for `fmt ` and `data`, in whichever order; the scan ends when both are found, so whatever
 * stands behind the audio (tags, garbage) is not looked at. Every number in the file is checked against the size of
 * the file before it is used, so memory is bounded by four times the file (8-bit samples become 32-bit floats). */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/wav.h"

enum { TAG_PCM = 1, TAG_FLOAT = 3, TAG_ALAW = 6, TAG_MULAW = 7, TAG_EXTENSIBLE = 0xFFFE };
enum { RATE_MIN = 100, RATE_MAX = 768000 }; /* Hz: outside of it the header is damaged, not the recording unusual */
enum { STRIDE_UNIT = 16 };                  /* channels start at multiples of 64 bytes */

static const uint32_t SIZE_UNKNOWN = 0xFFFFFFFF;
static const uint32_t SIZE_UNKNOWN_SOX = 0x7FFFF000; /* what sox writes when it cannot seek back */

typedef struct wav_reader {
    const char *name;
    const unsigned char *bytes;
    size_t size;
    bool is_64; /* RF64 or BW64 */
    uint64_t riff_size;
    uint64_t ds64_data_size;
    bool has_ds64, has_fmt, has_data;
    size_t fmt, fmt_size;   /* where the chunk's body is */
    size_t data, data_size; /* data_size: bytes really there */
} wav_reader;

typedef struct wav_format {
    unsigned tag, channels, rate, block_align, bits;
} wav_format;

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
    return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

int mdl_wav_detect(const void *bytes, size_t size)
{
    const char *p = bytes;
    if (size < 12 || memcmp(p + 8, "WAVE", 4) != 0) return 0;
    return memcmp(p, "RIFF", 4) == 0 || memcmp(p, "RF64", 4) == 0 || memcmp(p, "BW64", 4) == 0;
}

/* A chunk's name for a message: its four characters where they are printable, else '?'. */
static void chunk_name(const unsigned char *id, char out[5])
{
    for (int i = 0; i < 4; i++) out[i] = id[i] >= 0x20 && id[i] < 0x7F ? (char)id[i] : '?';
    out[4] = 0;
}

/* ---- Chunks ---- */

/* How many bytes of audio there are, given the size that the data chunk declares and what is left of the file. */
static eng_status data_extent(wav_reader *r, uint32_t declared32, size_t left, eng_error *err)
{
    uint64_t declared = declared32;
    bool unknown = declared32 == SIZE_UNKNOWN || declared32 == 0;
    if (r->is_64 && declared32 == SIZE_UNKNOWN) {
        if (!r->has_ds64)
            return eng_fail(err, ENG_E_FORMAT, "%s: RF64/BW64 file without the ds64 chunk that holds its data size",
                            r->name);
        declared = r->ds64_data_size;
        unknown = declared == 0 || declared >= UINT64_MAX - 0xFF; /* a pipe's ds64 */
    }
    /* Size 0 with a RIFF size that fits the file was meant: an empty recording with something behind it. */
    if (declared == 0 && r->riff_size + 8 == r->size) unknown = false;
    if (declared32 == SIZE_UNKNOWN_SOX && declared > left) unknown = true;
    if (unknown) declared = left;
    if (declared > left)
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: truncated: the data chunk declares %llu bytes of audio, the file holds %zu: %llu bytes "
                        "are missing",
                        r->name, (unsigned long long)declared, left, (unsigned long long)(declared - left));
    r->data_size = (size_t)declared;
    return ENG_OK;
}

/* Notes the chunk whose 8-byte header is at `at`; *next is where the following one begins. */
static eng_status take_chunk(wav_reader *r, size_t at, size_t *next, eng_error *err)
{
    const unsigned char *id = r->bytes + at;
    uint32_t declared = get32(id + 4);
    size_t body = at + 8, left = r->size - body;
    if (memcmp(id, "data", 4) == 0) {
        eng_status status = data_extent(r, declared, left, err);
        if (status) return status;
        r->has_data = true;
        r->data = body;
        *next = body + r->data_size + (r->data_size & 1);
        return ENG_OK;
    }
    if (declared > left) {
        char text[5];
        chunk_name(id, text);
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: truncated: chunk '%s' at byte %zu declares %lu bytes, the file holds %zu: %lu bytes are "
                        "missing",
                        r->name, text, at, (unsigned long)declared, left, (unsigned long)(declared - left));
    }
    if (memcmp(id, "fmt ", 4) == 0) {
        if (r->has_fmt) return eng_fail(err, ENG_E_FORMAT, "%s: two fmt chunks, expected one", r->name);
        r->has_fmt = true;
        r->fmt = body;
        r->fmt_size = declared;
    } else if (memcmp(id, "ds64", 4) == 0 && r->is_64) {
        if (declared < 24)
            return eng_fail(err, ENG_E_FORMAT, "%s: ds64 chunk of %lu bytes, expected at least 24", r->name,
                            (unsigned long)declared);
        r->has_ds64 = true;
        r->riff_size = get64(r->bytes + body);
        r->ds64_data_size = get64(r->bytes + body + 8);
    }
    *next = body + declared + (declared & 1);
    return ENG_OK;
}

static eng_status find_chunks(wav_reader *r, eng_error *err)
{
    r->is_64 = memcmp(r->bytes, "RIFF", 4) != 0;
    r->riff_size = get32(r->bytes + 4);
    size_t at = 12;
    while (!(r->has_fmt && r->has_data)) {
        if (at >= r->size || r->size - at < 8) {
            const char *what = r->has_fmt ? "data" : r->has_data ? "fmt" : "fmt and no data";
            return eng_fail(err, ENG_E_FORMAT, "%s: no %s chunk in this WAV file of %zu bytes (truncated?)", r->name,
                            what, r->size);
        }
        eng_status status = take_chunk(r, at, &at, err);
        if (status) return status;
    }
    return ENG_OK;
}

/* ---- Format ---- */

/* The codec that hides behind WAVE_FORMAT_EXTENSIBLE: the first two bytes of its subformat GUID. */
static eng_status read_extensible(const wav_reader *r, wav_format *f, eng_error *err)
{
    static const unsigned char guid_tail[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
    const unsigned char *p = r->bytes + r->fmt;
    if (r->fmt_size < 40)
        return eng_fail(err, ENG_E_FORMAT, "%s: WAVE_FORMAT_EXTENSIBLE needs a fmt chunk of 40 bytes, found %zu",
                        r->name, r->fmt_size);
    if (memcmp(p + 26, guid_tail, sizeof guid_tail) != 0)
        return eng_fail(err, ENG_E_UNSUPPORTED, "%s: WAVE_FORMAT_EXTENSIBLE with a subformat that is not known here",
                        r->name);
    /* Fewer valid bits than the container has are its upper ones (the rest is zero), so they need no care: samples are
     * scaled by the container. */
    unsigned valid = get16(p + 18);
    if (valid > f->bits)
        return eng_fail(err, ENG_E_FORMAT, "%s: %u valid bits in samples of %u bits", r->name, valid, f->bits);
    f->tag = get16(p + 24);
    return ENG_OK;
}

/* Which sample sizes each codec has; whole bytes are read, so 12 or 20 bits stand in the upper part of 16 or 24. */
static eng_status check_bits(const wav_reader *r, const wav_format *f, eng_error *err)
{
    switch (f->tag) {
    case TAG_PCM:
        if (f->bits >= 1 && f->bits <= 32) return ENG_OK;
        return eng_fail(err, ENG_E_FORMAT, "%s: PCM samples of %u bits, expected 8, 16, 24 or 32", r->name, f->bits);
    case TAG_FLOAT:
        if (f->bits == 32 || f->bits == 64) return ENG_OK;
        return eng_fail(err, ENG_E_FORMAT, "%s: float samples of %u bits, expected 32 or 64", r->name, f->bits);
    case TAG_ALAW:
    case TAG_MULAW:
        if (f->bits == 8) return ENG_OK;
        return eng_fail(err, ENG_E_FORMAT, "%s: %s samples of %u bits, expected 8", r->name,
                        f->tag == TAG_ALAW ? "A-law" : "mu-law", f->bits);
    default:
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: WAV codec 0x%04X; PCM, float, A-law and mu-law are read without ffmpeg", r->name, f->tag);
    }
}

static eng_status read_format(const wav_reader *r, wav_format *f, eng_error *err)
{
    const unsigned char *p = r->bytes + r->fmt;
    if (r->fmt_size < 16)
        return eng_fail(err, ENG_E_FORMAT, "%s: fmt chunk of %zu bytes, expected at least 16", r->name, r->fmt_size);
    *f = (wav_format){get16(p), get16(p + 2), get32(p + 4), get16(p + 12), get16(p + 14)};
    if (f->tag == TAG_EXTENSIBLE) {
        eng_status status = read_extensible(r, f, err);
        if (status) return status;
    }
    if (f->channels < 1 || f->channels > MDL_AUDIO_MAX_CHANNELS)
        return eng_fail(err, ENG_E_FORMAT, "%s: %u channels, expected 1 to %d", r->name, f->channels,
                        MDL_AUDIO_MAX_CHANNELS);
    if (f->rate < RATE_MIN || f->rate > RATE_MAX)
        return eng_fail(err, ENG_E_FORMAT, "%s: sample rate of %u Hz, expected %d to %d", r->name, f->rate, RATE_MIN,
                        RATE_MAX);
    eng_status status = check_bits(r, f, err);
    if (status) return status;
    unsigned expected = f->channels * ((f->bits + 7) / 8);
    if (f->block_align != expected)
        return eng_fail(err, ENG_E_FORMAT, "%s: block align of %u bytes; %u channel%s of %u bits need %u", r->name,
                        f->block_align, f->channels, f->channels == 1 ? "" : "s", f->bits, expected);
    return ENG_OK;
}

/* ---- Samples ---- */

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

/* One channel: count samples, step bytes apart. */
static void decode_pcm(const unsigned char *p, size_t step, size_t bytes, float *out, size_t count)
{
    switch (bytes) {
    case 1:
        for (size_t i = 0; i < count; i++) out[i] = (float)((int)p[i * step] - 128) / 128.0f;
        break;
    case 2:
        for (size_t i = 0; i < count; i++) out[i] = (float)(int16_t)get16(p + i * step) / 32768.0f;
        break;
    case 3:
        for (size_t i = 0; i < count; i++) {
            const unsigned char *s = p + i * step;
            uint32_t upper = (uint32_t)get16(s) << 8 | (uint32_t)s[2] << 24;
            out[i] = (float)((int32_t)upper / 256) / 8388608.0f;
        }
        break;
    default:
        for (size_t i = 0; i < count; i++) out[i] = (float)(int32_t)get32(p + i * step) / 2147483648.0f;
        break;
    }
}

static void decode_float(const unsigned char *p, size_t step, size_t bytes, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes == 4) {
            uint32_t bits = get32(p + i * step);
            memcpy(&out[i], &bits, sizeof bits);
        } else {
            uint64_t bits = get64(p + i * step);
            double value;
            memcpy(&value, &bits, sizeof bits);
            out[i] = (float)value;
        }
    }
}

static void decode_g711(const unsigned char *p, size_t step, bool alaw, float *out, size_t count)
{
    float table[256];
    for (unsigned i = 0; i < 256; i++) table[i] = alaw ? decode_alaw(i) : decode_mulaw(i);
    for (size_t i = 0; i < count; i++) out[i] = table[p[i * step]];
}

static eng_status decode_samples(const wav_reader *r, const wav_format *f, mdl_audio *a, eng_error *err)
{
    size_t bytes = (f->bits + 7) / 8;
    for (size_t c = 0; c < a->channels; c++) {
        const unsigned char *p = r->bytes + r->data + c * bytes;
        float *out = a->data + c * a->stride;
        if (f->tag == TAG_PCM)
            decode_pcm(p, f->block_align, bytes, out, a->samples);
        else if (f->tag == TAG_FLOAT)
            decode_float(p, f->block_align, bytes, out, a->samples);
        else
            decode_g711(p, f->block_align, f->tag == TAG_ALAW, out, a->samples);
        if (f->tag != TAG_FLOAT) continue;
        for (size_t i = 0; i < a->samples; i++)
            if (!isfinite(out[i]))
                return eng_fail(err, ENG_E_FORMAT, "%s: sample %zu of channel %zu is not finite", r->name, i, c);
    }
    return ENG_OK;
}

eng_status mdl_wav_decode(const char *name, const void *bytes, size_t size, mdl_audio *out, eng_error *err)
{
    *out = (mdl_audio){0};
    if (!mdl_wav_detect(bytes, size))
        return eng_fail(err, ENG_E_FORMAT, "%s: not a WAV file: it does not begin with RIFF, RF64 or BW64 and WAVE",
                        name);
    wav_reader r = {.name = name, .bytes = bytes, .size = size};
    wav_format f = {0};
    eng_status status = find_chunks(&r, err);
    if (status) return status;
    status = read_format(&r, &f, err);
    if (status) return status;

    /* An incomplete last frame is dropped: a recorder that was killed leaves one. */
    mdl_audio a = {.channels = f.channels, .samples = r.data_size / f.block_align, .rate = f.rate};
    size_t count;
    if (!eng_add_size(a.samples, STRIDE_UNIT - 1, &a.stride)) return eng_fail(err, ENG_E_MEMORY, "%s: too long", name);
    a.stride -= a.stride % STRIDE_UNIT;
    if (!eng_mul_size(a.stride, a.channels, &count)) return eng_fail(err, ENG_E_MEMORY, "%s: too long", name);
    a.data = eng_alloc(count, sizeof *a.data);
    if (!a.data)
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu samples of %zu channels", name, a.samples,
                        a.channels);
    status = decode_samples(&r, &f, &a, err);
    if (status)
        mdl_audio_free(&a);
    else
        *out = a;
    return status;
}
