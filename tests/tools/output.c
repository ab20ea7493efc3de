/* Result files: exact text of every format, names that clash, numbers that come back, and writing that fails. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/output.h"
#include "weights/value.h"

TestSuite(output, .init = support_enter, .fini = support_leave);

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

static tool_output *open_output(const tool_output_spec *spec)
{
    tool_output *o;
    eng_error err;
    cr_assert_eq(tool_output_open(spec, &o, &err), ENG_OK, "%s", err.message);
    return o;
}

static void write_result(tool_output *o, tool_result r)
{
    eng_error err;
    cr_assert_eq(tool_output_write(o, &r, &err), ENG_OK, "%s", err.message);
}

static void close_output(tool_output *o)
{
    eng_error err;
    cr_assert_eq(tool_output_close(o, &err), ENG_OK, "%s", err.message);
}

static void expect_file(const char *path, const char *want)
{
    char text[4096];
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "no %s", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    cr_assert_str_eq(text, want);
}

static const char *const classes[] = {"angry", "sad, or so"};
static const float scores[] = {0.25f, 0.75f}, logits[] = {-1.5f, 1e-6f};

/* Three rows: channel 0 and 1 of the first file, the second file failed. */
static void write_three(tool_output_spec spec, const char *want)
{
    tool_list l = load("file,note\n\"a \"\"1\"\".wav\",\"x\ty\\\nz\"\nb.wav,\n");
    spec.path = "out";
    spec.list = &l;
    tool_output *o = open_output(&spec);
    write_result(o, (tool_result){.row = 0, .channel = 0, .label = 1, .scores = scores, .logits = logits});
    write_result(o, (tool_result){.row = 0, .channel = 1, .label = 0, .scores = scores, .logits = logits});
    write_result(o, (tool_result){.row = 1, .channel = TOOL_NO_CHANNEL, .error = "b.wav: \"cut\", or\nso"});
    cr_assert_eq(tool_output_failed_rows(o), 1);
    expect_file("out.part", want); /* each row is there when its write is over */
    cr_assert_neq(access("out", F_OK), 0);
    close_output(o);
    expect_file("out", want);
    cr_assert_neq(access("out.part", F_OK), 0);
    tool_list_free(&l);
}

Test(output, csv)
{
    write_three((tool_output_spec){.format = TOOL_CSV, .classes = classes, .class_count = 2},
                "file,label,score,angry,\"sad, or so\",note,error\n"
                "\"a \"\"1\"\".wav\",\"sad, or so\",0.75,0.25,0.75,\"x\ty\\\nz\",\n"
                "\"a \"\"1\"\".wav\",angry,0.25,0.25,0.75,\"x\ty\\\nz\",\n"
                "b.wav,,,,,,\"b.wav: \"\"cut\"\", or\nso\"\n");
}

Test(output, tsv_with_everything)
{
    write_three(
        (tool_output_spec){.format = TOOL_TSV, .classes = classes, .class_count = 2, .channels = true, .logits = true},
        "file\tchannel\tlabel\tscore\tangry\tsad, or so\tlogit.angry\tlogit.sad, or so\tnote\terror\n"
        "a \"1\".wav\t0\tsad, or so\t0.75\t0.25\t0.75\t-1.5\t1e-06\tx\\ty\\\\\\nz\t\n"
        "a \"1\".wav\t1\tangry\t0.25\t0.25\t0.75\t-1.5\t1e-06\tx\\ty\\\\\\nz\t\n"
        "b.wav\t\t\t\t\t\t\t\t\tb.wav: \"cut\", or\\nso\n");
}

Test(output, jsonl_with_everything)
{
    write_three(
        (tool_output_spec){
            .format = TOOL_JSONL, .classes = classes, .class_count = 2, .channels = true, .logits = true},
        "{\"file\": \"a \\\"1\\\".wav\", \"channel\": 0, \"label\": \"sad, or so\", \"scores\": {\"angry\": 0.25, "
        "\"sad, or so\": 0.75}, \"logits\": [-1.5, 1e-06], \"note\": \"x\\ty\\\\\\nz\"}\n"
        "{\"file\": \"a \\\"1\\\".wav\", \"channel\": 1, \"label\": \"angry\", \"scores\": {\"angry\": 0.25, "
        "\"sad, or so\": 0.75}, \"logits\": [-1.5, 1e-06], \"note\": \"x\\ty\\\\\\nz\"}\n"
        "{\"file\": \"b.wav\", \"note\": \"\", \"error\": \"b.wav: \\\"cut\\\", or\\nso\"}\n");
}

