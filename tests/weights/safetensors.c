/* safetensors: reading, refusing, shards, the writer. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/files.h"
#include "tests/support/support.h"
#include "weights/folder.h"

static const char *in(const char *folder, const char *name)
{
    static char paths[8][600];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

Test(safetensors, golden)
{
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("golden/large/model.safetensors"), &c, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_eq(c.container, WTS_SAFETENSORS);
    cr_assert_eq(c.count, 89);
    cr_assert_str_eq(wts_value_get(c.extra, "format")->text, "pt");
    cr_assert_str_eq(c.tensors[0].name, "masked_spec_embed");
    const wts_tensor *t = wts_checkpoint_find(&c, "encoder.layers.2.feed_forward.output_dense.weight");
    cr_assert_not_null(t);
    char text[32];
    cr_assert_str_eq(wts_tensor_describe(t, text, sizeof text), "F32[48, 96]");
    cr_assert_str_eq(wts_tensor_describe(t, text, 6), "F32[4");
    cr_assert_eq(t->bytes, 48 * 96 * 4);
    cr_assert(t->mapped && t->contiguous);
    cr_assert_null(wts_checkpoint_find(&c, "encoder"));
    /* dropped pages come back */
    float before[2], after[2];
    kern_table k = support_portable();
    cr_assert_eq(wts_tensor_read_f32(t, &k, 100, 2, before, &err), ENG_OK);
    for (size_t i = 0; i < c.count; i++) wts_tensor_drop_pages(&c.tensors[i]);
    cr_assert_eq(wts_tensor_read_f32(t, &k, 100, 2, after, &err), ENG_OK);
    cr_assert(memcmp(before, after, sizeof before) == 0 && before[0] != 0.0f);
    cr_assert_eq(wts_tensor_read_f32(t, &k, t->count, 1, after, &err), ENG_E_USAGE);
    cr_assert_eq(wts_tensor_read_f32(t, &k, SIZE_MAX, 2, after, &err), ENG_E_USAGE);
    wts_checkpoint_close(&c);
    wts_checkpoint_close(&c);
}

/* The data lie at every offset from a multiple of 8, and are read in pieces of every length. */
Test(safetensors, conversions)
{
    enum { N = 5 };
    static const float expected[N] = {1.0f, -2.5f, 0.0f, 65504.0f, 0.15625f};
    static const uint16_t f16[N] = {0x3C00, 0xC100, 0x0000, 0x7BFF, 0x3100};
    static const uint16_t bf16[N] = {0x3F80, 0xC020, 0x0000, 0x4780, 0x3E20};
    double f64[N];
    for (int i = 0; i < N; i++) f64[i] = expected[i];
    const struct {
        const char *name;
        const void *data;
        size_t size;
    } rows[] = {{"F32", expected, 4}, {"F16", f16, 2}, {"BF16", bf16, 2}, {"F64", f64, 8}};
    kern_table k = support_portable();
    for (size_t r = 0; r < 4; r++)
        for (size_t shift = 0; shift < 8; shift++) {
            char header[200];
            size_t end = shift + N * rows[r].size;
            snprintf(header, sizeof header,
                     "{\"p\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]},"
                     "\"t\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}}",
                     shift, shift, rows[r].name, N, shift, end);
            bytes b = file_safetensors(header, end);
            memcpy(b.data + b.size - N * rows[r].size, rows[r].data, N * rows[r].size);
            wts_checkpoint c;
            eng_error err = {0};
            cr_assert_eq(wts_checkpoint_open_memory("m", b.data, b.size, &c, &err), ENG_OK, "%s", err.message);
            const wts_tensor *t = wts_checkpoint_find(&c, "t");
            for (size_t first = 0; first <= N; first++)
                for (size_t count = 0; first + count <= N; count++) {
                    float out[N + 1] = {7, 7, 7, 7, 7, 7};
                    cr_assert_eq(wts_tensor_read_f32(t, &k, first, count, out, &err), ENG_OK);
                    for (size_t i = 0; i < count; i++) {
                        float want = r == 2 && first + i == 3 ? 65536.0f : expected[first + i]; /* rounded in bf16 */
                        cr_assert(out[i] == want, "%s[%zu]: %g", rows[r].name, first + i, (double)out[i]);
                    }
                    cr_assert(out[count] == 7.0f);
                }
            wts_checkpoint_close(&c);
            bytes_free(&b);
        }
}

