#include "engine/threads.h"
#include "tools/train/data/data.h"
#include "tools/train/data/store.h"

typedef struct scan {
    train_data *data;
    size_t min_samples;
    char **message; /* [examples], NULL for a good one */
} scan;

static const char out_of_memory[] = "out of memory";

static void scan_one(void *arg, size_t i, size_t worker)
{
    scan *s = arg;
    (void)worker;
    train_example *e = &s->data->example[i];
    eng_error err = {ENG_OK, ""};
    size_t samples = 0;
    eng_status status = train_store_measure(s->data, i, &samples, &err);
    if (!status && samples < s->min_samples)
        status = eng_fail(&err, ENG_E_FORMAT, "%s: too short: %zu samples at 16 kHz, expected at least %zu", e->path,
                          samples, s->min_samples);
    e->samples = samples;
    e->broken = status != ENG_OK;
    if (status && s->message) s->message[i] = eng_strdup(err.message);
}

size_t train_data_scan(train_data *d, size_t threads, size_t min_samples,
                       void (*report)(void *arg, const char *message), void *arg)
{
    scan s = {d, min_samples, eng_alloc_zero(d->count, sizeof *s.message)};
    eng_pool *pool = NULL;
    if (eng_pool_new(threads, &pool, NULL) == ENG_OK) {
        eng_pool_run(pool, d->count, scan_one, &s);
        eng_pool_free(pool);
    } else {
        for (size_t i = 0; i < d->count; i++) scan_one(&s, i, 0);
    }
    size_t broken = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (!d->example[i].broken) continue;
        broken++;
        const char *message = s.message ? s.message[i] : NULL;
        if (report) report(arg, message ? message : out_of_memory);
        if (s.message) eng_free(s.message[i]);
    }
    eng_free(s.message);
    return broken;
}
