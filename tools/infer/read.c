/* Reading a job: a recording, whole or segment by segment, and which channels of it are to be labelled. */
#include <math.h>
#include <stdio.h>

#include "engine/memory.h"
#include "model/audio/audio.h"
#include "tools/infer/infer.h"

void infer_fail(infer_answer *a, eng_status kind, const char *message)
{
    a->outcome = INFER_FAILED;
    a->kind = kind;
    a->message = eng_strdup(message);
}

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

/* The level of a channel, in dB below full scale: its root mean square, 0 that of a square wave. */
static double level(const mdl_audio *a, size_t channel)
{
    const float *x = a->data + channel * a->stride;
    double sum = 0;
    for (size_t i = 0; i < a->samples; i++) sum += (double)x[i] * x[i];
    return sum > 0 ? 10 * log10(sum / (double)a->samples) : -INFINITY;
}

/* Leaves out the channels that are silent. */
static void skip_silence(const infer *f, infer_piece *p)
{
    for (size_t i = 0; i < p->answers; i++) {
        infer_answer *a = &p->answer[i];
        if (level(&p->audio, a->source) >= f->o.skip_silence) continue;
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

/* ---- Jobs ---- */

static infer_piece *new_piece(size_t row)
{
    infer_piece *p = eng_alloc_zero(1, sizeof *p);
    if (p) p->row = row;
    return p;
}

static void read_whole(infer *f, infer_job *j)
{
    eng_error failure = {0};
    infer_piece *p = new_piece(j->row);
    if (!p) {
        j->starved = true;
        return;
    }
    eng_status status = mdl_audio_read(f->list.rows[j->row].path, &p->audio, &failure);
    j->whole = true;
    if (status) {
        j->failure = eng_strdup(failure.message);
        fail_piece(p, status, failure.message);
    } else {
        j->seconds = (double)p->audio.samples / MDL_SAMPLE_RATE;
        choose_channels(f, p, TOOL_NO_CHANNEL);
    }
    infer_line_put(f, j, p);
}

size_t infer_read_job(void *arg, tool_stage_item *item)
{
    read_whole(arg, (infer_job *)item);
    return 0;
}
