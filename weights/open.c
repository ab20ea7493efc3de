/* Opening a checkpoint, closing it, and finding its tensors by name. */
#include "weights/checkpoint.h"

#include <string.h>

#include "weights/store.h"

static eng_status build_index(wts_checkpoint *c, eng_error *err)
{
    wts_index *index = &c->store->index;
    index->entries = eng_alloc(c->count, sizeof *index->entries);
    if (!index->entries) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu names", c->path, c->count);
    index->count = c->count;
    for (size_t i = 0; i < c->count; i++) index->entries[i] = (wts_index_entry){c->tensors[i].name, i};
    const wts_index_entry *twice = wts_index_sort(index);
    if (twice) return eng_fail(err, ENG_E_FORMAT, "%s: tensor %.200s occurs twice", c->path, twice->name);
    return ENG_OK;
}

static eng_status read_sharded(const wts_mapping *m, wts_checkpoint *c, eng_error *err)
{
    wts_doc *doc;
    eng_status status = wts_json_parse(c->path, (const char *)m->data, m->size, &doc, err);
    if (status == ENG_OK) status = wts_store_adopt_doc(c, doc, err);
    if (status == ENG_OK) status = wts_shards_read(wts_doc_root(doc), c, err);
    return status;
}

static eng_status read_any(const wts_mapping *m, wts_checkpoint *c, eng_error *err)
{
    size_t at = 0;
    while (at < m->size && m->data[at] && strchr(" \t\r\n", m->data[at])) at++;
    bool json = m->mapped && at < m->size && m->data[at] == '{';
    return json ? read_sharded(m, c, err) : wts_container_read(c->path, m, c, err);
}

static eng_status start(const char *path, wts_checkpoint *c, eng_error *err)
{
    *c = (wts_checkpoint){.path = eng_strdup(path), .store = eng_alloc_zero(1, sizeof *c->store)};
    if (c->store) {
        eng_arena_init(&c->store->arena);
        c->store->mappings = eng_alloc_zero(1, sizeof *c->store->mappings);
    }
    if (!c->path || !c->store || !c->store->mappings) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    c->store->mapping_count = 1;
    return ENG_OK;
}

/* mappings[0] is there. */
static eng_status finish(wts_checkpoint *c, eng_error *err)
{
    const wts_mapping own = c->store->mappings[0]; /* by value: reading shards moves the list */
    eng_status status = read_any(&own, c, err);
    return status == ENG_OK ? build_index(c, err) : status;
}

eng_status wts_checkpoint_open(const char *path, wts_checkpoint *c, eng_error *err)
{
    eng_status status = start(path, c, err);
    if (status == ENG_OK) status = wts_mapping_open(path, &c->store->mappings[0], err);
    if (status == ENG_OK) status = finish(c, err);
    if (status != ENG_OK) wts_checkpoint_close(c);
    return status;
}

eng_status wts_checkpoint_open_memory(const char *name, const void *data, size_t size, wts_checkpoint *c,
                                      eng_error *err)
{
    eng_status status = start(name, c, err);
    if (status == ENG_OK) {
        c->store->mappings[0] = (wts_mapping){.data = size ? data : (const void *)"", .size = size};
        status = finish(c, err);
    }
    if (status != ENG_OK) wts_checkpoint_close(c);
    return status;
}

eng_status wts_checkpoint_open_sharded(const char *index_path, wts_checkpoint *c, eng_error *err)
{
    eng_status status = start(index_path, c, err);
    if (status == ENG_OK) status = wts_mapping_open(index_path, &c->store->mappings[0], err);
    if (status == ENG_OK) {
        const wts_mapping own = c->store->mappings[0];
        status = read_sharded(&own, c, err);
    }
    if (status == ENG_OK) status = build_index(c, err);
    if (status != ENG_OK) wts_checkpoint_close(c);
    return status;
}

void wts_checkpoint_close(wts_checkpoint *c)
{
    wts_store *s = c->store;
    if (s) {
        for (size_t i = 0; i < s->doc_count; i++) wts_doc_free(s->docs[i]);
        for (size_t i = 0; i < s->mapping_count; i++) wts_mapping_close(&s->mappings[i]);
        eng_free(s->docs);
        eng_free(s->mappings);
        eng_free(s->index.entries);
        eng_arena_fini(&s->arena);
        eng_free(s);
    }
    eng_free(c->tensors);
    eng_free(c->path);
    *c = (wts_checkpoint){0};
}

const wts_tensor *wts_checkpoint_find(const wts_checkpoint *c, const char *name)
{
    size_t at;
    return c->store && wts_index_find(&c->store->index, name, &at) ? &c->tensors[at] : NULL;
}
