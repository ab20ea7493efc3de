/* Batches: what is decoded in the background is what the plan says, whatever the threads, the memory and the batch at
 * which it begins. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "tests/support/train_files.h"
#include "tools/train/data/feed.h"
#include "tools/train/plan.h"
#include "tools/train/data/store.h"

TestSuite(train_feed, .init = train_enter, .fini = train_leave, .timeout = 120);

enum { FILES = 23 };

static size_t file_samples(size_t i)
{
    return 3000 + (i * 7919) % 5000;
}

/* FILES recordings to train on, number i holding train_sample(i); two more in dev. */
static train_data make_corpus(size_t cache_bytes)
{
    char list[4096] = "file,emotion,split\n", name[64];
    for (size_t i = 0; i < FILES + 2; i++) {
        snprintf(name, sizeof name, "%zu.wav", i);
        train_wav(name, (unsigned)i, file_samples(i));
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s,%s,%s\n", name, i % 2 ? "odd" : "even",
                 i < FILES ? "train" : "dev");
    }
    train_text("l.csv", list);
    train_data d = train_load(&(train_data_options){.path = "l.csv", .cache_bytes = cache_bytes});
    train_scan_good(&d);
    return d;
}

static train_feed *open_feed(const train_feed_options *o, size_t epoch, size_t index)
{
    train_feed *f;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_feed_open(o, epoch, index, &f, &err), ENG_OK, "%s", err.message);
    return f;
}

static const train_batch *next_batch(train_feed *f)
{
    const train_batch *b;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_feed_next(f, &b, &err), ENG_OK, "%s", err.message);
    return b;
}

/* Everything about a batch in one number. */
static uint64_t fingerprint(const train_batch *b)
{
    uint64_t h = b->epoch * 1000003 + b->index * 31 + b->batches * 7 + b->n;
    for (size_t i = 0; i < b->n; i++) {
        h = (h ^ b->utterance[i].example) * UINT64_C(0x100000001B3);
        for (size_t s = 0; s < b->utterance[i].count; s++) {
            uint32_t bits;
            memcpy(&bits, &b->utterance[i].samples[s], sizeof bits);
            h = (h ^ bits) * UINT64_C(0x100000001B3);
        }
    }
    return h;
}

Test(train_feed, list_order_and_samples)
{
    train_data d = make_corpus(0);
    train_feed *f = open_feed(&(train_feed_options){.data = &d, .batch_size = 5, .threads = 2}, 0, 0);
    cr_assert_eq(train_feed_batches(f, 0), 5);
    size_t example = 0;
    for (size_t b = 0; b < 10; b++) {
        const train_batch *batch = next_batch(f);
        cr_assert(batch->epoch == b / 5 && batch->index == b % 5 && batch->batches == 5);
        cr_assert_eq(batch->n, b % 5 < 4 ? 5 : 3);
        double samples = 0;
        for (size_t i = 0; i < batch->n; i++, example++) {
            const train_utterance *u = &batch->utterance[i];
            cr_assert_eq(u->example, example % FILES);
            cr_assert_eq(u->count, file_samples(u->example));
            for (size_t s = 0; s < u->count; s++) cr_assert_eq(u->samples[s], train_sample((unsigned)u->example, s));
            samples += (double)u->count;
        }
        cr_assert_eq((double)batch->samples, samples);
    }
    cr_assert_null(train_feed_skipped(f));
    train_feed_close(f);
    train_data_free(&d);
}

Test(train_feed, ends_with_its_epoch_when_asked_to)
{
    train_data d = make_corpus(1 << 20);
    train_feed *f = open_feed(
        &(train_feed_options){.data = &d, .split = TRAIN_DEV, .batch_size = 1, .threads = 3, .once = true}, 4, 0);
    for (size_t b = 0; b < 2; b++) {
        const train_batch *batch = next_batch(f);
        cr_assert(batch && batch->epoch == 4 && batch->n == 1 && batch->utterance[0].example == FILES + b);
    }
    for (size_t i = 0; i < 3; i++) cr_assert_null(next_batch(f));
    train_feed_close(f);
    train_data_free(&d);
}

