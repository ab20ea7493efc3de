/* Plans: every utterance once, in batches within their bounds, in an order that follows seed and epoch. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/random.h"
#include "tools/train/plan.h"

enum { N = 1237 };

typedef struct plan_data {
    size_t id[N], samples[N];
} plan_data;

/* Lengths as speech corpora have them, 0.5 to 20 s, and one that is longer than any batch. */
static plan_data *make_data(void)
{
    plan_data *d = eng_alloc(1, sizeof *d);
    float u[N];
    cr_assert_not_null(d);
    eng_uniform((eng_stream){.seed = 4}, 0, N, u);
    for (size_t i = 0; i < N; i++) {
        d->id[i] = 3 * i + 1;
        d->samples[i] = (size_t)(8000 + 312000 * u[i] * u[i]);
    }
    d->samples[700] = 5000000;
    return d;
}

static train_plan make_plan(const train_plan_options *o, size_t epoch)
{
    train_plan p;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_plan_make(o, epoch, &p, &err), ENG_OK, "%s", err.message);
    return p;
}

static void expect_once_and_bounded(const train_plan_options *o, const train_plan *p)
{
    size_t seen[N] = {0};
    cr_assert(p->batches > 0 && p->first[0] == 0 && p->first[p->batches] == o->n);
    for (size_t b = 0; b < p->batches; b++) {
        size_t n = p->first[b + 1] - p->first[b], samples = 0;
        cr_assert(p->first[b + 1] > p->first[b], "batch %zu is empty", b);
        for (size_t i = p->first[b]; i < p->first[b + 1]; i++) {
            cr_assert_lt(p->order[i], o->n);
            seen[p->order[i]]++;
            samples += o->samples[p->order[i]];
        }
        if (o->batch_size) cr_assert_leq(n, o->batch_size);
        if (o->batch_samples) cr_assert(n == 1 || samples <= o->batch_samples, "%zu samples", samples);
    }
    for (size_t i = 0; i < o->n; i++) cr_assert_eq(seen[i], 1, "utterance %zu stands there %zu times", i, seen[i]);
}

static bool same_plans(const train_plan *a, const train_plan *b, size_t n)
{
    return a->batches == b->batches && memcmp(a->order, b->order, n * sizeof *a->order) == 0 &&
           memcmp(a->first, b->first, (a->batches + 1) * sizeof *a->first) == 0;
}

Test(train_plan, every_utterance_once_within_the_bounds)
{
    plan_data *d = make_data();
    size_t plans = 0;
    for (size_t how = 0; how < 3; how++)
        for (size_t size = 0; size <= 33; size += 11)
            for (size_t samples = 0; samples <= 1600000; samples += 800000)
                for (size_t n = 1; n <= N; n += n < 3 ? 1 : 617) {
                    if (!size && !samples) continue;
                    train_plan_options o = {n, d->id, d->samples, size, samples, how > 0, how > 1, 7};
                    train_plan p = make_plan(&o, 2), again = make_plan(&o, 2);
                    expect_once_and_bounded(&o, &p);
                    cr_assert(same_plans(&p, &again, n));
                    cr_assert_eq(train_plan_count(&o, 2), p.batches);
                    if (!samples) cr_assert_eq(p.batches, (n + size - 1) / size);
                    train_plan_free(&p);
                    train_plan_free(&again);
                    plans++;
                }
    cr_assert_geq(plans, 100);
    eng_free(d);
}

Test(train_plan, order_follows_seed_and_epoch)
{
    plan_data *d = make_data();
    for (size_t how = 0; how < 3; how++) {
        train_plan_options o = {N, d->id, d->samples, 16, 0, how > 0, how > 1, 7}, other = o;
        other.seed = (uint64_t)1 << 40;
        train_plan p = make_plan(&o, 0), next = make_plan(&o, 1), seed = make_plan(&other, 0);
        cr_assert_eq(same_plans(&p, &next, N), how == 0);
        cr_assert_eq(same_plans(&p, &seed, N), how == 0);
        size_t moved = 0;
        for (size_t i = 0; i < N; i++) moved += p.order[i] != i;
        cr_assert(how == 0 ? moved == 0 : moved > N * 9 / 10, "%zu of %d moved", moved, N);
        train_plan_free(&p);
        train_plan_free(&next);
        train_plan_free(&seed);
    }
    eng_free(d);
}

