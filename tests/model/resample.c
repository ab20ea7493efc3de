/* Resampling to 16 kHz, by measurement. Each tone has a whole number of cycles in the window that is measured, so its
 * amplitude and phase come from one DFT bin, exactly, and what is left of the power is images, aliases and noise. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/audio/resample.h"

enum { WINDOW = 1600, OFFSET = 400, BIN = MDL_SAMPLE_RATE / WINDOW }; /* output samples; Hz between bins */

static const double PI = 3.14159265358979323846;
static const double rates[] = {8000, 11025, 12000, 22050, 24000, 32000, 44100, 48000, 96000, 44101, 15999};
enum { RATES = sizeof rates / sizeof *rates };

static mdl_audio new_audio(double rate, size_t channels, size_t samples)
{
    mdl_audio a = {.channels = channels, .samples = samples, .stride = samples, .rate = rate};
    a.data = calloc(channels * samples + 1, sizeof *a.data);
    cr_assert_not_null(a.data);
    return a;
}

static mdl_audio resample(const mdl_audio *in, double rate)
{
    mdl_audio out;
    eng_error err;
    cr_assert_eq(mdl_resample(in, rate, &out, &err), ENG_OK, "%s", err.message);
    cr_assert(out.rate == rate && out.channels == in->channels);
    return out;
}

typedef struct measure {
    double gain_db;  /* of the tone */
    double phase;    /* radians, against the input's */
    double rest_db;  /* everything but the tone, against a full-scale sine */
    double power_db; /* everything */
} measure;

static double decibel(double power)
{
    return 10 * log10(power + 1e-30);
}

/* A sine of full scale at `bin` * BIN Hz through the resampler. */
static measure measure_tone(double rate, int bin)
{
    double hz = (double)bin * BIN;
    mdl_audio in = new_audio(rate, 1, (size_t)(rate / MDL_SAMPLE_RATE * (WINDOW + 2 * OFFSET)));
    for (size_t i = 0; i < in.samples; i++) in.data[i] = (float)sin(2 * PI * fmod(hz * (double)i / rate, 1));
    mdl_audio out = resample(&in, MDL_SAMPLE_RATE);
    cr_assert(out.samples >= OFFSET + WINDOW);
    double re = 0, im = 0, power = 0;
    for (size_t i = OFFSET; i < OFFSET + WINDOW; i++) {
        double angle = 2 * PI * fmod(hz * (double)i / MDL_SAMPLE_RATE, 1), y = out.data[i];
        re += y * sin(angle);
        im += y * cos(angle);
        power += y * y;
    }
    re *= 2.0 / WINDOW, im *= 2.0 / WINDOW, power *= 2.0 / WINDOW;
    free(in.data);
    mdl_audio_free(&out);
    double tone = re * re + im * im;
    return (measure){decibel(tone), atan2(im, re), decibel(fabs(power - tone)), decibel(power)};
}

static double lower_nyquist(double rate)
{
    return (rate < MDL_SAMPLE_RATE ? rate : MDL_SAMPLE_RATE) / 2;
}

Test(resample, pass_band_is_flat_and_in_phase)
{
    for (size_t r = 0; r < RATES; r++) {
        double edge = 0.9 * lower_nyquist(rates[r]);
        size_t compared = 0;
        for (int bin = 10; bin * BIN <= edge; bin += bin * BIN + 400 < edge ? 40 : 2, compared++) {
            measure m = measure_tone(rates[r], bin);
            cr_assert(fabs(m.gain_db) <= 0.01, "%g Hz: %g dB at %d Hz", rates[r], m.gain_db, bin * BIN);
            cr_assert(fabs(m.phase) <= 1e-4, "%g Hz: phase %g at %d Hz", rates[r], m.phase, bin * BIN);
            cr_assert(m.rest_db <= -90, "%g Hz: images of %g dB at %d Hz", rates[r], m.rest_db, bin * BIN);
        }
        cr_assert(compared > 10);
    }
}

/* Tones that the output cannot hold must vanish: whatever comes out is an alias. */
Test(resample, stop_band)
{
    for (size_t r = 0; r < RATES; r++) {
        if (rates[r] <= MDL_SAMPLE_RATE) continue;
        int first = MDL_SAMPLE_RATE / 2 / BIN, last = (int)(rates[r] / 2 / BIN) - 1;
        size_t compared = 0;
        for (int bin = first; bin <= last; bin += bin < first + 20 ? 2 : 53, compared++) {
            measure m = measure_tone(rates[r], bin);
            cr_assert(m.power_db <= -90, "%g Hz: alias of %g dB from %d Hz", rates[r], m.power_db, bin * BIN);
        }
        cr_assert(compared > 10);
    }
}

/* Near the band's end a tone of a slower input is weaker, but its images must not appear. */
Test(resample, images_of_the_transition_band)
{
    for (size_t r = 0; r < RATES; r++) {
        if (rates[r] >= MDL_SAMPLE_RATE) continue;
        int last = (int)(rates[r] / 2 / BIN) - 1;
        for (int bin = last - 48; bin <= last; bin += 3) {
            measure m = measure_tone(rates[r], bin);
            cr_assert(m.rest_db <= -90, "%g Hz: image of %g dB from %d Hz", rates[r], m.rest_db, bin * BIN);
        }
    }
}

