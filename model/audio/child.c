/* A child process: made by vfork, since a fork would copy the page tables of a program that holds gigabytes, and by
 * hand, since posix_spawn can neither tie its life to ours nor close what it does not need. */
#include "model/audio/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/memory.h"

enum { REPORT = STDERR_FILENO + 1, EXEC_FAILED = 127 };
static const double LOOK = 0.25; /* seconds between looks at a child that is silent */

/* ---- The child's side ---- */

typedef struct start {
    const char *const *arguments;
    int input, output, complaints; /* all above standard error, as report is */
    int report;                    /* takes the errno when the program cannot be run; closed when it runs */
    pid_t parent;
} start;

static void close_above(int fd)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, fd + 1, ~0U, 0) == 0) return;
#endif
    struct rlimit most; /* Linux before 5.9: one by one */
    rlim_t end = getrlimit(RLIMIT_NOFILE, &most) == 0 ? most.rlim_cur : 1024;
    for (rlim_t i = (rlim_t)fd + 1; i < end && i <= INT32_MAX; i++) close((int)i);
}

/* Becomes the program. Until then it shares memory with a parent that stands still, so there are system calls only. */
static _Noreturn void become(const start *s)
{
    /* execvp takes char *const * for history's sake and changes nothing. */
    union {
        const char *const *constant;
        char *const *plain;
    } argv = {s->arguments};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != s->parent) _exit(EXEC_FAILED); /* the parent was killed before that was heard */
    int report = s->report;
    if (dup2(s->input, STDIN_FILENO) >= 0 && dup2(s->output, STDOUT_FILENO) >= 0 &&
        dup2(s->complaints, STDERR_FILENO) >= 0 && (report == REPORT || dup3(report, REPORT, O_CLOEXEC) >= 0)) {
        report = REPORT;
        close_above(REPORT);
        execvp(s->arguments[0], argv.plain);
    }
    int failed = errno;
    ssize_t written = write(report, &failed, sizeof failed);
    (void)written; /* there is nobody else to tell */
    _exit(EXEC_FAILED);
}

/* ---- The parent's side ---- */

struct mdl_child {
    const char *program;
    uint64_t most_output;
    double patience;
    pid_t pid; /* -1: none */
    int input; /* a duplicate: it shares its position with the child's */
    int output, complaint; /* -1: closed, or at its end */
    uint64_t written;      /* bytes that it has written to standard output */
    char complaints[MDL_CHILD_COMPLAINTS + 1];
    size_t complaint_size;
    /* How long it has made no progress. */
    uint64_t written_before;
    off_t furthest;
    double last, idle;
};

/* fd moved above 0, 1 and 2, which the child's own files will replace. Closes fd when it fails. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return moved;
}

static bool open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return false;
    }
    ends[0] = above_standard(ends[0]);
    ends[1] = above_standard(ends[1]);
    return ends[0] >= 0 && ends[1] >= 0;
}

static void close_open(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* The child with every signal blocked, and that for good: no handler may run in it while it shares our memory, and an
 * interrupt is the program's affair, which ends it. -1 with errno when there can be none. */
static pid_t vfork_blocked(const start *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0) become(s);
    int failed = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return pid;
}

