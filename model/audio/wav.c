/* WAV files to float: the RIFF container (RFC 2361, Microsoft's "Multimedia Programming Interface and Data
 * Specifications 1.0"), RF64/BW64 with its ds64 chunk (EBU Tech 3306, ITU-R BS.2088), WAVE_FORMAT_EXTENSIBLE.
 *
 * The chunks are scanned once for `fmt ` and `data`, in whichever order; the scan ends when both are found, so whatever
 * stands behind the audio (tags, garbage) is not looked at. Every number in the file is checked against the size of
 * the file before it is used; the size of a pipe is known at its end only, and there it is checked. */
#include "model/audio/wav.h"

#include <stdbool.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/bytes.h"

enum { TAG_PCM = 1, TAG_FLOAT = 3, TAG_ALAW = 6, TAG_MULAW = 7, TAG_EXTENSIBLE = 0xFFFE };
/* Outside of MDL_PCM_RATE_MIN and _MAX the header is damaged, not the recording unusual. */
enum { RATE_MIN = MDL_PCM_RATE_MIN, RATE_MAX = MDL_PCM_RATE_MAX };
enum { STRIDE_UNIT = 16 };   /* channels start at multiples of 64 bytes */
enum { FMT_SIZE = 40 };      /* as much of the fmt chunk as is looked at */
enum { EMPTY_LOOK = 1 << 16 }; /* bytes of a pipe behind a data chunk of size 0 that are read to tell what that means */

static const uint32_t SIZE_UNKNOWN = 0xFFFFFFFF;
/* What sox and arecord (old and new) write when they cannot seek back. */
static const uint32_t SIZES_ENDLESS[] = {0x7FFFF000, 0x7FFFFF00, 0x80000000};

typedef struct wav_reader {
    mdl_source *source;
    bool is_64; /* RF64 or BW64 */
    uint64_t riff_size;
    uint64_t ds64_data_size;
    bool has_ds64, has_fmt, has_data;
    unsigned char fmt[FMT_SIZE];
    size_t fmt_size;          /* declared */
    uint64_t data, data_size; /* where the chunk's body is; bytes, UINT64_MAX: to the end */
    bool may_end;
} wav_reader;

typedef struct wav_format {
    unsigned tag, channels, rate, block_align, bits;
} wav_format;

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

static eng_status fail_truncated(const wav_reader *r, uint64_t declared, uint64_t left, eng_error *err)
{
    return eng_fail(err, ENG_E_FORMAT,
                    "%s: truncated: the data chunk declares %llu bytes of audio, the file holds %llu: %llu bytes are "
                    "missing",
                    r->source->name, (unsigned long long)declared, (unsigned long long)left,
                    (unsigned long long)(declared - left));
}

static bool endless(uint32_t declared)
{
    for (size_t i = 0; i < sizeof SIZES_ENDLESS / sizeof *SIZES_ENDLESS; i++)
        if (declared == SIZES_ENDLESS[i]) return true;
    return false;
}

/* How many bytes of audio there are, given the size that the data chunk declares. Of a pipe only as much is read as it
 * takes to know: all of the audio when the fmt chunk is yet to come, and what shows whether a size of 0 was meant. */
