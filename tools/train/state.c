/* The state to resume from: OUT/state.safetensors, f32 tensors param.<name>, mean.<name>, square.<name> and, with
 * --ema, average.<name> as they lie in memory, and in the metadata the position and the options. One file, replaced by a
 * rename: it is always of one moment.
 *
 * With several shards the moments and averages lie in files of their own, OUT/state.<step>.<part>-of-<shards>.safetensors,
 * which the ranks write at the same time, each those of its shards. state.safetensors, renamed when all of them are on the
 * disk, names their step and their hashes: so the set is valid at once or not at all, and the parts of the step before stay
 * until then. What a part holds depends on the number of shards alone, so that any number of ranks reads them. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
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

uint64_t train_hash(uint64_t hash, const void *bytes, size_t size)
{
    for (const unsigned char *c = bytes, *end = c + size; c < end; c++) hash = (hash ^ *c) * 1099511628211u;
    return hash;
}

uint64_t train_data_fingerprint(const train_data *d)
{
    uint64_t hash = TRAIN_HASH_START;
    for (size_t i = 0; i < d->count; i++) {
        const train_example *e = &d->example[i];
        char line[128];
        int n = snprintf(line, sizeof line, "|%d|%zu|%d|%d|%zu", (int)e->split, e->label, e->gender, e->broken, e->samples);
        hash = train_hash(hash, e->file, strlen(e->file));
        hash = train_hash(hash, line, (size_t)n);
        if (!isnan(e->attribute[0])) hash = train_hash(hash, e->attribute, sizeof e->attribute);
        if (e->votes) hash = train_hash(hash, e->votes, d->classes * sizeof *e->votes);
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

/* ---- Moments ---- */

/* What a file holds of the moments and averages: all of them, or a part. */
typedef struct moments {
    const char *kind; /* "mean" */
    float **value;    /* [params] of [own.count]; NULL: there are none */
    const mdl_span *own;
} moments;

enum { KINDS = 3 };

static void list_moments(const train_run *r, moments out[KINDS])
{
    out[0] = (moments){"mean", r->optimizer.mean, r->optimizer.own};
    out[1] = (moments){"square", r->optimizer.square, r->optimizer.own};
    out[2] = (moments){"average", r->average.value, r->average.own};
}

/* FNV-1a by words of four bytes: gigabytes are hashed here. */
static uint64_t hash_floats(uint64_t hash, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, x + i, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    return hash;
}

/* What is done with the moments of one parameter in a part. */
typedef eng_status (*moment_fn)(void *arg, const char *kind, const mdl_param *p, size_t count, float *x, eng_error *err);

/* fn for all moments of a part; the whole of them where there is one part. hash, where it is not NULL, goes on over them. */
static eng_status each_moment(const train_run *r, size_t part, moment_fn fn, void *arg, uint64_t *hash, eng_error *err)
{
    moments all[KINDS];
    list_moments(r, all);
    mdl_span *spans = eng_alloc(r->m->params.count, sizeof *spans);
    if (!spans) return eng_fail(err, ENG_E_MEMORY, "out of memory for the state");
    mdl_division_own(mdl_exchange_division(r->exchange), part, part + 1, spans);
    eng_status status = ENG_OK;
    for (size_t i = 0; i < r->m->params.count && !status; i++)
        for (size_t k = 0; k < KINDS && !status; k++) {
            if (!all[k].value || !spans[i].count) continue;
            float *x = all[k].value[i] + (spans[i].first - all[k].own[i].first);
            status = fn(arg, all[k].kind, &r->m->params.param[i], spans[i].count, x, err);
            if (!status && hash) *hash = hash_floats(*hash, x, spans[i].count);
        }
    eng_free(spans);
    return status;
}

/* ---- Saving ---- */

static eng_status add_array(wts_writer *w, const char *kind, const mdl_param *p, size_t count, const float *data, eng_error *err)
{
    char name[512];
    snprintf(name, sizeof name, "%s.%s", kind, p->name);
    return wts_writer_add(w, name, WTS_F32, 1, &count, data, err);
}

static eng_status add_moment(void *arg, const char *kind, const mdl_param *p, size_t count, float *x, eng_error *err)
{
    return add_array(arg, kind, p, count, x, err);
}