static const mdl_augmentation augmentation = {
    .gain_db = 6, .noise_prob = 0.5, .snr_low = 5, .snr_high = 20, .speed = 0.1, .pitch = 2};

/* All batches of EPOCHS epochs, for a seed and a way of batching. */
enum { EPOCHS = 3, MOST = 64 };
typedef struct run {
    size_t count, epoch[MOST], index[MOST];
    uint64_t print[MOST];
} run;

static run run_through(const train_feed_options *o, size_t epoch, size_t index)
{
    run r = {0};
    train_feed *f = open_feed(o, epoch, index);
    for (;;) {
        const train_batch *b = next_batch(f);
        cr_assert_eq(b->batches, train_feed_batches(f, b->epoch));
        cr_assert_lt(b->index, b->batches);
        if (b->epoch == EPOCHS) break;
        cr_assert_lt(r.count, MOST);
        r.epoch[r.count] = b->epoch;
        r.index[r.count] = b->index;
        r.print[r.count++] = fingerprint(b);
    }
    train_feed_close(f);
    return r;
}

static void expect_same_from(const run *whole, size_t skipped, const run *part)
{
    cr_assert_eq(part->count, whole->count - skipped);
    for (size_t i = 0; i < part->count; i++)
        cr_assert(part->print[i] == whole->print[skipped + i], "batch %zu of epoch %zu differs", part->index[i],
                  part->epoch[i]);
}

/* Two epochs from batches that hold the same utterances cannot be mistaken for each other by chance. */
Test(train_feed, same_batches_whatever_the_threads_the_memory_and_the_beginning)
{
    train_data d = make_corpus(0);
    for (size_t how = 0; how < 6; how++) {
        train_feed_options o = {.data = &d,
                                .batch_size = how % 2 ? 0 : 4,
                                .batch_seconds = how % 2 ? 1.2 : 0,
                                .crop_seconds = how < 2 ? 0 : 0.2,
                                .shuffle = how != 4,
                                .bucket = how >= 2,
                                .augmentation = how >= 3 ? &augmentation : NULL,
                                .seed = 11,
                                .threads = 1,
                                .min_samples = 400};
        run whole = run_through(&o, 0, 0);
        cr_assert_geq(whole.count, EPOCHS * 3);
        o.threads = 4;
        run threads = run_through(&o, 0, 0);
        expect_same_from(&whole, 0, &threads);
        for (size_t i = 1; i < whole.count; i += 5) { /* the memory fills as it goes */
            o.cache_bytes = i * 10000;
            run part = run_through(&o, whole.epoch[i], whole.index[i]);
            expect_same_from(&whole, i, &part);
        }
        train_feed *f = open_feed(&o, 1, 0);
        size_t batches = train_feed_batches(f, 1);
        train_feed_close(f);
        run second = run_through(&o, 1, batches); /* behind the last: the next epoch's first */
        cr_assert(second.epoch[0] == 2 && second.index[0] == 0);
        expect_same_from(&whole, whole.count - second.count, &second);
        o.seed = 12;
        run other = run_through(&o, 0, 0);
        size_t equal = 0;
        for (size_t i = 0; i < whole.count && i < other.count; i++) equal += other.print[i] == whole.print[i];
        cr_assert_eq(equal, 0, "another seed, %zu equal batches", equal);
    }
    train_data_free(&d);
}

Test(train_feed, crops_are_drawn_only_when_shuffled)
{
    train_data d = make_corpus(1 << 20);
    for (size_t shuffle = 0; shuffle < 2; shuffle++) {
        train_feed *f = open_feed(
            &(train_feed_options){
                .data = &d, .batch_size = FILES, .crop_seconds = 0.1, .shuffle = shuffle, .threads = 2, .seed = 3},
            0, 0);
        size_t elsewhere = 0;
        for (size_t epoch = 0; epoch < 2; epoch++) {
            const train_batch *b = next_batch(f);
            cr_assert_eq(b->n, FILES);
            for (size_t i = 0; i < b->n; i++) {
                const train_utterance *u = &b->utterance[i];
                unsigned number = (unsigned)u->example;
                size_t first = train_plan_crop(3, epoch, u->example, file_samples(u->example), 1600);
                if (!shuffle) first = 0;
                cr_assert_eq(u->count, 1600);
                for (size_t s = 0; s < u->count; s++) cr_assert_eq(u->samples[s], train_sample(number, first + s));
                elsewhere += first != 0;
            }
        }
        cr_assert(shuffle ? elsewhere > FILES : elsewhere == 0);
        train_feed_close(f);
    }
    train_data_free(&d);
}

