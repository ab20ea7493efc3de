/* Writing a row: its results, hidden states and failures, and the progress on a terminal. */
#include <stdio.h>
#include <string.h>

#include "engine/clock.h"
#include "tools/infer/infer.h"

void infer_show_progress(const infer_writing *w, size_t done)
{
    if (!w->progress) return;
    size_t rows = w->f->list.row_count;
    double elapsed = eng_now() - w->started;
    fprintf(stderr, "\r%zu of %zu files", done, rows);
    if (done && elapsed > 0) {
        double left = elapsed / (double)done * (double)(rows - done);
        fprintf(stderr, ", %.1f s of audio a second, %d:%02d left", w->audio_seconds / elapsed, (int)left / 60,
                (int)left % 60);
    }
    fputs(done == rows ? "\033[K\n" : "\033[K", stderr);
}

static eng_status write_failure(const infer_writing *w, size_t row, const infer_answer *a, eng_error *err)
{
    if (w->progress) fputs("\r\033[K", stderr);
    const tool_row *r = &w->f->list.rows[row];
    eng_error path, line; /* eng_fail makes file names fit for a terminal, as it did in the message */
    eng_fail(&path, ENG_E_IO, "%s", r->path);
    bool named = strncmp(a->message, path.message, strlen(path.message)) == 0; /* errors of the file itself begin so */
    eng_fail(&line, ENG_E_IO, "%s%s%s", named ? "" : r->file, named ? "" : ": ", a->message);
    fprintf(stderr, "infer: %s\n", line.message);
    tool_result failed = {.row = row, .channel = a->channel, .error = a->message};
    return tool_output_write(w->f->out, &failed, err);
}

static eng_status write_features(const infer *f, size_t row, const infer_answer *a, eng_error *err)
{
    char stem[1024], name[1100];
    size_t shape[3];
    tool_stem(f->list.rows[row].file, stem, sizeof stem);
    if (a->channel == TOOL_NO_CHANNEL)
        snprintf(name, sizeof name, "%s.hidden_states", stem);
    else
        snprintf(name, sizeof name, "%s.channel%zu.hidden_states", stem, a->channel);
    const float *states = wlm_result_hidden_states(a->batch->result, a->index, &shape[0], &shape[1], &shape[2]);
    return wts_writer_add(f->features, name, WTS_F32, 3, shape, states, err);
}

static eng_status write_answer(const infer_writing *w, size_t row, const infer_answer *a, eng_error *err)
{
    const infer *f = w->f;
    if (a->failed) return write_failure(w, row, a, err);
    const wlm_result *result = a->batch->result;
    tool_result r = {.row = row,
                     .channel = a->channel,
                     .label = wlm_result_best(result, a->index),
                     .scores = wlm_result_scores(result, a->index),
                     .logits = f->o.logits ? wlm_result_logits(result, a->index) : NULL};
    eng_status status = f->features ? write_features(f, row, a, err) : ENG_OK;
    return status ? status : tool_output_write(f->out, &r, err);
}

size_t infer_write_row(void *arg, tool_stage_item *item)
{
    infer_writing *w = arg;
    infer_row *r = (infer_row *)item;
    eng_status status = w->failure.status;
    for (size_t i = 0; i < r->answers && !status; i++) status = write_answer(w, r->row, &r->answer[i], &w->failure);
    w->failure.status = status;
    r->lost = status != ENG_OK;
    w->audio_seconds += r->seconds;
    if (r->lost)
        tool_stage_interrupt(w->reading);
    else
        infer_show_progress(w, r->row + 1);
    return 0;
}
