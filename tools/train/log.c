#include "tools/train/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/memory.h"
#include "weights/value.h"

eng_status train_log_open(train_log *log, const char *path, uint64_t bytes, eng_error *err)
{
    *log = (train_log){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), .bytes = bytes, .path = eng_strdup(path)};
    if (log->fd < 0) return eng_fail(err, ENG_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!log->path) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    if (flock(log->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) /* others: a file system without locks */
        return eng_fail(err, ENG_E_IO, "%s: another training is writing it", path);
    off_t size = lseek(log->fd, 0, SEEK_END);
    if (size < 0 || (uint64_t)size < bytes)
        return eng_fail(err, ENG_E_MISMATCH, "%s: has %lld bytes; the state to resume from had written %llu", path,
                        (long long)size, (unsigned long long)bytes);
    if (ftruncate(log->fd, (off_t)bytes) != 0 || lseek(log->fd, 0, SEEK_END) < 0)
        return eng_fail(err, ENG_E_IO, "%s: cannot cut to %llu bytes: %s", path, (unsigned long long)bytes, strerror(errno));
    return ENG_OK;
}

static eng_status append(train_log *log, const char *text, size_t size, eng_error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(log->fd, text + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int cause = errno;
            if (ftruncate(log->fd, (off_t)log->bytes) == 0) lseek(log->fd, 0, SEEK_END);
            return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", log->path, strerror(cause));
        }
        done += (size_t)n;
    }
    log->bytes += size;
    return ENG_OK;
}

/* JSON has no NaN and no infinity. */
static void put_number(FILE *to, double x)
{
    if (isfinite(x)) fprintf(to, "%.9g", x);
    else fputs("null", to);
}

static void put_text(FILE *to, const char *text)
{
    size_t size = wts_json_quote(NULL, 0, text) + 1;
    char *quoted = eng_alloc(size, 1);
    if (!quoted) return;
    wts_json_quote(quoted, size, text);
    fputs(quoted, to);
    eng_free(quoted);
}

static void put_numbers(FILE *to, const char *key, const double *x, size_t n)
{
    fprintf(to, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i) fputc(',', to);
        put_number(to, x[i]);
    }
    fputc(']', to);
}

/* Ends a line that was composed in memory, and appends it. */
static eng_status end_line(train_log *log, FILE *line, char **text, size_t *size, eng_error *err)
{
    fputs("}\n", line);
    bool bad = ferror(line) != 0;
    if (fclose(line) != 0) bad = true;
    eng_status status = bad ? eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a line", log->path)
                            : append(log, *text, *size, err);
    free(*text);
    return status;
}

eng_status train_log_step(train_log *log, const train_step_line *l, eng_error *err)
{
    char *text;
    size_t size;
    FILE *line = open_memstream(&text, &size);
    if (!line) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a line", log->path);
    fprintf(line, "{\"step\":%zu,\"epoch\":%zu,\"loss\":", l->step, l->epoch);
    put_number(line, l->loss);
    fputs(",\"lr\":", line);
    put_number(line, l->rate);
    fputs(",\"grad_norm\":", line);
    put_number(line, l->norm);
    fputs(",\"seconds_audio\":", line);
    put_number(line, l->seconds);
    return end_line(log, line, &text, &size, err);
}

static void put_classes(FILE *line, const train_evaluation_line *l)
{
    const mdl_class_scores *s = l->scores;
    fputs(",\"macro_f1\":", line);
    put_number(line, s->macro_f1);
    fputs(",\"accuracy\":", line);
    put_number(line, s->accuracy);
    fputs(",\"uar\":", line);
    put_number(line, s->uar);
    fputs(",\"classes\":[", line);
    for (size_t i = 0; i < s->classes; i++) {
        if (i) fputc(',', line);
        put_text(line, l->names[i]);
    }
    fputc(']', line);
    put_numbers(line, "precision", s->precision, s->classes);
    put_numbers(line, "recall", s->recall, s->classes);
    put_numbers(line, "f1", s->f1, s->classes);
    fputs(",\"confusion\":[", line);
    for (size_t i = 0; i < s->classes; i++) {
        fputs(i ? ",[" : "[", line);
        for (size_t j = 0; j < s->classes; j++)
            fprintf(line, "%s%zu", j ? "," : "", s->confusion[i * s->classes + j]);
        fputc(']', line);
    }
    fputc(']', line);
}

eng_status train_log_evaluation(train_log *log, const train_evaluation_line *l, eng_error *err)
{
    char *text;
    size_t size;
    FILE *line = open_memstream(&text, &size);
    if (!line) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a line", log->path);
    fprintf(line, "{\"step\":%zu,\"epoch\":%zu,\"split\":\"%s\",\"loss\":", l->step, l->epoch, l->split);
    put_number(line, l->loss);
    if (l->scores) put_classes(line, l);
    if (l->ccc) {
        fputs(",\"ccc\":{", line);
        for (size_t i = 0; i < l->attributes; i++) {
            if (i) fputc(',', line);
            put_text(line, l->names[i]);
            fputc(':', line);
            put_number(line, l->ccc[i]);
        }
        fputs("},\"ccc_mean\":", line);
        put_number(line, l->ccc_mean);
    }
    fprintf(line, ",\"count\":%zu,\"best\":%s", l->count, l->best ? "true" : "false");
    return end_line(log, line, &text, &size, err);
}

eng_status train_log_sync(const train_log *log, eng_error *err)
{
    if (fsync(log->fd) != 0 && errno != EINVAL && errno != EROFS)
        return eng_fail(err, ENG_E_IO, "%s: cannot sync: %s", log->path, strerror(errno));
    return ENG_OK;
}

void train_log_close(train_log *log)
{
    if (log->path && log->fd >= 0) close(log->fd);
    eng_free(log->path);
    *log = (train_log){.fd = -1};
}
