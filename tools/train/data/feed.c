/* The utterances of the next few batches, in the plan's order, are a stage's items (stage.h); the ring of batches is as
 * far as it runs ahead. Everything but the preparing of an utterance happens on the caller's thread. */
#include "tools/train/data/feed.h"

#include <math.h>
#include <string.h>

#include "model/audio/audio.h"
#include "tools/common/stage.h"
#include "tools/train/plan.h"
#include "tools/train/data/store.h"

/* Batches that are ready or in preparation, beside those that the caller has. */
enum { AHEAD = 4 };

typedef struct feed_item {
    tool_stage_item stage;
    size_t epoch, example;
    train_utterance made;
    eng_error failure; /* status ENG_OK: none */
} feed_item;

typedef struct feed_slot {
    train_batch batch; /* n: as planned, until it is handed out */
    feed_item *item;   /* [planned] */
    size_t planned;
    size_t *shard_of;  /* [planned]: each item's, counted from the feed's first */
} feed_slot;

struct train_feed {
    train_feed_options o;
    mdl_augmentation augmentation;
    size_t crop; /* samples; 0: whole */
    train_plan_options plan_options;
    size_t *id, *samples; /* of plan_options */
    tool_stage *stage;
    train_plan plan;       /* of epoch */
    size_t epoch, next;    /* the next batch to be opened */
    feed_slot *slot;       /* [slots]: batch number b, counted over epochs, is in slot[b % slots] */
    size_t slots;
    size_t first, opened;  /* slots in use: batches first .. opened - 1 */
    size_t held;           /* batches first .. first + held - 1 are the caller's */
    bool ended;            /* no more are opened */
    bool *told;            /* [examples]: reported */
    char *skipped;         /* messages, one a line, or NULL */
    size_t skipped_size;
    eng_error failure; /* status ENG_OK: none */
};

/* ---- One utterance ---- */

static eng_status prepare_plain(const train_feed *f, size_t epoch, size_t example, train_utterance *out, eng_error *err)
{
    size_t total = f->o.data->example[example].samples, count = f->crop && f->crop < total ? f->crop : total;
    size_t first = f->o.shuffle ? train_plan_crop(f->o.seed, epoch, example, total, count) : 0;
    float *samples;
    eng_status status = train_store_read(f->o.data, example, first, count, &samples, err);
    if (!status) *out = (train_utterance){example, samples, count};
    return status;
}

/* out->samples stays NULL when so little is left that the model could not take it. */
static eng_status prepare_augmented(const train_feed *f, size_t epoch, size_t example, train_utterance *out,
                                    eng_error *err)
{
    float *whole, *samples = NULL;
    size_t total = f->o.data->example[example].samples, count = 0;
    eng_status status = train_store_read(f->o.data, example, 0, total, &whole, err);
    if (status) return status;
    status = mdl_augment(&f->augmentation, f->o.seed, (uint32_t)epoch, (uint32_t)example, whole, total,
                         f->o.shuffle ? f->crop : 0, &samples, &count, err);
    eng_free(whole);
    if (status) return status;
    if (f->crop && count > f->crop) count = f->crop; /* not shuffled: from the start */
    if (count && count >= f->o.min_samples)
        *out = (train_utterance){example, samples, count};
    else
        eng_free(samples);
    return ENG_OK;
}

/* The utterance as the epoch has it; samples NULL after an error. */
static eng_status prepare(const train_feed *f, size_t epoch, size_t example, train_utterance *out, eng_error *err)
{
    eng_status status = ENG_OK;
    *out = (train_utterance){.example = example};
    if (f->o.augmentation) status = prepare_augmented(f, epoch, example, out, err);
    if (!status && !out->samples) status = prepare_plain(f, epoch, example, out, err);
    return status;
}