Test(train_feed, bounds_hold_when_speech_is_slowed_down)
{
    train_data d = make_corpus(1 << 20);
    mdl_augmentation slow = {.speed = 0.5};
    train_feed_options o = {.data = &d,
                            .batch_seconds = 1.5,
                            .shuffle = true,
                            .bucket = true,
                            .augmentation = &slow,
                            .threads = 2,
                            .min_samples = 3000};
    train_feed *f = open_feed(&o, 0, 0);
    size_t changed = 0, seen = 0;
    while (seen < 4 * FILES) {
        const train_batch *b = next_batch(f);
        cr_assert(b->n == 1 || b->samples <= 24000, "%zu samples", b->samples);
        for (size_t i = 0; i < b->n; i++) {
            changed += b->utterance[i].count != file_samples(b->utterance[i].example);
            cr_assert_geq(b->utterance[i].count, 3000);
        }
        seen += b->n;
    }
    cr_assert(changed > seen / 2, "%zu of %zu", changed, seen);
    train_feed_close(f);
    train_data_free(&d);
}

Test(train_feed, closing_at_any_time)
{
    train_data d = make_corpus(0);
    for (size_t taken = 0; taken < 12; taken++)
        for (size_t threads = 1; threads <= 8; threads += 3) {
            train_feed_options o = {
                .data = &d, .batch_size = 3, .shuffle = true, .threads = threads, .once = taken % 2 == 0};
            train_feed *f = open_feed(&o, 0, 0), *dev;
            o.split = TRAIN_DEV;
            dev = open_feed(&o, 0, 0);
            for (size_t i = 0; i < taken; i++) cr_assert_eq(next_batch(f) != NULL, !o.once || i < 8);
            train_feed_close(dev);
            train_feed_close(f);
        }
    train_feed_close(NULL);
    train_data_free(&d);
}

Test(train_feed, files_that_vanish_are_left_out_and_told_once)
{
    train_data d = make_corpus(0);
    cr_assert_eq(remove("4.wav"), 0);
    train_wav("7.wav", 7, file_samples(7) + 1);
    cr_assert_eq(remove("11.wav"), 0);
    train_feed *f = open_feed(&(train_feed_options){.data = &d, .batch_size = 1, .threads = 2}, 0, 0);
    char told[4096] = "";
    for (size_t b = 0; b < 3 * FILES; b++) {
        size_t i = b % FILES;
        const train_batch *batch = next_batch(f);
        bool gone = i == 4 || i == 7 || i == 11;
        cr_assert_eq(batch->n, !gone);
        cr_assert_eq(batch->samples, gone ? 0 : file_samples(i));
        char *messages = train_feed_skipped(f);
        if (!messages) continue;
        cr_assert_lt(b, FILES, "told again: %s", messages);
        snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", messages);
        eng_free(messages);
    }
    size_t lines = 0;
    for (const char *p = told; *p; p++) lines += *p == '\n';
    cr_assert_eq(lines, 3, "%s", told);
    cr_assert(strstr(told, "4.wav: cannot open") && strstr(told, "11.wav: cannot open"), "%s", told);
    cr_assert(strstr(told, "7.wav: ") && strstr(told, "has changed"), "%s", told);
    train_feed_close(f);
    train_data_free(&d);
}

