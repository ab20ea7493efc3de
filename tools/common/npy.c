/* The format: numpy/lib/format.py, "Format Version 1.0": \x93NUMPY, 1, 0, the length of the header in 16 bits, the header, a
 * Python dict padded with spaces so that the data begin at a multiple of 64, and a line's end. */
#include "tools/common/npy.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tools/common/part_file.h"

enum { HEAD = 128, PREFIX = 10 }; /* the longest header, with two numbers of 20 digits, has 108 bytes */

struct tool_npy {
    tool_part_file file;
    size_t width, rows;
    unsigned char *bytes; /* [4 width]: a row */
};

static void build_head(char head[HEAD], size_t rows, size_t width)
{
    memcpy(head, "\x93NUMPY\x01\x00\x00\x00", PREFIX);
    head[8] = HEAD - PREFIX;
    memset(head + PREFIX, ' ', HEAD - PREFIX);
    char text[HEAD];
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, width);
    memcpy(head + PREFIX, text, (size_t)n);
    head[HEAD - 1] = '\n';
}

eng_status tool_npy_open(const char *path, size_t width, tool_npy **out, eng_error *err)
{
    *out = NULL;
    tool_npy *n = eng_alloc_zero(1, sizeof *n);
    if (!n) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    n->file.fd = -1;
    n->width = width;
    char head[HEAD];
    build_head(head, 0, width);
    eng_status status = ENG_OK;
    size_t size;
    n->bytes = eng_mul_size(width, 4, &size) ? eng_alloc(size, 1) : NULL;
    if (!n->bytes) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    if (!status) status = tool_part_file_name(&n->file, path, err);
    if (!status && !n->file.part)
        status = eng_fail(err, ENG_E_USAGE, "%s: a .npy file has its number of rows at its beginning; expected a regular file",
                          n->file.name);
    tool_part_file_abandon(&n->file);
    if (!status) status = tool_part_file_open(&n->file, path, err);
    if (!status) status = tool_part_file_write(&n->file, head, HEAD, err);
    if (status)
        tool_npy_abandon(n);
    else
        *out = n;
    return status;
}

eng_status tool_npy_add(tool_npy *n, const float *row, eng_error *err)
{
    for (size_t i = 0; i < n->width; i++) {
        uint32_t bits;
        memcpy(&bits, row + i, sizeof bits);
        for (size_t b = 0; b < 4; b++) n->bytes[4 * i + b] = (unsigned char)(bits >> 8 * b);
    }
    n->rows++;
    return tool_part_file_write(&n->file, (const char *)n->bytes, 4 * n->width, err);
}

eng_status tool_npy_close(tool_npy *n, eng_error *err)
{
    char head[HEAD];
    build_head(head, n->rows, n->width);
    eng_status status = ENG_OK;
    if (lseek(n->file.fd, 0, SEEK_SET) < 0)
        status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", n->file.name, strerror(errno));
    if (!status) status = tool_part_file_write(&n->file, head, HEAD, err);
    if (!status) status = tool_part_file_close(&n->file, err);
    tool_npy_abandon(n);
    return status;
}

void tool_npy_abandon(tool_npy *n)
{
    if (!n) return;
    tool_part_file_abandon(&n->file);
    eng_free(n->bytes);
    eng_free(n);
}
