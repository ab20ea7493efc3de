/* The line: rows are given to be read, as many as the window has room for; those that are read are run in batches; rows
 * with all their answers are given to be written, in their order, and leave the window when they are.
 *
 * A batch takes what is read at that time, the earliest rows first, as long as it fits: it waits for a file only when
 * there is nothing else to run, and short rows are not held up behind a file that takes long to decode. Nothing is
 * padded, so how long the rows of a batch are makes no difference; the bound on its audio is one on memory. */
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/memory.h"
#include "engine/threads.h"
#include "tools/infer/infer.h"

/* WINDOW: rows between the first that is not written and the last that is read; half of them make a batch. */
enum { WINDOW = 1024, BATCH_ROWS = WINDOW / 2 };

/* What is decoded ahead: as much as the batches after the one that runs. */
enum { BATCHES_AHEAD = 2, BYTES_A_SECOND = 16000 * sizeof(float) };

/* Hidden states are large: no more than those that are written and those that are computed. */
enum { BATCHES_OF_FEATURES = 2 };

/* The utterances of a batch. */
typedef struct line_batch {
    size_t n;
    double seconds;
    wlm_input input[BATCH_ROWS];
    float *text[BATCH_ROWS]; /* input[i].text, or NULL */
    infer_row *row[BATCH_ROWS];
    infer_answer *answer[BATCH_ROWS];
} line_batch;

struct infer_line {
    infer *f;
    tool_stage *reading, *writing;
    infer_writing written_by;
    infer_row *window[WINDOW]; /* row r is window[r % WINDOW] */
    size_t given, taken;       /* rows given to be read, and got back */
    size_t finished, written;  /* rows given to be written, and got back */
    infer_row *part;           /* the row whose other channels were too much for the last batch; NULL: none */
    size_t channel;            /* its first one that was not in a batch */
    size_t results;            /* that rows are still to be written from */
    line_batch batch;
};

/* ---- The window ---- */

static eng_status give_rows(infer_line *l, eng_error *err)
{
    for (; l->given < l->f->list.row_count && l->given - l->written < WINDOW; l->given++) {
        infer_row *r = eng_alloc_zero(1, sizeof *r);
        if (!r) return eng_fail(err, ENG_E_MEMORY, "out of memory for a row");
        r->row = l->given;
        l->window[r->row % WINDOW] = r;
        tool_stage_give(l->reading, &r->stage);
    }
    return ENG_OK;
}

/* Has the rows written that are finished and have no unfinished one before them. */
static void finish_rows(infer_line *l)
{
    while (l->finished < l->given) {
        infer_row *r = l->window[l->finished % WINDOW];
        if (!r->taken || r->open) return;
        l->finished++;
        tool_stage_give(l->writing, &r->stage);
    }
}

static void free_row(infer_line *l, infer_row *r)
{
    for (size_t i = 0; i < r->answers; i++) {
        infer_batch *b = r->answer[i].batch;
        if (!b || --b->left) continue;
        wlm_result_free(b->result);
        eng_free(b);
        l->results--;
    }
    wlm_audio_free(r->audio);
    eng_free(r->answer);
    eng_free(r);
}

/* Lets the rows go that are written; with `wait` one at least, if there are any. */
static eng_status release_rows(infer_line *l, bool wait, eng_error *err)
{
    tool_stage_item *item = wait ? tool_stage_take(l->writing) : tool_stage_pick(l->writing, false, NULL, NULL);
    for (; item; item = tool_stage_pick(l->writing, false, NULL, NULL)) {
        infer_row *r = (infer_row *)item;
        bool lost = r->lost;
        l->window[l->written++ % WINDOW] = NULL;
        free_row(l, r);
        if (lost) return eng_fail(err, l->written_by.failure.status, "%s", l->written_by.failure.message);
    }
    return ENG_OK;
}

/* ---- Inputs ---- */

/* The row's gender: the list's, else --gender; NULL when there is none; *bad gets a value that is no gender. */
static const char *row_gender(const infer *f, size_t row, const char **bad)
{
    static const char *const names[] = {NULL, "female", "male"};
    const char *value = tool_list_value(&f->list, row, f->gender_column);
    *bad = NULL;
    if (strcasecmp(value, "female") == 0 || strcasecmp(value, "f") == 0) return "female";
    if (strcasecmp(value, "male") == 0 || strcasecmp(value, "m") == 0) return "male";
    if (*value) *bad = value;
    return names[f->o.gender];
}

