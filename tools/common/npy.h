/* A NumPy file (.npy, version 1.0) of 32-bit floats, [rows, width], little-endian, written a row at a time: np.load(FILE).
 * It is FILE.part until it is closed, and then has its name and its number of rows. */
#ifndef TOOLS_COMMON_NPY_H
#define TOOLS_COMMON_NPY_H

#include <stddef.h>

#include "engine/error.h"

typedef struct tool_npy tool_npy;

/* ENG_E_USAGE for standard output and what is no regular file: the number of rows is written last, at the beginning;
 * ENG_E_IO when it cannot be written. */
eng_status tool_npy_open(const char *path, size_t width, tool_npy **out, eng_error *err);

/* One row [width]. ENG_E_IO when it cannot be written. */
eng_status tool_npy_add(tool_npy *n, const float *row, eng_error *err);

/* Completes the file; frees n in any case. ENG_E_IO when it could not be completed. */
eng_status tool_npy_close(tool_npy *n, eng_error *err);

/* Gives up: FILE.part stays. Frees n; NULL is fine. */
void tool_npy_abandon(tool_npy *n);

#endif
