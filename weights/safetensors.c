/* Reading safetensors (the format's definition: huggingface/safetensors README). A file is the header's length (8
 * bytes, little-endian), the header, one JSON object {name: {"dtype", "shape", "data_offsets": [begin, end]}}, and the
 * data, to which the offsets count. Header at most 100 MB; the tensors fill the data without overlaps or holes. */
#include <stdlib.h>
#include <string.h>

#include "weights/store.h"

enum { MAX_HEADER = 100000000 };

typedef struct reader {
    const char *path;
    const unsigned char *data; /* behind the header */
    size_t size;
    bool mapped;
    eng_error *err;
} reader;

typedef struct dtype_row {
    const char *name;
    wts_dtype dtype;
    size_t size; /* bytes of an element; 0: not checked */
} dtype_row;

static const dtype_row dtype_rows[] = {
    {"F32", WTS_F32, 4},  {"F16", WTS_F16, 2},   {"BF16", WTS_BF16, 2},  {"F64", WTS_F64, 8},
    {"I64", WTS_I64, 8},  {"I32", WTS_I32, 4},   {"I16", WTS_I16, 2},    {"I8", WTS_I8, 1},
    {"U8", WTS_U8, 1},    {"BOOL", WTS_BOOL8, 1}, {"U16", WTS_OTHER, 2}, {"U32", WTS_OTHER, 4},
    {"U64", WTS_OTHER, 8}, {"C64", WTS_OTHER, 8},
};

static dtype_row find_dtype(const char *name)
{
    for (size_t i = 0; i < sizeof dtype_rows / sizeof *dtype_rows; i++)
        if (strcmp(name, dtype_rows[i].name) == 0) return dtype_rows[i];
    return (dtype_row){name, WTS_OTHER, 0};
}

static eng_status fail_tensor(reader *r, const char *name, const char *what)
{
    return eng_fail(r->err, ENG_E_FORMAT, "%s: tensor %.200s: %s", r->path, name, what);
}

static bool get_size(const wts_value *v, size_t *out)
{
    if (v->kind != WTS_INT || v->integer < 0 || (uint64_t)v->integer > SIZE_MAX) return false;
    *out = (size_t)v->integer;
    return true;
}

static eng_status read_shape(reader *r, const wts_value *shape, wts_tensor *t)
{
    if (!shape || shape->kind != WTS_LIST) return fail_tensor(r, t->name, "\"shape\" is not a list");
    if (shape->count > WTS_MAX_DIMS)
        return eng_fail(r->err, ENG_E_UNSUPPORTED, "%s: tensor %.200s has %zu dimensions (at most %d are read)",
                        r->path, t->name, shape->count, WTS_MAX_DIMS);
    t->ndim = shape->count;
    t->count = 1;
    for (size_t i = 0; i < t->ndim; i++)
        if (!get_size(&shape->items[i], &t->shape[i]))
            return fail_tensor(r, t->name, "\"shape\" holds something else than whole numbers >= 0");
    for (size_t i = 0; i < t->ndim; i++)
        if (!eng_mul_size(t->count, t->shape[i], &t->count)) return fail_tensor(r, t->name, "its shape overflows");
    return ENG_OK;
}

static eng_status read_tensor(reader *r, const wts_member *m, wts_tensor *t)
{
    *t = (wts_tensor){.name = m->key, .contiguous = true, .mapped = r->mapped};
    const wts_value *dtype = wts_value_get(&m->value, "dtype"), *offsets = wts_value_get(&m->value, "data_offsets");
    if (m->value.kind != WTS_DICT) return fail_tensor(r, t->name, "its entry in the header is not an object");
    if (!dtype || dtype->kind != WTS_STRING) return fail_tensor(r, t->name, "\"dtype\" is not a string");
    eng_status status = read_shape(r, wts_value_get(&m->value, "shape"), t);
    if (status != ENG_OK) return status;
    size_t begin, end, expected;
    if (!offsets || offsets->kind != WTS_LIST || offsets->count != 2 || !get_size(&offsets->items[0], &begin) ||
        !get_size(&offsets->items[1], &end))
        return fail_tensor(r, t->name, "\"data_offsets\" is not a pair of whole numbers >= 0");
    if (begin > end) return fail_tensor(r, t->name, "\"data_offsets\" end before they begin");
    if (end > r->size)
        return eng_fail(r->err, ENG_E_FORMAT,
                        "%s: tensor %.200s ends at byte %zu of the data, of which the file holds %zu: is it cut short?",
                        r->path, t->name, end, r->size);
    dtype_row row = find_dtype(dtype->text);
    t->dtype = row.dtype;
    t->dtype_name = dtype->text;
    t->data = r->data + begin;
    t->bytes = end - begin;
    if (row.size && (!eng_mul_size(t->count, row.size, &expected) || expected != t->bytes)) {
        char text[160];
        return eng_fail(r->err, ENG_E_FORMAT, "%s: tensor %.200s: %s does not fill its %zu bytes", r->path, t->name,
                        wts_tensor_describe(t, text, sizeof text), t->bytes);
    }
    return ENG_OK;
}

