/* Files that are no checkpoint, though people take them for one: what they are and what to do. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weights/store.h"

typedef struct signature {
    size_t at;
    const char *bytes;
    size_t length;
    const char *what;
} signature;

#define RESAVE "re-save it in Python: torch.save(torch.load(FILE, map_location=\"cpu\"), NEW) with torch 1.6 or later"
#define UNPACK "unpack it and give the checkpoint inside"

/* The more particular ones come first. The pickled magic number of torch's legacy format is 0x1950a86a20f9469cfc6c. */
static const signature signatures[] = {
    {0, "version https://git-lfs", 23,
     "a Git-LFS pointer, not the checkpoint itself: run \"git lfs pull\" in the repository, or download the file"},
    {2, "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12, "a torch file in the legacy (non-zip) format: " RESAVE},
    {0, "\x80\x02", 2, "a bare pickle, not a checkpoint: " RESAVE},
    {0, "\x80\x03", 2, "a bare pickle, not a checkpoint: " RESAVE},
    {0, "\x80\x04", 2, "a bare pickle, not a checkpoint: " RESAVE},
    {0, "\x80\x05", 2, "a bare pickle, not a checkpoint: " RESAVE},
    {257, "ustar", 5, "a tar archive: " UNPACK},
    {0, "\x1f\x8b", 2, "a gzip archive: " UNPACK},
    {0, "BZh", 3, "a bzip2 archive: " UNPACK},
    {0, "\xfd" "7zXZ", 5, "an xz archive: " UNPACK},
    {0, "7z\xbc\xaf\x27\x1c", 6, "a 7z archive: " UNPACK},
    {0, "\x28\xb5\x2f\xfd", 4, "a zstd archive: " UNPACK},
    {0, "Rar!", 4, "a rar archive: " UNPACK},
    {0, "PK\5\6", 4, "an empty zip archive"},
    {0, "GGUF", 4, "a GGUF file: a safetensors or torch checkpoint is needed"},
    {0, "\x89HDF\r\n\x1a\n", 8, "an HDF5 file (Keras?): a safetensors or torch checkpoint is needed"},
    {0, "\x93NUMPY", 6, "a NumPy array: a safetensors or torch checkpoint is needed"},
    {4, "TFL3", 4, "a TensorFlow Lite model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x03\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x04\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x05\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x06\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x07\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x08\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x09\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "\x08\x0a\x12", 3, "an ONNX model: a safetensors or torch checkpoint is needed"},
    {0, "RIFF", 4, "an audio file: the model and the input are mixed up"},
    {0, "fLaC", 4, "an audio file: the model and the input are mixed up"},
    {0, "OggS", 4, "an audio file: the model and the input are mixed up"},
    {0, "ID3", 3, "an audio file: the model and the input are mixed up"},
};

/* The first bytes in hexadecimal. */
static void describe_bytes(const wts_mapping *m, char *out, size_t size)
{
    size_t n = m->size < 8 ? m->size : 8, at = 0;
    for (size_t i = 0; i < n && at + 4 < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%02x", i ? " " : "", m->data[i]);
}

static bool begins_markup(const wts_mapping *m)
{
    static const char *const heads[] = {"<!doctype", "<html", "<?xml", "<head"};
    size_t at = 0;
    while (at < m->size && m->data[at] && strchr(" \t\r\n", m->data[at])) at++;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t n = strlen(heads[i]);
        if (m->size - at >= n && strncasecmp((const char *)m->data + at, heads[i], n) == 0) return true;
    }
    return false;
}

eng_status wts_fail_foreign(const char *path, const wts_mapping *m, eng_error *err)
{
    if (m->size == 0) return eng_fail(err, ENG_E_FORMAT, "%s: the file is empty", path);
    if (begins_markup(m))
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: an HTML page, not a checkpoint: the download went to a web page (log-in or error?)", path);
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (m->size >= s->at + s->length && memcmp(m->data + s->at, s->bytes, s->length) == 0)
            return eng_fail(err, ENG_E_UNSUPPORTED, "%s: %s", path, s->what);
    }
    char bytes[32] = "";
    describe_bytes(m, bytes, sizeof bytes);
    return eng_fail(err, ENG_E_FORMAT, "%s: neither safetensors nor a torch zip archive (%zu bytes, the first are %s)",
                    path, m->size, bytes);
}