Test(resample, constant_stays_constant)
{
    for (size_t r = 0; r < RATES; r++) {
        mdl_audio in = new_audio(rates[r], 1, (size_t)rates[r]);
        for (size_t i = 0; i < in.samples; i++) in.data[i] = 0.75f;
        mdl_audio out = resample(&in, MDL_SAMPLE_RATE);
        for (size_t i = 1000; i + 1000 < out.samples; i++)
            cr_assert(fabsf(out.data[i] - 0.75f) <= 1e-6f, "%g Hz: %.9g at %zu", rates[r], out.data[i], i);
        free(in.data);
        mdl_audio_free(&out);
    }
}

/* An impulse at a time that both rates have comes out there, symmetric, first and last samples included. */
Test(resample, impulse_stays_in_place)
{
    for (size_t r = 0; r < RATES; r++) {
        size_t in_step = 1, out_step = 1; /* the first common instant */
        while ((double)in_step * MDL_SAMPLE_RATE != (double)out_step * rates[r])
            if ((double)in_step * MDL_SAMPLE_RATE < (double)out_step * rates[r])
                in_step++;
            else
                out_step++;
        for (size_t k = 0; k < 2; k++) {
            mdl_audio in = new_audio(rates[r], 1, 2 * in_step + 1);
            in.data[k * in_step] = 1;
            mdl_audio out = resample(&in, MDL_SAMPLE_RATE);
            size_t peak = 0;
            for (size_t i = 0; i < out.samples; i++)
                if (out.data[i] > out.data[peak]) peak = i;
            cr_assert_eq(peak, k * out_step, "%g Hz: peak at %zu, expected %zu", rates[r], peak, k * out_step);
            for (size_t d = 1; d <= peak && peak + d < out.samples; d++)
                cr_assert(fabsf(out.data[peak + d] - out.data[peak - d]) <= 1e-6f, "%g Hz: not symmetric", rates[r]);
            free(in.data);
            mdl_audio_free(&out);
        }
    }
}

Test(resample, length)
{
    const double more[] = {8000, 11025, 44100, 48000, 100, 768000, 767999};
    for (size_t r = 0; r < sizeof more / sizeof *more; r++)
        for (size_t n = 0; n < 40; n++) {
            mdl_audio in = new_audio(more[r], 1, n);
            mdl_audio out = resample(&in, MDL_SAMPLE_RATE);
            size_t rate = (size_t)more[r], want = (n * MDL_SAMPLE_RATE + rate - 1) / rate;
            cr_assert_eq(out.samples, want, "%g Hz: %zu from %zu, expected %zu", more[r], out.samples, n, want);
            free(in.data);
            mdl_audio_free(&out);
            if (n > 2) n += 17;
        }
}

Test(resample, channels_are_independent_and_input_untouched)
{
    mdl_audio in = new_audio(44100, 3, 3000), copy = new_audio(44100, 3, 3000), one = new_audio(44100, 1, 3000);
    for (size_t i = 0; i < 9000; i++) in.data[i] = copy.data[i] = (float)sin((double)(i * i % 1013));
    mdl_audio out = resample(&in, MDL_SAMPLE_RATE);
    cr_assert(memcmp(in.data, copy.data, 9000 * sizeof(float)) == 0);
    for (size_t c = 0; c < 3; c++) {
        memcpy(one.data, in.data + c * 3000, 3000 * sizeof(float));
        mdl_audio alone = resample(&one, MDL_SAMPLE_RATE);
        cr_assert_eq(alone.samples, out.samples);
        cr_assert(memcmp(alone.data, out.data + c * out.stride, out.samples * sizeof(float)) == 0);
        mdl_audio_free(&alone);
    }
    free(in.data), free(copy.data), free(one.data);
    mdl_audio_free(&out);
}

Test(resample, same_rate_is_bit_for_bit)
{
    mdl_audio in = new_audio(MDL_SAMPLE_RATE, 2, 777);
    for (size_t i = 0; i < 2 * 777; i++) in.data[i] = (float)cos((double)i * 0.37);
    mdl_audio out = resample(&in, MDL_SAMPLE_RATE);
    cr_assert_eq(out.samples, 777);
    for (size_t c = 0; c < 2; c++)
        cr_assert(memcmp(in.data + c * in.stride, out.data + c * out.stride, 777 * sizeof(float)) == 0);
    free(in.data);
    mdl_audio_free(&out);
}

Test(resample, impossible_rates)
{
    const double bad[] = {0, -1, 0.5, 44100.5, 1e10, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mdl_audio in = new_audio(bad[i], 1, 10), out;
        eng_error err;
        cr_assert_eq(mdl_resample(&in, MDL_SAMPLE_RATE, &out, &err), ENG_E_USAGE);
        cr_assert_null(out.data);
        in.rate = 8000;
        cr_assert_eq(mdl_resample(&in, bad[i], &out, &err), ENG_E_USAGE);
        free(in.data);
    }
}
