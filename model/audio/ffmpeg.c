/* The ffmpeg program as a decoder: what it may open and read, and what its answers mean. */
#include "model/audio/ffmpeg.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/memory.h"
#include "model/audio/child.h"

static const double PATIENCE = 30; /* seconds; a decoder that works writes many times a second */

struct mdl_ffmpeg {
    const char *name, *kind;
    mdl_child *child;
    unsigned char first[4096]; /* of its output, by which it is known that it was started in the right way */
    size_t first_size, first_given;
    bool ended;
};

/* ---- What a file is ---- */

static const char UNKNOWN[] = "unknown format";

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
    return UNKNOWN;
}

static bool begins(const char *text, size_t size, const char *word)
{
    return size >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

static bool holds(const char *text, size_t size, const char *word)
{
    return memmem(text, size, word, strlen(word)) != NULL;
}

const char *mdl_audio_reference_kind(const void *bytes, size_t size)
{
    const char *p = bytes, *end = p + size;
    if (begins(p, size, "\xEF\xBB\xBF")) p += 3; /* a byte order mark */
    while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) p++;
    size = (size_t)(end - p);
    if (begins(p, size, "#EXTM3U")) return holds(p, size, "#EXT-X-") ? "an HLS playlist" : "an M3U playlist";
    if (begins(p, size, "ffconcat version")) return "an ffconcat script";
    if (begins(p, size, "# VobSub index file")) return "a VobSub index";
    if (begins(p, size, "v=0\n") || begins(p, size, "v=0\r\n")) return "an SDP session description";
    if (begins(p, size, "<") && holds(p, size, "<MPD")) return "a DASH manifest";
    if (begins(p, size, "<") && holds(p, size, "<CompositionPlaylist")) return "an IMF composition";
    return NULL;
}

/* ---- What ffmpeg may do ---- */

/* What it may take a file for. All of these hold their audio themselves. QuickTime can point to other files, which
 * ffmpeg follows only when told to (enable_drefs), and through a protocol, of which it has none. What is not here:
 * playlists, manifests and scripts (hls, dash, imf, concat, sdp, webm_dash_manifest, vobsub, sbg, lavfi), pictures and
 * their sequences, texts, devices, music in notes. */
static const char FORMATS[] =
    "aac,ac3,act,aiff,amr,amrnb,amrwb,ape,asf,ast,au,avi,avr,caf,codec2,dsf,dss,dts,dtshd,dv,eac3,epaf,flac,flv,"
    "g722,gsm,iff,ilbc,ircam,loas,matroska,mlp,mmf,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,paf,pvf,qcp,"
    "rm,"
    "sds,shn,sln,sox,tak,truehd,tta,voc,vqf,w64,wav,wsd,wv,xwma";

/* What telephones record without a signature, told by the ending of the name alone. */
static const char *const endings[][2] = {{".g722", "g722"}, {".sln", "sln"}};

/* The format of a file that begins like nothing known; NULL: ffmpeg finds it out. */
static const char *format_by_name(const mdl_ffmpeg_input *in)
{
    size_t length = strlen(in->name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i][0]);
        if (length > n && strcasecmp(in->name + length - n, endings[i][0]) == 0 &&
            strcmp(mdl_audio_kind(in->bytes, in->size), UNKNOWN) == 0)
            return endings[i][1];
    }
    return NULL;
}

/* How it reads standard input: always so that it can seek, as an MP4 often needs whose index is at its end. The first
 * is the file itself, from ffmpeg 6 on. What is older keeps what it has read in a file without a name in /tmp. */
