/* Samples at another rate. */
#ifndef MODEL_AUDIO_RESAMPLE_H
#define MODEL_AUDIO_RESAMPLE_H

#include "engine/error.h"
#include "model/audio/samples.h"

/* Resamples each channel to rate_out by a windowed-sinc polyphase filter (see resample.c for its design and measured
 * response). Output length is ceil(samples * rate_out / rate_in). in is left as it is; *out is a new audio. */
eng_status mdl_resample(const mdl_audio *in, double rate_out, mdl_audio *out, eng_error *err);

#endif