Test(train_feed, several_messages_are_lines)
{
    train_data d = make_corpus(0);
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.wav", i);
        cr_assert_eq(remove(name), 0);
    }
    train_feed *f = open_feed(&(train_feed_options){.data = &d, .batch_size = 4, .threads = 1}, 0, 0);
    cr_assert_eq(next_batch(f)->n, 1);
    char *m = train_feed_skipped(f);
    cr_assert_not_null(m);
    const char *second = strchr(m, '\n'), *third = second ? strchr(second + 1, '\n') : NULL;
    cr_assert(third && !strchr(third + 1, '\n'), "%s", m);
    cr_assert(strstr(m, "0.wav") < second && strstr(second, "1.wav") && strstr(third, "2.wav"), "%s", m);
    eng_free(m);
    train_feed_close(f);
    train_data_free(&d);
}

Test(train_feed, broken_examples_are_not_planned)
{
    train_data d = make_corpus(0);
    d.example[0].broken = true;
    train_feed *f = open_feed(
        &(train_feed_options){.data = &d, .batch_size = FILES, .threads = 1, .min_samples = file_samples(1) + 1}, 0, 0);
    const train_batch *b = next_batch(f);
    size_t expected = 0;
    for (size_t i = 1; i < FILES; i++) expected += file_samples(i) > file_samples(1);
    cr_assert(expected > 0 && expected < FILES - 1);
    cr_assert_eq(b->n, expected);
    for (size_t i = 0; i < b->n; i++) cr_assert_gt(b->utterance[i].example, 1);
    train_feed_close(f);
    train_data_free(&d);
}

/* ---- Shares: what ranks read ---- */

/* Shard `own` of a batch of this feed has the samples that shard `shard` of the whole batch has. */
static void expect_same_shard(const train_batch *whole, size_t shard, const train_batch *part, size_t own)
{
    const size_t first = whole->shard[shard], n = whole->shard[shard + 1] - first, begin = part->shard[own];
    cr_assert(part->epoch == whole->epoch && part->index == whole->index && part->batches == whole->batches);
    cr_assert_eq(part->shard[own + 1] - begin, n);
    for (size_t i = 0; i < n; i++) {
        const train_utterance *a = &whole->utterance[first + i], *b = &part->utterance[begin + i];
        cr_assert(a->example == b->example && a->count == b->count);
        cr_assert_arr_eq(a->samples, b->samples, a->count * sizeof *a->samples);
    }
}

Test(train_feed, shards_of_several_feeds_are_the_whole)
{
    enum { SHARDS = 6, FEEDS = 3, EACH = SHARDS / FEEDS };
    train_data d = make_corpus(1 << 20);
    train_feed_options o = {.data = &d, .batch_size = 8, .crop_seconds = 0.3, .shuffle = true, .bucket = true,
                            .augmentation = &augmentation, .seed = 5, .threads = 2, .min_samples = 400, .shards = SHARDS};
    train_feed *whole = open_feed(&o, 0, 0), *part[FEEDS];
    o.own_shards = EACH;
    for (size_t i = 0; i < FEEDS; i++) {
        o.first_shard = i * EACH;
        o.threads = i + 1;
        part[i] = open_feed(&o, 0, 0);
    }
    size_t seen = 0, absent = 0;
    for (size_t b = 0; b < 9; b++) { /* three epochs, each with one batch of 7 */
        const train_batch *all = next_batch(whole);
        cr_assert_eq(all->shard[SHARDS], all->n);
        size_t n = 0, samples = 0;
        for (size_t i = 0; i < FEEDS; i++) {
            const train_batch *own = next_batch(part[i]);
            cr_assert_eq(own->shard[EACH], own->n);
            for (size_t s = 0; s < EACH; s++) expect_same_shard(all, i * EACH + s, own, s);
            n += own->n;
            samples += own->samples;
        }
        for (size_t s = 0; s < SHARDS; s++) absent += all->shard[s + 1] == all->shard[s];
        cr_assert(n == all->n && samples == all->samples && (n == 8 || n == 7));
        seen += n;
    }
    cr_assert(seen == 3 * FILES && absent == 0, "%zu recordings, %zu absent shards", seen, absent);
    for (size_t i = 0; i < FEEDS; i++) train_feed_close(part[i]);
    train_feed_close(whole);
    train_data_free(&d);
}

