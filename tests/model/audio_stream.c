/* Recordings read as streams: the same bits as read whole, whatever way they come in and however they are cut; what is
 * found out on the way; memory. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/audio/audio.h"
#include "model/audio/resample.h"
#include "model/audio/stream.h"
#include "tests/support/audio_files.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

TestSuite(stream, .init = support_enter, .fini = support_leave);

static uint64_t state = 20261128;

static size_t random_below(size_t n)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (size_t)(state >> 33) % n;
}

/* ---- Resampling ---- */

Test(stream, resampling_does_not_see_cuts)
{
    static const double rates[] = {8000, 11025, 44100, 44101, 48000, 15999, 768000, 100, 16001};
    enum { COUNT = 20000 };
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        mdl_audio in = {.channels = 2, .samples = rates[r] == 100 ? 300 : COUNT, .stride = COUNT, .rate = rates[r]}, whole;
        in.data = support_normal(r, 2 * COUNT, 0.3f);
        eng_error err;
        cr_assert_eq(mdl_resample(&in, MDL_SAMPLE_RATE, &whole, &err), ENG_OK, "%s", err.message);
        float *from[2] = {in.data, in.data + COUNT}, *got = malloc((whole.samples + 1) * 2 * sizeof *got);
        cr_assert_not_null(got);
        float *to[2] = {got, got + whole.samples + 1};
        for (int round = 0; round < 4; round++) {
            mdl_resampler *s;
            cr_assert_eq(mdl_resampler_open(rates[r], MDL_SAMPLE_RATE, 2, &s, &err), ENG_OK, "%s", err.message);
            size_t pushed = 0, pulled = 0, most = round == 0 ? 1 : round == 1 ? 100000 : 1000;
            while (pulled <= whole.samples) {
                size_t wanted = round < 2 ? most : random_below(most), left = in.samples - pushed;
                pushed += mdl_resampler_push(s, from, pushed, wanted < left ? wanted : left);
                if (pushed == in.samples) mdl_resampler_finish(s);
                size_t room = whole.samples + 1 - pulled, asked = round < 2 ? most : random_below(most) + 1;
                size_t n = mdl_resampler_pull(s, to, pulled, asked < room ? asked : room);
                pulled += n;
                if (!n && pushed == in.samples) break;
            }
            cr_assert_eq(pulled, whole.samples, "%g Hz: %zu samples, expected %zu", rates[r], pulled, whole.samples);
            for (size_t c = 0; c < 2; c++)
                cr_assert(memcmp(to[c], whole.data + c * whole.stride, pulled * sizeof(float)) == 0, "%g Hz, round %d",
                          rates[r], round);
            mdl_resampler_close(s);
        }
        free(got);
        mdl_audio_free(&whole);
        mdl_audio_free(&in);
    }
}

/* ---- The same as read whole ---- */

/* Reads a stream to its end in steps of at most `most` (0: of any length); two channels at most. */
static eng_status read_stream(const char *path, const mdl_audio_options *options, size_t most, mdl_audio *a, eng_error *err)
{
    enum { ROOM = 400000 };
    mdl_audio_stream *s;
    *err = (eng_error){ENG_OK, ""};
    *a = (mdl_audio){.stride = ROOM, .rate = MDL_SAMPLE_RATE};
    eng_status status = mdl_audio_stream_open(path, options, &s, err);
    if (status) {
        cr_assert_null(s);
        return status;
    }
    a->channels = mdl_audio_stream_info(s)->channels;
    cr_assert(a->channels <= 2);
    a->data = support_normal(1, 2 * ROOM, 1);
    for (size_t got = 1; got && !status; a->samples += got) {
        float *channel[2] = {a->data + a->samples, a->data + ROOM + a->samples};
        size_t asked = most ? most : random_below(3000) + 1, room = ROOM - a->samples;
        status = mdl_audio_stream_read(s, asked < room ? asked : room, channel, &got, err);
        cr_assert(got <= asked);
    }
    const mdl_audio_info *info = mdl_audio_stream_info(s);
    if (!status && info->exact) cr_assert_eq(info->samples, a->samples);
    mdl_audio_stream_close(s);
    return status;
}

