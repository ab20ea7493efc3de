/* Files that hold no audio but name other files. ffmpeg would open what they name: each test lays one beside a
 * recording that nobody may open, and the kernel (inotify) tells whether somebody did. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "model/audio/audio.h"
#include "model/audio/ffmpeg.h"
#include "tests/support/audio_files.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

static int watch = -1;

/* The current folder is a new one; in it secret.wav, a good recording, and the watch on that. */
static void enter_folder(void)
{
    support_enter();
    audio_write_wav("secret.wav", 16000, 1, 16000);
    cr_assert_eq(link("secret.wav", "secret.m4a"), 0); /* for who looks at the ending */
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    cr_assert(watch >= 0 && inotify_add_watch(watch, "secret.wav", IN_OPEN | IN_ACCESS) >= 0, "no inotify");
}

static void leave_folder(void)
{
    close(watch);
    support_leave();
}

TestSuite(audio_references, .init = enter_folder, .fini = leave_folder);

/* True when secret.wav was opened since the last call. */
static bool opened(void)
{
    char events[4096];
    bool any = false;
    while (read(watch, events, sizeof events) > 0) any = true;
    return any;
}

/* path is refused, with a message that names `name` and says `part`, and without a look at what it names. */
static void expect_refused_as(const char *path, const char *name, const char *part)
{
    mdl_audio a;
    eng_error err = {ENG_OK, ""};
    eng_status status = mdl_audio_read(path, &a, &err);
    cr_assert_not(opened(), "%s: what it names was opened", name);
    cr_assert_eq(status, ENG_E_FORMAT, "%s: status %d: %s", name, status, err.message);
    cr_assert_not_null(strstr(err.message, part), "'%s' does not say '%s'", err.message, part);
    cr_assert_not_null(strstr(err.message, name), "'%s' does not name it", err.message);
    cr_assert_null(a.data);
}

static void expect_refused(const char *path, const char *part)
{
    expect_refused_as(path, path, part);
}

/* The same of the bytes of path on standard input. */
static void expect_refused_on_stdin(const char *path, const char *part)
{
    int saved = dup(STDIN_FILENO), fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    expect_refused_as("-", "standard input", part);
    close(fd);
    if (saved >= 0) dup2(saved, STDIN_FILENO), close(saved);
}

/* The text under several names, then, where there is an ffmpeg, with something before it by which we miss what it is
 * and ffmpeg does not: an empty ID3 tag. `message`: of that. */
static void expect_all_refused(const char *text, const char *kind, const char *message)
{
    static const char *const names[] = {"x.m3u8", "x.mpd", "song.mp3", "song.wav", "song.m4a", "song"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        audio_write_text(names[i], text);
        expect_refused(names[i], kind);
    }
    expect_refused_on_stdin(names[0], kind);
    bytes tagged = {.data = NULL};
    bytes_add(&tagged, "\xEF\xBB\xBF\r\n", 5);
    bytes_text(&tagged, text);
    bytes_write(&tagged, "marked.mp3");
    expect_refused("marked.mp3", kind);
    bytes_free(&tagged);
    const char *const version[] = {"ffmpeg", "-version", NULL};
    if (audio_run(version) != 0) return;
    tagged = (bytes){.data = NULL};
    bytes_add(&tagged, "ID3\4\0\0\0\0\0\0", 10);
    bytes_text(&tagged, text);
    bytes_write(&tagged, "tagged.mp3");
    expect_refused("tagged.mp3", message);
    expect_refused_on_stdin("tagged.mp3", message);
    bytes_free(&tagged);
}

/* That a file which ffmpeg opens is noticed. */
Test(audio_references, the_watch_sees)
{
    audio_need_ffmpeg();
    cr_assert_not(opened());
    audio_write_text("list.txt", "ffconcat version 1.0\nfile secret.wav\n");
    const char *const arguments[] = {"ffmpeg", "-nostdin", "-i", "list.txt", "-f", "null", "-", NULL};
    cr_assert_eq(audio_run(arguments), 0);
    cr_assert(opened());
    cr_assert_not(opened());
}

