/* Runs the tests of a program that was built against criterion/criterion.h of this folder, each in a process of its
 * own. A test has passed when its process came to the end of it: after a failed check, a signal or an exit() it has
 * not. */
#ifndef TESTS_PLAIN_PLAIN_H
#define TESTS_PLAIN_PLAIN_H

#include <stddef.h>

typedef struct plain_sum {
    size_t passed, failed, skipped; /* tests */
} plain_sum;

/* Runs the tests whose "suite/name" is like the pattern of fnmatch, in the order of their definition; why one failed is
 * said on stderr. */
plain_sum plain_run(const char *pattern);

/* Prints "N passed, N failed[, N skipped]", which tests/run.sh reads, and gives main's exit status: 0 when nothing
 * failed and something passed, 77 (as meson has it) when all were skipped, else 1. */
int plain_finish(plain_sum s);

#endif
