/* The ffmpeg program as a decoder: one child process, its output and its complaints read through two pipes. */
#include "model/audio/ffmpeg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/memory.h"

extern char **environ;

enum { READ_STEP = 1 << 18, COMPLAINT_SIZE = 4096 };
static const uint64_t OUTPUT_MAX = UINT64_C(8)
                                   << 30; /* bytes: 6 hours of 48 kHz stereo; more is a decompression bomb */

const char *mdl_audio_kind(const void *bytes, size_t size)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t length;
        const char *kind;
    } kinds[] = {
        {28, "OpusHead", 8, "Ogg Opus"},
        {29, "vorbis", 6, "Ogg Vorbis"},
        {28, "Speex   ", 8, "Ogg Speex"},
        {29, "FLAC", 4, "Ogg FLAC"},
        {0, "OggS", 4, "Ogg"},
        {0, "fLaC", 4, "FLAC"},
        {0, "ID3", 3, "MP3"},
        {4, "ftyp", 4, "MP4/M4A"},
        {0, "\x1A\x45\xDF\xA3", 4, "WebM/Matroska"},
        {8, "AIFF", 4, "AIFF"},
        {8, "AIFC", 4, "AIFF-C"},
        {0, ".snd", 4, "AU"},
        {0, "#!AMR", 5, "AMR"},
        {0, "\x30\x26\xB2\x75", 4, "WMA"},
        {0, "caff", 4, "CAF"},
        {0, "RIFX", 4, "RIFX"},
        {0, "ADIF", 4, "AAC"},
        {8, "WAVE", 4, "this codec in WAV"},
    };
    const unsigned char *p = bytes;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].at + kinds[i].length && memcmp(p + kinds[i].at, kinds[i].magic, kinds[i].length) == 0)
            return kinds[i].kind;
    /* MPEG frame sync, eleven ones; then the layer: 0 is ADTS (AAC), 1 is layer III. */
    if (size >= 2 && p[0] == 0xFF && (p[1] & 0xF6) == 0xF0) return "AAC";
    if (size >= 2 && p[0] == 0xFF && (p[1] & 0xE0) == 0xE0) return "MP3";
    return "unknown format";
}

/* ---- The child ---- */

/* An open file moved above 0, 1 and 2, which the child's own files will replace. Closes fd when it fails. */
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

/* The input's bytes as a file in memory: unlike a pipe ffmpeg can seek in it, as MP4 often needs. -1 when it fails. */
static int memory_file(const void *bytes, size_t size)
{
    int fd = above_standard(memfd_create("audio", MFD_CLOEXEC));
    const char *p = bytes;
    while (fd >= 0 && size) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            close_open(&fd);
            break;
        }
        p += n;
        size -= (size_t)n;
    }
    return fd;
}

