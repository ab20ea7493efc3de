/* Augmentation of training waveforms. All off when zeroed. Draws are a function of (seed, epoch, utterance). */
#ifndef MODEL_AUGMENT_AUGMENT_H
#define MODEL_AUGMENT_AUGMENT_H

#include <stdint.h>

#include "engine/error.h"
#include "engine/memory.h"

/* Each is drawn anew for an utterance and epoch, uniformly in its range. */
typedef struct mdl_augmentation {
    double gain_db;           /* level: -gain_db .. gain_db */
    double noise_prob;        /* share of utterances that get noise; white to brown, drawn too */
    double snr_low, snr_high; /* dB, of that noise */
    double speed;             /* resampling: duration by 1/f, pitch and formants by f, f in 1-speed .. 1+speed */
    double pitch;             /* semitones, -pitch .. pitch, duration kept */
    double equalise_db;       /* another microphone: four bands, each -equalise_db .. equalise_db */
} mdl_augmentation;

/* The augmented copy of in [count] (16 kHz, may be NULL for count 0), crop applied: at most max_samples (0: no limit)
 * from a drawn position; without the crop it has round(count / f) samples. The SNR is that of the copy. Silence gets no
 * noise; nothing is clipped; without augmentation and crop it is the input, bit for bit. *out is from eng_alloc.
 * Errors: ENG_E_USAGE for options outside gain_db 0 .. 200, noise_prob 0 .. 1, snr_low <= snr_high within -200 .. 200,
 * speed 0 .. 0.9, pitch 0 .. 24, equalise_db 0 .. 40; ENG_E_MEMORY. */
eng_status mdl_augment(const mdl_augmentation *a, uint64_t seed, uint32_t epoch, uint32_t utterance, const float *in,
                       size_t count, size_t max_samples, float **out, size_t *out_count, eng_error *err);

#endif
