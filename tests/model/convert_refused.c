/* Everything that can be wrong with the folder of a converted model is an error that says so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/network/model.h"
#include "tests/support/converted.h"
#include "tests/support/files.h"
#include "tests/support/support.h"
#include "weights/panels.h"

static const eng_precision precisions[] = {ENG_F32, ENG_BF16, ENG_INT8};

/* Where text lies in the file, from a place on; NULL: nowhere. */
static unsigned char *find(const bytes *file, const unsigned char *from, const char *text)
{
    return memmem(from, (size_t)(file->data + file->size - from), text, strlen(text));
}

/* Replaces the first `from` in directory/name by `to`, of the same length. */
static void patch(const char *directory, const char *name, const char *from, const char *to)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    bytes file = bytes_read(path);
    unsigned char *at = find(&file, file.data, from);
    cr_assert(at && strlen(to) == strlen(from), "no %s in %s", from, path);
    memcpy(at, to, strlen(to));
    bytes_write(&file, path);
    bytes_free(&file);
}

static void expect_refused(support_engine *e, const char *path, const eng_precision *precision, eng_status status,
                           const char *const *words)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(path, precision, false, &e->ctx.k, e->ctx.pool, &m, &err), status, "%s", err.message);
    cr_assert_null(m);
    for (; *words; words++) cr_assert(strstr(err.message, *words), "no \"%s\" in: %s", *words, err.message);
}

typedef struct wrong_folder {
    const char *file, *from, *to;
    eng_status status;
    const char *words[4];
} wrong_folder;

static const wrong_folder wrong_folders[] = {
    {"model.safetensors", "\"version\":\"1\"", "\"version\":\"9\"", ENG_E_UNSUPPORTED, {"version \"9\"", "expected 1"}},
    {"model.safetensors", "\"precision\":\"int8\"", "\"precision\":\"int4\"", ENG_E_FORMAT, {"int4", "bf16"}},
    {"model.safetensors", "\"panel_width\":\"16\"", "\"panel_width\": \"0\"", ENG_E_FORMAT, {"width \"0\""}},
    {"model.safetensors",
     "\"panel_width\":\"16\"",
     "\"panel_width\": \"4\"",
     ENG_E_MISMATCH,
     {".panels is F32[", "expected ["}},
    {"model.safetensors",
     "layers.0.attention.qkv_proj.panels",
     "layers.0.attention.qkv_proj.panelz",
     ENG_E_MISSING,
     {"model.safetensors", "layers.0.attention.qkv_proj.panels"}},
    {"model.safetensors",
     "qkv_proj.scale\":{\"dtype\":\"F32\"",
     "qkv_proj.scale\":{\"dtype\":\"I32\"",
     ENG_E_MISMATCH,
     {"qkv_proj.scale is I32[", "int8"}},
    {"model.safetensors",
     "out_proj.correction\":{\"dtype\":\"I32\"",
     "out_proj.correction\":{\"dtype\":\"F32\"",
     ENG_E_MISMATCH,
     {"out_proj.correction is F32["}},
    {"config.json",
     "\"weight_precision\": \"int8\"",
     "\"weight_precision\": \"bf16\"",
     ENG_E_MISMATCH,
     {"int8", "bf16"}},
    {"config.json",
     "\"weight_precision\": \"int8\"",
     "\"weight_precisiom\": \"int8\"",
     ENG_E_MISMATCH,
     {"int8", "weight_precision is not there"}},
    {"config.json", "\"weight_precision\": \"int8\"", "\"weight_precision\": \"int4\"", ENG_E_UNSUPPORTED, {"int4"}},
};

Test(convert_refused, damaged_folders)
{
    support_engine *e = support_engine_new(1);
    kern_table portable;
    cr_assert(kern_table_fill(&portable, KERN_TIER_PORTABLE, 0));
    size_t refused = 0;
    for (size_t i = 0; i < sizeof wrong_folders / sizeof *wrong_folders; i++) {
        const wrong_folder *d = &wrong_folders[i];
        char *folder = support_temporary();
        converted_write(e, &portable, support_path("golden/large"), ENG_INT8, folder);
        patch(folder, d->file, d->from, d->to);
        expect_refused(e, folder, NULL, d->status, d->words);
        support_remove(folder);
        refused++;
    }
    cr_assert_eq(refused, 10);
    support_engine_free(e);
}

Test(convert_refused, a_tensor_too_many)
{
    support_engine *e = support_engine_new(1);
    for (size_t p = 0; p < 3; p++) {
        char *folder = support_temporary();
        converted_write(e, &e->ctx.k, support_path("golden/large"), precisions[p], folder);
        converted_add_tensor(folder, "one.too.many");
        expect_refused(e, folder, NULL, ENG_E_MISMATCH, (const char *const[]){"one.too.many", "no place", NULL});
        support_remove(folder);
    }
    support_engine_free(e);
}

