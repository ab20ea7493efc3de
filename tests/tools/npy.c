/* .npy files: to the byte, and what cannot be one. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/npy.h"

TestSuite(npy, .init = support_enter, .fini = support_leave);

static size_t read_file(const char *path, unsigned char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "no %s", path);
    size_t n = fread(bytes, 1, room, f);
    fclose(f);
    return n;
}

Test(npy, bytes)
{
    static const float rows[2][3] = {{1, -2.5f, 0}, {1e-6f, 3, 65536}};
    static const unsigned char want[24] = {0,    0,    0x80, 0x3F, 0, 0, 0x20, 0xC0, 0, 0, 0,    0,
                                           0xBD, 0x37, 0x86, 0x35, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x47};
    tool_npy *n;
    eng_error err;
    unsigned char bytes[512];
    cr_assert_eq(tool_npy_open("e.npy", 3, &n, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < 2; i++) cr_assert_eq(tool_npy_add(n, rows[i], &err), ENG_OK);
    cr_assert_neq(access("e.npy", F_OK), 0);
    cr_assert_eq(access("e.npy.part", F_OK), 0);
    cr_assert_eq(tool_npy_close(n, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(read_file("e.npy", bytes, sizeof bytes), 128u + sizeof want);
    cr_assert_neq(access("e.npy.part", F_OK), 0);
    static const char head[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    cr_assert(memcmp(bytes, head, sizeof head - 1) == 0);
    for (size_t i = sizeof head - 1; i < 127; i++) cr_assert_eq(bytes[i], ' ');
    cr_assert_eq(bytes[127], '\n');
    cr_assert(memcmp(bytes + 128, want, sizeof want) == 0);
}

Test(npy, without_rows)
{
    tool_npy *n;
    eng_error err;
    unsigned char bytes[512];
    cr_assert_eq(tool_npy_open("e.npy", 768, &n, &err), ENG_OK);
    cr_assert_eq(tool_npy_close(n, &err), ENG_OK);
    cr_assert_eq(read_file("e.npy", bytes, sizeof bytes), 128u);
    cr_assert_not_null(strstr((char *)bytes + 10, "'shape': (0, 768), }"));
}

Test(npy, given_up)
{
    tool_npy *n;
    eng_error err;
    const float row[1] = {1};
    cr_assert_eq(tool_npy_open("e.npy", 1, &n, &err), ENG_OK);
    cr_assert_eq(tool_npy_add(n, row, &err), ENG_OK);
    tool_npy_abandon(n);
    tool_npy_abandon(NULL);
    cr_assert_neq(access("e.npy", F_OK), 0);
    cr_assert_eq(access("e.npy.part", F_OK), 0);
}

Test(npy, what_cannot_be_one)
{
    tool_npy *n;
    eng_error err;
    cr_assert_eq(mkfifo("pipe", 0600), 0); /* is not opened, which would wait for a reader */
    const char *const paths[] = {"-", "pipe", "/dev/null"};
    const char *const names[] = {"standard output", "pipe", "/dev/null"};
    for (size_t i = 0; i < 3; i++) {
        char message[128];
        snprintf(message, sizeof message,
                 "%s: a .npy file has its number of rows at its beginning; expected a regular file", names[i]);
        cr_assert_eq(tool_npy_open(paths[i], 1, &n, &err), ENG_E_USAGE);
        cr_assert_str_eq(err.message, message);
        cr_assert_null(n);
    }
    cr_assert_eq(tool_npy_open("nowhere/e.npy", 1, &n, &err), ENG_E_IO);
    cr_assert_str_eq(err.message, "nowhere/e.npy.part: cannot write: No such file or directory");
    cr_assert_eq(tool_npy_open("e.npy", SIZE_MAX / 2, &n, &err), ENG_E_MEMORY);
}
