/* What moves pitch and duration, by measurement: resampling and stretching alone, and what is made of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/audio.h"
#include "model/augment/parts.h"
#include "tests/support/sound.h"

enum { RATE = MDL_SAMPLE_RATE, SECOND = MDL_SAMPLE_RATE };

static const double PI = 3.14159265358979323846;

/* ---- Resampling ---- */

Test(augment_pitch, resampling_moves_a_tone_and_keeps_its_level)
{
    static const double steps[] = {0.8, 0.9, 0.97, 1.013, 1.1, 1.25};
    static const double tones[] = {100, 1000, 3000, 5000};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 4; j++) {
            sound in = sound_sine(tones[j], 0.5, SECOND / 2);
            size_t n = (size_t)((double)in.n / steps[i]);
            float *out = eng_alloc(n, sizeof *out);
            cr_assert_eq(mdl_augment_resample(in.x, in.n, steps[i], 0, n, out, NULL), ENG_OK);
            double worst = 0; /* against the sine itself, away from the ends */
            for (size_t k = 200; k < n - 200; k++) {
                double want = 0.5 * sin(2 * PI * tones[j] * ((double)k * steps[i] + 0.25) / RATE);
                worst = fmax(worst, fabs(out[k] - want));
            }
            cr_assert(worst <= 0.5 * 1e-3, "step %g, %g Hz: off by %g", steps[i], tones[j], worst);
            cr_assert(worst > 0);
            eng_free(out);
            eng_free(in.x);
        }
}

Test(augment_pitch, what_lies_above_the_new_nyquist_frequency_is_removed)
{
    static const double steps[] = {1.1, 1.2, 1.5};
    for (size_t i = 0; i < 3; i++) {
        double nyquist = 8000 / steps[i];
        for (double tone = nyquist + 20; tone < 7990; tone += (8000 - nyquist) / 4) {
            sound in = sound_sine(tone, 1, SECOND / 2);
            size_t n = (size_t)((double)in.n / steps[i]);
            float *out = eng_alloc(n, sizeof *out);
            cr_assert_eq(mdl_augment_resample(in.x, in.n, steps[i], 0, n, out, NULL), ENG_OK);
            double left = sound_decibel(2 * sound_power(out + 200, n - 400));
            cr_assert(left <= -65, "step %g: %g Hz remains at %.1f dB", steps[i], tone, left);
            eng_free(out);
            eng_free(in.x);
        }
    }
}

Test(augment_pitch, a_part_of_a_resampled_sound_is_that_part)
{
    sound in = sound_buzz(5000);
    for (double step = 0.85; step < 1.2; step += 0.117) {
        size_t n = (size_t)((double)in.n / step);
        float *whole = eng_alloc(n, sizeof *whole), *part = eng_alloc(1000, sizeof *part);
        cr_assert_eq(mdl_augment_resample(in.x, in.n, step, 0, n, whole, NULL), ENG_OK);
        const size_t firsts[] = {0, 1, 30, 2000, n - 1000};
        for (size_t i = 0; i < 5; i++) {
            cr_assert_eq(mdl_augment_resample(in.x, in.n, step, firsts[i], 1000, part, NULL), ENG_OK);
            cr_assert_eq(memcmp(part, whole + firsts[i], 1000 * sizeof *part), 0, "step %g from %zu", step, firsts[i]);
        }
        eng_free(whole);
        eng_free(part);
    }
    eng_free(in.x);
}

/* ---- Pitch ---- */

