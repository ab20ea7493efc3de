/* fixtures: what the script tests need and a shell cannot make or read.
 *
 *   fixtures expected EXPECTED OUT     a golden expected.safetensors as files: OUT/N.wav (float32, so that no bit is
 *                                      lost), OUT/logits.txt (a line of numbers for each)
 *   fixtures emotion BACKBONE SER OUT  a golden emotion model and batch as files: OUT/model/, OUT/N.wav, OUT/list.csv
 *                                      (file, gender, emotion), OUT/logits.txt or, of a training, OUT/losses.txt, and
 *                                      where the model takes text, OUT/text.safetensors
 *   fixtures text FILE SIZE NAMES      a sentence embedding [SIZE] for each of NAMES, which are divided by commas
 *   fixtures show FILE                 a line for each tensor: name, dtype and shape, how many numbers are finite
 *
 * OUT exists. Exit status 0, or 1 with a message. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "tests/support/emotion_folder.h"

enum { PATH_SIZE = 1024, RATE = 16000 };

static eng_status open_in(const char *directory, const char *name, FILE **out, eng_error *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    *out = fopen(path, "wb");
    return *out ? ENG_OK : eng_fail(err, ENG_E_IO, "%s: cannot create", path);
}

static eng_status close_file(FILE *f, eng_error *err)
{
    int bad = ferror(f);
    return fclose(f) == 0 && !bad ? ENG_OK : eng_fail(err, ENG_E_IO, "cannot write");
}

static void put_u16(FILE *f, unsigned value)
{
    fputc((int)(value & 255), f);
    fputc((int)(value >> 8 & 255), f);
}

static void put_u32(FILE *f, uint32_t value)
{
    put_u16(f, value & 65535);
    put_u16(f, value >> 16);
}

/* directory/u.wav: RIFF, IEEE float, mono; wave's bytes are little-endian as they are. */
static eng_status write_wav(const char *directory, size_t u, const wts_tensor *wave, eng_error *err)
{
    char name[32];
    FILE *f;
    if (wave->dtype != WTS_F32 || wave->bytes > UINT32_MAX - 36)
        return eng_fail(err, ENG_E_MISMATCH, "%s: not f32, or too long", wave->name);
    snprintf(name, sizeof name, "%zu.wav", u);
    eng_status status = open_in(directory, name, &f, err);
    if (status) return status;
    fputs("RIFF", f);
    put_u32(f, (uint32_t)(36 + wave->bytes));
    fputs("WAVEfmt ", f);
    put_u32(f, 16);
    put_u16(f, 3);
    put_u16(f, 1);
    put_u32(f, RATE);
    put_u32(f, RATE * 4);
    put_u16(f, 4);
    put_u16(f, 32);
    fputs("data", f);
    put_u32(f, (uint32_t)wave->bytes);
    fwrite(wave->data, 1, wave->bytes, f);
    return close_file(f, err);
}

static eng_status read_floats(const wts_tensor *t, size_t first, size_t count, float *out, eng_error *err)
{
    kern_table k;
    if (!kern_table_fill(&k, KERN_TIER_PORTABLE, 0)) return eng_fail(err, ENG_E_UNSUPPORTED, "no portable kernels");
    return wts_tensor_read_f32(t, &k, first, count, out, err);
}

/* Appends numbers [first, first + count) of t as a line. */
static eng_status write_numbers(FILE *f, const wts_tensor *t, size_t first, size_t count, eng_error *err)
{
    float *values = eng_alloc(count, sizeof *values);
    if (!values) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    eng_status status = read_floats(t, first, count, values, err);
    for (size_t i = 0; !status && i < count; i++) fprintf(f, "%.9g%c", (double)values[i], i + 1 == count ? '\n' : ' ');
    eng_free(values);
    return status;
}

/* The tensor "<prefix><u>.waveform"; NULL behind the last. */
static const wts_tensor *find_wave(const wts_checkpoint *c, const char *prefix, size_t u)
{
    char name[64];
    snprintf(name, sizeof name, "%s%zu.waveform", prefix, u);
    return wts_checkpoint_find(c, name);
}

static eng_status expected(char **arguments, eng_error *err)
{
    wts_checkpoint c;
    FILE *f;
    eng_status status = wts_checkpoint_open(arguments[0], &c, err);
    if (status) return status;
    status = open_in(arguments[1], "logits.txt", &f, err);
    if (!status) {
        const wts_tensor *wave;
        for (size_t u = 0; !status && (wave = find_wave(&c, "", u)); u++) {
            char name[64];
            snprintf(name, sizeof name, "%zu.logits", u);
            const wts_tensor *logits = wts_checkpoint_find(&c, name);
            if (!logits) status = eng_fail(err, ENG_E_MISSING, "%s: no %s", c.path, name);
            if (!status) status = write_wav(arguments[1], u, wave, err);
            if (!status) status = write_numbers(f, logits, 0, logits->count, err);
        }
        eng_status closed = close_file(f, err);
        if (!status) status = closed;
    }
    wts_checkpoint_close(&c);
    return status;
}

static eng_status write_text(const char *directory, const wts_tensor *text, eng_error *err)
{
    char path[PATH_SIZE], name[32];
    wts_writer *w;
    snprintf(path, sizeof path, "%s/text.safetensors", directory);
    eng_status status = wts_writer_open(path, text->shape[0], 256, NULL, &w, err);
    if (status) return status;
    for (size_t u = 0; !status && u < text->shape[0]; u++) {
        snprintf(name, sizeof name, "%zu", u);
        status = wts_writer_add(w, name, WTS_F32, 1, &text->shape[1],
                                (const char *)text->data + u * text->shape[1] * sizeof(float), err);
    }
    if (!status) return wts_writer_finish(w, err);
    wts_writer_abandon(w);
    return status;
}