Test(train_feed, more_shards_than_recordings)
{
    train_data d = make_corpus(1 << 20);
    size_t read = 0;
    for (size_t first = 0; first < 12; first += 3) {
        train_feed *f = open_feed(&(train_feed_options){.data = &d, .batch_size = 5, .threads = 2, .shards = 12,
                                                        .own_shards = 3, .first_shard = first}, 0, 0);
        for (size_t b = 0; b < 5; b++) {
            const train_batch *batch = next_batch(f);
            cr_assert(batch->index == b && batch->n == batch->shard[3] && batch->n <= 3);
            read += batch->n;
        }
        train_feed_close(f);
    }
    cr_assert_eq(read, FILES);
    train_data_free(&d);
}

Test(train_feed, turns_of_several_feeds_are_the_whole)
{
    train_data d = make_corpus(1 << 20);
    for (size_t every = 1; every <= 9; every += every < 3 ? 1 : 3) { /* of 8 batches; 9: one feed has none */
        train_feed_options o = {.data = &d, .batch_size = 3, .threads = 2, .once = true};
        train_feed *whole = open_feed(&o, 0, 0), *part[9];
        o.every = every;
        for (o.turn = 0; o.turn < every; o.turn++) part[o.turn] = open_feed(&o, 0, 0);
        for (size_t b = 0; b < 8; b++) {
            const train_batch *all = next_batch(whole), *own = next_batch(part[b % every]);
            cr_assert(all && own && own->index == b);
            expect_same_shard(all, 0, own, 0);
        }
        cr_assert_null(next_batch(whole));
        for (size_t i = 0; i < every; i++) {
            cr_assert_null(next_batch(part[i]), "turn %zu of %zu", i, every);
            train_feed_close(part[i]);
        }
        train_feed_close(whole);
    }
    train_data_free(&d);
}

Test(train_feed, batches_stay_as_long_as_they_are_held)
{
    enum { HELD = 4 };
    train_data d = make_corpus(0);
    train_feed *f = open_feed(&(train_feed_options){.data = &d, .batch_size = 3, .threads = 2, .hold = HELD}, 0, 0);
    const train_batch *batch[20];
    uint64_t print[20];
    for (size_t b = 0; b < 20; b++) {
        batch[b] = next_batch(f);
        print[b] = fingerprint(batch[b]);
        for (size_t i = b < HELD ? 0 : b - HELD + 1; i < b; i++)
            cr_assert_eq(fingerprint(batch[i]), print[i], "batch %zu at %zu", i, b);
    }
    train_feed_close(f);
    train_data_free(&d);
}

Test(train_feed, what_cannot_be_asked_for)
{
    train_data d = make_corpus(0);
    mdl_augmentation wrong = {.speed = 2};
    const struct {
        train_feed_options o;
        size_t index;
        eng_status status;
        const char *part;
    } bad[] = {
        {{.data = &d}, 0, ENG_E_USAGE, "no bound on a batch"},
        {{.data = &d, .batch_size = 2, .split = TRAIN_TEST1}, 0, ENG_E_MISSING, "split test1"},
        {{.data = &d, .batch_size = 2, .min_samples = 400, .crop_seconds = 0.02}, 0, ENG_E_USAGE, "320 samples"},
        {{.data = &d, .batch_size = 2}, 13, ENG_E_USAGE, "which has 12"},
        {{.data = &d, .batch_size = 2, .augmentation = &wrong}, 0, ENG_E_USAGE, "speed"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        train_feed *f;
        eng_error err = {ENG_OK, ""};
        eng_status status = train_feed_open(&bad[i].o, 0, bad[i].index, &f, &err);
        cr_assert_eq(status, bad[i].status, "%zu: status %d: %s", i, status, err.message);
        cr_assert(strstr(err.message, bad[i].part), "'%s' does not say '%s'", err.message, bad[i].part);
        cr_assert_null(f);
    }
    train_data_free(&d);
}
