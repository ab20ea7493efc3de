/* Results with segments, in every format, to the letter; files a recording; the schema of JSON lines. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/output.h"
#include "tools/common/segments/read.h"
#include "tools/common/text.h"

TestSuite(output_segments, .init = support_enter, .fini = support_leave);

static tool_list load(const char *text)
{
    FILE *f = fopen("in.csv", "w");
    cr_assert_not_null(f);
    cr_assert(fputs(text, f) >= 0);
    cr_assert_eq(fclose(f), 0);
    char name[] = "in.csv", *inputs[1] = {name};
    tool_list l;
    eng_error err;
    cr_assert_eq(tool_list_load(inputs, 1, &l, &err), ENG_OK, "%s", err.message);
    return l;
}

static void expect_file(const char *path, const char *want)
{
    char text[8192];
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "no %s", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    cr_assert_str_eq(text, want);
}

static void expect_open_error(const tool_output_spec *spec, eng_status status, const char *message)
{
    tool_output *o;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_output_open(spec, &o, &err), status, "%s", err.message);
    cr_assert_str_eq(err.message, message);
    cr_assert_null(o);
}

static double length = 10; /* of the recording */

static void write_rows(const tool_output_spec *spec, const tool_result *rows, size_t count, size_t failed)
{
    tool_output *o;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_output_open(spec, &o, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++) cr_assert_eq(tool_output_write(o, &rows[i], &err), ENG_OK, "%s", err.message);
    tool_output_length(o, 0, length);
    cr_assert_eq(tool_output_failed_rows(o), failed);
    cr_assert_eq(tool_output_close(o, &err), ENG_OK, "%s", err.message);
}

static const char *const classes[] = {"angry", "very sad"};
static const float first[] = {0.8125f, 0.1875f}, second[] = {0.25f, 0.75f};

/* Two speakers who overlap, of whom one has odd characters; a segment that failed; a last one of 0.1 ms. */
static const tool_result rows[] = {
    {.segment = true, .start = 0, .end = 2.5, .channel = 0, .speaker = "A & B", .text = "yes, \"so\"",
     .scores = first},
    {.segment = true, .start = 2, .end = 3.0000004, .channel = 1, .speaker = "", .text = "a <b>\n-->\xFF", .label = 1,
     .scores = second},
    {.segment = true, .start = 3, .end = 4, .channel = 0, .speaker = "A & B", .text = "", .error = "too short"},
    {.segment = true, .start = 3.1, .end = 3.1001, .channel = 0, .speaker = "A & B", .text = "x", .label = 1, .scores = second},
};
enum { ROWS = 4 };

static void expect_format(tool_output_spec spec, const char *want)
{
    tool_list l = load("file,note\nin/a b.wav,n\n");
    spec.path = "out";
    spec.list = &l;
    spec.classes = classes;
    spec.class_count = 2;
    spec.segments = true;
    write_rows(&spec, rows, ROWS, 1);
    expect_file("out", want);
    tool_list_free(&l);
}

Test(output_segments, csv)
{
    expect_format((tool_output_spec){.format = TOOL_CSV},
                  "file,start,end,label,score,angry,very sad,note,error\n"
                  "in/a b.wav,0.0,2.5,angry,0.8125,0.8125,0.1875,n,\n"
                  "in/a b.wav,2.0,3.0,very sad,0.75,0.25,0.75,n,\n"
                  "in/a b.wav,3.0,4.0,,,,,n,too short\n"
                  "in/a b.wav,3.1,3.1001,very sad,0.75,0.25,0.75,n,\n");
    expect_format((tool_output_spec){.format = TOOL_CSV, .channels = true, .speakers = true, .texts = true},
                  "file,channel,start,end,speaker,text,label,score,angry,very sad,note,error\n"
                  "in/a b.wav,0,0.0,2.5,A & B,\"yes, \"\"so\"\"\",angry,0.8125,0.8125,0.1875,n,\n"
                  "in/a b.wav,1,2.0,3.0,,\"a <b>\n-->\xFF\",very sad,0.75,0.25,0.75,n,\n"
                  "in/a b.wav,0,3.0,4.0,A & B,,,,,,n,too short\n"
                  "in/a b.wav,0,3.1,3.1001,A & B,x,very sad,0.75,0.25,0.75,n,\n");
}