Test(augment_pitch, stretching_keeps_tones_where_they_are)
{
    static const double stretches[] = {0.7, 0.9, 1.1, 1.4};
    static const double tones[] = {70, 220, 1000, 4000};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            sound in = sound_sine(tones[j], 0.5, 2 * SECOND);
            size_t n = (size_t)((double)in.n * stretches[i]);
            float *out = eng_alloc(n, sizeof *out);
            cr_assert_eq(mdl_augment_stretch(in.x, in.n, stretches[i], n, out, NULL), ENG_OK);
            double f = sound_peak(out, n, tones[j], 1.06),
                   level = sound_decibel(sound_power(out, n) / sound_power(in.x, in.n));
            cr_assert(fabs(f / tones[j] - 1) <= 2e-3, "stretch %g: %g Hz became %g", stretches[i], tones[j], f);
            cr_assert(fabs(level) <= 0.6, "stretch %g: %g Hz changed by %.2f dB", stretches[i], tones[j], level);
            double end =
                sound_decibel(sound_power(out + n - 160, 160) / sound_power(in.x, in.n)); /* the last 10 ms sound too */
            cr_assert(end >= -6, "stretch %g: %g Hz ends at %.1f dB", stretches[i], tones[j], end);
            eng_free(out);
            eng_free(in.x);
        }
}

/* A click's time, relative, stays: events do not drift. */
Test(augment_pitch, stretching_keeps_the_time_line)
{
    for (double stretch = 0.75; stretch < 1.4; stretch += 0.15)
        for (double where = 0.1; where < 0.95; where += 0.2) {
            size_t count = 2 * SECOND, n = (size_t)((double)count * stretch), loudest = 0;
            float *in = eng_alloc_zero(count, sizeof *in), *out = eng_alloc(n, sizeof *out);
            in[(size_t)((double)count * where)] = 1;
            cr_assert_eq(mdl_augment_stretch(in, count, stretch, n, out, NULL), ENG_OK);
            for (size_t i = 0; i < n; i++)
                if (out[i] > out[loudest]) loudest = i;
            double late = (double)loudest - (double)n * where;
            cr_assert(out[loudest] > 0.2 && fabs(late) <= 450, "stretch %g: a click at %g lies %g samples off", stretch,
                      where, late);
            eng_free(in);
            eng_free(out);
        }
}

Test(augment_pitch, pitch_moves_by_semitones_and_keeps_the_length)
{
    const mdl_augmentation a = {.pitch = 4};
    sound in = sound_sine(440, 0.3, SECOND);
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 40; u++) {
        sound out = sound_augmented(&a, 5, 1, u, in, 0);
        cr_assert_eq(out.n, in.n);
        double semitones = 12 * log2(sound_peak(out.x, out.n, 440, 1.3) / 440);
        cr_assert(fabs(semitones) <= 4.05, "%g semitones", semitones);
        cr_assert(fabs(sound_decibel(sound_power(out.x, out.n) / sound_power(in.x, in.n))) <= 0.5);
        low = fmin(low, semitones);
        high = fmax(high, semitones);
        eng_free(out.x);
    }
    cr_assert(low < -3 && high > 3, "40 utterances moved by %g to %g semitones", low, high);
    eng_free(in.x);
}

/* The two factors are told apart: speed by the length, pitch by what else the tone moved. */
Test(augment_pitch, speed_and_pitch_together)
{
    const mdl_augmentation both = {.pitch = 3, .speed = 0.15}, speed = {.speed = 0.15}, pitch = {.pitch = 3};
    sound in = sound_sine(300, 0.3, SECOND);
    for (uint32_t u = 0; u < 8; u++) {
        sound a = sound_augmented(&both, 1, 1, u, in, 0), b = sound_augmented(&speed, 1, 1, u, in, 0);
        sound c = sound_augmented(&pitch, 1, 1, u, in, 0);
        cr_assert_eq(a.n, b.n, "the draws of one do not depend on the other");
        double want = sound_peak(b.x, b.n, 300, 1.3) * sound_peak(c.x, c.n, 300, 1.3) / 300,
               got = sound_peak(a.x, a.n, 300, 1.5);
        cr_assert(fabs(got / want - 1) <= 3e-3, "expected %g Hz, found %g", want, got);
        eng_free(a.x);
        eng_free(b.x);
        eng_free(c.x);
    }
    eng_free(in.x);
}
