#include "tests/support/sound.h"

#include <complex.h>
#include <criterion/criterion.h>
#include <math.h>

#include "engine/memory.h"
#include "model/audio/audio.h"

enum { RATE = MDL_SAMPLE_RATE };

static const double PI = 3.14159265358979323846;

sound sound_sine(double frequency, double amplitude, size_t n)
{
    sound s = {eng_alloc(n, sizeof(float)), n};
    cr_assert_not_null(s.x);
    for (size_t i = 0; i < n; i++) s.x[i] = (float)(amplitude * sin(2 * PI * frequency * ((double)i + 0.25) / RATE));
    return s;
}

sound sound_buzz(size_t n)
{
    sound s = sound_sine(120, 0.1, n);
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / RATE;
        for (int h = 2; h <= 20; h++) s.x[i] += (float)(0.1 / h * sin(2 * PI * 120 * h * t + h * h));
        s.x[i] *= (float)(1 + 0.5 * sin(2 * PI * 3 * t));
    }
    return s;
}

sound sound_augmented(const mdl_augmentation *a, uint64_t seed, uint32_t epoch, uint32_t utterance, sound in,
                      size_t max_samples)
{
    sound out;
    eng_error err = {0};
    cr_assert_eq(mdl_augment(a, seed, epoch, utterance, in.x, in.n, max_samples, &out.x, &out.n, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_not_null(out.x);
    return out;
}

double sound_power(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum / (double)n;
}

double sound_decibel(double ratio)
{
    return 10 * log10(ratio + 1e-300);
}

/* Tone and window turn by a complex factor a sample. */
double sound_power_at(const float *x, size_t n, double frequency)
{
    double complex tone = 1, turn = cexp(2 * PI * I * frequency / RATE), sum = 0;
    double complex hann = cexp(PI * I / (double)n), step = hann * hann;
    for (size_t i = 0; i < n; i++, tone *= turn, hann *= step) sum += (0.5 - 0.5 * creal(hann)) * x[i] * tone;
    return pow(4 * cabs(sum) / (double)n, 2);
}

/* Three sweeps, each finer. */
double sound_peak(const float *x, size_t n, double near, double ratio)
{
    double found = near;
    for (int sweep = 0; sweep < 3; sweep++, ratio = pow(ratio, 0.125)) {
        double best = -1, centre = found;
        for (int i = -16; i <= 16; i++) {
            double f = centre * pow(ratio, i / 16.0), p = sound_power_at(x, n, f);
            if (p > best) {
                best = p;
                found = f;
            }
        }
    }
    return found;
}