static eng_status data_extent(wav_reader *r, uint32_t declared32, eng_error *err)
{
    mdl_source *s = r->source;
    uint64_t declared = declared32;
    r->may_end = endless(declared32);
    bool unknown = declared32 == SIZE_UNKNOWN || declared32 == 0 || r->may_end;
    if (r->is_64 && declared32 == SIZE_UNKNOWN) {
        if (!r->has_ds64)
            return eng_fail(err, ENG_E_FORMAT, "%s: RF64/BW64 file without the ds64 chunk that holds its data size",
                            s->name);
        declared = r->ds64_data_size;
        unknown = declared == 0 || declared >= UINT64_MAX - 0xFF; /* a pipe's ds64 */
    }
    eng_status status = ENG_OK;
    uint64_t riff_end = r->riff_size < UINT64_MAX - 8 ? r->riff_size + 8 : UINT64_MAX;
    if (!r->has_fmt)
        status = mdl_source_reach(s, unknown || declared > UINT64_MAX - r->data ? UINT64_MAX : r->data + declared, err);
    else if (declared == 0 && riff_end >= r->data && riff_end - r->data < EMPTY_LOOK)
        status = mdl_source_reach(s, riff_end + 1, err);
    if (status) return status;

    /* Size 0 with a RIFF size that fits the file was meant: an empty recording with something behind it. */
    if ((declared == 0 || r->may_end) && riff_end == s->size) unknown = false;
    uint64_t left = s->size == UINT64_MAX ? UINT64_MAX : s->size - r->data;
    if (unknown) declared = left;
    if (declared > left) return fail_truncated(r, declared, left, err);
    r->data_size = declared;
    return ENG_OK;
}

/* Reads the body of a chunk that is looked at. */
static eng_status take_body(wav_reader *r, const unsigned char *id, uint32_t declared, eng_error *err)
{
    mdl_source *s = r->source;
    size_t got;
    if (memcmp(id, "fmt ", 4) == 0) {
        if (r->has_fmt) return eng_fail(err, ENG_E_FORMAT, "%s: two fmt chunks, expected one", s->name);
        r->has_fmt = true;
        r->fmt_size = declared;
        return mdl_source_take(s, r->fmt, declared < FMT_SIZE ? declared : FMT_SIZE, &got, err);
    }
    if (memcmp(id, "ds64", 4) != 0 || !r->is_64) return ENG_OK;
    if (declared < 24)
        return eng_fail(err, ENG_E_FORMAT, "%s: ds64 chunk of %lu bytes, expected at least 24", s->name,
                        (unsigned long)declared);
    unsigned char body[16];
    eng_status status = mdl_source_take(s, body, sizeof body, &got, err);
    if (status) return status;
    r->has_ds64 = true;
    r->riff_size = mdl_get64(body);
    r->ds64_data_size = mdl_get64(body + 8);
    return ENG_OK;
}

/* Notes the chunk at `at` with that 8-byte header; *next is where the following one begins. */
static eng_status take_chunk(wav_reader *r, const unsigned char *header, uint64_t at, uint64_t *next, eng_error *err)
{
    mdl_source *s = r->source;
    uint32_t declared = mdl_get32(header + 4);
    uint64_t body = at + 8;
    if (memcmp(header, "data", 4) == 0) {
        r->data = body;
        eng_status status = data_extent(r, declared, err);
        if (status) return status;
        r->has_data = true;
        *next = r->data_size == UINT64_MAX ? UINT64_MAX : body + r->data_size + (r->data_size & 1);
        return ENG_OK;
    }
    eng_status status = mdl_source_reach(s, body + declared, err);
    if (status) return status;
    if (s->size != UINT64_MAX && declared > s->size - body) {
        char text[5];
        uint64_t left = s->size - body;
        chunk_name(header, text);
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: truncated: chunk '%s' at byte %llu declares %lu bytes, the file holds %llu: %llu bytes are "
                        "missing",
                        s->name, text, (unsigned long long)at, (unsigned long)declared, (unsigned long long)left,
                        (unsigned long long)(declared - left));
    }
    *next = body + declared + (declared & 1);
    return take_body(r, header, declared, err);
}

static eng_status find_chunks(wav_reader *r, eng_error *err)
{
    mdl_source *s = r->source;
    uint64_t at = 12;
    while (!(r->has_fmt && r->has_data)) {
        unsigned char header[8];
        size_t got = 0;
        eng_status status = mdl_source_seek(s, at, err);
        if (!status) status = mdl_source_take(s, header, sizeof header, &got, err);
        if (status) return status;
        if (got < sizeof header) {
            const char *what = r->has_fmt ? "data" : r->has_data ? "fmt" : "fmt and no data";
            return eng_fail(err, ENG_E_FORMAT, "%s: no %s chunk in this WAV file of %llu bytes (truncated?)", s->name,
                            what, (unsigned long long)s->size);
        }
        status = take_chunk(r, header, at, &at, err);
        if (status) return status;
    }
    return ENG_OK;
}

