#include "tools/common/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/memory.h"

/* write without SIGPIPE: a signal that this call caused is taken back before anyone sees it. */
static ssize_t write_quietly(int fd, const char *bytes, size_t size)
{
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t n = write(fd, bytes, size);
    int saved = errno;
    if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE)) {
        const struct timespec now = {0, 0};
        while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR) continue;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return n;
}

eng_status tool_part_file_write(tool_part_file *f, const char *bytes, size_t size, eng_error *err)
{
    while (size) {
        ssize_t n = write_quietly(f->fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->name, strerror(errno));
        bytes += n;
        size -= (size_t)n;
    }
    return ENG_OK;
}

eng_status tool_part_file_name(tool_part_file *f, const char *path, eng_error *err)
{
    *f = (tool_part_file){.fd = -1};
    f->is_stdout = !path || strcmp(path, "-") == 0;
    f->name = eng_strdup(f->is_stdout ? "standard output" : path);
    if (!f->name) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    struct stat info;
    bool exists = !f->is_stdout && stat(path, &info) == 0;
    if (f->is_stdout || (exists && !S_ISREG(info.st_mode))) return ENG_OK;
    char buffer[PATH_MAX];
    char *target = exists ? realpath(path, buffer) : NULL; /* a link stays one: the file behind it is replaced */
    f->final = eng_strdup(target ? target : path);
    size_t size = f->final ? strlen(f->final) + sizeof ".part" : 0;
    f->part = eng_alloc(size, 1);
    if (!f->final || !f->part) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    snprintf(f->part, size, "%s.part", f->final);
    return ENG_OK;
}

/* FILE.part opened, and this program's alone: another that writes it (a job that was queued again while the first still
 * runs) would mix its bytes with ours. Where a file system knows no locks there is none. */
static eng_status open_part(tool_part_file *f, int flags, eng_error *err)
{
    struct stat ours, there;
    f->fd = open(f->part, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (f->fd < 0) return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->part, strerror(errno));
    bool taken = flock(f->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    bool renamed = fstat(f->fd, &ours) != 0 || stat(f->part, &there) != 0 || ours.st_ino != there.st_ino;
    if (!taken && !renamed) return ENG_OK;
    close(f->fd);
    f->fd = -1;
    return eng_fail(err, ENG_E_IO, "%s: another program is writing it", f->part);
}

eng_status tool_part_file_open(tool_part_file *f, const char *path, eng_error *err)
{
    eng_status status = tool_part_file_name(f, path, err);
    if (status) return status;
    if (f->is_stdout) {
        f->fd = STDOUT_FILENO;
        return ENG_OK;
    }
    if (f->part) {
        status = open_part(f, O_CREAT, err);
        if (!status && ftruncate(f->fd, 0) != 0)
            status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->part, strerror(errno));
        return status;
    }
    f->fd = open(path, O_WRONLY | O_CLOEXEC);
    return f->fd < 0 ? eng_fail(err, ENG_E_IO, "%s: cannot write: %s", path, strerror(errno)) : ENG_OK;
}

/* FILE's first `keep` bytes into FILE.part. */
static eng_status copy_final(tool_part_file *f, uint64_t keep, eng_error *err)
{
    enum { STEP = 1 << 16 };
    int from = open(f->final, O_RDONLY | O_CLOEXEC);
    if (from < 0) return eng_fail(err, ENG_E_IO, "%s: cannot open: %s", f->final, strerror(errno));
    char *block = eng_alloc(STEP, 1);
    eng_status status = block ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s: out of memory", f->name);
    while (keep && !status) {
        ssize_t n = read(from, block, keep < STEP ? (size_t)keep : STEP);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = eng_fail(err, ENG_E_IO, "%s: cannot read: %s", f->final, strerror(errno));
        else if (n == 0) status = eng_fail(err, ENG_E_IO, "%s: shrank while it was read", f->final);
        else status = tool_part_file_write(f, block, (size_t)n, err);
        keep -= n > 0 ? (uint64_t)n : 0;
    }
    eng_free(block);
    close(from);
    return status;
}

eng_status tool_part_file_continue(tool_part_file *f, const char *path, uint64_t keep, bool complete, eng_error *err)
{
    eng_status status = tool_part_file_name(f, path, err);
    if (status) return status;
    if (!f->part) return eng_fail(err, ENG_E_USAGE, "%s: is no file that could be gone on with", f->name);
    status = open_part(f, complete ? O_CREAT : 0, err);
    if (status) return status;
    if (complete && ftruncate(f->fd, 0) != 0) return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->part, strerror(errno));
    if (complete) return copy_final(f, keep, err);
    struct stat info;
    if (fstat(f->fd, &info) != 0 || info.st_size < 0 || (uint64_t)info.st_size < keep)
        return eng_fail(err, ENG_E_IO, "%s: shrank after it was read", f->part);
    if (ftruncate(f->fd, (off_t)keep) != 0 || lseek(f->fd, 0, SEEK_END) < 0)
        return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->part, strerror(errno));
    return ENG_OK;
}

eng_status tool_part_file_close(tool_part_file *f, eng_error *err)
{
    eng_status status = ENG_OK;
    if (f->final && fsync(f->fd) != 0 && errno != EINVAL)
        status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->part, strerror(errno));
    if (!f->is_stdout) {
        int failed = close(f->fd);
        f->fd = -1;
        if (failed && !status) status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", f->name, strerror(errno));
    }
    if (!status && f->final && rename(f->part, f->final) != 0)
        status = eng_fail(err, ENG_E_IO, "%s: cannot rename to %s: %s", f->part, f->final, strerror(errno));
    tool_part_file_abandon(f);
    return status;
}

void tool_part_file_abandon(tool_part_file *f)
{
    if (f->fd >= 0 && !f->is_stdout) close(f->fd);
    eng_free(f->name);
    eng_free(f->final);
    eng_free(f->part);
    *f = (tool_part_file){.fd = -1};
}
