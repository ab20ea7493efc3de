#include "tools/common/folder.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct walk {
    eng_arena *strings;
    bool (*wanted)(const char *name);
    eng_status (*found)(void *arg, const char *path, eng_error *err);
    void *arg;
    const char **folders; /* [count]: still to be read; room is the powers of two */
    size_t count;
} walk;

char *tool_folder_join(eng_arena *strings, const char *folder, size_t length, const char *name)
{
    size_t name_size = strlen(name) + 1;
    bool slash = length && folder[length - 1] != '/';
    char *path = eng_arena_alloc(strings, length + slash + name_size, 1);
    if (!path) return NULL;
    memcpy(path, folder, length);
    if (slash) path[length] = '/';
    memcpy(path + length + slash, name, name_size);
    return path;
}

static bool push(walk *w, const char *folder)
{
    if (!(w->count & (w->count - 1))) {
        const char **grown = eng_grow(w->folders, w->count, w->count ? 2 * w->count : 1, sizeof *grown);
        if (!grown) return false;
        w->folders = grown;
    }
    w->folders[w->count++] = folder;
    return true;
}

static eng_status take_entry(walk *w, const char *folder, const char *name, eng_error *err)
{
    if (name[0] == '.') return ENG_OK;
    char *path = tool_folder_join(w->strings, folder, strlen(folder), name);
    if (!path) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", folder);
    struct stat own, target;
    if (lstat(path, &own) != 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", path, strerror(errno));
    if (S_ISDIR(own.st_mode)) return push(w, path) ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s: out of memory", folder);
    bool file = S_ISREG(own.st_mode) || (S_ISLNK(own.st_mode) && (stat(path, &target) != 0 || S_ISREG(target.st_mode)));
    return file && w->wanted(name) ? w->found(w->arg, path, err) : ENG_OK;
}

static eng_status read_folder(walk *w, const char *folder, eng_error *err)
{
    DIR *d = opendir(folder);
    if (!d) return eng_fail(err, ENG_E_IO, "%s: cannot read this folder: %s", folder, strerror(errno));
    eng_status status = ENG_OK;
    while (!status) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            if (errno) status = eng_fail(err, ENG_E_IO, "%s: cannot read this folder: %s", folder, strerror(errno));
            break;
        }
        status = take_entry(w, folder, e->d_name, err);
    }
    closedir(d);
    return status;
}

eng_status tool_folder_walk(const char *folder, eng_arena *strings, bool (*wanted)(const char *name),
                            eng_status (*found)(void *arg, const char *path, eng_error *err), void *arg, eng_error *err)
{
    walk w = {.strings = strings, .wanted = wanted, .found = found, .arg = arg};
    eng_status status = read_folder(&w, folder, err);
    while (!status && w.count) status = read_folder(&w, w.folders[--w.count], err);
    eng_free(w.folders);
    return status;
}
