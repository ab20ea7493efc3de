#include "weights/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"

/* folder/name on the heap. */
static char *join(const char *folder, const char *name)
{
    size_t a = strlen(folder), b = strlen(name);
    bool slash = a && folder[a - 1] != '/';
    char *path = eng_alloc(a + slash + b + 1, 1);
    if (!path) return NULL;
    memcpy(path, folder, a);
    if (slash) path[a] = '/';
    memcpy(path + a + slash, name, b + 1);
    return path;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* *path: folder/name if that is a file, else NULL. */
static eng_status find_file(const char *folder, const char *name, char **path, eng_error *err)
{
    *path = join(folder, name);
    if (!*path) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", folder);
    if (!is_file(*path)) {
        eng_free(*path);
        *path = NULL;
    }
    return ENG_OK;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), n = strlen(ending);
    return length > n && strcmp(name + length - n, ending) == 0;
}

static bool looks_like_checkpoint(const char *name)
{
    static const char *const endings[] = {".safetensors", ".pt", ".pth", ".bin"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        /* training_args.bin, which Hugging Face's trainer leaves beside the weights, holds none */
        if (ends_with(name, endings[i])) return strcmp(name, "training_args.bin") != 0;
    return false;
}

/* Takes the folder's only file that looks like a checkpoint. *path NULL: there is none. */
static eng_status find_only(const char *folder, char **path, eng_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return eng_fail(err, ENG_E_IO, "%s: cannot list the folder: %s", folder, strerror(errno));
    eng_status status = ENG_OK;
    *path = NULL;
    for (struct dirent *entry; status == ENG_OK && (entry = readdir(dir));) {
        char *found = NULL;
        if (!looks_like_checkpoint(entry->d_name)) continue;
        status = find_file(folder, entry->d_name, &found, err);
        if (found && *path) {
            status = eng_fail(err, ENG_E_MISMATCH, "%s: holds several checkpoints (%s and %s): give the file instead",
                              folder, strrchr(*path, '/') + 1, entry->d_name);
            eng_free(found);
        } else if (found) {
            *path = found;
        }
    }
    closedir(dir);
    return status;
}

static eng_status find_checkpoint(wts_folder *f, eng_error *err)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    eng_status status = ENG_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == ENG_OK && !f->checkpoint; i++)
        status = find_file(f->path, names[i], &f->checkpoint, err);
    if (status == ENG_OK && !f->checkpoint) status = find_only(f->path, &f->checkpoint, err);
    return status;
}

static eng_status fail_empty(const wts_folder *f, eng_error *err)
{
    return eng_fail(err, ENG_E_MISSING,
                    "%s: no checkpoint in this folder (looked for model.safetensors, model.safetensors.index.json, "
                    "pytorch_model.bin, or one *.safetensors, *.pt, *.pth or *.bin)",
                    f->path);
}

/* A folder with such a file was not meant to be without weights. */
static eng_status check_bare(const char *folder, eng_error *err)
{
    static const char *const endings[] = {".part",    ".incomplete", ".crdownload", ".h5",
                                          ".msgpack", ".ckpt",       ".onnx",       ".gguf"};
    DIR *dir = opendir(folder);
    if (!dir) return eng_fail(err, ENG_E_IO, "%s: cannot list the folder: %s", folder, strerror(errno));
    eng_status status = ENG_OK;
    for (struct dirent *entry; status == ENG_OK && (entry = readdir(dir));)
        for (size_t i = 0; i < sizeof endings / sizeof *endings && status == ENG_OK; i++)
            if (ends_with(entry->d_name, endings[i]))
                status = eng_fail(err, ENG_E_UNSUPPORTED,
                                  "%s: no checkpoint that can be read, but %s, which is %s", folder, entry->d_name,
                                  i < 3 ? "unfinished" : "of another format");
    closedir(dir);
    return status;
}

/* "a/b.pt" -> "a", "b.pt" -> ".", "/b.pt" -> "/". */
static char *parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return eng_strdup(".");
    char *copy = eng_strdup(path);
    if (copy) copy[slash == path ? 1 : slash - path] = '\0';
    return copy;
}

static eng_status resolve(const char *path, wts_folder *f, eng_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return eng_fail(err, errno == ENOENT || errno == ENOTDIR ? ENG_E_MISSING : ENG_E_IO, "%s: %s", path,
                        strerror(errno));
    bool folder = S_ISDIR(info.st_mode);
    f->path = folder ? eng_strdup(path) : parent(path);
    f->checkpoint = folder ? NULL : eng_strdup(path);
    if (!f->path || (!folder && !f->checkpoint)) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    eng_status status = folder ? find_checkpoint(f, err) : ENG_OK;
    if (status == ENG_OK) status = find_file(f->path, "config.json", &f->config, err);
    if (status == ENG_OK) status = find_file(f->path, "preprocessor_config.json", &f->preprocessor, err);
    return status;
}

eng_status wts_folder_resolve(const char *path, wts_folder *f, eng_error *err)
{
    *f = (wts_folder){0};
    eng_status status = resolve(path, f, err);
    if (status == ENG_OK && !f->checkpoint) status = fail_empty(f, err);
    if (status != ENG_OK) wts_folder_fini(f);
    return status;
}

eng_status wts_folder_find(const char *path, wts_folder *f, eng_error *err)
{
    *f = (wts_folder){0};
    eng_status status = resolve(path, f, err);
    if (status == ENG_OK && !f->checkpoint) status = f->config ? check_bare(f->path, err) : fail_empty(f, err);
    if (status != ENG_OK) wts_folder_fini(f);
    return status;
}

eng_status wts_folder_open(const wts_folder *f, wts_checkpoint *c, eng_error *err)
{
    return wts_checkpoint_open(f->checkpoint, c, err);
}

void wts_folder_fini(wts_folder *f)
{
    eng_free(f->path);
    eng_free(f->checkpoint);
    eng_free(f->config);
    eng_free(f->preprocessor);
    *f = (wts_folder){0};
}
