/* Writing safetensors. The data go to PATH.part behind space reserved for the header, padded with spaces so that they
 * begin at a multiple of 64; the header is written last, when all tensors are known. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights/store.h"

enum {
    ALIGN = 64,
    ENTRY_SPACE = 192, /* of a header entry without its name: dtype, up to 4 dimensions, two offsets of 13 digits */
    BUFFER = 1 << 20,
    MAX_HEADER = 100000000,
    MAX_NAME = 1024
};

typedef struct text {
    char *bytes;
    size_t length, space;
} text;

struct wts_writer {
    char *path, *part;
    int fd;
    text header;        /* so far: '{' and the entries */
    size_t reserved;    /* file offset where the data begin */
    size_t data_size;   /* bytes of data so far */
    size_t tensor_left; /* bytes that the open tensor still lacks */
    bool complete;      /* only the rename is left */
    char **names;
    size_t name_count, name_space;
    unsigned char *buffer;
    size_t buffered;
};

/* ---- Texts ---- */

static bool append(text *t, const char *bytes, size_t length)
{
    if (t->space - t->length < length) {
        size_t space = 2 * t->space + length + 256;
        char *grown = eng_grow(t->bytes, t->length, space, 1);
        if (!grown) return false;
        t->bytes = grown;
        t->space = space;
    }
    memcpy(t->bytes + t->length, bytes, length);
    t->length += length;
    return true;
}

static bool append_string(text *t, const char *s)
{
    return append(t, s, strlen(s));
}

static bool append_number(text *t, size_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", n);
    return append_string(t, digits);
}

static bool append_quoted(text *t, const char *s)
{
    size_t length = wts_json_quote(NULL, 0, s);
    char *quoted = eng_alloc(length + 1, 1);
    if (!quoted) return false;
    wts_json_quote(quoted, length + 1, s);
    bool done = append(t, quoted, length);
    eng_free(quoted);
    return done;
}

static bool append_metadata(text *t, const char *const *metadata)
{
    bool done = append_string(t, "{\"__metadata__\":{");
    for (size_t i = 0; done && metadata && metadata[i] && metadata[i + 1]; i += 2)
        done = (i == 0 || append_string(t, ",")) && append_quoted(t, metadata[i]) && append_string(t, ":") &&
               append_quoted(t, metadata[i + 1]);
    return done && append_string(t, "}");
}

/* ---- The file ---- */

static eng_status fail_memory(const wts_writer *w, eng_error *err)
{
    return eng_fail(err, ENG_E_MEMORY, "%s: out of memory while writing", w->path);
}

static eng_status fail_io(const wts_writer *w, const char *what, eng_error *err)
{
    return eng_fail(err, ENG_E_IO, "%s: cannot %s: %s", w->part, what, strerror(errno));
}

static eng_status write_at(wts_writer *w, const void *data, size_t bytes, size_t at, eng_error *err)
{
    const unsigned char *p = data;
    while (bytes) {
        ssize_t n = pwrite(w->fd, p, bytes, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_io(w, "write", err);
        p += n;
        at += (size_t)n;
        bytes -= (size_t)n;
    }
    return ENG_OK;
}

static eng_status flush(wts_writer *w, eng_error *err)
{
    eng_status status = write_at(w, w->buffer, w->buffered, w->reserved + w->data_size - w->buffered, err);
    if (status == ENG_OK) w->buffered = 0;
    return status;
}

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* The header did not fit: moves the data from the end forward to where they leave room. */
static eng_status make_room(wts_writer *w, size_t needed, eng_error *err)
{
    size_t target = round_up(needed), left = w->data_size;
    while (left) {
        size_t n = left < BUFFER ? left : BUFFER;
        ssize_t got = pread(w->fd, w->buffer, n, (off_t)(w->reserved + left - n));
        if (got < 0 && errno == EINTR) continue;
        if (got != (ssize_t)n) return fail_io(w, "read back", err);
        eng_status status = write_at(w, w->buffer, n, target + left - n, err);
        if (status != ENG_OK) return status;
        left -= n;
    }
    w->reserved = target;
    return ENG_OK;
}

static eng_status write_header(wts_writer *w, eng_error *err)
{
    if (!append_string(&w->header, "}")) return fail_memory(w, err);
    eng_status status = ENG_OK;
    if (w->header.length > w->reserved - 8) status = make_room(w, w->header.length + 8, err);
    if (status != ENG_OK) return status;
    size_t length = w->reserved - 8;
    if (length > MAX_HEADER)
        return eng_fail(err, ENG_E_UNSUPPORTED, "%s: a header of %zu bytes (safetensors allows 100 MB)", w->path,
                        length);
    while (w->header.length < length)
        if (!append_string(&w->header, " ")) return fail_memory(w, err);
    unsigned char size[8];
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)length >> 8 * i);
    status = write_at(w, size, sizeof size, 0, err);
    return status == ENG_OK ? write_at(w, w->header.bytes, length, sizeof size, err) : status;
}