Test(output, backbone_has_no_labels)
{
    tool_list l = load("file\na.wav\n");
    const char *const want[] = {"file,error\na.wav,\na.wav,bad\n", "file\terror\na.wav\t\na.wav\tbad\n",
                                "{\"file\": \"a.wav\"}\n{\"file\": \"a.wav\", \"error\": \"bad\"}\n"};
    for (int format = TOOL_CSV; format <= TOOL_JSONL; format++) {
        tool_output *o = open_output(&(tool_output_spec){.format = (tool_format)format, .path = "out", .list = &l});
        write_result(o, (tool_result){.row = 0, .channel = TOOL_NO_CHANNEL});
        write_result(o, (tool_result){.row = 0, .channel = TOOL_NO_CHANNEL, .error = "bad"});
        close_output(o);
        expect_file("out", want[format]);
    }
    tool_list_free(&l);
}

/* Whatever the list and the model call things, no two columns have one name. */
Test(output, names_that_clash)
{
    tool_list l = load("label,FILE,list.label,sad,logit.sad,scores,file\n1,2,3,4,5,6,a.wav\n");
    const char *const names[] = {"sad", "error", "score.error"};
    const float values[] = {1, 0, 0};
    tool_output_spec spec = {.path = "out", .list = &l, .classes = names, .class_count = 3};
    tool_output *o = open_output(&spec);
    write_result(o, (tool_result){.row = 0, .channel = TOOL_NO_CHANNEL, .label = 0, .scores = values});
    close_output(o);
    /* FILE is the first column named file, whatever the case, so the last one is kept, under another name. */
    expect_file("out", "file,label,score,sad,score.score.error,score.error,list.list.label,list.label,list.sad,"
                       "list.logit.sad,list.scores,list.file,error\n"
                       "2,sad,1,1,0,0,1,3,4,5,6,a.wav,\n");
    spec.format = TOOL_JSONL;
    o = open_output(&spec);
    write_result(o, (tool_result){.row = 0, .channel = TOOL_NO_CHANNEL, .label = 0, .scores = values});
    close_output(o);
    expect_file("out",
                "{\"file\": \"2\", \"label\": \"sad\", \"scores\": {\"sad\": 1, \"error\": 0, \"score.error\": 0}, "
                "\"list.list.label\": \"1\", \"list.label\": \"3\", \"list.sad\": \"4\", \"list.logit.sad\": "
                "\"5\", \"list.scores\": \"6\", \"list.file\": \"a.wav\"}\n");
    tool_list_free(&l);
}

Test(output, two_classes_of_one_name)
{
    tool_list l = load("file\na.wav\n");
    const char *const names[] = {"a", "b", "a"};
    tool_output *o;
    eng_error err;
    cr_assert_eq(
        tool_output_open(&(tool_output_spec){.path = "out", .list = &l, .classes = names, .class_count = 3}, &o, &err),
        ENG_E_MISMATCH);
    cr_assert_str_eq(err.message, "the model has two classes named 'a'");
    cr_assert_null(o);
    tool_list_free(&l);
}

/* Every number parses to the same bits, from JSON and from CSV. */
Test(output, numbers_round_trip)
{
    tool_list l = load("file\na.wav\n");
    const char *const names[] = {"x", "y"};
    uint64_t state = 42;
    for (int format = TOOL_CSV; format <= TOOL_JSONL; format += 2) {
        float values[2000][2];
        tool_output_spec spec = {
            .format = (tool_format)format, .path = "out", .list = &l, .classes = names, .class_count = 2};
        tool_output *o = open_output(&spec);
        for (size_t i = 0; i < 2000; i++) {
            for (size_t k = 0; k < 2; k++) do {
                    state = state * 6364136223846793005U + 1442695040888963407U;
                    uint32_t bits = (uint32_t)(state >> 32);
                    memcpy(&values[i][k], &bits, sizeof bits);
                } while (!isfinite(values[i][k]));
            write_result(o, (tool_result){.row = 0, .channel = TOOL_NO_CHANNEL, .scores = values[i]});
        }
        close_output(o);
        FILE *f = fopen("out", "r");
        char line[512], first[64], second[64];
        cr_assert(f && (format == TOOL_JSONL || fgets(line, sizeof line, f)));
        for (size_t i = 0; i < 2000; i++) {
            cr_assert_not_null(fgets(line, sizeof line, f));
            int found = format == TOOL_CSV
                            ? sscanf(line, "a.wav,x,%*[^,],%63[^,],%63[^,],", first, second)
                            : sscanf(line,
                                     "{\"file\": \"a.wav\", \"label\": \"x\", \"scores\": {\"x\": %63[^,], \"y\": "
                                     "%63[^}]}",
                                     first, second);
            cr_assert_eq(found, 2, "%s", line);
            float back[2] = {strtof(first, NULL), strtof(second, NULL)};
            cr_assert(memcmp(back, values[i], sizeof back) == 0, "%s", line);
        }
        fclose(f);
    }
    tool_list_free(&l);
}

