/* Reading a row: its audio, and which channels of it are to be labelled. */
#include <stdio.h>

#include "engine/memory.h"
#include "model/audio/audio.h"
#include "tools/infer/infer.h"

void infer_fail(infer_answer *a, const char *message)
{
    a->failed = true;
    snprintf(a->message, sizeof a->message, "%s", message);
}

static bool new_answers(infer_row *r, size_t count)
{
    r->answer = eng_alloc_zero(count, sizeof *r->answer);
    r->answers = r->answer ? count : 0;
    for (size_t i = 0; i < r->answers; i++) r->answer[i].channel = TOOL_NO_CHANNEL;
    return r->answer != NULL;
}

/* The row has no audio that could be labelled, and one answer, which says so. */
static void fail_row(infer_row *r, const char *message)
{
    wlm_audio_free(r->audio);
    r->audio = NULL;
    if (new_answers(r, 1)) infer_fail(&r->answer[0], message);
}

static void choose_channels(const infer *f, infer_row *r)
{
    size_t channels = wlm_audio_channels(r->audio);
    if (f->channels >= 0 && (size_t)f->channels >= channels) {
        char message[128];
        snprintf(message, sizeof message, "no channel %ld: the recording has %zu (numbered from 0)", f->channels,
                 channels);
        fail_row(r, message);
        return;
    }
    if (f->channels == CHANNELS_MIX) wlm_audio_mix(r->audio);
    if (!new_answers(r, f->channels == CHANNELS_SPLIT ? channels : 1)) return;
    if (f->channels >= 0) r->answer[0].source = (size_t)f->channels;
    for (size_t c = 0; f->channels == CHANNELS_SPLIT && c < channels; c++)
        r->answer[c].channel = r->answer[c].source = c;
    r->open = r->answers;
}

size_t infer_read_row(void *arg, tool_stage_item *item)
{
    const infer *f = arg;
    infer_row *r = (infer_row *)item;
    wlm_error failure;
    if (wlm_audio_read(f->list.rows[r->row].path, &r->audio, &failure)) {
        fail_row(r, failure.message);
        return 0;
    }
    r->seconds = (double)wlm_audio_count(r->audio) / MDL_SAMPLE_RATE;
    choose_channels(f, r);
    return r->audio ? wlm_audio_channels(r->audio) * wlm_audio_count(r->audio) * sizeof(float) : 0;
}