void wts_sync_folder(const char *path)
{
    char *folder = eng_strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    eng_free(folder);
}

/* ---- Life ---- */

static void release(wts_writer *w)
{
    if (w->fd >= 0) close(w->fd);
    for (size_t i = 0; i < w->name_count; i++) eng_free(w->names[i]);
    eng_free(w->names);
    eng_free(w->header.bytes);
    eng_free(w->buffer);
    eng_free(w->path);
    eng_free(w->part);
    eng_free(w);
}

void wts_writer_abandon(wts_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) unlink(w->part);
    release(w);
}

static char *part_path(const char *path)
{
    size_t n = strlen(path);
    char *part = eng_alloc(n + 6, 1);
    if (part) {
        memcpy(part, path, n);
        memcpy(part + n, ".part", 6);
    }
    return part;
}

static eng_status start(wts_writer *w, const char *path, size_t tensors, size_t name_bytes,
                        const char *const *metadata, eng_error *err)
{
    w->path = eng_strdup(path);
    w->part = part_path(path);
    w->buffer = eng_alloc(BUFFER, 1);
    if (!w->path || !w->part || !w->buffer || !append_metadata(&w->header, metadata))
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory while writing", path);
    size_t space;
    if (!eng_mul_size(tensors, ENTRY_SPACE, &space) || !eng_add_size(space, name_bytes, &space) || space > MAX_HEADER)
        return eng_fail(err, ENG_E_USAGE, "%s: %zu tensors are too many for one file", path, tensors);
    w->reserved = round_up(8 + w->header.length + space + 1);
    w->fd = open(w->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return w->fd >= 0 ? ENG_OK : fail_io(w, "create", err);
}

eng_status wts_writer_open(const char *path, size_t expected_tensors, size_t expected_name_bytes,
                           const char *const *metadata, wts_writer **out, eng_error *err)
{
    wts_writer *w = eng_alloc_zero(1, sizeof *w);
    *out = NULL;
    if (!w) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory while writing", path);
    w->fd = -1;
    eng_status status = start(w, path, expected_tensors, expected_name_bytes, metadata, err);
    if (status == ENG_OK) *out = w;
    else wts_writer_abandon(w);
    return status;
}

eng_status wts_writer_complete(wts_writer *w, eng_error *err)
{
    if (w->complete) return ENG_OK;
    if (w->tensor_left)
        return eng_fail(err, ENG_E_USAGE, "%s: tensor %s lacks %zu bytes", w->path, w->names[w->name_count - 1],
                        w->tensor_left);
    wts_index index = {w->name_count, eng_alloc(w->name_count, sizeof *index.entries)};
    if (!index.entries) return fail_memory(w, err);
    for (size_t i = 0; i < index.count; i++) index.entries[i] = (wts_index_entry){w->names[i], i};
    const wts_index_entry *twice = wts_index_sort(&index);
    eng_status status = ENG_OK;
    if (twice) status = eng_fail(err, ENG_E_USAGE, "%s: tensor %s was written twice", w->path, twice->name);
    eng_free(index.entries);
    if (status == ENG_OK) status = flush(w, err);
    if (status == ENG_OK) status = write_header(w, err);
    if (status != ENG_OK) return status;
    if (ftruncate(w->fd, (off_t)(w->reserved + w->data_size)) != 0) return fail_io(w, "write", err);
    if (fsync(w->fd) != 0) return fail_io(w, "write to disk", err);
    w->complete = true;
    return ENG_OK;
}

static eng_status finish(wts_writer *w, eng_error *err)
{
    eng_status status = wts_writer_complete(w, err);
    if (status != ENG_OK) return status;
    if (rename(w->part, w->path) != 0) return fail_io(w, "rename", err);
    wts_sync_folder(w->path);
    return ENG_OK;
}

eng_status wts_writer_finish(wts_writer *w, eng_error *err)
{
    eng_status status = finish(w, err);
    if (status == ENG_OK) release(w);
    else wts_writer_abandon(w);
    return status;
}

/* ---- Tensors ---- */

static const char *dtype_name(wts_dtype dtype)
{
    switch (dtype) {
    case WTS_F32: return "F32";
    case WTS_F16: return "F16";
    case WTS_BF16: return "BF16";
    case WTS_F64: return "F64";
    case WTS_I64: return "I64";
    case WTS_I32: return "I32";
    case WTS_I8: return "I8";
    default: return NULL;
    }
}

static eng_status keep_name(wts_writer *w, const char *name, eng_error *err)
{
    if (w->name_count == w->name_space) {
        size_t space = w->name_space ? 2 * w->name_space : 64;
        char **grown = eng_grow(w->names, w->name_count, space, sizeof *grown);
        if (!grown) return fail_memory(w, err);
        w->names = grown;
        w->name_space = space;
    }
    w->names[w->name_count] = eng_strdup(name);
    if (!w->names[w->name_count]) return fail_memory(w, err);
    w->name_count++;
    return ENG_OK;
}

static bool append_entry(wts_writer *w, const char *name, const char *dtype, size_t ndim, const size_t *shape,
                         size_t bytes)
{
    text *t = &w->header;
    bool done = append_string(t, ",") && append_quoted(t, name) && append_string(t, ":{\"dtype\":\"") &&
                append_string(t, dtype) && append_string(t, "\",\"shape\":[");
    for (size_t i = 0; done && i < ndim; i++) done = (i == 0 || append_string(t, ",")) && append_number(t, shape[i]);
    return done && append_string(t, "],\"data_offsets\":[") && append_number(t, w->data_size) &&
           append_string(t, ",") && append_number(t, w->data_size + bytes) && append_string(t, "]}");
}

eng_status wts_writer_begin(wts_writer *w, const char *name, wts_dtype dtype, size_t ndim, const size_t *shape,
                            eng_error *err)
{
    const char *type = dtype_name(dtype);
    size_t bytes = wts_dtype_size(dtype), end;
    if (w->tensor_left || w->complete)
        return eng_fail(err, ENG_E_USAGE, "%s: tensor %s begins %s", w->path, name,
                        w->complete ? "in a complete file" : "inside another");
    if (!type || ndim > WTS_MAX_DIMS || strcmp(name, "__metadata__") == 0 || strlen(name) > MAX_NAME ||
        !wts_utf8_valid(name, strlen(name)))
        return eng_fail(err, ENG_E_USAGE, "%s: tensor %.200s cannot be written: its name, dtype or dimensions", w->path,
                        name);
    bool fits = true;
    for (size_t i = 0; i < ndim; i++) fits = fits && eng_mul_size(bytes, shape[i], &bytes);
    if (!fits || !eng_add_size(w->data_size, bytes, &end) || end > INT64_MAX / 2)
        return eng_fail(err, ENG_E_USAGE, "%s: the size of tensor %s overflows", w->path, name);
    eng_status status = keep_name(w, name, err);
    if (status == ENG_OK && !append_entry(w, name, type, ndim, shape, bytes)) status = fail_memory(w, err);
    if (status == ENG_OK) w->tensor_left = bytes;
    return status;
}

eng_status wts_writer_append(wts_writer *w, const void *data, size_t bytes, eng_error *err)
{
    const unsigned char *p = data;
    if (bytes > w->tensor_left)
        return eng_fail(err, ENG_E_USAGE, "%s: %zu bytes too many for the tensor", w->path, bytes - w->tensor_left);
    while (bytes) {
        size_t n = BUFFER - w->buffered < bytes ? BUFFER - w->buffered : bytes;
        memcpy(w->buffer + w->buffered, p, n);
        w->buffered += n;
        w->data_size += n;
        w->tensor_left -= n;
        p += n;
        bytes -= n;
        eng_status status = w->buffered == BUFFER ? flush(w, err) : ENG_OK;
        if (status != ENG_OK) return status;
    }
    return ENG_OK;
}

eng_status wts_writer_add(wts_writer *w, const char *name, wts_dtype dtype, size_t ndim, const size_t *shape,
                          const void *data, eng_error *err)
{
    size_t bytes = 0;
    eng_status status = wts_writer_begin(w, name, dtype, ndim, shape, err);
    if (status == ENG_OK) bytes = w->tensor_left;
    return status == ENG_OK ? wts_writer_append(w, data, bytes, err) : status;
}
