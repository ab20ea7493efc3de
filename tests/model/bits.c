/* What is computed above the kernels, and by none of them, has the same bits from every compiler and CPU: random
 * numbers, filters, losses. The sums are what this code gave when the test was written; that the numbers are right is
 * other tests' affair. One that is to change them on purpose puts the new sums here. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/random.h"
#include "model/audio/resample.h"
#include "model/augment/augment.h"
#include "model/network/forward.h"
#include "model/training/loss.h"

enum { SAMPLES = 40000 };

static eng_error err;

/* Of numbers whose bits mean something: no NaN. */
static uint64_t sum_of(uint64_t sum, size_t n, const float *x)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        cr_assert(isfinite(x[i]), "[%zu] = %g", i, x[i]);
        memcpy(&bits, &x[i], sizeof bits);
        sum = (sum ^ bits) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return sum;
}

static uint64_t sum_of_one(uint64_t sum, double x)
{
    float head = (float)x, tail = (float)((x - head) * 0x1p30);
    return sum_of(sum_of(sum, 1, &head), 1, &tail);
}

/* Something like a voice: a saw-tooth and noise. */
static float *sound(void)
{
    float *x = eng_alloc(SAMPLES, sizeof *x);
    cr_assert_not_null(x);
    eng_uniform((eng_stream){.seed = 5}, 0, SAMPLES, x);
    for (size_t i = 0; i < SAMPLES; i++) x[i] = 0.1f * (x[i] - 0.5f) + (float)(i % 130) / 260 - 0.25f;
    return x;
}

Test(bits, normal_numbers)
{
    float *x = eng_alloc(SAMPLES, sizeof *x);
    cr_assert_not_null(x);
    eng_normal((eng_stream){.seed = 11, .step = 2, .utterance = 3, .purpose = 4}, 0, SAMPLES, x);
    uint64_t sum = sum_of(0, SAMPLES, x);
    cr_assert_eq(sum, 0x1a4641083c48832f, "0x%016" PRIx64, sum);
    eng_free(x);
}

Test(bits, resampling)
{
    const double rates[][2] = {{44100, 16000}, {8000, 16000}, {11025, 16000}, {48000, 16000}, {44101, 16000}};
    float *x = sound();
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        mdl_audio in = {.data = x, .channels = 1, .samples = SAMPLES, .stride = SAMPLES, .rate = rates[i][0]}, out;
        cr_assert_eq(mdl_resample(&in, rates[i][1], &out, &err), ENG_OK, "%s", err.message);
        sum = sum_of(sum, out.samples, out.data);
        mdl_audio_free(&out);
    }
    cr_assert_eq(sum, 0x2df2e18a4774df63, "0x%016" PRIx64, sum);
    eng_free(x);
}

Test(bits, augmentation)
{
    const mdl_augmentation a = {
        .gain_db = 6, .noise_prob = 0.7, .snr_low = 5, .snr_high = 20, .speed = 0.1, .pitch = 2, .equalise_db = 8};
    float *x = sound();
    uint64_t sum = 0;
    for (uint32_t utterance = 0; utterance < 12; utterance++) {
        float *out;
        size_t n;
        cr_assert_eq(mdl_augment(&a, 3, 1, utterance, x, SAMPLES, SAMPLES, &out, &n, &err), ENG_OK, "%s", err.message);
        sum = sum_of(sum, n, out);
        eng_free(out);
    }
    cr_assert_eq(sum, 0xe36165e7bf4bc69c, "0x%016" PRIx64, sum);
    eng_free(x);
}

Test(bits, losses)
{
    enum { ROWS = 500, CLASSES = 8 };
    static float logits[ROWS * CLASSES], grad[ROWS * CLASSES], target[ROWS * CLASSES];
    static size_t label[ROWS];
    const float weight[CLASSES] = {1, 0.5f, 2, 0.25f, 1.5f, 3, 0.125f, 1};
    eng_normal((eng_stream){.seed = 21}, 0, ROWS * CLASSES, logits);
    eng_uniform((eng_stream){.seed = 22}, 0, ROWS * CLASSES, target);
    for (size_t i = 0; i < ROWS; i++) label[i] = i * 7 % CLASSES;
    for (size_t i = 0; i < ROWS * CLASSES; i++) logits[i] *= 8;
    eng_tensor t = {.data = logits, .grad = grad, .rows = ROWS, .cols = CLASSES};
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        mdl_loss_options o = {.class_weight = i ? weight : NULL, .label_smoothing = 0.05 * i, .gamma = 0.75 * i};
        sum = sum_of_one(sum, mdl_loss_labels(t, label, &o, 1));
        sum = sum_of_one(sum, mdl_loss_probabilities(t, target, &o, 1));
    }
    sum = sum_of_one(sum, mdl_loss_concordance(t, target, 1));
    sum = sum_of(sum, ROWS * CLASSES, grad);
    cr_assert_eq(sum, 0xd4368ffa5aae9773, "0x%016" PRIx64, sum);
}

/* Where the logarithm is near a whole number of buckets, a last digit decides. */
Test(bits, relative_buckets)
{
    uint64_t sum = 0;
    for (ptrdiff_t d = -3000; d <= 3000; d++) sum = sum_of_one(sum, (double)mdl_relative_bucket(320, 800, d));
    cr_assert_eq(sum, 0xbe310bff1fb41798, "0x%016" PRIx64, sum);
}
