/* Reading a job: a recording, whole or segment by segment, and which channels of it are to be labelled. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/memory.h"
#include "model/audio/audio.h"
#include "model/audio/cutter.h"
#include "tools/infer/infer.h"

/* ---- Pieces ---- */

static bool new_answers(infer_piece *p, size_t count)
{
    p->answer = eng_alloc_zero(count, sizeof *p->answer);
    p->answers = p->answer ? count : 0;
    for (size_t i = 0; i < p->answers; i++) p->answer[i].channel = TOOL_NO_CHANNEL;
    return p->answer != NULL;
}

/* The piece has no audio that could be labelled, and one answer, which says so. */
static void fail_piece(infer_piece *p, eng_status kind, const char *message)
{
    mdl_audio_free(&p->audio);
    if (new_answers(p, 1)) infer_fail(&p->answer[0], kind, message);
}

/* The mean square of a channel: 1 that of a square wave at full scale. */
static double power(const mdl_audio *a, size_t channel)
{
    const float *x = a->data + channel * a->stride;
    double sum = 0;
    for (size_t i = 0; i < a->samples; i++) sum += (double)x[i] * x[i];
    return sum / (double)a->samples;
}

/* Leaves out the channels that are silent. */
static void skip_silence(const infer *f, infer_piece *p)
{
    const double least = eng_pow(10, f->o.skip_silence / 10);
    for (size_t i = 0; i < p->answers; i++) {
        infer_answer *a = &p->answer[i];
        if (power(&p->audio, a->source) >= least) continue;
        a->outcome = INFER_SILENT;
        p->open--;
    }
    if (!p->open) mdl_audio_free(&p->audio);
}

/* wanted: the one channel that a segment is of; or TOOL_NO_CHANNEL. */
static void choose_channels(const infer *f, infer_piece *p, size_t wanted)
{
    size_t channels = p->audio.channels;
    bool split = f->channels == CHANNELS_SPLIT;
    size_t one = f->channels >= 0 ? (size_t)f->channels : split ? wanted : TOOL_NO_CHANNEL;
    if (one != TOOL_NO_CHANNEL && one >= channels) {
        char message[128];
        snprintf(message, sizeof message, "no channel %zu: the recording has %zu (numbered from 0)", one, channels);
        fail_piece(p, ENG_E_MISMATCH, message);
        return;
    }
    if (f->channels == CHANNELS_MIX) mdl_audio_mix(&p->audio);
    if (!new_answers(p, split && one == TOOL_NO_CHANNEL ? channels : 1)) return;
    if (one != TOOL_NO_CHANNEL) p->answer[0].source = one;
    if (split)
        for (size_t c = 0; c < p->answers; c++) p->answer[c].channel = p->answer[c].source = one == TOOL_NO_CHANNEL ? c : one;
    p->open = p->answers;
    p->seconds = (double)p->audio.samples / MDL_SAMPLE_RATE;
    if (f->o.skip_silence < 0) skip_silence(f, p);
}

/* ---- What the report shows of a recording ---- */

static void hear(void *arg, const float *const *channel, size_t count)
{
    infer_job *j = arg;
    eng_error err;
    if (infer_sound_add(&j->sound, channel, count, &err)) j->starved = true;
}

/* Begins to listen to a recording of so many channels, where there is a report. */
static void begin_sound(const infer *f, infer_job *j, size_t channels)
{
    eng_error err;
    bool embed = f->o.report_audio == INFER_REPORT_EMBED;
    size_t most = embed ? (size_t)(f->o.embed_megabytes * 1e6) : 0;
    if (f->o.report && infer_sound_init(&j->sound, channels, most, &err)) j->starved = true;
}

static void hear_whole(const infer *f, infer_job *j, const mdl_audio *a)
{
    const float *channel[MDL_AUDIO_MAX_CHANNELS];
    if (!f->o.report) return;
    begin_sound(f, j, a->channels);
    for (size_t c = 0; c < a->channels; c++) channel[c] = a->data + c * a->stride;
    if (!j->starved) hear(j, channel, a->samples);
}

/* ---- Jobs ---- */

/* A new piece of the job, its index'th; NULL: memory ran out, which the line is told. */
static infer_piece *new_piece(infer_job *j, size_t row, size_t index)
{
    infer_piece *p = eng_alloc_zero(1, sizeof *p);
    if (p) {
        p->row = row;
        p->index = index;
    } else {
        j->starved = true;
    }
    return p;
}

/* Gives a piece to the line; a job's have the indices from 0 on, each once. False: nobody wants it, and it is freed. */
static bool put_piece(infer *f, infer_job *j, infer_piece *p)
{
    p->item.is_piece = true;
    p->job = j;
    size_t bytes = p->audio.data ? p->audio.channels * p->audio.stride * sizeof(float) : 0;
    bool taken = tool_stage_put(f->reading, &j->item.stage, &p->item.stage, bytes);
    j->pieces += taken;
    if (!taken) infer_piece_free(p);
    return taken;
}

