/* The directory of a zip archive in memory (PKWARE APPNOTE 6.3), ZIP64 included. Only stored entries have data here;
 * checksums are not looked at: torch can be told to write none. */
#ifndef WEIGHTS_TORCH_ZIP_H
#define WEIGHTS_TORCH_ZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "weights/mapping.h"
#include "weights/names_index.h"

typedef struct wts_zip_entry {
    const char *name;          /* in the archive's arena */
    const unsigned char *data; /* in the mapping; NULL when the entry is compressed or encrypted */
    size_t size;
} wts_zip_entry;

typedef struct wts_zip {
    size_t count;
    wts_zip_entry *entries; /* in the directory's order */
    wts_index index;
    eng_arena arena;
} wts_zip;

/* Reads and checks the directory and every stored entry's local header. path is for messages. On failure *z holds
 * nothing. */
eng_status wts_zip_open(const char *path, const wts_mapping *m, wts_zip *z, eng_error *err);
void wts_zip_close(wts_zip *z);

/* NULL when there is none of that name. */
const wts_zip_entry *wts_zip_find(const wts_zip *z, const char *name);

#endif
