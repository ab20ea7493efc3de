/* Rows to jobs: a recording is one, with the segments that its user gave. */
#include <string.h>

#include "engine/memory.h"
#include "tools/common/segments/time.h"
#include "tools/infer/infer.h"

enum { ROWS_OF_JOB = 1 << 16 }; /* rows of a list that are read in one go, at most */

void infer_fail(infer_answer *a, eng_status kind, const char *message)
{
    a->outcome = INFER_FAILED;
    a->kind = kind;
    a->message = eng_strdup(message);
}

bool infer_is_whole(const infer *f)
{
    return !(f->o.segment > 0) && !f->segments && f->start_column == TOOL_NO_COLUMN;
}

bool infer_is_done(const infer *f, size_t row)
{
    return f->done && f->done[row - f->first_row];
}

/* Rows from `row` on that name segments of one recording. */
static size_t count_rows(const infer *f, size_t row)
{
    size_t n = 1;
    if (f->start_column == TOOL_NO_COLUMN || strcmp(f->list.rows[row].path, "-") == 0) return n;
    while (n < ROWS_OF_JOB && row + n < f->last_row && !infer_is_done(f, row + n) && tool_list_same_file(&f->list, row, row + n))
        n++;
    return n;
}

/* A time of the list: true when it is one or says nothing, which leaves *seconds. */
static bool list_time(const infer *f, size_t row, size_t column, double *seconds)
{
    tool_time read = tool_time_parse(tool_list_value(&f->list, row, column), seconds);
    return read == TOOL_TIME_OK || read == TOOL_TIME_NONE;
}

/* The segment that a row of the list names. An empty start is the recording's, and so is an empty end. */
static infer_span list_span(const infer *f, size_t row)
{
    infer_span s = {.row = row, .end = TOOL_SEGMENT_TO_END, .channel = TOOL_NO_CHANNEL};
    if (!list_time(f, row, f->start_column, &s.start)) s.bad = "the list's start is no time in seconds";
    else if (!list_time(f, row, f->end_column, &s.end)) s.bad = "the list's end is no time in seconds";
    else if (s.end != TOOL_SEGMENT_TO_END && s.end <= s.start) s.bad = "the list's end is not behind its start";
    return s;
}

static bool spans_of_list(const infer *f, infer_job *j)
{
    j->spans = eng_alloc(j->rows, sizeof *j->spans);
    for (size_t i = 0; j->spans && i < j->rows; i++) j->spans[i] = list_span(f, j->row + i);
    j->span_count = j->rows;
    return j->spans != NULL;
}

static bool spans_of_file(infer_job *j)
{
    const tool_segment *s = j->given.segments;
    size_t n = j->given.count;
    j->spans = eng_alloc(n, sizeof *j->spans);
    for (size_t i = 0; j->spans && i < n; i++)
        j->spans[i] = (infer_span){j->row, s[i].start, s[i].end, s[i].channel, s[i].speaker, s[i].text, NULL};
    j->span_count = n;
    return j->spans != NULL;
}

eng_status infer_job_spans(infer *f, infer_job *j, eng_error *err)
{
    eng_status status = ENG_OK;
    bool made = true;
    if (f->segments) {
        status = tool_segments_of(f->segments, f->list.rows[j->row].path, f->list.row_count, &j->given, err);
        if (!status) made = spans_of_file(j);
    } else if (f->start_column != TOOL_NO_COLUMN) {
        made = spans_of_list(f, j);
    }
    if (status || made) return status;
    return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for its segments", f->list.rows[j->row].file);
}

eng_status infer_job_next(infer *f, size_t *row, infer_job **out, eng_error *err)
{
    infer_job *j = *out = eng_alloc_zero(1, sizeof *j);
    if (!j) return eng_fail(err, ENG_E_MEMORY, "out of memory for a recording");
    j->row = *row;
    j->rows = count_rows(f, *row);
    *row += j->rows;
    return ENG_OK;
}

void infer_job_free(infer_job *j)
{
    if (!j) return;
    eng_free(j->spans);
    tool_segment_list_free(&j->given);
    infer_sound_fini(&j->sound);
    eng_free(j->slot);
    eng_free(j);
}

void infer_piece_free(infer_piece *p)
{
    for (size_t i = 0; i < p->answers; i++) eng_free(p->answer[i].message);
    eng_free(p->answer);
    mdl_audio_free(&p->audio);
    eng_free(p);
}
