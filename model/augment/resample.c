/* Resampling by any ratio near 1, from a table of windowed-sinc taps.
 *
 * Output n lies at the input time t = n * step:
 *     y[n] = sum over k of x[k] h(t - k),    h(u) = f sinc(f u) kaiser(u / width)
 * Other than in resample.c, t takes fractions without end: the rows of taps hold PHASES of them, and a row between two
 * is interpolated linearly (J. O. Smith, "Digital audio resampling", https://ccrma.stanford.edu/~jos/resample/). That
 * is an error of at most pi^2 / (24 PHASES^2) of a tap: -92 dB. The filter is shorter than there too, since this runs
 * for every utterance of every epoch: its stop band of -70 dB begins at the lower Nyquist frequency, the pass band ends
 * at PASS of it (6.9 kHz at 16 kHz).
 *
 * Each row is normalised to sum 1, so DC is exact. Sums run in a fixed order over LANES partial sums: the same bits
 * everywhere, and the compiler can vectorise. */
#include <math.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/memory.h"
#include "model/augment/parts.h"
#include "model/network/taps.h"

enum { LANES = MDL_TAP_LANES, PHASES = 128 };
static const double PASS = 0.86, ATTENUATION = 70.0, PI = 3.14159265358979323846;

typedef struct tap_table {
    size_t half; /* taps on each side of t */
    size_t taps; /* 2 * half, a multiple of LANES */
    float *row;  /* [PHASES, 2, taps]: for fraction p / PHASES, taps for x[floor(t) - half + 1 + j], then what is to be
                    added to them on the way to p + 1 */
} tap_table;

/* Modified Bessel function of the first kind, order 0, by its power series. */
static double bessel_i0(double x)
{
    double term = 1, sum = 1, quarter = x * x / 4;
    for (int k = 1; term > sum * 1e-12; k++) {
        term *= quarter / ((double)k * k);
        sum += term;
    }
    return sum;
}

/* One row in double, [taps]. */
static void fill_row(const tap_table *t, double fraction, double cutoff, double width, double *row)
{
    const double beta = 0.1102 * (ATTENUATION - 8.7); /* Kaiser's formula above 50 dB */
    double sum = 0;
    for (size_t j = 0; j < t->taps; j++) {
        double u = fraction + (double)t->half - 1 - (double)j;
        double w = 1 - (u / width) * (u / width), angle = PI * cutoff * u;
        row[j] = w <= 0 ? 0 : (fabs(angle) < 1e-9 ? 1 : eng_sin(angle) / angle) * bessel_i0(beta * sqrt(w));
        sum += row[j];
    }
    for (size_t j = 0; j < t->taps; j++) row[j] /= sum;
}

static eng_status tap_table_init(tap_table *t, double step, eng_error *err)
{
    /* Frequencies as shares of the input's Nyquist. Kaiser: taps = (A - 7.95) / (2.285 * transition in radians). */
    double nyquist = step > 1 ? 1 / step : 1, cutoff = nyquist * (1 + PASS) / 2;
    double width = (ATTENUATION - 7.95) / (2.285 * PI * nyquist * (1 - PASS)) / 2;
    t->half = (size_t)ceil(width) + 1;
    t->half += (LANES / 2 - t->half % (LANES / 2)) % (LANES / 2);
    t->taps = 2 * t->half;
    t->row = eng_alloc(PHASES * 2 * t->taps, sizeof *t->row);
    double *exact = eng_alloc((PHASES + 1) * t->taps, sizeof *exact);
    if (!t->row || !exact) {
        eng_free(t->row);
        eng_free(exact);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for a speed filter of %zu taps", t->taps);
    }
    for (size_t p = 0; p <= PHASES / 2; p++) { /* the filter is even: fraction 1 - u is u's row backwards */
        double *row = exact + p * t->taps, *mirror = exact + (PHASES - p) * t->taps;
        fill_row(t, (double)p / PHASES, cutoff, width, row);
        for (size_t j = 0; j < t->taps; j++) mirror[t->taps - 1 - j] = row[j];
    }
    for (size_t p = 0; p < PHASES; p++)
        for (size_t j = 0; j < t->taps; j++) {
            const double *now = exact + p * t->taps + j;
            t->row[p * 2 * t->taps + j] = (float)now[0];
            t->row[(p * 2 + 1) * t->taps + j] = (float)(now[t->taps] - now[0]);
        }
    eng_free(exact);
    return ENG_OK;
}

eng_status mdl_augment_resample(const float *in, size_t count, double step, size_t first, size_t n, float *out,
                                eng_error *err)
{
    if (!n) return ENG_OK;
    tap_table t;
    eng_status status = tap_table_init(&t, step, err);
    if (status) return status;
    /* What the outputs read, zeros where the input has nothing. */
    size_t base = (size_t)((double)first * step), end = (size_t)((double)(first + n - 1) * step);
    size_t length = end - base + t.taps;
    float *padded = eng_alloc_zero(length, sizeof *padded);
    if (!padded) {
        eng_free(t.row);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu samples to resample", length);
    }
    size_t before = t.half - 1; /* samples in front of in[base] */
    size_t from = base > before ? base - before : 0, to = end + t.half + 1 < count ? end + t.half + 1 : count;
    if (to > from) memcpy(padded + (from + before - base), in + from, (to - from) * sizeof *padded);
    for (size_t i = 0; i < n; i++) {
        double at = (double)(first + i) * step, phase;
        size_t whole = (size_t)at;
        double share = modf((at - (double)whole) * PHASES, &phase);
        const float *x = padded + (whole - base), *row = t.row + (size_t)phase * 2 * t.taps;
        out[i] = mdl_taps_dot(x, row, t.taps) + (float)share * mdl_taps_dot(x, row + t.taps, t.taps);
    }
    eng_free(padded);
    eng_free(t.row);
    return ENG_OK;
}