/* Starts `ffmpeg -i url` with its files set; returns 0 or an errno. */
static int spawn_ffmpeg(const char *url, int input, int output, int complaints, pid_t *pid)
{
    const char *const arguments[] = {
        "ffmpeg", "-nostdin",  "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-i", url,
        "-map",   "0:a:0",     "-vn",          "-sn",       "-dn",   "-map_metadata",       "-1",        "-f", "wav",
        "-c:a",   "pcm_f32le", "pipe:1",       NULL};
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) return failed;
    if (input >= 0)
        failed = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    else
        failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
    /* posix_spawnp takes char *const * for history's sake and changes nothing. */
    union {
        const char *const *constant;
        char *const *plain;
    } argv = {arguments};
    if (!failed) failed = posix_spawnp(pid, "ffmpeg", &actions, NULL, argv.plain, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* ---- What it writes ---- */

typedef struct child_output {
    unsigned char *bytes;
    size_t size, room;
    char complaint[COMPLAINT_SIZE]; /* the end of what came through stderr */
    size_t complaint_size;
} child_output;

/* Takes what is ready on the WAV pipe. 1: more may come, 0: end, -1: failed, *err set. */
static int take_output(child_output *o, int fd, eng_error *err)
{
    if (o->size == o->room) {
        size_t room = o->room ? 2 * o->room : READ_STEP;
        unsigned char *grown = o->size < OUTPUT_MAX ? eng_grow(o->bytes, o->size, room, 1) : NULL;
        if (!grown) {
            eng_fail(err, ENG_E_MEMORY, "decoded audio too long: %zu bytes", o->size);
            return -1;
        }
        o->bytes = grown;
        o->room = room;
    }
    ssize_t n = read(fd, o->bytes + o->size, o->room - o->size);
    if (n < 0 && errno == EINTR) return 1;
    if (n < 0) {
        eng_fail(err, ENG_E_IO, "cannot read from ffmpeg: %s", strerror(errno));
        return -1;
    }
    o->size += (size_t)n;
    return n > 0;
}

/* As take_output, for stderr: keeps the last half of the buffer when it is full. */
static int take_complaint(child_output *o, int fd)
{
    if (o->complaint_size == COMPLAINT_SIZE) {
        memmove(o->complaint, o->complaint + COMPLAINT_SIZE / 2, COMPLAINT_SIZE / 2);
        o->complaint_size = COMPLAINT_SIZE / 2;
    }
    ssize_t n = read(fd, o->complaint + o->complaint_size, COMPLAINT_SIZE - o->complaint_size);
    if (n < 0) return errno == EINTR;
    o->complaint_size += (size_t)n;
    return n > 0;
}

/* Reads both pipes to their ends, whichever has something; closing one early would block or kill the child. */
static eng_status drain(child_output *o, int output, int complaints, eng_error *err)
{
    struct pollfd ready[2] = {{.fd = output, .events = POLLIN}, {.fd = complaints, .events = POLLIN}};
    while (ready[0].fd >= 0 || ready[1].fd >= 0) {
        if (poll(ready, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return eng_fail(err, ENG_E_IO, "cannot read from ffmpeg: %s", strerror(errno));
        }
        if (ready[0].fd >= 0 && ready[0].revents) {
            int more = take_output(o, output, err);
            if (more < 0) return err ? err->status : ENG_E_IO;
            if (!more) ready[0].fd = -1; /* poll ignores it from now on */
        }
        if (ready[1].fd >= 0 && ready[1].revents && !take_complaint(o, complaints)) ready[1].fd = -1;
    }
    return ENG_OK;
}

/* The last line of what ffmpeg complained of, with the control characters taken out; "no reason given" for silence. */
static const char *last_complaint(child_output *o)
{
    size_t end = o->complaint_size;
    while (end && (unsigned char)o->complaint[end - 1] <= ' ') end--;
    if (!end) return "no reason given";
    if (end == COMPLAINT_SIZE) end--;
    o->complaint[end] = 0;
    size_t begin = end;
    while (begin && o->complaint[begin - 1] != '\n') begin--;
    for (size_t i = begin; i < end; i++)
        if ((unsigned char)o->complaint[i] < ' ') o->complaint[i] = ' ';
    return o->complaint + begin;
}

/* Waits for the child; the shell's convention: its exit status, or 128 + the signal that ended it. */
static int reap(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- Together ---- */

static eng_status fail_missing(const mdl_ffmpeg_input *in, eng_error *err)
{
    return eng_fail(err, ENG_E_UNSUPPORTED,
                    "%s: %s needs the ffmpeg program, which is not installed (or convert the file to WAV)", in->name,
                    mdl_audio_kind(in->bytes, in->size));
}

/* What became of the child: its exit status, then its output. */
static eng_status judge(const mdl_ffmpeg_input *in, child_output *o, int exit_status, mdl_audio *out, eng_error *err)
{
    if (exit_status == 127 && !o->size) return fail_missing(in, err); /* where spawning cannot tell */
    if (exit_status != 0)
        return eng_fail(err, ENG_E_FORMAT, "%s: ffmpeg cannot decode it (%s): %s", in->name,
                        mdl_audio_kind(in->bytes, in->size), last_complaint(o));
    return mdl_wav_decode(in->name, o->bytes, o->size, out, err);
}

static eng_status run(const mdl_ffmpeg_input *in, const char *url, int input, mdl_audio *out, eng_error *err)
{
    int output[2] = {-1, -1}, complaints[2] = {-1, -1};
    child_output o = {.bytes = NULL};
    eng_status status = ENG_OK;
    pid_t pid = -1;
    int failed = open_pipe(output) && open_pipe(complaints) ? 0 : errno;
    if (!failed) failed = spawn_ffmpeg(url, input, output[1], complaints[1], &pid);
    close_open(&output[1]);
    close_open(&complaints[1]);
    if (failed == ENOENT) {
        status = fail_missing(in, err);
    } else if (failed) {
        status = eng_fail(err, ENG_E_IO, "%s: cannot run ffmpeg: %s", in->name, strerror(failed));
    } else {
        status = drain(&o, output[0], complaints[0], err);
        if (status) {
            eng_fail_prefix(err, "%s", in->name);
            kill(pid, SIGKILL);
        }
        int exit_status = reap(pid);
        if (!status) status = judge(in, &o, exit_status, out, err);
    }
    close_open(&output[0]);
    close_open(&complaints[0]);
    eng_free(o.bytes);
    return status;
}

eng_status mdl_ffmpeg_decode(const mdl_ffmpeg_input *in, mdl_audio *out, eng_error *err)
{
    *out = (mdl_audio){0};
    if (!in->path) {
        int input = memory_file(in->bytes, in->size);
        if (input < 0) return eng_fail(err, ENG_E_IO, "%s: cannot hand it to ffmpeg: %s", in->name, strerror(errno));
        eng_status status = run(in, "file:/dev/fd/0", input, out, err);
        close(input);
        return status;
    }
    size_t size = strlen(in->path) + sizeof "file:";
    char *url = eng_alloc(size, 1);
    if (!url) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", in->name);
    snprintf(url, size, "file:%s", in->path); /* with a protocol spelt out, "-x" or "http:y" is but a name */
    eng_status status = run(in, url, -1, out, err);
    eng_free(url);
    return status;
}
