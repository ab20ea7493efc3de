/* Samples at another rate: a windowed-sinc polyphase filter (see resample.c for its design and measured response). */
#ifndef MODEL_AUDIO_RESAMPLE_H
#define MODEL_AUDIO_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "model/audio/samples.h"

/* Resamples each channel to rate_out. Output length is ceil(samples * rate_out / rate_in). in is left as it is; *out is a
 * new audio. */
eng_status mdl_resample(const mdl_audio *in, double rate_out, mdl_audio *out, eng_error *err);

/* *out = ceil(samples * rate_out / rate_in); false when it overflows or a rate is no whole number from 1 to 10^9. */
bool mdl_resampled_length(size_t samples, double rate_in, double rate_out, size_t *out);

/* The same of samples that come in blocks of any length: the same bits, however they are cut. */
typedef struct mdl_resampler mdl_resampler;

/* ENG_E_USAGE: rates that are no whole numbers from 1 to 10^9. Between rates that are equal it filters, too. */
eng_status mdl_resampler_open(double rate_in, double rate_out, size_t channels, mdl_resampler **out, eng_error *err);
void mdl_resampler_close(mdl_resampler *r); /* NULL is fine */

/* Takes samples at in[c][at ...], c < channels, as many of count as there is room for: at least one when all that could be
 * pulled was. Returns how many. */
size_t mdl_resampler_push(mdl_resampler *r, float *const *in, size_t at, size_t count);

/* No more samples will come. */
void mdl_resampler_finish(mdl_resampler *r);

/* Gives up to most samples of each channel, to out[c][at ...]. Returns how many; 0: more must come, or after a finish,
 * that was all. */
size_t mdl_resampler_pull(mdl_resampler *r, float *const *out, size_t at, size_t most);

#endif
