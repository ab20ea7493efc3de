/* Augmentation, by measurement of what it did: frequencies by the peak of a windowed spectrum, levels by power. */
#include <complex.h>
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/audio.h"
#include "model/augment/augment.h"
#include "model/augment/parts.h"
#include "tests/support/support.h"

enum { RATE = MDL_SAMPLE_RATE, SECOND = MDL_SAMPLE_RATE };

static const double PI = 3.14159265358979323846;

typedef struct sound {
    float *x;
    size_t n;
} sound;

static sound sine(double frequency, double amplitude, size_t n)
{
    sound s = {eng_alloc(n, sizeof(float)), n};
    cr_assert_not_null(s.x);
    for (size_t i = 0; i < n; i++) s.x[i] = (float)(amplitude * sin(2 * PI * frequency * ((double)i + 0.25) / RATE));
    return s;
}

/* Something like a voice: twenty harmonics of 120 Hz with a slow tremolo. */
static sound buzz(size_t n)
{
    sound s = sine(120, 0.1, n);
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / RATE;
        for (int h = 2; h <= 20; h++) s.x[i] += (float)(0.1 / h * sin(2 * PI * 120 * h * t + h * h));
        s.x[i] *= (float)(1 + 0.5 * sin(2 * PI * 3 * t));
    }
    return s;
}

