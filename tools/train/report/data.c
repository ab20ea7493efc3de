#include "tools/train/report/data.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "weights/value.h"

enum { READ_STEP = 1 << 16, FIRST_ROOM = 256 };

static const double LARGEST = 1e15; /* whole numbers are exact, and differences and squares finite */

static double number(const wts_value *v)
{
    bool good = v && (v->kind == WTS_INT || v->kind == WTS_FLOAT) && fabs(v->number) <= LARGEST;
    return good ? v->number : NAN;
}

static double member(const wts_value *line, const char *key)
{
    return number(wts_value_get(line, key));
}

/* ---- Copies of what a line holds; NULL: out of memory ---- */

static const char *keep_text(train_report_log *log, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = eng_arena_alloc(&log->arena, size, 1);
    if (copy) memcpy(copy, s, size);
    return copy;
}

/* A list of exactly n numbers as *out; NULL there when v is something else. False: out of memory. */
static bool keep_numbers(train_report_log *log, const wts_value *v, size_t n, const double **out)
{
    *out = NULL;
    if (!v || v->kind != WTS_LIST || v->count != n) return true;
    double *copy = eng_arena_alloc(&log->arena, n, sizeof *copy);
    if (!copy) return false;
    for (size_t i = 0; i < n; i++) copy[i] = number(&v->items[i]);
    *out = copy;
    return true;
}

/* Lists of n lists of n counts. */
static bool keep_matrix(train_report_log *log, const wts_value *v, size_t n, const double **out)
{
    *out = NULL;
    if (!v || v->kind != WTS_LIST || v->count != n) return true;
    for (size_t i = 0; i < n; i++) {
        const wts_value *row = &v->items[i];
        if (row->kind != WTS_LIST || row->count != n) return true;
        for (size_t j = 0; j < n; j++)
            if (!(number(&row->items[j]) >= 0)) return true;
    }
    double *copy = eng_arena_alloc(&log->arena, n * n, sizeof *copy);
    if (!copy) return false;
    for (size_t i = 0; i < n * n; i++) copy[i] = number(&v->items[i / n].items[i % n]);
    *out = copy;
    return true;
}

static bool keep_classes(train_report_log *log, const wts_value *line, train_report_evaluation *e)
{
    const wts_value *names = wts_value_get(line, "classes");
    if (!names || names->kind != WTS_LIST || !names->count || names->count > TRAIN_REPORT_CLASSES) return true;
    for (size_t i = 0; i < names->count; i++)
        if (names->items[i].kind != WTS_STRING) return true;
    e->class_name = eng_arena_alloc(&log->arena, names->count, sizeof *e->class_name);
    if (!e->class_name) return false;
    for (size_t i = 0; i < names->count; i++)
        if (!(e->class_name[i] = keep_text(log, names->items[i].text))) return false;
    e->classes = names->count;
    return keep_numbers(log, wts_value_get(line, "precision"), e->classes, &e->precision) &&
           keep_numbers(log, wts_value_get(line, "recall"), e->classes, &e->recall) &&
           keep_numbers(log, wts_value_get(line, "f1"), e->classes, &e->f1) &&
           keep_matrix(log, wts_value_get(line, "confusion"), e->classes, &e->confusion);
}

static bool keep_attributes(train_report_log *log, const wts_value *line, train_report_evaluation *e)
{
    const wts_value *ccc = wts_value_get(line, "ccc");
    if (!ccc || ccc->kind != WTS_DICT || ccc->count > TRAIN_REPORT_ATTRIBUTES) return true;
    for (size_t i = 0; i < ccc->count; i++) {
        e->ccc[i] = number(&ccc->members[i].value);
        if (!(e->attribute[i] = keep_text(log, ccc->members[i].key))) return false;
    }
    e->attributes = ccc->count;
    return true;
}

/* ---- Lines ---- */

/* Makes room for one more behind count. */
static bool grow(void **block, size_t count, size_t *room, size_t size)
{
    if (count < *room) return true;
    size_t more = *room ? 2 * *room : FIRST_ROOM;
    void *grown = eng_grow(*block, count, more, size);
    if (!grown) return false;
    *block = grown;
    *room = more;
    return true;
}

/* Takes back everything from that step on: the run went on from before it. */
static void rewind_to(train_report_log *log, double step)
{
    while (log->step_count && log->step[log->step_count - 1].step >= step) log->step_count--;
    size_t kept = 0;
    for (size_t i = 0; i < log->evaluation_count; i++)
        if (log->evaluation[i].step < step) log->evaluation[kept++] = log->evaluation[i];
    log->evaluation_count = kept;
}

static bool add_step(train_report_log *log, const wts_value *line, double step)
{
    if (log->step_count && log->step[log->step_count - 1].step >= step) rewind_to(log, step);
    void *block = log->step;
    if (!grow(&block, log->step_count, &log->step_room, sizeof *log->step)) return false;
    log->step = block;
    log->step[log->step_count++] = (train_report_step){
        .step = step,
        .epoch = member(line, "epoch"),
        .loss = member(line, "loss"),
        .rate = member(line, "lr"),
        .grad_norm = member(line, "grad_norm"),
        .seconds = member(line, "seconds_audio"),
    };
    return true;
}

