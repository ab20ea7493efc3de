/* Which recording a file's segments are of: by name, by path, in folders. (The formats: segments.c.) */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/segments.h"
#include "tools/common/segments/match.h"

TestSuite(segments_find, .init = support_enter, .fini = support_leave);

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert(fputs(text, f) >= 0);
    cr_assert_eq(fclose(f), 0);
}

static tool_segments *open_segments(const char *path)
{
    tool_segments *s;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_segments_open(path, &s, &err), ENG_OK, "%s", err.message);
    return s;
}

static void expect_open_error(const char *path, eng_status status, const char *message)
{
    tool_segments *s;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_segments_open(path, &s, &err), status, "%s", err.message);
    cr_assert_str_eq(err.message, message);
    cr_assert_null(s);
}

/* The recording has these segments, given by their starts: "1 5". */
static void expect(tool_segments *s, const char *path, size_t recordings, const char *starts)
{
    tool_segment_list l;
    eng_error err = {ENG_OK, ""};
    char text[256] = "";
    cr_assert_eq(tool_segments_of(s, path, recordings, &l, &err), ENG_OK, "%s: %s", path, err.message);
    for (size_t i = 0, n = 0; i < l.count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%g", i ? " " : "", l.segments[i].start);
    cr_assert_str_eq(text, starts, "%s", path);
    tool_segment_list_free(&l);
}

static void expect_error(tool_segments *s, const char *path, size_t recordings, eng_status status, const char *message)
{
    tool_segment_list l;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_segments_of(s, path, recordings, &l, &err), status, "%s: %s", path, err.message);
    cr_assert_str_eq(err.message, message);
    cr_assert_eq(l.count, 0u);
    tool_segment_list_free(&l);
}

