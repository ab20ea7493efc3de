#include "tools/common/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/memory.h"
#include "weights/value.h"

enum { FIRST_ROOM = 1024 };

/* Our own members and columns; a list's columns keep clear of all of them, whichever are in use, so that their names do
 * not depend on the options. */
static const char *const own_names[] = {"file", "channel", "label", "score", "scores", "logits", "error"};

/* A row under construction. */
typedef struct text {
    char *bytes;
    size_t size, room;
    bool failed; /* out of memory somewhere on the way */
} text;

struct tool_output {
    tool_output_spec spec;
    const char **class_names; /* [class_count]: the columns' names */
    const char **list_names;  /* [list->column_count] */
    eng_arena names;
    text row;
    size_t failed_rows;
    int fd;
    bool is_stdout;
    char *name;  /* for messages */
    char *final; /* what the file is renamed to, NULL when it is not */
    char *part;
};

/* ---- Text ---- */

static bool make_room(text *t, size_t more)
{
    size_t needed;
    if (t->failed || !eng_add_size(t->size, more, &needed)) {
        t->failed = true;
        return false;
    }
    if (needed <= t->room) return true;
    size_t room = t->room ? t->room : FIRST_ROOM;
    while (room < needed)
        if (!eng_mul_size(room, 2, &room)) room = needed;
    char *grown = eng_grow(t->bytes, t->size, room, 1);
    t->failed = !grown;
    if (!grown) return false;
    t->bytes = grown;
    t->room = room;
    return true;
}

static void put_bytes(text *t, const char *bytes, size_t size)
{
    if (!make_room(t, size)) return;
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
}

static void put_string(text *t, const char *s)
{
    put_bytes(t, s, strlen(s));
}

static void put_json(text *t, const char *s)
{
    size_t length = wts_json_quote(NULL, 0, s);
    if (!make_room(t, length + 1)) return;
    wts_json_quote(t->bytes + t->size, length + 1, s);
    t->size += length;
}

static void put_float(text *t, float value)
{
    char digits[32];
    for (int precision = 6; precision <= 9; precision++) { /* 9 digits identify any float32 */
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) break;
    }
    put_string(t, digits);
}

static void put_size(text *t, size_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%zu", value);
    put_string(t, digits);
}

static void put_csv(text *t, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        put_string(t, s);
        return;
    }
    put_string(t, "\"");
    for (; *s; s++) put_bytes(t, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    put_string(t, "\"");
}

static void put_tsv(text *t, const char *s)
{
    for (; *s; s++) {
        const char *escape = *s == '\t' ? "\\t" : *s == '\n' ? "\\n" : *s == '\r' ? "\\r" : *s == '\\' ? "\\\\" : NULL;
        if (escape)
            put_string(t, escape);
        else
            put_bytes(t, s, 1);
    }
}

/* ---- Rows ---- */

/* Begins a cell: the separator, except before the first. */
static void next_cell(tool_output *o)
{
    if (o->row.size) put_string(&o->row, o->spec.format == TOOL_TSV ? "\t" : ",");
}

static void put_cell(tool_output *o, const char *s)
{
    next_cell(o);
    if (o->spec.format == TOOL_TSV)
        put_tsv(&o->row, s);
    else
        put_csv(&o->row, s);
}

static void build_header(tool_output *o)
{
    const tool_output_spec *spec = &o->spec;
    put_cell(o, "file");
    if (spec->channels) put_cell(o, "channel");
    if (spec->class_count) {
        put_cell(o, "label");
        put_cell(o, "score");
    }
    for (size_t i = 0; i < spec->class_count; i++) put_cell(o, o->class_names[i]);
    for (size_t i = 0; spec->logits && i < spec->class_count; i++) {
        text name = {0};
        put_string(&name, "logit.");
        put_bytes(&name, spec->classes[i], strlen(spec->classes[i]) + 1);
        if (name.failed)
            o->row.failed = true;
        else
            put_cell(o, name.bytes);
        eng_free(name.bytes);
    }
    for (size_t i = 0; i < spec->list->column_count; i++) put_cell(o, o->list_names[i]);
    put_cell(o, "error");
    put_string(&o->row, "\n");
}

