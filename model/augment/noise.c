/* Noise with a power law spectrum: white Gaussian noise through a chain of first-order sections, whose poles lie an
 * octave apart and whose zeros follow them by exponent / 2 of an octave, so that the response falls by 3 dB times
 * exponent an octave from LOWEST up (G. Corsini, R. Saletti, "A 1/f^g power spectrum noise sequence generator", IEEE
 * Trans. Instrum. Meas. 37(4), 1988, 615-619). Exponent 0 puts the zeros on the poles: white; exponent 2 puts each on
 * the next pole: one pole is left, brown. Below LOWEST the noise is white: no drift. */
#include <math.h>

#include "engine/math/math.h"
#include "engine/memory.h"
#include "model/audio/audio.h"
#include "model/augment/parts.h"

enum { SECTIONS = 9, WARM_UP = 2048 }; /* 20 Hz to 10 kHz; 16 time constants of the slowest pole */

static const double LOWEST = 20.0, PI = 3.14159265358979323846;

static double power(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return n ? sum / (double)n : 0;
}

/* Colours x [n] in place. */
static void colour(double exponent, float *x, size_t n)
{
    double pole[SECTIONS], zero[SECTIONS], last_in[SECTIONS] = {0}, last_out[SECTIONS] = {0};
    for (int k = 0; k < SECTIONS; k++) {
        double frequency = LOWEST * eng_exp2(k);
        pole[k] = eng_exp(-2 * PI * frequency / MDL_SAMPLE_RATE);
        zero[k] = eng_exp(-2 * PI * frequency * eng_exp2(exponent / 2) / MDL_SAMPLE_RATE);
    }
    for (size_t i = 0; i < n; i++) {
        double v = x[i];
        for (int k = 0; k < SECTIONS; k++) {
            double y = v - zero[k] * last_in[k] + pole[k] * last_out[k];
            last_in[k] = v;
            last_out[k] = y;
            v = y;
        }
        x[i] = (float)v;
    }
}

eng_status mdl_augment_noise(eng_stream s, double exponent, double snr_db, size_t n, float *x, eng_error *err)
{
    double signal = power(x, n);
    if (!(signal > 0) || !isfinite(signal)) return ENG_OK;
    size_t drawn;
    float *noise = eng_add_size(n, WARM_UP, &drawn) ? eng_alloc(drawn, sizeof *noise) : NULL;
    if (!noise) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu samples of noise", n);
    eng_normal(s, 0, drawn, noise);
    colour(exponent, noise, drawn);
    const float *settled = noise + WARM_UP;
    double scale = sqrt(signal / power(settled, n)) * eng_pow(10, -snr_db / 20);
    if (isfinite(scale))
        for (size_t i = 0; i < n; i++) x[i] = (float)(x[i] + scale * settled[i]);
    eng_free(noise);
    return ENG_OK;
}
