/* The inner loop of the windowed-sinc filters (model/audio/resample.c, model/augment/resample.c). */
#ifndef MODEL_NETWORK_TAPS_H
#define MODEL_NETWORK_TAPS_H

#include <stddef.h>

enum { MDL_TAP_LANES = 16 };

/* Sum of x[j] * row[j], j < taps, a multiple of MDL_TAP_LANES: in a fixed order over that many partial sums, so that the
 * bits are the same everywhere and the compiler can vectorise. */
static inline float mdl_taps_dot(const float *x, const float *row, size_t taps)
{
    float sum[MDL_TAP_LANES] = {0};
    for (size_t j = 0; j < taps; j += MDL_TAP_LANES)
        for (size_t i = 0; i < MDL_TAP_LANES; i++) sum[i] += x[j + i] * row[j + i];
    for (size_t width = MDL_TAP_LANES / 2; width; width /= 2)
        for (size_t i = 0; i < width; i++) sum[i] += sum[i + width];
    return sum[0];
}

#endif
