/* Damaged and misleading files through the whole programs: checkpoints, converted models, configurations, recordings,
 * lists.
 *
 *   hostile INFER INSPECT CONVERT TESTS [SEED]    TESTS: this folder
 *
 * Each case replaces one file of a working set-up by a damaged copy and starts infer (and inspect, for models).
 * Whatever the bytes, the program must end by itself with one of its documented statuses, and when that is not 0, say
 * on one printable line what is wrong with which file; it must stay within its time and memory, and print nothing when
 * the model cannot be loaded. A sanitizer's report fails the case. The last line: "N passed, N failed". */
#include "tests/hostile/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Damage ---- */

/* A place in a file of that size: mostly near its ends, where structure is. */
static size_t place(session *s, size_t size)
{
    size_t near = size < 4096 ? size : 4096;
    switch (below(s, 4)) {
    case 0: return below(s, size);
    case 1: return size - 1 - below(s, near);
    case 2: return below(s, size < 64 ? size : 64);
    default: return below(s, near);
    }
}

static void cut(session *s, const subject *on, const bytes *file, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t keep = i < 12 ? i * 4 : i < 20 ? file->size - 1 - (i - 12) * 11 % file->size : place(s, file->size);
        if (keep < file->size) try_file(s, on, "cut short", replaced(file, keep, file->size - keep, "", 0));
    }
}

static void flip(session *s, const subject *on, const bytes *file, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes b = replaced(file, 0, 0, "", 0);
        for (size_t n = 1 + below(s, 3); n; n--) b.data[place(s, b.size)] ^= (unsigned char)(1u << below(s, 8));
        try_file(s, on, "flipped bits", b);
    }
}

/* Runs of bytes that mean huge, negative or zero numbers, where lengths and offsets may stand. */
static void overwrite(session *s, const subject *on, const bytes *file, size_t count)
{
    static const unsigned char runs[][9] = {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                                            "\xFF\xFF\xFF\x7F\0\0\0\0",
                                            "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
                                            "\0\0\0\0\0\0\0\0",
                                            "\0\0\0\x80\0\0\0\x80",
                                            "99999999"};
    for (size_t i = 0; i < count; i++) {
        size_t at = i < 12 ? i * 4 : place(s, file->size), n = 1u << below(s, 4);
        if (at >= file->size) continue;
        if (n > file->size - at) n = file->size - at;
        try_file(s, on, "overwritten", replaced(file, at, n, runs[below(s, sizeof runs / sizeof *runs)], n));
    }
}

/* Pieces taken out or doubled. */
static void shift(session *s, const subject *on, const bytes *file, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = place(s, file->size), n = 1 + below(s, 40);
        if (n > file->size - at) n = file->size - at;
        if (i % 2)
            try_file(s, on, "a piece taken out", replaced(file, at, n, "", 0));
        else
            try_file(s, on, "a piece doubled", replaced(file, at, 0, file->data + at, n));
    }
}

static void garbage(session *s, const subject *on)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 64, 1000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes noise = new_bytes(sizes[i]), zeros = new_bytes(sizes[i]);
        memset(zeros.data, 0, zeros.size);
        for (size_t j = 0; j < noise.size; j++) noise.data[j] = (unsigned char)next_random(s);
        try_file(s, on, "noise", noise);
        try_file(s, on, "zeros", zeros);
    }
}

/* Each value of a JSON file replaced by each of a list of bad ones. */
static void revalue(session *s, const subject *on, const bytes *file)
{
    static const char *const values[] = {"0",
                                         "1",
                                         "-1",
                                         "3",
                                         "2147483647",
                                         "4294967296",
                                         "1e18",
                                         "1e999",
                                         "0.5",
                                         "null",
                                         "true",
                                         "\"x\"",
                                         "[]",
                                         "{}",
                                         "[0]",
                                         "[1,-1,[{}]]",
                                         "\"\\u001b[31m\\n\"",
                                         "[999999999,999999999,999999999,2,2,2,2]"};
    subject once = *on; /* inspect shows values and does not compute with them: one of each is enough */
    for (size_t at = 1; at < file->size; at++) {
        if (file->data[at] != ':' || file->data[at - 1] != '"') continue;
        size_t end = value_end(file, at + 1);
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            once.inspect = i == at % (sizeof values / sizeof *values) ? on->inspect : NULL;
            try_file(s, &once, values[i], replaced(file, at + 1, end - at - 1, values[i], strlen(values[i])));
        }
    }
}

/* Characters that mean something in JSON and in tables, put in and over others. */
static void retype(session *s, const subject *on, const bytes *file, size_t count)
{
    static const char marks[] = "\"{}[],:;\\/\t\r\n\0\x1b\x80\xff-+.eE0";
    for (size_t i = 0; i < count; i++) {
        char mark = marks[below(s, sizeof marks - 1)];
        size_t at = below(s, file->size);
        try_file(s, on, "a character", replaced(file, at, i % 2, &mark, 1));
    }
}

