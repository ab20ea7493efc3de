/* Writing: a piece's results, hidden states and failures; of a recording what is said of it as a whole. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/infer/infer.h"

/* A line on standard error, on a terminal in the place of the progress. */
static void say(const infer_writing *w, const char *line)
{
    fprintf(stderr, "%sinfer: %s\n", w->progress ? "\r\033[K" : "", line);
}

/* ---- The report ---- */

/* The report is at the recording of job j from now on. */
static eng_status report_recording(infer_writing *w, const infer_job *j, eng_error *err)
{
    if (!w->f->report || w->reported == j) return ENG_OK;
    const tool_row *r = &w->f->list.rows[j->row];
    w->reported = j;
    return infer_report_begin(w->f->report, r->file, r->path, err);
}

static eng_status report_row(infer_writing *w, const infer_piece *p, const infer_answer *a, const tool_result *result,
                             eng_error *err)
{
    if (!w->f->report) return ENG_OK;
    infer_report_row row = {.channel = a->channel == TOOL_NO_CHANNEL ? INFER_REPORT_MIXED : a->channel,
                            .start = p->segment ? p->start : result->error ? NAN : 0,
                            .end = p->segment ? p->end : result->error ? NAN : p->seconds,
                            .label = result->label,
                            .scores = result->scores,
                            .speaker = p->speaker,
                            .text = p->text,
                            .error = result->error};
    eng_status status = report_recording(w, p->job, err);
    return status ? status : infer_report_add(w->f->report, &row, err);
}

static eng_status report_end(infer_writing *w, infer_job *j, eng_error *err)
{
    eng_status status = report_recording(w, j, err);
    w->reported = NULL;
    if (!w->f->report || status) return status;
    bool heard = j->sound.channels > 0;
    return infer_report_end(w->f->report, heard ? j->seconds : NAN, heard ? &j->sound : NULL, err);
}

/* ---- Rows ---- */

/* What a recording's tensor is called: its file's name without extension, its channel where it has several. */
static void name_tensor(const infer *f, const infer_piece *p, const infer_answer *a, const char *what, char *name, size_t size)
{
    char stem[1024];
    tool_stem(f->list.rows[p->row].file, stem, sizeof stem);
    if (a->channel == TOOL_NO_CHANNEL) snprintf(name, size, "%s%s", stem, what);
    else snprintf(name, size, "%s.channel%zu%s", stem, a->channel, what);
}

/* What every row says: where it lies. */
static tool_result place_row(const infer_piece *p, const infer_answer *a)
{
    return (tool_result){.row = p->row,
                         .channel = a->channel,
                         .segment = p->segment,
                         .start = p->start,
                         .end = p->end,
                         .speaker = p->speaker,
                         .text = p->text};
}

/* A row of embeddings for a row of the output: of one that failed, no numbers. */
static eng_status write_embedding(const infer *f, const infer_piece *p, const infer_answer *a, eng_error *err)
{
    size_t width = wlm_model_embedding_size(f->model);
    const float *embedding = a->outcome == INFER_LABELLED ? wlm_result_embedding(a->batch->result, a->index, &width) : NULL;
    if (f->embedded) {
        char name[1100];
        name_tensor(f, p, a, "", name, sizeof name);
        return embedding ? wts_writer_add(f->embedded, name, WTS_F32, 1, &width, embedding, err) : ENG_OK;
    }
    if (embedding || !f->embeddings) return embedding ? tool_npy_add(f->embeddings, embedding, err) : ENG_OK;
    float *none = eng_alloc(width, sizeof *none);
    if (!none) return eng_fail(err, ENG_E_MEMORY, "out of memory for a row of %s", f->o.embeddings);
    for (size_t i = 0; i < width; i++) none[i] = NAN;
    eng_status status = tool_npy_add(f->embeddings, none, err);
    eng_free(none);
    return status;
}