Test(convert_refused, another_precision_and_training)
{
    support_engine *e = support_engine_new(1);
    char *folder = support_temporary();
    converted_write(e, &e->ctx.k, support_path("golden/large"), ENG_INT8, folder);
    expect_refused(e, folder, &precisions[1], ENG_E_MISMATCH, (const char *const[]){"int8", "bf16", folder, NULL});
    expect_refused(e, folder, &precisions[0], ENG_E_MISMATCH, (const char *const[]){"int8", "f32", folder, NULL});
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load_trainable(folder, &e->ctx.k, e->ctx.pool, &m, &err), ENG_E_UNSUPPORTED);
    cr_assert_null(m);
    cr_assert(strstr(err.message, "int8") && strstr(err.message, "trained"), "%s", err.message);
    support_remove(folder);
    support_engine_free(e);
}

/* ---- Every tensor ---- */

/* Replaces bytes of the header; spaces at its end make up for another length. */
static void edit(bytes *file, unsigned char *at, size_t old, const char *with)
{
    size_t header = 0, n = strlen(with);
    for (size_t i = 8; i-- > 0;) header = header << 8 | file->data[i];
    unsigned char *end = file->data + 8 + header;
    for (size_t i = old; i < n; i++) cr_assert_eq(*--end, ' ', "no room in the header");
    memmove(at + n, at + old, (size_t)(end - at) - old);
    memcpy(at, with, n);
    for (size_t i = n; i < old; i++) end[i - old] = ' ';
}

typedef enum lie { RENAMED, RETYPED, RESHAPED, LIES } lie;

/* Lets the entry of a tensor, whose name ends at a place in the header, lie. */
static void tell(bytes *file, unsigned char *name_end, lie what)
{
    static const char *const dtypes[][2] = {{"F32", "I32"}, {"I32", "F32"}, {"I8", "U8"}, {"BF16", "F16"}};
    unsigned char *dtype = find(file, name_end, "dtype\":\"") + 8, *shape = find(file, dtype, "shape\":[") + 8;
    size_t size = (size_t)(find(file, shape, "]") - shape), last = size;
    char text[128];
    if (what == RENAMED) name_end[-1] = '_';
    if (what == RETYPED) {
        size_t i = 0;
        while (i < 4 && memcmp(dtype, dtypes[i][0], strlen(dtypes[i][0])) != 0) i++;
        cr_assert_lt(i, 4, "no other dtype is known for %.8s", (const char *)dtype);
        edit(file, dtype, strlen(dtypes[i][0]), dtypes[i][1]);
    }
    if (what != RESHAPED) return;
    while (last && shape[last - 1] != ',') last--;
    if (last)
        snprintf(text, sizeof text, "%.*s,%.*s", (int)(size - last), shape + last, (int)last - 1, shape);
    else
        snprintf(text, sizeof text, "1,%.*s", (int)size, shape);
    cr_assert_neq(memcmp(text, shape, size), 0);
    edit(file, shape, size, text);
}

/* A converted model each of whose tensors is called otherwise, of another dtype of the same size, and of another shape
 * with as many elements, one at a time. */