/* ---- Format ---- */

/* The codec that hides behind WAVE_FORMAT_EXTENSIBLE: the first two bytes of its subformat GUID. */
static eng_status read_extensible(const wav_reader *r, wav_format *f, eng_error *err)
{
    static const unsigned char guid_tail[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
    const unsigned char *p = r->fmt;
    if (r->fmt_size < 40)
        return eng_fail(err, ENG_E_FORMAT, "%s: WAVE_FORMAT_EXTENSIBLE needs a fmt chunk of 40 bytes, found %zu",
                        r->source->name, r->fmt_size);
    if (memcmp(p + 26, guid_tail, sizeof guid_tail) != 0)
        return eng_fail(err, ENG_E_UNSUPPORTED, "%s: WAVE_FORMAT_EXTENSIBLE with a subformat that is not known here",
                        r->source->name);
    /* Fewer valid bits than the container has are its upper ones (the rest is zero), so they need no care: samples are
     * scaled by the container. */
    unsigned valid = mdl_get16(p + 18);
    if (valid > f->bits)
        return eng_fail(err, ENG_E_FORMAT, "%s: %u valid bits in samples of %u bits", r->source->name, valid, f->bits);
    f->tag = mdl_get16(p + 24);
    return ENG_OK;
}

/* Which sample sizes each codec has; whole bytes are read, so 12 or 20 bits stand in the upper part of 16 or 24. */
static eng_status check_bits(const wav_reader *r, const wav_format *f, eng_error *err)
{
    switch (f->tag) {
    case TAG_PCM:
        if (f->bits >= 1 && f->bits <= 32) return ENG_OK;
        return eng_fail(err, ENG_E_FORMAT, "%s: PCM samples of %u bits, expected 8, 16, 24 or 32", r->source->name, f->bits);
    case TAG_FLOAT:
        if (f->bits == 32 || f->bits == 64) return ENG_OK;
        return eng_fail(err, ENG_E_FORMAT, "%s: float samples of %u bits, expected 32 or 64", r->source->name, f->bits);
    case TAG_ALAW:
    case TAG_MULAW:
        if (f->bits == 8) return ENG_OK;
        return eng_fail(err, ENG_E_FORMAT, "%s: %s samples of %u bits, expected 8", r->source->name,
                        f->tag == TAG_ALAW ? "A-law" : "mu-law", f->bits);
    default:
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: WAV codec 0x%04X; PCM, float, A-law and mu-law are read without ffmpeg", r->source->name, f->tag);
    }
}

static eng_status read_format(const wav_reader *r, wav_format *f, eng_error *err)
{
    const unsigned char *p = r->fmt;
    if (r->fmt_size < 16)
        return eng_fail(err, ENG_E_FORMAT, "%s: fmt chunk of %zu bytes, expected at least 16", r->source->name, r->fmt_size);
    *f = (wav_format){mdl_get16(p), mdl_get16(p + 2), mdl_get32(p + 4), mdl_get16(p + 12), mdl_get16(p + 14)};
    if (f->tag == TAG_EXTENSIBLE) {
        eng_status status = read_extensible(r, f, err);
        if (status) return status;
    }
    if (f->channels < 1 || f->channels > MDL_AUDIO_MAX_CHANNELS)
        return eng_fail(err, ENG_E_FORMAT, "%s: %u channels, expected 1 to %d", r->source->name, f->channels,
                        MDL_AUDIO_MAX_CHANNELS);
    if (f->rate < RATE_MIN || f->rate > RATE_MAX)
        return eng_fail(err, ENG_E_FORMAT, "%s: sample rate of %u Hz, expected %d to %d", r->source->name, f->rate, RATE_MIN,
                        RATE_MAX);
    eng_status status = check_bits(r, f, err);
    if (status) return status;
    unsigned expected = f->channels * ((f->bits + 7) / 8);
    if (f->block_align != expected)
        return eng_fail(err, ENG_E_FORMAT, "%s: block align of %u bytes; %u channel%s of %u bits need %u", r->source->name,
                        f->block_align, f->channels, f->channels == 1 ? "" : "s", f->bits, expected);
    return ENG_OK;
}

static mdl_pcm_format sample_format(const wav_format *f)
{
    static const mdl_pcm_format integers[] = {MDL_PCM_NONE, MDL_PCM_U8, MDL_PCM_S16, MDL_PCM_S24, MDL_PCM_S32};
    switch (f->tag) {
    case TAG_PCM: return integers[(f->bits + 7) / 8];
    case TAG_FLOAT: return f->bits == 32 ? MDL_PCM_F32 : MDL_PCM_F64;
    default: return f->tag == TAG_ALAW ? MDL_PCM_ALAW : MDL_PCM_MULAW;
    }
}

/* ---- Together ---- */

eng_status mdl_wav_header(mdl_source *source, mdl_pcm *out, eng_error *err)
{
    unsigned char head[12];
    size_t got = 0;
    wav_reader r = {.source = source};
    wav_format f = {0};
    eng_status status = mdl_source_seek(source, 0, err);
    if (!status) status = mdl_source_take(source, head, sizeof head, &got, err);
    if (status) return status;
    if (!mdl_wav_detect(head, got))
        return eng_fail(err, ENG_E_FORMAT, "%s: not a WAV file: it does not begin with RIFF, RF64 or BW64 and WAVE",
                        source->name);
    r.is_64 = memcmp(head, "RIFF", 4) != 0;
    r.riff_size = mdl_get32(head + 4);
    status = find_chunks(&r, err);
    if (!status) status = read_format(&r, &f, err);
    if (!status) status = mdl_source_seek(source, r.data, err);
    if (status) return status;
    *out = (mdl_pcm){sample_format(&f), f.channels, f.rate, r.data_size, r.may_end};
    return ENG_OK;
}

/* All of it to a, whose rate, channels and number of samples are known. */
static eng_status read_all(mdl_pcm_reader *reader, mdl_audio *a, eng_error *err)
{
    const char *name = reader->source->name;
    size_t count;
    if (!eng_add_size(a->samples, STRIDE_UNIT - 1, &a->stride)) return eng_fail(err, ENG_E_MEMORY, "%s: too long", name);
    a->stride -= a->stride % STRIDE_UNIT;
    if (!eng_mul_size(a->stride, a->channels, &count)) return eng_fail(err, ENG_E_MEMORY, "%s: too long", name);
    a->data = eng_alloc(count, sizeof *a->data);
    if (!a->data)
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu samples of %zu channels", name, a->samples,
                        a->channels);
    eng_status status = ENG_OK;
    for (size_t at = 0, got = 1; got && at < a->samples && !status; at += got) {
        float *channel[MDL_AUDIO_MAX_CHANNELS];
        for (size_t c = 0; c < a->channels; c++) channel[c] = a->data + c * a->stride + at;
        status = mdl_pcm_read(reader, a->samples - at, channel, &got, err);
    }
    return status;
}

eng_status mdl_wav_decode(const char *name, const void *bytes, size_t size, mdl_audio *out, eng_error *err)
{
    *out = (mdl_audio){0};
    mdl_source source;
    mdl_pcm pcm;
    mdl_source_init_memory(&source, name, bytes, size);
    eng_status status = mdl_wav_header(&source, &pcm, err);
    if (status) return status;
    mdl_pcm_reader reader;
    mdl_audio a = {.channels = pcm.channels, .samples = (size_t)pcm.size / mdl_pcm_frame(&pcm), .rate = pcm.rate};
    status = mdl_pcm_open(&reader, &source, &pcm, err);
    if (!status) status = read_all(&reader, &a, err);
    mdl_pcm_close(&reader);
    if (status)
        mdl_audio_free(&a);
    else
        *out = a;
    return status;
}
