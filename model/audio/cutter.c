#include "model/audio/cutter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"

enum { STEP = 1 << 14 }; /* samples that are read at once */

typedef struct listed {
    mdl_span span;
    size_t index;
    size_t needed; /* the first sample that this one or one after it needs */
} listed;

struct mdl_cutter {
    mdl_audio_stream *stream;
    size_t channels;
    bool by_windows, ended;
    listed *list; /* in the order of their ends */
    size_t count, next;
    mdl_windows windows;
    float *data;                            /* [channels, room]: the samples from first to have */
    size_t room, first, have;
    float *channel[MDL_AUDIO_MAX_CHANNELS]; /* of the segment that was last given, or what is read to */
    void (*heard)(void *arg, const float *const *channel, size_t count);
    void *heard_arg;
};

static int compare_numbers(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_ends(const void *a, const void *b)
{
    const listed *x = a, *y = b;
    int order = compare_numbers(x->span.end, y->span.end);
    if (!order) order = compare_numbers(x->span.begin, y->span.begin);
    return order ? order : compare_numbers(x->index, y->index);
}

static mdl_cutter *new_cutter(mdl_audio_stream *stream, eng_error *err)
{
    mdl_cutter *c = eng_alloc_zero(1, sizeof *c);
    if (!c) {
        eng_fail(err, ENG_E_MEMORY, "out of memory to cut a recording");
        return NULL;
    }
    c->stream = stream;
    c->channels = mdl_audio_stream_info(stream)->channels;
    return c;
}

eng_status mdl_cutter_open(mdl_audio_stream *stream, const mdl_span *spans, size_t count, mdl_cutter **out, eng_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (spans[i].begin >= spans[i].end)
            return eng_fail(err, ENG_E_USAGE, "segment %zu: expected an end behind its beginning, found %zu to %zu", i,
                            spans[i].begin, spans[i].end);
    mdl_cutter *c = new_cutter(stream, err);
    if (!c) return ENG_E_MEMORY;
    c->list = eng_alloc(count, sizeof *c->list);
    if (!c->list) {
        mdl_cutter_close(c);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu segments", count);
    }
    c->count = count;
    for (size_t i = 0; i < count; i++) c->list[i] = (listed){spans[i], i, 0};
    if (count) qsort(c->list, count, sizeof *c->list, compare_ends);
    for (size_t i = count, needed = SIZE_MAX; i--;) {
        if (c->list[i].span.begin < needed) needed = c->list[i].span.begin;
        c->list[i].needed = needed;
    }
    *out = c;
    return ENG_OK;
}

eng_status mdl_cutter_open_windows(mdl_audio_stream *stream, const mdl_windows *rule, mdl_cutter **out, eng_error *err)
{
    *out = new_cutter(stream, err);
    if (!*out) return ENG_E_MEMORY;
    (*out)->by_windows = true;
    (*out)->windows = (mdl_windows){.length = rule->length, .hop = rule->hop, .shortest = rule->shortest};
    return ENG_OK;
}

void mdl_cutter_close(mdl_cutter *c)
{
    if (!c) return;
    eng_free(c->list);
    eng_free(c->data);
    eng_free(c);
}

void mdl_cutter_watch(mdl_cutter *c, void (*heard)(void *arg, const float *const *channel, size_t count), void *arg)
{
    c->heard = heard;
    c->heard_arg = arg;
}

size_t mdl_cutter_samples(const mdl_cutter *c)
{
    return c->have;
}

/* Lets go what is not needed and makes room for STEP samples behind what is. Room is twice what that takes, so that what is
 * held is moved once for every time that it is read. */
static eng_status make_room(mdl_cutter *c, eng_error *err)
{
    size_t needed = c->by_windows         ? mdl_windows_needed(&c->windows, c->have)
                    : c->next == c->count ? c->have
                                          : c->list[c->next].needed;
    if (needed > c->have) needed = c->have;
    size_t kept = c->have - needed, passed = needed - c->first;
    if (c->room - (c->have - c->first) >= STEP) return ENG_OK;
    float *to = c->data;
    size_t room = c->room, count;
    if (room < STEP || kept > (room - STEP) / 2) {
        bool fits = eng_mul_size(kept, 2, &room) && eng_add_size(room, STEP, &room);
        if (fits && room < 2 * c->room) room = 2 * c->room;
        to = fits && eng_mul_size(room, c->channels, &count) ? eng_alloc(count, sizeof *to) : NULL;
        if (!to) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu samples of %zu channels", kept, c->channels);
    }
    for (size_t i = 0; i < c->channels && kept; i++)
        memmove(to + i * room, c->data + i * c->room + passed, kept * sizeof *to);
    if (to != c->data) eng_free(c->data);
    c->data = to;
    c->room = room;
    c->first = needed;
    return ENG_OK;
}

static eng_status read_more(mdl_cutter *c, eng_error *err)
{
    eng_status status = make_room(c, err);
    if (status) return status;
    size_t at = c->have - c->first, got;
    for (size_t i = 0; i < c->channels; i++) c->channel[i] = c->data + i * c->room + at;
    status = mdl_audio_stream_read(c->stream, STEP, c->channel, &got, err);
    if (status) return status;
    c->ended = got == 0;
    const float *const *heard = (const float *const *)c->channel;
    if (c->heard && got) c->heard(c->heard_arg, heard, got);
    if (!eng_add_size(c->have, got, &c->have)) return eng_fail(err, ENG_E_MEMORY, "a recording of too many samples");
    return ENG_OK;
}

/* The next of the list, when what has come is enough. */
static bool next_listed(mdl_cutter *c, mdl_cut *out)
{
    const listed *l = &c->list[c->next];
    if (l->span.end > c->have && !c->ended) return false;
    *out = (mdl_cut){.index = l->index, .begin = l->span.begin, .end = l->span.end};
    if (l->span.begin >= c->have) {
        out->outside = true;
        out->end = out->begin;
    } else if (l->span.end > c->have) {
        out->end = c->have;
        out->short_of = l->span.end != SIZE_MAX;
    }
    c->next++;
    return true;
}

static bool next_window(mdl_cutter *c, mdl_cut *out)
{
    *out = (mdl_cut){.index = c->next};
    if (!mdl_windows_next(&c->windows, c->have, c->ended, &out->begin, &out->end)) return false;
    c->next++;
    return true;
}

eng_status mdl_cutter_next(mdl_cutter *c, mdl_cut *out, bool *more, eng_error *err)
{
    *out = (mdl_cut){.index = 0};
    *more = false;
    for (;;) {
        if (!c->by_windows && c->next == c->count) return ENG_OK;
        if (c->by_windows ? next_window(c, out) : next_listed(c, out)) break;
        if (c->ended) return ENG_OK;
        eng_status status = read_more(c, err);
        if (status) return status;
    }
    for (size_t i = 0; i < c->channels && !out->outside; i++)
        c->channel[i] = c->data + i * c->room + (out->begin - c->first);
    out->channel = c->channel;
    *more = true;
    return ENG_OK;
}

eng_status mdl_cutter_rest(mdl_cutter *c, eng_error *err)
{
    eng_status status = ENG_OK;
    while (!c->ended && !status) status = read_more(c, err);
    return status;
}
