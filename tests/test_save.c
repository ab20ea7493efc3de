/* Saving a trainable model and loading what was written: the same class, names and bits; and the disk that is full. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/forward.h"
#include "model/save.h"
#include "tests/compare.h"
#include "tests/emotion_folder.h"
#include "tests/support.h"
#include "weights/checkpoint.h"

enum { LENGTH = 6000, MAX_NUMBERS = 1 << 17 };

static char report[512];

static mdl_model *load(const support_engine *e, const char *path, bool trainable)
{
    mdl_model *m = NULL;
    eng_error err = {0};
    eng_status status = trainable ? mdl_model_load_trainable(path, &e->ctx.k, e->ctx.pool, &m, &err)
                                  : mdl_model_load(path, &e->ctx.k, e->ctx.pool, &m, &err);
    cr_assert_eq(status, ENG_OK, "%s", err.message);
    return m;
}

/* Every stage's numbers and the logits, one after the other. */
typedef struct numbers {
    size_t count;
    float *x;
} numbers;

static void collect(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    (void)stage, (void)index, (void)batch;
    numbers *n = arg;
    cr_assert_leq(n->count + x.rows * x.cols, MAX_NUMBERS);
    for (size_t i = 0; i < x.rows; i++, n->count += x.cols)
        memcpy(n->x + n->count, eng_row(x, i), x.cols * sizeof *n->x);
}

static numbers run(support_engine *e, const mdl_model *m)
{
    numbers n = {0, eng_alloc(MAX_NUMBERS, sizeof(float))};
    float *wave = support_normal(7, LENGTH, 0.1f), *text = support_normal(8, 64, 1);
    float logits[64] = {0};
    mdl_input input = {.samples = wave, .count = LENGTH, .gender = 1, .text = text};
    mdl_observer observer = {collect, &n};
    eng_error err = {0};
    cr_assert_leq(m->config.labels, 64);
    cr_assert_eq(mdl_forward(m, &e->ctx, 1, &input, logits, &observer, &err), ENG_OK, "%s", err.message);
    memcpy(n.x + n.count, logits, m->config.labels * sizeof *logits);
    n.count += m->config.labels;
    eng_free(wave), eng_free(text);
    return n;
}

static void expect_same(numbers got, numbers want, double tol, const char *what)
{
    cr_assert_eq(got.count, want.count, "%s: %zu numbers, expected %zu", what, got.count, want.count);
    if (tol > 0) cr_assert(cmp_abs(got.x, want.x, want.count, tol, report, sizeof report), "%s: %s", what, report);
    else cr_assert(cmp_bits(got.x, want.x, want.count, report, sizeof report), "%s: %s", what, report);
}

static void expect_same_config(const mdl_config *got, const mdl_config *want)
{
    char *a = mdl_config_text(got), *b = mdl_config_text(want);
    cr_assert_str_eq(a, b);
    cr_assert_eq(got->head, want->head);
    cr_assert_eq(got->input, want->input);
    cr_assert_eq(got->input_mean, want->input_mean);
    cr_assert_eq(got->input_std, want->input_std);
    cr_assert_eq(got->regression, want->regression);
    eng_free(a), eng_free(b);
}

/* Loads path for training, saves it, loads that: for inference, and again for training. */
static void check_round_trip(const char *path)
{
    support_engine *e = support_engine_new(2);
    char *directory = support_temporary();
    eng_error err = {0};
    mdl_model *source = load(e, path, false), *trainable = load(e, path, true);
    cr_assert_eq(mdl_model_save(trainable, directory, &err), ENG_OK, "%s", err.message);
    mdl_model *saved = load(e, directory, false), *again = load(e, directory, true);
    expect_same_config(&saved->config, &trainable->config);

    numbers want = run(e, source), kept = run(e, trainable), got = run(e, saved), continued = run(e, again);
    expect_same(got, want, 0, path); /* the file holds the same weights */
    expect_same(continued, kept, 0, path);
    expect_same(got, kept, 0, path);

    cr_assert_eq(again->params.count, trainable->params.count);
    for (size_t i = 0; i < again->params.count; i++) {
        const mdl_param *p = &again->params.param[i], *q = mdl_params_find(&trainable->params, p->name);
        cr_assert_not_null(q, "%s", p->name);
        cr_assert(cmp_bits(p->data, q->data, p->count, report, sizeof report), "%s: %s", p->name, report);
    }
    eng_free(want.x), eng_free(kept.x), eng_free(got.x), eng_free(continued.x);
    mdl_model_free(source), mdl_model_free(trainable), mdl_model_free(saved), mdl_model_free(again);
    support_remove(directory);
    support_engine_free(e);
}

Test(save, large) { check_round_trip(support_path("golden/large")); }

Test(save, base) { check_round_trip(support_path("golden/base")); }

Test(save, sequence_classification) { check_round_trip(support_path("golden/hf_sequence_classification")); }

Test(save, odyssey) { check_round_trip(support_path("golden/odyssey")); }

Test(save, microsoft)
{
    check_round_trip(support_path("golden/large/wavlm_original.pt"));
    check_round_trip(support_path("golden/base/wavlm_original.pt"));
}

Test(save, odd_sizes)
{
    check_round_trip(support_path("golden/variants/odd_sizes"));
    check_round_trip(support_path("golden/variants/group_norm_half"));
    check_round_trip(support_path("golden/variants/odyssey_strided"));
    check_round_trip(support_path("golden/variants/emotion_conditioned"));
    check_round_trip(support_path("golden/variants/microsoft_no_projection/WavLM-Variant.pt"));
}

Test(save, every_pooling)
{
    static const char *const poolings[] = {"mean", "std", "attention", "attentive_std"};
    for (size_t i = 0; i < 4; i++) {
        char *directory = support_temporary();
        wts_checkpoint ser;
        eng_error err = {0};
        cr_assert_eq(wts_checkpoint_open(support_path("golden/base/ser_%s.safetensors", poolings[i]), &ser, &err), ENG_OK);
        cr_assert_eq(emotion_folder_write(directory, support_path("golden/base"), &ser, &err), ENG_OK, "%s", err.message);
        wts_checkpoint_close(&ser);
        check_round_trip(directory);
        support_remove(directory);
    }
}
