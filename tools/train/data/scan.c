#include <string.h>

#include "engine/memory.h"
#include "engine/threads.h"
#include "tools/train/data/data.h"
#include "tools/train/data/store.h"

/* What a rank found of one of its files, for the others. */
typedef struct finding {
    size_t samples;
    size_t message; /* bytes, with a zero; 0: the file is good */
} finding;

typedef struct scan {
    train_data *data;
    eng_ranks *ranks;
    size_t self, count; /* of the ranks; this one takes files self, self + count, ... */
    size_t min_samples;
    char **message; /* [examples]; NULL: good, or not looked at */
} scan;

static const char OUT_OF_MEMORY[] = "out of memory";

static eng_status measure(const scan *s, size_t i, size_t *samples, eng_error *err)
{
    *samples = 0;
    eng_status status = train_store_measure(s->data, i, samples, err);
    if (!status && *samples < s->min_samples)
        status = eng_fail(err, ENG_E_FORMAT, "%s: too short: %zu samples at 16 kHz, expected at least %zu",
                          s->data->example[i].path, *samples, s->min_samples);
    return status;
}

static void scan_one(void *arg, size_t task, size_t worker)
{
    scan *s = arg;
    (void)worker;
    const size_t i = task * s->count + s->self;
    if (i >= s->data->count) return;
    train_example *e = &s->data->example[i];
    eng_error err = {ENG_OK, ""};
    e->broken = measure(s, i, &e->samples, &err) != ENG_OK;
    if (e->broken) s->message[i] = eng_strdup(err.message[0] ? err.message : OUT_OF_MEMORY);
}

static size_t tasks(const scan *s)
{
    return (s->data->count + s->count - 1) / s->count;
}

static void look(scan *s, size_t threads)
{
    eng_pool *pool = NULL;
    if (eng_pool_new(threads, &pool, NULL) == ENG_OK) {
        eng_pool_run(pool, tasks(s), scan_one, s);
        eng_pool_free(pool);
    } else {
        for (size_t i = 0; i < tasks(s); i++) scan_one(s, i, 0);
    }
}

/* This rank's findings and messages, one behind the other; *text: a heap block. */
static eng_status collect(const scan *s, finding *own, char **text, size_t *bytes, eng_error *err)
{
    *bytes = 0;
    for (size_t t = 0; t < tasks(s); t++) {
        const size_t i = t * s->count + s->self;
        own[t] = (finding){0};
        if (i >= s->data->count) continue;
        own[t] = (finding){s->data->example[i].samples, s->message[i] ? strlen(s->message[i]) + 1 : 0};
        *bytes += own[t].message;
    }
    *text = eng_alloc(*bytes, 1);
    if (!*text) return eng_fail(err, ENG_E_MEMORY, "%s", OUT_OF_MEMORY);
    size_t at = 0;
    for (size_t t = 0; t < tasks(s); t++) {
        const size_t i = t * s->count + s->self;
        if (own[t].message) memcpy(*text + at, s->message[i], own[t].message);
        at += own[t].message;
    }
    return ENG_OK;
}

/* What all ranks found, to all: examples and messages. */
static eng_status share(scan *s, eng_error *err)
{
    const size_t n = tasks(s);
    finding *all = eng_alloc(s->count * n, sizeof *all), *own = eng_alloc(n, sizeof *own);
    size_t *bytes = eng_alloc(s->count, sizeof *bytes), mine = 0, sum = 0;
    char *text = NULL, *every = NULL;
    eng_status status = all && own && bytes ? collect(s, own, &text, &mine, err) : eng_fail(err, ENG_E_MEMORY, "%s", OUT_OF_MEMORY);
    status = eng_ranks_agree(s->ranks, status, err);
    if (!status) status = eng_ranks_gather(s->ranks, own, n * sizeof *own, all, err);
    if (!status) status = eng_ranks_gather(s->ranks, &mine, sizeof mine, bytes, err);
    for (size_t rank = 0; rank < s->count && !status; rank++) sum += bytes[rank];
    every = status ? NULL : eng_alloc(sum, 1);
    if (!status) status = eng_ranks_agree(s->ranks, every ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s", OUT_OF_MEMORY), err);
    if (!status) status = eng_ranks_gather_unequal(s->ranks, text, bytes, every, err);
    const char *at = every;
    for (size_t rank = 0; rank < s->count && !status; rank++)
        for (size_t t = 0; t < n; t++) {
            const finding f = all[rank * n + t];
            const size_t i = t * s->count + rank;
            if (i < s->data->count && rank != s->self) {
                s->data->example[i].samples = f.samples;
                s->data->example[i].broken = f.message > 0;
                if (f.message) s->message[i] = eng_strdup(at);
            }
            at += f.message;
        }
    eng_free(all);
    eng_free(own);
    eng_free(bytes);
    eng_free(text);
    eng_free(every);
    return status;
}

/* Files that the rank behind this one found broken are looked at again: whether they are, or that rank does not see them. */
static eng_status look_again(const scan *s, eng_error *err)
{
    eng_status status = ENG_OK;
    if (s->count == 1) return ENG_OK;
    for (size_t i = (s->self + 1) % s->count; i < s->data->count && !status; i += s->count) {
        eng_error ignored;
        size_t samples;
        if (s->data->example[i].broken && measure(s, i, &samples, &ignored) == ENG_OK)
            status = eng_fail(err, ENG_E_IO, "reads %s, which %s cannot (%s): is the same corpus there?", s->data->example[i].path,
                              eng_ranks_name(s->ranks, i % s->count), s->message[i] ? s->message[i] : OUT_OF_MEMORY);
    }
    return eng_ranks_agree(s->ranks, status, err);
}

eng_status train_data_scan(train_data *d, eng_ranks *ranks, size_t threads, size_t min_samples,
                           void (*report)(void *arg, const char *message), void *arg, size_t *broken, eng_error *err)
{
    scan s = {.data = d, .ranks = ranks, .self = eng_ranks_self(ranks), .count = eng_ranks_count(ranks), .min_samples = min_samples,
              .message = eng_alloc_zero(d->count, sizeof *s.message)};
    *broken = 0;
    eng_status status = eng_ranks_agree(ranks, s.message ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s", OUT_OF_MEMORY), err);
    if (!status) look(&s, threads);
    if (!status) status = share(&s, err);
    if (!status) status = look_again(&s, err);
    for (size_t i = 0; i < d->count && s.message; i++) {
        if (d->example[i].broken && !status) {
            (*broken)++;
            if (report) report(arg, s.message[i] ? s.message[i] : OUT_OF_MEMORY);
        }
        eng_free(s.message[i]);
    }
    eng_free(s.message);
    return status;
}
