/* Converted models in folders, for the tests that load them. */
#ifndef TESTS_SUPPORT_CONVERTED_H
#define TESTS_SUPPORT_CONVERTED_H

#include "tests/support/support.h"

/* The model at path in folder, converted to that precision for kernels k, on e's threads. */
void converted_write(support_engine *e, const kern_table *k, const char *path, eng_precision precision,
                     const char *folder);

/* The converted file at `folder` with one tensor more, in front: every other one is unaligned then. */
void converted_add_tensor(const char *folder, const char *name);

#endif
