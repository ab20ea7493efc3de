#include "tests/plain/plain.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit statuses. A test's process ends with PASSED, which no exit() in the middle of it gives. */
enum { FAILED = 1, PASSED = 42, SKIPPED = 77 };

static plain_test *first, **end = &first;

void plain_add(plain_test *t)
{
    *end = t;
    end = &t->next;
}

/* ---- In a test's process ---- */

static const plain_test *running;

static void say(const char *what, const char *file, int line, const char *check, const char *format, va_list args)
{
    fflush(NULL);
    fprintf(stderr, "%s %s/%s:", what, running->suite, running->name);
    if (file) fprintf(stderr, " %s:%d: %s:", file, line, check);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

_Noreturn void plain_fail(const char *file, int line, const char *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("FAILED", file, line, check, format, args);
    va_end(args);
    _exit(FAILED);
}

_Noreturn void plain_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("SKIPPED", NULL, 0, NULL, format, args);
    va_end(args);
    _exit(SKIPPED);
}

static const plain_test *suite_of(const plain_test *t)
{
    static const plain_test none;
    for (const plain_test *s = first; s; s = s->next)
        if (!s->body && strcmp(s->suite, t->suite) == 0) return s;
    return &none;
}

static _Noreturn void run_here(const plain_test *t)
{
    const plain_test *suite = suite_of(t);
    running = t;
    if (suite->init) suite->init();
    if (t->init) t->init();
    t->body();
    if (t->fini) t->fini();
    if (suite->fini) suite->fini();
    exit(PASSED); /* by way of a leak checker, which changes the status */
}

/* ---- In the program's ---- */

static int run_apart(const plain_test *t)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) run_here(t);
    if (child < 0) return fprintf(stderr, "%s/%s: fork: %s\n", t->suite, t->name, strerror(errno)), FAILED;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return FAILED;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    fprintf(stderr, "%s/%s: signal %d\n", t->suite, t->name, WTERMSIG(status));
    return FAILED;
}

plain_sum plain_run(const char *pattern)
{
    plain_sum s = {0, 0, 0};
    for (const plain_test *t = first; t; t = t->next) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", t->suite, t->name);
        if (!t->body || fnmatch(pattern, name, 0) != 0) continue;
        int status = run_apart(t);
        s.passed += status == PASSED;
        s.skipped += status == SKIPPED;
        s.failed += status != PASSED && status != SKIPPED;
        if (status != PASSED && status != SKIPPED) fprintf(stderr, "FAILED %s: exit status %d\n", name, status);
    }
    return s;
}

int plain_finish(plain_sum s)
{
    printf("%zu passed, %zu failed", s.passed, s.failed);
    if (s.skipped) printf(", %zu skipped", s.skipped);
    putchar('\n');
    return s.failed ? FAILED : s.passed ? EXIT_SUCCESS : s.skipped ? SKIPPED : FAILED;
}