static void build_cells(tool_output *o, const tool_result *r)
{
    const tool_output_spec *spec = &o->spec;
    put_cell(o, spec->list->rows[r->row].file);
    if (spec->channels) {
        next_cell(o);
        if (r->channel != TOOL_NO_CHANNEL) put_size(&o->row, r->channel);
    }
    if (spec->class_count) {
        put_cell(o, r->error ? "" : spec->classes[r->label]);
        next_cell(o);
        if (!r->error) put_float(&o->row, r->scores[r->label]);
    }
    for (size_t i = 0; i < spec->class_count; i++) {
        next_cell(o);
        if (!r->error) put_float(&o->row, r->scores[i]);
    }
    for (size_t i = 0; spec->logits && i < spec->class_count; i++) {
        next_cell(o);
        if (!r->error) put_float(&o->row, r->logits[i]);
    }
    for (size_t i = 0; i < spec->list->column_count; i++) put_cell(o, tool_list_value(spec->list, r->row, i));
    put_cell(o, r->error ? r->error : "");
    put_string(&o->row, "\n");
}

static void build_scores(tool_output *o, const tool_result *r)
{
    const tool_output_spec *spec = &o->spec;
    text *t = &o->row;
    put_string(t, ", \"label\": ");
    put_json(t, spec->classes[r->label]);
    put_string(t, ", \"scores\": {");
    for (size_t i = 0; i < spec->class_count; i++) {
        if (i) put_string(t, ", ");
        put_json(t, spec->classes[i]);
        put_string(t, ": ");
        put_float(t, r->scores[i]);
    }
    put_string(t, "}");
    if (!spec->logits) return;
    put_string(t, ", \"logits\": [");
    for (size_t i = 0; i < spec->class_count; i++) {
        if (i) put_string(t, ", ");
        put_float(t, r->logits[i]);
    }
    put_string(t, "]");
}

static void build_json(tool_output *o, const tool_result *r)
{
    const tool_output_spec *spec = &o->spec;
    text *t = &o->row;
    put_string(t, "{\"file\": ");
    put_json(t, spec->list->rows[r->row].file);
    if (spec->channels && r->channel != TOOL_NO_CHANNEL) {
        put_string(t, ", \"channel\": ");
        put_size(t, r->channel);
    }
    if (!r->error && spec->class_count) build_scores(o, r);
    for (size_t i = 0; i < spec->list->column_count; i++) {
        put_string(t, ", ");
        put_json(t, o->list_names[i]);
        put_string(t, ": ");
        put_json(t, tool_list_value(spec->list, r->row, i));
    }
    if (r->error) {
        put_string(t, ", \"error\": ");
        put_json(t, r->error);
    }
    put_string(t, "}\n");
}

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

/* ---- Names ---- */

static bool is_own_name(const char *name)
{
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++)
        if (strcmp(name, own_names[i]) == 0) return true;
    return false;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* prefix + name in o's memory; NULL when out of memory. */
static const char *prefixed(tool_output *o, const char *prefix, const char *name)
{
    size_t a = strlen(prefix), b = strlen(name) + 1;
    char *s = eng_arena_alloc(&o->names, a + b, 1);
    if (!s) return NULL;
    memcpy(s, prefix, a);
    memcpy(s + a, name, b);
    return s;
}

static eng_status name_classes(tool_output *o, eng_error *err)
{
    const tool_output_spec *spec = &o->spec;
    o->class_names = eng_alloc(spec->class_count, sizeof *o->class_names);
    if (!o->class_names) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
    for (size_t i = 0; i < spec->class_count; i++) {
        const char *name = spec->classes[i];
        if (is_among(name, spec->classes, i))
            return eng_fail(err, ENG_E_MISMATCH, "the model has two classes named '%s'", name);
        while (name &&
               (is_own_name(name) || (name != spec->classes[i] && is_among(name, spec->classes, spec->class_count))))
            name = prefixed(o, "score.", name);
        if (!name) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
        o->class_names[i] = name;
    }
    return ENG_OK;
}

static bool is_taken(const tool_output *o, const char *name)
{
    const tool_output_spec *spec = &o->spec;
    if (is_own_name(name) || is_among(name, o->class_names, spec->class_count)) return true;
    return strncmp(name, "logit.", 6) == 0 && is_among(name + 6, spec->classes, spec->class_count);
}

static eng_status name_list_columns(tool_output *o, eng_error *err)
{
    const tool_list *list = o->spec.list;
    o->list_names = eng_alloc(list->column_count, sizeof *o->list_names);
    if (!o->list_names) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
    for (size_t i = 0; i < list->column_count; i++) {
        const char *name = list->columns[i];
        /* A new name must not be another column's either, be it a list's own "list.label". */
        while (name &&
               (is_taken(o, name) || (name != list->columns[i] && is_among(name, list->columns, list->column_count))))
            name = prefixed(o, "list.", name);
        if (!name) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
        o->list_names[i] = name;
    }
    return ENG_OK;
}

