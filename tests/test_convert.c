/* Converted models: what is loaded from panels computes the bits that the checkpoint gives in that precision, on
 * kernels that the panels were made for and on others; everything that can be wrong with such a folder is an error that
 * says so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/forward.h"
#include "model/save.h"
#include "tests/compare.h"
#include "tests/emotion_folder.h"
#include "tests/support.h"

enum { SAMPLES = 8000, MAX_LABELS = 16 };

static const eng_precision precisions[] = {ENG_F32, ENG_BF16, ENG_INT8};
static char report[512];

static void convert(support_engine *e, const kern_table *k, const char *path, eng_precision precision,
                    const char *folder)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load_to_convert(path, &precision, k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_model_save(m, folder, &err), ENG_OK, "%s", err.message);
    mdl_model_free(m);
}

static mdl_model *load(support_engine *e, const char *path, const eng_precision *precision)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(path, precision, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    return m;
}

/* ---- The same bits ---- */

typedef struct numbers {
    size_t count;
    float *x; /* the last hidden state, then the logits */
    size_t layers;
} numbers;

static void keep_last(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    numbers *n = arg;
    (void)batch;
    if (stage != MDL_STAGE_HIDDEN || index != n->layers) return;
    n->x = eng_alloc(x.rows * x.cols + MAX_LABELS, sizeof *n->x);
    for (size_t i = 0; i < x.rows; i++) memcpy(n->x + i * x.cols, eng_row(x, i), x.cols * sizeof *n->x);
    n->count = x.rows * x.cols;
}

static numbers run(support_engine *e, const mdl_model *m)
{
    numbers n = {.layers = m->config.layers};
    float logits[MAX_LABELS] = {0}, *wave = support_normal(3, SAMPLES, 0.1f);
    float *text = support_normal(4, m->config.text_size + 1, 1);
    mdl_input input = {wave, SAMPLES, m->config.female, text};
    mdl_observer observer = {keep_last, &n};
    eng_error err = {0};
    size_t labels = m->config.head == MDL_HEAD_NONE ? 0 : m->config.labels;
    cr_assert_leq(labels, MAX_LABELS);
    cr_assert_eq(mdl_forward(m, &e->ctx, 1, &input, logits, &observer, &err), ENG_OK, "%s", err.message);
    cr_assert_gt(n.count, 0);
    memcpy(n.x + n.count, logits, labels * sizeof *logits);
    n.count += labels;
    eng_free(wave), eng_free(text);
    return n;
}

static void expect_same(support_engine *e, const mdl_model *got, const mdl_model *want, const char *what)
{
    numbers a = run(e, got), b = run(e, want);
    cr_assert_eq(a.count, b.count);
    cr_assert(cmp_bits(a.x, b.x, a.count, report, sizeof report), "%s in %s: %s", what,
              eng_precision_name(want->precision), report);
    eng_free(a.x), eng_free(b.x);
}

/* path in every precision: for these kernels, for the scalar tier's narrow panels, and converted once more. */
static void check(const char *path)
{
    support_engine *e = support_engine_new(2);
    kern_table scalar;
    cr_assert(kern_table_fill(&scalar, KERN_TIER_SCALAR, e->ctx.k.caps));
    for (size_t p = 0; p < 3; p++) {
        char *direct = support_temporary(), *narrow = support_temporary(), *again = support_temporary();
        convert(e, &e->ctx.k, path, precisions[p], direct);
        convert(e, &scalar, path, precisions[p], narrow);
        convert(e, &e->ctx.k, narrow, precisions[p], again);
        mdl_model *want = load(e, path, &precisions[p]), *m = load(e, direct, NULL),
                  *n = load(e, narrow, &precisions[p]);
        mdl_model *o = load(e, again, NULL);
        cr_assert(m->precision == precisions[p] && n->precision == precisions[p] && o->precision == precisions[p]);
        cr_assert(!m->repacked && !o->repacked && n->repacked == (e->ctx.k.gemm_blocks.nr != scalar.gemm_blocks.nr));
        cr_assert(m->borrows, "%s: nothing is used in place", path);
        expect_same(e, m, want, path);
        expect_same(e, n, want, path);
        expect_same(e, o, want, path);
        mdl_model_free(want), mdl_model_free(m), mdl_model_free(n), mdl_model_free(o);
        support_remove(direct), support_remove(narrow), support_remove(again);
    }
    support_engine_free(e);
}