static sound augment_as(const mdl_augmentation *a, uint64_t seed, uint32_t epoch, uint32_t utterance, sound in,
                        size_t max_samples)
{
    sound out;
    eng_error err = {0};
    cr_assert_eq(mdl_augment(a, seed, epoch, utterance, in.x, in.n, max_samples, &out.x, &out.n, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_not_null(out.x);
    return out;
}

static double power(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum / (double)n;
}

static double decibel(double ratio)
{
    return 10 * log10(ratio + 1e-300);
}

/* Power at a frequency under a Hann window; a sine of amplitude 1 gives 1. Both turn by a complex factor a sample. */
static double power_at(const float *x, size_t n, double frequency)
{
    double complex tone = 1, turn = cexp(2 * PI * I * frequency / RATE), sum = 0;
    double complex hann = cexp(PI * I / (double)n), step = hann * hann;
    for (size_t i = 0; i < n; i++, tone *= turn, hann *= step) sum += (0.5 - 0.5 * creal(hann)) * x[i] * tone;
    return pow(4 * cabs(sum) / (double)n, 2);
}

/* The strongest frequency within ratio of `near`, to 0.02 %: three sweeps, each finer. */
static double peak(const float *x, size_t n, double near, double ratio)
{
    double found = near;
    for (int sweep = 0; sweep < 3; sweep++, ratio = pow(ratio, 0.125)) {
        double best = -1, centre = found;
        for (int i = -16; i <= 16; i++) {
            double f = centre * pow(ratio, i / 16.0), p = power_at(x, n, f);
            if (p > best) {
                best = p;
                found = f;
            }
        }
    }
    return found;
}

/* ---- Resampling ---- */

Test(augment, resampling_moves_a_tone_and_keeps_its_level)
{
    static const double steps[] = {0.8, 0.9, 0.97, 1.013, 1.1, 1.25};
    static const double tones[] = {100, 1000, 3000, 5000};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 4; j++) {
            sound in = sine(tones[j], 0.5, SECOND / 2);
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

Test(augment, what_lies_above_the_new_nyquist_frequency_is_removed)
{
    static const double steps[] = {1.1, 1.2, 1.5};
    for (size_t i = 0; i < 3; i++) {
        double nyquist = 8000 / steps[i];
        for (double tone = nyquist + 20; tone < 7990; tone += (8000 - nyquist) / 4) {
            sound in = sine(tone, 1, SECOND / 2);
            size_t n = (size_t)((double)in.n / steps[i]);
            float *out = eng_alloc(n, sizeof *out);
            cr_assert_eq(mdl_augment_resample(in.x, in.n, steps[i], 0, n, out, NULL), ENG_OK);
            double left = decibel(2 * power(out + 200, n - 400));
            cr_assert(left <= -65, "step %g: %g Hz remains at %.1f dB", steps[i], tone, left);
            eng_free(out);
            eng_free(in.x);
        }
    }
}

Test(augment, a_part_of_a_resampled_sound_is_that_part)
{
    sound in = buzz(5000);
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

Test(augment, stretching_keeps_tones_where_they_are)
{
    static const double stretches[] = {0.7, 0.9, 1.1, 1.4};
    static const double tones[] = {70, 220, 1000, 4000};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            sound in = sine(tones[j], 0.5, 2 * SECOND);
            size_t n = (size_t)((double)in.n * stretches[i]);
            float *out = eng_alloc(n, sizeof *out);
            cr_assert_eq(mdl_augment_stretch(in.x, in.n, stretches[i], n, out, NULL), ENG_OK);
            double f = peak(out, n, tones[j], 1.06), level = decibel(power(out, n) / power(in.x, in.n));
            cr_assert(fabs(f / tones[j] - 1) <= 2e-3, "stretch %g: %g Hz became %g", stretches[i], tones[j], f);
            cr_assert(fabs(level) <= 0.6, "stretch %g: %g Hz changed by %.2f dB", stretches[i], tones[j], level);
            double end = decibel(power(out + n - 160, 160) / power(in.x, in.n)); /* the last 10 ms sound too */
            cr_assert(end >= -6, "stretch %g: %g Hz ends at %.1f dB", stretches[i], tones[j], end);
            eng_free(out);
            eng_free(in.x);
        }
}

/* A click's time, relative, stays: events do not drift. */
Test(augment, stretching_keeps_the_time_line)
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

Test(augment, pitch_moves_by_semitones_and_keeps_the_length)
{
    const mdl_augmentation a = {.pitch = 4};
    sound in = sine(440, 0.3, SECOND);
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 40; u++) {
        sound out = augment_as(&a, 5, 1, u, in, 0);
        cr_assert_eq(out.n, in.n);
        double semitones = 12 * log2(peak(out.x, out.n, 440, 1.3) / 440);
        cr_assert(fabs(semitones) <= 4.05, "%g semitones", semitones);
        cr_assert(fabs(decibel(power(out.x, out.n) / power(in.x, in.n))) <= 0.5);
        low = fmin(low, semitones);
        high = fmax(high, semitones);
        eng_free(out.x);
    }
    cr_assert(low < -3 && high > 3, "40 utterances moved by %g to %g semitones", low, high);
    eng_free(in.x);
}

/* The two factors are told apart: speed by the length, pitch by what else the tone moved. */
Test(augment, speed_and_pitch_together)
{
    const mdl_augmentation both = {.pitch = 3, .speed = 0.15}, speed = {.speed = 0.15}, pitch = {.pitch = 3};
    sound in = sine(300, 0.3, SECOND);
    for (uint32_t u = 0; u < 8; u++) {
        sound a = augment_as(&both, 1, 1, u, in, 0), b = augment_as(&speed, 1, 1, u, in, 0);
        sound c = augment_as(&pitch, 1, 1, u, in, 0);
        cr_assert_eq(a.n, b.n, "the draws of one do not depend on the other");
        double want = peak(b.x, b.n, 300, 1.3) * peak(c.x, c.n, 300, 1.3) / 300, got = peak(a.x, a.n, 300, 1.5);
        cr_assert(fabs(got / want - 1) <= 3e-3, "expected %g Hz, found %g", want, got);
        eng_free(a.x);
        eng_free(b.x);
        eng_free(c.x);
    }
    eng_free(in.x);
}

/* ---- Speed, gain, noise ---- */

Test(augment, speed_changes_duration_and_pitch_alike)
{
    const mdl_augmentation a = {.speed = 0.1};
    sound in = sine(440, 0.3, SECOND);
    double low = 2, high = 0;
    for (uint32_t u = 0; u < 40; u++) {
        sound out = augment_as(&a, 9, 3, u, in, 0);
        double f = (double)in.n / (double)out.n, moved = peak(out.x, out.n, 440, 1.2) / 440;
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
    sound in = buzz(1000);
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 100; u++) {
        sound out = augment_as(&a, 2, 1, u, in, 0);
        cr_assert_eq(out.n, in.n);
        double gain = (double)out.x[100] / (double)in.x[100], db = 2 * decibel(gain);
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
    sound tone = sine(frequency, 0.1, SECOND);
    size_t settled = SECOND / 4;
    double before = power(tone.x + settled, tone.n - settled);
    mdl_augment_equalise(band, tone.n, tone.x);
    double level = decibel(power(tone.x + settled, tone.n - settled) / before);
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
    sound in = sine(440, 0.1, SECOND);
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 60; u++) {
        sound out = augment_as(&a, 5, 1, u, in, 0);
        cr_assert_eq(out.n, in.n);
        double level = decibel(power(out.x, out.n) / power(in.x, in.n));
        low = fmin(low, level);
        high = fmax(high, level);
        eng_free(out.x);
    }
    cr_assert(low < -3 && high > 3 && low >= -25 && high <= 25, "levels from %g to %g dB", low, high);
    eng_free(in.x);
}

Test(augment, noise_has_the_ratio_that_was_asked_for)
{
    sound in = buzz(SECOND);
    float *noise = eng_alloc(in.n, sizeof *noise);
    for (double snr = -5; snr <= 40; snr += 15)
        for (uint32_t u = 0; u < 6; u++) {
            const mdl_augmentation a = {.noise_prob = 1, .snr_low = snr, .snr_high = snr};
            sound out = augment_as(&a, 3, 2, u, in, 0);
            cr_assert_eq(out.n, in.n);
            for (size_t i = 0; i < in.n; i++) noise[i] = out.x[i] - in.x[i];
            double got = decibel(power(in.x, in.n) / power(noise, in.n));
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
    sound in = buzz(SECOND);
    for (uint32_t u = 0; u < 4; u++) {
        const mdl_augmentation loud = {.speed = 0.1, .pitch = 2, .gain_db = 10};
        sound clean = augment_as(&loud, 3, 2, u, in, 8000), both = augment_as(&noisy, 3, 2, u, in, 8000);
        cr_assert(clean.n == 8000 && both.n == 8000);
        for (size_t i = 0; i < both.n; i++) both.x[i] -= clean.x[i];
        double got = decibel(power(clean.x, clean.n) / power(both.x, both.n));
        cr_assert(fabs(got - 12) <= 0.05, "%g dB", got);
        eng_free(clean.x);
        eng_free(both.x);
    }
    eng_free(in.x);
}

Test(augment, noise_falls_to_a_share_of_utterances_and_within_its_range)
{
    const mdl_augmentation a = {.noise_prob = 0.3, .snr_low = 5, .snr_high = 15};
    sound in = buzz(400);
    size_t noisy = 0;
    double low = 100, high = -100;
    for (uint32_t u = 0; u < 400; u++) {
        sound out = augment_as(&a, 8, 1, u, in, 0);
        if (memcmp(out.x, in.x, in.n * sizeof *in.x)) {
            for (size_t i = 0; i < in.n; i++) out.x[i] -= in.x[i];
            double snr = decibel(power(in.x, in.n) / power(out.x, in.n));
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
                    level[f] += power_at(x + s * SEGMENT, SEGMENT, frequencies[f] + bin * RATE / (double)SEGMENT);
        for (size_t f = 1; f < 4; f++) {
            double slope = decibel(level[f] / level[0]) / (10 * log10(frequencies[f] / 125));
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
    sound in = buzz(3000), out = augment_as(&off, 1, 1, 1, in, 0);
    cr_assert_eq(out.n, in.n);
    cr_assert_neq(out.x, in.x);
    cr_assert_eq(memcmp(out.x, in.x, in.n * sizeof *in.x), 0);
    eng_free(out.x);
    out = augment_as(&off, 1, 1, 1, in, 3000);
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
        sound out = augment_as(&off, 1, 1, u, in, 91);
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
    sound in = buzz(SECOND / 2), first = augment_as(&everything, 1, 2, 3, in, 6000);
    sound again = augment_as(&everything, 1, 2, 3, in, 6000);
    cr_assert_eq(first.n, again.n);
    cr_assert_eq(memcmp(first.x, again.x, first.n * sizeof *first.x), 0);
    const uint32_t others[][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (size_t i = 0; i < 3; i++) {
        sound other = augment_as(&everything, others[i][0], others[i][1], others[i][2], in, 6000);
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
                sound in = buzz(lengths[i]), out = augment_as(&everything, 7, 1, u, in, max);
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
    sound none = {NULL, 0}, out = augment_as(&everything, 7, 1, 1, none, 100);
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
            sound out = augment_as(&everything, 7, 1, u, in, 3000);
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
