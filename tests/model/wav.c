/* WAV decoding: every sample format by generated files, then damage: truncation at every byte, flipped bits, lies. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/audio/wav.h"

/* ---- Building files ---- */

typedef struct file {
    unsigned char bytes[4096];
    size_t size;
} file;

static void put(file *f, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++) f->bytes[f->size++] = (unsigned char)(value >> 8 * i);
}

static void put_text(file *f, const char *text)
{
    memcpy(f->bytes + f->size, text, strlen(text));
    f->size += strlen(text);
}

static void put_fmt(file *f, unsigned tag, unsigned channels, unsigned rate, unsigned bits, unsigned align)
{
    put_text(f, "fmt ");
    put(f, 4, 16);
    put(f, 2, tag), put(f, 2, channels), put(f, 4, rate), put(f, 4, rate * align), put(f, 2, align), put(f, 2, bits);
}

static void put_extensible(file *f, unsigned tag, unsigned channels, unsigned rate, unsigned bits, unsigned valid)
{
    put_text(f, "fmt ");
    put(f, 4, 40);
    unsigned align = channels * bits / 8;
    put(f, 2, 0xFFFE), put(f, 2, channels), put(f, 4, rate), put(f, 4, rate * align), put(f, 2, align);
    put(f, 2, bits), put(f, 2, 22), put(f, 2, valid), put(f, 4, 3), put(f, 2, tag);
    put(f, 6, UINT64_C(0x001000000000)), put(f, 4, 0xAA000080), put(f, 4, 0x719B3800);
}

static void begin(file *f, const char *id)
{
    f->size = 0;
    put_text(f, id), put(f, 4, 0), put_text(f, "WAVE");
}

static void set32(file *f, size_t at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) f->bytes[at + i] = (unsigned char)(value >> 8 * i);
}

static void end(file *f)
{
    set32(f, 4, (uint32_t)f->size - 8);
}

static void put_data(file *f, size_t samples, size_t bytes, const int64_t *values)
{
    put_text(f, "data"), put(f, 4, samples * bytes);
    for (size_t i = 0; i < samples; i++) put(f, bytes, (uint64_t)values[i]);
    if (samples * bytes & 1) put(f, 1, 0);
}

/* Decodes from a block of exactly the file's size, so that a sanitizer sees any read beyond it. */
static eng_status decode(const file *f, mdl_audio *a, eng_error *err)
{
    unsigned char *exact = malloc(f->size ? f->size : 1);
    cr_assert_not_null(exact);
    memcpy(exact, f->bytes, f->size);
    *err = (eng_error){ENG_OK, ""};
    eng_status status = mdl_wav_decode("x.wav", exact, f->size, a, err);
    free(exact);
    if (status) {
        cr_assert_null(a->data);
        cr_assert_eq(err->status, status);
        cr_assert(strncmp(err->message, "x.wav: ", 7) == 0, "message does not name the file: %s", err->message);
    }
    return status;
}

static void expect(const file *f, size_t channels, double rate, size_t samples, const float *interleaved)
{
    mdl_audio a;
    eng_error err;
    eng_status status = decode(f, &a, &err);
    cr_assert_eq(status, ENG_OK, "%s", err.message);
    cr_assert_eq(a.channels, channels);
    cr_assert_eq(a.samples, samples);
    cr_assert(a.rate == rate);
    for (size_t i = 0; i < samples; i++)
        for (size_t c = 0; c < channels; c++) {
            float got = a.data[c * a.stride + i], want = interleaved[i * channels + c];
            cr_assert(got == want, "sample %zu of channel %zu: %.9g, expected %.9g", i, c, got, want);
        }
    mdl_audio_free(&a);
}

static void expect_error(const file *f, eng_status status, const char *part)
{
    mdl_audio a;
    eng_error err;
    eng_status got = decode(f, &a, &err);
    cr_assert_eq(got, status, "status %d, expected %d: %s", got, status, err.message);
    cr_assert(strstr(err.message, part), "'%s' does not say '%s'", err.message, part);
}