Test(safetensors, dtypes)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[8,10]},"
        "\"c\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[10,13]},"
        "\"d\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[13,17]},"
        "\"e\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[17,19]},"
        "\"f\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[19,23]},"
        "\"g\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[23,23]}}  ";
    bytes b = file_safetensors(header, 23);
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open_memory("m", b.data, b.size, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_null(c.extra);
    static const wts_dtype expected[] = {WTS_I64, WTS_BOOL8, WTS_OTHER, WTS_OTHER, WTS_OTHER, WTS_F32, WTS_F32};
    cr_assert_eq(c.count, 7);
    for (size_t i = 0; i < 7; i++) cr_assert_eq(c.tensors[i].dtype, expected[i], "%zu", i);
    cr_assert_str_eq(c.tensors[2].dtype_name, "F8_E4M3");
    cr_assert(c.tensors[5].ndim == 0 && c.tensors[5].count == 1);
    cr_assert(c.tensors[6].ndim == 2 && c.tensors[6].count == 0);
    float out;
    kern_table k = support_portable();
    cr_assert_eq(wts_tensor_read_f32(&c.tensors[0], &k, 0, 1, &out, &err), ENG_E_UNSUPPORTED);
    cr_assert_str_eq(err.message, "tensor a is I64[1]: F32, F16, BF16 or F64 was expected");
    wts_checkpoint_close(&c);
    bytes_free(&b);
}

#define ENTRY(dtype, shape, begin, end)                                                                                \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

Test(safetensors, lies)
{
    static const struct {
        const char *header, *message;
    } rows[] = {
        {"{\"t\":" ENTRY("F32", "[2]", "0", "12") "}", "does not fill its 12 bytes"},
        {"{\"t\":" ENTRY("F32", "[4]", "0", "16") "}", "ends at byte 16"},
        {"{\"t\":" ENTRY("F32", "[2]", "8", "0") "}", "end before they begin"},
        {"{\"t\":" ENTRY("F32", "[2]", "-8", "0") "}", "whole numbers"},
        {"{\"t\":" ENTRY("F32", "[-3]", "0", "12") "}", "whole numbers"},
        {"{\"t\":" ENTRY("F32", "[3.0]", "0", "12") "}", "whole numbers"},
        {"{\"t\":" ENTRY("F32", "[3]", "0.0", "12") "}", "whole numbers"},
        {"{\"t\":" ENTRY("F32", "3", "0", "12") "}", "\"shape\" is not a list"},
        {"{\"t\":" ENTRY("F32", "[4294967296,4294967296]", "0", "12") "}", "shape overflows"},
        {"{\"t\":" ENTRY("F32", "[4611686018427387907]", "0", "12") "}", "does not fill"},
        {"{\"t\":" ENTRY("F32", "[9223372036854775808]", "0", "12") "}", "whole numbers"},
        {"{\"t\":" ENTRY("F32", "[3]", "0", "18446744073709551616") "}", "whole numbers"},
        {"{\"t\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,3]", "0", "12") "}", "9 dimensions"},
        {"{\"t\":" ENTRY("F32", "[3]", "0", "12") ",\"t\":" ENTRY("F32", "[3]", "0", "12") "}", "occurs twice"},
        {"{\"t\":" ENTRY("F32", "[3]", "0", "12") ",\"u\":" ENTRY("F32", "[1]", "8", "12") "}", "overlap"},
        {"{\"t\":" ENTRY("F32", "[1]", "0", "4") ",\"u\":" ENTRY("F32", "[1]", "8", "12") "}", "unused bytes"},
        {"{\"t\":" ENTRY("F32", "[2]", "0", "8") "}", "4 bytes follow"},
        {"{\"t\":{\"dtype\":32,\"shape\":[3],\"data_offsets\":[0,12]}}", "\"dtype\" is not a string"},
        {"{\"t\":{\"shape\":[3],\"data_offsets\":[0,12]}}", "\"dtype\" is not a string"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[3]}}", "data_offsets"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12,24]}}", "data_offsets"},
        {"{\"t\":[]}", "not an object"},
        {"{\"a\\n\\u001b[2J\":[]}", "tensor a??[2J"}, /* the message stays one harmless line */
        {"{\"__metadata__\":[]}", "__metadata__"},
        {"{\"t\":", "line 1"},
        {"{}", "12 bytes follow"},
    };
    kern_table k = support_portable();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eng_error err = {0};
        bytes b = file_safetensors(rows[i].header, 12);
        cr_assert_neq(file_check(b.data, b.size, &k, &err), ENG_OK, "accepted: %s", rows[i].header);
        cr_assert(strstr(err.message, rows[i].message), "%s gives: %s", rows[i].header, err.message);
        bytes_free(&b);
    }
}

