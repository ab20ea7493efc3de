/* Recordings that are pushed in pieces and run window by window. Samples lie in a buffer from which those go that no window
 * will need any more; windows are run as wlm_run runs inputs, some together. */
#include <stdint.h>
#include <string.h>

#include "engine/memory.h"
#include "model/api/parts.h"
#include "model/audio/windows.h"

static const double SEGMENT = 10, SHORTEST = 1, BATCH = 30; /* seconds, where nothing else is said */

struct wlm_stream {
    wlm_model *model;
    mdl_windows windows;
    size_t batch; /* windows that are run together, at most */
    wlm_run_options run;
    size_t *layers; /* of run; owned */
    char *gender;
    float *text;
    float *buffer; /* [room]; sample `base` of the recording is its first, `kept` are there */
    size_t room, base, kept;
    bool ended;
};

/* ---- Opening ---- */

/* *out: `seconds`, or `usual` where they are 0, in samples, at least `least`. */
static eng_status read_seconds(double seconds, double usual, size_t least, const char *name, size_t *out, eng_error *err)
{
    double samples = (seconds == 0 ? usual : seconds) * WLM_SAMPLE_RATE + 0.5;
    if (!(samples >= (double)least && samples < (double)(SIZE_MAX / sizeof(float) / 2)))
        return eng_fail(err, ENG_E_USAGE, "%s of %g s; expected at least %g", name, seconds, (double)least / WLM_SAMPLE_RATE);
    *out = (size_t)samples;
    return ENG_OK;
}

static eng_status read_lengths(wlm_stream *s, const wlm_stream_options *o, eng_error *err)
{
    mdl_windows *w = &s->windows;
    size_t batch = 0;
    eng_status status = read_seconds(o->segment, SEGMENT, wlm_model_min_samples(s->model), "segment", &w->length, err);
    if (!status) status = read_seconds(o->hop, (double)w->length / WLM_SAMPLE_RATE, 1, "hop", &w->hop, err);
    if (!status) status = read_seconds(o->shortest, SHORTEST, 0, "shortest", &w->shortest, err);
    if (!status) status = read_seconds(o->batch, BATCH, 0, "batch", &batch, err);
    if (status) return status;
    if (w->shortest > w->length) {
        if (o->shortest != 0)
            return eng_fail(err, ENG_E_USAGE, "shortest of %g s; expected no more than the segment", o->shortest);
        w->shortest = w->length;
    }
    s->batch = batch / w->length ? batch / w->length : 1;
    return ENG_OK;
}

/* A copy of n elements; NULL when there are none, or no memory. */
static void *copy_of(const void *from, size_t n, size_t size)
{
    void *copy = from ? eng_alloc(n, size) : NULL;
    if (copy && n) memcpy(copy, from, n * size);
    return copy;
}

static eng_status copy_options(wlm_stream *s, const wlm_stream_options *o, eng_error *err)
{
    size_t text = wlm_model_text_size(s->model);
    if (o->run) s->run = *o->run;
    s->run.flags |= WLM_EACH;
    s->gender = o->gender ? eng_strdup(o->gender) : NULL;
    s->text = text ? copy_of(o->text, text, sizeof *s->text) : NULL;
    s->layers = copy_of(s->run.layers, s->run.layer_count, sizeof *s->layers);
    if ((o->gender && !s->gender) || (text && o->text && !s->text) || (s->run.layers && !s->layers))
        return eng_fail(err, ENG_E_MEMORY, "out of memory for a stream");
    s->run.layers = s->layers;
    return ENG_OK;
}

int wlm_stream_open(wlm_model *model, const wlm_stream_options *options, wlm_stream **out, wlm_error *err)
{
    static const wlm_stream_options defaults = {0};
    const wlm_stream_options *o = options ? options : &defaults;
    eng_error e = {0};
    *out = NULL;
    eng_status status = mdl_api_check_reserved(o->reserved, sizeof o->reserved / sizeof *o->reserved, "wlm_stream_options", &e);
    if (!status && o->run) status = mdl_api_check_run(model, o->run, &e);
    wlm_stream *s = status ? NULL : eng_alloc_zero(1, sizeof *s);
    if (!status && !s) status = eng_fail(&e, ENG_E_MEMORY, "out of memory for a stream");
    if (s) s->model = model;
    if (!status) status = read_lengths(s, o, &e);
    if (!status) status = copy_options(s, o, &e);
    if (status) {
        wlm_stream_close(s);
        return mdl_api_report(&e, err);
    }
    *out = s;
    return WLM_OK;
}

