/* Small corpora for the tests of training data: WAV files whose every sample is known, and lists. */
#ifndef TESTS_SUPPORT_TRAIN_FILES_H
#define TESTS_SUPPORT_TRAIN_FILES_H

#include <stddef.h>

#include "tools/train/data/data.h"

/* Makes a new folder and goes there; train_leave removes it with all that is in it. */
void train_enter(void);
void train_leave(void);

/* Sample i of the file written with that number, a multiple of 2^-15. */
float train_sample(unsigned number, size_t i);

/* A WAV file of 16-bit samples at 16 kHz, mono. */
void train_wav(const char *path, unsigned number, size_t samples);

void train_text(const char *path, const char *text);

/* Loads a list that is right. */
train_data train_load(const train_data_options *o);

/* train_data_scan on one rank, for at least 400 samples: how many files are broken. */
size_t train_scan(train_data *d, size_t threads, void (*report)(void *arg, const char *message), void *arg);

/* A scan that finds every file good. */
void train_scan_good(train_data *d);

#endif