/* Reads the row's text embedding into out; false with a message when there is none that fits. */
static bool row_text(const infer *f, size_t row, float *out, char *message, size_t size)
{
    char stem[1024];
    tool_stem(f->list.rows[row].file, stem, sizeof stem);
    const wts_tensor *t = wts_checkpoint_find(&f->text, stem);
    size_t want = wlm_model_text_size(f->model);
    eng_error err = {0};
    if (!t)
        snprintf(message, size, "no text embedding: %s has no tensor %s", f->o.text, stem);
    else if (t->count != want)
        snprintf(message, size, "text embedding %s has %zu numbers; the model expects %zu", stem, t->count, want);
    else if (wts_tensor_read_f32(t, &f->portable, 0, want, out, &err))
        snprintf(message, size, "text embedding %s", err.message);
    else
        return true;
    return false;
}

/* Makes the batch's next input of a row's channel; a is answered when that cannot be. */
static eng_status add_input(infer_line *l, infer_row *r, infer_answer *a, eng_error *err)
{
    const infer *f = l->f;
    line_batch *b = &l->batch;
    const char *bad = NULL;
    wlm_input input = {.samples = wlm_audio_samples(r->audio, a->source), .count = wlm_audio_count(r->audio)};
    float *text = NULL;
    size_t text_size = wlm_model_text_size(f->model);
    if (wlm_model_wants_gender(f->model)) input.gender = row_gender(f, r->row, &bad);
    if (text_size && !(text = eng_alloc(text_size, sizeof *text)))
        return eng_fail(err, ENG_E_MEMORY, "out of memory for a text embedding");
    if (bad)
        snprintf(a->message, sizeof a->message, "gender \"%.100s\"; expected female or male", bad);
    else if (wlm_model_wants_gender(f->model) && !input.gender)
        snprintf(a->message, sizeof a->message,
                 "no gender: the model is conditioned on it; fill the list's column "
                 "\"gender\" or give --gender");
    else if (!text || row_text(f, r->row, text, a->message, sizeof a->message)) {
        input.text = text;
        b->input[b->n] = input;
        b->text[b->n] = text;
        b->row[b->n] = r;
        b->answer[b->n++] = a;
        b->seconds += r->seconds;
        return ENG_OK;
    }
    eng_free(text);
    a->failed = true;
    r->open--;
    return ENG_OK;
}

/* ---- Batches ---- */

static bool has_room(const infer_line *l, double seconds)
{
    const line_batch *b = &l->batch;
    return b->n == 0 || (b->n < BATCH_ROWS && b->seconds + seconds <= l->f->o.batch_seconds);
}

/* For tool_stage_pick. With features rows are run in their order: hidden states are too large to be kept for long. */
static bool will_do(const void *arg, const tool_stage_item *item)
{
    const infer_line *l = arg;
    const infer_row *r = (const infer_row *)item;
    return (!l->f->features || r->row == l->taken) && (!r->open || has_room(l, r->seconds));
}

/* Takes a row that is read and fits the batch; NULL when there is none now, or with an empty batch none to wait for. */
static eng_status take_row(infer_line *l, infer_row **out, eng_error *err)
{
    eng_status status = release_rows(l, false, err);
    if (!status) status = give_rows(l, err);
    if (status) return status;
    infer_row *r = *out = (infer_row *)tool_stage_pick(l->reading, l->batch.n == 0, will_do, l);
    if (!r) return ENG_OK;
    r->taken = true;
    l->taken++;
    return r->answers ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for a row");
}

/* Puts the row's channels in the batch, from l->channel on; those that have no room stay in l->part. */
static eng_status add_row(infer_line *l, infer_row *r, eng_error *err)
{
    l->part = r;
    for (; r->audio && l->channel < r->answers; l->channel++) {
        if (!has_room(l, r->seconds)) return ENG_OK;
        eng_status status = add_input(l, r, &r->answer[l->channel], err);
        if (status) return status;
    }
    l->part = NULL;
    l->channel = 0;
    if (!r->open) finish_rows(l); /* not one of it is run */
    return ENG_OK;
}

