/* Which utterances make which batch: a function of (seed, epoch, data), so any epoch can be begun anywhere. */
#ifndef TOOLS_TRAIN_PLAN_H
#define TOOLS_TRAIN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

typedef struct train_plan_options {
    size_t n;              /* utterances */
    const size_t *id;      /* [n] their numbers in the data, below 2^32 */
    const size_t *samples; /* [n] how long each is at most */
    size_t batch_size;     /* utterances a batch, at most; 0: no limit */
    size_t batch_samples;  /* samples a batch, at most; a longer utterance is alone; 0: no limit */
    bool shuffle;          /* else in the given order */
    bool bucket;           /* only with shuffle: utterances of like lengths go together */
    uint64_t seed;
} train_plan_options;

typedef struct train_plan {
    size_t batches;
    size_t *first; /* [batches + 1]: batch b holds order[first[b]] .. order[first[b + 1] - 1] */
    size_t *order; /* [n] indices into id, each once */
} train_plan;

/* Plans an epoch. Shuffled, the utterances are sorted by a number drawn for each from (seed, epoch, id). Bucketed, that
 * order is divided into windows of about 50 batches, each sorted by length; the batches cut from them are shuffled over
 * the whole epoch. Error: out of memory. Free with train_plan_free. */
eng_status train_plan_make(const train_plan_options *o, size_t epoch, train_plan *out, eng_error *err);
void train_plan_free(train_plan *p);

/* Number of batches of an epoch; 0 when out of memory. The same in every epoch without batch_samples. */
size_t train_plan_count(const train_plan_options *o, size_t epoch);

/* Divides n utterances of a step among shards by how long they are: the longest first, each to the shard that has least so
 * far, the first of equals (R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17(2), 1969).
 * shard [n] gets each one's. A function of the lengths and their order alone. Error: out of memory. */
eng_status train_plan_shards(size_t n, const size_t *samples, size_t shards, size_t *shard, eng_error *err);

/* Where a crop of `length` of `samples` samples begins: drawn from (seed, epoch, id), uniformly. */
size_t train_plan_crop(uint64_t seed, size_t epoch, size_t id, size_t samples, size_t length);

#endif