/* ---- Files ---- */

/* write without SIGPIPE: a signal that this call caused is taken back before anyone sees it. */
static ssize_t write_quietly(int fd, const char *bytes, size_t size)
{
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t n = write(fd, bytes, size);
    int saved = errno;
    if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE)) {
        const struct timespec now = {0, 0};
        while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR) continue;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return n;
}

static eng_status write_row(tool_output *o, eng_error *err)
{
    if (o->row.failed) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a row", o->name);
    const char *p = o->row.bytes;
    size_t left = o->row.size;
    while (left) {
        ssize_t n = write_quietly(o->fd, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", o->name, strerror(errno));
        p += n;
        left -= (size_t)n;
    }
    return ENG_OK;
}

/* Sets fd, name and, for a file of our own, final and part. */
static eng_status open_file(tool_output *o, eng_error *err)
{
    const char *path = o->spec.path;
    o->is_stdout = !path || strcmp(path, "-") == 0;
    o->name = eng_strdup(o->is_stdout ? "standard output" : path);
    if (!o->name) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    if (o->is_stdout) {
        o->fd = STDOUT_FILENO;
        return ENG_OK;
    }
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) {
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        char buffer[PATH_MAX];
        char *target = exists ? realpath(path, buffer) : NULL; /* a link stays one: the file behind it is replaced */
        o->final = eng_strdup(target ? target : path);
        size_t size = o->final ? strlen(o->final) + sizeof ".part" : 0;
        o->part = eng_alloc(size, 1);
        if (!o->final || !o->part) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
        snprintf(o->part, size, "%s.part", o->final);
        o->fd = open(o->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (o->fd < 0) return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", o->part ? o->part : path, strerror(errno));
    return ENG_OK;
}

/* ---- The whole ---- */

void tool_output_abandon(tool_output *o)
{
    if (!o) return;
    if (o->fd >= 0 && !o->is_stdout) close(o->fd);
    eng_arena_fini(&o->names);
    eng_free(o->class_names);
    eng_free(o->list_names);
    eng_free(o->row.bytes);
    eng_free(o->name);
    eng_free(o->final);
    eng_free(o->part);
    eng_free(o);
}

eng_status tool_output_open(const tool_output_spec *spec, tool_output **out, eng_error *err)
{
    *out = NULL;
    tool_output *o = eng_alloc_zero(1, sizeof *o);
    if (!o) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    o->spec = *spec;
    o->fd = -1;
    eng_arena_init(&o->names);
    eng_status status = name_classes(o, err);
    if (!status) status = name_list_columns(o, err);
    if (!status) status = open_file(o, err);
    if (!status && spec->format != TOOL_JSONL) {
        build_header(o);
        status = write_row(o, err);
    }
    if (status)
        tool_output_abandon(o);
    else
        *out = o;
    return status;
}

eng_status tool_output_write(tool_output *o, const tool_result *result, eng_error *err)
{
    tool_result r = *result;
    const size_t classes = o->spec.class_count;
    if (!r.error && classes && !(all_finite(r.scores, classes) && (!o->spec.logits || all_finite(r.logits, classes))))
        r.error = "the model's scores are not finite";
    o->row.size = 0;
    if (o->spec.format == TOOL_JSONL)
        build_json(o, &r);
    else
        build_cells(o, &r);
    eng_status status = write_row(o, err);
    if (!status && r.error) o->failed_rows++;
    return status;
}

size_t tool_output_failed_rows(const tool_output *o)
{
    return o->failed_rows;
}

eng_status tool_output_close(tool_output *o, eng_error *err)
{
    eng_status status = ENG_OK;
    if (o->final && fsync(o->fd) != 0 && errno != EINVAL)
        status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", o->part, strerror(errno));
    if (!o->is_stdout) {
        int failed = close(o->fd);
        o->fd = -1;
        if (failed && !status) status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", o->name, strerror(errno));
    }
    if (!status && o->final && rename(o->part, o->final) != 0)
        status = eng_fail(err, ENG_E_IO, "%s: cannot rename to %s: %s", o->part, o->final, strerror(errno));
    tool_output_abandon(o);
    return status;
}
