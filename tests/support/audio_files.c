#include "tests/support/audio_files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

void audio_write(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

void audio_write_text(const char *path, const char *text)
{
    audio_write(path, text, strlen(text));
}

void audio_put(unsigned char *at, size_t count, uint32_t value)
{
    for (size_t i = 0; i < count; i++) at[i] = (unsigned char)(value >> 8 * i);
}

void audio_write_wav(const char *path, unsigned rate, unsigned channels, size_t samples)
{
    size_t data = samples * channels * 2;
    unsigned char *w = calloc(44 + data, 1);
    cr_assert_not_null(w);
    memcpy(w, "RIFF", 4), audio_put(w + 4, 4, (uint32_t)(36 + data)), memcpy(w + 8, "WAVEfmt ", 8);
    audio_put(w + 16, 4, 16), audio_put(w + 20, 2, 1), audio_put(w + 22, 2, channels), audio_put(w + 24, 4, rate);
    audio_put(w + 28, 4, rate * channels * 2), audio_put(w + 32, 2, channels * 2), audio_put(w + 34, 2, 16);
    memcpy(w + 36, "data", 4), audio_put(w + 40, 4, (uint32_t)data);
    for (size_t i = 0; i < samples; i++)
        for (unsigned c = 0; c < channels; c++) {
            double y = 16384 * sin(2 * 3.14159265358979 * 440 * (c + 1) * (double)i / rate);
            audio_put(w + 44 + 2 * (i * channels + c), 2, (uint32_t)(int32_t)lrint(y));
        }
    audio_write(path, w, 44 + data);
    free(w);
}

int audio_run(const char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    union {
        const char *const *constant;
        char *const *plain;
    } argv = {arguments};
    int failed = posix_spawnp(&pid, arguments[0], &actions, NULL, argv.plain, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || waitpid(pid, &status, 0) < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void audio_need_ffmpeg(void)
{
    const char *const arguments[] = {"ffmpeg", "-version", NULL};
    if (audio_run(arguments) != 0) cr_skip_test("ffmpeg is not installed");
}

bool audio_convert(const char *from, const char *to, const char *codec)
{
    char target[256];
    snprintf(target, sizeof target, "file:%s", to);
    const char *const arguments[] = {"ffmpeg", "-nostdin", "-y", "-i", from, "-c:a", codec, target, NULL};
    return audio_run(arguments) == 0;
}

void audio_fake_ffmpeg(const char *folder, const char *script)
{
    audio_write_text("ffmpeg", script);
    cr_assert_eq(chmod("ffmpeg", 0755), 0);
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
}
