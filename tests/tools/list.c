/* Input lists: folders, text lists, CSV and TSV, what they keep, and what is wrong with bad ones. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"
#include "tools/common/list.h"
#include "tools/common/table.h"

TestSuite(list, .init = support_enter, .fini = support_leave);

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static tool_list load(const char *a, const char *b)
{
    char *inputs[2] = {(char *)(uintptr_t)a, (char *)(uintptr_t)b};
    tool_list l;
    eng_error err = {ENG_OK, ""};
    eng_status status = tool_list_load(inputs, b ? 2 : 1, &l, &err);
    cr_assert_eq(status, ENG_OK, "%s", err.message);
    return l;
}

static void expect_error(const char *input, eng_status status, const char *message)
{
    char *inputs[1] = {(char *)(uintptr_t)input};
    tool_list l;
    eng_error err = {ENG_OK, ""};
    eng_status got = tool_list_load(inputs, 1, &l, &err);
    cr_assert_eq(got, status, "status %d, expected %d: %s", got, status, err.message);
    cr_assert_str_eq(err.message, message);
    cr_assert_null(l.rows);
}

static void expect_row(const tool_list *l, size_t row, const char *file, const char *path)
{
    cr_assert(row < l->row_count);
    cr_assert_str_eq(l->rows[row].file, file);
    cr_assert_str_eq(l->rows[row].path, path);
}

static void expect_value(const tool_list *l, size_t row, const char *column, const char *value)
{
    size_t c = tool_list_column(l, column);
    cr_assert_neq(c, TOOL_NO_COLUMN, "no column '%s'", column);
    cr_assert_str_eq(tool_list_value(l, row, c), value);
}

/* ---- Files and folders ---- */

Test(list, files_and_standard_input)
{
    tool_list l = load("does/not/exist.mp3", "-");
    cr_assert_eq(l.row_count, 2);
    expect_row(&l, 0, "does/not/exist.mp3", "does/not/exist.mp3");
    expect_row(&l, 1, "-", "-");
    cr_assert_eq(l.column_count, 0);
    cr_assert_str_eq(tool_list_value(&l, 0, TOOL_NO_COLUMN), "");
    tool_list_free(&l);

    char minus[] = "-", *inputs[2] = {minus, minus};
    eng_error err;
    cr_assert_eq(tool_list_load(inputs, 2, &l, &err), ENG_E_USAGE);
    cr_assert_str_eq(err.message, "standard input (-) can be read once only");
    cr_assert_eq(tool_list_load(inputs, 0, &l, &err), ENG_E_USAGE);
    expect_error("", ENG_E_USAGE, "an input with an empty name");
}

