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

enum { READ_STEP = 1 << 18, REPORT = STDERR_FILENO + 1, EXEC_FAILED = 127 };
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

typedef struct running {
    pid_t pid; /* -1: none */
    int input; /* a duplicate: it shares its position with the child's */
    int output, complaints;
    size_t complaint_size;
    /* How long it has made no progress. */
    size_t written;
    off_t furthest;
    double last, idle;
} running;

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

/* Returns 0, or an errno; then r is as it was but for files, which end closes. */
static int begin(running *r, const mdl_child *child)
{
    int output[2] = {-1, -1}, complaints[2] = {-1, -1}, report[2] = {-1, -1}, failed = 0;
    r->input = fcntl(child->input, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (r->input < 0 || !open_pipe(output) || !open_pipe(complaints) || !open_pipe(report)) {
        failed = errno;
    } else {
        start s = {child->arguments, r->input, output[1], complaints[1], report[1], getpid()};
        r->pid = vfork_blocked(&s);
        if (r->pid < 0) failed = errno;
    }
    close_open(&output[1]);
    close_open(&complaints[1]);
    close_open(&report[1]);
    if (!failed) {
        failed = read_report(report[0]);
        if (failed) {
            reap(r->pid);
            r->pid = -1;
        }
    }
    close_open(&report[0]);
    r->output = output[0];
    r->complaints = complaints[0];
    return failed;
}

/* Kills it and all of its process group that is still there. Its number stays its own until it is reaped. */
static void end(running *r)
{
    if (r->pid >= 0) {
        kill(-r->pid, SIGKILL);
        kill(r->pid, SIGKILL);
        reap(r->pid);
        r->pid = -1;
    }
    close_open(&r->input);
    close_open(&r->output);
    close_open(&r->complaints);
}

/* True when it has made no progress for too long. Time in which nobody looked, because this process stood still as well
 * (stopped, or moved to another machine), counts as two looks at most. */
static bool stalled(running *r, size_t written, double patience)
{
    double now = eng_now(), passed = now - r->last;
    off_t at = lseek(r->input, 0, SEEK_CUR); /* -1 when it cannot seek */
    r->idle += passed < 2 * LOOK ? passed : 2 * LOOK;
    r->last = now;
    if (written > r->written || at > r->furthest) r->idle = 0;
    r->written = written;
    if (at > r->furthest) r->furthest = at;
    return r->idle > patience;
}

/* Room for more output: twice as much, but no more than a byte beyond what there may be. False: there is no memory. */
static bool make_room(uint64_t most, size_t *room, mdl_child_result *out)
{
    uint64_t wanted = *room ? 2 * (uint64_t)*room : READ_STEP;
    if (wanted > most) wanted = most + 1;
    unsigned char *grown = wanted <= SIZE_MAX ? eng_grow(out->output, out->size, (size_t)wanted, 1) : NULL;
    if (!grown) return false;
    out->output = grown;
    *room = (size_t)wanted;
    return true;
}

/* Takes what is ready on standard output. 1: more may come, 0: end, -1: failed, *err set. */
static int take_output(const running *r, const mdl_child *child, size_t *room, mdl_child_result *out, eng_error *err)
{
    if (out->size > child->most_output || (out->size == *room && !make_room(child->most_output, room, out))) {
        eng_fail(err, ENG_E_MEMORY, "decoded audio too long: %zu bytes", out->size);
        return -1;
    }
    ssize_t n = read(r->output, out->output + out->size, *room - out->size);
    if (n < 0 && errno == EINTR) return 1;
    if (n < 0) {
        eng_fail(err, ENG_E_IO, "cannot read from %s: %s", child->arguments[0], strerror(errno));
        return -1;
    }
    out->size += (size_t)n;
    return n > 0;
}

/* As take_output, for standard error: keeps the last half of the buffer when it is full. */
static int take_complaint(running *r, mdl_child_result *out)
{
    char *text = out->complaints;
    if (r->complaint_size == MDL_CHILD_COMPLAINTS) {
        memmove(text, text + MDL_CHILD_COMPLAINTS / 2, MDL_CHILD_COMPLAINTS / 2);
        r->complaint_size = MDL_CHILD_COMPLAINTS / 2;
    }
    ssize_t n = read(r->complaints, text + r->complaint_size, MDL_CHILD_COMPLAINTS - r->complaint_size);
    if (n < 0) return errno == EINTR;
    for (ssize_t i = 0; i < n; i++)
        if (!text[r->complaint_size + (size_t)i]) text[r->complaint_size + (size_t)i] = ' ';
    r->complaint_size += (size_t)n;
    text[r->complaint_size] = 0;
    return n > 0;
}

static eng_status fail_stalled(const mdl_child *child, const mdl_child_result *out, eng_error *err)
{
    return eng_fail(err, ENG_E_IO, "%s made no progress for %g s and was ended, after %zu bytes of output",
                    child->arguments[0], child->patience, out->size);
}

/* Reads both pipes to their ends, whichever has something; closing one early would block the child or break it. */
static eng_status drain(running *r, const mdl_child *child, mdl_child_result *out, eng_error *err)
{
    struct pollfd ready[2] = {{.fd = r->output, .events = POLLIN}, {.fd = r->complaints, .events = POLLIN}};
    size_t room = 0;
    while (ready[0].fd >= 0 || ready[1].fd >= 0) {
        int found = poll(ready, 2, (int)(LOOK * 1000));
        if (found < 0 && errno != EINTR)
            return eng_fail(err, ENG_E_IO, "cannot read from %s: %s", child->arguments[0], strerror(errno));
        if (found > 0 && ready[0].fd >= 0 && ready[0].revents) {
            int more = take_output(r, child, &room, out, err);
            if (more < 0) return err ? err->status : ENG_E_IO;
            if (!more) ready[0].fd = -1; /* poll ignores it from now on */
        }
        if (found > 0 && ready[1].fd >= 0 && ready[1].revents && !take_complaint(r, out)) ready[1].fd = -1;
        if (stalled(r, out->size, child->patience)) return fail_stalled(child, out, err);
    }
    return ENG_OK;
}

/* Waits for the end of a child that has closed its pipes, which it may do long before. */
static eng_status await(running *r, const mdl_child *child, mdl_child_result *out, eng_error *err)
{
    struct timespec nap = {.tv_nsec = 1000000};
    siginfo_t info = {.si_pid = 0};
    /* It stays a zombie until reaped, so that its number is not given to another. */
    while (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
        if (stalled(r, out->size, child->patience)) return fail_stalled(child, out, err);
        nanosleep(&nap, NULL);
        if (nap.tv_nsec < 32000000) nap.tv_nsec *= 2;
    }
    out->exit_status = reap(r->pid);
    r->pid = -1;
    return ENG_OK;
}

eng_status mdl_child_run(const mdl_child *child, mdl_child_result *out, eng_error *err)
{
    *out = (mdl_child_result){.output = NULL};
    running r = {.pid = -1, .input = -1, .output = -1, .complaints = -1, .furthest = -1};
    eng_status status = ENG_OK;
    int failed = begin(&r, child);
    if (failed) {
        status = eng_fail(err, failed == ENOENT ? ENG_E_MISSING : ENG_E_IO, "cannot run %s: %s", child->arguments[0],
                          strerror(failed));
    } else {
        r.last = eng_now();
        status = drain(&r, child, out, err);
        if (!status) status = await(&r, child, out, err);
    }
    end(&r);
    if (status) {
        eng_free(out->output);
        *out = (mdl_child_result){.output = NULL};
    }
    return status;
}
