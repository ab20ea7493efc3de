/* The child process that decodes, with shell scripts in the place of ffmpeg: what it is given, how it ends, and that it
 * does end. Times are such that a machine of any speed passes: what must be ended would run for an hour, and what must
 * not be ended rests for a tenth of the patience that there is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "model/audio/child.h"
#include "model/audio/ffmpeg.h"
#include "model/audio/wav.h"
#include "tests/support/audio_files.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

static void enter_folder(void)
{
    support_enter();
    audio_write_wav("a.wav", 16000, 1, 100000);
}

TestSuite(child, .init = enter_folder, .fini = support_leave);

/* What ffmpeg writes, all of it, decoded. */
static eng_status decode_input(const mdl_ffmpeg_input *in, mdl_audio *a, eng_error *err)
{
    mdl_ffmpeg *f;
    bytes all = {.data = NULL};
    *a = (mdl_audio){.data = NULL};
    *err = (eng_error){ENG_OK, ""};
    eng_status status = mdl_ffmpeg_open(in, &f, err);
    if (status) {
        cr_assert_null(f);
        return status;
    }
    for (size_t got = 1; got && !status;) {
        unsigned char block[5000];
        status = mdl_ffmpeg_read(f, block, sizeof block, &got, err);
        if (!status) bytes_add(&all, block, got);
    }
    if (status) eng_fail_prefix(err, "%s", in->name);
    if (!status) status = mdl_ffmpeg_end(f, err);
    if (!status) status = mdl_wav_decode(in->name, all.data, all.size, a, err);
    mdl_ffmpeg_close(f);
    bytes_free(&all);
    return status;
}

/* Decodes a.wav with what is ffmpeg now, from the open file. */
static eng_status decode(double patience, mdl_audio *a, eng_error *err)
{
    int fd = open("a.wav", O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0);
    mdl_ffmpeg_input in = {.name = "a.wav", .file = fd, .bytes = "fLaC", .size = 4, .patience = patience};
    eng_status status = decode_input(&in, a, err);
    close(fd);
    return status;
}