Test(output_segments, tsv)
{
    expect_format((tool_output_spec){.format = TOOL_TSV, .texts = true},
                  "file\tstart\tend\ttext\tlabel\tscore\tangry\tvery sad\tnote\terror\n"
                  "in/a b.wav\t0.0\t2.5\tyes, \"so\"\tangry\t0.8125\t0.8125\t0.1875\tn\t\n"
                  "in/a b.wav\t2.0\t3.0\ta <b>\\n-->\xFF\tvery sad\t0.75\t0.25\t0.75\tn\t\n"
                  "in/a b.wav\t3.0\t4.0\t\t\t\t\t\tn\ttoo short\n"
                  "in/a b.wav\t3.1\t3.1001\tx\tvery sad\t0.75\t0.25\t0.75\tn\t\n");
}

Test(output_segments, jsonl)
{
    expect_format(
        (tool_output_spec){.format = TOOL_JSONL, .channels = true, .speakers = true, .texts = true},
        "{\"file\": \"in/a b.wav\", \"channel\": 0, \"start\": 0.0, \"end\": 2.5, \"speaker\": \"A & B\", \"text\": \"yes, "
        "\\\"so\\\"\", \"label\": \"angry\", \"scores\": {\"angry\": 0.8125, \"very sad\": 0.1875}, \"note\": \"n\"}\n"
        "{\"file\": \"in/a b.wav\", \"channel\": 1, \"start\": 2.0, \"end\": 3.0, \"speaker\": \"\", \"text\": \"a "
        "<b>\\n-->\xEF\xBF\xBD\", \"label\": \"very sad\", \"scores\": {\"angry\": 0.25, \"very sad\": 0.75}, \"note\": "
        "\"n\"}\n"
        "{\"file\": \"in/a b.wav\", \"channel\": 0, \"start\": 3.0, \"end\": 4.0, \"speaker\": \"A & B\", \"text\": \"\", "
        "\"note\": \"n\", \"error\": \"too short\"}\n"
        "{\"file\": \"in/a b.wav\", \"channel\": 0, \"start\": 3.1, \"end\": 3.1001, \"speaker\": \"A & B\", \"text\": \"x\", "
        "\"label\": \"very sad\", \"scores\": {\"angry\": 0.25, \"very sad\": 0.75}, \"note\": \"n\"}\n");
}

Test(output_segments, rttm)
{
    expect_format((tool_output_spec){.format = TOOL_RTTM, .channels = true, .speakers = true},
                  "SPEAKER a_b 1 0.0 2.5 <NA> <NA> angry 0.8125 <NA>\n"
                  "SPEAKER a_b 2 2.0 1.0 <NA> <NA> very_sad 0.75 <NA>\n"
                  "SPEAKER a_b 1 3.1 0.0001 <NA> <NA> very_sad 0.75 <NA>\n");
}

Test(output_segments, srt)
{
    expect_format((tool_output_spec){.format = TOOL_SRT, .speakers = true, .texts = true},
                  "1\n00:00:00,000 --> 00:00:02,500\nA & B: angry 0.81\nyes, \"so\"\n\n"
                  "2\n00:00:02,000 --> 00:00:03,000\nvery sad 0.75\na <b> ->>\xEF\xBF\xBD\n\n"
                  "3\n00:00:03,100 --> 00:00:03,101\nA & B: very sad 0.75\nx\n\n");
}

Test(output_segments, vtt)
{
    expect_format((tool_output_spec){.format = TOOL_VTT, .speakers = true, .texts = true, .channels = true},
                  "WEBVTT\n\n"
                  "00:00:00.000 --> 00:00:02.500\n<v A &amp; B, channel 0>angry 0.81\nyes, \"so\"\n\n"
                  "00:00:02.000 --> 00:00:03.000\n<v channel 1>very sad 0.75\na &lt;b&gt; --&gt;\xEF\xBF\xBD\n\n"
                  "00:00:03.100 --> 00:00:03.101\n<v A &amp; B, channel 0>very sad 0.75\nx\n\n");
    expect_format((tool_output_spec){.format = TOOL_VTT},
                  "WEBVTT\n\n"
                  "00:00:00.000 --> 00:00:02.500\n<v A &amp; B>angry 0.81\nyes, \"so\"\n\n"
                  "00:00:02.000 --> 00:00:03.000\nvery sad 0.75\na &lt;b&gt; --&gt;\xEF\xBF\xBD\n\n"
                  "00:00:03.100 --> 00:00:03.101\n<v A &amp; B>very sad 0.75\nx\n\n");
}

