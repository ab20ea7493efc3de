/* `--resume`: which rows of the list an earlier run has written, and where in its output this one goes on.
 *
 * An input with one row in the output is done when its row is there. One with several (segments, channels) may have been
 * interrupted between them, so of such inputs the last is done again, unless the output is complete. Inputs that came since
 * are labelled after the others, whatever their place in the list: with the same inputs the output is what an undisturbed
 * run gives, byte for byte. */
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/output_resume.h"
#include "tools/common/text.h"
#include "tools/infer/infer.h"

/* An input's rows in the list, [row, row + rows), which are one after the other and of one file. */
typedef struct listed {
    uint64_t hash; /* of the file, as the output says it */
    size_t row, rows;
    size_t done; /* of the first of a hash: how many of them, from it on, are done */
} listed;

typedef struct search {
    infer *f;
    bool single;    /* an input is a row of the list, and of the output */
    listed *inputs; /* [count], by hash, then by row */
    size_t count;
    char *file; /* of the earlier run's last row; NULL: there is none */
    uint64_t offset;  /* where the first of that file's last rows begins */
    size_t last, last_rows; /* what it is of in the list */
    size_t failed, failed_last; /* rows that say why there is no label: all, and that file's last ones */
} search;

/* FNV-1a of a row's file. */
static uint64_t hash(const char *file)
{
    uint64_t h = 14695981039346656037u;
    for (; *file; file++) h = (h ^ (unsigned char)*file) * 1099511628211u;
    return h;
}

static int by_hash(const void *a, const void *b)
{
    const listed *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool list_inputs(search *s)
{
    const infer *f = s->f;
    tool_text text = {0};
    s->inputs = eng_alloc(f->last_row - f->first_row, sizeof *s->inputs);
    if (!s->inputs) return false;
    for (size_t row = f->first_row; row < f->last_row;) {
        const char *file = f->list.rows[row].file;
        size_t rows = 1;
        while (!s->single && row + rows < f->last_row && strcmp(f->list.rows[row + rows].file, file) == 0) rows++;
        text.size = 0;
        if (f->o.format == TOOL_JSONL) tool_text_utf8(&text, file);
        else tool_text_string(&text, file);
        tool_text_bytes(&text, "", 1);
        if (text.failed) break;
        s->inputs[s->count++] = (listed){.hash = hash(text.bytes), .row = row, .rows = rows};
        row += rows;
    }
    qsort(s->inputs, s->count, sizeof *s->inputs, by_hash);
    bool failed = text.failed;
    eng_free(text.bytes);
    return !failed;
}

/* The first input of that file that is not done; NULL: there is none. */
static const listed *find(const search *s, const char *file)
{
    uint64_t h = hash(file);
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->inputs[middle].hash < h) low = middle + 1;
        else high = middle;
    }
    listed *first = &s->inputs[low];
    bool done = true; /* all up to here */
    for (size_t i = low < s->count && first->hash == h ? low + first->done : s->count; i < s->count && s->inputs[i].hash == h; i++) {
        size_t row = s->inputs[i].row;
        if (s->f->done[row - s->f->first_row]) {
            if (done) first->done++;
            continue;
        }
        done = false;
        if (tool_resume_is_of((tool_format)s->f->o.format, file, s->f->list.rows[row].file)) return &s->inputs[i];
    }
    return NULL;
}

static void mark(const search *s, size_t row, size_t rows, bool done)
{
    for (size_t i = 0; i < rows; i++) s->f->done[row - s->f->first_row + i] = done;
}

static eng_status take_row(void *arg, const tool_resume_row *r, eng_error *err)
{
    search *s = arg;
    s->failed += r->failed;
    if (!s->single && s->file && strcmp(s->file, r->file) == 0) {
        s->failed_last += r->failed;
        return ENG_OK;
    }
    s->failed_last = r->failed;
    const listed *input = find(s, r->file);
    if (!input)
        return eng_fail(err, ENG_E_MISMATCH,
                        "%s has a row of %s, which is not among the inputs (or not so often): --resume goes on with the "
                        "inputs that it began with, and more",
                        s->f->o.output, r->file);
    char *file = eng_strdup(r->file);
    if (!file) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    eng_free(s->file);
    s->file = file;
    s->offset = r->offset;
    s->last = input->row;
    s->last_rows = input->rows;
    mark(s, input->row, input->rows, true);
    return ENG_OK;
}

eng_status infer_resume(infer *f, tool_output_spec *spec, eng_error *err)
{
    search s = {.f = f, .single = !f->segments && !(f->o.segment > 0) && f->channels != CHANNELS_SPLIT};
    size_t rows = f->last_row - f->first_row;
    tool_resume found = {0};
    f->done = eng_alloc_zero(rows, sizeof *f->done);
    eng_status status = f->done && list_inputs(&s) ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for %zu inputs", rows);
    if (!status) status = tool_output_resume(spec, take_row, &s, &found, err);
    if (!status) {
        spec->append_at = found.keep;
        spec->append_complete = found.complete;
        if (!s.single && s.file && !found.complete) {
            spec->append_at = s.offset;
            mark(&s, s.last, s.last_rows, false);
            s.failed -= s.failed_last;
        }
        f->done_failed = s.failed;
        for (size_t i = 0; i < rows; i++) f->done_rows += f->done[i];
    }
    eng_free(s.file);
    eng_free(s.inputs);
    return status;
}