static void expect_decoded(double patience)
{
    mdl_audio a;
    eng_error err;
    cr_assert_eq(decode(patience, &a, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(a.samples, 100000);
    mdl_audio_free(&a);
}

static void expect_failed(double patience, eng_status status, const char *part)
{
    mdl_audio a;
    eng_error err;
    eng_status got = decode(patience, &a, &err);
    cr_assert_eq(got, status, "status %d: %s", got, err.message);
    cr_assert_not_null(strstr(err.message, part), "'%s' does not say '%s'", err.message, part);
    cr_assert_eq(strncmp(err.message, "a.wav: ", 7), 0, "'%s' does not begin with the file", err.message);
    cr_assert_null(a.data);
    cr_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child was not waited for");
}

/* The process whose number is in a file that a script wrote; waits for the file. */
static pid_t process_in(const char *path)
{
    for (;;) {
        FILE *f = fopen(path, "r");
        long pid = 0;
        int found = f ? fscanf(f, "%ld\n", &pid) : 0;
        if (f) fclose(f);
        if (found == 1) return (pid_t)pid;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* Waits until a process has ended, reaped or not. The test's time limit is the only one. */
static void await_end(pid_t pid)
{
    char path[64], state = 'R';
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    while (state != 'Z' && state != 'X') {
        FILE *f = fopen(path, "r");
        if (!f) return;
        if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 'R';
        fclose(f);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* ---- What it is given ---- */

/* The open file as standard input, at its beginning, two pipes, no other file, and no word of where the file lies. */
Test(child, is_given_bytes_alone)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\n"
                              "echo \"$@\" >arguments\n"
                              "ls /proc/$$/fd >files\n"
                              "exec cat\n");
    int fd = open("a.wav", O_RDONLY), other = open("a.wav", O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0 && dup2(fd, 77) == 77); /* one that is not closed by itself when a program is run */
    cr_assert_eq(lseek(other, 50, SEEK_SET), 50);
    mdl_ffmpeg_input in = {.name = "somewhere/a.wav", .file = other, .bytes = "fLaC", .size = 4};
    mdl_audio a;
    eng_error err;
    cr_assert_eq(decode_input(&in, &a, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(a.samples, 100000);
    mdl_audio_free(&a);
    bytes files = bytes_read("files"), arguments = bytes_read("arguments");
    cr_assert(files.size >= 6 && memcmp(files.data, "0\n1\n", 4) == 0, "no list of open files");
    cr_assert_null(memmem(files.data, files.size, "\n77\n", 4));
    char number[16];
    snprintf(number, sizeof number, "\n%d\n", fd);
    if (fd > 3 && fd != 10) cr_assert_null(memmem(files.data, files.size, number, strlen(number)));
    cr_assert_null(memmem(arguments.data, arguments.size, "a.wav", 5));
    cr_assert_null(memmem(arguments.data, arguments.size, "file", 4)); /* the protocol */
    cr_assert_not_null(memmem(arguments.data, arguments.size, "-protocol_whitelist fd -i fd: ", 30));
    bytes_free(&files), bytes_free(&arguments);
}

/* An ffmpeg before 6: asked in the second way, and given the bytes from the beginning again. */
Test(child, an_older_ffmpeg_is_given_a_pipe)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\n"
                              "case \"$*\" in\n"
                              "*' fd: '*) head -c 1000 >first; echo 'fd:: Protocol not found' >&2; exit 1 ;;\n"
                              "*'-protocol_whitelist cache,pipe '*' cache:pipe:0 '*) exec cat ;;\n"
                              "esac\n"
                              "exit 1\n");
    expect_decoded(0);
    struct stat info;
    cr_assert(stat("first", &info) == 0 && info.st_size == 1000);
}

/* Standard input that is closed: the audio file takes its place, as the number 0, and still gets through. */
Test(child, standard_files_that_are_closed)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\nexec cat\n");
    int saved = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    expect_decoded(0);
    if (saved >= 0) dup2(saved, STDIN_FILENO);
}

Test(child, cannot_be_run)
{
    setenv("PATH", support_folder(), 1);
    expect_failed(0, ENG_E_UNSUPPORTED, "FLAC needs the ffmpeg program");
    audio_write_text("ffmpeg", "#!/bin/sh\n");
    cr_assert_eq(chmod("ffmpeg", 0644), 0);
    expect_failed(0, ENG_E_IO, "cannot run ffmpeg: Permission denied");
    cr_assert_eq(chmod("ffmpeg", 0755), 0);
    expect_failed(0, ENG_E_FORMAT, "");
    audio_write_text("ffmpeg", "#!/bin/sh\nexit 127\n");
    expect_failed(0, ENG_E_FORMAT, "ffmpeg cannot decode it (FLAC): no reason given");
    audio_write_text("ffmpeg", "#!/bin/sh\nkill -9 $$\n");
    expect_failed(0, ENG_E_FORMAT, "ffmpeg cannot decode it (FLAC): no reason given");
}

/* ---- How it ends ---- */

/* One that sleeps is ended, and so is what it has started. */
Test(child, one_that_hangs, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\nsleep 3600 &\necho $! >sleeper\nwait\n");
    expect_failed(1, ENG_E_IO, "ffmpeg made no progress for 1 s");
    await_end(process_in("sleeper"));
}

/* As above, with the beginning of a sound. */
Test(child, one_that_stops_midway, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\nhead -c 10000\nsleep 3600\n");
    expect_failed(1, ENG_E_IO, "after 10000 bytes of output");
}

/* Words are no progress. */
Test(child, one_that_complains_for_ever, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\nwhile :; do echo once more >&2; sleep 0.1; done\n");
    expect_failed(2, ENG_E_IO, "ffmpeg made no progress for 2 s");
}

/* Nor is reading the same again. The script cannot seek in its input, which a process of ours does for it. */
Test(child, one_that_goes_in_a_circle, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\nsleep 3600\n");
    int fd = open("a.wav", O_RDONLY);
    cr_assert(fd >= 0);
    pid_t seeker = fork();
    cr_assert(seeker >= 0);
    while (seeker == 0) {
        lseek(fd, lseek(fd, 0, SEEK_CUR) == 1000 ? 0 : 1000, SEEK_SET);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    mdl_ffmpeg_input in = {.name = "a.wav", .file = fd, .bytes = "fLaC", .size = 4, .patience = 2};
    mdl_audio a;
    eng_error err;
    eng_status status = decode_input(&in, &a, &err);
    kill(seeker, SIGKILL);
    cr_assert_eq(waitpid(seeker, NULL, 0), seeker);
    cr_assert_eq(status, ENG_E_IO);
    cr_assert_not_null(strstr(err.message, "ffmpeg made no progress for 2 s"), "%s", err.message);
    close(fd);
}

/* It has said all, closed its pipes, and stays. */
Test(child, one_that_does_not_go, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\ncat\nexec >&- 2>&-\nsleep 3600\n");
    expect_failed(1, ENG_E_IO, "ffmpeg made no progress for 1 s");
}

/* Longer at work than the patience, first reading, then writing, but never at rest for as long. */
/* A byte more than it may write is refused, and not one before: limits below, at and between the sizes of the buffer. */
Test(child, one_that_writes_too_much, .timeout = 300)
{
    static const size_t limits[] = {0, 1, 1000, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 300000, 1 << 19};
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert(input >= 0);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (size_t more = 0; more < 2; more++) {
            char number[32];
            snprintf(number, sizeof number, "%zu", limits[i] + more);
            const char *arguments[] = {"head", "-c", number, "/dev/zero", NULL};
            mdl_child *c;
            eng_error err = {ENG_OK, ""};
            cr_assert_eq(mdl_child_start(&(mdl_child_program){arguments, input, limits[i], 60}, &c, &err), ENG_OK);
            eng_status status = ENG_OK;
            size_t size = 0;
            for (size_t got = 1; got && !status; size += got) {
                char block[1 << 12];
                status = mdl_child_read(c, block, 1 + (size * 7 + i) % sizeof block, &got, &err);
            }
            cr_assert_eq(status, more ? ENG_E_MEMORY : ENG_OK, "%s bytes of %zu: %s", number, limits[i], err.message);
            cr_assert_eq(size, limits[i] + more);
            int exit_status = -1;
            if (!more) cr_assert_eq(mdl_child_end(c, &exit_status, &err), ENG_OK);
            cr_assert_eq(exit_status, more ? -1 : 0);
            mdl_child_close(c);
        }
    close(input);
}

Test(child, one_that_is_slow, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\n"
                              "for i in 1 2 3 4 5 6 7; do dd bs=10000 count=1 of=/dev/null 2>/dev/null; sleep 1; done\n"
                              "head -c 100000 a.wav\n"
                              "for i in 1 2 3 4 5 6; do tail -c +${i}00001 a.wav | head -c 100000; sleep 1; done\n");
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    audio_write_wav("a.wav", 16000, 1, 349978); /* 700000 bytes */
    mdl_audio a;
    eng_error err;
    cr_assert_eq(decode(10, &a, &err), ENG_OK, "%s", err.message);
    clock_gettime(CLOCK_MONOTONIC, &end);
    cr_assert_eq(a.samples, 349978);
    cr_assert(end.tv_sec - begin.tv_sec > 10, "it was not slow: the test shows nothing");
    mdl_audio_free(&a);
}

/* The program is killed while its ffmpeg hangs: that goes as well. */
Test(child, dies_with_its_parent, .timeout = 300)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\necho $$ >number\nexec sleep 3600\n");
    pid_t program = fork();
    cr_assert(program >= 0);
    if (program == 0) {
        mdl_audio a;
        eng_error err;
        decode(3600, &a, &err);
        _exit(0);
    }
    pid_t ffmpeg = process_in("number");
    cr_assert_eq(kill(ffmpeg, 0), 0);
    cr_assert_eq(kill(program, SIGKILL), 0);
    cr_assert_eq(waitpid(program, NULL, 0), program);
    await_end(ffmpeg);
}

/* No signal but SIGKILL: an interrupt is the program's affair. Nor are the program's own ways with signals changed. */
Test(child, signals)
{
    audio_fake_ffmpeg(support_folder(), "#!/bin/sh\nkill -INT $$\nkill -TERM $$\nexec cat\n");
    sigset_t before, after;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    expect_decoded(0);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    cr_assert(sigismember(&after, SIGUSR1) == 1 && sigismember(&after, SIGINT) == 0);
}
