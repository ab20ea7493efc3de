#include "model/audio/samples.h"

#include "engine/memory.h"

void mdl_audio_free(mdl_audio *a)
{
    eng_free(a->data);
    *a = (mdl_audio){0};
}

void mdl_audio_mix(mdl_audio *a)
{
    if (a->channels > 1) {
        for (size_t i = 0; i < a->samples; i++) {
            double sum = 0;
            for (size_t c = 0; c < a->channels; c++) sum += a->data[c * a->stride + i];
            a->data[i] = (float)(sum / (double)a->channels);
        }
    }
    a->channels = 1;
}
