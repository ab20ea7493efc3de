/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * A number is a pure function of key and counter, so training draws the same ones for (seed, step, utterance, layer)
 * whatever the batch, the threads or the restarts. */
#ifndef ENGINE_RANDOM_H
#define ENGINE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The four words of a block: out = Philox4x32-10(key, counter). */
void eng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* Where a draw belongs. Elements within it are numbered by their index. */
typedef struct eng_stream {
    uint64_t seed;
    uint32_t step, utterance;
    uint32_t purpose; /* layer and kind of draw, numbered by the caller */
} eng_stream;

/* out[i] in [0, 1), for elements first .. first + n - 1 of the stream: multiples of 2^-24. */
void eng_uniform(eng_stream s, uint32_t first, size_t n, float *out);

/* Standard normal numbers (Box-Muller on pairs of uniforms), for elements first .. first + n - 1; first is even. */
void eng_normal(eng_stream s, uint32_t first, size_t n, float *out);

#endif
