/* Batches of utterances, decoded, cropped and augmented in the background while the cores compute. What a batch holds
 * is a function of (seed, epoch, index), so a run that is resumed sees what it would have seen. */
#ifndef TOOLS_TRAIN_DATA_FEED_H
#define TOOLS_TRAIN_DATA_FEED_H

#include "model/augment/augment.h"
#include "tools/train/data/data.h"

typedef struct train_feed_options {
    const train_data *data;
    train_split split;
    size_t batch_size;    /* utterances a batch, at most; 0: no limit */
    double batch_seconds; /* seconds of audio a batch, at most (an utterance longer than that is alone); 0: no limit */
    double crop_seconds;  /* 0: whole */
    bool shuffle;         /* else the list's order, and nothing is cropped at random but from the start */
    bool bucket;          /* batches of like lengths (only with shuffle) */
    bool once;            /* ends with the epoch that it begins in: then train_feed_next gives NULL */
    size_t shards;        /* each batch is divided among so many (plan.h); 0: one */
    size_t first_shard, own_shards; /* those that this feed reads; 0: all */
    size_t every, turn;   /* gives batches turn, turn + every, ... alone; every 0: all */
    size_t hold;          /* batches that stay valid at a time; 0: one */
    const mdl_augmentation *augmentation; /* NULL: none */
    uint64_t seed;
    size_t threads;     /* that decode, at least 1 */
    size_t cache_bytes; /* decoded audio kept in memory, at most, by all feeds of the data: the largest number counts */
    size_t min_samples; /* the model's */
} train_feed_options;

typedef struct train_utterance {
    size_t example;       /* in the data */
    const float *samples; /* 16 kHz mono */
    size_t count;
} train_utterance;

typedef struct train_batch {
    size_t epoch, index; /* from 0 */
    size_t batches;      /* in that epoch: index + 1 == batches is its last */
    size_t n;            /* those of this feed's shards that could be read */
    train_utterance *utterance; /* by shard, in the plan's order */
    size_t *shard;       /* [own shards + 1]: shard s, counted from the feed's first, has utterances shard[s] .. shard[s + 1] - 1 */
    size_t samples;      /* of all n */
} train_batch;

typedef struct train_feed train_feed;

/* Plans and starts decoding at batch `index` of `epoch`; index may be the epoch's number of batches: then the next
 * epoch's first. The data have been scanned, and stay until the feed is closed; several feeds may be open on them.
 * Errors: no usable example in the split, no bound on a batch, a crop shorter than min_samples, index too large, out of
 * memory. */
eng_status train_feed_open(const train_feed_options *o, size_t epoch, size_t index, train_feed **out, eng_error *err);

/* Number of batches in an epoch. With batch_size alone it is the same in each; with batch_seconds it depends on the
 * order that the epoch draws, and counting costs its whole plan (a sort of the split). 0: out of memory. */
size_t train_feed_batches(const train_feed *f, size_t epoch);

/* The next batch; after an epoch's last one the next epoch's first (with once: NULL). Valid until `hold` more were given. A file
 * that cannot be read any more, or has another length than when it was scanned, is left out and reported by
 * train_feed_skipped; a batch may so be empty (n = 0). Error: out of memory. */
eng_status train_feed_next(train_feed *f, const train_batch **out, eng_error *err);

/* Files that could not be read since the last call, each told once: their messages, one a line, or NULL. They come with
 * the batch that they are missing from. Heap string (eng_free). */
char *train_feed_skipped(train_feed *f);

/* Stops decoding (a file that is being read is read to its end) and frees everything. f may be NULL. */
void train_feed_close(train_feed *f);

#endif