static size_t prepare_item(void *arg, tool_stage_item *stage_item)
{
    const train_feed *f = arg;
    feed_item *item = (feed_item *)stage_item;
    /* A failed first attempt stays in the error when a second one succeeds. */
    item->failure.status = prepare(f, item->epoch, item->example, &item->made, &item->failure);
    return item->made.count * sizeof *item->made.samples;
}

/* ---- Batches ---- */

/* Notes a file that cannot be read, once. */
static eng_status note_skipped(train_feed *f, size_t example, const char *message, eng_error *err)
{
    if (f->told[example]) return ENG_OK;
    f->told[example] = true;
    size_t length = strlen(message), used = f->skipped_size;
    char *grown = eng_grow(f->skipped, used, used + length + 1, 1);
    if (!grown) return eng_fail(err, ENG_E_MEMORY, "out of memory for a message");
    if (used) grown[used - 1] = '\n';
    memcpy(grown + used, message, length + 1);
    f->skipped = grown;
    f->skipped_size = used + length + 1;
    return ENG_OK;
}

/* Plans the epoch behind this one. */
static eng_status next_epoch(train_feed *f, eng_error *err)
{
    train_plan plan;
    eng_status status = train_plan_make(&f->plan_options, f->epoch + 1, &plan, err);
    if (status) return status;
    train_plan_free(&f->plan);
    f->plan = plan;
    f->epoch++;
    f->next = 0;
    return ENG_OK;
}

/* Makes a slot of the utterances order[0..n) of the plan that fall to the feed's own shards, one shard behind the other. */
static eng_status fill_slot(train_feed *f, const size_t *order, size_t n, feed_slot *s, eng_error *err)
{
    size_t *samples = eng_alloc(n, sizeof *samples), *shard = eng_alloc(n, sizeof *shard);
    s->batch.utterance = eng_alloc_zero(n, sizeof *s->batch.utterance);
    s->batch.shard = eng_alloc_zero(f->o.own_shards + 1, sizeof *s->batch.shard);
    s->item = eng_alloc_zero(n, sizeof *s->item);
    s->shard_of = eng_alloc(n, sizeof *s->shard_of);
    eng_status status = ENG_OK;
    if (!samples || !shard || !s->batch.utterance || !s->batch.shard || !s->item || !s->shard_of)
        status = eng_fail(err, ENG_E_MEMORY, "out of memory for a batch of %zu utterances", n);
    for (size_t i = 0; i < n && !status; i++) samples[i] = f->samples[order[i]];
    if (!status) status = train_plan_shards(n, samples, f->o.shards, shard, err);
    for (size_t own = 0; own < f->o.own_shards && !status; own++)
        for (size_t i = 0; i < n; i++) {
            if (shard[i] != f->o.first_shard + own) continue;
            s->shard_of[s->planned] = own;
            s->item[s->planned].epoch = f->epoch;
            s->item[s->planned++].example = f->id[order[i]];
        }
    eng_free(samples);
    eng_free(shard);
    return status;
}

/* Its items are the caller's: taken, or their stage closed. */
static void clear_slot(feed_slot *s)
{
    for (size_t i = 0; i < s->planned; i++) {
        float *samples;
        memcpy(&samples, &s->item[i].made.samples, sizeof samples); /* const to the caller alone */
        eng_free(samples);
    }
    eng_free(s->item);
    eng_free(s->shard_of);
    eng_free(s->batch.utterance);
    eng_free(s->batch.shard);
    *s = (feed_slot){0};
}

/* Opens the next batch in a free slot and has it prepared; after an epoch's last the next epoch's first. */
static eng_status open_batch(train_feed *f, eng_error *err)
{
    eng_status status = f->next >= f->plan.batches ? next_epoch(f, err) : ENG_OK;
    if (status) return status;
    size_t from = f->plan.first[f->next], n = f->plan.first[f->next + 1] - from;
    feed_slot *s = &f->slot[f->opened % f->slots];
    *s = (feed_slot){.batch = {.epoch = f->epoch, .index = f->next, .batches = f->plan.batches}};
    status = fill_slot(f, f->plan.order + from, n, s, err);
    if (status) {
        s->planned = 0; /* nothing was made of them */
        clear_slot(s);
        return status;
    }
    f->opened++;
    for (size_t i = 0; i < s->planned; i++) tool_stage_give(f->stage, &s->item[i].stage);
    f->next += f->o.every;
    f->ended = f->o.once && f->next >= f->plan.batches;
    return ENG_OK;
}

