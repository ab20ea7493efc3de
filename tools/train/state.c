/* The state to resume from: OUT/state.safetensors, f32 tensors param.<name>, mean.<name>, square.<name> and, with
 * --ema, average.<name> as they lie in memory, and in the metadata the position and the options. One file, replaced by a rename: it is always of one moment. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/train/run.h"
#include "weights/checkpoint.h"
#include "weights/doc.h"

static const char FORMAT[] = "wavlm.c training state 1";

const char *train_path(const train_run *r, const char *name, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s/%s", r->o->out, name);
    return buffer;
}

static const char *state_path(const train_run *r, char *buffer, size_t size)
{
    return train_path(r, "state.safetensors", buffer, size);
}

bool train_state_exists(const train_run *r)
{
    char path[4096];
    return access(state_path(r, path, sizeof path), F_OK) == 0;
}

/* A decay, or a warm-up by share, makes every step depend on how long the run is to be. */
static bool length_matters(const train_options *o)
{
    return o->schedule != TRAIN_CONSTANT || (o->warmup > 0 && o->warmup < 1);
}

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (const unsigned char *c = bytes, *end = c + size; c < end; c++) hash = (hash ^ *c) * 1099511628211u;
    return hash;
}

/* Of what the examples are. */
static uint64_t data_fingerprint(const train_data *d)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < d->count; i++) {
        const train_example *e = &d->example[i];
        char line[128];
        int n = snprintf(line, sizeof line, "|%d|%zu|%d|%d|%zu", (int)e->split, e->label, e->gender, e->broken, e->samples);
        hash = hash_bytes(hash, e->file, strlen(e->file));
        hash = hash_bytes(hash, line, (size_t)n);
        if (!isnan(e->attribute[0])) hash = hash_bytes(hash, e->attribute, sizeof e->attribute);
        if (e->votes) hash = hash_bytes(hash, e->votes, d->classes * sizeof *e->votes);
    }
    return hash;
}

/* The options as the file can hold them, whose texts are UTF-8: names of files may be any bytes. What is none becomes '?'.
 * A heap string, or NULL and *err. */
static char *options_text(const train_run *r, eng_error *err)
{
    char *text = train_options_text(r->o, length_matters(r->o));
    if (!text) eng_fail(err, ENG_E_MEMORY, "out of memory for the state");
    for (size_t i = 0, left = text ? strlen(text) : 0, step; left; i += step, left -= step) {
        step = wts_utf8_step(text + i, left);
        if (step) continue;
        text[i] = '?';
        step = 1;
    }
    return text;
}

/* ---- Saving ---- */

static eng_status add_array(wts_writer *w, const char *kind, const mdl_param *p, const float *data, eng_error *err)
{
    char name[512];
    snprintf(name, sizeof name, "%s.%s", kind, p->name);
    return wts_writer_add(w, name, WTS_F32, 1, &p->count, data, err);
}

static eng_status add_arrays(wts_writer *w, const train_run *r, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; i < r->m->params.count && !status; i++) {
        const mdl_param *p = &r->m->params.param[i];
        status = add_array(w, "param", p, p->data, err);
        if (!status && r->optimizer.mean[i]) status = add_array(w, "mean", p, r->optimizer.mean[i], err);
        if (!status && r->optimizer.square[i]) status = add_array(w, "square", p, r->optimizer.square[i], err);
        if (!status && r->average.value && r->average.value[i])
            status = add_array(w, "average", p, r->average.value[i], err);
    }
    return status;
}

