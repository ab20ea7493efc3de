#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"

void bytes_add(bytes *b, const void *data, size_t size)
{
    if (b->space - b->size < size) {
        b->space = 2 * b->space + size + 256;
        b->data = realloc(b->data, b->space);
        cr_assert_not_null(b->data);
    }
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_text(bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

void bytes_uint(bytes *b, uint64_t value, int count)
{
    for (int i = 0; i < count; i++) bytes_add(b, &(unsigned char){(unsigned char)(i < 8 ? value >> 8 * i : 0)}, 1);
}

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}

bytes bytes_read(const char *path)
{
    bytes b = {0};
    unsigned char block[4096];
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) bytes_add(&b, block, n);
    fclose(f);
    cr_assert(b.size > 0, "%s is empty", path);
    return b;
}

void bytes_write(const bytes *b, const char *path)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f, "%s", path);
    if (b->size) cr_assert_eq(fwrite(b->data, 1, b->size, f), b->size);
    cr_assert_eq(fclose(f), 0);
}

static void add_counting(bytes *b, size_t size)
{
    for (size_t i = 0; i < size; i++) bytes_add(b, &(unsigned char){(unsigned char)i}, 1);
}

bytes file_safetensors(const char *header, size_t data_size)
{
    bytes b = {0};
    bytes_uint(&b, strlen(header), 8);
    bytes_text(&b, header);
    add_counting(&b, data_size);
    return b;
}

/* ---- Zip ---- */

void zip_add(zip_builder *z, const char *name, const void *data, size_t size)
{
    size_t local = z->file.size, length = strlen(name);
    bytes *f = &z->file, *d = &z->directory;
    bytes_text(f, "PK\3\4");
    bytes_uint(f, 20, 2);
    bytes_uint(f, 0, 2);
    bytes_uint(f, z->method, 2);
    bytes_uint(f, 0, 8); /* time, date, checksum */
    bytes_uint(f, size, 4);
    bytes_uint(f, size, 4);
    bytes_uint(f, length, 2);
    bytes_uint(f, 6, 2); /* torch pads with an extra field too */
    bytes_text(f, name);
    bytes_text(f, "FB");
    bytes_uint(f, 2, 2);
    bytes_text(f, "ZZ");
    bytes_add(f, data, size);
    bytes_text(d, "PK\1\2");
    bytes_uint(d, 20, 2);
    bytes_uint(d, 20, 2);
    bytes_uint(d, 0, 2);
    bytes_uint(d, z->method, 2);
    bytes_uint(d, 0, 8);
    bytes_uint(d, size, 4);
    bytes_uint(d, size, 4);
    bytes_uint(d, length, 2);
    bytes_uint(d, 0, 2 + 2 + 2 + 2); /* extra, comment, disk, internal attributes */
    bytes_uint(d, 0, 4);
    bytes_uint(d, local, 4);
    bytes_text(d, name);
    z->count++;
}

bytes zip_finish(zip_builder *z, bool zip64, size_t comment)
{
    size_t directory = z->file.size, size = z->directory.size;
    bytes *f = &z->file;
    bytes_add(f, z->directory.data, size);
    if (zip64) {
        size_t end = f->size;
        bytes_text(f, "PK\6\6");
        bytes_uint(f, 44, 8);
        bytes_uint(f, 0, 2 + 2 + 4 + 4);
        bytes_uint(f, z->count, 8);
        bytes_uint(f, z->count, 8);
        bytes_uint(f, size, 8);
        bytes_uint(f, directory, 8);
        bytes_text(f, "PK\6\7");
        bytes_uint(f, 0, 4);
        bytes_uint(f, end, 8);
        bytes_uint(f, 1, 4);
    }
    bytes_text(f, "PK\5\6");
    bytes_uint(f, 0, 4);
    bytes_uint(f, zip64 ? 0xFFFF : z->count, 2);
    bytes_uint(f, zip64 ? 0xFFFF : z->count, 2);
    bytes_uint(f, zip64 ? 0xFFFFFFFF : size, 4);
    bytes_uint(f, zip64 ? 0xFFFFFFFF : directory, 4);
    bytes_uint(f, comment, 2);
    add_counting(f, comment);
    bytes_free(&z->directory);
    return z->file;
}