static eng_status open_batches(train_feed *f, eng_error *err)
{
    eng_status status = ENG_OK;
    while (!status && !f->ended && f->opened - f->first < f->slots) status = open_batch(f, err);
    return status;
}

/* Waits for the batch's utterances; those that could not be read are left out. */
static eng_status collect(train_feed *f, feed_slot *s, eng_error *err)
{
    train_batch *b = &s->batch;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < s->planned && !status; i++) {
        const feed_item *item = (const feed_item *)tool_stage_take(f->stage);
        if (item->failure.status == ENG_E_MEMORY)
            status = eng_fail(err, ENG_E_MEMORY, "%s", item->failure.message);
        else if (item->failure.status)
            status = note_skipped(f, item->example, item->failure.message, err);
        if (!item->made.samples) continue;
        b->samples += item->made.count;
        b->utterance[b->n++] = item->made;
        b->shard[s->shard_of[i] + 1]++;
    }
    for (size_t own = 0; own < f->o.own_shards; own++) b->shard[own + 1] += b->shard[own];
    return status;
}

/* ---- Opening and closing ---- */

static size_t to_samples(double seconds)
{
    double samples = floor(seconds * MDL_SAMPLE_RATE + 0.5);
    return samples > 0 ? samples < 1e15 ? (size_t)samples : (size_t)1e15 : 0;
}

static eng_status check(const train_feed_options *o, size_t crop, eng_error *err)
{
    if (!o->batch_size && !(o->batch_seconds > 0))
        return eng_fail(err, ENG_E_USAGE, "no bound on a batch: expected a number of utterances or of seconds");
    if (crop && crop < o->min_samples)
        return eng_fail(err, ENG_E_USAGE, "a crop to %g s is %zu samples, shorter than the model's least, %zu",
                        o->crop_seconds, crop, o->min_samples);
    if (!o->augmentation) return ENG_OK;
    float *none = NULL;
    size_t count;
    eng_status status = mdl_augment(o->augmentation, 0, 0, 0, NULL, 0, 0, &none, &count, err); /* checks the options */
    eng_free(none);
    return status;
}

/* How long the utterance can be: whole, slowed down as far as may be, cropped. */
static size_t longest(const train_feed *f, size_t samples)
{
    if (f->o.augmentation && f->augmentation.speed > 0)
        samples = (size_t)((double)samples / (1 - f->augmentation.speed)) + 1;
    return f->crop && f->crop < samples ? f->crop : samples;
}

/* The split's usable examples, and how long each can be. */
static eng_status select_examples(train_feed *f, eng_error *err)
{
    const train_data *d = f->o.data;
    f->id = eng_alloc(d->count, sizeof *f->id);
    f->samples = eng_alloc(d->count, sizeof *f->samples);
    f->told = eng_alloc_zero(d->count, sizeof *f->told);
    if (!f->id || !f->samples || !f->told) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < d->count; i++) {
        const train_example *e = &d->example[i];
        if (e->split != f->o.split || e->broken || !e->samples || e->samples < f->o.min_samples) continue;
        f->id[n] = i;
        f->samples[n++] = longest(f, e->samples);
    }
    f->plan_options = (train_plan_options){
        n, f->id, f->samples, f->o.batch_size, to_samples(f->o.batch_seconds), f->o.shuffle, f->o.bucket, f->o.seed};
    if (n) return ENG_OK;
    return eng_fail(err, ENG_E_MISSING, "no usable recording in split %s", train_split_name(f->o.split));
}

