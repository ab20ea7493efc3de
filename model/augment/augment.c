/* Draws what an utterance undergoes in an epoch, and applies it: speed and pitch by one resampling and, for pitch, a
 * stretch back to the duration; the equaliser and then noise on what is kept after the crop; level last. The crop's place is drawn for the
 * result, and only what it needs is computed. Nothing is clipped.
 *
 * Draws are eng_stream(seed, epoch, utterance) of the purposes below ("AG"); each has its own element, so that
 * switching one augmentation on leaves the others as they were. */
#include "model/augment/augment.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/math/math.h"
#include "model/augment/parts.h"

enum { PURPOSE_CHOICE = 0x41470000, PURPOSE_NOISE }; /* 0x4147xxxx is augmentation's */
enum { DRAW_GAIN, DRAW_HAS_NOISE, DRAW_SNR, DRAW_EXPONENT, DRAW_SPEED, DRAW_PITCH, DRAW_CROP, DRAW_CROP_LOW, DRAW_BANDS };
enum { DRAWS = DRAW_BANDS + 2 * MDL_AUGMENT_BANDS }; /* a band's frequency and gain */

static const double STEEPEST = 2.0; /* brown */
static const double MAX_SPEED = 0.9, MAX_PITCH = 24.0, MAX_DECIBEL = 200.0, MAX_EQUALISE = 40.0;

/* Where the bands may lie, Hz. */
static const double band_low[MDL_AUGMENT_BANDS] = {100, 300, 1000, 3000},
                    band_high[MDL_AUGMENT_BANDS] = {300, 1000, 3000, 6000};

/* What was drawn. */
typedef struct plan {
    double speed; /* factor f */
    double pitch; /* factor */
    double gain;  /* factor */
    double snr, exponent;
    bool noise;
    bool equalised;
    mdl_augment_band band[MDL_AUGMENT_BANDS];
    size_t whole;        /* samples of the augmented utterance */
    size_t first, count; /* of which these are kept */
} plan;

static double between(double low, double high, float u)
{
    return low + (high - low) * (double)u;
}

static eng_status check(const mdl_augmentation *a, eng_error *err)
{
    if (!(a->gain_db >= 0 && a->gain_db <= MAX_DECIBEL))
        return eng_fail(err, ENG_E_USAGE, "gain of %g dB: expected 0 to %g", a->gain_db, MAX_DECIBEL);
    if (!(a->noise_prob >= 0 && a->noise_prob <= 1))
        return eng_fail(err, ENG_E_USAGE, "noise probability %g: expected 0 to 1", a->noise_prob);
    if (!(a->snr_low >= -MAX_DECIBEL && a->snr_low <= a->snr_high && a->snr_high <= MAX_DECIBEL))
        return eng_fail(err, ENG_E_USAGE, "signal-to-noise ratios %g to %g dB: expected a range within -%g to %g",
                        a->snr_low, a->snr_high, MAX_DECIBEL, MAX_DECIBEL);
    if (!(a->speed >= 0 && a->speed <= MAX_SPEED))
        return eng_fail(err, ENG_E_USAGE, "speed change %g: expected 0 to %g", a->speed, MAX_SPEED);
    if (!(a->pitch >= 0 && a->pitch <= MAX_PITCH))
        return eng_fail(err, ENG_E_USAGE, "pitch change of %g semitones: expected 0 to %g", a->pitch, MAX_PITCH);
    if (!(a->equalise_db >= 0 && a->equalise_db <= MAX_EQUALISE))
        return eng_fail(err, ENG_E_USAGE, "equaliser of %g dB: expected 0 to %g", a->equalise_db, MAX_EQUALISE);
    return ENG_OK;
}

/* round(count / factor), at least 1 of at least 1. */
static size_t scaled_length(size_t count, double factor)
{
    if (factor == 1) return count;
    size_t n = (size_t)((double)count / factor + 0.5);
    return n || !count ? n : 1;
}

