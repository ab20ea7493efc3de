/* Input normalisation: four rules, because the checkpoints come from four trainings. Statistics are of the utterance
 * alone, summed in double. */
#include <math.h>

#include "model/network/forward.h"

void mdl_normalise_input(const mdl_config *c, const float *x, size_t count, float *y)
{
    double mean = 0, scale = 1;
    if (c->input == MDL_INPUT_CORPUS) {
        mean = c->input_mean;
        scale = 1 / (c->input_std + 1e-6);
    } else if (c->input != MDL_INPUT_RAW && count) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < count; i++) sum += x[i];
        mean = sum / (double)count;
        for (size_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
        scale = 1 / sqrt(squares / (double)count + (c->input == MDL_INPUT_HF ? 1e-7 : 1e-5));
    }
    for (size_t i = 0; i < count; i++) y[i] = (float)((x[i] - mean) * scale);
}
