/* Files of segments: every format as its programs write it, and as hands and accidents do. (Which recording they are of:
 * segments_find.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tools/common/segments/read.h"
#include "tools/common/segments/time.h"

/* What a file of this name and text holds; cr_assert fails on an error. tool_segment_set_fini frees it. */
static tool_segment_set read_bytes(const char *name, const char *text, size_t size)
{
    tool_segment_set set;
    eng_error err = {ENG_OK, ""};
    char *copy = eng_alloc(size + 1, 1);
    memcpy(copy, text, size);
    copy[size] = 0;
    cr_assert_eq(tool_segment_set_parse(name, copy, size, &set, &err), ENG_OK, "%s", err.message);
    return set;
}

static void expect_error(const char *name, const char *text, eng_status status, const char *message)
{
    tool_segment_set set;
    eng_error err = {ENG_OK, ""};
    char *copy = eng_strdup(text);
    cr_assert_eq(tool_segment_set_parse(name, copy, strlen(text), &set, &err), status, "%s: %s", text, err.message);
    cr_assert_str_eq(err.message, message);
    tool_segment_set_fini(&set);
}

/* A segment as a line: recording|start|end|channel|speaker|text|line, "*" for what is not said. */
static void describe(const tool_segment *s, char *out, size_t size)
{
    char end[32] = "*", channel[32] = "*";
    if (s->end != TOOL_SEGMENT_TO_END) snprintf(end, sizeof end, "%.9g", s->end);
    if (s->channel != TOOL_SEGMENT_NO_CHANNEL) snprintf(channel, sizeof channel, "%zu", s->channel);
    snprintf(out, size, "%s|%.9g|%s|%s|%s|%s|%zu", s->recording, s->start, end, channel, s->speaker, s->text, s->line);
}

static void expect_set(tool_segment_set set, const char *const *want, size_t count, size_t skipped)
{
    char text[512];
    for (size_t i = 0; i < set.count && i < count; i++) {
        describe(&set.segments[i], text, sizeof text);
        cr_assert_str_eq(text, want[i], "segment %zu", i);
    }
    cr_assert_eq(set.count, count, "%zu segments, expected %zu", set.count, count);
    cr_assert_eq(set.skipped, skipped, "%zu skipped, expected %zu", set.skipped, skipped);
    tool_segment_set_fini(&set);
}

static void expect(const char *name, const char *text, const char *const *want, size_t count, size_t skipped)
{
    expect_set(read_bytes(name, text, strlen(text)), want, count, skipped);
}

/* The file's segments, as describe has them, are those of `want`, which a NULL ends. */
static void expect_these(const char *name, const char *text, size_t skipped, const char *const *want)
{
    size_t count = 0;
    while (want[count]) count++;
    expect(name, text, want, count, skipped);
}

/* ---- Times ---- */

Test(segment_time, forms)
{
    static const struct {
        const char *text;
        double seconds;
    } good[] = {{"0", 0},
                {"12.5", 12.5},
                {" 12,5\t", 12.5},
                {".25", 0.25},
                {"3.", 3},
                {"+1", 1},
                {"-0.0", 0},
                {"1e-05", 1e-5},
                {"1.5E+2", 150},
                {"00:01.5", 1.5},
                {"90:00", 5400},
                {"1:02:03.250", 3723.25},
                {"123:00:00,001", 442800.001},
                {"0 days 00:00:01.500000", 1.5},
                {"2 days", 172800},
                {"1 day, 0:00:02", 86402},
                {"0 days +00:00:03", 3}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double seconds = -7;
        cr_assert_eq(tool_time_parse(good[i].text, &seconds), TOOL_TIME_OK, "%s", good[i].text);
        cr_assert(fabs(seconds - good[i].seconds) <= 1e-9 * (1 + good[i].seconds), "%s: %.12g", good[i].text, seconds);
    }
    static const char *const bad[] = {"nan",   "inf",  "0x10", "1 2",     "1:2",   "1:60",     "1:60:00",  "00:00:00:01", "1e",
                                      "e5",    "--1",  "1.2.3", "1,234.5", "12s",  "00:00:1e1", "1 days x", ":30",
                                      "NaTs", "1e400x", "1-2",
                                      "1111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double seconds = -7;
        cr_assert_eq(tool_time_parse(bad[i], &seconds), TOOL_TIME_BAD, "%s", bad[i]);
        cr_assert_eq(seconds, -7.0);
    }
    double seconds = -7;
    cr_assert_eq(tool_time_parse("", &seconds), TOOL_TIME_NONE);
    cr_assert_eq(tool_time_parse(" NaT ", &seconds), TOOL_TIME_NONE);
    cr_assert_eq(tool_time_parse("-1", &seconds), TOOL_TIME_NEGATIVE);
    cr_assert_eq(tool_time_parse("-1 days +23:59:59", &seconds), TOOL_TIME_NEGATIVE);
    cr_assert_eq(seconds, -7.0);
}