Test(output_segments, audacity)
{
    expect_format((tool_output_spec){.format = TOOL_AUDACITY, .speakers = true},
                  "0.0\t2.5\tA & B: angry 0.81\n2.0\t3.0\tvery sad 0.75\n3.1\t3.1001\tA & B: very sad 0.75\n");
}

Test(output_segments, elan)
{
    expect_format((tool_output_spec){.format = TOOL_ELAN, .speakers = true, .texts = true},
                  "tier,begin,end,annotation\n"
                  "A & B,0,2500,angry\nA & B score,0,2500,0.81\nA & B text,0,2500,\"yes, \"\"so\"\"\"\n"
                  "emotion,2000,3000,very sad\nscore,2000,3000,0.75\ntext,2000,3000,a <b> -->\xEF\xBF\xBD\n"
                  "A & B,3100,3101,very sad\nA & B score,3100,3101,0.75\nA & B text,3100,3101,x\n");
}

/* ---- TextGrid ---- */

Test(output_segments, textgrid)
{
    static const tool_result windows[] = {
        {.segment = true, .start = 1, .end = 3, .channel = 0, .scores = first},
        {.segment = true, .start = 2, .end = 4, .channel = 0, .label = 1, .scores = second},
        {.segment = true, .start = 2, .end = 3.5, .channel = 0, .scores = first},
        {.segment = true, .start = 0, .end = 6.25, .channel = 1, .scores = first},
    };
    tool_list l = load("file\na.wav\n");
    tool_output_spec spec = {.format = TOOL_TEXTGRID, .path = "out", .list = &l, .classes = classes, .class_count = 2,
                             .segments = true, .channels = true};
    length = 6; /* less than where a segment ends */
    write_rows(&spec, windows, 4, 0);
    expect_file("out",
                "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0.0\nxmax = 6.25\n"
                "tiers? <exists>\nsize = 4\n"
                "item []:\n"
                "    item [1]:\n        class = \"IntervalTier\"\n        name = \"channel 0\"\n"
                "        xmin = 0.0\n        xmax = 6.25\n        intervals: size = 4\n"
                "        intervals [1]:\n            xmin = 0.0\n            xmax = 1.0\n            text = \"\"\n"
                "        intervals [2]:\n            xmin = 1.0\n            xmax = 2.0\n            text = \"angry\"\n"
                "        intervals [3]:\n            xmin = 2.0\n            xmax = 4.0\n"
                "            text = \"very sad; angry\"\n"
                "        intervals [4]:\n            xmin = 4.0\n            xmax = 6.25\n            text = \"\"\n"
                "    item [2]:\n        class = \"IntervalTier\"\n        name = \"channel 0 score\"\n"
                "        xmin = 0.0\n        xmax = 6.25\n        intervals: size = 4\n"
                "        intervals [1]:\n            xmin = 0.0\n            xmax = 1.0\n            text = \"\"\n"
                "        intervals [2]:\n            xmin = 1.0\n            xmax = 2.0\n            text = \"0.81\"\n"
                "        intervals [3]:\n            xmin = 2.0\n            xmax = 4.0\n            text = \"0.75; 0.81\"\n"
                "        intervals [4]:\n            xmin = 4.0\n            xmax = 6.25\n            text = \"\"\n"
                "    item [3]:\n        class = \"IntervalTier\"\n        name = \"channel 1\"\n"
                "        xmin = 0.0\n        xmax = 6.25\n        intervals: size = 1\n"
                "        intervals [1]:\n            xmin = 0.0\n            xmax = 6.25\n            text = \"angry\"\n"
                "    item [4]:\n        class = \"IntervalTier\"\n        name = \"channel 1 score\"\n"
                "        xmin = 0.0\n        xmax = 6.25\n        intervals: size = 1\n"
                "        intervals [1]:\n            xmin = 0.0\n            xmax = 6.25\n            text = \"0.81\"\n");
    write_rows(&spec, NULL, 0, 0);
    expect_file("out", "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0.0\nxmax = 1.0\ntiers? <absent>\n");
    tool_list_free(&l);
}