/* ---- Formats ---- */

Test(wav, pcm)
{
    static const struct {
        unsigned bits;
        int64_t in[6];
        float out[6];
    } cases[] = {
        {8, {0, 64, 128, 192, 255, 129}, {-1, -0.5f, 0, 0.5f, 127.0f / 128, 1.0f / 128}},
        {16, {-32768, -16384, 0, 16384, 32767, 1}, {-1, -0.5f, 0, 0.5f, 32767.0f / 32768, 1.0f / 32768}},
        {24, {-8388608, -4194304, 0, 4194304, 8388607, -1}, {-1, -0.5f, 0, 0.5f, 8388607.0f / 8388608, -0x1p-23f}},
        {32, {-2147483648LL, -1073741824, 0, 1073741824, 256, -1}, {-1, -0.5f, 0, 0.5f, 0x1p-23f, -0x1p-31f}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (unsigned channels = 1; channels <= 3; channels++) {
            file f;
            unsigned bytes = cases[k].bits / 8;
            begin(&f, "RIFF");
            put_fmt(&f, 1, channels, 22050, cases[k].bits, channels * bytes);
            put_data(&f, 6, bytes, cases[k].in);
            end(&f);
            expect(&f, channels, 22050, 6 / channels, cases[k].out);
        }
}

Test(wav, floats)
{
    static const float values[4] = {0.25f, -1.5f, 1e-30f, 3.0f};
    file f;
    begin(&f, "RIFF");
    put_fmt(&f, 3, 2, 48000, 32, 8);
    put_text(&f, "data"), put(&f, 4, 16);
    memcpy(f.bytes + f.size, values, 16); /* a little-endian machine's floats: the test's machines are */
    f.size += 16;
    expect(&f, 2, 48000, 2, values);

    begin(&f, "RIFF");
    put_fmt(&f, 3, 1, 48000, 64, 8);
    put_text(&f, "data"), put(&f, 4, 32);
    for (size_t i = 0; i < 4; i++) {
        double wide = values[i];
        memcpy(f.bytes + f.size, &wide, 8);
        f.size += 8;
    }
    expect(&f, 1, 48000, 4, values);
}

Test(wav, floats_must_be_finite)
{
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e39}; /* the last is too large for a float */
    for (size_t i = 0; i < 4; i++) {
        file f;
        begin(&f, "RIFF");
        put_fmt(&f, 3, 1, 16000, 64, 8);
        put_text(&f, "data"), put(&f, 4, 16), put(&f, 8, 0);
        memcpy(f.bytes + f.size, &bad[i], 8);
        f.size += 8;
        expect_error(&f, ENG_E_FORMAT, "sample 1 of channel 0 is not finite");
    }
}

/* Reference values of ITU-T G.711 as 16-bit numbers. */
Test(wav, g711)
{
    static const int64_t codes[6] = {0x00, 0x80, 0x7F, 0xFF, 0x2A, 0xD5};
    static const float mulaw[6] = {-32124, 32124, 0, 0, -5372, 716};
    static const float alaw[6] = {-5504, 5504, -848, 848, -32256, 8};
    for (int law = 0; law < 2; law++) {
        float want[6];
        for (int i = 0; i < 6; i++) want[i] = (law ? mulaw[i] : alaw[i]) / 32768;
        file f;
        begin(&f, "RIFF");
        put_fmt(&f, law ? 7 : 6, 2, 8000, 8, 2);
        put_data(&f, 6, 1, codes);
        expect(&f, 2, 8000, 3, want);
    }
}

static const int64_t ramp[4] = {1000, 2000, 3000, 4000};
static const float ramp_floats[4] = {1000 / 32768.0f, 2000 / 32768.0f, 3000 / 32768.0f, 4000 / 32768.0f};

Test(wav, extensible)
{
    file f;
    begin(&f, "RIFF");
    put_extensible(&f, 1, 2, 44100, 16, 16);
    put_data(&f, 4, 2, ramp);
    expect(&f, 2, 44100, 2, ramp_floats);

    /* 20 valid bits stand in the upper part of 24. */
    static const int64_t upper[2] = {0x7FFFF0, 0x100000};
    static const float want[2] = {(float)0x7FFFF0 / 8388608, 0.125f};
    begin(&f, "RIFF");
    put_extensible(&f, 1, 1, 44100, 24, 20);
    put_data(&f, 2, 3, upper);
    expect(&f, 1, 44100, 2, want);

    begin(&f, "RIFF");
    put_extensible(&f, 1, 1, 44100, 16, 17);
    put_data(&f, 4, 2, ramp);
    expect_error(&f, ENG_E_FORMAT, "17 valid bits in samples of 16 bits");

    begin(&f, "RIFF");
    put_extensible(&f, 1, 1, 44100, 16, 16);
    f.bytes[12 + 8 + 30] ^= 1; /* inside the GUID */
    put_data(&f, 4, 2, ramp);
    expect_error(&f, ENG_E_UNSUPPORTED, "subformat");
}

/* ---- Containers ---- */

Test(wav, chunks_in_any_order_and_unknown_ones)
{
    file f;
    begin(&f, "RIFF");
    put_text(&f, "LIST"), put(&f, 4, 5), put_text(&f, "INFOx"), put(&f, 1, 0);
    put_text(&f, "data"), put(&f, 4, 8);
    for (int i = 0; i < 4; i++) put(&f, 2, (uint64_t)ramp[i]);
    put_text(&f, "fact"), put(&f, 4, 4), put(&f, 4, 4);
    put_fmt(&f, 1, 1, 16000, 16, 2);
    expect(&f, 1, 16000, 4, ramp_floats);

    begin(&f, "RIFF"); /* garbage behind the audio */
    put_fmt(&f, 1, 1, 16000, 16, 2);
    put_data(&f, 4, 2, ramp);
    put_text(&f, "LIST"), put(&f, 4, 5000), put_text(&f, "abc");
    end(&f);
    expect(&f, 1, 16000, 4, ramp_floats);
}

Test(wav, no_pad_byte_at_the_end)
{
    static const int64_t three[3] = {0, 128, 192};
    static const float want[3] = {-1, 0, 0.5f};
    file f;
    begin(&f, "RIFF");
    put_fmt(&f, 1, 1, 16000, 8, 1);
    put_data(&f, 3, 1, three);
    f.size--;
    expect(&f, 1, 16000, 3, want);
}

Test(wav, sizes_of_pipes)
{
    const uint32_t sizes[] = {0, 0xFFFFFFFF, 0x7FFFF000};
    for (size_t i = 0; i < 3; i++) {
        file f;
        begin(&f, "RIFF");
        put_fmt(&f, 1, 1, 16000, 16, 2);
        put_data(&f, 4, 2, ramp);
        set32(&f, 4, sizes[i]);
        set32(&f, 40, sizes[i]);
        expect(&f, 1, 16000, 4, ramp_floats);
        f.bytes[f.size++] = 7; /* half a sample: the writer was killed */
        expect(&f, 1, 16000, 4, ramp_floats);
    }
    file f; /* an empty recording with a chunk behind it, all sizes right */
    begin(&f, "RIFF");
    put_fmt(&f, 1, 1, 16000, 16, 2);
    put_text(&f, "data"), put(&f, 4, 0), put_text(&f, "LIST"), put(&f, 4, 4), put_text(&f, "INFO");
    end(&f);
    expect(&f, 1, 16000, 0, ramp_floats);
}

Test(wav, rf64)
{
    const char *const ids[] = {"RF64", "BW64"};
    for (int i = 0; i < 2; i++) {
        file f;
        begin(&f, ids[i]);
        set32(&f, 4, 0xFFFFFFFF);
        put_text(&f, "ds64"), put(&f, 4, 28), put(&f, 8, 88), put(&f, 8, 6), put(&f, 8, 3), put(&f, 4, 0);
        put_fmt(&f, 1, 1, 16000, 16, 2);
        put_data(&f, 4, 2, ramp);
        set32(&f, f.size - 12, 0xFFFFFFFF);
        expect(&f, 1, 16000, 3, ramp_floats); /* ds64 says three samples */
        set32(&f, 28, 1000);
        expect_error(&f, ENG_E_FORMAT, "992 bytes are missing");
        set32(&f, 28, 0xFFFFFFFF), set32(&f, 32, 0xFFFFFFFF);
        expect(&f, 1, 16000, 4, ramp_floats);
        memcpy(f.bytes + 12, "JUNK", 4);
        expect_error(&f, ENG_E_FORMAT, "without the ds64 chunk");
    }
}

/* ---- Damage ---- */

Test(wav, lies_in_the_header)
{
    static const struct {
        unsigned tag, channels, rate, bits, align;
        eng_status status;
        const char *says;
    } cases[] = {
        {1, 0, 16000, 16, 2, ENG_E_FORMAT, "0 channels, expected 1 to 64"},
        {1, 65, 16000, 16, 130, ENG_E_FORMAT, "65 channels, expected 1 to 64"},
        {1, 1, 0, 16, 2, ENG_E_FORMAT, "0 Hz, expected 100 to 768000"},
        {1, 1, 99, 16, 2, ENG_E_FORMAT, "99 Hz"},
        {1, 1, 0xFFFFFFFF, 16, 2, ENG_E_FORMAT, "4294967295 Hz"},
        {1, 1, 16000, 16, 0, ENG_E_FORMAT, "block align of 0 bytes; 1 channel of 16 bits need 2"},
        {1, 2, 16000, 24, 8, ENG_E_FORMAT, "block align of 8 bytes; 2 channels of 24 bits need 6"},
        {1, 1, 16000, 0, 0, ENG_E_FORMAT, "PCM samples of 0 bits"},
        {1, 1, 16000, 64, 8, ENG_E_FORMAT, "PCM samples of 64 bits"},
        {3, 1, 16000, 16, 2, ENG_E_FORMAT, "float samples of 16 bits"},
        {6, 1, 16000, 16, 2, ENG_E_FORMAT, "A-law samples of 16 bits"},
        {7, 1, 16000, 16, 2, ENG_E_FORMAT, "mu-law samples of 16 bits"},
        {0x11, 1, 16000, 4, 256, ENG_E_UNSUPPORTED, "codec 0x0011"},
        {0xFFFE, 1, 16000, 16, 2, ENG_E_FORMAT, "needs a fmt chunk of 40 bytes, found 16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f;
        begin(&f, "RIFF");
        put_fmt(&f, cases[i].tag, cases[i].channels, cases[i].rate, cases[i].bits, cases[i].align);
        put_data(&f, 4, 2, ramp);
        expect_error(&f, cases[i].status, cases[i].says);
    }
}

Test(wav, lies_about_sizes)
{
    file f;
    begin(&f, "RIFF");
    put_fmt(&f, 1, 1, 16000, 16, 2);
    put_data(&f, 4, 2, ramp);
    set32(&f, 40, 0xFFFFFFF0);
    expect_error(&f, ENG_E_FORMAT, "4294967280 bytes of audio, the file holds 8: 4294967272 bytes are missing");
    set32(&f, 40, 8);
    set32(&f, 16, 0xFFFFFFFF);
    expect_error(&f, ENG_E_FORMAT, "chunk 'fmt ' at byte 12 declares 4294967295 bytes");
    set32(&f, 16, 2);
    expect_error(&f, ENG_E_FORMAT, "truncated");

    begin(&f, "RIFF");
    put_fmt(&f, 1, 1, 16000, 16, 2), put_fmt(&f, 1, 1, 16000, 16, 2);
    expect_error(&f, ENG_E_FORMAT, "two fmt chunks");
    begin(&f, "RIFF");
    put_data(&f, 4, 2, ramp);
    expect_error(&f, ENG_E_FORMAT, "no fmt chunk");
    f.size = 0;
    put_text(&f, "RIFX"), put(&f, 4, 0), put_text(&f, "WAVE");
    expect_error(&f, ENG_E_FORMAT, "not a WAV file");
}

static void build_rich(file *f)
{
    begin(f, "RF64");
    set32(f, 4, 0xFFFFFFFF);
    put_text(f, "ds64"), put(f, 4, 28), put(f, 8, 120), put(f, 8, 8), put(f, 8, 4), put(f, 4, 0);
    put_text(f, "junk"), put(f, 4, 3), put(f, 4, 0);
    put_extensible(f, 1, 2, 44100, 16, 16);
    put_data(f, 4, 2, ramp);
    set32(f, f->size - 12, 0xFFFFFFFF);
}

Test(wav, truncated_anywhere)
{
    file whole;
    build_rich(&whole);
    for (size_t size = 0; size < whole.size; size++) {
        file f = whole;
        f.size = size;
        mdl_audio a;
        eng_error err;
        cr_assert_neq(decode(&f, &a, &err), ENG_OK, "%zu of %zu bytes were accepted", size, whole.size);
    }
}

/* Any outcome is right that keeps to the contract; the sanitizers see the rest. */
Test(wav, flipped_bits)
{
    const char *text = getenv("WLM_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20260101, state = seed;
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    file whole;
    build_rich(&whole);
    size_t refused = 0, accepted = 0;
    for (int round = 0; round < 20000; round++) {
        file f = whole;
        for (int flips = round % 4; flips >= 0; flips--) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            size_t bit = (size_t)(state >> 33) % (f.size * 8);
            f.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        mdl_audio a;
        eng_error err;
        if (decode(&f, &a, &err)) {
            refused++;
            continue;
        }
        accepted++;
        cr_assert(a.channels >= 1 && a.channels <= MDL_AUDIO_MAX_CHANNELS && a.samples <= f.size);
        for (size_t c = 0; c < a.channels; c++)
            for (size_t i = 0; i < a.samples; i++) cr_assert(isfinite(a.data[c * a.stride + i]));
        mdl_audio_free(&a);
    }
    cr_assert(refused > 100 && accepted > 100, "%zu refused, %zu accepted", refused, accepted);
}

/* Who cannot seek back declares 2 GB, whatever will come: what stands behind them is audio, too. Only the header is read. */
Test(wav, endless_is_more_than_declared)
{
    const uint32_t sizes[] = {0x7FFFF000, 0x7FFFFF00, 0x80000000};
    for (size_t i = 0; i < 3; i++) {
        file f;
        begin(&f, "RIFF");
        put_fmt(&f, 1, 1, 16000, 16, 2);
        put_data(&f, 4, 2, ramp);
        set32(&f, 4, sizes[i] + 36);
        set32(&f, 40, sizes[i]);
        eng_error err = {0};
        mdl_source s;
        mdl_pcm pcm;
        mdl_source_init_memory(&s, "long.wav", f.bytes, (size_t)sizes[i] + 5000);
        cr_assert_eq(mdl_wav_header(&s, &pcm, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(pcm.size, (uint64_t)sizes[i] + 5000 - 44, "all of it is audio");
        mdl_source_fini(&s);
        mdl_source_init_memory(&s, "exact.wav", f.bytes, (size_t)sizes[i] + 44);
        cr_assert_eq(mdl_wav_header(&s, &pcm, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(pcm.size, (uint64_t)sizes[i]);
        mdl_source_fini(&s);
    }
}