static size_t names_bytes(const train_run *r)
{
    size_t names = 0;
    for (size_t i = 0; i < r->m->params.count; i++) names += 4 * (strlen(r->m->params.param[i].name) + 8);
    return names;
}

static const char *part_path(const train_run *r, size_t step, size_t part, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s/state.%zu.%zu-of-%zu.safetensors", r->o->out, step, part + 1, r->shards);
    return buffer;
}

static const char PART_FORMAT[] = "wavlm.c training state 1, a part";

static eng_status save_part(const train_run *r, size_t part, uint64_t *hash, eng_error *err)
{
    char path[4096];
    const char *metadata[] = {"format", PART_FORMAT, NULL};
    wts_writer *w = NULL;
    *hash = TRAIN_HASH_START;
    eng_status status = wts_writer_open(part_path(r, r->at.step, part, path, sizeof path), 3 * r->m->params.count,
                                        names_bytes(r), metadata, &w, err);
    if (status) return status;
    status = each_moment(r, part, add_moment, w, hash, err);
    if (!status) return wts_writer_finish(w, err);
    wts_writer_abandon(w);
    return status;
}

/* The parts of this rank's shards; hash [shards]: all ranks'. */
static eng_status save_parts(train_run *r, uint64_t *hash, eng_error *err)
{
    size_t first, end;
    mdl_exchange_shards(r->exchange, &first, &end);
    uint64_t *own = eng_alloc(end - first, sizeof *own);
    eng_status status = own ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for the state");
    for (size_t part = first; part < end && !status; part++) status = save_part(r, part, &own[part - first], err);
    status = eng_ranks_agree(r->ranks, status, err);
    if (!status) status = train_gather(r, own, (end - first) * sizeof *own, hash, err);
    eng_free(own);
    char path[4096];
    for (size_t part = 0; part < r->shards && !status && r->leads; part++)
        if (access(part_path(r, r->at.step, part, path, sizeof path), R_OK) != 0)
            status = eng_fail(err, ENG_E_IO, "%s: not there, where another rank has just written it: --out must be a folder "
                              "that all ranks share", path);
    return eng_ranks_agree(r->ranks, status, err);
}

/* Removes parts of other steps, and halves of them. */
static void remove_old_parts(const train_run *r)
{
    char now[64], path[4096];
    snprintf(now, sizeof now, "state.%zu.", r->at.step);
    DIR *folder = opendir(r->o->out);
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        size_t step, part, parts;
        int length = 0;
        if (sscanf(e->d_name, "state.%zu.%zu-of-%zu.safetensors%n", &step, &part, &parts, &length) != 3 || !length) continue;
        if (strncmp(e->d_name, now, strlen(now)) == 0 && parts == r->shards && !e->d_name[length]) continue;
        snprintf(path, sizeof path, "%s/%s", r->o->out, e->d_name);
        unlink(path);
    }
    if (folder) closedir(folder);
}

static eng_status save_manifest(train_run *r, const char *parts, eng_error *err)
{
    char path[4096], position[512], data[32];
    const train_position *at = &r->at;
    /* %a: every bit of a double */
    snprintf(position, sizeof position, "%zu %zu %zu %zu %a %zu %" PRIu64 " %zu %zu %zu", at->step, at->epoch, at->batch,
             at->best_step, at->best, at->worse, at->log_bytes, r->optimizer.step, at->unscored, at->best_epoch);
    snprintf(data, sizeof data, "%016" PRIx64, train_data_fingerprint(&r->data));
    char *options = options_text(r, err);
    if (!options) return ENG_E_MEMORY;
    const char *metadata[] = {"format", FORMAT, "position", position, "options", options, "data", data,
                              parts ? "parts" : NULL, parts, NULL};
    wts_writer *w = NULL;
    eng_status status = wts_writer_open(state_path(r, path, sizeof path), 4 * r->m->params.count, names_bytes(r), metadata, &w, err);
    for (size_t i = 0; i < r->m->params.count && !status; i++)
        status = add_array(w, "param", &r->m->params.param[i], r->m->params.param[i].count, r->m->params.param[i].data, err);
    if (!status && !parts) status = each_moment(r, 0, add_moment, w, NULL, err);
    if (!status) status = wts_writer_finish(w, err);
    else wts_writer_abandon(w);
    eng_free(options);
    return status;
}