eng_status train_state_save(train_run *r, eng_error *err)
{
    char path[4096], position[512], data[32];
    eng_status status = train_log_sync(&r->log, err);
    if (status) return status;
    r->at.log_bytes = r->log.bytes;
    const train_position *at = &r->at;
    /* %a: every bit of a double */
    snprintf(position, sizeof position, "%zu %zu %zu %zu %a %zu %" PRIu64 " %zu %zu %zu", at->step, at->epoch, at->batch,
             at->best_step, at->best, at->worse, at->log_bytes, r->optimizer.step, at->unscored, at->best_epoch);
    snprintf(data, sizeof data, "%016" PRIx64, data_fingerprint(&r->data));
    char *options = options_text(r, err);
    if (!options) return ENG_E_MEMORY;
    const char *metadata[] = {"format", FORMAT, "position", position, "options", options, "data", data, NULL};
    size_t names = 0;
    for (size_t i = 0; i < r->m->params.count; i++) names += 4 * (strlen(r->m->params.param[i].name) + 8);
    wts_writer *w = NULL;
    status = wts_writer_open(state_path(r, path, sizeof path), 4 * r->m->params.count, names, metadata, &w, err);
    if (!status) {
        status = add_arrays(w, r, err);
        if (status) wts_writer_abandon(w);
        else status = wts_writer_finish(w, err);
    }
    eng_free(options);
    return status;
}

/* ---- Resuming ---- */

static const char *metadata(const wts_checkpoint *c, const char *key)
{
    const wts_value *v = wts_value_get(c->extra, key);
    return v && v->kind == WTS_STRING ? v->text : "";
}

static eng_status read_array(const wts_checkpoint *c, const char *kind, const mdl_param *p, float *out, eng_error *err)
{
    char name[512], found[128] = "nothing";
    snprintf(name, sizeof name, "%s.%s", kind, p->name);
    const wts_tensor *t = wts_checkpoint_find(c, name);
    if (t && t->dtype == WTS_F32 && t->count == p->count) {
        memcpy(out, t->data, p->count * sizeof *out);
        return ENG_OK;
    }
    if (t) wts_tensor_describe(t, found, sizeof found);
    return eng_fail(err, ENG_E_MISMATCH, "%s: %s: expected F32[%zu], found %s: the state is another model's", c->path, name,
                    p->count, found);
}

static eng_status read_position(train_run *r, const wts_checkpoint *c, eng_error *err)
{
    char difference[512], data[32];
    if (strcmp(metadata(c, "format"), FORMAT) != 0)
        return eng_fail(err, ENG_E_FORMAT, "%s: not a training state of this version; expected \"%s\", found \"%s\"", c->path,
                        FORMAT, metadata(c, "format"));
    char *options = options_text(r, err);
    if (!options) return ENG_E_MEMORY;
    bool differ = train_options_differ(metadata(c, "options"), options, difference, sizeof difference);
    eng_free(options);
    if (differ)
        return eng_fail(err, ENG_E_MISMATCH, "%s: that run had other options: %s (a resumed run repeats the command line)",
                        c->path, difference);
    snprintf(data, sizeof data, "%016" PRIx64, data_fingerprint(&r->data));
    if (strcmp(metadata(c, "data"), data) != 0)
        return eng_fail(err, ENG_E_MISMATCH, "%s: that run had other data: the list, or what can be read of it, changed",
                        c->path);
    train_position *at = &r->at;
    at->unscored = at->best_epoch = 0; /* which states of before did not have */
    if (sscanf(metadata(c, "position"), "%zu %zu %zu %zu %la %zu %" SCNu64 " %zu %zu %zu", &at->step, &at->epoch, &at->batch,
               &at->best_step, &at->best, &at->worse, &at->log_bytes, &r->optimizer.step, &at->unscored, &at->best_epoch) < 8)
        return eng_fail(err, ENG_E_FORMAT, "%s: its position cannot be read: \"%s\"", c->path, metadata(c, "position"));
    return ENG_OK;
}

eng_status train_state_load(train_run *r, eng_error *err)
{
    char path[4096];
    wts_checkpoint c;
    eng_status status = wts_checkpoint_open(state_path(r, path, sizeof path), &c, err);
    if (status) return status;
    status = read_position(r, &c, err);
    for (size_t i = 0; i < r->m->params.count && !status; i++) {
        const mdl_param *p = &r->m->params.param[i];
        status = read_array(&c, "param", p, p->data, err);
        if (!status && r->optimizer.mean[i]) status = read_array(&c, "mean", p, r->optimizer.mean[i], err);
        if (!status && r->optimizer.square[i]) status = read_array(&c, "square", p, r->optimizer.square[i], err);
        if (!status && r->average.value && r->average.value[i])
            status = read_array(&c, "average", p, r->average.value[i], err);
    }
    wts_checkpoint_close(&c);
    return status;
}
