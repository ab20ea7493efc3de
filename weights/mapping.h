/* Files mapped read-only into memory. A file that another program shortens while it is mapped ends this one with a
 * bus error when the lost pages are read: replace checkpoints by renaming, as wts_writer does. */
#ifndef WEIGHTS_MAPPING_H
#define WEIGHTS_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

typedef struct wts_mapping {
    const unsigned char *data; /* size bytes; not NULL even when size is 0 */
    size_t size;
    bool mapped; /* false: the caller's memory, never unmapped */
} wts_mapping;

/* Maps the regular file at path. Errors: ENG_E_MISSING when there is no such file, ENG_E_IO. */
eng_status wts_mapping_open(const char *path, wts_mapping *m, eng_error *err);

/* Unmaps; a zeroed m is fine. */
void wts_mapping_close(wts_mapping *m);

#endif