static const char *const ways[][8] = {
    {"-protocol_whitelist", "fd", "-i", "fd:", NULL},
    {"-protocol_whitelist", "cache,pipe", "-read_ahead_limit", "-1", "-i", "cache:pipe:0", NULL},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void append(const char **arguments, size_t *count, const char *const *more)
{
    while (*more) arguments[(*count)++] = *more++;
    arguments[*count] = NULL;
}

/* Starts it on the file from its beginning. */
static eng_status start_ffmpeg(const mdl_ffmpeg_input *in, size_t way, mdl_child **out, eng_error *err)
{
    static const char *const before[] = {"ffmpeg",       "-nostdin",          "-hide_banner", "-loglevel",
                                         "repeat+error", "-format_whitelist", FORMATS,        NULL};
    static const char *const after[] = {"-map", "0:a:0", "-vn",       "-sn",    "-dn", "-map_metadata", "-1", "-f",
                                        "wav",  "-c:a",  "pcm_f32le", "pipe:1", NULL};
    const char *forced[] = {"-f", format_by_name(in), NULL};
    const char *arguments[sizeof before / sizeof *before + sizeof forced / sizeof *forced +
                          sizeof *ways / sizeof **ways + sizeof after / sizeof *after];
    size_t count = 0;
    append(arguments, &count, before);
    if (forced[1]) append(arguments, &count, forced);
    append(arguments, &count, ways[way]);
    append(arguments, &count, after);
    mdl_child_program program = {arguments, in->file, in->most_output ? in->most_output : UINT64_MAX,
                                 in->patience > 0 ? in->patience : PATIENCE};
    if (lseek(in->file, 0, SEEK_SET) != 0) return eng_fail(err, ENG_E_IO, "cannot seek: %s", strerror(errno));
    return mdl_child_start(&program, out, err);
}

/* ---- What its answers mean ---- */

/* The last line that ffmpeg complained with, its control characters taken out, and without what the cache says of every
 * pipe; "no reason given" for silence. Cuts text. */
static const char *last_complaint(char *text)
{
    for (;;) {
        size_t end = strlen(text);
        while (end && (unsigned char)text[end - 1] <= ' ') end--;
        if (!end) return "no reason given";
        text[end] = 0;
        size_t begin = end;
        while (begin && text[begin - 1] != '\n') begin--;
        if (!begins(text + begin, end - begin, "[cache @")) {
            for (size_t i = begin; i < end; i++)
                if ((unsigned char)text[i] < ' ') text[i] = ' ';
            return text + begin;
        }
        text[begin] = 0;
    }
}

/* "[hls @ 0x55d0] Format not on whitelist ...": the name of the format, for which text is cut; newer ones call it by
 * the input, "in#0": then "unnamed". NULL: it is not that. */
static const char *unlisted_format(char *text)
{
    char *at = strstr(text, "] Format not on whitelist");
    if (!at) return NULL;
    char *begin = at;
    while (begin > text && begin[-1] != '\n') begin--;
    char *end = strstr(begin, " @ ");
    if (*begin != '[' || !end || end > at || memchr(begin, '#', (size_t)(end - begin))) return "unnamed";
    *end = 0;
    return begin + 1;
}

/* What an exit status other than 0 means. */
static eng_status judge(const mdl_ffmpeg *f, eng_error *err)
{
    char *complaints = mdl_child_complaints(f->child);
    const char *format = unlisted_format(complaints);
    if (format)
        return eng_fail(err, ENG_E_FORMAT, "%s: expected a recording, found a format (%s) that %s: refused", f->name,
                        format, "may name other files or holds no sound");
    return eng_fail(err, ENG_E_FORMAT, "%s: ffmpeg cannot decode it (%s): %s", f->name, f->kind,
                    last_complaint(complaints));
}

/* ---- Together ---- */

/* Starts it in one way and waits for its first output. *again: it was the wrong way. */
static eng_status try_way(mdl_ffmpeg *f, const mdl_ffmpeg_input *in, size_t way, bool *again, eng_error *err)
{
    *again = false;
    eng_status status = start_ffmpeg(in, way, &f->child, err);
    if (status == ENG_E_MISSING)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: %s needs the ffmpeg program, which is not installed (or convert the file to WAV)", f->name,
                        f->kind);
    if (!status) status = mdl_child_read(f->child, f->first, sizeof f->first, &f->first_size, err);
    int exit_status = 0;
    if (!status && f->first_size == 0) status = mdl_child_end(f->child, &exit_status, err);
    if (status) return eng_fail_prefix(err, "%s", f->name);
    if (exit_status == 0) {
        f->ended = f->first_size == 0;
        return ENG_OK;
    }
    *again = way + 1 < WAYS && strstr(mdl_child_complaints(f->child), "Protocol not found");
    return *again ? ENG_OK : judge(f, err);
}

eng_status mdl_ffmpeg_open(const mdl_ffmpeg_input *in, mdl_ffmpeg **out, eng_error *err)
{
    *out = NULL;
    const char *reference = mdl_audio_reference_kind(in->bytes, in->size);
    if (reference)
        return eng_fail(err, ENG_E_FORMAT, "%s: expected a recording, found %s, which names other files: refused",
                        in->name, reference);
    mdl_ffmpeg *f = eng_alloc_zero(1, sizeof *f);
    if (!f) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", in->name);
    f->name = in->name;
    f->kind = mdl_audio_kind(in->bytes, in->size);
    eng_status status = ENG_OK;
    bool again = true;
    for (size_t way = 0; again && !status; way++) {
        mdl_child_close(f->child);
        f->child = NULL;
        status = try_way(f, in, way, &again, err);
    }
    if (status)
        mdl_ffmpeg_close(f);
    else
        *out = f;
    return status;
}

eng_status mdl_ffmpeg_read(void *ffmpeg, void *out, size_t room, size_t *got, eng_error *err)
{
    mdl_ffmpeg *f = ffmpeg;
    size_t left = f->first_size - f->first_given;
    if (!left) return mdl_child_read(f->child, out, room, got, err);
    *got = room < left ? room : left;
    memcpy(out, f->first + f->first_given, *got);
    f->first_given += *got;
    return ENG_OK;
}

eng_status mdl_ffmpeg_end(mdl_ffmpeg *f, eng_error *err)
{
    if (f->ended) return ENG_OK;
    int exit_status;
    eng_status status = mdl_child_end(f->child, &exit_status, err);
    if (status) return eng_fail_prefix(err, "%s", f->name);
    f->ended = true;
    return exit_status ? judge(f, err) : ENG_OK;
}

void mdl_ffmpeg_close(mdl_ffmpeg *f)
{
    if (!f) return;
    mdl_child_close(f->child);
    eng_free(f);
}