static int compare_places(const void *a, const void *b)
{
    const wts_tensor *x = *(const wts_tensor *const *)a, *y = *(const wts_tensor *const *)b;
    const unsigned char *p = x->data, *q = y->data;
    if (p != q) return p < q ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The count tensors at t must follow each other and end with the file. */
static eng_status check_places(reader *r, const wts_tensor *t, size_t count)
{
    const wts_tensor **order = eng_alloc(count, sizeof(const wts_tensor *));
    if (!order) return eng_fail(r->err, ENG_E_MEMORY, "%s: out of memory for %zu tensors", r->path, count);
    for (size_t i = 0; i < count; i++) order[i] = &t[i];
    qsort(order, count, sizeof *order, compare_places);
    size_t at = 0;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        size_t begin = (size_t)((const unsigned char *)order[i]->data - r->data);
        if (begin < at) status = fail_tensor(r, order[i]->name, "its data overlap another tensor's");
        else if (begin > at) status = fail_tensor(r, order[i]->name, "unused bytes lie in front of its data");
        at = begin + order[i]->bytes;
    }
    if (status == ENG_OK && at != r->size)
        status = eng_fail(r->err, ENG_E_FORMAT, "%s: %zu bytes follow the last tensor's data", r->path, r->size - at);
    eng_free(order);
    return status;
}

static eng_status read_header(reader *r, const wts_value *header, wts_checkpoint *c)
{
    size_t first = c->count;
    if (header->kind != WTS_DICT) return eng_fail(r->err, ENG_E_FORMAT, "%s: its header is not an object", r->path);
    for (size_t i = 0; i < header->count; i++) {
        const wts_member *m = &header->members[i];
        if (strcmp(m->key, "__metadata__") == 0) {
            if (m->value.kind != WTS_DICT)
                return eng_fail(r->err, ENG_E_FORMAT, "%s: __metadata__ is not an object", r->path);
            c->extra = &m->value;
            continue;
        }
        wts_tensor t;
        eng_status status = read_tensor(r, m, &t);
        if (status == ENG_OK) status = wts_store_add_tensor(c, &t, r->err);
        if (status != ENG_OK) return status;
    }
    /* a header without tensors leaves c->tensors NULL, to which not even 0 may be added */
    return check_places(r, c->tensors ? c->tensors + first : NULL, c->count - first);
}

eng_status wts_safetensors_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err)
{
    uint64_t length = 0;
    if (m->size < 8) return eng_fail(err, ENG_E_FORMAT, "%s: %zu bytes are too short for safetensors", path, m->size);
    for (int i = 7; i >= 0; i--) length = length << 8 | m->data[i];
    if (length > MAX_HEADER)
        return eng_fail(err, ENG_E_FORMAT, "%s: a safetensors header of %llu bytes (at most 100 MB are allowed)", path,
                        (unsigned long long)length);
    if (length > m->size - 8)
        return eng_fail(err, ENG_E_FORMAT, "%s: a header of %llu bytes in a file of %zu bytes: is it cut short?", path,
                        (unsigned long long)length, m->size);
    reader r = {path, m->data + 8 + length, m->size - 8 - (size_t)length, m->mapped, err};
    wts_doc *doc;
    eng_status status = wts_json_parse(path, (const char *)m->data + 8, (size_t)length, &doc, err);
    if (status != ENG_OK) return eng_fail_prefix(err, "safetensors header");
    status = wts_store_adopt_doc(c, doc, err);
    if (status != ENG_OK) return status;
    c->container = WTS_SAFETENSORS;
    return read_header(&r, wts_doc_root(doc), c);
}
