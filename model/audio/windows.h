/* Long recordings cut into windows of one length, one every hop, as they come in. Samples count from 0.
 *
 * Window k is [k hop, k hop + length). Where the recording ends with samples that no window has covered, one more takes
 * them: it begins at its place and ends with the recording; where that leaves less than `shortest`, it begins that much
 * before the end instead (or with the recording). So every sample is in a window, unless the hop is longer than the
 * window, and a recording shorter than a window is one window. */
#ifndef MODEL_AUDIO_WINDOWS_H
#define MODEL_AUDIO_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>

/* length, hop >= 1 and shortest <= length are the caller's to set, in samples; the rest begins at 0. */
typedef struct mdl_windows {
    size_t length, hop, shortest;
    size_t next;    /* where the next window begins */
    size_t covered; /* where the last one ended */
    bool done;      /* there are no more */
} mdl_windows;

/* The next window [*begin, *end), when `have` samples are enough to know it; ended: there will be no more than these. */
bool mdl_windows_next(mdl_windows *w, size_t have, bool ended, size_t *begin, size_t *end);

/* The first sample that windows to come may need, of `have`: what lies before it can be let go. */
size_t mdl_windows_needed(const mdl_windows *w, size_t have);

#endif
