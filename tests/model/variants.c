/* Sizes and switches that the released models do not have (tests/golden/variants/README.md), on every tier. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/network/forward.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

static char report[512];

/* Tensor "n.name" as f32; NULL when there is none. Free with eng_free. */
static float *read_numbers(const wts_checkpoint *c, size_t n, const char *name, size_t *count)
{
    char full[64];
    snprintf(full, sizeof full, "%zu.%s", n, name);
    const wts_tensor *t = wts_checkpoint_find(c, full);
    if (!t) return NULL;
    kern_table k = support_table();
    float *x = eng_alloc(t->count, sizeof *x);
    cr_assert_not_null(x);
    cr_assert_eq(wts_tensor_read_f32(t, &k, 0, t->count, x, NULL), ENG_OK);
    *count = t->count;
    return x;
}

typedef struct comparison {
    const float *want; /* hidden_states of the utterance */
    size_t count, seen;
} comparison;

static void compare_state(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    comparison *c = arg;
    if (stage != MDL_STAGE_HIDDEN) return;
    cr_assert(batch.n == 1 && index * x.rows * x.cols == c->seen);
    cr_assert_leq(c->seen + x.rows * x.cols, c->count, "[%zu, %zu] is more than expected", x.rows, x.cols);
    for (size_t i = 0; i < x.rows; i++, c->seen += x.cols)
        cr_assert(cmp_abs(eng_row(x, i), c->want + c->seen, x.cols, 1e-4, report, sizeof report), "state %zu, frame %zu: %s",
                  index, i, report);
}

/* One utterance alone: hidden states and logits. False when there is no such. */
static bool check_utterance(const mdl_model *m, support_engine *e, const wts_checkpoint *golden, size_t n)
{
    enum { LABELS = 16 };
    size_t count, text_count = 0;
    float logits[LABELS], *wave = read_numbers(golden, n, "waveform", &count);
    if (!wave) return false;
    mdl_input input = {.samples = wave, .count = count};
    char name[32];
    snprintf(name, sizeof name, "%zu.gender", n);
    const wts_tensor *gender = wts_checkpoint_find(golden, name);
    if (gender) input.gender = *(const char *)gender->data ? m->config.male : m->config.female;
    float *text = read_numbers(golden, n, "text", &text_count);
    cr_assert_eq(text_count, m->config.text_size);
    input.text = text;

    comparison c = {0};
    float *states = read_numbers(golden, n, "hidden_states", &c.count);
    c.want = states;
    mdl_observer observer = {compare_state, &c};
    eng_error err = {0};
    cr_assert_leq(m->config.labels, LABELS);
    cr_assert_eq(mdl_forward(m, &e->ctx, 1, &input, logits, &observer, &err), ENG_OK, "%s", err.message);
    cr_assert(c.count > 0 && c.seen == c.count, "%zu of %zu numbers seen", c.seen, c.count);
    float *want = read_numbers(golden, n, "logits", &count);
    cr_assert_eq(want != NULL, m->config.head != MDL_HEAD_NONE);
    if (want) {
        cr_assert_eq(count, m->config.labels);
        cr_assert(cmp_abs(logits, want, count, 1e-4, report, sizeof report), "logits of %zu: %s", n, report);
    }
    eng_free(wave), eng_free(text), eng_free(states), eng_free(want);
    return true;
}

static void check(const char *name)
{
    support_engine *e = support_engine_new(2);
    wts_checkpoint golden;
    mdl_model *m;
    eng_error err = {0};
    const char *folder = support_path("golden/variants/%s", name);
    cr_assert_eq(wts_checkpoint_open(support_path("golden/variants/%s/expected.safetensors", name), &golden, &err), ENG_OK,
                 "%s", err.message);
    /* expected.safetensors lies beside a checkpoint of any name: the file is given, not the folder */
    static const char *const files[] = {"model.safetensors", "pytorch_model.bin", "WavLM-Variant.pt"};
    eng_status status = ENG_E_MISSING;
    for (size_t i = 0; i < sizeof files / sizeof *files && status == ENG_E_MISSING; i++)
        status = mdl_model_load(support_path("golden/variants/%s/%s", name, files[i]), NULL, false, &e->ctx.k, e->ctx.pool, &m, &err);
    cr_assert_eq(status, ENG_OK, "%s: %s", folder, err.message);
    size_t n = 0;
    while (check_utterance(m, e, &golden, n)) n++;
    cr_assert_geq(n, 2, "%s: %zu waveforms", name, n);
    mdl_model_free(m);
    wts_checkpoint_close(&golden);
    support_engine_free(e);
}

Test(variants, odd_sizes) { check("odd_sizes"); }

Test(variants, group_norm_half) { check("group_norm_half"); }

Test(variants, odyssey_strided) { check("odyssey_strided"); }

Test(variants, microsoft_no_projection) { check("microsoft_no_projection"); }

Test(variants, emotion_conditioned) { check("emotion_conditioned"); }