/* ---- CSV and TSV ---- */

Test(segment_table, columns)
{
    expect_these("a.csv", "start,end\n0,1.5\n1,0 days 00:00:02\n", 0,
                 (const char *const[]){"|0|1.5|*|||2", "|1|2|*|||3", NULL});
    expect_these("a.csv", "FileName,START,End,Channel,speaker,text\nx/a.wav,0.5,,1,Ann,\"yes, \"\"so\"\"\"\n"
                 "./b.wav,,NaT,,,\n", 0,
                 (const char *const[]){"b.wav|0|*|*|||3", "x/a.wav|0.5|*|1|Ann|yes, \"so\"|2", NULL});
    expect_these("a.tsv", "path\tstart\tduration\na.wav\t00:01:00.5\t2,25\n", 0,
                 (const char *const[]){"a.wav|60.5|62.75|*|||2", NULL});
    expect_these("a.csv", "start,end\n", 0,
                 (const char *const[]){NULL});
}

/* Segments of a recording come together, each recording's in the order of the file. */
Test(segment_table, order)
{
    expect_these("a.csv", "file,start,end\nb,5,6\na,3,4\nb,1,2\na,3,9\nb,5,6\n", 0,
                 (const char *const[]){"a|3|4|*|||3", "a|3|9|*|||5", "b|5|6|*|||2", "b|1|2|*|||4", "b|5|6|*|||6", NULL});
}

Test(segment_table, other_columns_are_kept)
{
    const char *text = "emotion,file,start,end,duration\nsad,a.wav,0,1,9\nhappy,a.wav,1,2,8\n";
    tool_segment_set set = read_bytes("a.csv", text, strlen(text));
    cr_assert_eq(set.column_count, 2u);
    cr_assert_str_eq(set.columns[0], "emotion");
    cr_assert_str_eq(set.columns[1], "duration"); /* end says it */
    cr_assert_eq(set.segments[0].end, 1.0);
    cr_assert_str_eq(set.segments[1].cells[0], "happy");
    cr_assert_str_eq(set.segments[1].cells[1], "8");
    tool_segment_set_fini(&set);
}

Test(segment_table, errors)
{
    expect_error("a.csv", "file,end\nx,1\n", ENG_E_MISSING,
                 "a.csv: no column named start in its header; segments have start and end, in seconds");
    expect_error("a.csv", "file,start\nx,1\n", ENG_E_MISSING, "a.csv: no column named end or duration in its header");
    expect_error("a.csv", "start,end\n0,1\n2,1.5\n", ENG_E_FORMAT,
                 "a.csv: line 3: a segment that ends at 1.5 s, expected an end behind its start, 2 s");
    expect_error("a.csv", "start,end\n1,1\n", ENG_E_FORMAT,
                 "a.csv: line 2: a segment that ends at 1 s, expected an end behind its start, 1 s");
    expect_error("a.csv", "start,end\nnan,1\n", ENG_E_FORMAT, "a.csv: line 2: start: expected seconds or H:MM:SS, found 'nan'");
    expect_error("a.csv", "start,end\n-0.5,1\n", ENG_E_FORMAT, "a.csv: line 2: a negative start: -0.5");
    expect_error("a.csv", "start,duration\n1,-2\n", ENG_E_FORMAT, "a.csv: line 2: a negative duration: -2");
    expect_error("a.csv", "start,duration\n1,0\n", ENG_E_FORMAT,
                 "a.csv: line 2: a segment that ends at 1 s, expected an end behind its start, 1 s");
    expect_error("a.csv", "start,end\n1e9,2e9\n", ENG_E_FORMAT, "a.csv: line 2: a segment that starts at 1e+09 s");
    expect_error("a.csv", "start,end,channel\n0,1,left\n", ENG_E_FORMAT,
                 "a.csv: line 2: channel: expected a number, from 0, found 'left'");
    expect_error("a.csv", "file,start,end\n,0,1\n", ENG_E_FORMAT, "a.csv: line 2: no file name in column 'file'");
    expect_error("a.csv", "start,end\n0\n", ENG_E_FORMAT, "a.csv: line 2: 1 cells, expected 2 as in the header");
    expect_error("a.csv", "", ENG_E_FORMAT, "a.csv: empty, expected a header line");
}

