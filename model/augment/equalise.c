/* Another microphone, another room: four bands raised or lowered, the lowest and the highest as shelves, those between as
 * peaks an octave and a half wide (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients"). */
#include <math.h>

#include "engine/math/math.h"
#include "model/audio/audio.h"
#include "model/augment/parts.h"

static const double PI = 3.14159265358979323846, LN2 = 0.69314718055994530942;

/* y[i] = (b0 x[i] + b1 x[i-1] + b2 x[i-2] - a1 y[i-1] - a2 y[i-2]) / a0 */
typedef struct biquad {
    double b0, b1, b2, a0, a1, a2;
} biquad;

static biquad peak(double w, double amplitude)
{
    double sine, cosine;
    eng_sin_cos(w, &sine, &cosine);
    double alpha = sine * eng_sinh(LN2 / 2 * 1.5 * w / sine), c = -2 * cosine;
    return (biquad){1 + alpha * amplitude, c, 1 - alpha * amplitude, 1 + alpha / amplitude, c, 1 - alpha / amplitude};
}

/* side 1: the low shelf, -1: the high one; slope 1. */
static biquad shelf(double w, double amplitude, double side)
{
    double plus = amplitude + 1, minus = amplitude - 1, sine, cosine;
    eng_sin_cos(w, &sine, &cosine);
    double c = side * cosine, edge = 2 * sqrt(amplitude) * sine / 2 * sqrt(2);
    return (biquad){amplitude * (plus - minus * c + edge), side * 2 * amplitude * (minus - plus * c),
                    amplitude * (plus - minus * c - edge), plus + minus * c + edge,
                    side * -2 * (minus + plus * c),        plus + minus * c - edge};
}

static void filter(const biquad *f, size_t n, float *x)
{
    double b0 = f->b0 / f->a0, b1 = f->b1 / f->a0, b2 = f->b2 / f->a0, a1 = f->a1 / f->a0, a2 = f->a2 / f->a0;
    double x1 = 0, x2 = 0, y1 = 0, y2 = 0;
    for (size_t i = 0; i < n; i++) {
        double y = b0 * x[i] + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
        x2 = x1;
        x1 = x[i];
        y2 = y1;
        y1 = y;
        x[i] = (float)y;
    }
}

void mdl_augment_equalise(const mdl_augment_band band[MDL_AUGMENT_BANDS], size_t n, float *x)
{
    for (int k = 0; k < MDL_AUGMENT_BANDS; k++) {
        double w = 2 * PI * band[k].frequency / MDL_SAMPLE_RATE, amplitude = eng_pow(10, band[k].gain_db / 40);
        bool low = k == 0, high = k == MDL_AUGMENT_BANDS - 1;
        biquad f = low || high ? shelf(w, amplitude, low ? 1 : -1) : peak(w, amplitude);
        if (band[k].gain_db != 0) filter(&f, n, x);
    }
}