/* "<hash> <hash> ..." of parts. A heap string. */
static char *parts_text(const uint64_t *hash, size_t n)
{
    char *text = eng_alloc(17 * n + 1, 1);
    if (text) text[0] = '\0';
    for (size_t i = 0; text && i < n; i++) snprintf(text + 17 * i, 18, "%016" PRIx64 "%s", hash[i], i + 1 < n ? " " : "");
    return text;
}

eng_status train_state_save(train_run *r, eng_error *err)
{
    uint64_t *hash = eng_alloc(r->shards, sizeof *hash);
    char *parts = NULL;
    eng_status status = hash ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for the state");
    if (!status && r->leads) status = train_log_sync(&r->log, err);
    status = eng_ranks_agree(r->ranks, status, err);
    r->at.log_bytes = r->log.bytes;
    if (!status && r->shards > 1) status = save_parts(r, hash, err);
    if (!status && r->shards > 1 && !(parts = parts_text(hash, r->shards)))
        status = eng_fail(err, ENG_E_MEMORY, "out of memory for the state");
    if (!status && r->leads) status = save_manifest(r, parts, err);
    status = eng_ranks_agree(r->ranks, status, err);
    if (!status && r->leads && r->shards > 1) remove_old_parts(r);
    eng_free(parts);
    eng_free(hash);
    return status;
}

/* ---- Resuming ---- */

static const char *metadata(const wts_checkpoint *c, const char *key)
{
    const wts_value *v = wts_value_get(c->extra, key);
    return v && v->kind == WTS_STRING ? v->text : "";
}

static eng_status read_array(const wts_checkpoint *c, const char *kind, const mdl_param *p, size_t count, float *out,
                             eng_error *err)
{
    char name[512], found[128] = "nothing";
    snprintf(name, sizeof name, "%s.%s", kind, p->name);
    const wts_tensor *t = wts_checkpoint_find(c, name);
    if (t && t->dtype == WTS_F32 && t->count == count) {
        memcpy(out, t->data, count * sizeof *out);
        return ENG_OK;
    }
    if (t) wts_tensor_describe(t, found, sizeof found);
    return eng_fail(err, ENG_E_MISMATCH, "%s: %s: expected F32[%zu], found %s: the state is another model's", c->path, name,
                    count, found);
}

static eng_status read_moment(void *arg, const char *kind, const mdl_param *p, size_t count, float *x, eng_error *err)
{
    return read_array(arg, kind, p, count, x, err);
}

/* This rank's parts, whose hashes are in the manifest's `parts`. */
static eng_status read_parts(train_run *r, const wts_checkpoint *manifest, const char *parts, eng_error *err)
{
    size_t first, end;
    mdl_exchange_shards(r->exchange, &first, &end);
    if (strlen(parts) + 1 != 17 * r->shards)
        return eng_fail(err, ENG_E_FORMAT, "%s: expected the hashes of %zu parts, found \"%.100s\"", manifest->path, r->shards,
                        parts);
    for (size_t part = first; part < end; part++) {
        char path[4096], found[32];
        wts_checkpoint c;
        uint64_t hash = TRAIN_HASH_START;
        eng_status status = wts_checkpoint_open(part_path(r, r->at.step, part, path, sizeof path), &c, err);
        if (status) return eng_fail_prefix(err, "a part of %s", manifest->path);
        status = each_moment(r, part, read_moment, &c, &hash, err);
        wts_checkpoint_close(&c);
        if (status) return status;
        snprintf(found, sizeof found, "%016" PRIx64, hash);
        if (strncmp(parts + 17 * part, found, 16) != 0)
            return eng_fail(err, ENG_E_FORMAT, "%s: damaged, or a part of another run: its moments have the hash %s, and %s "
                            "expects %.16s", path, found, manifest->path, parts + 17 * part);
    }
    return ENG_OK;
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
    snprintf(data, sizeof data, "%016" PRIx64, train_data_fingerprint(&r->data));
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
    for (size_t i = 0; i < r->m->params.count && !status; i++)
        status = read_array(&c, "param", &r->m->params.param[i], r->m->params.param[i].count, r->m->params.param[i].data, err);
    const char *parts = metadata(&c, "parts");
    if (!status && r->shards > 1) status = read_parts(r, &c, parts, err);
    if (!status && r->shards == 1) status = each_moment(r, 0, read_moment, &c, NULL, err);
    wts_checkpoint_close(&c);
    return status;
}
