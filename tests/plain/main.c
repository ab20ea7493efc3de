/* The programs of the tests. */
#include <stdio.h>
#include <string.h>

#include "tests/plain/plain.h"

int main(int argc, char **argv)
{
    if (argc == 1) return plain_finish(plain_run("*"));
    if (argc == 3 && strcmp(argv[1], "--filter") == 0) return plain_finish(plain_run(argv[2]));
    fprintf(stderr, "usage: %s [--filter SUITE/NAME]\n", argv[0]);
    return 2;
}
