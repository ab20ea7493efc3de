#include "weights/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static eng_status map_open_file(int fd, const char *path, wts_mapping *m, eng_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return eng_fail(err, ENG_E_IO, "%s: cannot stat: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return eng_fail(err, ENG_E_IO, "%s: is a folder, not a checkpoint file", path);
    if (!S_ISREG(info.st_mode)) return eng_fail(err, ENG_E_IO, "%s: not a regular file, so it cannot be mapped", path);
    if ((uintmax_t)info.st_size > SIZE_MAX / 2) return eng_fail(err, ENG_E_IO, "%s: too large to map here", path);
    m->size = (size_t)info.st_size;
    m->data = (const unsigned char *)"";
    if (m->size == 0) return ENG_OK; /* mmap refuses empty files */
    void *data = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return eng_fail(err, ENG_E_IO, "%s: cannot map %zu bytes: %s", path, m->size, strerror(errno));
    m->data = data;
    m->mapped = true;
    return ENG_OK;
}

eng_status wts_mapping_open(const char *path, wts_mapping *m, eng_error *err)
{
    *m = (wts_mapping){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hang */
    if (fd < 0)
        return eng_fail(err, errno == ENOENT ? ENG_E_MISSING : ENG_E_IO, "%s: cannot open: %s", path, strerror(errno));
    eng_status status = map_open_file(fd, path, m, err);
    if (status != ENG_OK) *m = (wts_mapping){0};
    close(fd);
    return status;
}

void wts_mapping_close(wts_mapping *m)
{
    /* munmap takes a writable pointer but writes nothing */
    if (m->mapped) munmap((void *)(uintptr_t)m->data, m->size);
    *m = (wts_mapping){0};
}