/* Plans epoch, and goes to its batch `index`. */
static eng_status go_to(train_feed *f, size_t epoch, size_t index, eng_error *err)
{
    eng_status status = train_plan_make(&f->plan_options, epoch, &f->plan, err);
    if (status) return status;
    if (index > f->plan.batches)
        return eng_fail(err, ENG_E_USAGE, "batch %zu of epoch %zu, which has %zu", index, epoch, f->plan.batches);
    f->epoch = epoch;
    f->next = index + f->o.turn;
    f->ended = f->o.once && f->next >= f->plan.batches && f->o.turn; /* others have all of them */
    return ENG_OK;
}

static eng_status set_up(train_feed *f, size_t epoch, size_t index, eng_error *err)
{
    eng_status status = check(&f->o, f->crop, err);
    f->slot = eng_alloc_zero(f->slots, sizeof *f->slot);
    if (!status && !f->slot) status = eng_fail(err, ENG_E_MEMORY, "out of memory for %zu batches", f->slots);
    if (!status) status = select_examples(f, err);
    if (!status) status = go_to(f, epoch, index, err);
    if (status) return status;
    train_store_allow(f->o.data->store, f->o.cache_bytes);
    status = tool_stage_open(&(tool_stage_options){prepare_item, f, f->o.threads, 0}, &f->stage, err);
    return status ? status : open_batches(f, err);
}

eng_status train_feed_open(const train_feed_options *o, size_t epoch, size_t index, train_feed **out, eng_error *err)
{
    *out = NULL;
    train_feed *f = eng_alloc_zero(1, sizeof *f);
    if (!f) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    f->o = *o;
    if (!f->o.threads) f->o.threads = 1;
    if (!f->o.shards) f->o.shards = 1;
    if (!f->o.own_shards) f->o.own_shards = f->o.shards;
    if (!f->o.every) f->o.every = 1;
    if (!f->o.hold) f->o.hold = 1;
    f->slots = f->o.hold + AHEAD;
    if (o->augmentation) f->augmentation = *o->augmentation;
    f->crop = to_samples(o->crop_seconds);
    eng_status status = set_up(f, epoch, index, err);
    if (status)
        train_feed_close(f);
    else
        *out = f;
    return status;
}

void train_feed_close(train_feed *f)
{
    if (!f) return;
    tool_stage_close(f->stage);
    for (; f->first < f->opened; f->first++) clear_slot(&f->slot[f->first % f->slots]);
    eng_free(f->slot);
    train_plan_free(&f->plan);
    eng_free(f->id);
    eng_free(f->samples);
    eng_free(f->told);
    eng_free(f->skipped);
    eng_free(f);
}

/* ---- For the caller ---- */

size_t train_feed_batches(const train_feed *f, size_t epoch)
{
    return train_plan_count(&f->plan_options, epoch);
}

static eng_status next_batch(train_feed *f, const train_batch **out, eng_error *err)
{
    if (f->held == f->o.hold) {
        clear_slot(&f->slot[f->first++ % f->slots]);
        f->held--;
    }
    eng_status status = open_batches(f, err);
    if (status || f->first + f->held == f->opened) return status;
    feed_slot *s = &f->slot[(f->first + f->held) % f->slots];
    status = collect(f, s, err);
    f->held++;
    if (!status) *out = &s->batch;
    return status;
}

eng_status train_feed_next(train_feed *f, const train_batch **out, eng_error *err)
{
    *out = NULL;
    eng_status status = f->failure.status;
    if (status) return eng_fail(err, status, "%s", f->failure.message);
    status = next_batch(f, out, &f->failure);
    f->failure.status = status;
    return status ? eng_fail(err, status, "%s", f->failure.message) : ENG_OK;
}

char *train_feed_skipped(train_feed *f)
{
    char *messages = f->skipped;
    f->skipped = NULL;
    f->skipped_size = 0;
    return messages;
}