Test(convert, backbones)
{
    check(support_path("golden/large"));
    check(support_path("golden/base"));
    check(support_path("golden/base/wavlm_original.pt"));
}

Test(convert, heads)
{
    check(support_path("golden/hf_sequence_classification"));
    check(support_path("golden/odyssey"));
}

Test(convert, variants)
{
    check(support_path("golden/variants/odd_sizes"));
    check(support_path("golden/variants/group_norm_half"));
    check(support_path("golden/variants/odyssey_strided"));
    check(support_path("golden/variants/emotion_conditioned"));
    check(support_path("golden/variants/microsoft_no_projection/WavLM-Variant.pt"));
}

Test(convert, every_pooling)
{
    static const char *const poolings[] = {"std", "attention", "attentive_std"};
    for (size_t i = 0; i < 3; i++) {
        char *directory = support_temporary();
        wts_checkpoint ser;
        eng_error err = {0};
        cr_assert_eq(wts_checkpoint_open(support_path("golden/base/ser_%s.safetensors", poolings[i]), &ser, &err),
                     ENG_OK);
        cr_assert_eq(emotion_folder_write(directory, support_path("golden/base"), &ser, &err), ENG_OK, "%s",
                     err.message);
        wts_checkpoint_close(&ser);
        check(directory);
        support_remove(directory);
    }
}

/* ---- int8: the CNN and the positional convolution lie in f32 in the file, and run in bf16 where that is fast ---- */

enum { MAX_FILE = 1 << 20 };

static size_t read_weights(const char *directory, char *bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    size_t n = fread(bytes, 1, MAX_FILE, f);
    cr_assert(n > 0 && n < MAX_FILE);
    fclose(f);
    return n;
}

static void expect_precisions(const mdl_model *m, eng_precision convolutions)
{
    for (size_t i = 0; i < m->config.convs; i++) cr_assert_eq(m->conv[i].linear.w.packed.precision, convolutions);
    for (size_t g = 0; g < m->config.pos_groups; g++) cr_assert_eq(m->pos_conv[g].packed.precision, convolutions);
    cr_assert_eq(m->feature_projection.w.packed.precision, ENG_INT8);
    for (size_t i = 0; i < m->config.layers; i++) cr_assert_eq(m->layer[i].up.w.packed.precision, ENG_INT8);
}

Test(convert, int8_with_and_without_fast_bf16)
{
    static char files[2][MAX_FILE];
    const char *path = support_path("golden/large");
    size_t bytes[2];
    support_engine *e = support_engine_new(2);
    kern_table scalar;
    cr_assert(kern_table_fill(&scalar, KERN_TIER_SCALAR, 0));
    for (size_t fast = 0; fast < 2; fast++) {
        char *direct = support_temporary(), *narrow = support_temporary();
        e->ctx.k.bf16_is_fast = fast;
        convert(e, &e->ctx.k, path, ENG_INT8, direct);
        convert(e, &scalar, path, ENG_INT8, narrow);
        mdl_model *want = load(e, path, &precisions[2]), *m = load(e, direct, NULL), *n = load(e, narrow, NULL);
        expect_precisions(want, fast ? ENG_BF16 : ENG_F32);
        expect_precisions(m, fast ? ENG_BF16 : ENG_F32);
        expect_precisions(n, fast ? ENG_BF16 : ENG_F32);
        cr_assert(m->borrows && !m->repacked);
        expect_same(e, m, want, path);
        expect_same(e, n, want, path);
        bytes[fast] = read_weights(direct, files[fast]);
        mdl_model_free(want), mdl_model_free(m), mdl_model_free(n);
        support_remove(direct), support_remove(narrow);
    }
    cr_assert_eq(bytes[0], bytes[1]);
    cr_assert_eq(memcmp(files[0], files[1], bytes[0]), 0, "the file depends on the CPU that writes it");
    support_engine_free(e);
}

/* ---- What can be wrong ---- */

/* Replaces the first `from` in directory/name by `to`, of the same length. */
static void patch(const char *directory, const char *name, const char *from, const char *to)
{
    static char bytes[MAX_FILE];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f), length = strlen(from), at = 0;
    cr_assert(n < sizeof bytes && strlen(to) == length);
    while (at + length <= n && memcmp(bytes + at, from, length) != 0) at++;
    cr_assert_leq(at + length, n, "no %s in %s", from, path);
    cr_assert_eq(fseek(f, (long)at, SEEK_SET), 0);
    cr_assert_eq(fwrite(to, 1, length, f), length);
    cr_assert_eq(fclose(f), 0);
}