static eng_status write_failure(infer_writing *w, const infer_piece *p, const infer_answer *a, eng_error *err)
{
    const tool_row *r = &w->f->list.rows[p->row];
    const char *message = a->message ? a->message : "out of memory";
    eng_error path, line; /* eng_fail makes file names fit for a terminal, as it did in the message */
    eng_fail(&path, ENG_E_IO, "%s", r->path);
    bool named = strncmp(message, path.message, strlen(path.message)) == 0; /* errors of the file itself begin so */
    eng_fail(&line, ENG_E_IO, "%s%s%s", named ? "" : r->file, named ? "" : ": ", message);
    say(w, line.message);
    tool_result failed = place_row(p, a);
    failed.error = message;
    eng_status status = w->f->errors ? infer_errors_write(w->f->errors, r->file, &failed, err) : ENG_OK;
    if (!status) status = write_embedding(w->f, p, a, err);
    if (!status) status = report_row(w, p, a, &failed, err);
    return status ? status : tool_output_write(w->f->out, &failed, err);
}

static eng_status write_features(const infer *f, const infer_piece *p, const infer_answer *a, eng_error *err)
{
    char name[1100];
    size_t shape[3];
    name_tensor(f, p, a, ".hidden_states", name, sizeof name);
    const float *states = wlm_result_hidden_states(a->batch->result, a->index, &shape[0], &shape[1], &shape[2]);
    return wts_writer_add(f->features, name, WTS_F32, 3, shape, states, err);
}

static eng_status write_answer(infer_writing *w, const infer_piece *p, const infer_answer *a, eng_error *err)
{
    const infer *f = w->f;
    infer_end end = {a->outcome, a->kind, 0, p->seconds, p->cut};
    if (a->outcome == INFER_LABELLED) end.label = wlm_result_best(a->batch->result, a->index);
    infer_totals_row(w->totals, &end);
    if (a->outcome == INFER_SILENT) return ENG_OK;
    if (a->outcome == INFER_FAILED) return write_failure(w, p, a, err);
    const wlm_result *result = a->batch->result;
    tool_result r = place_row(p, a);
    r.label = end.label;
    r.scores = wlm_result_scores(result, a->index);
    if (f->o.logits) r.logits = wlm_result_logits(result, a->index);
    eng_status status = f->features ? write_features(f, p, a, err) : ENG_OK;
    if (!status) status = write_embedding(f, p, a, err);
    if (!status) status = report_row(w, p, a, &r, err);
    return status ? status : tool_output_write(f->out, &r, err);
}

/* Once a run: what it means that a recording is long and labelled as one. */
static void note_length(infer_writing *w, const infer_job *j)
{
    if (!j->whole || j->seconds <= w->f->o.longest || w->longest_said || w->f->o.quiet) return;
    eng_error line;
    eng_fail(&line, ENG_E_USAGE,
             "%s: %.0f s long and labelled as one: work grows with the square of its length, memory with it, and one "
             "label says little of so much (--segment 10 gives a row every 10 s; --longest %.0f silences this)",
             w->f->list.rows[j->row].file, j->seconds, j->seconds + 1);
    say(w, line.message);
    w->longest_said = true;
}

static eng_status finish_job(infer_writing *w, infer_job *j, eng_error *err)
{
    note_length(w, j);
    if (j->seconds > 0) tool_output_length(w->f->out, j->row, j->seconds);
    w->totals->unnamed += w->f->segments && !j->span_count && !j->failed;
    infer_totals_recording(w->totals, j->rows, j->seconds, j->failed);
    if (!w->f->o.quiet) infer_totals_show(w->totals, w->progress);
    return report_end(w, j, err);
}

size_t infer_write_item(void *arg, tool_stage_item *item)
{
    infer_writing *w = arg;
    infer_item *i = (infer_item *)item;
    const infer_piece *p = (const infer_piece *)item;
    if (w->failure.status) { /* one was lost before */
        i->lost = true;
        tool_stage_interrupt(w->reading);
        return 0;
    }
    eng_status status = ENG_OK;
    for (size_t k = 0; i->is_piece && k < p->answers && !status; k++) status = write_answer(w, p, &p->answer[k], &w->failure);
    if (!i->is_piece && !status) status = finish_job(w, (infer_job *)item, &w->failure);
    i->lost = status != ENG_OK;
    if (i->lost) tool_stage_interrupt(w->reading);
    return 0;
}