/* What is written is read again: times, speakers, labels. */
Test(output_segments, read_again)
{
    static const tool_format formats[] = {TOOL_CSV, TOOL_TSV, TOOL_RTTM, TOOL_SRT, TOOL_VTT, TOOL_AUDACITY, TOOL_TEXTGRID};
    static const char *const names[] = {"o.csv", "o.tsv", "o.rttm", "o.srt", "o.vtt", "o.txt", "o.TextGrid"};
    tool_list l = load("file\nx/a.wav\n");
    tool_result turns[20];
    for (size_t i = 0; i < 20; i++)
        turns[i] = (tool_result){.segment = true,
                                 .start = (double)i * 1.25,
                                 .end = (double)i * 1.25 + (i % 3 ? 1.25 : 0.125),
                                 .channel = TOOL_NO_CHANNEL,
                                 .speaker = i % 2 ? "Bob \"B\"" : "Ann",
                                 .scores = first};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        tool_output_spec spec = {.format = formats[f], .path = names[f], .list = &l, .classes = classes, .class_count = 2,
                                 .segments = true, .speakers = true};
        write_rows(&spec, turns, 20, 0);
        tool_segment_set set;
        eng_error err = {ENG_OK, ""};
        cr_assert_eq(tool_segment_set_read(names[f], &set, &err), ENG_OK, "%s", err.message);
        if (formats[f] != TOOL_TEXTGRID) cr_assert_eq(set.count, 20u, "%s: %zu", names[f], set.count);
        size_t seen = 0;
        for (size_t i = 0; i < set.count; i++) {
            const tool_segment *s = &set.segments[i];
            if (formats[f] == TOOL_TEXTGRID && strstr(s->speaker, "score")) continue;
            /* in a grid Ann's turns come first */
            const tool_result *t = &turns[formats[f] == TOOL_TEXTGRID ? 2 * (seen % 10) + seen / 10 : seen];
            seen++;
            cr_assert(fabs(s->start - t->start) < 1e-9 && fabs(s->end - t->end) < 1e-9, "%s: %g %g", names[f],
                      s->start, s->end);
            if (formats[f] == TOOL_RTTM) cr_assert_str_eq(s->speaker, "angry");
            else if (formats[f] == TOOL_SRT || formats[f] == TOOL_AUDACITY)
                cr_assert(strstr(s->text, t->speaker) == s->text, "%s", s->text);
            else cr_assert_str_eq(s->speaker, t->speaker);
        }
        cr_assert_eq(seen, 20u);
        tool_segment_set_fini(&set);
    }
    tool_list_free(&l);
}

/* ---- Values ---- */

Test(output_segments, values)
{
    static const char *const names[] = {"arousal", "dominance", "valence"};
    static const float values[] = {0.5f, -0.25f, 1.5f};
    static const char *const want[] = {
        "file,arousal,dominance,valence,logit.arousal,logit.dominance,logit.valence,error\na.wav,0.5,-0.25,1.5,0.5,-0.25,1.5,\n"
        "a.wav,,,,,,,bad\n",
        "file\tarousal\tdominance\tvalence\tlogit.arousal\tlogit.dominance\tlogit.valence\terror\n"
        "a.wav\t0.5\t-0.25\t1.5\t0.5\t-0.25\t1.5\t\na.wav\t\t\t\t\t\t\tbad\n",
        "{\"file\": \"a.wav\", \"values\": {\"arousal\": 0.5, \"dominance\": -0.25, \"valence\": 1.5}, \"logits\": [0.5, "
        "-0.25, 1.5]}\n{\"file\": \"a.wav\", \"error\": \"bad\"}\n"};
    tool_list l = load("file\na.wav\n");
    tool_output_spec spec = {.path = "out", .list = &l, .classes = names, .class_count = 3, .values = true, .logits = true};
    tool_result r[2] = {{.channel = TOOL_NO_CHANNEL, .scores = values, .logits = values},
                        {.channel = TOOL_NO_CHANNEL, .error = "bad"}};
    for (int f = TOOL_CSV; f <= TOOL_JSONL; f++) {
        spec.format = (tool_format)f;
        write_rows(&spec, r, 2, 1);
        expect_file("out", want[f]);
    }
    r[0].segment = spec.segments = true;
    r[0].end = 1;
    spec.format = TOOL_SRT;
    write_rows(&spec, r, 2, 1);
    expect_file("out", "1\n00:00:00,000 --> 00:00:01,000\narousal 0.50, dominance -0.25, valence 1.50\n\n");
    spec.format = TOOL_ELAN;
    write_rows(&spec, r, 2, 1);
    expect_file("out", "tier,begin,end,annotation\narousal,0,1000,0.50\ndominance,0,1000,-0.25\nvalence,0,1000,1.50\n");
    spec.format = TOOL_RTTM;
    expect_open_error(&spec, ENG_E_USAGE, "format rttm: its rows have a label, and the model gives values");
    tool_list_free(&l);
}