/* ---- RTTM ---- */

Test(segment_rttm, lines)
{
    expect_these("a.rttm", ";; a comment\n"
           "SPKR-INFO call 1 <NA> <NA> <NA> unknown Ann <NA> <NA>\n"
           "SPEAKER call 1 10.50 0.1 <NA> <NA> Ann 0.9 <NA>\r\n"
           "\n"
           "SPEAKER\tcall  2\t3 4.25 <NA> <NA> Bob\n"
           "SPEAKER call 0 1 1 <NA> <NA> <NA> <NA> <NA>\n"
           "LEXEME call 1 3 0.2 hello lex Ann 1\n"
           "SPEAKER a <NA> 7 1e-1 <NA> <NA> B\xFF <NA> <NA> more than there should be", 2,
                 (const char *const[]){"a|7|7.1|*|B\xFF||8", "call|10.5|10.6|0|Ann||3", "call|3|7.25|1|Bob||5",
                                      "call|1|2|*|||6", NULL});
    expect_these("a.rttm", "", 0,
                 (const char *const[]){NULL});
}

Test(segment_rttm, errors)
{
    expect_error("a.rttm", "SPEAKER call 1 0.0\n", ENG_E_FORMAT,
                 "a.rttm: line 1: 4 fields, expected SPEAKER, file, channel, start, duration, <NA>, <NA>, speaker");
    expect_error("a.rttm", "\nTALKER call 1 0 1 <NA> <NA> a\n", ENG_E_FORMAT,
                 "a.rttm: line 2: expected a type of RTTM such as SPEAKER, found 'TALKER'");
    expect_error("a.rttm", "SPEAKER call 1 0 0.0 <NA> <NA> a\n", ENG_E_FORMAT,
                 "a.rttm: line 1: a segment that ends at 0 s, expected an end behind its start, 0 s");
    expect_error("a.rttm", "SPEAKER call 1 x 1 <NA> <NA> a\n", ENG_E_FORMAT,
                 "a.rttm: line 1: start: expected seconds, found 'x'");
    expect_error("a.rttm", "SPEAKER call 1 1 -1 <NA> <NA> a\n", ENG_E_FORMAT,
                 "a.rttm: line 1: duration: expected seconds, found '-1', which is negative");
    expect_error("a.rttm", "SPEAKER call A 0 1 <NA> <NA> a\n", ENG_E_FORMAT,
                 "a.rttm: line 1: channel: expected a number, from 1, found 'A'");
}

/* ---- Audacity ---- */

Test(segment_labels, lines)
{
    expect_these("a.txt", "0.000000\t1.500000\thello there \n\\\t100.0\t200.0\n1,5\t2,5\n3\t3\tpoint\n\n2\t4\t\tx\n", 1,
                 (const char *const[]){"|0|1.5|*||hello there|1", "|1.5|2.5|*|||3", "|2|4|*||x|6", NULL});
    expect_these("a.txt", "0\t1\tcaf\xE9 \x93q\x94\n", 0,
                 (const char *const[]){"|0|1|*||caf\xC3\xA9 \xE2\x80\x9Cq\xE2\x80\x9D|1", NULL});
    expect_these("a.txt", "", 0,
                 (const char *const[]){NULL});
    expect_error("a.txt", "0\t1\ta\n0 1 b\n", ENG_E_FORMAT,
                 "a.txt: line 2: expected a label of Audacity: start, tab, end, in seconds from 0; found '0 1 b'");
    expect_error("a.txt", "2\t1\ta\n", ENG_E_FORMAT,
                 "a.txt: line 1: a segment that ends at 1 s, expected an end behind its start, 2 s");
}

