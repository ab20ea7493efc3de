/* Results that are gone on with: what of an earlier run's file is kept, whatever it was stopped in. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/output.h"
#include "tools/common/output_resume.h"

TestSuite(output_resume, .init = support_enter, .fini = support_leave);

static void put(const char *path, const char *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

static size_t get(const char *path, char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "no %s", path);
    size_t n = fread(bytes, 1, room - 1, f);
    bytes[n] = 0;
    fclose(f);
    return n;
}

/* Names that each format must escape, with a column that has line ends. */
static tool_list load(void)
{
    static const char text[] =
        "file,note\n\"a \"\"1\"\",\n.wav\",\"x\ny\"\nb\\t.wav,\"\"\"\"\n\"c\t.wav\",\"\n\n\"\n\xFF.wav,=1\n";
    put("in.csv", text, sizeof text - 1);
    char name[] = "in.csv", *inputs[1] = {name};
    tool_list l;
    eng_error err;
    cr_assert_eq(tool_list_load(inputs, 1, &l, &err), ENG_OK, "%s", err.message);
    return l;
}

static const char *const classes[] = {"x", "y, z"};
static const float scores[] = {0.25f, 0.75f};
enum { ROWS = 8 };

static tool_output_spec spec_of(const tool_list *l, tool_format format)
{
    return (tool_output_spec){
        .format = format, .path = "out", .list = l, .classes = classes, .class_count = 2, .channels = true, .segments = true};
}

/* Row i of ROWS: two of each recording, the sixth failed. */
static tool_result result(size_t i)
{
    return (tool_result){.row = i / 2,
                         .channel = i % 2,
                         .segment = true,
                         .start = (double)i,
                         .end = (double)i + 1,
                         .label = 1,
                         .scores = scores,
                         .error = i == 5 ? "no, \"not\"\nthis" : NULL};
}

static void write_from(const tool_output_spec *spec, size_t first)
{
    tool_output *o;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_output_open(spec, &o, &err), ENG_OK, "%s", err.message);
    for (size_t i = first; i < ROWS; i++) {
        tool_result r = result(i);
        cr_assert_eq(tool_output_write(o, &r, &err), ENG_OK, "%s", err.message);
    }
    cr_assert_eq(tool_output_close(o, &err), ENG_OK, "%s", err.message);
}

typedef struct met {
    const tool_output_spec *spec;
    size_t count;
    uint64_t offset[ROWS];
} met;

static eng_status meet(void *arg, const tool_resume_row *row, eng_error *err)
{
    met *m = arg;
    (void)err;
    cr_assert(m->count < ROWS);
    cr_assert(tool_resume_is_of(m->spec->format, row->file, m->spec->list->rows[m->count / 2].file), "%s", row->file);
    cr_assert_eq(row->failed, m->count == 5);
    m->offset[m->count++] = row->offset;
    return ENG_OK;
}

