/* Resampling by a windowed-sinc polyphase filter.
 *
 * With the rates reduced to rate_out / rate_in = L / M, output n lies at the input time t = n M / L:
 *     y[n] = sum over k of x[k] h(t - k),    h(u) = f sinc(f u) kaiser(u / half_width)
 * f is the cut-off relative to the input's rate (2 * cut-off / rate_in). t takes L different fractions (phases); each
 * has its own row of taps, computed once, in double, and normalised to sum 1, so that DC is exact on every phase.
 *
 * Design (Kaiser's formulas): the stop band begins at the lower of the two Nyquist frequencies, the pass band ends at
 * PASS of it (7.2 kHz for 16 kHz output), the cut-off is in the middle. The ripple of ATTENUATION dB gives beta and the
 * number of taps. Measured (tests/model/resample.c holds it): pass band within 0.01 dB, images and aliases below -90 dB,
 * no delay.
 *
 * Rates that are no relatives (44101 Hz) would need a row for each of thousands of phases. Beyond TABLE_MAX taps in
 * all, rows are interpolated linearly between INTERPOLATED phases a zero crossing, which is an error of
 * pi^2 / (24 INTERPOLATED^2): -128 dB.
 *
 * Sums run in a fixed order over LANES partial sums: the same bits everywhere, and the compiler can vectorise. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/memory.h"
#include "model/audio/resample.h"
#include "model/network/taps.h"

enum { LANES = MDL_TAP_LANES, TABLE_MAX = 1 << 18, INTERPOLATED = 1024, BLOCK = 1 << 12 };
static const double PASS = 0.9, ATTENUATION = 98.0, PI = 3.14159265358979323846;

/* The state is the inputs that outputs to come may need, and where the next output lies. Inputs are counted with `half` - 1
 * zeros before them, so that the taps of an output at t begin at floor(t). */
struct mdl_resampler {
    uint64_t up, down; /* L, M */
    size_t half;       /* taps on each side of t */
    size_t taps;       /* 2 * half, a multiple of LANES */
    size_t phases;     /* rows in the table: L of them, or one more than the interpolation's steps */
    bool interpolate;
    float *table; /* [phases, taps]: tap j of a row multiplies x[floor(t) - half + 1 + j] */

    size_t channels, room;
    float *input; /* [channels, room] */
    size_t first; /* of the inputs in `input`, the one that the next output begins with */
    size_t have;  /* behind it */
    size_t skip;  /* inputs yet to come before that one */
    uint64_t phase;
    uint64_t taken, given; /* samples of each channel, in all */
    uint64_t end;          /* outputs in all; UINT64_MAX until the input has ended */
};

/* Modified Bessel function of the first kind, order 0, by its power series. */
static double bessel_i0(double x)
{
    double term = 1, sum = 1, quarter = x * x / 4;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= quarter / ((double)k * k);
        sum += term;
    }
    return sum;
}

