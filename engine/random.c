#include "engine/random.h"

#include <math.h>

#include "engine/math/math.h"

void eng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u; /* golden ratio */
        k1 += 0xBB67AE85u; /* sqrt 3 - 1 */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Word i of the stream: element i's own bits. */
static uint32_t word(eng_stream s, uint32_t i, uint32_t block[4], uint32_t *cached)
{
    if (*cached != i / 4 + 1) {
        uint32_t key[2] = {(uint32_t)s.seed, (uint32_t)(s.seed >> 32)};
        uint32_t counter[4] = {i / 4, s.step, s.utterance, s.purpose};
        eng_philox(key, counter, block);
        *cached = i / 4 + 1;
    }
    return block[i % 4];
}

enum { LANES = 8 };

/* Blocks first .. first + LANES - 1 of the stream, side by side: a block's rounds wait for one another, and several
 * blocks fill the time. */
static void philox_lanes(eng_stream s, uint32_t first, uint32_t out[4 * LANES])
{
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0 = (uint32_t)s.seed, k1 = (uint32_t)(s.seed >> 32);
    for (uint32_t l = 0; l < LANES; l++) {
        c0[l] = (first + l) & UINT32_MAX / 4; /* as element indices wrap */
        c1[l] = s.step;
        c2[l] = s.utterance;
        c3[l] = s.purpose;
    }
    for (int round = 0; round < 10; round++) {
        for (uint32_t l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[l], p1 = (uint64_t)0xCD9E8D57u * c2[l];
            c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0;
            c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1;
            c1[l] = (uint32_t)p1;
            c3[l] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (size_t l = 0; l < LANES; l++) {
        out[4 * l] = c0[l];
        out[4 * l + 1] = c1[l];
        out[4 * l + 2] = c2[l];
        out[4 * l + 3] = c3[l];
    }
}

void eng_uniform(eng_stream s, uint32_t first, size_t n, float *out)
{
    uint32_t words[4 * LANES];
    for (size_t i = 0; i < n;) {
        uint32_t at = first + (uint32_t)i;
        philox_lanes(s, at / 4, words);
        for (size_t j = at % 4; j < 4 * LANES && i < n; j++, i++) out[i] = (float)(words[j] >> 8) * 0x1p-24f;
    }
}

void eng_normal(eng_stream s, uint32_t first, size_t n, float *out)
{
    uint32_t block[4], cached = 0;
    for (size_t i = 0; i < n; i += 2) {
        uint32_t at = first + (uint32_t)i;
        double u = (word(s, at, block, &cached) + 1.0) * 0x1p-32, v = word(s, at + 1, block, &cached) * 0x1p-32;
        double radius = sqrt(-2 * eng_log(u)), sine, cosine;
        eng_sin_cos(6.283185307179586 * v, &sine, &cosine);
        out[i] = (float)(radius * cosine);
        if (i + 1 < n) out[i + 1] = (float)(radius * sine);
    }
}