bytes file_torch(const bytes *pickle, size_t record_size)
{
    zip_builder z = {0};
    bytes record = {0};
    add_counting(&record, record_size);
    zip_add(&z, "a/data.pkl", pickle->data, pickle->size);
    zip_add(&z, "a/data/0", record.data, record.size);
    bytes_free(&record);
    return zip_finish(&z, false, 0);
}

/* ---- Pickles ---- */

void pickle_text(bytes *p, const char *text)
{
    bytes_text(p, "X");
    bytes_uint(p, strlen(text), 4);
    bytes_text(p, text);
}

void pickle_int(bytes *p, int64_t value)
{
    bytes_text(p, "\x8a\x08");
    bytes_uint(p, (uint64_t)value, 8);
}

void pickle_global(bytes *p, const char *module, const char *name)
{
    bytes_text(p, "c");
    bytes_text(p, module);
    bytes_text(p, "\n");
    bytes_text(p, name);
    bytes_text(p, "\n");
}

void pickle_tensor(bytes *p, const char *storage, const char *key, int64_t count, int64_t offset, int ndim,
                   const int64_t *shape, const int64_t *stride)
{
    pickle_global(p, "torch._utils", "_rebuild_tensor_v2");
    bytes_text(p, "((");
    pickle_text(p, "storage");
    pickle_global(p, "torch", storage);
    pickle_text(p, key);
    pickle_text(p, "cpu");
    pickle_int(p, count);
    bytes_text(p, "tQ");
    pickle_int(p, offset);
    bytes_text(p, "(");
    for (int i = 0; i < ndim; i++) pickle_int(p, shape[i]);
    bytes_text(p, "t(");
    for (int i = 0; i < ndim; i++) pickle_int(p, stride[i]);
    bytes_text(p, "t\x89");
    pickle_global(p, "collections", "OrderedDict");
    bytes_text(p, ")RtR");
}

/* ---- Checking ---- */

/* Walks a tree as a program that prints it would. */
static size_t walk(const wts_value *v, size_t depth)
{
    size_t nodes = 1;
    char quoted[64];
    cr_assert(depth <= 64);
    if (v->kind == WTS_STRING) wts_json_quote(quoted, sizeof quoted, v->text);
    for (size_t i = 0; i < v->count; i++) {
        if (v->kind == WTS_DICT) wts_json_quote(quoted, sizeof quoted, v->members[i].key);
        nodes += walk(v->kind == WTS_DICT ? &v->members[i].value : &v->items[i], depth + 1);
    }
    return nodes;
}

static void check_tensor(const wts_tensor *t, const unsigned char *copy, size_t size, const kern_table *k)
{
    char text[64];
    float ends[2] = {0, 0};
    cr_assert(strlen(wts_tensor_describe(t, text, sizeof text)) < sizeof text);
    cr_assert(t->ndim <= WTS_MAX_DIMS);
    if (t->data && !t->copied) {
        const unsigned char *data = t->data;
        cr_assert(data >= copy && data <= copy + size && t->bytes <= (size_t)(copy + size - data), "%s", t->name);
    }
    bool readable =
        t->contiguous && (t->dtype == WTS_F32 || t->dtype == WTS_F16 || t->dtype == WTS_BF16 || t->dtype == WTS_F64);
    eng_error err = {0};
    cr_assert_eq(wts_tensor_read_f32(t, k, 0, t->count ? 1 : 0, ends, &err), readable ? ENG_OK : ENG_E_UNSUPPORTED);
    if (readable && t->count) cr_assert_eq(wts_tensor_read_f32(t, k, t->count - 1, 1, ends + 1, &err), ENG_OK);
    wts_tensor_drop_pages(t);
}