/* Waits for its end; the shell's convention. -1: not to be had, when the program that we are in ignores SIGCHLD. */
static int reap(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the child reports of its start: 0 when it runs, or an errno. */
static int read_report(int report)
{
    int failed = 0;
    ssize_t n;
    do n = read(report, &failed, sizeof failed);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof failed ? failed : 0;
}

/* Returns 0, or an errno; then c is as it was but for files, which end closes. */
static int begin(mdl_child *c, const mdl_child_program *program)
{
    int output[2] = {-1, -1}, complaints[2] = {-1, -1}, report[2] = {-1, -1}, failed = 0;
    c->input = fcntl(program->input, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (c->input < 0 || !open_pipe(output) || !open_pipe(complaints) || !open_pipe(report)) {
        failed = errno;
    } else {
        start s = {program->arguments, c->input, output[1], complaints[1], report[1], getpid()};
        c->pid = vfork_blocked(&s);
        if (c->pid < 0) failed = errno;
    }
    close_open(&output[1]);
    close_open(&complaints[1]);
    close_open(&report[1]);
    if (!failed) {
        failed = read_report(report[0]);
        if (failed) {
            reap(c->pid);
            c->pid = -1;
        }
    }
    close_open(&report[0]);
    c->output = output[0];
    c->complaint = complaints[0];
    return failed;
}

/* Kills it and all of its process group that is still there. Its number stays its own until it is reaped. */
static void end(mdl_child *c)
{
    if (c->pid >= 0) {
        kill(-c->pid, SIGKILL);
        kill(c->pid, SIGKILL);
        reap(c->pid);
        c->pid = -1;
    }
    close_open(&c->input);
    close_open(&c->output);
    close_open(&c->complaint);
}

/* ENG_E_IO when it has made no progress for too long. Time in which nobody looked, because this process stood still as
 * well (stopped, or moved to another machine) or was busy with what it had read, counts as two looks at most. */
static eng_status check_progress(mdl_child *c, eng_error *err)
{
    double now = eng_now(), passed = now - c->last;
    off_t at = lseek(c->input, 0, SEEK_CUR); /* -1 when it cannot seek */
    c->idle += passed < 2 * LOOK ? passed : 2 * LOOK;
    c->last = now;
    if (c->written > c->written_before || at > c->furthest) c->idle = 0;
    c->written_before = c->written;
    if (at > c->furthest) c->furthest = at;
    if (c->idle <= c->patience) return ENG_OK;
    return eng_fail(err, ENG_E_IO, "%s made no progress for %g s and was ended, after %llu bytes of output", c->program,
                    c->patience, (unsigned long long)c->written);
}

static eng_status fail_read(const mdl_child *c, eng_error *err)
{
    return eng_fail(err, ENG_E_IO, "cannot read from %s: %s", c->program, strerror(errno));
}

/* Takes what is ready on standard output; at its end that is closed. */
static eng_status take_output(mdl_child *c, void *out, size_t room, size_t *got, eng_error *err)
{
    ssize_t n = read(c->output, out, room);
    if (n < 0) return errno == EINTR ? ENG_OK : fail_read(c, err);
    *got = (size_t)n;
    c->written += *got;
    if (n == 0) close_open(&c->output);
    if (c->written > c->most_output)
        return eng_fail(err, ENG_E_MEMORY, "decoded audio too long: %llu bytes", (unsigned long long)c->written);
    return ENG_OK;
}

/* As take_output, for standard error: keeps the last half of the buffer when it is full. */
static void take_complaint(mdl_child *c)
{
    char *text = c->complaints;
    if (c->complaint_size == MDL_CHILD_COMPLAINTS) {
        memmove(text, text + MDL_CHILD_COMPLAINTS / 2, MDL_CHILD_COMPLAINTS / 2);
        c->complaint_size = MDL_CHILD_COMPLAINTS / 2;
    }
    ssize_t n = read(c->complaint, text + c->complaint_size, MDL_CHILD_COMPLAINTS - c->complaint_size);
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) {
        close_open(&c->complaint);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        if (!text[c->complaint_size + (size_t)i]) text[c->complaint_size + (size_t)i] = ' ';
    c->complaint_size += (size_t)n;
    text[c->complaint_size] = 0;
}

/* Waits for a look's time until one of the pipes has something, and takes it; output only where there is room. */
static eng_status look(mdl_child *c, void *out, size_t room, size_t *got, eng_error *err)
{
    struct pollfd ready[2] = {{.fd = room ? c->output : -1, .events = POLLIN}, {.fd = c->complaint, .events = POLLIN}};
    int found = poll(ready, 2, (int)(LOOK * 1000));
    if (found < 0 && errno != EINTR) return fail_read(c, err);
    eng_status status = ENG_OK;
    if (found > 0 && ready[0].revents) status = take_output(c, out, room, got, err);
    if (found > 0 && ready[1].revents) take_complaint(c);
    return status ? status : check_progress(c, err);
}

/* Waits for the end of a child that has closed its pipes, which it may do long before. */
static eng_status await(mdl_child *c, int *exit_status, eng_error *err)
{
    struct timespec nap = {.tv_nsec = 1000000};
    siginfo_t info = {.si_pid = 0};
    /* It stays a zombie until reaped, so that its number is not given to another. */
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
        eng_status status = check_progress(c, err);
        if (status) return status;
        nanosleep(&nap, NULL);
        if (nap.tv_nsec < 32000000) nap.tv_nsec *= 2;
    }
    *exit_status = reap(c->pid);
    c->pid = -1;
    return ENG_OK;
}

eng_status mdl_child_start(const mdl_child_program *program, mdl_child **out, eng_error *err)
{
    *out = NULL;
    mdl_child *c = eng_alloc(1, sizeof *c);
    if (!c) return eng_fail(err, ENG_E_MEMORY, "out of memory to run %s", program->arguments[0]);
    *c = (mdl_child){.program = program->arguments[0],
                     .most_output = program->most_output,
                     .patience = program->patience,
                     .pid = -1,
                     .input = -1,
                     .output = -1,
                     .complaint = -1,
                     .furthest = -1};
    int failed = begin(c, program);
    if (failed) {
        mdl_child_close(c);
        return eng_fail(err, failed == ENOENT ? ENG_E_MISSING : ENG_E_IO, "cannot run %s: %s", program->arguments[0],
                        strerror(failed));
    }
    c->last = eng_now();
    *out = c;
    return ENG_OK;
}

eng_status mdl_child_read(mdl_child *c, void *out, size_t room, size_t *got, eng_error *err)
{
    *got = 0;
    eng_status status = ENG_OK;
    while (!status && *got == 0 && c->output >= 0) status = look(c, out, room, got, err);
    return status;
}

eng_status mdl_child_end(mdl_child *c, int *exit_status, eng_error *err)
{
    size_t none = 0;
    eng_status status = ENG_OK;
    while (!status && c->complaint >= 0) status = look(c, NULL, 0, &none, err);
    return status ? status : await(c, exit_status, err);
}

char *mdl_child_complaints(mdl_child *c)
{
    return c->complaints;
}

void mdl_child_close(mdl_child *c)
{
    if (!c) return;
    end(c);
    eng_free(c);
}
