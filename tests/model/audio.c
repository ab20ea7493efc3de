/* Reading audio from files: WAV in full, other formats through ffmpeg (skipped where it is not installed), and all the
 * ways in which a path can be wrong. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/audio/audio.h"
#include "model/audio/ffmpeg.h"
#include "tests/support/audio_files.h"
#include "tests/support/support.h"

TestSuite(audio, .init = support_enter, .fini = support_leave);

static void expect_error(const char *path, eng_status status, const char *part)
{
    mdl_audio a;
    eng_error err = {ENG_OK, ""};
    eng_status got = mdl_audio_read(path, &a, &err);
    cr_assert_eq(got, status, "status %d, expected %d: %s", got, status, err.message);
    cr_assert(strstr(err.message, part), "'%s' does not say '%s'", err.message, part);
    cr_assert(strstr(err.message, path) || strcmp(path, "-") == 0, "'%s' does not name the file", err.message);
    cr_assert_null(strchr(err.message, '\n'));
    cr_assert_null(a.data);
}

/* Level of hz in channel c, against full scale: 0.5 for what audio_write_wav writes. */
static double level(const mdl_audio *a, size_t c, double hz)
{
    double re = 0, im = 0;
    for (size_t i = 0; i < a->samples; i++) {
        double angle = 2 * 3.14159265358979 * hz * (double)i / a->rate;
        re += a->data[c * a->stride + i] * sin(angle);
        im += a->data[c * a->stride + i] * cos(angle);
    }
    return 2 * sqrt(re * re + im * im) / (double)a->samples;
}

/* Reads path: `seconds` of audio_write_wav's two sines, to within `slack` seconds (codecs pad) and 10 % in level. */
static void expect_sines(const char *path, double seconds, double slack)
{
    mdl_audio a;
    eng_error err = {ENG_OK, ""};
    eng_status status = mdl_audio_read(path, &a, &err);
    cr_assert_eq(status, ENG_OK, "%s", err.message);
    cr_assert_eq(a.channels, 2, "%s: %zu channels", path, a.channels);
    cr_assert(a.rate == MDL_SAMPLE_RATE);
    double length = (double)a.samples / MDL_SAMPLE_RATE;
    cr_assert(fabs(length - seconds) <= slack, "%s: %g s, expected %g", path, length, seconds);
    for (size_t c = 0; c < 2; c++) {
        double here = level(&a, c, 440.0 * (double)(c + 1)), other = level(&a, c, 440.0 * (double)(2 - c));
        cr_assert(here >= 0.45 && here <= 0.55, "%s: level %g in channel %zu", path, here, c);
        cr_assert(other <= 0.02, "%s: channel %zu leaks %g into the other", path, 1 - c, other);
    }
    mdl_audio_free(&a);
}

/* ---- WAV ---- */

