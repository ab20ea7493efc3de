#include "tools/infer/report/sound.h"

#include <math.h>
#include <string.h>

#include "engine/memory.h"

enum { FIRST_PEAKS = 1200, FIRST_SAMPLES = 1 << 16, FULL_SCALE = 127 };

eng_status infer_sound_init(infer_sound *s, size_t channels, size_t wav_most, eng_error *err)
{
    *s = (infer_sound){.channels = channels, .wav_most = wav_most};
    s->peak = eng_alloc_zero(channels, sizeof *s->peak);
    return s->peak ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "a recording's waveform: out of memory");
}

void infer_sound_fini(infer_sound *s)
{
    for (size_t c = 0; s->peak && c < s->channels; c++) eng_free(s->peak[c]);
    eng_free(s->peak);
    eng_free(s->wav);
    *s = (infer_sound){0};
}

size_t infer_sound_peaks(const infer_sound *s)
{
    return s->samples / INFER_SOUND_PEAK + (s->samples % INFER_SOUND_PEAK != 0);
}

/* Room for that many peaks; grows by a half. */
static bool make_peak_room(infer_sound *s, size_t peaks)
{
    if (peaks <= s->peak_room) return true;
    size_t room = s->peak_room ? s->peak_room + s->peak_room / 2 : FIRST_PEAKS;
    if (room < peaks) room = peaks;
    for (size_t c = 0; c < s->channels; c++) {
        int8_t *grown = eng_grow(s->peak[c], 2 * infer_sound_peaks(s), 2 * room, sizeof *grown);
        if (!grown) return false;
        s->peak[c] = grown;
    }
    s->peak_room = room;
    return true;
}

static int8_t scaled(float x, bool up)
{
    float y = fminf(fmaxf(x, -1), 1) * FULL_SCALE;
    return (int8_t)(up ? ceilf(y) : floorf(y));
}

static void add_peaks(infer_sound *s, size_t c, const float *x, size_t count)
{
    int8_t *peak = s->peak[c];
    for (size_t i = 0; i < count;) {
        size_t at = s->samples + i, room = INFER_SOUND_PEAK - at % INFER_SOUND_PEAK;
        size_t n = room < count - i ? room : count - i, index = at / INFER_SOUND_PEAK;
        float low = INFINITY, high = -INFINITY;
        for (size_t j = i; j < i + n; j++) {
            float y = isfinite(x[j]) ? x[j] : 0;
            low = fminf(low, y);
            high = fmaxf(high, y);
        }
        int8_t lowest = scaled(low, low > 0), highest = scaled(high, high > 0);
        bool begun = at % INFER_SOUND_PEAK != 0;
        if (!begun || lowest < peak[2 * index]) peak[2 * index] = lowest;
        if (!begun || highest > peak[2 * index + 1]) peak[2 * index + 1] = highest;
        i += n;
    }
}

/* Bytes of a WAV file of that many samples a channel; SIZE_MAX for too many. */
static size_t wav_size(const infer_sound *s, size_t samples)
{
    size_t frame, bytes;
    if (!eng_mul_size(s->channels, 2, &frame) || !eng_mul_size(samples, frame, &bytes)) return SIZE_MAX;
    return eng_add_size(bytes, INFER_SOUND_HEADER, &bytes) ? bytes : SIZE_MAX;
}

/* Room for count more samples; false when out of memory. What would become too large is dropped. */
static bool make_wav_room(infer_sound *s, size_t count)
{
    size_t samples, needed = eng_add_size(s->samples, count, &samples) ? wav_size(s, samples) : SIZE_MAX;
    if (needed > s->wav_most || needed > UINT32_MAX) {
        eng_free(s->wav);
        s->wav = NULL;
        s->wav_dropped = true;
        return true;
    }
    if (needed <= s->wav_room) return true;
    size_t room = s->wav_room ? 2 * s->wav_room : FIRST_SAMPLES;
    if (room < needed) room = needed;
    unsigned char *grown = eng_grow(s->wav, s->wav ? wav_size(s, s->samples) : 0, room, 1);
    if (!grown) return false;
    s->wav = grown;
    s->wav_room = room;
    return true;
}

static void add_samples(infer_sound *s, const float *const *channel, size_t count)
{
    unsigned char *to = s->wav + wav_size(s, s->samples);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < s->channels; c++) {
            float x = isfinite(channel[c][i]) ? fminf(fmaxf(channel[c][i], -1), 1) : 0;
            int value = (int)lrintf(x * 32767);
            *to++ = (unsigned char)(value & 0xFF);
            *to++ = (unsigned char)(value >> 8 & 0xFF);
        }
}

eng_status infer_sound_add(infer_sound *s, const float *const *channel, size_t count, eng_error *err)
{
    size_t samples, peaks;
    if (!eng_add_size(s->samples, count, &samples) || !eng_add_size(samples / INFER_SOUND_PEAK, 1, &peaks) ||
        !make_peak_room(s, peaks))
        return eng_fail(err, ENG_E_MEMORY, "a recording's waveform: out of memory");
    if (s->wav_most && !s->wav_dropped) {
        if (!make_wav_room(s, count)) return eng_fail(err, ENG_E_MEMORY, "a recording's audio: out of memory");
        if (!s->wav_dropped) add_samples(s, channel, count);
    }
    for (size_t c = 0; c < s->channels; c++) add_peaks(s, c, channel[c], count);
    s->samples = samples;
    return ENG_OK;
}

size_t infer_sound_wav_size(const infer_sound *s)
{
    return s->wav && s->samples ? wav_size(s, s->samples) : 0;
}

static void put_number(unsigned char *to, size_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * i & 0xFF);
}

const unsigned char *infer_sound_wav(infer_sound *s)
{
    size_t size = infer_sound_wav_size(s), frame = 2 * s->channels;
    memcpy(s->wav, "RIFF....WAVEfmt ....................data", 40);
    put_number(s->wav + 4, size - 8, 4);
    put_number(s->wav + 16, 16, 4);
    put_number(s->wav + 20, 1, 2); /* PCM */
    put_number(s->wav + 22, s->channels, 2);
    put_number(s->wav + 24, MDL_SAMPLE_RATE, 4);
    put_number(s->wav + 28, MDL_SAMPLE_RATE * frame, 4);
    put_number(s->wav + 32, frame, 2);
    put_number(s->wav + 34, 16, 2);
    put_number(s->wav + 40, size - INFER_SOUND_HEADER, 4);
    return s->wav;
}