Test(list, folders)
{
    const char *const folders[] = {"d", "d/b", "d/b/c", "d/.hidden", "d/x.wav", "d/empty"};
    const char *const files[] = {"d/z.wav",     "d/b/2.FLAC",    "d/b/c/3.Opus",    "d/a.mp3",
                                 "d/notes.txt", "d/.secret.wav", "d/.hidden/4.wav", "d/b.wav",
                                 "d/b-1.wav",   "d/x.wav/5.amr", "d/wav",           "d/caf\xC3\xA9.ogg"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) cr_assert_eq(mkdir(folders[i], 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) write_text(files[i], "x");
    cr_assert_eq(symlink("a.mp3", "d/link.mp3"), 0);
    cr_assert_eq(symlink("nowhere", "d/broken.wav"), 0);
    cr_assert_eq(symlink("..", "d/b/loop.wav"), 0); /* a link to a folder is not followed */
    const char *const want[] = {"d/a.mp3",      "d/b-1.wav",         "d/b.wav",    "d/b/2.FLAC",    "d/b/c/3.Opus",
                                "d/broken.wav", "d/caf\xC3\xA9.ogg", "d/link.mp3", "d/x.wav/5.amr", "d/z.wav"};
    const size_t count = sizeof want / sizeof *want;
    tool_list l = load("d", NULL);
    cr_assert_eq(l.row_count, count);
    for (size_t i = 0; i < count; i++) expect_row(&l, i, want[i], want[i]);
    tool_list_free(&l);
    l = load("d/b/", NULL);
    expect_row(&l, 0, "d/b/2.FLAC", "d/b/2.FLAC");
    tool_list_free(&l);
    expect_error("d/empty", ENG_E_MISSING,
                 "d/empty: no audio files in this folder (wav, flac, mp3, ogg, opus, m4a, ...)");
}

/* ---- Lists ---- */

Test(list, text)
{
    cr_assert_eq(mkdir("l", 0700), 0);
    write_text("l/a.txt", "\xEF\xBB\xBFone.wav\r\n\n#two.wav\r\n/abs/three four.wav\n\"5\".wav,x\n-");
    tool_list l = load("l/a.txt", NULL);
    cr_assert_eq(l.row_count, 5);
    expect_row(&l, 0, "one.wav", "l/one.wav");
    expect_row(&l, 1, "#two.wav", "l/#two.wav");
    expect_row(&l, 2, "/abs/three four.wav", "/abs/three four.wav");
    expect_row(&l, 3, "\"5\".wav,x", "l/\"5\".wav,x");
    expect_row(&l, 4, "-", "l/-");
    cr_assert_str_eq(l.rows[2].list, "l/a.txt");
    cr_assert_eq(l.rows[2].line, 4);
    tool_list_free(&l);

    write_text("here.txt", "-\nx.wav\n");
    l = load("here.txt", NULL);
    expect_row(&l, 0, "-", "./-"); /* a file of that name, not standard input */
    expect_row(&l, 1, "x.wav", "x.wav");
    tool_list_free(&l);
}

Test(list, csv_quoting)
{
    write_text("q.csv", "id,\"file\",\"no\"\"te\"\r\n"
                        "1,\"a,b.wav\",\"line 1\nline \"\"2\"\"\"\r\n"
                        "\n"
                        "2,c \"d\".wav,\n"
                        "3,e.wav,\"\"");
    tool_list l = load("q.csv", NULL);
    cr_assert_eq(l.row_count, 3);
    cr_assert_eq(l.column_count, 2);
    cr_assert_str_eq(l.columns[0], "id");
    cr_assert_str_eq(l.columns[1], "no\"te");
    expect_row(&l, 0, "a,b.wav", "a,b.wav");
    expect_row(&l, 1, "c \"d\".wav", "c \"d\".wav");
    expect_row(&l, 2, "e.wav", "e.wav");
    expect_value(&l, 0, "no\"te", "line 1\nline \"2\"");
    expect_value(&l, 1, "no\"te", "");
    expect_value(&l, 2, "no\"te", "");
    expect_value(&l, 2, "id", "3");
    cr_assert_eq(l.rows[0].line, 2);
    cr_assert_eq(l.rows[1].line, 5);
    cr_assert_eq(l.rows[2].line, 6);
    tool_list_free(&l);
}

Test(list, names_of_the_file_column)
{
    const char *const heads[] = {"file", "path", "FileName", "File", "FILENAME"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char text[64];
        snprintf(text, sizeof text, "a\t%s\nx y\tf.wav\n", heads[i]);
        write_text("t.TSV", text);
        tool_list l = load("t.TSV", NULL);
        expect_row(&l, 0, "f.wav", "f.wav");
        expect_value(&l, 0, "a", "x y");
        cr_assert_eq(l.column_count, 1);
        tool_list_free(&l);
    }
    write_text("both.csv", "path,file\np.wav,f.wav\n");
    tool_list l = load("both.csv", NULL);
    expect_row(&l, 0, "f.wav", "f.wav");
    expect_value(&l, 0, "path", "p.wav");
    tool_list_free(&l);
}

Test(list, columns_of_several_lists)
{
    write_text("1.csv", "gender,file,age\nfemale,a.wav,30\n");
    write_text("2.tsv", "path\tfile\tgender\n/x\tb.wav\tmale\n");
    write_text("3.csv", "path,age\nc.wav,50\n");
    char names[4][8] = {"1.csv", "2.tsv", "x.wav", "3.csv"};
    char *inputs[4] = {names[0], names[1], names[2], names[3]};
    tool_list l;
    eng_error err;
    cr_assert_eq(tool_list_load(inputs, 4, &l, &err), ENG_OK, "%s", err.message);
    memset(names, 'Z', sizeof names); /* the list keeps its own copies */
    const char *const columns[] = {"gender", "age", "path"};
    const char *const values[4][4] = {
        {"a.wav", "female", "30", ""}, {"b.wav", "male", "", "/x"}, {"x.wav", "", "", ""}, {"c.wav", "", "50", ""}};
    cr_assert_eq(l.row_count, 4);
    cr_assert_eq(l.column_count, 3);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_str_eq(l.rows[i].file, values[i][0]);
        for (size_t c = 0; c < 3; c++) {
            cr_assert_str_eq(l.columns[c], columns[c]);
            cr_assert_str_eq(tool_list_value(&l, i, c), values[i][c + 1]);
        }
    }
    cr_assert_null(l.rows[2].list);
    cr_assert_eq(tool_list_column(&l, "Gender"), TOOL_NO_COLUMN);
    tool_list_free(&l);
}