Test(audio, wav_keeps_16_khz_bit_for_bit)
{
    audio_write_wav("a.wav", 16000, 2, 1000);
    mdl_audio a;
    eng_error err;
    cr_assert_eq(mdl_audio_read("a.wav", &a, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(a.samples, 1000);
    for (size_t i = 0; i < 1000; i++)
        for (size_t c = 0; c < 2; c++) {
            long y = lrint(16384 * sin(2 * 3.14159265358979 * 440 * (double)(c + 1) * (double)i / 16000));
            cr_assert(a.data[c * a.stride + i] == (float)y / 32768);
        }
    mdl_audio_free(&a);
    cr_assert_null(a.data);
}

Test(audio, wav_is_resampled)
{
    const unsigned rates[] = {8000, 22050, 44100, 48000};
    for (size_t i = 0; i < 4; i++) {
        audio_write_wav("a.wav", rates[i], 2, rates[i] / 2);
        expect_sines("a.wav", 0.5, 0.5 / 16000);
    }
}

Test(audio, mix)
{
    float data[2][4] = {{1, 2, 3, 99}, {-1, 1, 0.5f, 99}};
    mdl_audio a = {.data = data[0], .channels = 2, .samples = 3, .stride = 4, .rate = 16000};
    mdl_audio_mix(&a);
    cr_assert_eq(a.channels, 1);
    const float want[4] = {0, 1.5f, 1.75f, 99};
    for (size_t i = 0; i < 4; i++) cr_assert(data[0][i] == want[i]);
    mdl_audio_mix(&a); /* a second time changes nothing */
    for (size_t i = 0; i < 4; i++) cr_assert(data[0][i] == want[i]);
}

Test(audio, standard_input_and_fifo)
{
    audio_write_wav("a.wav", 44100, 2, 44100);
    int saved = dup(STDIN_FILENO), fd = open("a.wav", O_RDONLY);
    cr_assert(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    expect_sines("-", 1, 0.5 / 16000);
    expect_error("-", ENG_E_FORMAT, "standard input: empty"); /* at its end by now */
    close(fd);
    if (saved >= 0) dup2(saved, STDIN_FILENO);

    cr_assert_eq(mkfifo("pipe.wav", 0600), 0);
    pid_t writer = fork();
    if (writer == 0) {
        const char *const arguments[] = {"cat", "a.wav", NULL};
        int out = open("pipe.wav", O_WRONLY);
        dup2(out, STDOUT_FILENO);
        execvp("cat", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    expect_sines("pipe.wav", 1, 0.5 / 16000);
    int status;
    cr_assert_eq(waitpid(writer, &status, 0), writer);
}

Test(audio, wrong_paths)
{
    expect_error("nowhere.wav", ENG_E_MISSING, "No such file");
    expect_error(".", ENG_E_IO, "is a folder");
    audio_write("empty.wav", "", 0);
    expect_error("empty.wav", ENG_E_FORMAT, "empty");
    audio_write_wav("none.wav", 16000, 1, 0);
    expect_error("none.wav", ENG_E_FORMAT, "no samples");
    audio_write_wav("cut.wav", 16000, 1, 100);
    cr_assert_eq(truncate("cut.wav", 144), 0);
    expect_error("cut.wav", ENG_E_FORMAT, "100 bytes are missing");
    audio_write_wav("locked.wav", 16000, 1, 10);
    cr_assert_eq(chmod("locked.wav", 0), 0);
    if (access("locked.wav", R_OK) != 0) expect_error("locked.wav", ENG_E_IO, "Permission denied");
}

/* ---- ffmpeg ---- */

Test(audio, without_ffmpeg_the_kind_is_named)
{
    static const struct {
        const char *head;
        size_t size;
        const char *kind;
    } cases[] = {
        {"ID3\4\0\0\0\0\0\0", 10, "MP3"},
        {"\xFF\xFB\x90\x00", 4, "MP3"},
        {"\xFF\xF1\x50\x80", 4, "AAC"},
        {"fLaC\0\0\0\x22", 8, "FLAC"},
        {"OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x13OpusHead", 36, "Ogg Opus"},
        {"OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1E\1vorbis", 35, "Ogg Vorbis"},
        {"\0\0\0\x20"
         "ftypM4A ",
         12, "MP4/M4A"},
        {"\x1A\x45\xDF\xA3", 4, "WebM/Matroska"},
        {"FORM\0\0\0\0AIFF", 12, "AIFF"},
        {"#!AMR\n", 6, "AMR"},
        {"hello", 5, "unknown format"},
    };
    setenv("PATH", support_folder(), 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        audio_write("x", cases[i].head, cases[i].size);
        expect_error("x", ENG_E_UNSUPPORTED, cases[i].kind);
        expect_error("x", ENG_E_UNSUPPORTED, "ffmpeg program, which is not installed");
    }
}

Test(audio, compressed_formats)
{
    audio_need_ffmpeg();
    static const char *const cases[][2] = {
        {"a.mp3", "libmp3lame"}, {"a.flac", "flac"}, {"a.opus", "libopus"}, {"a.ogg", "libvorbis"},
        {"a.m4a", "aac"},        {"a.wma", "wmav2"}, {"a.webm", "libopus"}, {"a.aiff", "pcm_s16be"},
        {"a.au", "pcm_s16be"},   {"a.aac", "aac"},
    };
    audio_write_wav("a.wav", 48000, 2, 48000);
    size_t compared = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!audio_convert("a.wav", cases[i][0], cases[i][1])) continue;
        expect_sines(cases[i][0], 1, 0.1);
        compared++;
    }
    cr_assert(compared >= 4, "only %zu formats", compared);
}

/* A codec that wav.c does not know, in a WAV file. */
Test(audio, adpcm_wav_goes_through_ffmpeg)
{
    audio_need_ffmpeg();
    audio_write_wav("a.wav", 22050, 2, 22050);
    cr_assert(audio_convert("a.wav", "adpcm.wav", "adpcm_ms"));
    expect_sines("adpcm.wav", 1, 0.1);
}

Test(audio, odd_names)
{
    audio_need_ffmpeg();
    static const char *const names[] = {"-i.flac",   "http:x.flac", "a b;echo $(id) 'q' \"r\".flac",
                                        "%d.flac",   "pipe:0",      "caf\xC3\xA9\xFF.flac",
                                        "concat:a|b"};
    audio_write_wav("a.wav", 16000, 2, 16000);
    cr_assert(audio_convert("a.wav", "plain.flac", "flac"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert_eq(rename(i ? names[i - 1] : "plain.flac", names[i]), 0);
        expect_sines(names[i], 1, 0.01);
    }
}

/* Standard input that is no WAV; m4a with its index at the end, which ffmpeg must seek for. */
Test(audio, compressed_standard_input)
{
    audio_need_ffmpeg();
    audio_write_wav("a.wav", 48000, 2, 48000);
    cr_assert(audio_convert("a.wav", "a.m4a", "aac"));
    int saved = dup(STDIN_FILENO), fd = open("a.m4a", O_RDONLY);
    cr_assert(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    expect_sines("-", 1, 0.1);
    close(fd);
    if (saved >= 0) dup2(saved, STDIN_FILENO);
}

Test(audio, ffmpeg_says_why)
{
    audio_need_ffmpeg();
    audio_write("notes.txt", "This is no audio at all.\n", 25);
    expect_error("notes.txt", ENG_E_FORMAT, "ffmpeg cannot decode it (unknown format): ");
    audio_write("broken.flac", "fLaC\0\0\0\x22 and then nothing", 26);
    expect_error("broken.flac", ENG_E_FORMAT, "ffmpeg cannot decode it (FLAC): ");
    cr_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child was not waited for");
}

/* More output and more complaints than pipes hold; nothing may block. */
Test(audio, a_talkative_ffmpeg, .timeout = 60)
{
    static const char script[] =
        "#!/bin/sh\n"
        "i=0; while [ $i -lt 3000 ]; do echo \"complaint $i of this stream\" >&2; i=$((i+1)); done\n"
        "cat a.wav; echo the last word >&2\n"
        "[ ! -e fail ]\n";
    audio_write_wav("a.wav", 16000, 2, 200000);
    audio_fake_ffmpeg(support_folder(), script);
    audio_write("x.flac", "fLaC", 4);
    expect_sines("x.flac", 12.5, 0.5 / 16000);
    audio_write("fail", "", 0);
    expect_error("x.flac", ENG_E_FORMAT, "(FLAC): the last word");
}
