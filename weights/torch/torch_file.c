/* Reading what torch.save writes since 1.6: a zip archive of NAME/data.pkl, which describes the tensors, and one record
 * NAME/data/KEY a storage, uncompressed and little-endian. */
#include <stdio.h>
#include <string.h>

#include "weights/torch/pickle.h"
#include "weights/store.h"
#include "weights/torch/zip.h"

typedef struct reader {
    const char *path;
    const wts_mapping *m;
    wts_zip zip;
    eng_arena arena; /* the pickled objects: gone when the tensors are listed */
    char *prefix;    /* "NAME/" */
    size_t copied;   /* bytes of gathered views */
    wts_checkpoint *c;
    eng_error *err;
} reader;

static eng_status fail_memory(reader *r)
{
    return eng_fail(r->err, ENG_E_MEMORY, "%s: out of memory", r->path);
}

/* ---- Dtypes ---- */

typedef struct dtype_row {
    const char *storage, *dtype; /* torch.FloatStorage, torch.float32 */
    wts_dtype kind;
    size_t size;
} dtype_row;

static const dtype_row dtype_rows[] = {
    {"FloatStorage", "float32", WTS_F32, 4},
    {"HalfStorage", "float16", WTS_F16, 2},
    {"BFloat16Storage", "bfloat16", WTS_BF16, 2},
    {"DoubleStorage", "float64", WTS_F64, 8},
    {"LongStorage", "int64", WTS_I64, 8},
    {"IntStorage", "int32", WTS_I32, 4},
    {"ShortStorage", "int16", WTS_I16, 2},
    {"CharStorage", "int8", WTS_I8, 1},
    {"ByteStorage", "uint8", WTS_U8, 1},
    {"BoolStorage", "bool", WTS_BOOL8, 1},
    {"UntypedStorage", "", WTS_OTHER, 1},
    {"ComplexFloatStorage", "complex64", WTS_OTHER, 8},
    {"ComplexDoubleStorage", "complex128", WTS_OTHER, 16},
    {"", "uint16", WTS_OTHER, 2},
    {"", "uint32", WTS_OTHER, 4},
    {"", "uint64", WTS_OTHER, 8},
};

/* type: GLOBAL, a class of storages or a dtype. NULL when it is not known. */
static const dtype_row *find_dtype(const wts_pickled *type)
{
    const char *name = type->as.global.name;
    size_t length = type->as.global.name_length;
    for (size_t i = 0; i < sizeof dtype_rows / sizeof *dtype_rows; i++) {
        const dtype_row *row = &dtype_rows[i];
        const char *known[2] = {row->storage, row->dtype};
        for (int j = 0; j < 2; j++)
            if (*known[j] && strlen(known[j]) == length && memcmp(known[j], name, length) == 0) return row;
    }
    return NULL;
}

/* ---- Tensors ---- */

static eng_status fail_tensor(reader *r, const char *name, const char *what)
{
    return eng_fail(r->err, ENG_E_FORMAT, "%s: tensor %.200s: %s", r->path, name, what);
}

/* *extent: elements of the storage from the tensor's first to its last, 0 when it has none. */
static eng_status read_shape(reader *r, const wts_pickled *p, wts_tensor *t, size_t *extent)
{
    wts_pickled **shape = p->as.tensor.shape->as.list.items, **stride = p->as.tensor.stride->as.list.items;
    size_t n = p->as.tensor.shape->as.list.count, last = 0, span, row = 1;
    if (n > WTS_MAX_DIMS)
        return eng_fail(r->err, ENG_E_UNSUPPORTED, "%s: tensor %.200s has %zu dimensions (at most %d are read)",
                        r->path, t->name, n, WTS_MAX_DIMS);
    t->ndim = n;
    t->count = 1;
    t->contiguous = true;
    for (size_t i = 0; i < n; i++) {
        t->shape[i] = (size_t)shape[i]->as.integer;
        if (!eng_mul_size(t->count, t->shape[i], &t->count)) return fail_tensor(r, t->name, "its shape overflows");
    }
    *extent = 0;
    if (t->count == 0) return ENG_OK;
    for (size_t i = n; i-- > 0;) {
        size_t step = (size_t)stride[i]->as.integer;
        if (t->shape[i] != 1 && step != row) t->contiguous = false;
        row *= t->shape[i]; /* no overflow: divides count */
        if (!eng_mul_size(t->shape[i] - 1, step, &span) || !eng_add_size(last, span, &last))
            return fail_tensor(r, t->name, "its strides overflow");
    }
    return eng_add_size(last, 1, extent) ? ENG_OK : fail_tensor(r, t->name, "its strides overflow");
}