static plan draw(const mdl_augmentation *a, eng_stream s, size_t count, size_t max_samples)
{
    float u[DRAWS];
    eng_uniform(s, 0, DRAWS, u);
    plan p = {
        .speed = between(1 - a->speed, 1 + a->speed, u[DRAW_SPEED]),
        .pitch = eng_exp2(between(-a->pitch, a->pitch, u[DRAW_PITCH]) / 12),
        .gain = eng_pow(10, between(-a->gain_db, a->gain_db, u[DRAW_GAIN]) / 20),
        .noise = (double)u[DRAW_HAS_NOISE] < a->noise_prob,
        .snr = between(a->snr_low, a->snr_high, u[DRAW_SNR]),
        .exponent = between(0, STEEPEST, u[DRAW_EXPONENT]),
    };
    p.equalised = a->equalise_db > 0;
    for (int k = 0; k < MDL_AUGMENT_BANDS; k++) {
        double octaves = eng_log2(band_high[k] / band_low[k]);
        p.band[k].frequency = band_low[k] * eng_exp2(octaves * (double)u[DRAW_BANDS + 2 * k]);
        p.band[k].gain_db = between(-a->equalise_db, a->equalise_db, u[DRAW_BANDS + 2 * k + 1]);
    }
    p.whole = p.count = scaled_length(count, p.speed);
    if (max_samples && p.whole > max_samples) {
        double share = (double)u[DRAW_CROP] + (double)u[DRAW_CROP_LOW] * 0x1p-24; /* below 1 */
        p.count = max_samples;
        p.first = (size_t)(share * ((double)(p.whole - max_samples) + 1));
        if (p.first > p.whole - max_samples) p.first = p.whole - max_samples;
    }
    return p;
}

/* out [p->count]: pitch changed, in two steps: everything played p->speed * p->pitch times as fast, then stretched. */
static eng_status shift_pitch(const plan *p, const float *in, size_t count, float *out, eng_error *err)
{
    double step = p->speed * p->pitch;
    size_t fast = scaled_length(count, step), first = (size_t)((double)p->first / p->pitch);
    if (first >= fast) first = fast - 1;
    size_t n = fast - first, margin = 1024; /* so that the stretch need not stop at the crop's end */
    if (p->first + p->count < p->whole && n > (size_t)((double)p->count / p->pitch) + margin)
        n = (size_t)((double)p->count / p->pitch) + margin;
    float *played = eng_alloc(n, sizeof *played);
    if (!played) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu samples at another speed", n);
    eng_status status = mdl_augment_resample(in, count, step, first, n, played, err);
    if (!status) status = mdl_augment_stretch(played, n, p->pitch, p->count, out, err);
    eng_free(played);
    return status;
}

static eng_status apply(const plan *p, eng_stream noise, const float *in, size_t count, float *out, eng_error *err)
{
    eng_status status = ENG_OK;
    if (p->pitch != 1)
        status = shift_pitch(p, in, count, out, err);
    else if (p->speed != 1)
        status = mdl_augment_resample(in, count, p->speed, p->first, p->count, out, err);
    else
        memcpy(out, in + p->first, p->count * sizeof *out);
    if (!status && p->equalised) mdl_augment_equalise(p->band, p->count, out);
    if (!status && p->noise) status = mdl_augment_noise(noise, p->exponent, p->snr, p->count, out, err);
    if (!status && p->gain != 1)
        for (size_t i = 0; i < p->count; i++) out[i] = (float)(out[i] * p->gain);
    return status;
}

eng_status mdl_augment(const mdl_augmentation *a, uint64_t seed, uint32_t epoch, uint32_t utterance, const float *in,
                       size_t count, size_t max_samples, float **out, size_t *out_count, eng_error *err)
{
    *out = NULL;
    *out_count = 0;
    eng_status status = check(a, err);
    if (status) return status;
    eng_stream s = {.seed = seed, .step = epoch, .utterance = utterance, .purpose = PURPOSE_CHOICE}, noise = s;
    noise.purpose = PURPOSE_NOISE;
    plan p = draw(a, s, count, max_samples);
    float *x = eng_alloc(p.count, sizeof *x);
    if (!x) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu augmented samples", p.count);
    if (p.count) status = apply(&p, noise, in, count, x, err);
    if (status) {
        eng_free(x);
        return status;
    }
    *out = x;
    *out_count = p.count;
    return ENG_OK;
}
