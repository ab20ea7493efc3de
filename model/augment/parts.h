/* The steps of augment.c that change time, pitch and background; for it and its tests alone. */
#ifndef MODEL_AUGMENT_PARTS_H
#define MODEL_AUGMENT_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/random.h"

/* out[i] = the band-limited signal in [count] (zeros around it) at the time (first + i) * step, for i < n: played step
 * times as fast from output `first` on. Content above the lower of the two Nyquist frequencies is removed. The same
 * bits for an output whatever first and n. step in [0.01, 100]. Error: out of memory. */
eng_status mdl_augment_resample(const float *in, size_t count, double step, size_t first, size_t n, float *out,
                                eng_error *err);

/* out [n]: the sound in [count] lasting `stretch` times as long, at the same pitch, cut or filled to n. count and n at
 * least 1. Error: out of memory. */
eng_status mdl_augment_stretch(const float *in, size_t count, double stretch, size_t n, float *out, eng_error *err);

/* Adds Gaussian noise with a power density of frequency^-exponent (0 white, 1 pink, 2 brown) to x [n], at exactly
 * snr_db below x's own power; x without power, or with a power that is not finite, stays as it is. The stream's
 * elements are the noise. Error: out of memory. */
eng_status mdl_augment_noise(eng_stream s, double exponent, double snr_db, size_t n, float *x, eng_error *err);

enum { MDL_AUGMENT_BANDS = 4 };

typedef struct mdl_augment_band {
    double frequency, gain_db; /* Hz, between 0 and 8000; a shelf's middle or a peak's */
} mdl_augment_band;

/* x [n] with each band raised or lowered, in place: band 0 is a low shelf, the last a high one, the others peaks. */
void mdl_augment_equalise(const mdl_augment_band band[MDL_AUGMENT_BANDS], size_t n, float *x);

#endif