/* The storage's record. */
static eng_status find_record(reader *r, const wts_pickled *storage, const char *name, const wts_zip_entry **record)
{
    char path[512];
    const wts_pickled *key = storage->as.storage.key;
    size_t length = key->as.text.length;
    int n = length < sizeof path
                ? snprintf(path, sizeof path, "%sdata/%.*s", r->prefix, (int)length, key->as.text.bytes)
                : -1;
    *record = n > 0 && (size_t)n < sizeof path ? wts_zip_find(&r->zip, path) : NULL;
    if (!*record) return fail_tensor(r, name, "the archive has no record of its data");
    if (!(*record)->data)
        return eng_fail(
            r->err, ENG_E_UNSUPPORTED,
            "%s: tensor %.200s: its record is compressed or encrypted (was the file packed again? torch.save "
            "stores records as they are)",
            r->path, name);
    return ENG_OK;
}

/* Copies a view with other strides (a transposed matrix) in row-major order. All copies together are no larger than the
 * file: views that repeat elements could ask for any amount of memory. */
static eng_status gather(reader *r, const wts_pickled *p, const unsigned char *from, size_t size, wts_tensor *t)
{
    size_t at[WTS_MAX_DIMS] = {0}, bytes;
    if (!eng_mul_size(t->count, size, &bytes) || bytes > r->m->size - r->copied) return ENG_OK;
    r->copied += bytes;
    unsigned char *to = eng_arena_alloc(&r->c->store->arena, bytes, 1);
    if (!to) return fail_memory(r);
    t->data = to;
    t->bytes = bytes;
    t->contiguous = true;
    t->copied = true;
    t->mapped = false;
    wts_pickled **stride = p->as.tensor.stride->as.list.items;
    for (size_t i = 0; i < t->count; i++, to += size) {
        size_t element = 0;
        for (size_t d = 0; d < t->ndim; d++) element += at[d] * (size_t)stride[d]->as.integer;
        memcpy(to, from + element * size, size);
        for (size_t d = t->ndim; d-- > 0 && ++at[d] == t->shape[d];) at[d] = 0;
    }
    return ENG_OK;
}

static eng_status read_data(reader *r, const wts_pickled *p, const dtype_row *row, wts_tensor *t, size_t extent)
{
    const wts_pickled *storage = p->as.tensor.storage;
    const dtype_row *unit = find_dtype(storage->as.storage.type);
    const wts_zip_entry *record;
    size_t bytes, offset, end;
    if (!row || !unit) return ENG_OK; /* an unknown dtype: no data */
    eng_status status = find_record(r, storage, t->name, &record);
    if (status != ENG_OK) return status;
    if (!eng_mul_size(storage->as.storage.count, unit->size, &bytes) || bytes != record->size)
        return fail_tensor(r, t->name, "its record is not of the size that it says");
    if (!eng_mul_size(p->as.tensor.offset, row->size, &offset) || !eng_mul_size(extent, row->size, &end) ||
        !eng_add_size(offset, end, &end) || end > bytes)
        return fail_tensor(r, t->name, "it reaches beyond its storage");
    if (!t->contiguous) return gather(r, p, record->data + offset, row->size, t);
    t->data = record->data + offset;
    t->bytes = end - offset;
    return ENG_OK;
}

static const char *type_name(reader *r, const wts_pickled *global)
{
    bool known = global->kind == WTS_P_GLOBAL && wts_utf8_valid(global->as.global.name, global->as.global.name_length);
    return known ? wts_store_text(r->c, global->as.global.name, global->as.global.name_length) : "object";
}

