#include "tools/common/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"

enum { READ_STEP = 1 << 16 };

static eng_status read_all(int fd, const char *path, size_t most, char **text, size_t *size, eng_error *err)
{
    size_t room = 0;
    for (;;) {
        if (most && *size > most) return eng_fail(err, ENG_E_FORMAT, "%s: more than %zu bytes, which no such file has", path, most);
        if (room - *size < 2) {
            size_t more = room ? 2 * room : READ_STEP;
            char *grown = eng_grow(*text, *size, more, 1);
            if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory after %zu bytes", path, *size);
            *text = grown;
            room = more;
        }
        ssize_t n = read(fd, *text + *size, room - *size - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0) break;
        *size += (size_t)n;
    }
    (*text)[*size] = 0;
    return ENG_OK;
}

eng_status tool_whole_file_read(const char *path, size_t most, char **text, size_t *size, eng_error *err)
{
    *text = NULL;
    *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return eng_fail(err, errno == ENOENT ? ENG_E_MISSING : ENG_E_IO, "%s: cannot open: %s", path, strerror(errno));
    eng_status status = read_all(fd, path, most, text, size, err);
    close(fd);
    if (status) {
        eng_free(*text);
        *text = NULL;
    }
    return status;
}