/* Each place of a permutation of 5 must be taken by each utterance equally often. */
Test(train_plan, permutations_are_fair)
{
    enum { EPOCHS = 4000, FEW = 5 };
    plan_data *d = make_data();
    size_t count[FEW][FEW] = {{0}};
    train_plan_options o = {FEW, d->id, d->samples, 2, 0, true, false, 99};
    for (size_t e = 0; e < EPOCHS; e++) {
        train_plan p = make_plan(&o, e);
        for (size_t i = 0; i < FEW; i++) count[i][p.order[i]]++;
        train_plan_free(&p);
    }
    double deviation = sqrt(EPOCHS * 0.2 * 0.8);
    for (size_t i = 0; i < FEW; i++)
        for (size_t j = 0; j < FEW; j++)
            cr_assert(fabs((double)count[i][j] - EPOCHS * 0.2) <= 5 * deviation, "%zu of %d", count[i][j], EPOCHS);
    eng_free(d);
}

/* Seconds of padding that a framework which pads would compute, per second of speech. */
static double padding(const train_plan_options *o, const train_plan *p)
{
    double padded = 0, whole = 0;
    for (size_t b = 0; b < p->batches; b++) {
        size_t longest = 0;
        for (size_t i = p->first[b]; i < p->first[b + 1]; i++) {
            if (o->samples[p->order[i]] > longest) longest = o->samples[p->order[i]];
            whole += (double)o->samples[p->order[i]];
        }
        padded += (double)longest * (double)(p->first[b + 1] - p->first[b]);
    }
    return padded / whole - 1;
}

Test(train_plan, buckets_hold_like_lengths_in_mixed_order)
{
    plan_data *d = make_data();
    d->samples[700] = 8000;
    train_plan_options o = {N, d->id, d->samples, 8, 0, true, false, 5};
    train_plan plain = make_plan(&o, 0);
    o.bucket = true;
    train_plan bucketed = make_plan(&o, 0);
    double before = padding(&o, &plain), after = padding(&o, &bucketed);
    cr_assert(before > 0.8 && after < 0.1, "%.2f, bucketed %.2f", before, after);
    size_t rising = 0; /* batches must not come by length */
    for (size_t b = 0; b + 1 < bucketed.batches; b++)
        rising += d->samples[bucketed.order[bucketed.first[b]]] < d->samples[bucketed.order[bucketed.first[b + 1]]];
    cr_assert(rising > bucketed.batches / 4 && rising < bucketed.batches * 3 / 4, "%zu of %zu", rising,
              bucketed.batches);
    train_plan_free(&plain);
    train_plan_free(&bucketed);
    eng_free(d);
}

Test(train_plan, crops_lie_inside_and_reach_both_ends)
{
    size_t low = 0, high = 0;
    for (size_t epoch = 0; epoch < 1000; epoch++) {
        size_t first = train_plan_crop(3, epoch, 17, 110, 100);
        cr_assert_leq(first, 10);
        cr_assert_eq(first, train_plan_crop(3, epoch, 17, 110, 100));
        low += first == 0;
        high += first == 10;
        cr_assert_eq(train_plan_crop(3, epoch, 17, 100, 100), 0);
        cr_assert_eq(train_plan_crop(3, epoch, 17, 99, 100), 0);
    }
    cr_assert(low > 45 && low < 140 && high > 45 && high < 140, "%zu, %zu", low, high);
}

/* ---- Shards ---- */

static size_t least_loaded(const size_t *load, size_t shards)
{
    size_t least = shards - 1;
    for (size_t s = shards; s-- > 0;)
        if (load[s] <= load[least]) least = s;
    return least;
}