static void expect_same(const char *path, const mdl_audio_options *options, const mdl_audio *want)
{
    for (size_t most = 0; most <= 70000; most = most * 30 + 1) {
        mdl_audio a;
        eng_error err;
        cr_assert_eq(read_stream(path, options, most, &a, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(a.channels, want->channels);
        cr_assert_eq(a.samples, want->samples, "%s: %zu samples, expected %zu", path, a.samples, want->samples);
        for (size_t c = 0; c < a.channels; c++)
            cr_assert(memcmp(a.data + c * a.stride, want->data + c * want->stride, a.samples * sizeof(float)) == 0);
        mdl_audio_free(&a);
        if (strcmp(path, "-") == 0) return;
    }
}

static void fail_with(const char *path, const mdl_audio_options *options, eng_status want, const char *part)
{
    mdl_audio a;
    eng_error err;
    eng_status status = read_stream(path, options, 0, &a, &err);
    cr_assert_eq(status, want, "status %d: %s", status, err.message);
    cr_assert_not_null(strstr(err.message, part), "'%s' does not say '%s'", err.message, part);
    cr_assert_eq(err.status, want);
    mdl_audio_free(&a);
}

/* Standard input is a pipe that a child writes size bytes to, in steps of at most `most`. */
static pid_t pipe_to_stdin(const unsigned char *data, size_t size, size_t most)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t writer = fork();
    cr_assert(writer >= 0);
    if (writer == 0) {
        close(ends[0]);
        for (size_t at = 0; at < size;) {
            size_t n = random_below(most) + 1;
            ssize_t written = write(ends[1], data + at, n < size - at ? n : size - at);
            if (written < 0) _exit(1);
            at += (size_t)written;
        }
        _exit(0);
    }
    close(ends[1]);
    cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return writer;
}

/* The writer got rid of all that it had. */
static void expect_written(pid_t writer)
{
    int status;
    cr_assert_eq(waitpid(writer, &status, 0), writer);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the pipe was not read to its end");
}

static void expect_same_from_pipe(const bytes *file, const mdl_audio_options *options, const mdl_audio *want)
{
    for (size_t most = 7; most < 100000; most *= 100) {
        pid_t writer = pipe_to_stdin(file->data, file->size, most);
        expect_same("-", options, want);
        expect_written(writer);
    }
}

Test(stream, wav)
{
    static const unsigned rates[] = {16000, 8000, 44100, 44101};
    for (size_t r = 0; r < 4; r++) {
        mdl_audio want;
        eng_error err;
        audio_write_wav("a.wav", rates[r], 2, 30000);
        cr_assert_eq(mdl_audio_read("a.wav", &want, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(want.samples, (30000UL * 16000 + rates[r] - 1) / rates[r]);
        expect_same("a.wav", NULL, &want);
        bytes file = bytes_read("a.wav");
        expect_same_from_pipe(&file, NULL, &want);
        bytes_add(&file, "LIST\4\0\0\0INFO", 12); /* behind the audio; a pipe is read to its end all the same */
        expect_same_from_pipe(&file, NULL, &want);
        mdl_audio_free(&want);
        bytes_free(&file);
    }
}

/* The fmt chunk behind the audio, and chunks before both. */
Test(stream, chunks_in_any_order)
{
    audio_write_wav("a.wav", 16000, 1, 100000);
    bytes file = bytes_read("a.wav"), other = {.data = NULL};
    mdl_audio want;
    eng_error err;
    cr_assert_eq(mdl_audio_read("a.wav", &want, &err), ENG_OK);
    bytes_add(&other, file.data, 12), bytes_add(&other, "LIST\5\0\0\0INFOx", 14);
    bytes_add(&other, file.data + 36, file.size - 36), bytes_add(&other, file.data + 12, 24);
    other.data[13 + 12] = 0; /* the pad byte */
    bytes_write(&other, "b.wav");
    expect_same("b.wav", NULL, &want);
    expect_same_from_pipe(&other, NULL, &want);
    bytes_free(&file), bytes_free(&other);
    mdl_audio_free(&want);
}

Test(stream, ffmpeg)
{
    audio_need_ffmpeg();
    audio_write_wav("a.wav", 44100, 2, 100000);
    cr_assert(audio_convert("a.wav", "a.flac", "flac") && audio_convert("a.wav", "adpcm.wav", "adpcm_ms"));
    static const char *const names[] = {"a.flac", "adpcm.wav"};
    for (size_t i = 0; i < 2; i++) {
        mdl_audio want;
        eng_error err;
        cr_assert_eq(mdl_audio_read(names[i], &want, &err), ENG_OK, "%s", err.message);
        expect_same(names[i], NULL, &want);
        bytes file = bytes_read(names[i]);
        expect_same_from_pipe(&file, NULL, &want);
        bytes_free(&file);
        mdl_audio_free(&want);
    }
}

Test(stream, raw_samples)
{
    static const struct {
        const char *name;
        size_t size;
        unsigned char low[8], high[8]; /* two samples */
        float want[2];
    } cases[] = {
        {"u8", 1, {0}, {192}, {-1, 0.5f}},
        {"s16le", 2, {0, 0x80}, {0, 0x40}, {-1, 0.5f}},
        {"s24le", 3, {0, 0, 0x80}, {0, 0, 0x40}, {-1, 0.5f}},
        {"s32le", 4, {0, 0, 0, 0x80}, {0, 0, 0, 0x40}, {-1, 0.5f}},
        {"f32le", 4, {0, 0, 0x80, 0xBF}, {0, 0, 0, 0x3F}, {-1, 0.5f}},
        {"f64le", 8, {0, 0, 0, 0, 0, 0, 0xF0, 0xBF}, {0, 0, 0, 0, 0, 0, 0xE0, 0x3F}, {-1, 0.5f}},
        {"mulaw", 1, {0x00}, {0x80}, {-32124 / 32768.0f, 32124 / 32768.0f}},
        {"alaw", 1, {0x2A}, {0xD5}, {-32256 / 32768.0f, 8 / 32768.0f}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float samples[2][500];
        bytes file = {.data = NULL};
        for (size_t n = 0; n < 1000; n++) {
            size_t high = random_below(2);
            samples[n % 2][n / 2] = cases[i].want[high];
            bytes_add(&file, high ? cases[i].high : cases[i].low, cases[i].size);
        }
        bytes_add(&file, "x", 1); /* half a frame: dropped */
        bytes_write(&file, "a.raw");
        mdl_audio want = {samples[0], 2, 500, 500, 16000};
        mdl_audio_options options = {.raw = mdl_pcm_named(cases[i].name), .rate = 16000, .channels = 2};
        cr_assert_neq(options.raw, MDL_PCM_NONE);
        expect_same("a.raw", &options, &want);
        expect_same_from_pipe(&file, &options, &want);
        bytes_free(&file);
    }
    cr_assert_eq(mdl_pcm_named("s16be"), MDL_PCM_NONE);
    cr_assert_eq(mdl_pcm_named(""), MDL_PCM_NONE);
}

Test(stream, raw_options)
{
    audio_write("a.raw", "12345678", 8);
    fail_with("a.raw", &(mdl_audio_options){.raw = MDL_PCM_S16, .rate = 16000}, ENG_E_USAGE, "0 channels, expected 1 to 64");
    fail_with("a.raw", &(mdl_audio_options){.raw = MDL_PCM_S16, .rate = 16000, .channels = 65}, ENG_E_USAGE, "65 channels");
    const double bad[] = {0, -1, 99, 8000.5, 1e6, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        fail_with("a.raw", &(mdl_audio_options){.raw = MDL_PCM_S16, .rate = bad[i], .channels = 1}, ENG_E_USAGE,
                  "expected a whole number from 100 to 768000");
    audio_write("a.raw", "1", 1);
    fail_with("a.raw", &(mdl_audio_options){.raw = MDL_PCM_S16, .rate = 16000, .channels = 1}, ENG_E_FORMAT,
              "a.raw: holds no samples");
}

/* ---- As it comes ---- */

/* A writer that waits for what was read of each part before it sends the next: nobody may wait for more. */
Test(stream, a_live_pipe_is_not_waited_for, .timeout = 120)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    audio_write_wav("a.wav", 8000, 1, 20000);
    bytes file = bytes_read("a.wav");
    memset(file.data + 40, 0xFF, 4);
    cr_assert_eq(write(ends[1], file.data, 1044), 1044);
    mdl_audio_stream *s;
    eng_error err;
    cr_assert_eq(mdl_audio_stream_open("-", NULL, &s, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_audio_stream_info(s)->samples, 0);
    size_t got, all = 0;
    float block[5000], *channel[1] = {block};
    for (size_t at = 1044; at + 1000 <= 20000; at += 1000) {
        cr_assert_eq(mdl_audio_stream_read(s, 5000, channel, &got, &err), ENG_OK);
        cr_assert(got >= 800, "%zu samples of the 1000 or so that can be known", got);
        all += got;
        cr_assert_eq(write(ends[1], file.data + at, 1000), 1000);
    }
    close(ends[1]);
    do {
        cr_assert_eq(mdl_audio_stream_read(s, 5000, channel, &got, &err), ENG_OK);
        all += got;
    } while (got);
    cr_assert_eq(all, 19000);
    cr_assert_eq(mdl_audio_stream_read(s, 5000, channel, &got, &err), ENG_OK);
    cr_assert_eq(got, 0); /* and stays at the end */
    mdl_audio_stream_close(s);
    bytes_free(&file);
}

/* ---- What goes wrong on the way ---- */

Test(stream, truncated)
{
    audio_write_wav("a.wav", 8000, 1, 50000);
    bytes file = bytes_read("a.wav");
    file.size -= 1000;
    bytes_write(&file, "a.wav");
    mdl_audio_stream *s;
    eng_error err;
    cr_assert_eq(mdl_audio_stream_open("a.wav", NULL, &s, &err), ENG_E_FORMAT); /* a file is known at once */
    static const char says[] = "declares 100000 bytes of audio, the file holds 99000: 1000 bytes are missing";
    cr_assert_not_null(strstr(err.message, says), "%s", err.message);
    pid_t writer = pipe_to_stdin(file.data, file.size, 5000);
    fail_with("-", NULL, ENG_E_FORMAT, says);
    expect_written(writer);
    static const uint32_t endless[] = {0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFF00, 0x80000000}; /* who cannot seek back */
    for (size_t i = 0; i < 5; i++) {
        mdl_audio a;
        audio_put(file.data + 40, 4, endless[i]);
        writer = pipe_to_stdin(file.data, file.size, 5000);
        cr_assert_eq(read_stream("-", NULL, 0, &a, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(a.samples, 99000);
        expect_written(writer);
        mdl_audio_free(&a);
    }
    bytes_free(&file);
}

Test(stream, a_file_that_shrinks_or_grows)
{
    float block[1000], *channel[1] = {block};
    for (int grows = 0; grows < 2; grows++) {
        audio_write_wav("a.wav", 16000, 1, 200000);
        mdl_audio_stream *s;
        eng_error err;
        cr_assert_eq(mdl_audio_stream_open("a.wav", NULL, &s, &err), ENG_OK, "%s", err.message);
        size_t got = 1, all = 0;
        eng_status status = mdl_audio_stream_read(s, 1000, channel, &got, &err);
        cr_assert_eq(truncate("a.wav", grows ? 500044 : 300044), 0);
        for (; !status && got; all += got) status = mdl_audio_stream_read(s, 1000, channel, &got, &err);
        if (grows) {
            cr_assert_eq(status, ENG_OK);
            cr_assert_eq(all, 199000);
        } else {
            cr_assert_eq(status, ENG_E_IO);
            cr_assert_not_null(strstr(err.message, "a.wav: shrank while it was read: it had 400044 bytes, and ends after "
                                                   "300044 now"),
                               "%s", err.message);
        }
        mdl_audio_stream_close(s);
    }
}

Test(stream, not_finite)
{
    bytes file = {.data = NULL};
    static const unsigned char zero[4], nan[4] = {0, 0, 0xC0, 0x7F};
    for (size_t i = 0; i < 50000; i++) bytes_add(&file, i == 40001 ? nan : zero, 4);
    bytes_write(&file, "a.raw");
    mdl_audio_options options = {.raw = MDL_PCM_F32, .rate = 8000, .channels = 2};
    fail_with("a.raw", &options, ENG_E_FORMAT, "a.raw: sample 20000 of channel 1 is not finite");
    bytes_free(&file);
}

/* What comes before audio and format on a pipe is kept up to a bound. */
Test(stream, a_pipe_without_end_before_the_format)
{
    audio_write_wav("a.wav", 16000, 1, 10);
    bytes file = bytes_read("a.wav");
    memcpy(file.data + 12, "data\xFF\xFF\xFF\xFF", 8);
    for (size_t i = 0; i < (17 << 20) / 1000; i++) bytes_add(&file, (unsigned char[1000]){0}, 1000);
    pid_t writer = pipe_to_stdin(file.data, file.size, 1 << 16);
    fail_with("-", NULL, ENG_E_FORMAT, "among the first 16777216 bytes of a pipe");
    close(STDIN_FILENO);
    cr_assert_eq(waitpid(writer, NULL, 0), writer);
    bytes_free(&file);
}

/* ffmpeg's own words at the end of what it wrote; none is left behind by a stream that is closed early. */
Test(stream, ffmpeg_that_fails_late, .timeout = 120)
{
    audio_write_wav("a.wav", 16000, 1, 300000);
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\ncat a.wav\necho it broke >&2\n[ ! -e fail ]\n");
    audio_write("x.flac", "fLaC", 4);
    mdl_audio_stream *s;
    eng_error err;
    cr_assert_eq(mdl_audio_stream_open("x.flac", NULL, &s, &err), ENG_OK, "%s", err.message);
    mdl_audio_stream_close(s);
    cr_assert(waitpid(-1, NULL, WNOHANG) == -1, "a child was not waited for");
    audio_write("fail", "", 0);
    fail_with("x.flac", NULL, ENG_E_FORMAT, "x.flac: ffmpeg cannot decode it (FLAC): it broke");
}

/* ---- Memory ---- */

static long peak_kilobytes(void)
{
    struct rusage usage;
    cr_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Hours of silence, in a file that has no blocks on the disk, and through a pipe. */
static void expect_flat(const char *path, const mdl_audio_options *options, uint64_t samples)
{
    static float block[2][1 << 14];
    float *channel[2] = {block[0], block[1]};
    mdl_audio_stream *s;
    eng_error err;
    cr_assert_eq(mdl_audio_stream_open(path, options, &s, &err), ENG_OK, "%s", err.message);
    uint64_t all = 0;
    long before = 0;
    for (size_t got = 1; got; all += got) {
        cr_assert_eq(mdl_audio_stream_read(s, 1 << 14, channel, &got, &err), ENG_OK, "%s", err.message);
        if (!before && all > 1 << 20) before = peak_kilobytes();
    }
    cr_assert_eq(all, samples);
    long grown = peak_kilobytes() - before;
    cr_assert(before && grown < 8 << 10, "%ld kB more after %llu samples", grown, (unsigned long long)all);
    mdl_audio_stream_close(s);
}

Test(stream, memory_does_not_grow, .timeout = 600)
{
    size_t minutes = support_emulated() ? 10 : 120, resampled = support_emulated() ? 2 : 10;
    audio_write_wav("long.wav", 16000, 2, 0);
    bytes file = bytes_read("long.wav");
    audio_put(file.data + 40, 4, (uint32_t)(minutes * 60 * 16000 * 4));
    bytes_write(&file, "long.wav");
    cr_assert_eq(truncate("long.wav", (off_t)(44 + minutes * 60 * 16000 * 4)), 0);
    expect_flat("long.wav", NULL, minutes * 60 * 16000);
    audio_put(file.data + 24, 4, 8000);
    audio_put(file.data + 40, 4, (uint32_t)(resampled * 60 * 8000 * 4));
    bytes_write(&file, "long.wav");
    cr_assert_eq(truncate("long.wav", (off_t)(44 + resampled * 60 * 8000 * 4)), 0);
    expect_flat("long.wav", NULL, resampled * 60 * 16000);
    bytes_free(&file);

    size_t size = minutes * 60 * 16000;
    unsigned char *zeros = calloc(size, 1);
    cr_assert_not_null(zeros);
    pid_t writer = pipe_to_stdin(zeros, size, 1 << 20);
    free(zeros);
    expect_flat("-", &(mdl_audio_options){.raw = MDL_PCM_MULAW, .rate = 16000, .channels = 2}, size / 2);
    expect_written(writer);
}