/* ---- TextGrid ---- */

static const char long_grid[] = "File type = \"ooTextFile\"\n"
                                "Object class = \"TextGrid\"\n\n"
                                "xmin = 0 \nxmax = 2.3 \ntiers? <exists> \nsize = 3 \nitem []: \n"
                                "    item [1]:\n"
                                "        class = \"IntervalTier\" \n        name = \"Ann\" \n"
                                "        xmin = 0 \n        xmax = 2.3 \n        intervals: size = 3 \n"
                                "        intervals [1]:\n            xmin = 0 \n            xmax = 1 \n"
                                "            text = \"say \"\"12\"\" ! now\" \n"
                                "        intervals [2]:\n            xmin = 1 \n            xmax = 2 \n"
                                "            text = \" \" \n"
                                "        intervals [3]:\n            xmin = 2 \n            xmax = 2.3 \n"
                                "            text = \"two\nlines\" \n"
                                "    item [2]:\n"
                                "        class = \"TextTier\" \n        name = \"bell\" \n"
                                "        xmin = 0 \n        xmax = 2.3 \n        points: size = 1 \n"
                                "        points [1]:\n            number = 0.5 \n            mark = \"ding\" \n"
                                "    item [3]:\n"
                                "        class = \"IntervalTier\" \n        name = \"Bob\" \n"
                                "        xmin = 0 \n        xmax = 2.3 \n        intervals: size = 1 \n"
                                "        intervals [1]:\n            xmin = 0 \n            xmax = 2.3 \n"
                                "            text = \"b\" \n";
static const char short_grid[] = "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\n0\n2.3\n<exists>\n3\n"
                                 "\"IntervalTier\"\n\"Ann\"\n0\n2.3\n3\n0\n1\n\"say \"\"12\"\" ! now\"\n1\n2\n\"\"\n2\n2.3\n"
                                 "\"two\nlines\" ! a comment \"with\" 12\n"
                                 "\"TextTier\" \"bell\" 0 2.3 1 0.5 \"ding\"\n\"IntervalTier\" \"Bob\" 0 2.3 1 0 2.3 \"b\"";

Test(segment_textgrid, long_and_short)
{
    expect_these("a.TextGrid", long_grid, 1,
                 (const char *const[]){"|0|1|*|Ann|say \"12\" ! now|16", "|2|2.3|*|Ann|two\nlines|24",
                                      "|0|2.3|*|Bob|b|44", NULL});
    expect_these("a.textgrid", short_grid, 1,
                 (const char *const[]){"|0|1|*|Ann|say \"12\" ! now|13", "|2|2.3|*|Ann|two\nlines|19",
                                      "|0|2.3|*|Bob|b|24", NULL});
    expect_these("a.textgrid", "\"ooTextFile\" \"TextGrid\" -1 2 <absent>", 0,
                 (const char *const[]){NULL});
}

