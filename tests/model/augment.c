/* Augmentation, by measurement of what it did: frequencies by the peak of a windowed spectrum, levels by power. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/audio.h"
#include "model/augment/parts.h"
#include "tests/support/sound.h"
#include "tests/support/support.h"

enum { RATE = MDL_SAMPLE_RATE, SECOND = MDL_SAMPLE_RATE };

/* ---- Speed, gain, noise ---- */

Test(augment, speed_changes_duration_and_pitch_alike)
{
    const mdl_augmentation a = {.speed = 0.1};
    sound in = sound_sine(440, 0.3, SECOND);
    double low = 2, high = 0;
    for (uint32_t u = 0; u < 40; u++) {
        sound out = sound_augmented(&a, 9, 3, u, in, 0);
        double f = (double)in.n / (double)out.n, moved = sound_peak(out.x, out.n, 440, 1.2) / 440;
        cr_assert(f >= 0.8999 && f <= 1.1001 && fabs(moved / f - 1) <= 5e-4, "%g times as short, %g times as high", f,
                  moved);
        low = fmin(low, f);
        high = fmax(high, f);
        eng_free(out.x);
    }
    cr_assert(low < 0.92 && high > 1.08);
    eng_free(in.x);
}

Test(augment, gain_is_a_level_within_its_range)
{
    const mdl_augmentation a = {.gain_db = 6};
    sound in = sound_buzz(1000);
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 100; u++) {
        sound out = sound_augmented(&a, 2, 1, u, in, 0);
        cr_assert_eq(out.n, in.n);
        double gain = (double)out.x[100] / (double)in.x[100], db = 2 * sound_decibel(gain);
        cr_assert(fabs(db) <= 6.0001, "%g dB", db);
        for (size_t i = 0; i < in.n; i++) cr_assert(fabs(out.x[i] - gain * in.x[i]) <= 1e-6);
        low = fmin(low, db);
        high = fmax(high, db);
        eng_free(out.x);
    }
    cr_assert(low < -5 && high > 5);
    eng_free(in.x);
}

/* Level of a tone behind the equaliser, in dB; what the filters do at the beginning is left out. */
static double equalised_level(const mdl_augment_band band[MDL_AUGMENT_BANDS], double frequency)
{
    sound tone = sound_sine(frequency, 0.1, SECOND);
    size_t settled = SECOND / 4;
    double before = sound_power(tone.x + settled, tone.n - settled);
    mdl_augment_equalise(band, tone.n, tone.x);
    double level = sound_decibel(sound_power(tone.x + settled, tone.n - settled) / before);
    eng_free(tone.x);
    return level;
}

Test(augment, a_band_is_raised_or_lowered_and_the_rest_kept)
{
    static const struct {
        int band;
        double frequency, there, elsewhere; /* the band's; where it works in full; where it does not */
    } cases[] = {{0, 250, 20, 6000}, {1, 500, 500, 6000}, {2, 2000, 2000, 60}, {3, 3000, 7900, 60}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (double gain = -12; gain <= 12; gain += 8) {
            mdl_augment_band band[MDL_AUGMENT_BANDS] = {{200, 0}, {500, 0}, {2000, 0}, {4000, 0}};
            band[cases[i].band] = (mdl_augment_band){cases[i].frequency, gain};
            double there = equalised_level(band, cases[i].there), elsewhere = equalised_level(band, cases[i].elsewhere);
            cr_assert(fabs(there - gain) <= 0.3, "band %zu: %g dB, expected %g", i, there, gain);
            cr_assert(fabs(elsewhere) <= 0.3, "band %zu elsewhere: %g dB", i, elsewhere);
        }
}

Test(augment, the_equaliser_is_another_one_for_each_utterance_and_keeps_the_length)
{
    const mdl_augmentation a = {.equalise_db = 10};
    sound in = sound_sine(440, 0.1, SECOND);
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 60; u++) {
        sound out = sound_augmented(&a, 5, 1, u, in, 0);
        cr_assert_eq(out.n, in.n);
        double level = sound_decibel(sound_power(out.x, out.n) / sound_power(in.x, in.n));
        low = fmin(low, level);
        high = fmax(high, level);
        eng_free(out.x);
    }
    cr_assert(low < -3 && high > 3 && low >= -25 && high <= 25, "levels from %g to %g dB", low, high);
    eng_free(in.x);
}

Test(augment, noise_has_the_ratio_that_was_asked_for)
{
    sound in = sound_buzz(SECOND);
    float *noise = eng_alloc(in.n, sizeof *noise);
    for (double snr = -5; snr <= 40; snr += 15)
        for (uint32_t u = 0; u < 6; u++) {
            const mdl_augmentation a = {.noise_prob = 1, .snr_low = snr, .snr_high = snr};
            sound out = sound_augmented(&a, 3, 2, u, in, 0);
            cr_assert_eq(out.n, in.n);
            for (size_t i = 0; i < in.n; i++) noise[i] = out.x[i] - in.x[i];
            double got = sound_decibel(sound_power(in.x, in.n) / sound_power(noise, in.n));
            cr_assert(fabs(got - snr) <= 0.05, "asked for %g dB, got %g", snr, got);
            eng_free(out.x);
        }
    eng_free(noise);
    eng_free(in.x);
}

