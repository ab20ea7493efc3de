/* Sounds made to be measured, and what is measured of them, for the tests of augmentation. All at MDL_SAMPLE_RATE. */
#ifndef TESTS_SUPPORT_SOUND_H
#define TESTS_SUPPORT_SOUND_H

#include "model/augment/augment.h"

typedef struct sound {
    float *x; /* eng_free */
    size_t n;
} sound;

/* n samples of a sine, a quarter of a sample in. */
sound sound_sine(double frequency, double amplitude, size_t n);

/* Something like a voice: twenty harmonics of 120 Hz with a slow tremolo. */
sound sound_buzz(size_t n);

/* mdl_augment's result of in. */
sound sound_augmented(const mdl_augmentation *a, uint64_t seed, uint32_t epoch, uint32_t utterance, sound in,
                      size_t max_samples);

/* Mean of the squares; a ratio of powers in dB. */
double sound_power(const float *x, size_t n);
double sound_decibel(double ratio);

/* Power at a frequency under a Hann window; a sine of amplitude 1 gives 1. */
double sound_power_at(const float *x, size_t n, double frequency);

/* The strongest frequency within ratio of `near`, to 0.02 %. */
double sound_peak(const float *x, size_t n, double near, double ratio);

#endif