/* The grid in other encodings: Praat itself chooses UTF-16 where ASCII does not do. */
Test(segment_textgrid, encodings)
{
    static const char head[] = "\"ooTextFile\"\n\"TextGrid\"\n0 1 <exists> 1 \"IntervalTier\" \"t\" 0 1 1 0 1 \"";
    char text[1024];
    for (int big = 0; big < 2; big++) {
        size_t n = 0;
        text[n++] = big ? '\xFE' : '\xFF';
        text[n++] = big ? '\xFF' : '\xFE';
        for (const char *p = head; *p; p++) {
            text[n + (size_t)big] = *p;
            text[n + 1 - (size_t)big] = 0;
            n += 2;
        }
        static const unsigned units[] = {0xE9, 0x20AC, 0xD83D, 0xDE00, 0xDC00, '"'};
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            text[n + (size_t)!big] = (char)(units[i] >> 8);
            text[n + (size_t)big] = (char)units[i];
            n += 2;
        }
        const char *const want[] = {"|0|1|*|t|\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBD|3"};
        expect_set(read_bytes("a.TextGrid", text, n), want, 1, 0);
    }
    snprintf(text, sizeof text, "%s\xE9\"", head);
    tool_segment_set set = read_bytes("a.TextGrid", text, strlen(text));
    cr_assert(set.latin1);
    cr_assert_str_eq(set.segments[0].text, "\xC3\xA9");
    tool_segment_set_fini(&set);
    snprintf(text, sizeof text, "\xEF\xBB\xBF%s\xC3\xA9\"", head);
    set = read_bytes("a.TextGrid", text, strlen(text));
    cr_assert_not(set.latin1);
    cr_assert_str_eq(set.segments[0].text, "\xC3\xA9");
    tool_segment_set_fini(&set);
}

Test(segment_textgrid, errors)
{
    expect_error("a.TextGrid", "", ENG_E_FORMAT, "a.TextGrid: line 1: the file ends where \"ooTextFile\" was expected");
    expect_error("a.TextGrid", "\"ooTextFile\" \"Pitch\"", ENG_E_FORMAT,
                 "a.TextGrid: expected \"ooTextFile\" and \"TextGrid\", found 'ooTextFile' and 'Pitch'");
    expect_error("a.TextGrid", "\"ooTextFile\"\n\"TextGrid\"\n0 1 <exists> 9\n\"IntervalTier\" \"t\" 0 1 5 0 1 \"a\"",
                 ENG_E_FORMAT,
                 "a.TextGrid: line 4: the file ends where an interval's start was expected");
    expect_error("a.TextGrid", "\"ooTextFile\" \"TextGrid\" 0 1 <exists> 1\n\"IntervalTier\" \"t\" 0 1 1 0 1 \"a", ENG_E_FORMAT,
                 "a.TextGrid: line 2: a text whose quote is never closed");
    expect_error("a.TextGrid", "\"ooTextFile\" \"TextGrid\" 0 1 <exists> 1\n\"IntervalTier\" \"t\" 0 1 1 1 0.5 \"a\"",
                 ENG_E_FORMAT,
                 "a.TextGrid: line 2: a segment that ends at 0.5 s, expected an end behind its start, 1 s");
    expect_error("a.TextGrid", "\"ooTextFile\" \"TextGrid\" 0 1 <exists> 1\n\"IntervalTier\" \"t\" 0 1 1\n-1 0.5 \"a\"",
                 ENG_E_FORMAT,
                 "a.TextGrid: line 3: an interval's start: expected a number that is not negative, found '-1'");
    expect_error("a.TextGrid", "\"ooTextFile\" \"TextGrid\" 0 1 <exists> 1\n\"Spectrum\"", ENG_E_FORMAT,
                 "a.TextGrid: line 2: expected a tier, IntervalTier or TextTier, found 'Spectrum'");
    expect_error("a.TextGrid", "\"ooTextFile\" \"TextGrid\" 0 1 <exists> \"one\"", ENG_E_FORMAT,
                 "a.TextGrid: line 1: expected a number of tiers, found 'one'");
}

/* ---- Cues ---- */