Test(augment, the_ratio_holds_behind_speed_and_before_gain)
{
    const mdl_augmentation quiet = {.speed = 0.1, .pitch = 2};
    mdl_augmentation noisy = quiet;
    noisy.noise_prob = 1;
    noisy.snr_low = noisy.snr_high = 12;
    noisy.gain_db = 10;
    sound in = sound_buzz(SECOND);
    for (uint32_t u = 0; u < 4; u++) {
        const mdl_augmentation loud = {.speed = 0.1, .pitch = 2, .gain_db = 10};
        sound clean = sound_augmented(&loud, 3, 2, u, in, 8000), both = sound_augmented(&noisy, 3, 2, u, in, 8000);
        cr_assert(clean.n == 8000 && both.n == 8000);
        for (size_t i = 0; i < both.n; i++) both.x[i] -= clean.x[i];
        double got = sound_decibel(sound_power(clean.x, clean.n) / sound_power(both.x, both.n));
        cr_assert(fabs(got - 12) <= 0.05, "%g dB", got);
        eng_free(clean.x);
        eng_free(both.x);
    }
    eng_free(in.x);
}

Test(augment, noise_falls_to_a_share_of_utterances_and_within_its_range)
{
    const mdl_augmentation a = {.noise_prob = 0.3, .snr_low = 5, .snr_high = 15};
    sound in = sound_buzz(400);
    size_t noisy = 0;
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 400; u++) {
        sound out = sound_augmented(&a, 8, 1, u, in, 0);
        if (memcmp(out.x, in.x, in.n * sizeof *in.x)) {
            for (size_t i = 0; i < in.n; i++) out.x[i] -= in.x[i];
            double snr = sound_decibel(sound_power(in.x, in.n) / sound_power(out.x, in.n));
            low = fmin(low, snr);
            high = fmax(high, snr);
            noisy++;
        }
        eng_free(out.x);
    }
    cr_assert(noisy > 90 && noisy < 150, "%zu of 400", noisy); /* 120, standard deviation 9 */
    cr_assert(low >= 4.95 && low < 6.5 && high > 13.5 && high <= 15.05, "%g to %g dB", low, high);
    eng_free(in.x);
}

/* Mean power density around each frequency, over segments under a Hann window. */
Test(augment, noise_has_the_slope_of_its_exponent)
{
    enum { SEGMENT = 1024, SEGMENTS = 100, N = SEGMENT * SEGMENTS };
    static const double frequencies[] = {125, 500, 2000, 4000};
    float *x = eng_alloc(N, sizeof *x);
    for (double exponent = 0; exponent <= 2; exponent += 0.5) {
        for (size_t i = 0; i < N; i++) x[i] = i % 2 ? 1e-3f : -1e-3f;
        cr_assert_eq(mdl_augment_noise((eng_stream){.seed = 4}, exponent, 0, N, x, NULL), ENG_OK);
        for (size_t i = 0; i < N; i++) x[i] -= i % 2 ? 1e-3f : -1e-3f;
        double level[4] = {0};
        for (size_t f = 0; f < 4; f++)
            for (size_t s = 0; s < SEGMENTS; s++)
                for (int bin = -2; bin <= 2; bin += 2)
                    level[f] += sound_power_at(x + s * SEGMENT, SEGMENT, frequencies[f] + bin * RATE / (double)SEGMENT);
        for (size_t f = 1; f < 4; f++) {
            double slope = sound_decibel(level[f] / level[0]) / (10 * log10(frequencies[f] / 125));
            cr_assert(fabs(slope + exponent) <= 0.12, "exponent %g: 125 to %g Hz falls with %g", exponent,
                      frequencies[f], -slope);
        }
    }
    eng_free(x);
}

/* ---- Draws, crops, edges ---- */

static const mdl_augmentation everything = {
    .gain_db = 6, .noise_prob = 1, .snr_low = 10, .snr_high = 30, .speed = 0.1, .pitch = 2};

Test(augment, nothing_asked_for_gives_a_copy)
{
    const mdl_augmentation off = {0};
    sound in = sound_buzz(3000), out = sound_augmented(&off, 1, 1, 1, in, 0);
    cr_assert_eq(out.n, in.n);
    cr_assert_neq(out.x, in.x);
    cr_assert_eq(memcmp(out.x, in.x, in.n * sizeof *in.x), 0);
    eng_free(out.x);
    out = sound_augmented(&off, 1, 1, 1, in, 3000);
    cr_assert_eq(out.n, in.n);
    cr_assert_eq(memcmp(out.x, in.x, in.n * sizeof *in.x), 0);
    eng_free(out.x);
    eng_free(in.x);
}

