#include "weights/names_index.h"

#include <stdlib.h>
#include <string.h>

static int compare_entries(const void *a, const void *b)
{
    const wts_index_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

const wts_index_entry *wts_index_sort(wts_index *index)
{
    if (index->count == 0) return NULL;
    qsort(index->entries, index->count, sizeof *index->entries, compare_entries);
    for (size_t i = 1; i < index->count; i++)
        if (strcmp(index->entries[i - 1].name, index->entries[i].name) == 0) return &index->entries[i];
    return NULL;
}

bool wts_index_find(const wts_index *index, const char *name, size_t *at)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(index->entries[middle].name, name);
        if (order == 0) {
            *at = index->entries[middle].at;
            return true;
        }
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return false;
}
