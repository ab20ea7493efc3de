#include "weights/torch/zip.h"

#include <stdint.h>
#include <string.h>

enum {
    END_SIZE = 22,     /* end of central directory record */
    END64_SIZE = 56,   /* its ZIP64 form */
    LOCATOR_SIZE = 20, /* in front of END: where END64 is */
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    MAX_COMMENT = 65535,
    ZIP64_EXTRA = 1,
};

typedef struct reader {
    const char *path;
    const unsigned char *data;
    size_t size;
    uint64_t entries, directory, directory_size; /* as the end record says; checked */
    eng_error *err;
} reader;

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static eng_status fail(reader *r, const char *what)
{
    return eng_fail(r->err, ENG_E_FORMAT, "%s: damaged zip archive: %s", r->path, what);
}

/* Finds the end record: the last place whose comment reaches exactly to the end of the file. */
static bool find_end(const reader *r, size_t *at)
{
    if (r->size < END_SIZE) return false;
    size_t last = r->size - END_SIZE, first = last > MAX_COMMENT ? last - MAX_COMMENT : 0;
    for (size_t i = last + 1; i-- > first;)
        if (memcmp(r->data + i, "PK\5\6", 4) == 0 && get(r->data + i + 20, 2) == last - i) {
            *at = i;
            return true;
        }
    return false;
}

static eng_status read_end(reader *r)
{
    size_t at;
    if (!find_end(r, &at)) return fail(r, "its directory is missing (is the file cut short?)");
    const unsigned char *end = r->data + at;
    r->entries = get(end + 10, 2);
    r->directory_size = get(end + 12, 4);
    r->directory = get(end + 16, 4);
    if (get(end + 4, 2) != get(end + 6, 2)) return fail(r, "it is one part of several");
    if (at >= LOCATOR_SIZE && memcmp(end - LOCATOR_SIZE, "PK\6\7", 4) == 0) {
        uint64_t end64 = get(end - LOCATOR_SIZE + 8, 8);
        if (end64 > at - LOCATOR_SIZE || at - LOCATOR_SIZE - end64 < END64_SIZE ||
            memcmp(r->data + end64, "PK\6\6", 4) != 0)
            return fail(r, "its ZIP64 end record is not where it should be");
        r->entries = get(r->data + end64 + 32, 8);
        r->directory_size = get(r->data + end64 + 40, 8);
        r->directory = get(r->data + end64 + 48, 8);
    }
    if (r->directory > at || r->directory_size > at - r->directory)
        return fail(r, "its directory lies outside the file");
    if (r->entries > r->directory_size / CENTRAL_SIZE) return fail(r, "its directory is too short for its entries");
    return ENG_OK;
}

typedef struct central {
    unsigned flags, method;
    uint64_t packed, size, local;
    const unsigned char *name;
    size_t name_length;
} central;

/* Replaces the fields that are all ones by their 8-byte values in the ZIP64 extra field. */
static bool read_zip64(central *c, const unsigned char *extra, size_t length)
{
    uint64_t *fields[3] = {&c->size, &c->packed, &c->local};
    while (length >= 4) {
        size_t id = (size_t)get(extra, 2), size = (size_t)get(extra + 2, 2);
        if (size > length - 4) return false;
        if (id == ZIP64_EXTRA) {
            size_t at = 0;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != 0xFFFFFFFF) continue;
                if (size - at < 8) return false;
                *fields[i] = get(extra + 4 + at, 8);
                at += 8;
            }
            return true;
        }
        extra += 4 + size;
        length -= 4 + size;
    }
    return true;
}

