#include "model/audio/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/memory.h"

enum { READ_STEP = 1 << 16 };

void mdl_source_init_memory(mdl_source *s, const char *name, const void *bytes, size_t size)
{
    *s = (mdl_source){.name = name, .size = size, .file = -1, .bytes = bytes, .there = size};
}

void mdl_source_init_file(mdl_source *s, const char *name, int file, uint64_t size)
{
    *s = (mdl_source){.name = name, .size = size, .file = file};
}

void mdl_source_init_pipe(mdl_source *s, const char *name, mdl_source_more *more, void *from)
{
    *s = (mdl_source){.name = name, .size = UINT64_MAX, .file = -1, .more = more, .from = from};
}

static void let_go(mdl_source *s)
{
    eng_free(s->held);
    s->held = NULL;
    s->bytes = NULL;
    s->there = s->room = 0;
}

void mdl_source_fini(mdl_source *s)
{
    let_go(s);
}

eng_status mdl_source_descriptor(void *from, void *out, size_t room, size_t *got, eng_error *err)
{
    int fd = *(const int *)from;
    ssize_t n;
    while ((n = read(fd, out, room)) < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return eng_fail(err, ENG_E_IO, "cannot read: %s", strerror(errno));
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1); /* somebody made it non-blocking */
    }
    *got = (size_t)n;
    return ENG_OK;
}

/* Takes more of a pipe to `out`; at its end its size is known. */
static eng_status take_more(mdl_source *s, void *out, size_t room, size_t *got, eng_error *err)
{
    *got = 0;
    if (s->size != UINT64_MAX) return ENG_OK;
    eng_status status = s->more(s->from, out, room, got, err);
    if (status) return eng_fail_prefix(err, "%s", s->name);
    s->came += *got;
    if (*got == 0) s->size = s->came;
    return ENG_OK;
}

/* Room for more of what is held. */
static eng_status make_room(mdl_source *s, eng_error *err)
{
    if (s->there < s->room) return ENG_OK;
    if (s->there == MDL_SOURCE_HELD)
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: expected audio and its format among the first %d bytes of a pipe, as no more are kept; "
                        "a file may have them in any place",
                        s->name, MDL_SOURCE_HELD);
    size_t room = s->room ? 2 * s->room : READ_STEP;
    if (room > MDL_SOURCE_HELD) room = MDL_SOURCE_HELD;
    unsigned char *grown = eng_grow(s->held, s->there, room, 1);
    if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory after %zu bytes", s->name, s->there);
    s->bytes = s->held = grown;
    s->room = room;
    return ENG_OK;
}

eng_status mdl_source_reach(mdl_source *s, uint64_t end, eng_error *err)
{
    if (!s->more || s->released) return ENG_OK;
    while (s->came < end && s->size == UINT64_MAX) {
        size_t got;
        eng_status status = make_room(s, err);
        if (!status) status = take_more(s, s->held + s->there, s->room - s->there, &got, err);
        if (status) return status;
        s->there += got;
    }
    return ENG_OK;
}

eng_status mdl_source_seek(mdl_source *s, uint64_t at, eng_error *err)
{
    eng_status status = mdl_source_reach(s, at, err);
    if (!status) s->at = at;
    return status;
}

static eng_status read_file(mdl_source *s, void *out, size_t room, size_t *got, eng_error *err)
{
    *got = 0;
    if (s->at >= s->size) return ENG_OK;
    if (room > s->size - s->at) room = (size_t)(s->size - s->at);
    ssize_t n;
    do n = pread(s->file, out, room, (off_t)s->at);
    while (n < 0 && errno == EINTR);
    if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", s->name, strerror(errno));
    if (n == 0)
        return eng_fail(err, ENG_E_IO, "%s: shrank while it was read: it had %llu bytes, and ends after %llu now",
                        s->name, (unsigned long long)s->size, (unsigned long long)s->at);
    *got = (size_t)n;
    s->at += *got;
    return ENG_OK;
}

eng_status mdl_source_read(mdl_source *s, void *out, size_t room, size_t *got, eng_error *err)
{
    if (s->file >= 0) return read_file(s, out, room, got, err);
    *got = 0;
    eng_status status = s->at < UINT64_MAX ? mdl_source_reach(s, s->at + 1, err) : ENG_OK;
    if (status) return status;
    if (s->at < s->there) {
        size_t left = s->there - (size_t)s->at;
        *got = room < left ? room : left;
        memcpy(out, s->bytes + s->at, *got);
        s->at += *got;
        if (s->released && s->at == s->there) let_go(s);
        return ENG_OK;
    }
    if (!s->released) return ENG_OK;
    status = take_more(s, out, room, got, err);
    s->at += *got;
    return status;
}

eng_status mdl_source_take(mdl_source *s, void *out, size_t size, size_t *got, eng_error *err)
{
    unsigned char *p = out;
    *got = 0;
    for (size_t n = 1; *got < size && n; *got += n) {
        eng_status status = mdl_source_read(s, p + *got, size - *got, &n, err);
        if (status) return status;
    }
    return ENG_OK;
}

void mdl_source_release(mdl_source *s)
{
    if (!s->more) return;
    s->released = true;
    if (s->at >= s->there) let_go(s);
}

/* ---- A pipe as a file ---- */

/* Writes all of it; false with errno. */
static bool write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* A file without a name on a disk; -1 when there can be none. */
static int file_on_disk(void)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/tmp";
    return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* What *file holds moves to a file on a disk, where there can be one; else it stays. */
static eng_status move_to_disk(int *file, unsigned char *block)
{
    int disk = file_on_disk();
    if (disk < 0) return ENG_OK;
    ssize_t n;
    off_t at = 0;
    while ((n = pread(*file, block, READ_STEP, at)) > 0 && write_all(disk, block, (size_t)n)) at += n;
    close(n == 0 ? *file : disk);
    if (n == 0) *file = disk;
    return n == 0 ? ENG_OK : ENG_E_IO;
}

/* The rest of a pipe behind what is held, which *file holds. */
static eng_status spool_rest(mdl_source *s, int *file, eng_error *err)
{
    enum { STEP = 2 * READ_STEP };
    unsigned char *block = eng_alloc(STEP, 1);
    if (!block) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", s->name);
    eng_status status = ENG_OK;
    bool moved = false;
    for (size_t got = 1; got && !status;) {
        status = take_more(s, block, READ_STEP, &got, err);
        if (status) break;
        if (!moved && s->came > MDL_SOURCE_HELD) {
            status = move_to_disk(file, block + READ_STEP);
            moved = true;
        }
        if (status || !write_all(*file, block, got))
            status = eng_fail(err, ENG_E_IO, "%s: cannot keep it for ffmpeg: %s", s->name, strerror(errno));
    }
    eng_free(block);
    return status;
}

eng_status mdl_source_spool(mdl_source *s, int *file, eng_error *err)
{
    *file = memfd_create("audio", MFD_CLOEXEC);
    if (*file < 0) return eng_fail(err, ENG_E_IO, "%s: cannot hand it to ffmpeg: %s", s->name, strerror(errno));
    eng_status status = ENG_OK;
    if (!write_all(*file, s->bytes, s->there))
        status = eng_fail(err, ENG_E_IO, "%s: cannot hand it to ffmpeg: %s", s->name, strerror(errno));
    let_go(s);
    if (!status) status = spool_rest(s, file, err);
    if (status) {
        close(*file);
        *file = -1;
    }
    return status;
}