Test(augment, crops_are_drawn_from_everywhere)
{
    const mdl_augmentation off = {0};
    sound in = {eng_alloc(100, sizeof(float)), 100};
    for (size_t i = 0; i < in.n; i++) in.x[i] = (float)i;
    size_t seen[100] = {0};
    for (uint32_t u = 0; u < 500; u++) {
        sound out = sound_augmented(&off, 1, 1, u, in, 91);
        cr_assert_eq(out.n, 91);
        for (size_t i = 1; i < out.n; i++) cr_assert(out.x[i] == out.x[i - 1] + 1);
        seen[(size_t)out.x[0]]++;
        eng_free(out.x);
    }
    for (size_t i = 0; i <= 9; i++) cr_assert(seen[i] > 20, "%zu of 500 crops begin at %zu", seen[i], i);
    eng_free(in.x);
}

Test(augment, the_same_draw_gives_the_same_bits_and_another_does_not)
{
    sound in = sound_buzz(SECOND / 2), first = sound_augmented(&everything, 1, 2, 3, in, 6000);
    sound again = sound_augmented(&everything, 1, 2, 3, in, 6000);
    cr_assert_eq(first.n, again.n);
    cr_assert_eq(memcmp(first.x, again.x, first.n * sizeof *first.x), 0);
    const uint32_t others[][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (size_t i = 0; i < 3; i++) {
        sound other = sound_augmented(&everything, others[i][0], others[i][1], others[i][2], in, 6000);
        cr_assert_eq(other.n, first.n);
        cr_assert_neq(memcmp(first.x, other.x, first.n * sizeof *first.x), 0);
        eng_free(other.x);
    }
    eng_free(first.x);
    eng_free(again.x);
    eng_free(in.x);
}

Test(augment, any_length_is_fine_and_stays_finite)
{
    const size_t lengths[] = {0, 1, 2, 3, 31, 255, 256, 257, 511, 512, 513, 700, 1023, 1025, 2000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (uint32_t u = 0; u < (support_emulated() ? 4 : 20); u++)
            for (size_t max = 0; max <= 600; max += 200) {
                sound in = sound_buzz(lengths[i]), out = sound_augmented(&everything, 7, 1, u, in, max);
                cr_assert_eq(out.n == 0, in.n == 0);
                if (max) cr_assert(out.n <= max);
                if (!max || (double)in.n / 1.1 < (double)max - 1) {
                    double ratio = (double)in.n / (double)(out.n ? out.n : 1);
                    cr_assert(in.n < 31 || (ratio > 0.86 && (max || ratio < 1.14)), "%zu became %zu", in.n, out.n);
                }
                if (max && in.n > 2 * max) cr_assert_eq(out.n, max);
                for (size_t j = 0; j < out.n; j++) cr_assert(isfinite(out.x[j]));
                eng_free(in.x);
                eng_free(out.x);
            }
    sound none = {NULL, 0}, out = sound_augmented(&everything, 7, 1, 1, none, 100);
    cr_assert_eq(out.n, 0);
    eng_free(out.x);
}

Test(augment, silence_stays_silent_and_extremes_stay_numbers)
{
    static const float levels[] = {0, 1e-30f, 1e-20f, 1, 1e6f};
    sound in = {eng_alloc(4000, sizeof(float)), 4000};
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < in.n; j++) in.x[j] = levels[i] * (j % 7 < 3 ? 1 : -1);
        for (uint32_t u = 0; u < 5; u++) {
            sound out = sound_augmented(&everything, 7, 1, u, in, 3000);
            cr_assert_eq(out.n, 3000);
            for (size_t j = 0; j < out.n; j++) cr_assert(isfinite(out.x[j]) && (levels[i] != 0 || out.x[j] == 0));
            eng_free(out.x);
        }
    }
    eng_free(in.x);
}

Test(augment, options_out_of_range_are_errors)
{
    const mdl_augmentation wrong[] = {
        {.gain_db = -1},
        {.gain_db = NAN},
        {.noise_prob = 1.1},
        {.noise_prob = NAN},
        {.snr_low = 3, .snr_high = 2},
        {.snr_high = INFINITY},
        {.speed = 1},
        {.speed = -0.1},
        {.speed = NAN},
        {.pitch = 25},
        {.pitch = -1},
        {.pitch = NAN},
        {.equalise_db = 41},
        {.equalise_db = NAN},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        float x = 1, *out;
        size_t n;
        eng_error err = {0};
        cr_assert_eq(mdl_augment(&wrong[i], 1, 1, 1, &x, 1, 0, &out, &n, &err), ENG_E_USAGE, "options %zu", i);
        cr_assert(strlen(err.message) > 10 && !out && !n);
    }
}
