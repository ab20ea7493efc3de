#include "tools/train/plan.h"

#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/random.h"

/* Kinds of draw; the model's and the augmentation's are small numbers. */
enum { DRAW_ORDER = 0x46454401, DRAW_BATCHES, DRAW_CROP };

enum { WINDOW_BATCHES = 50 };

static uint64_t draw(uint64_t seed, size_t epoch, size_t id, uint32_t kind)
{
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, counter[4] = {0, (uint32_t)epoch, (uint32_t)id, kind};
    uint32_t word[4];
    eng_philox(key, counter, word);
    return (uint64_t)word[1] << 32 | word[0];
}

/* What is sorted: by key, equal ones in the order in which they stood. */
typedef struct sort_item {
    uint64_t key;
    size_t place, value;
} sort_item;

static int compare_items(const void *a, const void *b)
{
    const sort_item *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* ---- Order ---- */

static void order_utterances(const train_plan_options *o, size_t epoch, sort_item *items, size_t *order)
{
    for (size_t i = 0; i < o->n; i++)
        items[i] = (sort_item){o->shuffle ? draw(o->seed, epoch, o->id[i], DRAW_ORDER) : 0, i, i};
    if (o->shuffle) qsort(items, o->n, sizeof *items, compare_items);
    for (size_t i = 0; i < o->n; i++) order[i] = items[i].value;
}

/* Where the window that begins at `first` ends: at WINDOW_BATCHES full batches. */
static size_t window_end(const train_plan_options *o, const size_t *order, size_t first)
{
    size_t samples = 0, end = first;
    while (end < o->n) {
        if (o->batch_size && (end - first) / WINDOW_BATCHES >= o->batch_size) break;
        if (o->batch_samples && samples / WINDOW_BATCHES >= o->batch_samples) break;
        samples += o->samples[order[end++]];
    }
    return end;
}

static void sort_window(const train_plan_options *o, sort_item *items, size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) items[i] = (sort_item){o->samples[order[i]], i, order[i]};
    qsort(items, n, sizeof *items, compare_items);
    for (size_t i = 0; i < n; i++) order[i] = items[i].value;
}

/* ---- Batches ---- */

/* Cuts order[first..end) into batches, behind those that there are. */
static void cut(const train_plan_options *o, size_t first, size_t end, train_plan *p)
{
    size_t count = 0, samples = 0;
    for (size_t i = first; i < end; i++) {
        size_t own = o->samples[p->order[i]];
        bool full = o->batch_size && count == o->batch_size;
        bool long_enough = o->batch_samples && (samples > o->batch_samples || own > o->batch_samples - samples);
        if (!count || full || long_enough) {
            p->first[p->batches++] = i;
            count = samples = 0;
        }
        count++;
        samples += own;
    }
    p->first[p->batches] = end;
}

/* The batches in a drawn order. items: [batches], first and order: the new ones' room, [batches + 1] and [n]. */
static void shuffle_batches(const train_plan_options *o, size_t epoch, sort_item *items, train_plan *p, size_t *first,
                            size_t *order)
{
    for (size_t b = 0; b < p->batches; b++) items[b] = (sort_item){draw(o->seed, epoch, b, DRAW_BATCHES), b, b};
    qsort(items, p->batches, sizeof *items, compare_items);
    size_t at = 0;
    for (size_t b = 0; b < p->batches; b++) {
        size_t from = p->first[items[b].value], n = p->first[items[b].value + 1] - from;
        first[b] = at;
        memcpy(order + at, p->order + from, n * sizeof *order);
        at += n;
    }
    first[p->batches] = at;
}

static eng_status make_bucketed(const train_plan_options *o, size_t epoch, sort_item *items, train_plan *p)
{
    for (size_t first = 0, end; first < o->n; first = end) {
        end = window_end(o, p->order, first);
        sort_window(o, items, p->order + first, end - first);
        cut(o, first, end, p);
    }
    train_plan shuffled = {p->batches, eng_alloc(o->n + 1, sizeof *p->first), eng_alloc(o->n, sizeof *p->order)};
    eng_status status = shuffled.first && shuffled.order ? ENG_OK : ENG_E_MEMORY;
    if (!status) {
        shuffle_batches(o, epoch, items, p, shuffled.first, shuffled.order);
        train_plan old = *p;
        *p = shuffled;
        shuffled = old;
    }
    train_plan_free(&shuffled);
    return status;
}

eng_status train_plan_make(const train_plan_options *o, size_t epoch, train_plan *out, eng_error *err)
{
    *out = (train_plan){0};
    train_plan p = {0, eng_alloc(o->n + 1, sizeof *p.first), eng_alloc(o->n, sizeof *p.order)};
    sort_item *items = eng_alloc(o->n, sizeof *items);
    eng_status status = p.first && p.order && items ? ENG_OK : ENG_E_MEMORY;
    if (!status) {
        p.first[0] = 0;
        order_utterances(o, epoch, items, p.order);
        if (o->shuffle && o->bucket)
            status = make_bucketed(o, epoch, items, &p);
        else
            cut(o, 0, o->n, &p);
    }
    eng_free(items);
    if (!status) {
        *out = p;
        return ENG_OK;
    }
    train_plan_free(&p);
    return eng_fail(err, ENG_E_MEMORY, "out of memory for an epoch of %zu utterances", o->n);
}

void train_plan_free(train_plan *p)
{
    eng_free(p->first);
    eng_free(p->order);
    *p = (train_plan){0};
}

size_t train_plan_count(const train_plan_options *o, size_t epoch)
{
    if (!o->batch_samples && o->batch_size) return o->n / o->batch_size + (o->n % o->batch_size != 0);
    train_plan p;
    if (train_plan_make(o, epoch, &p, NULL) != ENG_OK) return 0;
    size_t batches = p.batches;
    train_plan_free(&p);
    return batches;
}

eng_status train_plan_shards(size_t n, const size_t *samples, size_t shards, size_t *shard, eng_error *err)
{
    sort_item *items = eng_alloc(n, sizeof *items);
    size_t *load = eng_alloc_zero(shards, sizeof *load);
    eng_status status = items && load ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for %zu utterances", n);
    for (size_t i = 0; i < n && !status; i++) items[i] = (sort_item){UINT64_MAX - samples[i], i, i}; /* the longest first */
    if (!status) qsort(items, n, sizeof *items, compare_items);
    for (size_t i = 0; i < n && !status; i++) {
        size_t least = 0;
        for (size_t s = 1; s < shards; s++)
            if (load[s] < load[least]) least = s;
        load[least] += samples[items[i].value];
        shard[items[i].value] = least;
    }
    eng_free(items);
    eng_free(load);
    return status;
}

size_t train_plan_crop(uint64_t seed, size_t epoch, size_t id, size_t samples, size_t length)
{
    if (length >= samples) return 0;
    uint64_t places = samples - length + 1, word = draw(seed, epoch, id, DRAW_CROP) >> 32;
    return (size_t)((word * places) >> 32); /* up to 2^32 samples: 74 hours */
}