Test(segment_cues, webvtt)
{
    expect_these("a.vtt", "\xEF\xBB\xBFWEBVTT - a title\nKind: captions\n\n"
           "STYLE\n::cue { color: red }\n\n"
           "NOTE to self\nnot a cue\n\n"
           "REGION\nid:fred\n\n"
           "intro\n00:01.000 --> 00:02.500 align:start position:10%\n<v.loud Ann &amp; Co>Yes <i>and</i> <00:01.500>no</v>\n"
           "- <c.x>really</c>\n\n"
           "1:00:00.000 --> 1:00:01.000\n<v Ann &amp; Co>a &lt;b&gt;&nbsp;c\n\n\n"
           "stray text\n\n"
           "00:03.000 --> 00:04.000\n\n"
           "00:05.000 --> 00:06.000\nA<v Bob>B</v><v Cid>C", 1,
                 (const char *const[]){"|1|2.5|*|Ann & Co|Yes and no - really|14", "|3600|3601|*|Ann & Co|a <b>\xC2\xA0"
                                                        "c|18", "|3|4|*|||24", "|5|6|*|Bob|ABC|26", NULL});
    expect_these("a.vtt", "WEBVTT", 0,
                 (const char *const[]){NULL});
    expect_these("a.vtt", "WEBVTT\r\rNOTE\rx --> y\r\r00:01.000 --> 00:02.000\ra\r00:02.000 --> 00:03.000\rb", 0,
                 (const char *const[]){"|1|2|*||a|6", "|2|3|*||b|8", NULL});
}

Test(segment_cues, srt)
{
    expect_these("a.srt", "\xEF\xBB\xBF"
           "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Yes</i>,\r\n{\\an8}a < b <font color=\"red\">c</font>\r\n\r\n"
           "00:00:03.000 --> 00:00:04.000 X1:10 X2:20\r\nno number\r\n"
           "3\r\n00:00:05,000 --> 00:00:06,000\r\n2024\r\n\r\n"
           "left over\r\n\r\n"
           "4\r\n00:00:07,000 --> 00:00:08,000\r\nlast &amp; least", 1,
                 (const char *const[]){"|1|2.5|*||Yes, a < b c|2", "|3|4|*||no number|6", "|5|6|*||2024|9",
                                      "|7|8|*||last &amp; least|15", NULL});
    static const char german[] = "1\n0:00:01,0 --> 0:00:02,0\n\x84" "ja\x93\n";
    tool_segment_set set = read_bytes("a.srt", german, sizeof german - 1);
    cr_assert(set.latin1);
    cr_assert_str_eq(set.segments[0].text, "\xE2\x80\x9Eja\xE2\x80\x9C");
    tool_segment_set_fini(&set);
}

Test(segment_cues, errors)
{
    expect_error("a.vtt", "1\n00:01.000 --> 00:02.000\na\n", ENG_E_FORMAT, "a.vtt: line 1: expected WEBVTT");
    expect_error("a.vtt", "WEBVTTX\n", ENG_E_FORMAT, "a.vtt: line 1: expected WEBVTT");
    expect_error("a.vtt", "", ENG_E_FORMAT, "a.vtt: line 1: expected WEBVTT");
    expect_error("a.vtt", "WEBVTT\n\n00:01 -- 00:02 --> x\n", ENG_E_FORMAT,
                 "a.vtt: line 3: expected times such as 00:01:02.500 --> 00:01:04.000");
    expect_error("a.srt", "1\n1 --> 2\n", ENG_E_FORMAT, "a.srt: line 2: expected times such as 00:01:02,500 --> 00:01:04,000");
    expect_error("a.srt", "1\n00:00:02,000 --> 00:00:01,000\na\n", ENG_E_FORMAT,
                 "a.srt: line 2: a segment that ends at 1 s, expected an end behind its start, 2 s");
}

/* ---- Any of them ---- */

Test(segment_format, by_content)
{
    expect_these("a", "WEBVTT\n\n00:01.000 --> 00:02.000\na\n", 0,
                 (const char *const[]){"|1|2|*||a|3", NULL});
    expect_these("a.txt", "\n1\n00:00:01,000 --> 00:00:02,000\na\n", 0,
                 (const char *const[]){"|1|2|*||a|3", NULL});
    expect_these("a.lab", "00:00:01,000 --> 00:00:02,000\na\n", 0,
                 (const char *const[]){"|1|2|*||a|1", NULL});
    expect_these("/dev/fd/63", "SPEAKER x 1 0 1 <NA> <NA> a\n", 0,
                 (const char *const[]){"x|0|1|0|a||1", NULL});
    expect_these("a", "File type = \"ooTextFile\"\n\"TextGrid\" 0 1 <exists> 1 \"IntervalTier\" \"t\" 0 1 1 0 1 \"x\"", 0,
                 (const char *const[]){"|0|1|*|t|x|2", NULL});
    expect_these("a", "0.5\t1.5\n", 0,
                 (const char *const[]){"|0.5|1.5|*|||1", NULL});
    expect_these("a", "start,end\n0,1\n", 0,
                 (const char *const[]){"|0|1|*|||2", NULL});
    expect_these("a.b/c", "start\tend\n0\t1\n", 0,
                 (const char *const[]){"|0|1|*|||2", NULL});
    expect_these("a", " \n\n", 0,
                 (const char *const[]){NULL});
}