/* Found by tests/fuzz/fuzz.sh: no tensors at all, with and without bytes behind the header. */
Test(safetensors, empty)
{
    kern_table k = support_portable();
    bytes none = file_safetensors("{}", 0), more = file_safetensors("{}", 4);
    cr_assert_eq(file_check(none.data, none.size, &k, NULL), ENG_OK);
    cr_assert_eq(file_check(more.data, more.size, &k, NULL), ENG_E_FORMAT);
    bytes_free(&none);
    bytes_free(&more);
}

Test(safetensors, header_length)
{
    static const uint64_t lengths[] = {
        0, 1, 63, 65, 76, 77, 100000001, 1u << 31, (uint64_t)1 << 47, UINT64_MAX, UINT64_MAX - 7};
    kern_table k = support_portable();
    bytes b = file_safetensors("{\"t\":" ENTRY("F32", "[3]", "0", "12") "}", 12);
    cr_assert_eq(file_check(b.data, b.size, &k, NULL), ENG_OK);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int j = 0; j < 8; j++) b.data[j] = (unsigned char)(lengths[i] >> 8 * j);
        cr_assert_neq(file_check(b.data, b.size, &k, NULL), ENG_OK, "length %llu", (unsigned long long)lengths[i]);
    }
    bytes_free(&b);
}

Test(safetensors, damaged)
{
    kern_table k = support_portable();
    bytes b = bytes_read(support_path("golden/base/model.safetensors"));
    damage d = file_damage(&b, 12000, 100, 50, 2000, &k);
    printf("%zu of %zu damaged files were still readable\n", d.accepted, d.cases);
    cr_assert(d.cases > 2000 && d.accepted < d.cases);
    bytes_free(&b);
}

/* ---- Shards and folders ---- */

static void write_text(const char *path, const char *text)
{
    bytes b = {0};
    bytes_text(&b, text);
    bytes_write(&b, path);
    bytes_free(&b);
}

static void write_shards(const char *folder)
{
    bytes a = file_safetensors("{\"x\":" ENTRY("F32", "[1]", "0", "4") ",\"y\":" ENTRY("F32", "[1]", "4", "8") "}", 8);
    bytes b = file_safetensors("{\"z\":" ENTRY("F16", "[2]", "0", "4") ",\"x\":" ENTRY("U8", "[1]", "4", "5") "}", 5);
    bytes_write(&a, in(folder, "one.safetensors"));
    bytes_write(&b, in(folder, "two.safetensors"));
    bytes_free(&a);
    bytes_free(&b);
}

Test(safetensors, shards)
{
    char *folder = support_temporary();
    const char *index = in(folder, "model.safetensors.index.json");
    write_shards(folder);
    write_text(index, "{\"metadata\":{\"total_size\":12},\"weight_map\":"
                      "{\"x\":\"one.safetensors\",\"y\":\"one.safetensors\",\"z\":\"two.safetensors\"}}");
    wts_checkpoint c;
    eng_error err = {0};
    for (int round = 0; round < 2; round++) {
        eng_status status = round ? wts_checkpoint_open(index, &c, &err) : wts_checkpoint_open_sharded(index, &c, &err);
        cr_assert_eq(status, ENG_OK, "%s", err.message);
        cr_assert_eq(c.count, 3);
        cr_assert_eq(wts_checkpoint_find(&c, "x")->dtype, WTS_F32); /* not the other file's */
        cr_assert_eq(wts_checkpoint_find(&c, "z")->dtype, WTS_F16);
        cr_assert_eq(wts_value_get(c.extra, "total_size")->integer, 12);
        wts_checkpoint_close(&c);
    }
    static const struct {
        const char *map;
        eng_status status;
        const char *message;
    } rows[] = {
        {"{\"x\":\"two.safetensors\",\"w\":\"one.safetensors\"}", ENG_E_MISSING, "tensor w is not in one.safetensors"},
        {"{\"x\":\"three.safetensors\"}", ENG_E_MISSING, "three.safetensors"},
        {"{\"x\":\"../one.safetensors\"}", ENG_E_FORMAT, "plain name"},
        {"{\"x\":\"/etc/passwd\"}", ENG_E_FORMAT, "plain name"},
        {"{\"x\":\"..\"}", ENG_E_FORMAT, "plain name"},
        {"{\"x\":\"\"}", ENG_E_FORMAT, "plain name"},
        {"{\"x\":1}", ENG_E_FORMAT, "not a string"},
        {"{\"x\":\"model.safetensors.index.json\"}", ENG_E_FORMAT, "neither"},
        {"[]", ENG_E_FORMAT, "weight_map"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"weight_map\":%s}", rows[i].map);
        write_text(index, text);
        cr_assert_eq(wts_checkpoint_open(index, &c, &err), rows[i].status, "%s: %s", rows[i].map, err.message);
        cr_assert(strstr(err.message, rows[i].message) && strstr(err.message, folder), "%s", err.message);
    }
    support_remove(folder);
}

