/* Pickles made here, of every kind: what they say about tensors and beside them, lies, and damage. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/files.h"
#include "tests/support/support.h"

static bytes begin(void)
{
    bytes p = {0};
    bytes_text(&p, "\x80\x02");
    return p;
}

/* Builds the archive around the pickle, frees it, opens; the archive's bytes stay in *file. */
static eng_status open_pickle(bytes *p, size_t record, bytes *file, wts_checkpoint *c, eng_error *err)
{
    kern_table k = support_portable();
    *file = file_torch(p, record);
    bytes_free(p);
    eng_status status = file_check(file->data, file->size, &k, NULL);
    cr_assert_eq(wts_checkpoint_open_memory("m.pt", file->data, file->size, c, err), status);
    return status;
}

static void refuse(bytes *p, size_t record, const char *message)
{
    bytes file;
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_neq(open_pickle(p, record, &file, &c, &err), ENG_OK, "accepted, instead of: %s", message);
    cr_assert(strstr(err.message, message), "\"%s\", not \"%s\"", err.message, message);
    bytes_free(&file);
}

static void one(bytes *p, const char *name, const char *storage, int64_t count, int64_t offset, int ndim,
                const int64_t *shape, const int64_t *stride)
{
    pickle_text(p, name);
    pickle_tensor(p, storage, "0", count, offset, ndim, shape, stride);
}