/* key: TEXT; p: a TENSOR, or an OBJECT that stands for one (quantised, sparse, ...). */
static eng_status add_tensor(reader *r, const wts_pickled *key, const wts_pickled *p)
{
    wts_tensor t = {.dtype = WTS_OTHER, .mapped = r->m->mapped};
    const wts_pickled *type = p->as.object.maker;
    eng_status status = ENG_OK;
    if (!wts_utf8_valid(key->as.text.bytes, key->as.text.length))
        return eng_fail(r->err, ENG_E_FORMAT, "%s: a tensor's name is not text", r->path);
    t.name = wts_store_text(r->c, key->as.text.bytes, key->as.text.length);
    if (!t.name) return fail_memory(r);
    if (p->kind == WTS_P_TENSOR) {
        size_t extent;
        type = p->as.tensor.dtype ? p->as.tensor.dtype : p->as.tensor.storage->as.storage.type;
        const dtype_row *row = find_dtype(type);
        if (row) t.dtype = row->kind;
        status = read_shape(r, p, &t, &extent);
        if (status == ENG_OK) status = read_data(r, p, row, &t, extent);
    }
    if (status != ENG_OK) return status;
    t.dtype_name = type_name(r, type);
    return t.dtype_name ? wts_store_add_tensor(r->c, &t, r->err) : fail_memory(r);
}

/* ---- The root ---- */

/* An object that a function of torch's makes: a tensor of a kind that is not known here. */
static bool stands_for_tensor(const wts_pickled *p)
{
    if (p->kind == WTS_P_TENSOR) return true;
    if (p->kind != WTS_P_OBJECT || p->as.object.maker->kind != WTS_P_GLOBAL) return false;
    const wts_pickled *maker = p->as.object.maker;
    return maker->as.global.module_length >= 6 && memcmp(maker->as.global.module, "torch.", 6) == 0 &&
           maker->as.global.name_length >= 8 && memcmp(maker->as.global.name, "_rebuild", 8) == 0;
}

static bool holds_tensors(const wts_pickled *p)
{
    if (!p || p->kind != WTS_P_DICT) return false;
    for (size_t i = 0; i + 1 < p->as.list.count; i += 2)
        if (p->as.list.items[i]->kind == WTS_P_TEXT && stands_for_tensor(p->as.list.items[i + 1])) return true;
    return false;
}

/* For "%.*s" with bytes of the file. */
static int shown(size_t length)
{
    return length < 60 ? (int)length : 60;
}

/* The first keys of the root, for the message that no tensors are there. */
static void list_keys(const wts_pickled *root, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i + 1 < root->as.list.count && i < 16; i += 2) {
        const wts_pickled *key = root->as.list.items[i];
        if (key->kind != WTS_P_TEXT || !wts_utf8_valid(key->as.text.bytes, key->as.text.length)) continue;
        int n = snprintf(out + at, size - at, "%s%.*s", at ? ", " : "", shown(key->as.text.length), key->as.text.bytes);
        if (n < 0 || (size_t)n >= size - at) return;
        at += (size_t)n;
    }
}

static eng_status fail_no_tensors(reader *r, const wts_pickled *root)
{
    static const char advice[] = "save a state dict: torch.save(model.state_dict(), FILE)";
    if (root->kind == WTS_P_OBJECT) {
        const wts_pickled *maker = root->as.object.maker;
        bool known = maker->kind == WTS_P_GLOBAL;
        return eng_fail(r->err, ENG_E_UNSUPPORTED, "%s: holds a Python object (%.*s.%.*s), not tensors by name: %s",
                        r->path, known ? shown(maker->as.global.module_length) : 0,
                        known ? maker->as.global.module : "", known ? shown(maker->as.global.name_length) : 0,
                        known ? maker->as.global.name : "", advice);
    }
    if (root->kind != WTS_P_DICT)
        return eng_fail(r->err, ENG_E_UNSUPPORTED, "%s: holds no dict of tensors: %s", r->path, advice);
    char keys[300];
    list_keys(root, keys, sizeof keys);
    return eng_fail(r->err, ENG_E_UNSUPPORTED,
                    "%s: no tensors in its dict, nor in a \"model\" or \"state_dict\" member (its keys: %s)", r->path,
                    keys);
}