/* The split's index; TRAIN_REPORT_SPLITS when there are too many. SIZE_MAX: out of memory. */
static size_t find_split(train_report_log *log, const char *name)
{
    size_t i = 0;
    while (i < log->split_count && strcmp(log->split[i], name) != 0) i++;
    if (i == log->split_count && i < TRAIN_REPORT_SPLITS) {
        if (!(log->split[i] = keep_text(log, name))) return SIZE_MAX;
        log->split_count++;
    }
    return i;
}

/* An evaluation made again replaces the first. */
static void drop_evaluation(train_report_log *log, size_t split, double step)
{
    size_t kept = 0;
    for (size_t i = 0; i < log->evaluation_count; i++)
        if (log->evaluation[i].split != split || log->evaluation[i].step != step)
            log->evaluation[kept++] = log->evaluation[i];
    log->evaluation_count = kept;
}

static bool add_evaluation(train_report_log *log, const wts_value *line, double step, const char *split)
{
    const wts_value *best = wts_value_get(line, "best");
    train_report_evaluation e = {
        .step = step,
        .epoch = member(line, "epoch"),
        .loss = member(line, "loss"),
        .count = member(line, "count"),
        .split = find_split(log, split),
        .best = best && best->kind == WTS_BOOL && best->boolean,
        .macro_f1 = member(line, "macro_f1"),
        .accuracy = member(line, "accuracy"),
        .uar = member(line, "uar"),
        .ccc_mean = member(line, "ccc_mean"),
    };
    if (e.split == SIZE_MAX) return false;
    if (e.split == TRAIN_REPORT_SPLITS) {
        log->skipped++;
        return true;
    }
    if (!keep_classes(log, line, &e) || !keep_attributes(log, line, &e)) return false;
    if (step <= log->newest[e.split]) drop_evaluation(log, e.split, step);
    log->newest[e.split] = fmax(step, log->newest[e.split]);
    void *block = log->evaluation;
    if (!grow(&block, log->evaluation_count, &log->evaluation_room, sizeof *log->evaluation)) return false;
    log->evaluation = block;
    log->evaluation[log->evaluation_count++] = e;
    return true;
}

/* False: out of memory. */
static bool add_line(train_report_log *log, const char *path, const char *text, size_t length)
{
    size_t blank = 0;
    while (blank < length && strchr(" \t\r", text[blank]) && text[blank]) blank++;
    if (blank == length) return true;
    wts_doc *doc = NULL;
    eng_status status = wts_json_parse(path, text, length, &doc, NULL);
    if (status == ENG_E_MEMORY) return false;
    bool good = true;
    const wts_value *line = status ? NULL : wts_doc_root(doc), *split = wts_value_get(line, "split");
    double step = member(line, "step");
    if (!(step >= 0) || (split && split->kind != WTS_STRING))
        log->skipped++;
    else if (split)
        good = add_evaluation(log, line, step, split->text);
    else
        good = add_step(log, line, step);
    wts_doc_free(doc);
    return good;
}

/* ---- The file ---- */

static eng_status read_all(int fd, const char *path, char **text, size_t *size, eng_error *err)
{
    size_t room = 0;
    for (;;) {
        if (*size == room) {
            size_t more = room ? 2 * room : READ_STEP;
            char *grown = eng_grow(*text, *size, more, 1);
            if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory after %zu bytes", path, *size);
            *text = grown;
            room = more;
        }
        ssize_t n = read(fd, *text + *size, room - *size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0) return ENG_OK;
        *size += (size_t)n;
    }
}

eng_status train_report_log_read(train_report_log *log, const char *path, eng_error *err)
{
    *log = (train_report_log){0};
    eng_arena_init(&log->arena);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return eng_fail(err, errno == ENOENT ? ENG_E_MISSING : ENG_E_IO, "%s: cannot open: %s", path, strerror(errno));
    char *text = NULL;
    size_t size = 0;
    eng_status status = read_all(fd, path, &text, &size, err);
    close(fd);
    for (size_t at = 0; !status && at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t length = newline ? (size_t)(newline - text) - at : size - at;
        if (!add_line(log, path, text + at, length)) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
        at += length + 1;
    }
    eng_free(text);
    return status;
}

void train_report_log_fini(train_report_log *log)
{
    eng_free(log->step);
    eng_free(log->evaluation);
    eng_arena_fini(&log->arena);
    *log = (train_report_log){0};
}

double train_report_score(const train_report_evaluation *e)
{
    return isnan(e->ccc_mean) ? e->macro_f1 : e->ccc_mean;
}

const train_report_evaluation *train_report_best(const train_report_log *log, size_t split)
{
    const train_report_evaluation *last = NULL, *at_best = NULL, *best = NULL;
    double step = NAN;
    for (size_t i = 0; i < log->evaluation_count; i++)
        if (log->evaluation[i].best) step = log->evaluation[i].step;
    for (size_t i = 0; i < log->evaluation_count; i++) {
        const train_report_evaluation *e = &log->evaluation[i];
        if (e->split != split) continue;
        last = e;
        if (e->step == step) at_best = e;
        if (e->best) best = e;
    }
    return best ? best : at_best ? at_best : last;
}