/* The definition without a sort: the longest that is left, the first of equals, to the shard that has least. */
static void naive_shards(size_t n, const size_t *samples, size_t shards, size_t *shard)
{
    size_t load[64] = {0};
    bool done[64] = {false};
    for (size_t left = n; left > 0; left--) {
        size_t longest = n;
        for (size_t i = 0; i < n; i++)
            if (!done[i] && (longest == n || samples[i] > samples[longest])) longest = i;
        done[longest] = true;
        shard[longest] = least_loaded(load, shards);
        load[shard[longest]] += samples[longest];
    }
}

static void make_shards(size_t n, const size_t *samples, size_t shards, size_t *shard)
{
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_plan_shards(n, samples, shards, shard, &err), ENG_OK, "%s", err.message);
}

static size_t largest_load(size_t n, const size_t *samples, size_t shards, const size_t *shard)
{
    size_t load[64] = {0}, largest = 0;
    for (size_t i = 0; i < n; i++) {
        cr_assert_lt(shard[i], shards);
        load[shard[i]] += samples[i];
        if (load[shard[i]] > largest) largest = load[shard[i]];
    }
    return largest;
}

Test(train_plan, shards_by_their_definition)
{
    plan_data *d = make_data();
    size_t equal[64], compared = 0;
    for (size_t i = 0; i < 64; i++) equal[i] = 16000 * (1 + i % 3);
    for (size_t shards = 1; shards <= 48; shards += shards < 8 ? 1 : 13)
        for (size_t n = 0; n <= 64; n += n < 5 ? 1 : 7)
            for (size_t from = 0; from < N - 64; from += 389)
                for (int cropped = 0; cropped < 2; cropped++, compared++) {
                    size_t found[64], again[64], expected[64];
                    const size_t *samples = cropped ? equal : d->samples + from;
                    make_shards(n, samples, shards, found);
                    make_shards(n, samples, shards, again);
                    naive_shards(n, samples, shards, expected);
                    cr_assert_arr_eq(found, again, n * sizeof *found);
                    cr_assert_arr_eq(found, expected, n * sizeof *found, "%zu of %zu, %zu shards", n, from, shards);
                }
    cr_assert_gt(compared, 500);
    eng_free(d);
}

/* The least that the fullest of `shards` can have: by trying all. */
static size_t optimum(size_t n, const size_t *samples, size_t shards)
{
    size_t best = SIZE_MAX, ways = 1;
    for (size_t i = 0; i < n; i++) ways *= shards;
    for (size_t way = 0; way < ways; way++) {
        size_t shard[16];
        for (size_t i = 0, rest = way; i < n; i++, rest /= shards) shard[i] = rest % shards;
        const size_t load = largest_load(n, samples, shards, shard);
        if (load < best) best = load;
    }
    return best;
}

/* Graham's bounds: of any list the mean and a longest one; of the longest first 4/3 - 1/(3 m) of the optimum. */
Test(train_plan, shards_are_balanced)
{
    plan_data *d = make_data();
    for (size_t shards = 1; shards <= 16; shards++)
        for (size_t n = 1; n <= N; n += n < 40 ? 3 : 399) {
            size_t *shard = eng_alloc(n, sizeof *shard), sum = 0, longest = 0;
            make_shards(n, d->samples, shards, shard);
            for (size_t i = 0; i < n; i++) {
                sum += d->samples[i];
                if (d->samples[i] > longest) longest = d->samples[i];
            }
            const size_t load = largest_load(n, d->samples, shards, shard);
            cr_assert_leq(load * shards, sum + (shards - 1) * longest);
            eng_free(shard);
        }
    for (size_t shards = 2; shards <= 4; shards++)
        for (size_t from = 0; from < 40; from += 8) {
            size_t shard[8];
            make_shards(8, d->samples + from, shards, shard);
            const size_t load = largest_load(8, d->samples + from, shards, shard), best = optimum(8, d->samples + from, shards);
            cr_assert_leq(3 * shards * load, (4 * shards - 1) * best, "%zu, the least is %zu", load, best);
        }
    eng_free(d);
}
