/* Sharded checkpoints: an index {"metadata": ..., "weight_map": {tensor: file}} and the files that it names. */
#include <string.h>

#include "weights/store.h"

/* The file's path: that of the index with its last component replaced. In the store's arena; NULL: out of memory. */
static const char *shard_path(wts_checkpoint *c, const char *file)
{
    const char *slash = strrchr(c->path, '/');
    size_t folder = slash ? (size_t)(slash - c->path) + 1 : 0, length = strlen(file);
    char *path = eng_arena_alloc(&c->store->arena, folder + length + 1, 1);
    if (!path) return NULL;
    memcpy(path, c->path, folder);
    memcpy(path + folder, file, length + 1);
    return path;
}

static eng_status add_mapping(wts_checkpoint *c, const char *path, wts_mapping *m, eng_error *err)
{
    wts_store *s = c->store;
    wts_mapping *grown = eng_grow(s->mappings, s->mapping_count, s->mapping_count + 1, sizeof *grown);
    if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    s->mappings = grown;
    eng_status status = wts_mapping_open(path, &grown[s->mapping_count], err);
    if (status != ENG_OK) return status;
    *m = grown[s->mapping_count++];
    return ENG_OK;
}

/* Reads one file and keeps those of its tensors that the map places there. */
static eng_status read_shard(const wts_value *map, const wts_index *names, const char *file, wts_checkpoint *c,
                             eng_error *err)
{
    const char *path = shard_path(c, file);
    if (!path) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    wts_mapping m;
    size_t first = c->count;
    eng_status status = add_mapping(c, path, &m, err);
    if (status != ENG_OK) return eng_fail_prefix(err, "%s names a file", c->path);
    status = wts_container_read(path, &m, c, err);
    if (status != ENG_OK) return status;
    size_t kept = first;
    for (size_t i = first; i < c->count; i++) {
        size_t at;
        if (wts_index_find(names, c->tensors[i].name, &at) && strcmp(map->members[at].value.text, file) == 0)
            c->tensors[kept++] = c->tensors[i];
    }
    c->count = kept;
    return ENG_OK;
}

static eng_status check_map(const wts_value *map, const char *path, eng_error *err)
{
    if (!map || map->kind != WTS_DICT)
        return eng_fail(err, ENG_E_FORMAT, "%s: a JSON file without a \"weight_map\": not the index of a checkpoint",
                        path);
    for (size_t i = 0; i < map->count; i++) {
        const wts_value *file = &map->members[i].value;
        if (file->kind != WTS_STRING)
            return eng_fail(err, ENG_E_FORMAT, "%s: weight_map: the file of %.200s is not a string", path,
                            map->members[i].key);
        if (!*file->text || strchr(file->text, '/') || strcmp(file->text, ".") == 0 || strcmp(file->text, "..") == 0)
            return eng_fail(err, ENG_E_FORMAT, "%s: weight_map: \"%.200s\" is not the plain name of a file beside it",
                            path, file->text);
    }
    return ENG_OK;
}

static eng_status check_complete(const wts_value *map, const wts_checkpoint *c, eng_error *err)
{
    wts_index found = {c->count, eng_alloc(c->count, sizeof *found.entries)};
    if (!found.entries) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    for (size_t i = 0; i < c->count; i++) found.entries[i] = (wts_index_entry){c->tensors[i].name, i};
    wts_index_sort(&found);
    eng_status status = ENG_OK;
    for (size_t i = 0, at; i < map->count && status == ENG_OK; i++)
        if (!wts_index_find(&found, map->members[i].key, &at))
            status = eng_fail(err, ENG_E_MISSING, "%s: tensor %.200s is not in %.200s, where the index places it",
                              c->path, map->members[i].key, map->members[i].value.text);
    eng_free(found.entries);
    return status;
}

/* names and files: space for one entry a member of the map. */
static eng_status read_all(const wts_value *map, wts_index *names, wts_index *files, wts_checkpoint *c, eng_error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        names->entries[i] = (wts_index_entry){map->members[i].key, i};
        files->entries[i] = (wts_index_entry){map->members[i].value.text, i};
    }
    wts_index_sort(names);
    wts_index_sort(files);
    for (size_t i = 0; i < files->count; i++) {
        if (i && strcmp(files->entries[i].name, files->entries[i - 1].name) == 0) continue;
        eng_status status = read_shard(map, names, files->entries[i].name, c, err);
        if (status != ENG_OK) return status;
    }
    return check_complete(map, c, err);
}

eng_status wts_shards_read(const wts_value *index, wts_checkpoint *c, eng_error *err)
{
    const wts_value *map = wts_value_get(index, "weight_map");
    eng_status status = check_map(map, c->path, err);
    if (status != ENG_OK) return status;
    wts_index names = {map->count, eng_alloc(map->count, sizeof *names.entries)};
    wts_index files = {map->count, eng_alloc(map->count, sizeof *files.entries)};
    if (names.entries && files.entries) status = read_all(map, &names, &files, c, err);
    else status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    eng_free(names.entries);
    eng_free(files.entries);
    c->extra = wts_value_get(index, "metadata");
    return status;
}