/* ---- Set-ups ---- */

static void copy_into(const session *s, const char *folder, const char *name, const char *from)
{
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", s->tests, from);
    bytes b = read_file(path);
    snprintf(path, sizeof path, "%s/%s/%s", s->folder, folder, name);
    write_file(path, b.data, b.size);
    free(b.data);
}

static void write_into(const session *s, const char *folder, const char *name, const char *text)
{
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s/%s", s->folder, folder, name);
    write_file(path, text, strlen(text));
}

static void make_folder(const session *s, const char *name)
{
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    if (mkdir(path, 0777) != 0) give_up(path);
}

/* A clip of 1000 samples, so that a case takes milliseconds. */
static void write_clip(const session *s, const char *folder)
{
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/data/IC0_surprised_3.wav", s->tests);
    bytes b = read_file(path);
    if (b.size < 9000) give_up(path);
    memcpy(b.data + 4, "\xF4\x07\0\0", 4); /* 2036 = 36 + 2000 */
    memcpy(b.data + 40, "\xD0\x07\0\0", 4);
    memmove(b.data + 44, b.data + 6000, 2000);
    snprintf(path, sizeof path, "%s/%s/clip.wav", s->folder, folder);
    write_file(path, b.data, 2044);
    free(b.data);
}

static const subject subjects[] = {
    {"safetensors", "model.safetensors", ".", "clip.wav", "023", "02", "./model.safetensors", false, NULL, NULL, NULL},
    {"bin", "pytorch_model.bin", ".", "clip.wav", "023", "02", "./pytorch_model.bin", false, NULL, NULL, NULL},
    {"original", "wavlm_original.pt", "wavlm_original.pt", "clip.wav", "023", "02", "wavlm_original.pt", false, NULL, NULL,
     NULL},
    {"config", "config.json", ".", "clip.wav", "023", "02", "./", true, NULL, NULL, NULL},
    {"preprocessor", "preprocessor_config.json", ".", "clip.wav", "023", "02", "./preprocessor_config.json", true, NULL,
     NULL, NULL},
    {"shards", "model.safetensors.index.json", ".", "clip.wav", "02", "02", "./", true, NULL, NULL, NULL},
    {"wav", "clip.wav", ".", "clip.wav", "03", NULL, "clip.wav", false, NULL, NULL, NULL},
    {"csv", "list.csv", ".", "list.csv", "013", NULL, "list.csv", true, NULL, NULL, NULL},
    {"tsv", "list.tsv", ".", "list.tsv", "013", NULL, "list.tsv", true, NULL, NULL, NULL},
    {"txt", "list.txt", ".", "list.txt", "013", NULL, "list.txt", true, NULL, NULL, NULL},
    /* used in place by the kernels that a sanitizer sees best, and by this machine's; repacked; what config.json says */
    {"int8", "model.safetensors", ".", "clip.wav", "023", "02", "./model.safetensors", false, "int8", "scalar", "scalar"},
    {"bf16", "model.safetensors", ".", "clip.wav", "023", "02", "./model.safetensors", false, "bf16", NULL, NULL},
    {"narrow", "model.safetensors", ".", "clip.wav", "023", "02", "./model.safetensors", false, "int8", "scalar", NULL},
    {"converted", "config.json", ".", "clip.wav", "023", "02", "./", true, "bf16", NULL, NULL},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

/* An index of one shard, with the names that are in it, taken from its header. */
static void write_index(const session *s)
{
    char path[2 * PATH_SIZE], entry[300];
    snprintf(path, sizeof path, "%s/golden/large/model.safetensors", s->tests);
    bytes shard = read_file(path), text = new_bytes(1 << 16);
    size_t n = (size_t)snprintf((char *)text.data, text.size, "{\"metadata\": {\"total_size\": 1},\n\"weight_map\": {");
    const char *separator = "", *at = (const char *)shard.data + 8;
    while ((at = strstr(at, "\":{\"dtype\"")) != NULL) {
        const char *name = at;
        while (name[-1] != '"') name--;
        int size =
            snprintf(entry, sizeof entry, "%s\n\"%.*s\": \"one.safetensors\"", separator, (int)(at - name), name);
        memcpy(text.data + n, entry, (size_t)size);
        n += (size_t)size;
        separator = ",";
        at++;
    }
    memcpy(text.data + n, "}}\n", 4);
    write_into(s, "shards", "model.safetensors.index.json", (const char *)text.data);
    free(shard.data);
    free(text.data);
}

static void write_converted(const session *s, const subject *on)
{
    static outcome o;
    char model[2 * PATH_SIZE], folder[PATH_SIZE + 64];
    snprintf(model, sizeof model, "%s/golden/hf_sequence_classification", s->tests);
    snprintf(folder, sizeof folder, "%s/%s", s->folder, on->name);
    const char *convert[] = {s->convert, "--quiet", "--threads", "1", "--precision", on->precision, "--model", model,
                             "--out", ".", on->made_for ? "--cpu" : NULL, on->made_for, NULL};
    run(s, folder, convert, &o);
    if (o.status == 0 && !*o.messages) return;
    fprintf(stderr, "hostile: convert ended with %d: %s\n", o.status, o.messages);
    exit(1);
}

static void set_up(const session *s)
{
    static const char rows[] = "file,note\nclip.wav,\"a, \"\"b\"\"\"\nclip.wav,c\n";
    for (size_t i = 0; i < SUBJECTS; i++) {
        const char *name = subjects[i].name;
        make_folder(s, name);
        write_clip(s, name);
        if (subjects[i].precision) {
            write_converted(s, &subjects[i]);
        } else if (strcmp(name, "original") == 0) {
            copy_into(s, name, "wavlm_original.pt", "golden/base/wavlm_original.pt");
        } else if (strcmp(name, "bin") == 0 || strcmp(name, "shards") == 0) {
            copy_into(s, name, "config.json", "golden/large/config.json");
            copy_into(s, name, "preprocessor_config.json", "golden/large/preprocessor_config.json");
            if (*name == 'b')
                copy_into(s, name, "pytorch_model.bin", "golden/large/pytorch_model.bin");
            else
                copy_into(s, name, "one.safetensors", "golden/large/model.safetensors");
        } else {
            copy_into(s, name, "config.json", "golden/hf_sequence_classification/config.json");
            copy_into(s, name, "preprocessor_config.json",
                      "golden/hf_sequence_classification/preprocessor_config.json");
            copy_into(s, name, "model.safetensors", "golden/hf_sequence_classification/model.safetensors");
        }
    }
    write_index(s);
    write_into(s, "csv", "list.csv", rows);
    write_into(s, "tsv", "list.tsv", "note\tpath\r\n\"a\tb\"\tclip.wav\r\nc\tclip.wav\r\n");
    write_into(s, "txt", "list.txt", "clip.wav\n./clip.wav\n");
}

/* Whole files that are something else. */
static void swap(session *s, const subject *on)
{
    static const char *const others[] = {"golden/large/model.safetensors",
                                         "golden/base/pytorch_model.bin",
                                         "golden/base/wavlm_original.pt",
                                         "golden/base/config.json",
                                         "golden/odyssey/config.json",
                                         "golden/large/preprocessor_config.json",
                                         "data/IC0_surprised_3.wav",
                                         "data/KS0_happiness_54.opus",
                                         "data/list.csv",
                                         "data/LICENSE"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char path[2 * PATH_SIZE];
        snprintf(path, sizeof path, "%s/%s", s->tests, others[i]);
        try_file(s, on, others[i], read_file(path));
    }
}

/* What can be wrong with any file. */
static void damage_any(session *s, const subject *on, const bytes *file)
{
    cut(s, on, file, 24);
    flip(s, on, file, 24);
    overwrite(s, on, file, 24);
    shift(s, on, file, 12);
    garbage(s, on);
    swap(s, on);
    if (on->text) retype(s, on, file, 24);
    if (strstr(on->victim, "config.json")) revalue(s, on, file);
}

static void damage(session *s, const subject *on)
{
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s/%s", s->folder, on->name, on->victim);
    bytes file = read_file(path);
    size_t before = s->cases, failed = s->failed;
    subject sound = *on;
    sound.statuses = "0";
    if (on->inspect) sound.inspect = "0";
    try_file(s, &sound, "undamaged", replaced(&file, 0, 0, "", 0));
    if (on->precision) damage_converted(s, on, &file);
    if (!on->precision || !on->text) damage_any(s, on, &file); /* a config.json like any other was there before */
    printf("%s: %zu cases, %zu failed\n", on->name, s->cases - before, s->failed - failed);
    fflush(stdout);
    free(file.data);
}

int main(int argc, char **argv)
{
    session s = {.random = argc > 5 ? strtoull(argv[5], NULL, 0) : 1};
    char *paths[4], command[PATH_SIZE + 16];
    if (argc < 5) {
        fprintf(stderr, "usage: hostile INFER INSPECT CONVERT TESTS [SEED]\n");
        return 1;
    }
    for (int i = 0; i < 4; i++)
        if (!(paths[i] = realpath(argv[i + 1], NULL))) give_up(argv[i + 1]);
    s.infer = paths[0];
    s.inspect = paths[1];
    s.convert = paths[2];
    s.tests = paths[3];
    const char *base = getenv("TMPDIR");
    snprintf(s.folder, sizeof s.folder, "%s/hostile-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(s.folder)) give_up(s.folder);
    set_up(&s);
    for (size_t i = 0; i < SUBJECTS; i++) damage(&s, &subjects[i]);
    snprintf(command, sizeof command, "rm -rf '%s'", s.folder);
    if (system(command) != 0) give_up(s.folder);
    for (int i = 0; i < 4; i++) free(paths[i]);
    printf("%zu passed, %zu failed\n", s.passed, s.failed);
    return s.failed || !s.passed;
}