Test(segment_format, errors)
{
    expect_error("a", "hello there\n", ENG_E_FORMAT,
                 "a: no format of segments that is known here: CSV or TSV with a header, RTTM, Audacity's labels, TextGrid, "
                 "WebVTT or SRT");
    tool_segment_set set;
    eng_error err;
    char *nul = eng_alloc_zero(16, 1);
    memcpy(nul, "0\t1\ta\n0\t\0", 9);
    cr_assert_eq(tool_segment_set_parse("a.txt", nul, 9, &set, &err), ENG_E_FORMAT);
    cr_assert_str_eq(err.message, "a.txt: line 2: NUL byte, expected text");
    tool_segment_set_fini(&set);
    cr_assert_eq(tool_segment_set_read("/nowhere/a.srt", &set, &err), ENG_E_MISSING);
    cr_assert_str_eq(err.message, "/nowhere/a.srt: cannot open: No such file or directory");
    tool_segment_set_fini(&set);
}

/* Files cut anywhere, and with any byte replaced: segments or an error that names the file, never more than that. */
Test(segment_format, damaged)
{
    static const struct {
        const char *name, *text;
    } files[] = {{"a.csv", "file,start,end,text\n\"a,b\",0 days 00:00:01,2.5,\"x\ny\"\nb,3,4,z\n"},
                 {"a.rttm", "SPEAKER call 1 10.50 0.1 <NA> <NA> Ann 0.9 <NA>\nSPEAKER call 2 3 4.25 <NA> <NA> Bob\n"},
                 {"a.txt", "0.0\t1.5\thello\n\\\t1\t2\n1,5\t2,5\tx\n"},
                 {"a.TextGrid", short_grid},
                 {"a.vtt", "WEBVTT\n\nNOTE x\n\na\n00:01.000 --> 00:02.500\n<v Ann>Yes &amp; <i>no</i>\nb\n\n"
                           "00:03.000 --> 00:04.000\nc"},
                 {"a.srt", "1\n00:00:01,000 --> 00:00:02,500\n<i>Yes</i>\n{\\an8}b\n2\n00:00:03.000 --> 00:00:04.000\nc\n"}};
    static const char bytes[] = "\0\n\r\t\"<>{}\\&-,.:;09 \xFF\xC3\x80";
    size_t good = 0, bad = 0;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        const size_t size = strlen(files[f].text);
        for (size_t at = 0; at < size; at++)
            for (size_t b = 0; b < sizeof bytes; b++) { /* the last one: cut here */
                const bool cut = b == sizeof bytes - 1;
                const size_t n = cut ? at : size;
                char *copy = eng_alloc(n + 1, 1); /* of just this size, for the address sanitizer */
                memcpy(copy, files[f].text, n);
                copy[n] = 0;
                if (!cut) copy[at] = bytes[b];
                tool_segment_set set;
                eng_error err = {ENG_OK, ""};
                if (tool_segment_set_parse(files[f].name, copy, n, &set, &err) == ENG_OK) {
                    good++;
                    for (size_t i = 0; i < set.count; i++) {
                        const tool_segment *s = &set.segments[i];
                        cr_assert(s->start >= 0 && (s->end > s->start || s->end == TOOL_SEGMENT_TO_END));
                        cr_assert(strlen(s->text) <= size && strlen(s->speaker) <= size && s->line >= 1);
                    }
                } else {
                    bad++;
                    cr_assert(strstr(err.message, files[f].name), "%s", err.message);
                }
                tool_segment_set_fini(&set);
            }
    }
    cr_assert(good > 1000 && bad > 1000, "%zu %zu", good, bad);
}