Test(segments_find, ranks)
{
    static const struct {
        const char *name, *path;
        bool stems;
        size_t rank;
    } cases[] = {{"a.wav", "a.wav", false, 3},
                 {"a.wav", "/data/calls/a.wav", false, 3},
                 {"calls/a.wav", "/data/calls/a.wav", false, 7},
                 {"/data/calls/a.wav", "/data/calls/a.wav", false, 11},
                 {"/data/calls/a.wav", "calls/a.wav", false, 7},
                 {"/data/calls/a.wav", "../calls/a.wav", false, 7},
                 {"./a.wav", "x//a.wav", false, 3},
                 {"other/a.wav", "/data/calls/a.wav", false, 0},
                 {"/other/calls/a.wav", "/data/calls/a.wav", false, 0},
                 {"/calls/a.wav", "/data/calls/a.wav", false, 0},
                 {"data/calls/a.wav", "/calls/a.wav", false, 0},
                 {"a", "a.wav", false, 2},
                 {"a", "a.wav", true, 2},
                 {"a.wav", "a", false, 2},
                 {"a.wav", "a", true, 0},
                 {"a.flac", "a.wav", false, 1},
                 {"a.flac", "a.wav", true, 0},
                 {"a.b", "a.b.wav", true, 2},
                 {"a.b", "a.wav", true, 0},
                 {"b.wav", "a.wav", false, 0},
                 {"ba.wav", "a.wav", false, 0},
                 {"", "a.wav", false, 0},
                 {"a.wav", "/", false, 0},
                 {".hidden", ".hidden", false, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(tool_match_rank(cases[i].name, cases[i].stems, cases[i].path), cases[i].rank, "%s %s", cases[i].name,
                     cases[i].path);
}

/* Looking up finds what going through all names would. */
Test(segments_find, index)
{
    static const char *const names[] = {"a.wav", "x/a.wav", "y/a.wav", "b", "/r/b.mp3", "c.d", "c.d.wav", "a"};
    static const char *const paths[] = {"a.wav", "x/a.wav", "/q/y/a.wav", "z/a.wav", "/r/b.mp3", "/r/b.wav", "c.d", "c.d.flac",
                                        "c.wav", "a",       "w/a.ogg",    "",        "/",        "d",        "x/a"};
    enum { NAMES = sizeof names / sizeof *names };
    for (int stems = 0; stems < 2; stems++) {
        tool_match_index m;
        cr_assert(tool_match_init(&m, names, NAMES, stems));
        for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
            size_t most = 0, times = 0, second, rank[NAMES];
            for (size_t i = 0; i < NAMES; i++) {
                rank[i] = tool_match_rank(names[i], stems, paths[p]);
                times = rank[i] > most ? 1 : times + (rank[i] == most);
                if (rank[i] > most) most = rank[i];
            }
            size_t found = tool_match_find(&m, paths[p], &second);
            if (!most) {
                cr_assert_eq(found, (size_t)NAMES, "%s", paths[p]);
                continue;
            }
            cr_assert(found < NAMES && rank[found] == most, "%s", paths[p]);
            cr_assert_eq(second < NAMES, times > 1, "%s", paths[p]);
            if (second < NAMES) cr_assert(second != found && rank[second] == most, "%s", paths[p]);
        }
        tool_match_fini(&m);
    }
}

Test(segments_find, by_name)
{
    put("s.rttm", "SPEAKER call 1 1 1 <NA> <NA> A\nSPEAKER other 1 2 1 <NA> <NA> A\nSPEAKER call 1 5 1 <NA> <NA> B\n"
                  "FILLER call 1 5 1 <NA> <NA> B\n");
    tool_segments *s = open_segments("s.rttm");
    expect(s, "day/call.wav", 9, "1 5");
    expect(s, "call", 9, "1 5");
    expect(s, "nobody.wav", 9, "");
    tool_segments_counts c = tool_segments_count(s);
    cr_assert_eq(c.unused_recordings, 1u);
    cr_assert_eq(c.unused_segments, 1u);
    cr_assert_eq(c.skipped, 1u);
    cr_assert_eq(c.latin1, 0u);
    expect_error(s, "-", 1, ENG_E_USAGE,
                 "s.rttm: it has segments for 2 recordings, and standard input has no name to find them by");
    tool_segments_close(s);

    put("s.csv", "file,start,end\nx/a.wav,1,2\ny/a.wav,2,3\n./b.wav,3,4\n");
    s = open_segments("s.csv");
    expect(s, "/data/x/a.wav", 3, "1");
    expect(s, "/data/y/a.flac", 3, "2");
    expect(s, "/data/z/a.wav", 3, "");
    expect(s, "b.wav", 3, "3");
    expect_error(s, "a.wav", 3, ENG_E_MISMATCH, "s.csv: both 'x/a.wav' and 'y/a.wav' may be meant for a.wav");
    cr_assert_eq(tool_segments_count(s).unused_recordings, 0u);
    tool_segments_close(s);

    put("one.rttm", "SPEAKER call 1 1 1 <NA> <NA> A\n");
    s = open_segments("one.rttm");
    expect(s, "-", 1, "1");
    expect_error(s, "-", 2, ENG_E_USAGE,
                 "one.rttm: it has segments for 1 recordings, and standard input has no name to find them by");
    tool_segments_close(s);
}

Test(segments_find, formats_without_names)
{
    put("s.srt", "1\n00:00:01,000 --> 00:00:02,000\na\n");
    tool_segments *s = open_segments("s.srt");
    expect(s, "whatever.wav", 1, "1");
    expect(s, "-", 1, "1");
    expect_error(s, "whatever.wav", 2, ENG_E_USAGE,
                 "s.srt: it does not say which recording its segments are of, and there are 2; expected one recording, or a "
                 "folder with a file for each");
    cr_assert_eq(tool_segments_count(s).unused_recordings, 0u);
    tool_segments_close(s);
}

Test(segments_find, folders)
{
    cr_assert(mkdir("s", 0700) == 0 && mkdir("s/day2", 0700) == 0 && mkdir("s/.git", 0700) == 0);
    cr_assert_eq(symlink("..", "s/loop"), 0);
    put("s/a.b.srt", "1\n00:00:01,000 --> 00:00:02,000\ncaf\xE9\n");
    put("s/day2/c.TXT", "2\t3\tx\n3\t3\tpoint\n");
    put("s/c.csv", "start,end\n4,5\n");
    put("s/two.rttm", "SPEAKER two 1 6 1 <NA> <NA> A\nSPEAKER other 1 7 1 <NA> <NA> A\n");
    put("s/stranger.rttm", "SPEAKER waveform 1 8 1 <NA> <NA> A\n");
    put("s/bad.vtt", "WEBVTT\n\n00:01 --> 00:00\n");
    put("s/several.rttm", "SPEAKER x 1 6 1 <NA> <NA> A\nSPEAKER y 1 7 1 <NA> <NA> A\n");
    put("s/a.b.wav", "no file of segments");
    put("s/.hidden.srt", "");
    put("s/.git/x.srt", "");
    const char *const names[] = {"s", "s/"};
    for (size_t i = 0; i < 2; i++) {
        tool_segments *s = open_segments(names[i]);
        expect(s, "in/a.b.wav", 7, "1");
        expect(s, "in/a.wav", 7, "");
        expect(s, "in/day2/c.wav", 7, "2");
        expect(s, "in/day1/c.wav", 7, "4");
        expect(s, "two.wav", 7, "6");
        expect(s, "stranger.wav", 7, "8");
        expect_error(s, "bad.wav", 7, ENG_E_FORMAT,
                     "s/bad.vtt: line 3: a segment that ends at 0 s, expected an end behind its start, 1 s");
        tool_segments_counts c = tool_segments_count(s);
        cr_assert_eq(c.unused_recordings, 1u); /* several */
        cr_assert_eq(c.latin1, 1u);
        cr_assert_eq(c.skipped, 1u);
        expect_error(s, "several.wav", 7, ENG_E_MISMATCH,
                     "s/several.rttm: names several recordings, and none of them is several.wav");
        char message[128];
        snprintf(message, sizeof message,
                 "%s: it has segments for 7 recordings, and standard input has no name to find them by", names[i]);
        expect_error(s, "-", 1, ENG_E_USAGE, message);
        tool_segments_close(s);
    }
}

Test(segments_find, folders_that_do_not_do)
{
    cr_assert(mkdir("s", 0700) == 0 && mkdir("empty", 0700) == 0);
    put("s/a.srt", "");
    put("s/a.vtt", "WEBVTT\n");
    expect_open_error("s", ENG_E_MISMATCH, "s/a.srt and s/a.vtt: two files of segments for one recording");
    expect_open_error("empty", ENG_E_MISSING,
                      "empty: no files of segments in this folder (csv, tsv, rttm, txt, TextGrid, vtt, srt)");
    expect_open_error("nowhere", ENG_E_MISSING, "nowhere: cannot open: No such file or directory");
    cr_assert_eq(symlink("nothing", "s/b.srt"), 0); /* told when its recording is asked for */
    cr_assert_eq(unlink("s/a.vtt"), 0);
    tool_segments *s = open_segments("s");
    expect_error(s, "b.wav", 1, ENG_E_MISSING, "s/b.srt: cannot open: No such file or directory");
    tool_segments_close(s);
}

/* A diariser's file: 500 turns, some of 0.1 s, overlapping and out of order, of two recordings. */
Test(segments_find, many_turns)
{
    FILE *f = fopen("s.rttm", "w");
    cr_assert_not_null(f);
    for (unsigned i = 0; i < 500; i++)
        fprintf(f, "SPEAKER %s 1 %.3f %.3f <NA> <NA> S%u <NA> <NA>\n", i % 3 ? "long" : "short", (i * 7919 % 500) * 0.25,
                i % 5 ? 3.5 : 0.1, i % 4);
    cr_assert_eq(fclose(f), 0);
    tool_segments *s = open_segments("s.rttm");
    tool_segment_list l;
    eng_error err;
    cr_assert_eq(tool_segments_of(s, "long.wav", 2, &l, &err), ENG_OK);
    cr_assert_eq(l.count, 333u);
    unsigned i = 0;
    for (size_t k = 0; k < l.count; k++, i++) {
        if (i % 3 == 0) i++;
        const tool_segment *g = &l.segments[k];
        double start = (i * 7919 % 500) * 0.25, end = start + (i % 5 ? 3.5 : 0.1);
        cr_assert(g->line == i + 1 && g->start == start && g->end > end - 1e-9 && g->end < end + 1e-9, "line %u", i + 1);
    }
    tool_segments_close(s);
}