/* ---- Names ---- */

/* Lists have columns named start, end, speaker, text: they keep their names where results have none of these. */
Test(output_segments, list_columns)
{
    tool_list l = load("file,start,end,speaker,text,values\na.wav,1,2,3,4,5\n");
    const tool_result whole = {.channel = TOOL_NO_CHANNEL}, part = {.channel = TOOL_NO_CHANNEL, .segment = true, .end = 1};
    tool_output_spec spec = {.path = "out", .list = &l};
    write_rows(&spec, &whole, 1, 0);
    expect_file("out", "file,start,end,speaker,text,values,error\na.wav,1,2,3,4,5,\n");
    spec.segments = spec.texts = true;
    write_rows(&spec, &part, 1, 0);
    expect_file("out", "file,start,end,text,list.start,list.end,speaker,list.text,values,error\na.wav,0.0,1.0,,1,2,3,4,5,\n");
    spec.speakers = true;
    spec.format = TOOL_JSONL;
    write_rows(&spec, &part, 1, 0);
    expect_file("out", "{\"file\": \"a.wav\", \"start\": 0.0, \"end\": 1.0, \"speaker\": \"\", \"text\": \"\", \"list.start\": "
                       "\"1\", \"list.end\": \"2\", \"list.speaker\": \"3\", \"list.text\": \"4\", \"values\": \"5\"}\n");
    tool_list_free(&l);
}

/* Cells that a spreadsheet may take for formulas are data: nothing is put before them. */
Test(output_segments, cells_like_formulas)
{
    tool_list l = load("file,note\n=1+1.wav,@SUM(A1)\n+a.wav,-2\n");
    const tool_result r[2] = {{.row = 0, .segment = true, .end = 1, .speaker = "=A", .channel = TOOL_NO_CHANNEL},
                              {.row = 1, .segment = true, .end = 1, .speaker = "\t=B", .channel = TOOL_NO_CHANNEL}};
    const tool_output_spec spec = {.path = "out", .list = &l, .segments = true, .speakers = true};
    write_rows(&spec, r, 2, 0);
    expect_file("out", "file,start,end,speaker,note,error\n=1+1.wav,0.0,1.0,=A,@SUM(A1),\n+a.wav,0.0,1.0,\t=B,-2,\n");
    tool_list_free(&l);
}

Test(output_segments, times)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0.0"},          {-0.0, "0.0"},         {12.5, "12.5"},         {0.1 + 0.2, "0.3"}, 
                 {1.0 / 16000, "0.000063"},
                 {7200, "7200.0"},    {3.9999999, "4.0"},    {86399.99, "86399.99"}, {1e8, "100000000.0"}, {1e-7, "0.0"},
                 {123.456, "123.456"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tool_text t = {0};
        tool_text_seconds(&t, cases[i].seconds);
        tool_text_bytes(&t, "", 1);
        cr_assert_str_eq(t.bytes, cases[i].text);
        eng_free(t.bytes);
    }
}

