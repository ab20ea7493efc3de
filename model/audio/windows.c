#include "model/audio/windows.h"

/* `before` samples before the end of `have`, or the beginning. */
static size_t back(size_t have, size_t before)
{
    return have > before ? have - before : 0;
}

bool mdl_windows_next(mdl_windows *w, size_t have, bool ended, size_t *begin, size_t *end)
{
    if (w->done) return false;
    bool whole = have >= w->next && have - w->next >= w->length;
    if (!whole && !ended) return false;
    size_t known = w->next > w->covered ? w->next : w->covered;
    if (!whole) {
        w->done = true;
        if (have <= known) return false;
        *begin = have - w->next < w->shortest ? back(have, w->shortest) : w->next;
        *end = have;
        return true;
    }
    *begin = w->next;
    *end = w->covered = w->next + w->length;
    w->next += w->hop;
    return true;
}

size_t mdl_windows_needed(const mdl_windows *w, size_t have)
{
    size_t last = back(have, w->shortest);
    return w->next < last ? w->next : last;
}