Test(pickle, views_of_one_storage)
{
    bytes p = begin(), file;
    bytes_text(&p, "}(");
    one(&p, "all", "FloatStorage", 12, 0, 2, (int64_t[]){3, 4}, (int64_t[]){4, 1});
    one(&p, "row", "FloatStorage", 12, 4, 1, (int64_t[]){4}, (int64_t[]){1});
    one(&p, "transposed", "FloatStorage", 12, 0, 2, (int64_t[]){4, 3}, (int64_t[]){1, 4});
    one(&p, "column", "FloatStorage", 12, 1, 1, (int64_t[]){3}, (int64_t[]){4});
    one(&p, "expanded", "FloatStorage", 12, 11, 1, (int64_t[]){1000}, (int64_t[]){0});
    one(&p, "ones", "FloatStorage", 12, 3, 3, (int64_t[]){1, 2, 1}, (int64_t[]){77, 1, 99});
    one(&p, "scalar", "FloatStorage", 12, 11, 0, NULL, NULL);
    one(&p, "empty", "FloatStorage", 12, 12, 2, (int64_t[]){0, 5}, (int64_t[]){5, 1});
    one(&p, "parameter", "FloatStorage", 12, 0, 1, (int64_t[]){2}, (int64_t[]){1});
    bytes_text(&p, "u.");
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(open_pickle(&p, 48, &file, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(c.count, 9);
    const wts_tensor *all = wts_checkpoint_find(&c, "all"), *row = wts_checkpoint_find(&c, "row");
    cr_assert_eq((const char *)row->data - (const char *)all->data, 16);
    cr_assert_eq(row->bytes, 16);
    cr_assert_str_eq(all->dtype_name, "FloatStorage");
    static const struct {
        const char *name;
        size_t count, element[12]; /* which of the storage's */
    } copied[] = {{"transposed", 12, {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}}, {"column", 3, {1, 5, 9}}};
    float out[4];
    kern_table k = support_portable();
    for (int i = 0; i < 2; i++) {
        const wts_tensor *t = wts_checkpoint_find(&c, copied[i].name);
        cr_assert(t->contiguous && !t->mapped && t->bytes == 4 * copied[i].count, "%s", copied[i].name);
        for (size_t j = 0; j < copied[i].count; j++)
            cr_assert_eq(memcmp((const char *)t->data + 4 * j, (const char *)all->data + 4 * copied[i].element[j], 4), 0);
    }
    const wts_tensor *repeated = wts_checkpoint_find(&c, "expanded");
    cr_assert(!repeated->contiguous && !repeated->data);
    cr_assert_eq(wts_tensor_read_f32(repeated, &k, 0, 1, out, &err), ENG_E_UNSUPPORTED);
    cr_assert(strstr(err.message, "expanded") && strstr(err.message, "contiguous"), "%s", err.message);
    cr_assert(wts_checkpoint_find(&c, "ones")->contiguous);
    cr_assert_eq(wts_checkpoint_find(&c, "scalar")->count, 1);
    cr_assert_eq(wts_checkpoint_find(&c, "empty")->count, 0);
    cr_assert_eq(wts_tensor_read_f32(row, &k, 1, 1, out, &err), ENG_OK);
    cr_assert_eq(memcmp(out, "\x14\x15\x16\x17", 4), 0);
    wts_checkpoint_close(&c);
    bytes_free(&file);
}

Test(pickle, dtypes)
{
    static const struct {
        const char *storage;
        wts_dtype dtype;
        int64_t count; /* in 16 bytes */
    } rows[] = {
        {"FloatStorage", WTS_F32, 4}, {"HalfStorage", WTS_F16, 8}, {"BFloat16Storage", WTS_BF16, 8},
        {"DoubleStorage", WTS_F64, 2}, {"LongStorage", WTS_I64, 2}, {"IntStorage", WTS_I32, 4},
        {"ShortStorage", WTS_I16, 8}, {"CharStorage", WTS_I8, 16}, {"ByteStorage", WTS_U8, 16},
        {"BoolStorage", WTS_BOOL8, 16}, {"ComplexFloatStorage", WTS_OTHER, 2}, {"QInt8Storage", WTS_OTHER, 16},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bytes p = begin(), file;
        bytes_text(&p, "}(");
        one(&p, "t", rows[i].storage, rows[i].count, 1, 1, (int64_t[]){1}, (int64_t[]){1});
        bytes_text(&p, "u.");
        wts_checkpoint c;
        eng_error err = {0};
        cr_assert_eq(open_pickle(&p, 16, &file, &c, &err), ENG_OK, "%s", err.message);
        cr_assert_eq(c.tensors[0].dtype, rows[i].dtype, "%s", rows[i].storage);
        cr_assert_str_eq(c.tensors[0].dtype_name, rows[i].storage);
        wts_checkpoint_close(&c);
        bytes_free(&file);
    }
}

/* Protocol 4: frames, MEMOIZE, STACK_GLOBAL, short texts; a v3 tensor on an untyped storage. */
Test(pickle, newer_protocol)
{
    static const char pickle[] =
        "\x80\x04\x95\0\0\0\0\0\0\0\0}\x94(\x8c\x01t\x94\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v3\x94\x93\x94("
        "(\x8c\x07storage\x94\x8c\x0dtorch.storage\x94\x8c\x0eUntypedStorage\x94\x93\x94\x8c\x01"
        "0\x8c\x03"
        "cpuK\x10tQ"
        "K\x02K\x03\x85K\x01\x85\x89\x8c\x0b"
        "collections\x8c\x0bOrderedDict\x93)R\x8c\x05torch\x8c\x08"
        "bfloat16\x93tR\x94"
        "\x8c\x01p\x94\x8c\x0ctorch._utils\x8c\x12_rebuild_parameter\x93h\x09\x89}\x87Ru.";
    bytes p = {0}, file;
    bytes_add(&p, pickle, sizeof pickle - 1);
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(open_pickle(&p, 16, &file, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(c.count, 2);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(c.tensors[i].dtype, WTS_BF16);
        cr_assert_str_eq(c.tensors[i].dtype_name, "bfloat16");
        cr_assert_eq(c.tensors[i].bytes, 6);
        cr_assert_eq(memcmp(c.tensors[i].data, "\4\5\6\7\10\11", 6), 0);
    }
    cr_assert_str_eq(c.tensors[1].name, "p");
    wts_checkpoint_close(&c);
    bytes_free(&file);
}

static void add_tensor_member(bytes *p, const char *name)
{
    one(p, name, "FloatStorage", 1, 0, 1, (int64_t[]){1}, (int64_t[]){1});
}

/* A training script's checkpoint: weights in "model", beside them objects, numbers, an optimizer's state. */
Test(pickle, everything_else_is_stepped_over)
{
    bytes p = begin(), file;
    bytes_text(&p, "}(");
    pickle_text(&p, "args");
    pickle_global(&p, "argparse", "Namespace");
    bytes_text(&p, ")\x81}(");
    pickle_text(&p, "lr");
    bytes_add(&p, "G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc", 9); /* 0.001 */
    pickle_text(&p, "layers");
    bytes_text(&p, "](K\x01K\x02Ne");
    bytes_text(&p, "ub");
    pickle_text(&p, "optimizer");
    bytes_text(&p, "}(");
    pickle_int(&p, 7);
    bytes_text(&p, "}(");
    add_tensor_member(&p, "exp_avg");
    pickle_text(&p, "step");
    bytes_text(&p, "K\x05uu");
    pickle_text(&p, "rng");
    pickle_global(&p, "numpy.core.multiarray", "_reconstruct");
    pickle_global(&p, "numpy", "ndarray");
    bytes_text(&p, "K\x07\x85U\x01");
    bytes_text(&p, "b\x87R(K\x01K\x02tb");
    add_tensor_member(&p, "cuda_rng"); /* a stray tensor does not make the root the state dict */
    pickle_text(&p, "big");
    bytes_add(&p, "\x8a\x09\0\0\0\0\0\0\0\0\1", 11); /* 2^64 */
    pickle_text(&p, "negative");
    bytes_add(&p, "\x8a\x01\xff", 3);
    pickle_text(&p, "model");
    bytes_text(&p, "}(");
    add_tensor_member(&p, "w");
    pickle_text(&p, "quantised");
    pickle_global(&p, "torch._utils", "_rebuild_qtensor");
    bytes_text(&p, ")R");
    pickle_text(&p, "_extra_state");
    bytes_text(&p, "N");
    bytes_text(&p, "uu.");
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(open_pickle(&p, 4, &file, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(c.count, 2);
    cr_assert_str_eq(c.tensors[0].name, "w");
    cr_assert_eq(c.tensors[1].dtype, WTS_OTHER);
    cr_assert_str_eq(c.tensors[1].dtype_name, "_rebuild_qtensor");
    const wts_value *args = wts_value_get(c.extra, "args");
    cr_assert_eq(wts_value_get(args, "lr")->number, 0.001);
    cr_assert_eq(wts_value_get(args, "layers")->count, 3);
    const wts_value *state = wts_value_get(wts_value_get(c.extra, "optimizer"), "7");
    cr_assert(state && state->count == 1 && wts_value_get(state, "step")->integer == 5);
    cr_assert(!wts_value_get(c.extra, "rng") && !wts_value_get(c.extra, "model"));
    cr_assert(wts_value_get(c.extra, "big")->kind == WTS_FLOAT &&
              wts_value_get(c.extra, "big")->number == 18446744073709551616.0);
    cr_assert_eq(wts_value_get(c.extra, "negative")->integer, -1);
    wts_checkpoint_close(&c);
    bytes_free(&file);
}

Test(pickle, lies_about_tensors)
{
    static const struct {
        const char *storage;
        int64_t count, offset, shape, stride;
        const char *message;
    } rows[] = {
        {"FloatStorage", 4, 0, 5, 1, "beyond its storage"},
        {"FloatStorage", 4, 1, 4, 1, "beyond its storage"},
        {"FloatStorage", 4, 5, 0, 1, "beyond its storage"},
        {"FloatStorage", 4, 0, 4, 2, "beyond its storage"},
        {"FloatStorage", 3, 0, 3, 1, "not of the size"},
        {"FloatStorage", INT64_MAX, 0, 3, 1, "not of the size"},
        {"FloatStorage", -4, 0, 3, 1, "persistent id"},
        {"FloatStorage", 4, -1, 3, 1, "not torch's"},
        {"FloatStorage", 4, INT64_MAX, 1, 1, "beyond its storage"},
        {"FloatStorage", 4, 0, -1, 1, "not torch's"},
        {"FloatStorage", 4, 0, 1, -1, "not torch's"},
        {"FloatStorage", 4, 0, INT64_MAX, INT64_MAX, "overflow"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bytes p = begin();
        bytes_text(&p, "}(");
        one(&p, "t", rows[i].storage, rows[i].count, rows[i].offset, 1, &rows[i].shape, &rows[i].stride);
        bytes_text(&p, "u.");
        refuse(&p, 16, rows[i].message);
    }
    bytes p = begin();
    bytes_text(&p, "}(");
    pickle_text(&p, "t");
    pickle_tensor(&p, "FloatStorage", "1", 4, 0, 0, NULL, NULL);
    bytes_text(&p, "u.");
    refuse(&p, 16, "no record");
    p = begin();
    bytes_text(&p, "}(");
    one(&p, "t", "FloatStorage", 4, 0, 2, (int64_t[]){(int64_t)1 << 40, (int64_t)1 << 40}, (int64_t[]){0, 0});
    bytes_text(&p, "u.");
    refuse(&p, 16, "shape overflows");
    p = begin();
    bytes_text(&p, "}(");
    add_tensor_member(&p, "t");
    add_tensor_member(&p, "t");
    bytes_text(&p, "u.");
    refuse(&p, 4, "occurs twice");
}

Test(pickle, broken_pickles)
{
    static const struct {
        const char *pickle, *message;
    } rows[] = {
        {"\x80\x02", "without a STOP"},
        {"\x80\x07N.", "protocol"},
        {"\x80\x02.", "other than one value"},
        {"\x80\x02NN.", "other than one value"},
        {"\x80\x02(N.", "other than one value"},
        {"\x80\x02s.", "too little"},
        {"\x80\x02}(K\x01s.", "too little"},
        {"\x80\x02}(K\x01u.", "key without a value"},
        {"\x80\x02u.", "too little"},
        {"\x80\x02t.", "too little"},
        {"\x80\x02(u.", "too little"},
        {"\x80\x02\x87.", "too little"},
        {"\x80\x02" "0.", "too little"},
        {"\x80\x02" "2.", "too little"},
        {"\x80\x02R.", "too little"},
        {"\x80\x02NNR.", "no class"},
        {"\x80\x02" "ca\nb\nNR.", "not a tuple"},
        {"\x80\x02" "cab", "ends inside"},
        {"\x80\x02h\x05.", "never put"},
        {"\x80\x02Nr\xff\xff\xff\xff.", "out of range"},
        {"\x80\x02q\x01.", "too little"},
        {"\x80\x02X\xff\xff\xff\xff" "a.", "longer than the pickle"},
        {"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff" "a.", "longer than the pickle"},
        {"\x80\x02\x8b\xff\xff\xff\xff.", "negative length"},
        {"\x80\x02\x8a\x10\x01.", "ends inside"},
        {"\x80\x02J\x01", "ends inside"},
        {"\x80\x02NNa.", "cannot hold"},
        {"\x80\x02N\x85Q.", "persistent id"},
        {"\x80\x02NQ.", "persistent id"},
        {"\x80\x02I5\n.", "opcode 0x49"},
        {"\x80\x02\x82\x01.", "opcode 0x82"},
        {"\x80\x02\x97.", "opcode 0x97"},
        {"\x80\x02" "ctorch._utils\n_rebuild_tensor_v2\n)R.", "not torch's"},
        {"\x80\x02" "ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR.", "not torch's"},
        {"\x80\x02N.", "no dict of tensors"},
        {"\x80\x02}.", "no tensors"},
        {"\x80\x02" "cmy.module\nNet\n)\x81}b.", "my.module.Net"},
        {"\x80\x02" "cos\nsystem\nU\x04true\x85R.", "os.system"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bytes p = {0};
        bytes_text(&p, rows[i].pickle);
        refuse(&p, 4, rows[i].message);
    }
}

/* A cycle is cut where it closes; what is only shared stays. */
Test(pickle, cycles_and_sharing)
{
    bytes p = begin(), file;
    bytes_text(&p, "}q\1(");
    add_tensor_member(&p, "t");
    pickle_text(&p, "self");
    bytes_text(&p, "h\1");
    pickle_text(&p, "list");
    bytes_text(&p, "]q\2h\2a");
    pickle_text(&p, "twice");
    bytes_text(&p, "]q\3K\1a");
    pickle_text(&p, "again");
    bytes_text(&p, "h\3u.");
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(open_pickle(&p, 4, &file, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(c.count, 1);
    cr_assert_eq(c.extra->count, 3);
    cr_assert_eq(wts_value_get(c.extra, "list")->items[0].kind, WTS_NULL);
    cr_assert_eq(wts_value_get(c.extra, "again")->items[0].integer, 1);
    wts_checkpoint_close(&c);
    bytes_free(&file);
}

/* Every list holds the one before twice: 2^40 values when written out. */
Test(pickle, billion_laughs)
{
    bytes p = begin();
    bytes_text(&p, "}(");
    add_tensor_member(&p, "t");
    pickle_text(&p, "x");
    bytes_text(&p, "]");
    for (int i = 0; i < 40; i++) bytes_text(&p, "q\1](h\1h\1e");
    bytes_text(&p, "u.");
    refuse(&p, 4, "2^20 values");
    p = begin(); /* a text of 100 kB a million times */
    bytes_text(&p, "}(");
    add_tensor_member(&p, "t");
    pickle_text(&p, "x");
    bytes_text(&p, "](X");
    bytes_uint(&p, 100000, 4);
    for (int i = 0; i < 100000; i++) bytes_text(&p, "a");
    for (int i = 0; i < 100000; i++) bytes_text(&p, "2");
    bytes_text(&p, "eu.");
    refuse(&p, 4, "2^20 values");
}

Test(pickle, depth)
{
    for (int depth = 60; depth < 70; depth++) {
        bytes p = begin(), file;
        wts_checkpoint c;
        bytes_text(&p, "}(");
        add_tensor_member(&p, "t");
        pickle_text(&p, "x");
        for (int i = 0; i < depth; i++) bytes_text(&p, "]");
        for (int i = 1; i < depth; i++) bytes_text(&p, "a");
        bytes_text(&p, "u.");
        eng_error err = {0};
        eng_status status = open_pickle(&p, 4, &file, &c, &err);
        cr_assert_eq(status, depth < 64 ? ENG_OK : ENG_E_FORMAT, "%d: %s", depth, err.message);
        if (status == ENG_OK) wts_checkpoint_close(&c);
        bytes_free(&file);
    }
    static const char *const deep[] = {"(", "]", "}", "N\x85"}; /* and the machine itself does not recurse */
    for (int j = 0; j < 4; j++) {
        bytes p = begin();
        for (int i = 0; i < 1000000; i++) bytes_text(&p, deep[j]);
        refuse(&p, 4, "without a STOP");
    }
    bytes p = begin();
    bytes_text(&p, "}(");
    add_tensor_member(&p, "t");
    pickle_text(&p, "x");
    bytes_text(&p, ")");
    for (int i = 0; i < 1000000; i++) bytes_text(&p, "\x85");
    bytes_text(&p, "u.");
    refuse(&p, 4, "64 levels");
}

/* Small pickles, where most damage hits what matters. */
Test(pickle, damaged)
{
    kern_table k = support_portable();
    bytes p = begin();
    bytes_text(&p, "}q\1(");
    one(&p, "a", "FloatStorage", 4, 0, 2, (int64_t[]){2, 2}, (int64_t[]){2, 1});
    one(&p, "b", "FloatStorage", 4, 1, 1, (int64_t[]){2}, (int64_t[]){2});
    pickle_text(&p, "x");
    bytes_text(&p, "](K\1h\1N\x88]q\2K\3\x85" "2eu.");
    bytes file = file_torch(&p, 16);
    damage d = file_damage(&file, p.size + 40, 250, 3, 10000, &k);
    printf("%zu of %zu damaged files were still readable\n", d.accepted, d.cases);
    cr_assert(d.cases > 10000 && d.accepted < d.cases);
    bytes_free(&p);
    bytes_free(&file);
}
