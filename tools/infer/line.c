/* The line: jobs are given to be read, as many as the window has room for; their pieces are run in batches; pieces with all
 * their answers are given to be written, in the order of their jobs and of their places there, then the job itself, which
 * leaves the window when that is done.
 *
 * A batch takes what is there at that time, the earliest pieces first, as long as it fits: it waits for a file only when
 * there is nothing else to run, and short pieces are not held up behind a file that takes long to decode. Nothing is
 * padded, so how long the pieces of a batch are makes no difference; the bound on its audio is one on memory. */
#include <stdio.h>
#include <unistd.h>

#include "engine/memory.h"
#include "engine/threads.h"
#include "tools/infer/infer.h"

/* WINDOW: jobs between the first that is not written and the last that is read. WAITING: pieces that are not written may
 * be as many before those of later jobs wait for the first job's. */
enum { WINDOW = 1024, BATCH_PIECES = WINDOW / 2, WAITING = 16 * WINDOW };

/* What is decoded ahead: as much as the batches after the one that runs. */
enum { BATCHES_AHEAD = 2, BYTES_A_SECOND = 16000 * sizeof(float) };

/* Hidden states are large: no more than those that are written and those that are computed. */
enum { BATCHES_OF_FEATURES = 2 };

/* The utterances of a batch. */
typedef struct line_batch {
    size_t n;
    double seconds;
    wlm_input input[BATCH_PIECES];
    float *text[BATCH_PIECES]; /* input[i].text, or NULL */
    infer_piece *piece[BATCH_PIECES];
    infer_answer *answer[BATCH_PIECES];
} line_batch;

struct infer_line {
    infer *f;
    tool_stage *reading, *writing;
    infer_writing written_by;
    infer_job *window[WINDOW];       /* job j is window[j % WINDOW] */
    size_t row;                      /* of the list, the first that is of no job */
    size_t given, ended;             /* jobs given to be read, and got back */
    size_t finished, written;        /* jobs given to be written, and got back */
    size_t pieces;                   /* taken and not written */
    size_t in_writing;               /* pieces and jobs that were given to be written, and not got back */
    infer_piece *part;               /* the piece whose other channels were too much for the last batch; NULL: none */
    size_t channel;                  /* its first one that was not in a batch */
    size_t results;                  /* that pieces are still to be written from */
    line_batch batch;
};

/* ---- The window ---- */

static eng_status give_jobs(infer_line *l, eng_error *err)
{
    for (;;) {
        while (l->row < l->f->last_row && infer_is_done(l->f, l->row)) l->row++;
        if (l->row == l->f->last_row || l->given - l->written == WINDOW) return ENG_OK;
        infer_job *j;
        eng_status status = infer_job_next(l->f, &l->row, &j, err);
        if (status) return status;
        j->number = l->given++;
        l->window[j->number % WINDOW] = j;
        tool_stage_give(l->reading, &j->item.stage);
    }
}

/* Keeps a piece until it is its turn to be written: windows come in their order, the user's segments in that of their
 * ends. */
static eng_status keep_piece(infer_piece *p, eng_error *err)
{
    infer_job *j = p->job;
    size_t slots = j->span_count ? j->span_count : 1;
    if (!j->slot) {
        j->slot = eng_alloc_zero(slots, sizeof *j->slot);
        if (!j->slot) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu segments", slots);
    }
    infer_piece **place = &j->slot[j->span_count ? p->index : 0];
    p->after = NULL;
    if (*place) (*place)->last->after = p;
    else *place = p;
    (*place)->last = p;
    return ENG_OK;
}

/* The piece that is to be written next, where it is there. */
static infer_piece **next_piece(infer_job *j)
{
    if (!j->slot || (j->span_count && j->next == j->span_count)) return NULL;
    infer_piece **place = &j->slot[j->span_count ? j->next : 0];
    return *place ? place : NULL;
}

/* Has the job's pieces written that have all their answers and none without before them. */
static void finish_pieces(infer_line *l, infer_job *j)
{
    infer_piece **place;
    while ((place = next_piece(j)) && !(*place)->open) {
        infer_piece *p = *place;
        if (p->after) p->after->last = p->last;
        *place = p->after;
        j->next++;
        l->in_writing++;
        tool_stage_give(l->writing, &p->item.stage);
    }
}

static void finish_jobs(infer_line *l)
{
    while (l->finished < l->given) {
        infer_job *j = l->window[l->finished % WINDOW];
        finish_pieces(l, j);
        if (!j->ended || j->next < j->pieces) return;
        l->finished++;
        l->in_writing++;
        tool_stage_give(l->writing, &j->item.stage);
    }
}