static void check_lies(support_engine *e, const char *folder)
{
    static const eng_status status[LIES] = {ENG_E_MISSING, ENG_E_MISMATCH, ENG_E_MISMATCH};
    static const char name_end[] = "\":{\"dtype\":\"";
    char path[1024], name[256];
    size_t refused = 0, tensors = 0;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    bytes whole = bytes_read(path);
    for (unsigned char *at = whole.data; (at = find(&whole, at, name_end)); at++, tensors++) {
        const unsigned char *begin = at;
        while (begin[-1] != '"') begin--;
        snprintf(name, sizeof name, "%.*s", (int)(at - begin), begin);
        bool vector = !strstr(name, ".panels") && !strstr(name, ".scale") && !strstr(name, ".correction");
        bool mark = strstr(name, "layers.0.attention.gru_rel_pos_linear.weight"); /* by which WavLM is known */
        for (lie what = 0; what < LIES; what++, refused++) {
            bytes copy = {0};
            bytes_add(&copy, whole.data, whole.size);
            tell(&copy, copy.data + (at - whole.data), what);
            bytes_write(&copy, path);
            bytes_free(&copy);
            bool unknown = mark && what == RENAMED, other = unknown || (vector && what == RETYPED);
            expect_refused(e, folder, NULL, other ? ENG_E_UNSUPPORTED : status[what],
                           (const char *const[]){path, unknown ? "not a checkpoint" : name, NULL});
        }
    }
    bytes_write(&whole, path);
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(folder, NULL, false, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    mdl_model_free(m);
    cr_assert(tensors > 60 && refused == LIES * tensors, "%zu tensors, %zu times refused", tensors, refused);
    bytes_free(&whole);
}

Test(convert_refused, every_tensor_lies)
{
    support_engine *e = support_engine_new(1);
    for (size_t p = 0; p < 3; p++) {
        char *folder = support_temporary();
        converted_write(e, &e->ctx.k, support_path("golden/hf_sequence_classification"), precisions[p], folder);
        check_lies(e, folder);
        support_remove(folder);
    }
    support_engine_free(e);
}

/* ---- Deeper than integers add up ---- */

enum { DEEP = 65540 };

typedef struct other_tensor {
    const char *name; /* its end */
    wts_dtype dtype;
    size_t ndim, shape[4];
} other_tensor;

/* The model at from in folder, which may be the same, with a first layer that is DEEP, of zeros. */
static void deepen(const char *from, const char *folder, const other_tensor *others, size_t count)
{
    char path[1024], to[1024];
    wts_checkpoint c;
    wts_writer *w;
    wts_panels panels;
    wts_panels_metadata metadata;
    eng_error err = {0};
    float *zeros = eng_alloc_zero((size_t)DEEP * 48, sizeof *zeros);
    size_t replaced = 0;
    snprintf(path, sizeof path, "%s/config.json", from);
    snprintf(to, sizeof to, "%s/config.json", folder);
    bytes config = bytes_read(path);
    bytes_write(&config, to);
    bytes_free(&config);
    patch(folder, "config.json", ",\n  \"intermediate_size\": 96", ",\"intermediate_size\": 65540");
    snprintf(path, sizeof path, "%s/model.safetensors", from);
    snprintf(to, sizeof to, "%s/model.safetensors", folder);
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_panels_read(&c, &panels, &err), ENG_OK);
    if (panels.present) wts_panels_describe(panels.precision, panels.width, &metadata);
    cr_assert_eq(wts_writer_open(to, c.count, 1 << 16, panels.present ? metadata.pairs : NULL, &w, &err), ENG_OK);
    for (size_t i = 0; i < c.count; i++) {
        const wts_tensor *t = &c.tensors[i];
        const other_tensor *o = NULL;
        for (size_t j = 0; j < count && !o; j++)
            if (strstr(t->name, others[j].name)) o = &others[j];
        replaced += o != NULL;
        cr_assert_eq(o ? wts_writer_add(w, t->name, o->dtype, o->ndim, o->shape, zeros, &err)
                       : wts_writer_add(w, t->name, t->dtype, t->ndim, t->shape, t->data, &err),
                     ENG_OK);
    }
    cr_assert_eq(replaced, count);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    wts_checkpoint_close(&c);
    eng_free(zeros);
}

Test(convert_refused, int8_of_a_great_depth)
{
    static const other_tensor converted[] = {
        {"layers.0.feed_forward.intermediate_dense.panels", WTS_I8, 4, {4097, 12, 16, 4}},
        {"layers.0.feed_forward.intermediate_dense.scale", WTS_F32, 1, {65552}},
        {"layers.0.feed_forward.intermediate_dense.correction", WTS_I32, 1, {65552}},
        {"layers.0.feed_forward.intermediate_dense.bias", WTS_F32, 1, {DEEP}},
        {"layers.0.feed_forward.output_dense.panels", WTS_I8, 4, {3, 16385, 16, 4}},
    };
    static const other_tensor plain[] = {
        {"layers.0.feed_forward.intermediate_dense.weight", WTS_BF16, 2, {DEEP, 48}},
        {"layers.0.feed_forward.intermediate_dense.bias", WTS_F32, 1, {DEEP}},
        {"layers.0.feed_forward.output_dense.weight", WTS_BF16, 2, {48, DEEP}},
    };
    support_engine *e = support_engine_new(1);
    kern_table portable;
    cr_assert(kern_table_fill(&portable, KERN_TIER_PORTABLE, 0));
    char *folder = support_temporary(), *other = support_temporary();
    converted_write(e, &portable, support_path("golden/large"), ENG_INT8, folder);
    deepen(folder, folder, converted, sizeof converted / sizeof *converted);
    expect_refused(e, folder, NULL, ENG_E_UNSUPPORTED,
                   (const char *const[]){folder, "output_dense.panels", "48 x 65540", "65536", NULL});
    deepen(support_path("golden/large"), other, plain, sizeof plain / sizeof *plain);
    expect_refused(e, other, &precisions[2], ENG_E_UNSUPPORTED,
                   (const char *const[]){other, "48 x 65540", "65536", NULL});
    support_remove(folder), support_remove(other);
    support_engine_free(e);
}
