/* Finding one of many names: a sorted list, so that no file can choose names that make it slow. */
#ifndef WEIGHTS_NAMES_INDEX_H
#define WEIGHTS_NAMES_INDEX_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wts_index_entry {
    const char *name; /* borrowed */
    size_t at;        /* the caller's number for it */
} wts_index_entry;

typedef struct wts_index {
    size_t count;
    wts_index_entry *entries;
} wts_index;

/* Sorts the entries in place by name, then by number. Returns the first entry whose name occurs more than once, or
 * NULL. */
const wts_index_entry *wts_index_sort(wts_index *index);

/* The number of name in a sorted index; false when there is none. */
bool wts_index_find(const wts_index *index, const char *name, size_t *at);

#endif
