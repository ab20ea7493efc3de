/* Segments of a recording as it comes in: those of a list, in any order and overlapping, or windows. Of the recording no
 * more is held than from the first sample that an unfinished segment needs to the newest. Samples count from 0, at 16 kHz. */
#ifndef MODEL_AUDIO_CUTTER_H
#define MODEL_AUDIO_CUTTER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "model/audio/stream.h"
#include "model/audio/windows.h"

/* [begin, end), begin < end; end SIZE_MAX: to the end of the recording. */
typedef struct mdl_span {
    size_t begin, end;
} mdl_span;

typedef struct mdl_cut {
    size_t index;          /* of the span in the list; of a window its number, from 0 */
    size_t begin, end;     /* what there is of it */
    bool short_of;         /* it reaches beyond the end of the recording, and was cut there */
    bool outside;          /* it begins at the end or behind it: there is nothing of it, begin is its own, and end the same */
    float *const *channel; /* [channels], each end - begin samples; valid until the cutter is asked again */
} mdl_cut;

typedef struct mdl_cutter mdl_cutter;

/* The stream is the caller's, who reads from it no more, and must outlive the cutter; spans are copied. ENG_E_USAGE: a span
 * that does not end behind its beginning. */
eng_status mdl_cutter_open(mdl_audio_stream *stream, const mdl_span *spans, size_t count, mdl_cutter **out, eng_error *err);

/* rule: length, hop and shortest are set. */
eng_status mdl_cutter_open_windows(mdl_audio_stream *stream, const mdl_windows *rule, mdl_cutter **out, eng_error *err);

/* The next segment, as soon as its last sample is there: in the order of their ends, then of their beginnings, then of the
 * list. *more false: there are none; the rest of a recording that no span needs is not read. Errors are the stream's. */
eng_status mdl_cutter_next(mdl_cutter *c, mdl_cut *out, bool *more, eng_error *err);

/* heard (NULL: none) gets every block that is read from now on, of all channels, before a segment of it is given. */
void mdl_cutter_watch(mdl_cutter *c, void (*heard)(void *arg, const float *const *channel, size_t count), void *arg);

/* Reads what no segment needs, up to the end of the recording: for one who watches. Not before the last segment was given. */
eng_status mdl_cutter_rest(mdl_cutter *c, eng_error *err);

/* Samples of each channel read so far. */
size_t mdl_cutter_samples(const mdl_cutter *c);

/* NULL is fine. */
void mdl_cutter_close(mdl_cutter *c);

#endif