/* Fills one row: taps for an output that lies `fraction` of an input sample behind floor(t). */
static void fill_row(const mdl_resampler *r, double fraction, double cutoff, double width, float *row, double *scratch)
{
    const double beta = 0.1102 * (ATTENUATION - 8.7);
    double sum = 0;
    for (size_t j = 0; j < r->taps; j++) {
        double u = fraction + (double)r->half - 1 - (double)j;
        double w = 1 - (u / width) * (u / width);
        double angle = PI * cutoff * u;
        double sinc = fabs(angle) < 1e-9 ? 1 : eng_sin(angle) / angle;
        scratch[j] = w <= 0 ? 0 : sinc * bessel_i0(beta * sqrt(w));
        sum += scratch[j];
    }
    for (size_t j = 0; j < r->taps; j++) row[j] = (float)(scratch[j] / sum);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Designs the filter. */
static eng_status design(mdl_resampler *r, uint64_t rate_in, uint64_t rate_out, eng_error *err)
{
    uint64_t common = gcd(rate_in, rate_out);
    r->up = rate_out / common;
    r->down = rate_in / common;
    /* Frequencies as shares of rate_in / 2. Kaiser: taps = (A - 7.95) / (2.285 * transition in radians). */
    double nyquist = rate_out < rate_in ? (double)rate_out / (double)rate_in : 1.0;
    double cutoff = nyquist * (1 + PASS) / 2;
    double width = (ATTENUATION - 7.95) / (2.285 * PI * nyquist * (1 - PASS)) / 2;
    r->half = (size_t)ceil(width) + 1;
    r->half += (LANES / 2 - r->half % (LANES / 2)) % (LANES / 2);
    r->taps = 2 * r->half;
    r->interpolate = r->up > TABLE_MAX / r->taps;
    /* A longer filter changes more slowly from phase to phase: the steps count per zero crossing, not per sample. */
    r->phases = r->interpolate ? (size_t)ceil(INTERPOLATED * cutoff) + 1 : (size_t)r->up;

    size_t count;
    if (!eng_mul_size(r->phases, r->taps, &count)) return eng_fail(err, ENG_E_MEMORY, "resampling filter too long");
    r->table = eng_alloc(count, sizeof *r->table);
    double *scratch = eng_alloc(r->taps, sizeof *scratch);
    if (!r->table || !scratch) {
        eng_free(scratch);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for a resampling filter of %zu taps", count);
    }
    double steps = r->interpolate ? (double)(r->phases - 1) : (double)r->phases;
    for (size_t p = 0; p < r->phases; p++)
        fill_row(r, (double)p / steps, cutoff, width, r->table + p * r->taps, scratch);
    eng_free(scratch);
    return ENG_OK;
}

/* Outputs of one channel; x: its inputs from where the first begins, which lies at `phase`. */
static void resample_channel(const mdl_resampler *r, const float *input, uint64_t phase, float *out, size_t count)
{
    uint64_t whole = 0;
    for (size_t n = 0; n < count; n++) {
        const float *x = input + whole;
        if (r->interpolate) {
            double at = (double)phase / (double)r->up * (double)(r->phases - 1);
            size_t row = (size_t)at;
            if (row > r->phases - 2) row = r->phases - 2;
            float share = (float)(at - (double)row);
            float before = mdl_taps_dot(x, r->table + row * r->taps, r->taps);
            float behind = mdl_taps_dot(x, r->table + (row + 1) * r->taps, r->taps);
            out[n] = before + share * (behind - before);
        } else {
            out[n] = mdl_taps_dot(x, r->table + phase * r->taps, r->taps);
        }
        phase += r->down;
        whole += phase / r->up;
        phase %= r->up;
    }
}

/* An audio of the given shape, its samples not yet set. */
static eng_status audio_alloc(size_t channels, size_t samples, double rate, mdl_audio *a, eng_error *err)
{
    size_t stride, count;
    *a = (mdl_audio){0};
    if (!eng_add_size(samples, LANES - 1, &stride)) return eng_fail(err, ENG_E_MEMORY, "audio too long to resample");
    stride -= stride % LANES;
    if (!eng_mul_size(stride, channels, &count)) return eng_fail(err, ENG_E_MEMORY, "audio too long to resample");
    float *data = eng_alloc(count, sizeof *data);
    if (!data) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu samples of resampled audio", count);
    *a = (mdl_audio){.data = data, .channels = channels, .samples = samples, .stride = stride, .rate = rate};
    return ENG_OK;
}

/* A rate as a whole number of Hz, 1 to 10^9; 0 when it is not one. */
static uint64_t whole_rate(double rate)
{
    return rate >= 1 && rate <= 1e9 && rate == floor(rate) ? (uint64_t)rate : 0;
}

/* ceil(samples * up / down); false when it overflows. */
static bool output_length(size_t samples, uint64_t up, uint64_t down, size_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow((uint64_t)samples, up, &product)) return false;
    uint64_t length = product / down + (product % down != 0);
    *out = (size_t)length;
    return *out == length;
}

/* ---- With state ---- */

eng_status mdl_resampler_open(double rate_in, double rate_out, size_t channels, mdl_resampler **out, eng_error *err)
{
    *out = NULL;
    uint64_t from = whole_rate(rate_in), to = whole_rate(rate_out);
    if (!from || !to)
        return eng_fail(err, ENG_E_USAGE, "cannot resample from %g to %g Hz: expected whole rates from 1 to 10^9 Hz",
                        rate_in, rate_out);
    mdl_resampler *r = eng_alloc_zero(1, sizeof *r);
    if (!r) return eng_fail(err, ENG_E_MEMORY, "out of memory to resample");
    eng_status status = design(r, from, to, err);
    size_t count;
    if (!status) {
        r->channels = channels;
        r->room = r->taps + BLOCK;
        r->end = UINT64_MAX;
        r->have = r->half - 1;
        r->input = eng_mul_size(r->room, channels, &count) ? eng_alloc_zero(count, sizeof *r->input) : NULL;
        if (!r->input) status = eng_fail(err, ENG_E_MEMORY, "out of memory to resample %zu channels", channels);
    }
    if (status) {
        mdl_resampler_close(r);
        return status;
    }
    *out = r;
    return ENG_OK;
}

void mdl_resampler_close(mdl_resampler *r)
{
    if (!r) return;
    eng_free(r->table);
    eng_free(r->input);
    eng_free(r);
}

/* Moves what is still needed to the beginning. */
static void compact(mdl_resampler *r)
{
    for (size_t c = 0; c < r->channels; c++) {
        float *x = r->input + c * r->room;
        memmove(x, x + r->first, r->have * sizeof *x);
    }
    r->first = 0;
}

