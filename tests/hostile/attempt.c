/* Runs the programs on a damaged file and judges how they end. */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

enum {
    SECONDS = 60,                              /* of wall time; on a busy machine, too */
    ADDRESS_MB = 2048,                         /* of address space; the shadow of a sanitizer needs more */
    RESIDENT_MB = UNDER_SANITIZER ? 1024 : 128 /* what a run may touch */
};

void give_up(const char *what)
{
    fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t next_random(session *s)
{
    uint64_t z = (s->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

size_t below(session *s, size_t n)
{
    return n ? (size_t)(next_random(s) % n) : 0;
}

/* ---- Files ---- */

bytes new_bytes(size_t size)
{
    bytes b = {malloc(size + 1), size};
    if (!b.data) give_up("memory");
    b.data[size] = 0;
    return b;
}

bytes read_file(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) != 0) give_up(path);
    bytes b = new_bytes((size_t)info.st_size);
    if (read(fd, b.data, b.size) != (ssize_t)b.size) give_up(path);
    close(fd);
    return b;
}

void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) give_up(path);
    close(fd);
}

bytes replaced(const bytes *from, size_t at, size_t old, const void *with, size_t size)
{
    bytes b = new_bytes(from->size - old + size);
    memcpy(b.data, from->data, at);
    memcpy(b.data + at, with, size);
    memcpy(b.data + at + size, from->data + at + old, from->size - at - old);
    return b;
}

size_t value_end(const bytes *text, size_t at)
{
    size_t depth = 0;
    for (bool quoted = false; at < text->size; at++) {
        char c = (char)text->data[at];
        if (c == '"' && text->data[at - 1] != '\\') quoted = !quoted;
        if (quoted) continue;
        if (depth == 0 && strchr(",}]\n", c)) break;
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && --depth == 0) return at + 1;
    }
    return at;
}

/* ---- Running ---- */

static void limit(int what, rlim_t value)
{
    struct rlimit l = {value, value};
    setrlimit(what, &l);
}

static void start_child(const session *s, const char *folder, const char *const *arguments)
{
    char out[PATH_SIZE + 8], err[PATH_SIZE + 8];
    snprintf(out, sizeof out, "%s/out", s->folder);
    snprintf(err, sizeof err, "%s/err", s->folder);
    int null = open("/dev/null", O_RDWR), printed = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int messages = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (null < 0 || printed < 0 || messages < 0 || chdir(folder) != 0) _exit(126);
    dup2(null, STDIN_FILENO);
    dup2(printed, STDOUT_FILENO);
    dup2(messages, STDERR_FILENO);
    limit(RLIMIT_CORE, 0);
    if (!UNDER_SANITIZER) limit(RLIMIT_AS, (rlim_t)ADDRESS_MB << 20);
    alarm(SECONDS); /* kept through exec */
    execv(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(126);
}

void run(const session *s, const char *folder, const char *const *arguments, outcome *o)
{
    struct rusage usage;
    struct stat info;
    char path[PATH_SIZE + 8];
    int status;
    pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child == 0) start_child(s, folder, arguments);
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR) give_up("wait4");
    o->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    o->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    o->resident_mb = usage.ru_maxrss / 1024;
    snprintf(path, sizeof path, "%s/out", s->folder);
    if (stat(path, &info) != 0) give_up(path);
    o->printed = (size_t)info.st_size;
    snprintf(path, sizeof path, "%s/err", s->folder);
    bytes text = read_file(path);
    size_t n = text.size < MESSAGES - 1 ? text.size : MESSAGES - 1;
    memcpy(o->messages, text.data, n);
    o->messages[n] = 0;
    free(text.data);
}

/* What is wrong with how the program ended; NULL when nothing is. */
static const char *judge(const outcome *o, const char *program, const char *statuses, const subject *on)
{
    bool list = on->text && strcmp(on->input, on->victim) == 0;
    if (o->signal) return "ended by a signal";
    if (strstr(o->messages, "runtime error:") || strstr(o->messages, "Sanitizer")) return "a sanitizer's report";
    if (o->status < 0 || o->status > 3 || !strchr(statuses, '0' + o->status)) return "exit status";
    if (o->resident_mb > RESIDENT_MB) return "memory";
    if (o->status == 2 && o->printed) return "output without a model";
    size_t lines = 0;
    for (const char *line = o->messages; *line; lines++) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, program, strlen(program)) != 0 || line[strlen(program)] != ':')
            return "a line without the program's name";
        if (length > 1400) return "a line without end";
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)line[i] < ' ' || line[i] == 127) return "a control character in a message";
        line += length + (line[length] == '\n');
    }
    if (o->status == 0) return NULL;
    if (lines == 0) return "failed without a word";
    if (o->status == 3 && list) return NULL; /* a line for each of its rows, with that row's file */
    if (lines > (o->status == 3 ? 2 : 1)) return "more than a line"; /* and the sum of failed inputs */
    /* A model that was changed and is still one may refuse the recording. */
    const char *named = o->status == 3 ? "clip.wav" : on->named;
    return strstr(o->messages, named) ? NULL : "a message that does not name the file";
}

static void check(session *s, const subject *on, const char *what, const bytes *damaged, const char *program,
                  const char *const *arguments, const char *statuses)
{
    static outcome o;
    char folder[PATH_SIZE + 64], path[2 * PATH_SIZE];
    snprintf(folder, sizeof folder, "%s/%s", s->folder, on->name);
    snprintf(path, sizeof path, "%s/%s", folder, on->victim);
    unlink(path);
    write_file(path, damaged->data, damaged->size);
    run(s, folder, arguments, &o);
    const char *wrong = judge(&o, program, statuses, on);
    s->cases++;
    if (!wrong) {
        s->passed++;
        return;
    }
    s->failed++;
    printf("FAILED %s, %s, case %zu, %s: %s (status %d, signal %d, %ld MB): %.300s\n", on->name, what, s->cases,
           program, wrong, o.status, o.signal, o.resident_mb, o.messages);
    const char *keep = getenv("HOSTILE_KEEP"); /* a folder for the files that failed */
    if (keep) {
        snprintf(path, sizeof path, "%s/%zu.%s", keep, s->cases, on->victim);
        write_file(path, damaged->data, damaged->size);
    }
}

void try_file(session *s, const subject *on, const char *what, bytes damaged)
{
    const char *infer[10] = {s->infer, "--threads", "1", "--model", on->model, on->input};
    size_t n = 6;
    if (on->precision) infer[n++] = "--quiet"; /* a model that is repacked has a note, which is another line */
    if (on->run_on) infer[n++] = "--cpu", infer[n++] = on->run_on;
    check(s, on, what, &damaged, "infer", infer, on->statuses);
    const char *inspect[] = {s->inspect, on->model, NULL};
    if (on->inspect) check(s, on, what, &damaged, "inspect", inspect, on->inspect);
    free(damaged.data);
}