void wlm_stream_close(wlm_stream *s)
{
    if (!s) return;
    eng_free(s->layers);
    eng_free(s->gender);
    eng_free(s->text);
    eng_free(s->buffer);
    eng_free(s);
}

/* ---- Samples ---- */

/* Drops from the buffer what no window will need. */
static void drop_old(wlm_stream *s)
{
    size_t have = s->base + s->kept, needed = mdl_windows_needed(&s->windows, have);
    size_t drop = needed > s->base ? needed - s->base : 0;
    if (drop > s->kept) drop = s->kept;
    if (drop) memmove(s->buffer, s->buffer + drop, (s->kept - drop) * sizeof *s->buffer);
    s->base += drop;
    s->kept -= drop;
}

/* Room for `count` samples more. Where there is none, old ones go first, and the buffer doubles. */
static eng_status make_room(wlm_stream *s, size_t count, eng_error *err)
{
    if (count <= s->room - s->kept) return ENG_OK;
    drop_old(s);
    if (count <= s->room - s->kept) return ENG_OK;
    size_t want, room = 2 * s->room;
    float *grown = NULL;
    if (eng_add_size(s->kept, count, &want))
        grown = eng_grow(s->buffer, s->kept, room > want ? room : want, sizeof *s->buffer);
    if (!grown) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu samples of a stream", count);
    s->buffer = grown;
    s->room = room > want ? room : want;
    return ENG_OK;
}

int wlm_stream_push(wlm_stream *s, const float *samples, size_t count, wlm_error *err)
{
    eng_error e = {0};
    eng_status status = ENG_OK;
    if (s->ended) status = eng_fail(&e, ENG_E_USAGE, "samples were pushed to a stream that was finished");
    if (!status && count) status = make_room(s, count, &e);
    if (status) return mdl_api_report(&e, err);
    if (count) memcpy(s->buffer + s->kept, samples, count * sizeof *samples);
    s->kept += count;
    return WLM_OK;
}

void wlm_stream_finish(wlm_stream *s)
{
    s->ended = true;
}

/* ---- Windows ---- */

/* The windows that are known, `most` of them at most; those that come then are `after`'s. */
static size_t known_windows(const wlm_stream *s, size_t most, wlm_input *inputs, mdl_windows *after)
{
    size_t n = 0, begin, end;
    while (n < most && mdl_windows_next(after, s->base + s->kept, s->ended, &begin, &end))
        inputs[n++] = (wlm_input){.samples = s->buffer + (begin - s->base),
                                  .count = end - begin,
                                  .gender = s->gender,
                                  .text = s->text};
    return n;
}

/* No more windows than that are known, and run together. */
static size_t most_windows(const wlm_stream *s)
{
    size_t most = s->kept / s->windows.hop + 2;
    return most < s->batch ? most : s->batch;
}

int wlm_stream_take(wlm_stream *s, wlm_result **out, wlm_error *err)
{
    eng_error e = {0};
    mdl_windows after = s->windows;
    *out = NULL;
    size_t most = most_windows(s);
    wlm_input *inputs = eng_alloc(most, sizeof *inputs);
    if (!inputs) {
        eng_fail(&e, ENG_E_MEMORY, "out of memory for the windows of a stream");
        return mdl_api_report(&e, err);
    }
    size_t n = known_windows(s, most, inputs, &after);
    int status = n ? wlm_run_with(s->model, n, inputs, &s->run, out, err) : WLM_OK;
    for (size_t u = 0; *out && u < n; u++) {
        size_t begin = s->base + (size_t)(inputs[u].samples - s->buffer);
        (*out)->span[u][0] = begin;
        (*out)->span[u][1] = begin + inputs[u].count;
    }
    if (!status) s->windows = after;
    eng_free(inputs);
    return status;
}