static tool_resume resume(const tool_output_spec *spec, met *m)
{
    tool_resume r;
    eng_error err = {ENG_OK, ""};
    *m = (met){.spec = spec};
    cr_assert_eq(tool_output_resume(spec, meet, m, &r, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(r.rows, m->count);
    return r;
}

/* A file cut anywhere is gone on with to the very bytes of one that was not. */
static void cut_everywhere(tool_format format, bool no_header)
{
    static char whole[1 << 14], found[1 << 14];
    tool_list l = load();
    tool_output_spec spec = spec_of(&l, format);
    spec.no_header = no_header;
    write_from(&spec, 0);
    size_t size = get("out", whole, sizeof whole);
    cr_assert_eq(unlink("out"), 0);
    for (size_t cut = 0; cut <= size; cut++) {
        met m;
        put("out.part", whole, cut);
        tool_resume r = resume(&spec, &m);
        cr_assert(r.keep <= cut && r.torn == (r.keep < cut) && !r.complete, "cut at %zu: keeps %zu", cut, (size_t)r.keep);
        cr_assert(!m.count || m.offset[m.count - 1] < r.keep);
        if (cut == size) cr_assert(m.count == ROWS && !r.torn);
        spec.append_at = r.keep;
        write_from(&spec, m.count);
        cr_assert_eq(get("out", found, sizeof found), size, "cut at %zu", cut);
        cr_assert(memcmp(found, whole, size) == 0, "cut at %zu", cut);
        cr_assert_neq(access("out.part", F_OK), 0);
        cr_assert_eq(unlink("out"), 0);
        if (m.count < 2) continue;
        /* Without the last recording that was begun. */
        put("out.part", whole, cut);
        size_t first = (m.count - 1) / 2 * 2;
        spec.append_at = m.offset[first];
        write_from(&spec, first);
        cr_assert(get("out", found, sizeof found) == size && memcmp(found, whole, size) == 0, "cut at %zu", cut);
        cr_assert_eq(unlink("out"), 0);
        spec.append_at = 0;
    }
    tool_list_free(&l);
}

Test(output_resume, csv)
{
    cut_everywhere(TOOL_CSV, false);
}

Test(output_resume, csv_without_header)
{
    cut_everywhere(TOOL_CSV, true);
}

Test(output_resume, tsv)
{
    cut_everywhere(TOOL_TSV, false);
}

Test(output_resume, jsonl)
{
    cut_everywhere(TOOL_JSONL, false);
}

/* FILE is gone on with where FILE.part has less, and stays until the end. */
Test(output_resume, complete_files)
{
    char whole[1 << 12], found[1 << 12];
    tool_list l = load();
    tool_output_spec spec = spec_of(&l, TOOL_CSV);
    met m;
    tool_resume r = resume(&spec, &m);
    cr_assert(r.keep == 0 && !r.torn && !m.count); /* nothing is there */
    write_from(&spec, 0);
    size_t size = get("out", whole, sizeof whole);
    put("out.part", whole, 100);
    r = resume(&spec, &m);
    cr_assert(r.complete && r.keep == size && m.count == ROWS);
    spec.append_at = m.offset[6];
    spec.append_complete = true;
    tool_output *o;
    eng_error err;
    cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(get("out", found, sizeof found), size);
    cr_assert_eq(get("out.part", found, sizeof found), (size_t)m.offset[6]);
    tool_output_abandon(o);
    write_from(&spec, 6);
    cr_assert(get("out", found, sizeof found) == size && memcmp(found, whole, size) == 0);
    /* FILE.part has as much: it is the later one. */
    put("out.part", whole, size);
    cr_assert_not(resume(&spec, &m).complete);
    tool_list_free(&l);
}

/* A part of a whole, without a header: the parts one after the other are the whole. */
Test(output_resume, shards)
{
    char whole[1 << 12], found[1 << 12];
    tool_list l = load();
    tool_output_spec spec = spec_of(&l, TOOL_CSV);
    write_from(&spec, 0);
    size_t size = get("out", whole, sizeof whole), n = 0;
    for (size_t part = 0; part < 4; part++) {
        tool_output *o;
        eng_error err;
        spec.no_header = part > 0;
        cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_OK);
        for (size_t i = 2 * part; i < 2 * part + 2; i++) {
            tool_result r = result(i);
            cr_assert_eq(tool_output_write(o, &r, &err), ENG_OK);
        }
        cr_assert_eq(tool_output_close(o, &err), ENG_OK);
        n += get("out", found + n, sizeof found - n);
    }
    cr_assert(n == size && memcmp(found, whole, size) == 0);
    tool_list_free(&l);
}

static void expect_error(const tool_output_spec *spec, eng_status status, const char *message)
{
    tool_resume r;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(tool_output_resume(spec, NULL, NULL, &r, &err), status, "%s", err.message);
    cr_assert_str_eq(err.message, message);
}

static void put_text(const char *text)
{
    put("out.part", text, strlen(text));
}

#define HEADER "file,channel,start,end,label,score,x,\"y, z\",note,error"

Test(output_resume, what_cannot_be_gone_on_with)
{
    tool_list l = load();
    tool_output_spec spec = spec_of(&l, TOOL_CSV);
    put_text("file,label,score,x,error\na.wav,x,1,1,\n");
    expect_error(&spec, ENG_E_MISMATCH,
                 "out.part: its rows are those of other options, model or list: this run's header is '" HEADER
                 "', found 'file,label,score,x,error'");
    put_text(HEADER "\na.wav,0,0.0,1.0,x,1,1,0,n,\na.wav,1,x\nb.wav,0,0.0,1.0,x,1,1,0,n,\n");
    expect_error(&spec, ENG_E_FORMAT, "out.part: line 3: expected a row of 10 cells, found 3");
    put("out.part", HEADER "\na\0.wav,0,0.0,1.0,x,1,1,0,n,\n", sizeof HEADER "\na\0.wav,0,0.0,1.0,x,1,1,0,n,\n" - 1);
    expect_error(&spec, ENG_E_FORMAT, "out.part: line 2: NUL byte, expected text");
    spec.format = TOOL_JSONL;
    put_text("{\"file\": \"a.wav\"}\n{\"path\": \"b.wav\"}\n{\"file\": \"c.wav\"}\n");
    expect_error(&spec, ENG_E_FORMAT, "out.part: line 2: expected a row of results, {\"file\": \"...}");
    put_text("{\"file\": \"a.wav\n{\"file\": \"c.wav\"}\n");
    expect_error(&spec, ENG_E_FORMAT, "out.part: line 1: expected a row of results, {\"file\": \"...}");
    put("out.part", "{\"file\": \"a.wav\"}\n\0\0\0", 21); /* what a machine without power leaves */
    tool_resume r;
    eng_error err;
    cr_assert_eq(tool_output_resume(&spec, NULL, NULL, &r, &err), ENG_OK, "%s", err.message);
    cr_assert(r.rows == 1 && r.keep == 18 && r.torn);

    spec.path = NULL;
    expect_error(&spec, ENG_E_USAGE, "standard output: is no file that could be gone on with");
    spec.path = "/dev/null";
    expect_error(&spec, ENG_E_USAGE, "/dev/null: is no file that could be gone on with");
    spec.format = TOOL_RTTM;
    expect_error(&spec, ENG_E_USAGE, "results can be gone on with in csv, tsv and jsonl alone");

    spec = spec_of(&l, TOOL_CSV);
    put_text("short");
    spec.append_at = 100;
    tool_output *o;
    cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_E_IO);
    cr_assert_str_eq(err.message, "out.part: shrank after it was read");
    spec.append_complete = true;
    put("out", "short", 5);
    cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_E_IO);
    cr_assert_str_eq(strrchr(err.message, '/') + 1, "out: shrank while it was read");
    spec.path = "/dev/null";
    cr_assert_eq(tool_output_open(&spec, &o, &err), ENG_E_USAGE);
    cr_assert_str_eq(err.message, "/dev/null: is no file that could be gone on with");
    tool_list_free(&l);
}

/* Rows of a megabyte each, a row over many blocks: found where they are. */
Test(output_resume, long_rows)
{
    enum { LONG = 1 << 20 };
    FILE *f = fopen("out.part", "wb");
    cr_assert_not_null(f);
    tool_list l = load();
    tool_output_spec spec = {.format = TOOL_CSV, .path = "out", .list = &l};
    cr_assert(fputs("file,note,error\n", f) >= 0);
    for (int i = 0; i < 3; i++) {
        cr_assert(fputs("a.wav,\"", f) >= 0);
        for (int k = 0; k < LONG; k++) fputc(k % 97 ? ',' : '\n', f);
        cr_assert(fputs("\",\n", f) >= 0);
    }
    cr_assert_eq(fclose(f), 0);
    tool_resume r;
    eng_error err;
    cr_assert_eq(tool_output_resume(&spec, NULL, NULL, &r, &err), ENG_OK, "%s", err.message);
    cr_assert(r.rows == 3 && !r.torn && r.keep == 16 + 3 * (7 + LONG + 3));
    tool_list_free(&l);
}