/* Reads the directory's record at *at and moves *at behind it. */
static eng_status read_central(reader *r, size_t *at, central *c)
{
    size_t left = (size_t)(r->directory + r->directory_size) - *at;
    const unsigned char *p = r->data + *at;
    if (left < CENTRAL_SIZE || memcmp(p, "PK\1\2", 4) != 0) return fail(r, "its directory is shorter than it says");
    c->flags = (unsigned)get(p + 8, 2);
    c->method = (unsigned)get(p + 10, 2);
    c->packed = get(p + 20, 4);
    c->size = get(p + 24, 4);
    c->local = get(p + 42, 4);
    c->name = p + CENTRAL_SIZE;
    c->name_length = (size_t)get(p + 28, 2);
    size_t extra = (size_t)get(p + 30, 2), comment = (size_t)get(p + 32, 2);
    if (c->name_length + extra + comment > left - CENTRAL_SIZE)
        return fail(r, "an entry of its directory is cut short");
    if (!read_zip64(c, c->name + c->name_length, extra)) return fail(r, "a ZIP64 field is cut short");
    if (memchr(c->name, 0, c->name_length)) return fail(r, "a name with a NUL inside");
    *at += CENTRAL_SIZE + c->name_length + extra + comment;
    return ENG_OK;
}

/* Finds a stored entry's data behind its local header, all of it in front of the directory. */
static eng_status find_data(reader *r, const central *c, wts_zip_entry *e)
{
    if (c->packed != c->size) return fail(r, "a stored entry with two sizes");
    if (c->local > r->directory || r->directory - c->local < LOCAL_SIZE) return fail(r, "an entry outside the file");
    const unsigned char *p = r->data + c->local;
    size_t space = (size_t)(r->directory - c->local) - LOCAL_SIZE, name = (size_t)get(p + 26, 2);
    size_t extra = (size_t)get(p + 28, 2);
    if (memcmp(p, "PK\3\4", 4) != 0) return fail(r, "an entry that is not where the directory says");
    if (name + extra > space || c->size > space - name - extra)
        return fail(r, "an entry's data reach into the directory");
    if (name != c->name_length || memcmp(p + LOCAL_SIZE, c->name, name) != 0 || get(p + 8, 2) != c->method)
        return fail(r, "an entry that differs from its record in the directory");
    e->data = p + LOCAL_SIZE + name + extra;
    e->size = (size_t)c->size;
    return ENG_OK;
}

static eng_status read_entries(reader *r, wts_zip *z)
{
    size_t count = (size_t)r->entries, at = (size_t)r->directory;
    char *names =
        eng_arena_alloc(&z->arena, (size_t)r->directory_size, 1); /* each with a NUL: shorter than its record */
    z->entries = eng_arena_alloc(&z->arena, count, sizeof *z->entries);
    z->index.entries = eng_arena_alloc(&z->arena, count, sizeof *z->index.entries);
    if (!names || !z->entries || !z->index.entries) return eng_fail(r->err, ENG_E_MEMORY, "%s: out of memory", r->path);
    for (size_t i = 0; i < count; i++) {
        central c = {0};
        eng_status status = read_central(r, &at, &c);
        if (status != ENG_OK) return status;
        wts_zip_entry e = {.name = names};
        memcpy(names, c.name, c.name_length);
        names[c.name_length] = '\0';
        names += c.name_length + 1;
        bool encrypted = c.flags & 1;
        if (c.method == 0 && !encrypted) status = find_data(r, &c, &e);
        if (status != ENG_OK) return status;
        z->index.entries[i] = (wts_index_entry){e.name, i};
        z->entries[z->count++] = e;
    }
    z->index.count = count;
    const wts_index_entry *twice = wts_index_sort(&z->index);
    if (twice) return eng_fail(r->err, ENG_E_FORMAT, "%s: zip entry %.200s occurs twice", r->path, twice->name);
    return ENG_OK;
}

eng_status wts_zip_open(const char *path, const wts_mapping *m, wts_zip *z, eng_error *err)
{
    reader r = {.path = path, .data = m->data, .size = m->size, .err = err};
    *z = (wts_zip){0};
    eng_arena_init(&z->arena);
    eng_status status = read_end(&r);
    if (status == ENG_OK) status = read_entries(&r, z);
    if (status != ENG_OK) wts_zip_close(z);
    return status;
}

void wts_zip_close(wts_zip *z)
{
    eng_arena_fini(&z->arena);
    *z = (wts_zip){0};
}

const wts_zip_entry *wts_zip_find(const wts_zip *z, const char *name)
{
    size_t at;
    return wts_index_find(&z->index, name, &at) ? &z->entries[at] : NULL;
}