/* ---- Mistakes ---- */

Test(list, mistakes)
{
    static const struct {
        const char *name, *text;
        eng_status status;
        const char *message;
    } cases[] = {
        {"a.csv", "", ENG_E_FORMAT, "a.csv: empty, expected a header line"},
        {"a.csv", "\xEF\xBB\xBF\r\n\n", ENG_E_FORMAT, "a.csv: empty, expected a header line"},
        {"a.csv", "name,age\nx,1\n", ENG_E_MISSING, "a.csv: no column named file, path or FileName in its header"},
        {"a.csv", "file,age\n", ENG_E_MISSING, "a.csv: this list names no files"},
        {"a.csv", "file,x,y,x\n", ENG_E_FORMAT, "a.csv: line 1: two columns named 'x'"},
        {"a.csv", "file,x\na,1\nb\n", ENG_E_FORMAT, "a.csv: line 3: 1 cells, expected 2 as in the header"},
        {"a.csv", "file,x\n\"a\n\",1\nb,2,3\n", ENG_E_FORMAT, "a.csv: line 4: 3 cells, expected 2 as in the header"},
        {"a.csv", "file,x\na,\"1\nb,2\n", ENG_E_FORMAT, "a.csv: line 2: a quote that is never closed"},
        {"a.csv", "file,x\na,\"", ENG_E_FORMAT, "a.csv: line 2: a quote that is never closed"},
        {"a.csv", "file,x\na,\"1\"2\n", ENG_E_FORMAT,
         "a.csv: line 2: expected a separator or the line's end behind a closing quote, found '2'"},
        {"a.csv", "file,x\n,1\n", ENG_E_FORMAT, "a.csv: line 2: no file name in column 'file'"},
        {"a.tsv", "x\tpath\n1\t\n", ENG_E_FORMAT, "a.tsv: line 2: no file name in column 'path'"},
        {"a.txt", "\n\r\n", ENG_E_MISSING, "a.txt: this list names no files"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(cases[i].name, cases[i].text);
        expect_error(cases[i].name, cases[i].status, cases[i].message);
    }
    write_bytes("nul.csv", "file\na\nb\0c\n", 11);
    expect_error("nul.csv", ENG_E_FORMAT, "nul.csv: line 3: NUL byte, expected UTF-8 text");
    write_bytes("utf16.txt",
                "\xFF\xFE"
                "a\0b\0",
                6);
    expect_error("utf16.txt", ENG_E_FORMAT, "utf16.txt: line 1: NUL byte, expected UTF-8 text");
    expect_error("gone.csv", ENG_E_MISSING, "gone.csv: cannot open: No such file or directory");

    FILE *f = fopen("wide.csv", "w");
    cr_assert_not_null(f);
    for (int i = 0; i <= TOOL_TABLE_MAX_COLUMNS; i++) fprintf(f, "%d,", i);
    cr_assert_eq(fclose(f), 0);
    expect_error("wide.csv", ENG_E_FORMAT, "wide.csv: line 1: more than 4096 columns");
}

/* Any bytes give a list or an error with the list's name; the sanitizers see the rest. */
Test(list, random_bytes)
{
    static const char alphabet[] = "a,\"\n\r\t\\file\xEF\xBB\xBF";
    const char *text = getenv("WLM_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20260102, state = seed;
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    size_t loaded = 0, refused = 0;
    for (int round = 0; round < 3000; round++) {
        char bytes[128];
        size_t size = (size_t)snprintf(bytes, sizeof bytes, "file,x\n");
        for (int i = 0; i < round % 40; i++) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            bytes[size++] = alphabet[(state >> 33) % (sizeof alphabet - 1)];
        }
        const char *name = round % 2 ? "r.csv" : "r.tsv";
        write_bytes(name, bytes + (round % 3 ? 0 : 7), size - (round % 3 ? 0 : 7));
        char *inputs[1] = {(char *)(uintptr_t)name};
        tool_list l;
        eng_error err;
        if (tool_list_load(inputs, 1, &l, &err)) {
            refused++;
            cr_assert(strncmp(err.message, name, 5) == 0, "%s", err.message);
            continue;
        }
        loaded++;
        for (size_t i = 0; i < l.row_count; i++) {
            cr_assert(strlen(l.rows[i].file) > 0 && strlen(l.rows[i].path) < 200);
            for (size_t c = 0; c < l.column_count; c++) cr_assert(strlen(tool_list_value(&l, i, c)) < 200);
        }
        tool_list_free(&l);
    }
    cr_assert(loaded > 10 && refused > 10, "%zu loaded, %zu refused", loaded, refused);
}