static void expect_refused(support_engine *e, const char *path, const eng_precision *precision, eng_status status,
                           const char *const *words)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(path, precision, &e->ctx.k, e->ctx.pool, &m, &err), status, "%s", err.message);
    cr_assert_null(m);
    for (; *words; words++) cr_assert(strstr(err.message, *words), "no \"%s\" in: %s", *words, err.message);
}

typedef struct damage {
    const char *file, *from, *to;
    eng_status status;
    const char *words[4];
} damage;

static const damage damages[] = {
    {"model.safetensors", "\"version\":\"1\"", "\"version\":\"9\"", ENG_E_UNSUPPORTED, {"version \"9\"", "expected 1"}},
    {"model.safetensors", "\"precision\":\"int8\"", "\"precision\":\"int4\"", ENG_E_FORMAT, {"int4", "bf16"}},
    {"model.safetensors", "\"panel_width\":\"8\"", "\"panel_width\":\"0\"", ENG_E_FORMAT, {"width \"0\""}},
    {"model.safetensors",
     "\"panel_width\":\"8\"",
     "\"panel_width\":\"4\"",
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

Test(convert, damaged_folders)
{
    support_engine *e = support_engine_new(1);
    kern_table scalar;
    cr_assert(kern_table_fill(&scalar, KERN_TIER_SCALAR, 0));
    size_t refused = 0;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const damage *d = &damages[i];
        char *folder = support_temporary();
        convert(e, &scalar, support_path("golden/large"), ENG_INT8, folder);
        patch(folder, d->file, d->from, d->to);
        expect_refused(e, folder, NULL, d->status, d->words);
        support_remove(folder);
        refused++;
    }
    cr_assert_eq(refused, 10);
    support_engine_free(e);
}

/* The converted file at `folder` with one tensor more, in front: every other one is unaligned then. */
static void add_tensor(const char *folder, const char *name)
{
    char path[1024];
    wts_checkpoint c;
    wts_panels panels;
    wts_panels_metadata metadata;
    wts_writer *w;
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_panels_read(&c, &panels, &err), ENG_OK);
    cr_assert(panels.present);
    wts_panels_describe(panels.precision, panels.width, &metadata);
    cr_assert_eq(wts_writer_open(path, c.count + 1, 1 << 16, metadata.pairs, &w, &err), ENG_OK, "%s", err.message);
    const signed char more[4] = {1, 2, 3, 4};
    cr_assert_eq(wts_writer_add(w, name, WTS_I8, 1, (size_t[]){4}, more, &err), ENG_OK);
    for (size_t i = 0; i < c.count; i++) {
        const wts_tensor *t = &c.tensors[i];
        cr_assert_eq(wts_writer_add(w, t->name, t->dtype, t->ndim, t->shape, t->data, &err), ENG_OK);
    }
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    wts_checkpoint_close(&c);
}

Test(convert, a_tensor_too_many)
{
    support_engine *e = support_engine_new(1);
    for (size_t p = 0; p < 3; p++) {
        char *folder = support_temporary();
        convert(e, &e->ctx.k, support_path("golden/large"), precisions[p], folder);
        add_tensor(folder, "one.too.many");
        expect_refused(e, folder, NULL, ENG_E_MISMATCH, (const char *const[]){"one.too.many", "no place", NULL});
        support_remove(folder);
    }
    support_engine_free(e);
}

/* A file that someone else wrote again may have its tensors anywhere. */
Test(convert, unaligned_tensors)
{
    support_engine *e = support_engine_new(2);
    for (size_t p = 0; p < 3; p++) {
        char *folder = support_temporary();
        convert(e, &e->ctx.k, support_path("golden/large"), precisions[p], folder);
        add_tensor(folder, "masked_spec_embed"); /* which may be there */
        mdl_model *want = load(e, support_path("golden/large"), &precisions[p]), *m = load(e, folder, NULL);
        cr_assert(!m->borrows && !m->repacked);
        expect_same(e, m, want, "unaligned");
        mdl_model_free(want), mdl_model_free(m);
        support_remove(folder);
    }
    support_engine_free(e);
}

Test(convert, another_precision_and_training)
{
    support_engine *e = support_engine_new(1);
    char *folder = support_temporary();
    convert(e, &e->ctx.k, support_path("golden/large"), ENG_INT8, folder);
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
