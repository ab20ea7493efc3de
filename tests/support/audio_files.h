/* Audio files, other files and programs for the tests that read audio. */
#ifndef TESTS_SUPPORT_AUDIO_FILES_H
#define TESTS_SUPPORT_AUDIO_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void audio_write(const char *path, const void *bytes, size_t size);
void audio_write_text(const char *path, const char *text);

/* count bytes of value, the lowest first. */
void audio_put(unsigned char *at, size_t count, uint32_t value);

/* 16-bit WAV: channel c is a sine of (c + 1) * 440 Hz, half of full scale. */
void audio_write_wav(const char *path, unsigned rate, unsigned channels, size_t samples);

/* Runs a program with its output thrown away; its exit status, -1 when it cannot be run. */
int audio_run(const char *const *arguments);

/* Skips the running test, visibly, where ffmpeg is not installed. */
void audio_need_ffmpeg(void);

/* False when this ffmpeg has no such encoder. */
bool audio_convert(const char *from, const char *to, const char *codec);

/* From now on the ffmpeg found in PATH is a shell script in the current folder, which is `folder`. */
void audio_fake_ffmpeg(const char *folder, const char *script);

#endif
