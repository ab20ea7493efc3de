/* Converted models: what is loaded from panels computes the bits that the checkpoint gives in that precision, on
 * kernels that the panels were made for and on others. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/network/forward.h"
#include "tests/support/compare.h"
#include "tests/support/converted.h"
#include "tests/support/emotion_folder.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

enum { SAMPLES = 8000, MAX_LABELS = 16 };

static const eng_precision precisions[] = {ENG_F32, ENG_BF16, ENG_INT8};
static char report[512];

static mdl_model *load_allowing(support_engine *e, const char *path, const eng_precision *precision, bool bf16)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(path, precision, bf16, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    return m;
}

static mdl_model *load(support_engine *e, const char *path, const eng_precision *precision)
{
    return load_allowing(e, path, precision, false);
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

/* path in every precision: for these kernels, for the portable tier's narrow panels, and converted once more. */
static void check(const char *path)
{
    support_engine *e = support_engine_new(2);
    kern_table portable;
    cr_assert(kern_table_fill(&portable, KERN_TIER_PORTABLE, e->ctx.k.caps));
    for (size_t p = 0; p < 3; p++) {
        char *direct = support_temporary(), *narrow = support_temporary(), *again = support_temporary();
        converted_write(e, &e->ctx.k, path, precisions[p], direct);
        converted_write(e, &portable, path, precisions[p], narrow);
        converted_write(e, &e->ctx.k, narrow, precisions[p], again);
        mdl_model *want = load(e, path, &precisions[p]), *m = load(e, direct, NULL),
                  *n = load(e, narrow, &precisions[p]);
        mdl_model *o = load(e, again, NULL);
        cr_assert(m->precision == precisions[p] && n->precision == precisions[p] && o->precision == precisions[p]);
        cr_assert(!m->repacked && !o->repacked && n->repacked == (e->ctx.k.gemm_blocks.nr != portable.gemm_blocks.nr));
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

/* A file that someone else wrote again may have its tensors anywhere. */
Test(convert, unaligned_tensors)
{
    support_engine *e = support_engine_new(2);
    for (size_t p = 0; p < 3; p++) {
        char *folder = support_temporary();
        converted_write(e, &e->ctx.k, support_path("golden/large"), precisions[p], folder);
        converted_add_tensor(folder, "masked_spec_embed"); /* which may be there */
        mdl_model *want = load(e, support_path("golden/large"), &precisions[p]), *m = load(e, folder, NULL);
        cr_assert(!m->borrows && !m->repacked);
        expect_same(e, m, want, "unaligned");
        mdl_model_free(want), mdl_model_free(m);
        support_remove(folder);
    }
    support_engine_free(e);
}

/* ---- int8: the CNN and the positional convolution lie in f32 in the file, and run in bf16 where that is fast and allowed ---- */

static bytes read_weights(const char *directory)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    return bytes_read(path);
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
    enum { FAST = 1, ALLOWED = 2, CASES = 4 };
    const char *path = support_path("golden/large");
    bytes file[CASES];
    support_engine *e = support_engine_new(2);
    kern_table portable;
    cr_assert(kern_table_fill(&portable, KERN_TIER_PORTABLE, 0));
    for (size_t i = 0; i < CASES; i++) {
        const bool allowed = i & ALLOWED;
        const eng_precision wanted = i == (FAST | ALLOWED) ? ENG_BF16 : ENG_F32;
        char *direct = support_temporary(), *narrow = support_temporary();
        e->ctx.k.bf16_is_fast = i & FAST;
        converted_write(e, &e->ctx.k, path, ENG_INT8, direct);
        converted_write(e, &portable, path, ENG_INT8, narrow);
        mdl_model *want = load_allowing(e, path, &precisions[2], allowed);
        mdl_model *m = load_allowing(e, direct, NULL, allowed), *n = load_allowing(e, narrow, NULL, allowed);
        expect_precisions(want, wanted);
        expect_precisions(m, wanted);
        expect_precisions(n, wanted);
        cr_assert(m->borrows && !m->repacked);
        expect_same(e, m, want, path);
        expect_same(e, n, want, path);
        file[i] = read_weights(direct);
        mdl_model_free(want), mdl_model_free(m), mdl_model_free(n);
        support_remove(direct), support_remove(narrow);
    }
    for (size_t i = 1; i < CASES; i++) {
        cr_assert_eq(file[0].size, file[i].size);
        cr_assert_eq(memcmp(file[0].data, file[i].data, file[0].size), 0, "the file depends on the CPU that writes it");
    }
    for (size_t i = 0; i < CASES; i++) bytes_free(&file[i]);
    support_engine_free(e);
}