Test(safetensors, folders)
{
    char *folder = support_temporary();
    wts_folder f;
    eng_error err = {0};
    cr_assert_eq(wts_folder_resolve(folder, &f, &err), ENG_E_MISSING);
    cr_assert(strstr(err.message, folder) && strstr(err.message, "model.safetensors"), "%s", err.message);
    cr_assert_eq(wts_folder_resolve(in(folder, "none"), &f, &err), ENG_E_MISSING);
    write_shards(folder);
    cr_assert_eq(wts_folder_resolve(folder, &f, &err), ENG_E_MISMATCH);
    cr_assert(strstr(err.message, "one.safetensors") && strstr(err.message, "two.safetensors"), "%s", err.message);
    cr_assert_eq(wts_folder_resolve(in(folder, "one.safetensors"), &f, &err), ENG_OK, "%s", err.message);
    cr_assert_str_eq(f.path, folder);
    cr_assert(!f.config && !f.preprocessor);
    wts_folder_fini(&f);
    unlink(in(folder, "two.safetensors"));
    write_text(in(folder, "config.json"), "{}");
    write_text(in(folder, "training_args.bin"), "x");
    cr_assert_eq(wts_folder_resolve(folder, &f, &err), ENG_OK, "%s", err.message);
    cr_assert_str_eq(f.checkpoint, in(folder, "one.safetensors"));
    cr_assert_str_eq(f.config, in(folder, "config.json"));
    wts_checkpoint c;
    cr_assert_eq(wts_folder_open(&f, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(c.count, 2);
    wts_checkpoint_close(&c);
    wts_folder_fini(&f);
    static const char *const order[] = {"pytorch_model.bin", "model.safetensors.index.json", "model.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        write_text(in(folder, order[i]), "x");
        cr_assert_eq(wts_folder_resolve(folder, &f, &err), ENG_OK, "%s", err.message);
        cr_assert_str_eq(f.checkpoint, in(folder, order[i]));
        wts_folder_fini(&f);
    }
    support_remove(folder);
}

/* ---- The writer ---- */

Test(writer, round_trip)
{
    char *folder = support_temporary();
    const char *path = in(folder, "out.safetensors");
    static const char *const metadata[] = {"format", "pt", "note", "a \"quoted\"\nline", NULL};
    static const size_t shape[] = {3, 2}, empty[] = {0, 5};
    static const float data[6] = {1, -2, 3, NAN, INFINITY, 6e-45f};
    static const uint16_t half[2] = {0x3C00, 0xC000};
    eng_error err = {0};
    /* reserved: plenty, and too little so that the data must move */
    for (size_t expected = 0; expected <= 200; expected += 200) {
        wts_writer *w;
        cr_assert_eq(wts_writer_open(path, expected, 0, metadata, &w, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(wts_writer_add(w, "a", WTS_F32, 2, shape, data, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(wts_writer_add(w, "scalar", WTS_F16, 0, NULL, half, &err), ENG_OK);
        cr_assert_eq(wts_writer_add(w, "empty", WTS_F64, 2, empty, NULL, &err), ENG_OK);
        for (int i = 0; i < 40; i++) {
            char name[80];
            snprintf(name, sizeof name, "a rather long name to fill the header \xC3\xA9 \" %d", i);
            cr_assert_eq(wts_writer_begin(w, name, WTS_F32, 1, &(size_t){100000}, &err), ENG_OK);
            for (size_t at = 0; at < 100000; at += 1000) {
                float block[1000];
                for (size_t j = 0; j < 1000; j++) block[j] = (float)(at + j) + (float)i;
                cr_assert_eq(wts_writer_append(w, block, sizeof block, &err), ENG_OK, "%s", err.message);
            }
        }
        cr_assert_eq(access(in(folder, "out.safetensors.part"), F_OK), 0);
        cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
        cr_assert_neq(access(in(folder, "out.safetensors.part"), F_OK), 0);
        wts_checkpoint c;
        cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(c.count, 43);
        cr_assert_str_eq(wts_value_get(c.extra, "note")->text, metadata[3]);
        cr_assert_eq((uintptr_t)c.tensors[0].data % 64, 0);
        cr_assert_eq(memcmp(wts_checkpoint_find(&c, "a")->data, data, sizeof data), 0);
        cr_assert_eq(memcmp(wts_checkpoint_find(&c, "scalar")->data, half, 2), 0);
        cr_assert_eq(wts_checkpoint_find(&c, "empty")->count, 0);
        for (int i = 0; i < 40; i++) {
            const char *data_i = c.tensors[3 + i].data; /* 2 bytes behind a multiple of 4 */
            for (size_t j = 0; j < 100000; j += 333) {
                float got;
                memcpy(&got, data_i + j * sizeof got, sizeof got);
                cr_assert(got == (float)j + (float)i, "tensor %d, element %zu: %g", i, j, (double)got);
            }
        }
        wts_checkpoint_close(&c);
    }
    support_remove(folder);
}

static void expect_old(const char *path)
{
    bytes b = bytes_read(path);
    cr_assert(b.size == 3 && memcmp(b.data, "old", 3) == 0);
    bytes_free(&b);
}

Test(writer, failures_leave_the_old_file)
{
    char *folder = support_temporary();
    const char *path = in(folder, "m.safetensors");
    wts_writer *w;
    eng_error err = {0};
    static const size_t shape[] = {2};
    static const float data[2] = {1, 2};
    write_text(path, "old");
    cr_assert_eq(wts_writer_open(path, 1, 10, NULL, &w, &err), ENG_OK);
    cr_assert_eq(wts_writer_add(w, "a", WTS_F32, 1, shape, data, &err), ENG_OK);
    wts_writer_abandon(w);
    wts_writer_abandon(NULL);
    expect_old(path);
    cr_assert_eq(wts_writer_open(path, 1, 10, NULL, &w, &err), ENG_OK); /* the same name twice */
    cr_assert_eq(wts_writer_add(w, "a", WTS_F32, 1, shape, data, &err), ENG_OK);
    cr_assert_eq(wts_writer_add(w, "a", WTS_F32, 1, shape, data, &err), ENG_OK);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_E_USAGE);
    cr_assert(strstr(err.message, "twice"), "%s", err.message);
    expect_old(path);
    cr_assert_eq(wts_writer_open(path, 1, 10, NULL, &w, &err), ENG_OK); /* a tensor half written */
    cr_assert_eq(wts_writer_begin(w, "a", WTS_F32, 1, shape, &err), ENG_OK);
    cr_assert_eq(wts_writer_append(w, data, 12, &err), ENG_E_USAGE);
    cr_assert_eq(wts_writer_append(w, data, 4, &err), ENG_OK);
    cr_assert_eq(wts_writer_begin(w, "b", WTS_F32, 1, shape, &err), ENG_E_USAGE);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_E_USAGE);
    expect_old(path);
    cr_assert_neq(access(in(folder, "m.safetensors.part"), F_OK), 0);
    cr_assert_eq(wts_writer_open(path, 1, 10, NULL, &w, &err), ENG_OK);
    cr_assert_eq(wts_writer_begin(w, "a", WTS_BOOL8, 1, shape, &err), ENG_E_USAGE);
    cr_assert_eq(wts_writer_begin(w, "__metadata__", WTS_F32, 1, shape, &err), ENG_E_USAGE);
    cr_assert_eq(wts_writer_begin(w, "\xFF", WTS_F32, 1, shape, &err), ENG_E_USAGE);
    cr_assert_eq(wts_writer_begin(w, "a", WTS_F32, 2, (size_t[]){SIZE_MAX, 2}, &err), ENG_E_USAGE);
    wts_writer_abandon(w);
    cr_assert_eq(wts_writer_open(in(folder, "none/m.safetensors"), 1, 10, NULL, &w, &err), ENG_E_IO);
    cr_assert(strstr(err.message, "none/m.safetensors"), "%s", err.message);
    cr_assert_null(w);
    support_remove(folder);
}

/* /dev/full takes no byte: PATH.part is a link to it. */
Test(writer, disk_full)
{
    char *folder = support_temporary();
    const char *path = in(folder, "m.safetensors");
    wts_writer *w;
    eng_error err = {0};
    write_text(path, "old");
    cr_assert_eq(symlink("/dev/full", in(folder, "m.safetensors.part")), 0);
    cr_assert_eq(wts_writer_open(path, 1, 10, NULL, &w, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_writer_add(w, "a", WTS_F32, 1, &(size_t){2}, (float[]){1, 2}, &err), ENG_OK);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_E_IO);
    cr_assert(strstr(err.message, "No space left"), "%s", err.message);
    expect_old(path);
    support_remove(folder);
}