eng_status file_check(const void *data, size_t size, const kern_table *k, eng_error *err)
{
    unsigned char *copy =
        malloc(size ? size : 1); /* of exactly this size, so that a sanitizer sees what is behind it */
    cr_assert_not_null(copy);
    memcpy(copy, data, size);
    wts_checkpoint c;
    eng_error local = {0};
    if (!err) err = &local;
    eng_status status = wts_checkpoint_open_memory("hostile.bin", copy, size, &c, err);
    if (status != ENG_OK) {
        cr_assert(strstr(err->message, "hostile.bin"), "the message names no file: %s", err->message);
        cr_assert_eq(err->status, status);
        cr_assert_null(strchr(err->message, '\n'), "%s", err->message);
        cr_assert(!c.store && !c.tensors && !c.path);
    } else {
        size_t copied = 0;
        for (size_t i = 0; i < c.count; i++) {
            cr_assert_eq(wts_checkpoint_find(&c, c.tensors[i].name), &c.tensors[i]);
            check_tensor(&c.tensors[i], copy, size, k);
            if (c.tensors[i].copied) copied += c.tensors[i].bytes;
        }
        cr_assert(copied <= size, "%zu bytes are copied of a file of %zu", copied, size);
        if (c.extra) cr_assert(walk(c.extra, 0) <= ((size_t)1 << 20) + 1);
        wts_checkpoint_close(&c);
    }
    free(copy);
    return status;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void flip(bytes *file, size_t head, size_t tail, size_t count, const kern_table *k, damage *d)
{
    uint64_t seed = 20240611;
    printf("damaging %zu copies of a file of %zu bytes, seed %llu\n", count, file->size, (unsigned long long)seed);
    for (size_t i = 0; i < count; i++) {
        size_t at[4], n = 1 + next_random(&seed) % 4;
        unsigned char before[4];
        for (size_t j = 0; j < n; j++) {
            uint64_t where = next_random(&seed) % 16, r = next_random(&seed);
            at[j] = where < 8 ? r % head : where < 15 ? file->size - 1 - r % tail : r % file->size;
            before[j] = file->data[at[j]];
            static const unsigned char nasty[] = {0x00, 0xFF, 0x7F, 0x80, '9', '-', '"', '(', '2'};
            uint64_t how = next_random(&seed) % 4, value = next_random(&seed);
            if (how == 0) file->data[at[j]] = nasty[value % sizeof nasty];
            else if (how == 1) file->data[at[j]] = (unsigned char)value;
            else file->data[at[j]] ^= (unsigned char)(1u << value % 8);
        }
        d->cases++;
        d->accepted += file_check(file->data, file->size, k, NULL) == ENG_OK;
        while (n-- > 0) file->data[at[n]] = before[n];
    }
}

damage file_damage(const bytes *file, size_t head, size_t tail, size_t steps, size_t flips, const kern_table *k)
{
    damage d = {0};
    bytes copy = {0};
    bytes_add(&copy, file->data, file->size);
    if (head > copy.size) head = copy.size;
    if (tail > copy.size) tail = copy.size;
    cr_assert_eq(file_check(copy.data, copy.size, k, NULL), ENG_OK, "the file is damaged before we begin");
    for (size_t i = 0; i < 200 && i < copy.size; i++) {
        cr_assert_neq(file_check(copy.data, i, k, NULL), ENG_OK, "accepted: the first %zu bytes", i);
        cr_assert_neq(file_check(copy.data, copy.size - 1 - i, k, NULL), ENG_OK, "accepted: %zu bytes less", i + 1);
    }
    for (size_t i = 1; i < steps; i++)
        cr_assert_neq(file_check(copy.data, copy.size / steps * i, k, NULL), ENG_OK, "accepted: %zu/%zu of it", i,
                      steps);
    d.cases += 400 + steps;
    flip(&copy, head, tail, flips, k, &d);
    bytes_free(&copy);
    return d;
}