static eng_status read_root(reader *r, wts_pickled *root)
{
    static const char *const members[] = {"model", "state_dict", "model_state_dict"};
    wts_pickled *tensors = NULL;
    /* the members first: a training state may have stray tensors beside them, such as a random generator's */
    for (size_t i = 0; i < sizeof members / sizeof *members && !tensors; i++) {
        wts_pickled *member = wts_pickle_get(root, members[i]);
        if (holds_tensors(member)) tensors = member;
    }
    if (!tensors && holds_tensors(root)) tensors = root;
    if (!tensors) return fail_no_tensors(r, root);
    for (size_t i = 0; i + 1 < tensors->as.list.count; i += 2) {
        const wts_pickled *key = tensors->as.list.items[i], *p = tensors->as.list.items[i + 1];
        eng_status status = key->kind == WTS_P_TEXT && stands_for_tensor(p) ? add_tensor(r, key, p) : ENG_OK;
        if (status != ENG_OK) return status;
    }
    wts_doc *doc = wts_doc_new();
    if (!doc) return fail_memory(r);
    eng_status status = wts_store_adopt_doc(r->c, doc, r->err);
    if (status == ENG_OK) status = wts_pickle_convert(r->path, root, tensors, doc, &doc->root, r->err);
    if (status == ENG_OK) r->c->extra = wts_doc_root(doc);
    return status;
}

/* ---- The archive ---- */

/* Finds NAME/data.pkl and keeps "NAME/". */
static eng_status find_pickle(reader *r, const wts_zip_entry **pickle)
{
    static const char tail[] = "/data.pkl";
    *pickle = NULL;
    for (size_t i = 0; i < r->zip.count; i++) {
        const char *name = r->zip.entries[i].name, *slash = strchr(name, '/');
        if (!slash || strcmp(slash, tail) != 0) continue;
        if (*pickle) return eng_fail(r->err, ENG_E_FORMAT, "%s: the archive holds more than one data.pkl", r->path);
        *pickle = &r->zip.entries[i];
    }
    if (!*pickle)
        return eng_fail(r->err, ENG_E_UNSUPPORTED, "%s: a zip archive, but not torch's: it has no data.pkl", r->path);
    size_t length = strlen((*pickle)->name) - (sizeof tail - 2);
    r->prefix = eng_arena_alloc(&r->arena, length + 1, 1);
    if (!r->prefix) return fail_memory(r);
    memcpy(r->prefix, (*pickle)->name, length);
    r->prefix[length] = '\0';
    return ENG_OK;
}

static const wts_zip_entry *find_beside(reader *r, const char *name)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s%s", r->prefix, name);
    return n > 0 && (size_t)n < sizeof path ? wts_zip_find(&r->zip, path) : NULL;
}

static eng_status read_archive(reader *r)
{
    const wts_zip_entry *pickle;
    char name[512];
    eng_status status = find_pickle(r, &pickle);
    if (status != ENG_OK) return status;
    if (find_beside(r, "constants.pkl"))
        return eng_fail(r->err, ENG_E_UNSUPPORTED,
                        "%s: a TorchScript module: save its weights instead: torch.save(model.state_dict(), FILE)",
                        r->path);
    const wts_zip_entry *order = find_beside(r, "byteorder");
    if (order && (order->size != 6 || !order->data || memcmp(order->data, "little", 6) != 0))
        return eng_fail(r->err, ENG_E_UNSUPPORTED, "%s: saved on a big-endian machine: save it again on another",
                        r->path);
    if (!pickle->data)
        return eng_fail(r->err, ENG_E_UNSUPPORTED,
                        "%s: its data.pkl is compressed or encrypted (was the file packed again?)", r->path);
    wts_pickled *root;
    snprintf(name, sizeof name, "%.400s: data.pkl", r->path);
    status = wts_pickle_read(name, pickle->data, pickle->size, &r->arena, &root, r->err);
    return status == ENG_OK ? read_root(r, root) : status;
}

eng_status wts_torch_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err)
{
    reader r = {.path = path, .m = m, .c = c, .err = err};
    c->container = WTS_TORCH_ZIP;
    eng_status status = wts_zip_open(path, m, &r.zip, err);
    if (status != ENG_OK) return status;
    eng_arena_init(&r.arena);
    status = read_archive(&r);
    eng_arena_fini(&r.arena);
    wts_zip_close(&r.zip);
    return status;
}