static void free_piece(infer_line *l, infer_piece *p)
{
    for (size_t i = 0; i < p->answers; i++) {
        infer_batch *b = p->answer[i].batch;
        if (!b || --b->left) continue;
        wlm_result_free(b->result);
        eng_free(b);
        l->results--;
    }
    infer_piece_free(p);
    l->pieces--;
}

/* Lets what is written go; with `wait` one at least, if there is any. */
static eng_status release_written(infer_line *l, bool wait, eng_error *err)
{
    tool_stage_item *item = wait ? tool_stage_take(l->writing) : tool_stage_pick(l->writing, false, NULL, NULL);
    for (; item; item = tool_stage_pick(l->writing, false, NULL, NULL)) {
        infer_item *i = (infer_item *)item;
        bool lost = i->lost;
        l->in_writing--;
        if (i->is_piece) {
            free_piece(l, (infer_piece *)i);
        } else {
            l->window[l->written++ % WINDOW] = NULL;
            infer_job_free((infer_job *)i);
        }
        if (lost) return eng_fail(err, l->written_by.failure.status, "%s", l->written_by.failure.message);
    }
    return ENG_OK;
}

/* ---- Batches ---- */

/* One of the piece's channels has its answer. */
static void close_answer(infer_piece *p)
{
    if (--p->open == 0) mdl_audio_free(&p->audio);
}

/* Makes the batch's next input of a piece's channel; a is answered when that cannot be. */
static eng_status add_input(infer_line *l, infer_piece *p, infer_answer *a, eng_error *err)
{
    const infer *f = l->f;
    line_batch *b = &l->batch;
    const char *bad = NULL;
    char message[1200];
    wlm_input input = {.samples = p->audio.data + a->source * p->audio.stride, .count = p->audio.samples};
    float *text = NULL;
    size_t text_size = wlm_model_text_size(f->model);
    if (wlm_model_wants_gender(f->model)) input.gender = infer_row_gender(f, p->row, &bad);
    if (text_size && !(text = eng_alloc(text_size, sizeof *text)))
        return eng_fail(err, ENG_E_MEMORY, "out of memory for a text embedding");
    if (bad)
        snprintf(message, sizeof message, "gender \"%.100s\"; expected female or male", bad);
    else if (wlm_model_wants_gender(f->model) && !input.gender)
        snprintf(message, sizeof message,
                 "no gender: the model is conditioned on it; fill the list's column "
                 "\"gender\" or give --gender");
    else if (!text || infer_row_text(f, p->row, text, message, sizeof message)) {
        input.text = text;
        b->input[b->n] = input;
        b->text[b->n] = text;
        b->piece[b->n] = p;
        b->answer[b->n++] = a;
        b->seconds += p->seconds;
        return ENG_OK;
    }
    eng_free(text);
    infer_fail(a, ENG_E_USAGE, message);
    close_answer(p);
    return ENG_OK;
}

static bool has_room(const infer_line *l, double seconds)
{
    const line_batch *b = &l->batch;
    return b->n == 0 || (b->n < BATCH_PIECES && b->seconds + seconds <= l->f->o.batch_seconds);
}

/* For tool_stage_pick. With features jobs are run in their order: hidden states are too large to be kept for long. */
static bool will_do(const void *arg, const tool_stage_item *item)
{
    const infer_line *l = arg;
    const infer_item *i = (const infer_item *)item;
    const infer_piece *p = (const infer_piece *)item;
    const infer_job *j = i->is_piece ? p->job : (const infer_job *)item;
    size_t job = j->number;
    if (l->f->features && job != l->ended) return false;
    if (!i->is_piece) return j->taken == j->pieces; /* one behind another */
    return (l->pieces < WAITING || job == l->finished) && (!p->open || has_room(l, p->seconds));
}

/* Takes a piece that fits the batch, and jobs that have been read to their ends; NULL when there is none now, or with an
 * empty batch none to wait for. */
static eng_status take_piece(infer_line *l, infer_piece **out, eng_error *err)
{
    for (;;) {
        *out = NULL;
        eng_status status = release_written(l, false, err);
        if (!status) status = give_jobs(l, err);
        if (status) return status;
        infer_item *i = (infer_item *)tool_stage_pick(l->reading, l->batch.n == 0, will_do, l);
        if (!i) return ENG_OK;
        if (i->is_piece) {
            *out = (infer_piece *)i;
            l->pieces++;
            (*out)->job->taken++;
            status = keep_piece(*out, err);
            if (status) return status;
            return (*out)->answers ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for a row");
        }
        infer_job *j = (infer_job *)i;
        if (j->starved) return eng_fail(err, ENG_E_MEMORY, "out of memory for %s", l->f->list.rows[j->row].file);
        j->ended = true;
        l->ended++;
        finish_jobs(l);
    }
}