static eng_status fill_batch(infer_line *l, eng_error *err)
{
    infer_row *r = l->part;
    eng_status status = ENG_OK;
    l->batch.n = 0;
    l->batch.seconds = 0;
    do {
        if (!r) status = take_row(l, &r, err);
        if (!status && r) status = add_row(l, r, err);
        if (!r) break;
        r = NULL;
    } while (!status && !l->part);
    return status;
}

static void answer(infer_row *r)
{
    if (--r->open) return;
    wlm_audio_free(r->audio);
    r->audio = NULL;
}

/* Runs utterances first .. first + n - 1 of the batch together. Where memory does not suffice for that it may for each.
 */
static eng_status run_inputs(infer_line *l, size_t first, size_t n, eng_error *err)
{
    line_batch *b = &l->batch;
    wlm_error failure;
    infer_batch *done = eng_alloc_zero(1, sizeof *done);
    if (!done) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    unsigned flags = WLM_EACH | (l->f->features ? WLM_HIDDEN_STATES : 0);
    int failed = wlm_run(l->f->model, n, b->input + first, flags, &done->result, &failure);
    eng_status status = ENG_OK;
    for (size_t i = first; failed && n > 1 && i < first + n && !status; i++) status = run_inputs(l, i, 1, err);
    for (size_t i = first; !(failed && n > 1) && i < first + n; i++) {
        infer_answer *a = b->answer[i];
        if (failed || wlm_result_status(done->result, i - first, &failure))
            infer_fail(a, failure.message);
        else
            a->batch = done;
        a->index = i - first;
        done->left += !a->failed;
        answer(b->row[i]);
    }
    if (done->left) {
        l->results++;
    } else {
        wlm_result_free(done->result);
        eng_free(done);
    }
    return status;
}

static eng_status run_batch(infer_line *l, eng_error *err)
{
    line_batch *b = &l->batch;
    eng_status status = ENG_OK;
    while (l->f->features && l->results >= BATCHES_OF_FEATURES && !status) status = release_rows(l, true, err);
    if (!status && b->n) status = run_inputs(l, 0, b->n, err);
    for (size_t i = 0; i < b->n; i++) eng_free(b->text[i]);
    if (!status) finish_rows(l);
    return status;
}

/* ---- The whole ---- */

eng_status infer_line_open(infer *f, eng_error *err)
{
    infer_line *l = f->line = eng_alloc_zero(1, sizeof *l);
    if (!l) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    l->f = f;
    size_t usual = eng_cpu_count() / 4 > 2 ? eng_cpu_count() / 4 : 2;
    tool_stage_options reading = {.make = infer_read_row,
                                  .arg = f,
                                  .threads = f->o.decoders ? (size_t)f->o.decoders : usual,
                                  .most_bytes = (size_t)(BATCHES_AHEAD * f->o.batch_seconds * BYTES_A_SECOND) + 1};
    if (reading.threads > f->list.row_count) reading.threads = f->list.row_count;
    eng_status status = tool_stage_open(&reading, &l->reading, err);
    return status ? status : give_rows(l, err);
}

eng_status infer_line_run(infer *f, eng_error *err)
{
    infer_line *l = f->line;
    l->written_by = (infer_writing){
        .f = f, .reading = l->reading, .started = eng_now(), .progress = !f->o.quiet && isatty(STDERR_FILENO)};
    eng_status status = tool_stage_open(&(tool_stage_options){infer_write_row, &l->written_by, 1, 0}, &l->writing, err);
    if (!status) infer_show_progress(&l->written_by, 0);
    while (!status && l->written < f->list.row_count) {
        status = fill_batch(l, err);
        if (!status) status = run_batch(l, err);
        /* With nothing to run, rows are being written that the window has no room without, or that are the last ones.
         */
        if (!status && !l->batch.n) status = release_rows(l, true, err);
    }
    tool_stage_close(l->writing);
    l->writing = NULL;
    return status;
}

void infer_line_close(infer *f)
{
    if (f->line) tool_stage_close(f->line->reading);
    eng_free(f->line);
    f->line = NULL;
}