Test(audio_references, hls)
{
    static const char *const bodies[] = {"secret.wav", "./secret.wav", "file:secret.wav", "crypto:secret.wav",
                                         "concat:secret.wav|secret.wav"};
    char text[1024];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        snprintf(text, sizeof text, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n", bodies[i]);
        expect_all_refused(text, "found an HLS playlist, which names other files", "");
    }
    snprintf(text, sizeof text, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s/secret.wav\n#EXT-X-ENDLIST\n",
             support_folder());
    expect_all_refused(text, "HLS", "");
    snprintf(text, sizeof text, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://%s/secret.wav\n", support_folder());
    expect_all_refused(text, "HLS", "");
}

/* Without an end ffmpeg reads it again and again, for ever: the program's time limit would notice. */
Test(audio_references, hls_live)
{
    expect_all_refused("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:1\n"
                       "#EXTINF:10,\nsecret.wav\n",
                       "HLS", "");
}

Test(audio_references, hls_of_other_kinds)
{
    expect_all_refused("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsecret.wav\n", "HLS", "");
    expect_all_refused("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"secret.wav\"\n", "HLS", "");
    expect_all_refused("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI=\"secret.wav\"\n"
                       "#EXT-X-MAP:URI=\"secret.wav\"\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
                       "HLS", "");
    expect_all_refused("#EXTM3U\n#EXTINF:1,somebody - something\nsecret.wav\n", "found an M3U playlist", "");
}

Test(audio_references, dash)
{
    static const char form[] =
        "<?xml version=\"1.0\"?>\n%s<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" "
        "profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\" "
        "mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet mimeType=\"audio/mp4\">"
        "<Representation id=\"1\" bandwidth=\"1\"><BaseURL>%s</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>\n";
    char text[8192], name[4096], comment[5000];
    snprintf(text, sizeof text, form, "", "secret.m4a");
    expect_all_refused(text, "found a DASH manifest", "");
    snprintf(name, sizeof name, "file:%s/secret.m4a", support_folder());
    snprintf(text, sizeof text, form, "", name);
    expect_all_refused(text, "found a DASH manifest", "");
    /* Its first tag beyond what is looked at here. */
    audio_need_ffmpeg();
    memset(comment, ' ', sizeof comment - 1);
    memcpy(comment, "<!--", 4), memcpy(comment + sizeof comment - 5, "-->\n", 5);
    snprintf(text, sizeof text, form, comment, "secret.m4a");
    audio_write_text("far.mp3", text);
    expect_refused("far.mp3", "");
}

Test(audio_references, concat)
{
    char text[8192];
    expect_all_refused("ffconcat version 1.0\nfile secret.wav\n", "found an ffconcat script",
                       "that may name other files");
    snprintf(text, sizeof text, "ffconcat version 1.0\nfile '%s/secret.wav'\noption safe 0\n", support_folder());
    expect_all_refused(text, "found an ffconcat script", "that may name other files");
}

Test(audio_references, sdp)
{
    expect_all_refused("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                       "m=audio 59998 RTP/AVP 0\r\n",
                       "found an SDP session", "that may name other files");
}

Test(audio_references, imf)
{
    expect_all_refused(
        "<?xml version=\"1.0\"?>\n<CompositionPlaylist xmlns=\"http://www.smpte-ra.org/schemas/2067-3/2016\">"
        "<Id>urn:uuid:8713c020-2489-45f5-a9f7-87be539e20b5</Id></CompositionPlaylist>\n",
        "found an IMF composition", "");
    audio_write_text("ASSETMAP.xml", "<?xml version=\"1.0\"?><AssetMap><Path>secret.wav</Path></AssetMap>");
    expect_refused("ASSETMAP.xml", "");
}

/* What ffmpeg opens beside it, under the same name with another ending, is there. */
Test(audio_references, vobsub)
{
    cr_assert_eq(rename("secret.wav", "x.sub"), 0);
    audio_write_text("x.idx", "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"
                              "timestamp: 00:00:00:000, filepos: 000000000\n");
    expect_refused("x.idx", "found a VobSub index");
}

/* Scripts and lists that ffmpeg knows by their text, or that other players know. */
Test(audio_references, other_texts)
{
    audio_need_ffmpeg();
    static const char *const texts[] = {
        "SBaGen\n-SE\nalloff: -\nts1: 100+1/10\nNOW ts1\n",
        "[Reference]\nRef1=file:secret.wav\n",
        "RTSPtext\nrtsp://127.0.0.1:1/secret.wav\n",
        "[playlist]\nFile1=secret.wav\nNumberOfEntries=1\n",
        "<asx version=\"3.0\"><entry><ref href=\"secret.wav\"/></entry></asx>\n",
        "<smil><body><audio src=\"secret.wav\"/></body></smil>\n",
        "file secret.wav\n",
        "amovie=secret.wav\n",
        "secret.wav\n",
        "fd:\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        audio_write_text("song.mp3", texts[i]);
        expect_refused("song.mp3", "");
    }
}

/* A name that is a protocol or a pattern is but a name. */
Test(audio_references, names)
{
    audio_need_ffmpeg();
    static const char *const names[] = {"concat:secret.wav|secret.wav",
                                        "file:secret.wav",
                                        "secret.wa%c",
                                        "subfile,,start,0,end,0,,:a",
                                        "async:secret.wav",
                                        "crypto:secret.wav",
                                        "cache:secret.wav",
                                        "data:;base64,UklGRg=="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        audio_write_text(names[i], "This is no audio at all.\n");
        expect_refused(names[i], "ffmpeg cannot decode it");
    }
}

/* ---- QuickTime, whose samples may lie in another file ---- */

static void put_big(bytes *b, size_t count, uint32_t value)
{
    for (size_t i = count; i--;) bytes_add(b, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static void put_zeros(bytes *b, size_t count)
{
    while (count--) bytes_add(b, "", 1);
}

/* A box; its length is set by close_box. */
static size_t open_box(bytes *b, const char *type)
{
    size_t at = b->size;
    put_big(b, 4, 0);
    bytes_add(b, type, 4);
    return at;
}

static void close_box(bytes *b, size_t at)
{
    for (size_t i = 0; i < 4; i++) b->data[at + i] = (unsigned char)((b->size - at) >> 8 * (3 - i));
}

static void full_box(bytes *b, const char *type, const uint32_t *words, size_t count)
{
    size_t at = open_box(b, type);
    put_big(b, 4, 0); /* version and flags */
    for (size_t i = 0; i < count; i++) put_big(b, 4, words[i]);
    close_box(b, at);
}

/* Where the samples lie: an alias record, as the Macintosh's file system has it, for a file in the same folder. */
static void data_reference(bytes *b, const char *path)
{
    size_t dinf = open_box(b, "dinf"), dref = open_box(b, "dref");
    put_big(b, 4, 0), put_big(b, 4, 1);
    size_t alis = open_box(b, "alis");
    put_big(b, 4, 0);
    put_zeros(b, 10 + 28 + 12);
    const char *name = strrchr(path, '/') + 1;
    put_big(b, 1, (uint32_t)strlen(name)), bytes_text(b, name), put_zeros(b, 63 - strlen(name));
    put_zeros(b, 16), put_big(b, 2, 1), put_big(b, 2, 1),
        put_zeros(b, 16); /* the same folder: one level up, one down */
    put_big(b, 2, 2), put_big(b, 2, (uint32_t)strlen(path)), bytes_text(b, path), put_zeros(b, strlen(path) & 1);
    put_big(b, 2, 0xFFFF), put_big(b, 2, 0);
    close_box(b, alis), close_box(b, dref), close_box(b, dinf);
}

static void sample_table(bytes *b)
{
    size_t stbl = open_box(b, "stbl"), stsd = open_box(b, "stsd");
    put_big(b, 4, 0), put_big(b, 4, 1);
    size_t sowt = open_box(b, "sowt"); /* 16-bit PCM, the lowest byte first */
    put_zeros(b, 6), put_big(b, 2, 1), put_zeros(b, 8), put_big(b, 2, 1), put_big(b, 2, 16), put_zeros(b, 4);
    put_big(b, 4, 16000u << 16);
    close_box(b, sowt), close_box(b, stsd);
    full_box(b, "stts", (uint32_t[]){1, 8000, 1}, 3);
    full_box(b, "stsc", (uint32_t[]){1, 1, 8000, 1}, 4);
    full_box(b, "stsz", (uint32_t[]){2, 8000}, 2);
    full_box(b, "stco", (uint32_t[]){1, 44}, 2);
    close_box(b, stbl);
}

static void write_quicktime(const char *path, const char *samples)
{
    bytes b = {.data = NULL};
    size_t at = open_box(&b, "ftyp");
    bytes_text(&b, "qt  "), put_zeros(&b, 4), bytes_text(&b, "qt  "), close_box(&b, at);
    size_t moov = open_box(&b, "moov");
    full_box(&b, "mvhd", (uint32_t[24]){0, 0, 16000, 8000, 0x10000, [23] = 2}, 24);
    size_t trak = open_box(&b, "trak");
    full_box(&b, "tkhd", (uint32_t[20]){0, 0, 1, 0, 8000}, 20);
    size_t mdia = open_box(&b, "mdia");
    full_box(&b, "mdhd", (uint32_t[5]){0, 0, 16000, 8000, 0}, 5);
    size_t hdlr = open_box(&b, "hdlr");
    put_zeros(&b, 4), bytes_text(&b, "mhlrsoun"), put_zeros(&b, 13), close_box(&b, hdlr);
    size_t minf = open_box(&b, "minf");
    full_box(&b, "smhd", (uint32_t[1]){0}, 1);
    data_reference(&b, samples);
    sample_table(&b);
    close_box(&b, minf), close_box(&b, mdia), close_box(&b, trak), close_box(&b, moov);
    bytes_write(&b, path);
    bytes_free(&b);
}

Test(audio_references, quicktime)
{
    audio_need_ffmpeg();
    char samples[4096];
    snprintf(samples, sizeof samples, "%s/secret.wav", support_folder());
    write_quicktime("song.mov", samples);
    const char *const arguments[] = {"ffmpeg", "-nostdin", "-enable_drefs", "1",  "-use_absolute_path",
                                     "1",      "-i",       "song.mov",      "-f", "null",
                                     "-",      NULL};
    cr_assert_eq(audio_run(arguments), 0);
    cr_assert(opened(), "ffmpeg, told to follow, does not: the file is not what it should be");
    expect_refused("song.mov", "");
    expect_refused_on_stdin("song.mov", "");
    cr_assert_eq(rename("song.mov", "song.mp3"), 0);
    expect_refused("song.mp3", "");
}

/* A picture that is but a link, which ID3 allows, is no reason to refuse the sound. */
Test(audio_references, picture_by_link)
{
    audio_need_ffmpeg();
    audio_write_wav("a.wav", 16000, 1, 16000);
    if (!audio_convert("a.wav", "a.mp3", "libmp3lame")) cr_skip_test("this ffmpeg writes no MP3");
    bytes sound = bytes_read("a.mp3"), b = {.data = NULL};
    bytes_add(&b, "ID3\3\0\0\0\0\0", 9);
    static const char frame[] = "\0-->\0\3\0secret.wav"; /* Latin-1, the kind "link", the front cover, no description */
    put_big(&b, 1, 10 + sizeof frame - 1);
    bytes_text(&b, "APIC"), put_big(&b, 4, sizeof frame - 1), put_zeros(&b, 2), bytes_add(&b, frame, sizeof frame - 1);
    bytes_add(&b, sound.data, sound.size);
    bytes_write(&b, "link.mp3");
    bytes_free(&b), bytes_free(&sound);
    mdl_audio a;
    eng_error err;
    cr_assert_eq(mdl_audio_read("link.mp3", &a, &err), ENG_OK, "%s", err.message);
    cr_assert(a.samples >= 16000 && !opened());
    mdl_audio_free(&a);
}