static void read_whole(infer *f, infer_job *j)
{
    const char *path = f->list.rows[j->row].path;
    eng_error failure = {0};
    infer_piece *p = new_piece(j, j->row, 0);
    if (!p) return;
    eng_status status = mdl_audio_read_as(path, &f->raw, &p->audio, &failure);
    j->whole = true;
    if (status) {
        j->failed = true;
        fail_piece(p, status, failure.message);
    } else {
        j->seconds = (double)p->audio.samples / MDL_SAMPLE_RATE;
        hear_whole(f, j, &p->audio);
        choose_channels(f, p, TOOL_NO_CHANNEL);
    }
    put_piece(f, j, p);
}

/* A piece that is a failure. span: of the segment that it is, NULL: of none. False: nobody wants more. */
static bool put_failure(infer *f, infer_job *j, size_t index, const infer_span *span, eng_status kind, const char *message)
{
    infer_piece *p = new_piece(j, span ? span->row : j->row, index);
    if (!p) return false;
    if (span && !span->bad) {
        p->segment = true;
        p->start = span->start;
        p->end = span->end < 0 ? span->start : span->end;
    }
    if (span) {
        p->speaker = span->speaker;
        p->text = span->text;
    }
    fail_piece(p, kind, message);
    return put_piece(f, j, p);
}

static bool copy_audio(const mdl_cut *cut, size_t channels, mdl_audio *out)
{
    size_t samples = cut->end - cut->begin, count;
    float *data = eng_mul_size(samples, channels, &count) ? eng_alloc(count, sizeof *data) : NULL;
    if (!data) return false;
    for (size_t c = 0; c < channels; c++) memcpy(data + c * samples, cut->channel[c], samples * sizeof *data);
    *out = (mdl_audio){.data = data, .channels = channels, .samples = samples, .stride = samples, .rate = MDL_SAMPLE_RATE};
    return true;
}

/* span: the user's own; NULL: a window. False: nobody wants more, or memory ran out. */
static bool put_cut(infer *f, infer_job *j, const mdl_cut *cut, const infer_span *span, size_t channels)
{
    infer_piece *p = new_piece(j, span ? span->row : j->row, cut->index);
    if (!p) return false;
    p->segment = true;
    p->start = span ? span->start : (double)cut->begin / MDL_SAMPLE_RATE;
    p->end = span && span->end >= 0 && !cut->short_of ? span->end : (double)cut->end / MDL_SAMPLE_RATE;
    p->cut = cut->short_of;
    if (span) {
        p->speaker = span->speaker;
        p->text = span->text;
    }
    if (!copy_audio(cut, channels, &p->audio)) {
        infer_piece_free(p);
        j->starved = true;
        return false;
    }
    choose_channels(f, p, span ? span->channel : TOOL_NO_CHANNEL);
    return put_piece(f, j, p);
}

static void watch(const infer *f, infer_job *j, mdl_cutter *c, size_t channels)
{
    if (!f->o.report) return;
    begin_sound(f, j, channels);
    if (!j->starved) mdl_cutter_watch(c, hear, j);
}

/* ---- Windows ---- */

static size_t to_samples(double seconds)
{
    return (size_t)llround(seconds * MDL_SAMPLE_RATE);
}

static void read_windows(infer *f, infer_job *j, mdl_audio_stream *s)
{
    const infer_options *o = &f->o;
    mdl_windows rule = {.length = to_samples(o->segment),
                        .hop = to_samples(o->hop > 0 ? o->hop : o->segment),
                        .shortest = to_samples(o->shortest)};
    size_t channels = mdl_audio_stream_info(s)->channels;
    eng_error failure = {0};
    mdl_cutter *c;
    mdl_cut cut;
    bool more = true, wanted = true;
    eng_status status = mdl_cutter_open_windows(s, &rule, &c, &failure);
    if (!status) watch(f, j, c, channels);
    while (!status && more && wanted) {
        status = mdl_cutter_next(c, &cut, &more, &failure);
        if (!status && more) wanted = put_cut(f, j, &cut, NULL, channels);
    }
    j->seconds = c ? (double)mdl_cutter_samples(c) / MDL_SAMPLE_RATE : 0;
    mdl_cutter_close(c);
    if (!status || !wanted) return;
    j->failed = true;
    char message[1200];
    snprintf(message, sizeof message, "%s%s", failure.message, j->pieces ? " (the segments before that have their rows)" : "");
    put_failure(f, j, j->pieces, NULL, status, message);
}

/* ---- Segments of the user's ---- */

/* The spans that are segments, and which ones they are. */
typedef struct span_table {
    mdl_span *span; /* [count] */
    size_t *of;     /* [count]: in the job's */
    bool *done;     /* [the job's] */
    size_t count;
} span_table;