size_t mdl_resampler_push(mdl_resampler *r, float *const *in, size_t at, size_t count)
{
    size_t skipped = r->skip < count ? r->skip : count;
    r->skip -= skipped;
    if (r->room - r->first - r->have < count - skipped) compact(r);
    size_t most = r->room - r->first - r->have, added = count - skipped < most ? count - skipped : most;
    for (size_t c = 0; c < r->channels; c++) {
        float *x = r->input + c * r->room + r->first + r->have;
        if (in)
            memcpy(x, in[c] + at + skipped, added * sizeof *x);
        else
            memset(x, 0, added * sizeof *x);
    }
    r->have += added;
    if (in) r->taken += skipped + added;
    return skipped + added;
}

void mdl_resampler_finish(mdl_resampler *r)
{
    size_t length;
    r->end = output_length(r->taken, r->up, r->down, &length) ? length : UINT64_MAX - 1;
}

/* How many outputs can be computed of what is there. */
static size_t ready(const mdl_resampler *r, size_t most)
{
    if (most > r->end - r->given) most = (size_t)(r->end - r->given);
    if (r->skip || r->have < r->taps) return 0;
    /* Output k begins at (phase + k down) / up, which may be have - taps at most. */
    uint64_t last = ((uint64_t)(r->have - r->taps + 1) * r->up - 1 - r->phase) / r->down;
    return last < most ? (size_t)last + 1 : most;
}

size_t mdl_resampler_pull(mdl_resampler *r, float *const *out, size_t at, size_t most)
{
    size_t count = ready(r, most);
    if (count == 0 && r->end != UINT64_MAX && r->given < r->end && most) {
        /* Zeros behind the end, as many as the last output's taps reach. */
        while (r->skip || r->have < r->taps) mdl_resampler_push(r, NULL, 0, r->skip ? r->skip : r->room);
        count = ready(r, most);
    }
    for (size_t c = 0; c < r->channels; c++)
        resample_channel(r, r->input + c * r->room + r->first, r->phase, out[c] + at, count);
    uint64_t passed = (r->phase + (uint64_t)count * r->down) / r->up;
    r->phase = (r->phase + (uint64_t)count * r->down) % r->up;
    r->given += count;
    if (passed > r->have) { /* the next one begins behind what has come */
        r->skip = (size_t)(passed - r->have);
        passed = r->have;
    }
    r->first += (size_t)passed;
    r->have -= (size_t)passed;
    return count;
}

/* ---- In one call ---- */

bool mdl_resampled_length(size_t samples, double rate_in, double rate_out, size_t *out)
{
    uint64_t from = whole_rate(rate_in), to = whole_rate(rate_out);
    if (!from || !to) return false;
    uint64_t common = gcd(from, to);
    return output_length(samples, to / common, from / common, out);
}

/* in's samples to a, whose shape is known. */
static void resample_all(mdl_resampler *r, const mdl_audio *in, mdl_audio *a)
{
    float *from[MDL_AUDIO_MAX_CHANNELS], *to[MDL_AUDIO_MAX_CHANNELS];
    for (size_t c = 0; c < in->channels; c++) {
        from[c] = in->data + c * in->stride;
        to[c] = a->data + c * a->stride;
    }
    for (size_t pushed = 0, pulled = 0; pulled < a->samples;) {
        pushed += mdl_resampler_push(r, from, pushed, in->samples - pushed);
        if (pushed == in->samples) mdl_resampler_finish(r);
        pulled += mdl_resampler_pull(r, to, pulled, a->samples - pulled);
    }
}

eng_status mdl_resample(const mdl_audio *in, double rate_out, mdl_audio *out, eng_error *err)
{
    *out = (mdl_audio){0};
    mdl_audio a;
    size_t samples;
    if (in->rate == rate_out && whole_rate(rate_out)) {
        eng_status status = audio_alloc(in->channels, in->samples, rate_out, &a, err);
        if (status) return status;
        for (size_t c = 0; c < in->channels; c++)
            memcpy(a.data + c * a.stride, in->data + c * in->stride, in->samples * sizeof *a.data);
        *out = a;
        return ENG_OK;
    }
    mdl_resampler *r;
    eng_status status = mdl_resampler_open(in->rate, rate_out, in->channels, &r, err);
    if (status) return status;
    if (!mdl_resampled_length(in->samples, in->rate, rate_out, &samples))
        status = eng_fail(err, ENG_E_MEMORY, "audio of %zu samples is too long to resample", in->samples);
    if (!status) status = audio_alloc(in->channels, samples, rate_out, &a, err);
    if (!status) {
        resample_all(r, in, &a);
        *out = a;
    }
    mdl_resampler_close(r);
    return status;
}