Test(output_segments, utf8)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {{"a", 1},                {"\x7F", 1},         {"\xC2\x80", 2},     {"\xC1\x80", 0},     {"\xE0\xA0\x80", 3},
                 {"\xE0\x9F\x80", 0},     {"\xED\xA0\x80", 0}, {"\xED\x9F\xBF", 3}, {"\xF0\x90\x80\x80", 4},
                 {"\xF0\x8F\x80\x80", 0},
                 {"\xF4\x8F\xBF\xBF", 4}, {"\xF4\x90\x80\x80", 0}, {"\xF5\x80\x80\x80", 0}, {"\x80", 0},   {"\xE2\x82", 0},
                 {"\xC3", 0},             {"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(tool_utf8_length(cases[i].bytes, strlen(cases[i].bytes)), cases[i].length, "case %zu", i);
    tool_text t = {0};
    tool_text_utf8(&t, "a\xFF\xE2\x82z\xC3\xA9");
    tool_text_bytes(&t, "", 1);
    cr_assert_str_eq(t.bytes, "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\xC3\xA9");
    eng_free(t.bytes);
}

/* ---- A file a recording ---- */

static tool_output_spec srt_spec(const tool_list *l, const char *path)
{
    return (tool_output_spec){
        .format = TOOL_SRT, .path = path, .list = l, .classes = classes, .class_count = 2, .segments = true};
}

static const tool_result some[] = {
    {.row = 0, .segment = true, .end = 1, .scores = first},
    {.row = 0, .segment = true, .start = 1, .end = 2, .scores = first},
    {.row = 1, .error = "cannot be read"},
    {.row = 2, .segment = true, .end = 1, .label = 1, .scores = second},
};
#define CUE_1 "1\n00:00:00,000 --> 00:00:01,000\n"

Test(output_segments, folders)
{
    tool_list l = load("file\nin/a.wav\nin/b.wav\nin/day/a.mp3\n");
    tool_output_spec spec = srt_spec(&l, "deep/out/");
    write_rows(&spec, some, 4, 1);
    expect_file("deep/out/a.srt", CUE_1 "angry 0.81\n\n2\n00:00:01,000 --> 00:00:02,000\nangry 0.81\n\n");
    expect_file("deep/out/day/a.srt", CUE_1 "very sad 0.75\n\n");
    cr_assert_neq(access("deep/out/b.srt", F_OK), 0);
    cr_assert_neq(access("deep/out/a.srt.part", F_OK), 0);
    spec.path = "plain"; /* need not end in a slash: there are several */
    write_rows(&spec, some, 4, 1);
    expect_file("plain/day/a.srt", CUE_1 "very sad 0.75\n\n");
    tool_list_free(&l);
}

Test(output_segments, names_in_folders)
{
    tool_list l = load("file\n../x/a.tar.wav\n/y/./b\n../../.c\n");
    tool_output_spec spec = srt_spec(&l, "out");
    tool_result r[3] = {some[0], some[0], some[0]};
    r[1].row = 1;
    r[2].row = 2;
    write_rows(&spec, r, 3, 0);
    cr_assert_eq(access("out/__/x/a.tar.srt", F_OK), 0);
    cr_assert_eq(access("out/y/b.srt", F_OK), 0);
    cr_assert_eq(access("out/__/__/.c.srt", F_OK), 0);
    tool_list_free(&l);
}

Test(output_segments, one_recording)
{
    tool_list l = load("file\nin/a.wav\n");
    tool_output_spec spec = srt_spec(&l, "out.srt");
    write_rows(&spec, some, 1, 0);
    expect_file("out.srt", CUE_1 "angry 0.81\n\n");
    spec.path = "folder/";
    write_rows(&spec, some, 1, 0);
    expect_file("folder/a.srt", CUE_1 "angry 0.81\n\n");
    spec.path = "folder"; /* is one by now */
    spec.format = TOOL_VTT;
    write_rows(&spec, some, 1, 0);
    cr_assert_eq(access("folder/a.vtt", F_OK), 0);
    tool_list_free(&l);
    char dash[] = "-", *inputs[1] = {dash};
    eng_error err;
    cr_assert_eq(tool_list_load(inputs, 1, &l, &err), ENG_OK);
    spec = srt_spec(&l, "folder/");
    write_rows(&spec, some, 1, 0);
    cr_assert_eq(access("folder/stdin.srt", F_OK), 0);
    tool_list_free(&l);
}

/* Rows of the list that name segments: those of one recording are in one file. */
Test(output_segments, a_list_of_segments)
{
    static const tool_result listed[] = {
        {.row = 0, .segment = true, .start = 0, .end = 1, .channel = TOOL_NO_CHANNEL, .scores = first},
        {.row = 1, .segment = true, .start = 1, .end = 2, .channel = TOOL_NO_CHANNEL, .label = 1, .scores = second},
        {.row = 2, .segment = true, .start = 0, .end = 1, .channel = TOOL_NO_CHANNEL, .scores = first},
    };
    tool_list l = load("file\nx/a.wav\nx/a.wav\ny/a.wav\n");
    tool_output_spec spec = srt_spec(&l, "out/");
    expect_open_error(&spec, ENG_E_MISMATCH, "x/a.wav and x/a.wav: both would be called x/a.srt in the results");
    spec.listed = true;
    write_rows(&spec, listed, 3, 0);
    expect_file("out/x/a.srt", "1\n00:00:00,000 --> 00:00:01,000\nangry 0.81\n\n2\n00:00:01,000 --> 00:00:02,000\nvery sad 0.75\n\n");
    expect_file("out/y/a.srt", "1\n00:00:00,000 --> 00:00:01,000\nangry 0.81\n\n");
    tool_list_free(&l);
    l = load("file\nx/a.wav\ny/a.wav\nx/a.wav\n");
    expect_open_error(&spec, ENG_E_MISMATCH, "x/a.wav: its rows are not one after the other in the list, which this format needs");
    tool_list_free(&l);
}

Test(output_segments, what_cannot_be)
{
    tool_list l = load("file\nx/a.wav\ny/a.wav\nx/a.mp3\n");
    tool_output_spec spec = srt_spec(&l, NULL);
    expect_open_error(&spec, ENG_E_USAGE,
                      "format srt: a file for each of the 3 recordings; expected -o and a folder, found standard output");
    spec.path = "in.csv";
    expect_open_error(&spec, ENG_E_USAGE,
                      "format srt: a file for each of the 3 recordings; expected -o and a folder, found in.csv");
    spec.path = "out/";
    expect_open_error(&spec, ENG_E_MISMATCH, "x/a.wav and x/a.mp3: both would be called x/a.srt in the results");
    spec.format = TOOL_RTTM;
    spec.path = "out";
    expect_open_error(&spec, ENG_E_MISMATCH, "x/a.wav and y/a.wav: both would be called a in the results");
    tool_list_free(&l);

    l = load("file\na.wav\n");
    spec = srt_spec(&l, "out");
    spec.segments = false;
    expect_open_error(&spec, ENG_E_USAGE, "format srt: its rows have a start and an end; expected segments of the recordings");
    spec.segments = true;
    spec.class_count = 0;
    expect_open_error(&spec, ENG_E_USAGE, "format srt: the model has no labels to write");
    spec.class_count = 2;
    spec.append_at = 1;
    expect_open_error(&spec, ENG_E_USAGE, "format srt: only csv, tsv and jsonl can be gone on with, or written in parts");
    spec.append_at = 0;
    tool_output *o;
    eng_error err;
    cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_OK);
    const tool_result whole = {.scores = first};
    cr_assert_eq(tool_output_write(o, &whole, &err), ENG_E_USAGE);
    cr_assert_str_eq(err.message, "a.wav: a row without a start and an end");
    tool_output_abandon(o);
    tool_list_free(&l);
    cr_assert(tool_format_is_alone(TOOL_SRT) && tool_format_is_alone(TOOL_TEXTGRID) && !tool_format_is_alone(TOOL_RTTM));
}

/* A grid that was begun goes when it is given up. */
Test(output_segments, given_up)
{
    tool_list l = load("file\na.wav\n");
    tool_output_spec spec = srt_spec(&l, "out");
    spec.format = TOOL_TEXTGRID;
    tool_output *o;
    eng_error err;
    cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_OK);
    cr_assert_eq(tool_output_write(o, &some[0], &err), ENG_OK);
    tool_output_abandon(o);
    cr_assert_neq(access("out", F_OK), 0);
    tool_list_free(&l);
}