Test(output, scores_that_are_not_finite)
{
    tool_list l = load("file\na.wav\n");
    const char *const names[] = {"x"};
    const float nan_value = NAN, fine = 1, infinite = INFINITY;
    tool_output_spec spec = {.path = "out", .list = &l, .classes = names, .class_count = 1, .logits = true};
    tool_output *o = open_output(&spec);
    write_result(o, (tool_result){.row = 0, .scores = &nan_value, .logits = &fine});
    write_result(o, (tool_result){.row = 0, .scores = &fine, .logits = &infinite});
    cr_assert_eq(tool_output_failed_rows(o), 2);
    close_output(o);
    expect_file("out", "file,label,score,x,logit.x,error\n"
                       "a.wav,,,,,the model's scores are not finite\n"
                       "a.wav,,,,,the model's scores are not finite\n");
    tool_list_free(&l);
}

/* JSON lines stay JSON whatever the names hold. */
Test(output, json_of_odd_bytes)
{
    tool_list l = load("\"f\x01\n\",file\n\"\x7F\xC3\xA9\xFF\",\"q\"\"\\\xF0\x9F\x98\x80.wav\"\n");
    tool_output *o = open_output(&(tool_output_spec){.format = TOOL_JSONL, .path = "out", .list = &l});
    write_result(o, (tool_result){.row = 0, .channel = TOOL_NO_CHANNEL});
    close_output(o);
    wts_doc *doc;
    eng_error err;
    cr_assert_eq(wts_json_read("out", &doc, &err), ENG_OK, "%s", err.message);
    const wts_value *file = wts_value_get(wts_doc_root(doc), "file"),
                    *kept = wts_value_get(wts_doc_root(doc), "f\x01\n");
    cr_assert(file && kept);
    cr_assert_str_eq(file->text, "q\"\\\xF0\x9F\x98\x80.wav");
    cr_assert_str_eq(kept->text, "\x7F\xC3\xA9\xEF\xBF\xBD");
    wts_doc_free(doc);
    tool_list_free(&l);
}

/* ---- Files ---- */

Test(output, a_killed_run_leaves_its_rows)
{
    tool_list l = load("file\na.wav\n");
    FILE *f = fopen("out", "w");
    cr_assert(f && fputs("before", f) >= 0 && fclose(f) == 0);
    tool_output *o = open_output(&(tool_output_spec){.path = "out", .list = &l});
    write_result(o, (tool_result){.row = 0});
    tool_output_abandon(o);
    expect_file("out", "before");
    expect_file("out.part", "file,error\na.wav,\n");
    tool_list_free(&l);
}

Test(output, links_and_devices_stay)
{
    tool_list l = load("file\na.wav\n");
    FILE *f = fopen("target", "w");
    cr_assert(f && fclose(f) == 0);
    cr_assert_eq(symlink("target", "link"), 0);
    tool_output *o = open_output(&(tool_output_spec){.path = "link", .list = &l});
    write_result(o, (tool_result){.row = 0});
    close_output(o);
    expect_file("target", "file,error\na.wav,\n");
    struct stat info;
    cr_assert(lstat("link", &info) == 0 && S_ISLNK(info.st_mode));

    o = open_output(&(tool_output_spec){.path = "/dev/null", .list = &l});
    write_result(o, (tool_result){.row = 0});
    close_output(o);
    cr_assert(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    tool_list_free(&l);
}

Test(output, standard_output_and_a_closed_pipe)
{
    tool_list l = load("file\na.wav\n");
    int ends[2], saved = dup(STDOUT_FILENO);
    cr_assert(saved >= 0 && pipe(ends) == 0 && dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    tool_output *o = open_output(&(tool_output_spec){.path = "-", .list = &l});
    tool_result r = {.row = 0};
    eng_error err = {ENG_OK, ""};
    eng_status before = tool_output_write(o, &r, &err);
    char text[64] = "";
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    close(ends[1]);
    eng_status after = tool_output_write(o, &r, &err); /* SIGPIPE would end this test as a crash */
    tool_output_abandon(o);
    dup2(saved, STDOUT_FILENO);
    cr_assert_eq(before, ENG_OK);
    cr_assert(n > 0);
    cr_assert_str_eq(text, "file,error\na.wav,\n");
    cr_assert_eq(after, ENG_E_IO);
    cr_assert_str_eq(err.message, "standard output: cannot write: Broken pipe");
    tool_list_free(&l);
}

Test(output, files_that_cannot_be_written)
{
    tool_list l = load("file\na.wav\n");
    tool_output *o;
    eng_error err;
    cr_assert_eq(mkdir("dir", 0700), 0);
    const char *const paths[] = {"dir", "nowhere/out"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(tool_output_open(&(tool_output_spec){.path = paths[i], .list = &l}, &o, &err), ENG_E_IO);
        cr_assert(strstr(err.message, paths[i]) && strstr(err.message, ": cannot write: "), "%s", err.message);
    }
    if (access("/dev/full", W_OK) == 0) {
        cr_assert_eq(tool_output_open(&(tool_output_spec){.path = "/dev/full", .list = &l}, &o, &err), ENG_E_IO);
        cr_assert_str_eq(err.message, "/dev/full: cannot write: No space left on device");
    }
    tool_list_free(&l);
}