/* Puts the piece's channels in the batch, from l->channel on; those that have no room stay in l->part. */
static eng_status add_piece(infer_line *l, infer_piece *p, eng_error *err)
{
    l->part = p;
    for (; p->open && l->channel < p->answers; l->channel++) {
        if (p->answer[l->channel].outcome != INFER_LABELLED) continue;
        if (!has_room(l, p->seconds)) return ENG_OK;
        eng_status status = add_input(l, p, &p->answer[l->channel], err);
        if (status) return status;
    }
    l->part = NULL;
    l->channel = 0;
    if (!p->open) finish_jobs(l); /* not one of it is run */
    return ENG_OK;
}

static eng_status fill_batch(infer_line *l, eng_error *err)
{
    infer_piece *p = l->part;
    eng_status status = ENG_OK;
    l->batch.n = 0;
    l->batch.seconds = 0;
    do {
        if (!p) status = take_piece(l, &p, err);
        if (!status && p) status = add_piece(l, p, err);
        if (!p) break;
        p = NULL;
    } while (!status && !l->part);
    return status;
}

/* Runs utterances first .. first + n - 1 of the batch together. Where memory does not suffice for that it may for each. */
static eng_status run_inputs(infer_line *l, size_t first, size_t n, eng_error *err)
{
    line_batch *b = &l->batch;
    wlm_error failure;
    infer_batch *done = eng_alloc_zero(1, sizeof *done);
    if (!done) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    const infer *f = l->f;
    bool embeddings = f->embeddings || f->embedded;
    wlm_run_options o = {.flags = WLM_EACH | (f->features ? WLM_HIDDEN_STATES : 0) | (embeddings ? WLM_EMBEDDINGS : 0),
                         .layers = f->layer,
                         .layer_count = f->layers};
    int failed = wlm_run_with(f->model, n, b->input + first, &o, &done->result, &failure);
    eng_status status = ENG_OK;
    for (size_t i = first; failed && n > 1 && i < first + n && !status; i++) status = run_inputs(l, i, 1, err);
    for (size_t i = first; !(failed && n > 1) && i < first + n; i++) {
        infer_answer *a = b->answer[i];
        if (failed || wlm_result_status(done->result, i - first, &failure))
            infer_fail(a, (eng_status)failure.status, failure.message);
        else
            a->batch = done;
        a->index = i - first;
        done->left += a->batch != NULL;
        close_answer(b->piece[i]);
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
    /* What is computed may wait for a reader of the rows, but not grow without end; results may also be held by a piece
     * that is not complete. */
    while (l->in_writing >= WAITING && !status) status = release_written(l, true, err);
    while (l->f->features && l->results >= BATCHES_OF_FEATURES && l->in_writing && !status) status = release_written(l, true, err);
    if (!status && b->n) status = run_inputs(l, 0, b->n, err);
    for (size_t i = 0; i < b->n; i++) eng_free(b->text[i]);
    if (!status) finish_jobs(l);
    return status;
}

/* ---- The whole ---- */

eng_status infer_line_open(infer *f, eng_error *err)
{
    infer_line *l = f->line = eng_alloc_zero(1, sizeof *l);
    if (!l) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    l->f = f;
    l->row = f->first_row;
    size_t usual = eng_cpu_count() / 4 > 2 ? eng_cpu_count() / 4 : 2, rows = f->last_row - f->first_row;
    tool_stage_options reading = {.make = infer_read_job,
                                  .arg = f,
                                  .threads = f->o.decoders ? (size_t)f->o.decoders : usual,
                                  .most_bytes = (size_t)(BATCHES_AHEAD * f->o.batch_seconds * BYTES_A_SECOND) + 1};
    if (reading.threads > rows) reading.threads = rows ? rows : 1;
    eng_status status = tool_stage_open(&reading, &l->reading, err);
    f->reading = l->reading;
    return status ? status : give_jobs(l, err);
}

eng_status infer_line_run(infer *f, eng_error *err)
{
    infer_line *l = f->line;
    l->written_by = (infer_writing){
        .f = f, .reading = l->reading, .totals = f->totals, .progress = !f->o.quiet && isatty(STDERR_FILENO)};
    eng_status status = tool_stage_open(&(tool_stage_options){infer_write_item, &l->written_by, 1, 0}, &l->writing, err);
    while (!status && (l->row < f->last_row || l->written < l->given)) {
        status = fill_batch(l, err);
        if (!status) status = run_batch(l, err);
        /* With nothing to run, something is being written that the window has no room without, or that is the last. */
        if (!status && !l->batch.n) status = release_written(l, true, err);
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
