#include "tools/train/data/store.h"

#include <string.h>

#include "model/audio/audio.h"

train_data_store *train_store_new(void)
{
    train_data_store *s = eng_alloc_zero(1, sizeof *s);
    if (!s) return NULL;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        eng_free(s);
        return NULL;
    }
    eng_arena_init(&s->strings);
    return s;
}

void train_store_free(train_data_store *s)
{
    if (!s) return;
    for (size_t i = 0; s->kept && i < s->examples; i++) eng_free(s->kept[i].samples);
    eng_free(s->kept);
    eng_free(s->votes);
    eng_arena_fini(&s->strings);
    tool_table_free(&s->table);
    pthread_mutex_destroy(&s->lock);
    eng_free(s);
}

void train_store_allow(train_data_store *s, size_t bytes)
{
    pthread_mutex_lock(&s->lock);
    if (s->limit < bytes) s->limit = bytes;
    pthread_mutex_unlock(&s->lock);
}

/* ---- Keeping ---- */

static const float NARROW_SCALE = 32768; /* as the decoder divides 16-bit samples */

static float widen(int16_t v)
{
    return (float)v / NARROW_SCALE;
}

/* v as a 16-bit number, which gives v again to the bit; false where none does. */
static bool narrow(float v, int16_t *out)
{
    float scaled = v * NARROW_SCALE, again;
    if (!(scaled >= -32768 && scaled <= 32767)) return false;
    *out = (int16_t)scaled;
    again = widen(*out);
    return memcmp(&again, &v, sizeof v) == 0; /* -0 is not 0 */
}

static void *narrow_copy(const float *samples, size_t count)
{
    int16_t *copy = eng_alloc(count, sizeof *copy);
    if (!copy) return NULL;
    for (size_t i = 0; i < count; i++)
        if (!narrow(samples[i], &copy[i])) {
            eng_free(copy);
            return NULL;
        }
    return copy;
}

static void *wide_copy(const float *samples, size_t count)
{
    float *copy = eng_alloc(count, sizeof *copy);
    if (copy) memcpy(copy, samples, count * sizeof *copy);
    return copy;
}

/* Whether bytes more fit, which are then taken. */
static bool reserve(train_data_store *s, size_t example, size_t bytes)
{
    pthread_mutex_lock(&s->lock);
    bool fits = !s->kept[example].samples && s->used <= s->limit && bytes <= s->limit - s->used;
    if (fits) s->used += bytes;
    pthread_mutex_unlock(&s->lock);
    return fits;
}

/* Keeps a copy where there is room for it; where there is none, or no memory, nothing is lost but time. */
static void keep(train_data_store *s, size_t example, const float *samples, size_t count)
{
    size_t bytes = count * sizeof *samples, spare = bytes / 2;
    if (!reserve(s, example, spare)) return;
    train_kept copy = {narrow_copy(samples, count), count, true};
    if (!copy.samples && reserve(s, example, bytes - spare)) {
        copy = (train_kept){wide_copy(samples, count), count, false};
        spare = bytes;
    }
    pthread_mutex_lock(&s->lock);
    if (copy.samples && !s->kept[example].samples) {
        s->kept[example] = copy;
        copy.samples = NULL;
    } else {
        s->used -= spare; /* another thread was first, or there is no memory */
    }
    pthread_mutex_unlock(&s->lock);
    eng_free(copy.samples);
}

static train_kept find(train_data_store *s, size_t example)
{
    pthread_mutex_lock(&s->lock);
    train_kept k = s->kept[example];
    pthread_mutex_unlock(&s->lock);
    return k;
}

/* ---- Reading ---- */

/* The whole file, mixed to one channel, and kept where there is room. */
static eng_status decode(const train_data *d, size_t example, mdl_audio *out, eng_error *err)
{
    eng_status status = mdl_audio_read(d->example[example].path, out, err);
    if (status) return status;
    mdl_audio_mix(out);
    keep(d->store, example, out->data, out->samples);
    return ENG_OK;
}

eng_status train_store_measure(const train_data *d, size_t example, size_t *samples, eng_error *err)
{
    train_kept k = find(d->store, example);
    *samples = k.count;
    if (k.samples) return ENG_OK;
    mdl_audio a;
    eng_status status = decode(d, example, &a, err);
    if (status) return status;
    *samples = a.samples;
    mdl_audio_free(&a);
    return ENG_OK;
}

eng_status train_store_read(const train_data *d, size_t example, size_t first, size_t count, float **out,
                            eng_error *err)
{
    const train_example *e = &d->example[example];
    *out = NULL;
    train_kept k = find(d->store, example);
    mdl_audio a = {0};
    if (!k.samples) {
        eng_status status = decode(d, example, &a, err);
        if (status) return status;
        k = (train_kept){a.data, a.samples, false};
    }
    eng_status status = ENG_OK;
    if (k.count != e->samples || first > k.count || count > k.count - first) {
        status = eng_fail(err, ENG_E_MISMATCH, "%s: %zu samples at 16 kHz, expected %zu: the file has changed", e->path,
                          k.count, e->samples);
    } else if (a.data && count == a.samples) {
        *out = a.data;
        a.data = NULL;
    } else if (!(*out = eng_alloc(count, sizeof **out))) {
        status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu samples", e->path, count);
    } else if (k.narrow) {
        const int16_t *from = (const int16_t *)k.samples + first;
        for (size_t i = 0; i < count; i++) (*out)[i] = widen(from[i]);
    } else {
        memcpy(*out, (const float *)k.samples + first, count * sizeof **out);
    }
    mdl_audio_free(&a);
    return status;
}