/* The batch's recordings, genders and logits. */
static eng_status write_batch(const wts_checkpoint *ser, const char *directory, FILE *list, FILE *numbers,
                              eng_error *err)
{
    const wts_tensor *gender = wts_checkpoint_find(ser, "batch.gender"), *logits = wts_checkpoint_find(ser, "logits");
    const wts_tensor *text = wts_checkpoint_find(ser, "batch.text"), *labels = wts_checkpoint_find(ser, "batch.labels"), *wave;
    const wts_tensor *losses = wts_checkpoint_find(ser, "losses");
    bool labelled = labels && labels->dtype == WTS_I64 && gender && labels->count == gender->count;
    if (!gender || gender->dtype != WTS_I64 || !labelled || (!logits && !losses) || (logits && logits->ndim != 2))
        return eng_fail(err, ENG_E_MISSING, "%s: no batch.gender, batch.labels, or neither logits nor losses", ser->path);
    eng_status status = ENG_OK;
    for (size_t i = 0; losses && i < losses->count && !status; i++) status = write_numbers(numbers, losses, i, 1, err);
    fprintf(list, "file,gender,emotion\n");
    for (size_t u = 0; !status && u < gender->count && (wave = find_wave(ser, "batch.", u)); u++) {
        int64_t id, label;
        memcpy(&id, (const char *)gender->data + u * sizeof id, sizeof id);
        memcpy(&label, (const char *)labels->data + u * sizeof label, sizeof label);
        fprintf(list, "%zu.wav,%s,LABEL_%d\n", u, id ? "male" : "female", (int)label);
        status = write_wav(directory, u, wave, err);
        if (!status && logits) status = write_numbers(numbers, logits, u * logits->shape[1], logits->shape[1], err);
    }
    if (!status && text && text->ndim == 2 && text->dtype == WTS_F32) status = write_text(directory, text, err);
    return status;
}

static eng_status emotion(char **arguments, eng_error *err)
{
    const char *directory = arguments[2];
    char model[PATH_SIZE];
    wts_checkpoint ser;
    FILE *list = NULL, *numbers = NULL;
    eng_status status = wts_checkpoint_open(arguments[1], &ser, err);
    if (status) return status;
    snprintf(model, sizeof model, "%s/model", directory);
    if (mkdir(model, 0777) != 0) status = eng_fail(err, ENG_E_IO, "%s: cannot create", model);
    if (!status) status = emotion_folder_write(model, arguments[0], &ser, err);
    if (!status) status = open_in(directory, "list.csv", &list, err);
    if (!status) status = open_in(directory, wts_checkpoint_find(&ser, "losses") ? "losses.txt" : "logits.txt", &numbers, err);
    if (!status) status = write_batch(&ser, directory, list, numbers, err);
    eng_status closed = list ? close_file(list, err) : ENG_OK;
    if (!status) status = closed;
    closed = numbers ? close_file(numbers, err) : ENG_OK;
    if (!status) status = closed;
    wts_checkpoint_close(&ser);
    return status;
}

/* Numbers between -1 and 1 that differ between names and places. */
static eng_status text(char **arguments, eng_error *err)
{
    enum { MOST = 64 };
    float values[MOST];
    size_t size = strtoul(arguments[1], NULL, 10), names = 0;
    wts_writer *w;
    if (size == 0 || size > MOST) return eng_fail(err, ENG_E_USAGE, "a size of %s, expected 1 to %d", arguments[1], MOST);
    eng_status status = wts_writer_open(arguments[0], strlen(arguments[2]), strlen(arguments[2]) + 1, NULL, &w, err);
    if (status) return status;
    for (char *name = strtok(arguments[2], ","); name && !status; name = strtok(NULL, ","), names++) {
        for (size_t i = 0; i < size; i++) values[i] = (float)sin((double)(1 + names) * 0.7 + (double)(1 + i) * 1.3);
        status = wts_writer_add(w, name, WTS_F32, 1, &size, values, err);
    }
    if (!status) return wts_writer_finish(w, err);
    wts_writer_abandon(w);
    return status;
}

static eng_status show(char **arguments, eng_error *err)
{
    wts_checkpoint c;
    eng_status status = wts_checkpoint_open(arguments[0], &c, err);
    if (status) return status;
    for (size_t i = 0; !status && i < c.count; i++) {
        char what[256];
        size_t finite = 0;
        float *values = eng_alloc(c.tensors[i].count + 1, sizeof *values);
        status = values ? read_floats(&c.tensors[i], 0, c.tensors[i].count, values, err)
                        : eng_fail(err, ENG_E_MEMORY, "out of memory");
        for (size_t j = 0; !status && j < c.tensors[i].count; j++) finite += isfinite(values[j]) != 0;
        if (!status)
            printf("%s %s %zu\n", c.tensors[i].name, wts_tensor_describe(&c.tensors[i], what, sizeof what), finite);
        eng_free(values);
    }
    wts_checkpoint_close(&c);
    return status;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        eng_status (*run)(char **arguments, eng_error *err);
    } commands[] = {{"expected", 2, expected}, {"emotion", 3, emotion}, {"text", 3, text}, {"show", 1, show}};
    eng_error err = {0};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (argc != commands[i].arguments + 2 || strcmp(argv[1], commands[i].name) != 0) continue;
        if (commands[i].run(argv + 2, &err) == ENG_OK) return 0;
        fprintf(stderr, "fixtures: %s\n", err.message);
        return 1;
    }
    fprintf(stderr, "usage: fixtures expected EXPECTED OUT | emotion BACKBONE SER OUT | text FILE SIZE NAMES | show FILE\n");
    return 1;
}