static bool span_table_init(span_table *t, const infer_job *j)
{
    *t = (span_table){.span = eng_alloc(j->span_count, sizeof *t->span),
                      .of = eng_alloc(j->span_count, sizeof *t->of),
                      .done = eng_alloc_zero(j->span_count, sizeof *t->done)};
    return t->span && t->of && t->done;
}

static void span_table_fini(span_table *t)
{
    eng_free(t->span);
    eng_free(t->of);
    eng_free(t->done);
}

/* Fills the table with the spans that are some; the others fail. */
static bool choose_spans(infer *f, infer_job *j, span_table *t)
{
    for (size_t i = 0; i < j->span_count; i++) {
        const infer_span *s = &j->spans[i];
        size_t begin = to_samples(s->start), end = s->end < 0 ? SIZE_MAX : to_samples(s->end);
        const char *bad = s->bad ? s->bad : end <= begin ? "the segment has no sample" : NULL;
        t->done[i] = bad != NULL;
        if (bad && !put_failure(f, j, i, s, ENG_E_FORMAT, bad)) return false;
        if (bad) continue;
        t->of[t->count] = i;
        t->span[t->count++] = (mdl_span){begin, end};
    }
    return true;
}

static bool put_outside(infer *f, infer_job *j, size_t index, double seconds)
{
    char message[200];
    snprintf(message, sizeof message, "the segment begins at %.3f s, and the recording ends at %.3f s", j->spans[index].start,
             seconds);
    return put_failure(f, j, index, &j->spans[index], ENG_E_MISMATCH, message);
}

/* Whether the recording is read to its end, whatever is labelled of it: its waveform is shown, or its length. */
static bool needs_all(const infer *f)
{
    return f->o.report || f->o.format == TOOL_TEXTGRID;
}

static eng_status cut_spans(infer *f, infer_job *j, mdl_audio_stream *s, span_table *t, bool *wanted, eng_error *failure)
{
    size_t channels = mdl_audio_stream_info(s)->channels;
    mdl_cutter *c;
    mdl_cut cut;
    bool more = true;
    eng_status status = mdl_cutter_open(s, t->span, t->count, &c, failure);
    if (!status) watch(f, j, c, channels);
    while (!status && more && *wanted) {
        status = mdl_cutter_next(c, &cut, &more, failure);
        if (status || !more) break;
        cut.index = t->of[cut.index];
        t->done[cut.index] = true;
        double known = (double)mdl_cutter_samples(c) / MDL_SAMPLE_RATE;
        *wanted = cut.outside ? put_outside(f, j, cut.index, known) : put_cut(f, j, &cut, &j->spans[cut.index], channels);
    }
    if (!status && *wanted && needs_all(f)) status = mdl_cutter_rest(c, failure);
    j->seconds = c ? (double)mdl_cutter_samples(c) / MDL_SAMPLE_RATE : 0;
    mdl_cutter_close(c);
    return status;
}

static void read_spans(infer *f, infer_job *j, mdl_audio_stream *s)
{
    eng_error failure = {0};
    span_table t;
    if (!span_table_init(&t, j)) {
        j->starved = true;
    } else {
        bool wanted = choose_spans(f, j, &t);
        eng_status status = wanted ? cut_spans(f, j, s, &t, &wanted, &failure) : ENG_OK;
        j->failed = status != ENG_OK;
        for (size_t i = 0; status && wanted && i < j->span_count; i++)
            if (!t.done[i]) wanted = put_failure(f, j, i, &j->spans[i], status, failure.message);
    }
    span_table_fini(&t);
}

/* ---- All ---- */

/* The recording itself cannot be read: a row for each segment that was named, else one. */
static void fail_job(infer *f, infer_job *j, eng_status kind, const char *message)
{
    bool wanted = true;
    j->failed = true;
    if (!j->span_count) put_failure(f, j, 0, NULL, kind, message);
    for (size_t i = 0; wanted && i < j->span_count; i++) wanted = put_failure(f, j, i, &j->spans[i], kind, message);
}

static void read_cut(infer *f, infer_job *j)
{
    const char *path = f->list.rows[j->row].path;
    eng_error failure = {0};
    mdl_audio_stream *s = NULL;
    eng_status status = infer_job_spans(f, j, &failure);
    if (!status && !j->span_count && !(f->o.segment > 0)) return; /* nobody named a segment of it */
    if (!status) status = mdl_audio_stream_open(path, &f->raw, &s, &failure);
    if (status) fail_job(f, j, status, failure.message);
    else if (j->spans) read_spans(f, j, s);
    else read_windows(f, j, s);
    mdl_audio_stream_close(s);
}

size_t infer_read_job(void *arg, tool_stage_item *item)
{
    infer *f = arg;
    infer_job *j = (infer_job *)item;
    if (infer_is_whole(f)) read_whole(f, j);
    else read_cut(f, j);
    return 0;
}
