/* The model against the reference implementations' numbers (tests/golden/README.md): every container and layout, on every
 * tier; and the promise that an utterance's bits depend neither on its batch nor on the number of threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/network/forward.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

static char report[512];

/* ---- A golden file's tensors ---- */

static wts_checkpoint golden_open(const char *path)
{
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    return c;
}

/* Tensor "N.name" as f32; NULL when there is none. Free with eng_free. */
static float *golden_read(const wts_checkpoint *c, size_t n, const char *name, size_t *count)
{
    char full[128];
    snprintf(full, sizeof full, "%zu.%s", n, name);
    const wts_tensor *t = wts_checkpoint_find(c, full);
    if (!t) return NULL;
    kern_table k = support_table();
    float *x = eng_alloc(t->count, sizeof *x);
    cr_assert_eq(wts_tensor_read_f32(t, &k, 0, t->count, x, NULL), ENG_OK);
    *count = t->count;
    return x;
}

static mdl_model *load(const support_engine *e, const char *path, eng_precision precision)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(path, &precision, false, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(m->precision, precision);
    return m;
}

/* ---- Hidden states ---- */

enum { MAX_STATES = 8, MAX_BATCH = 8 };

/* Everything an observer sees, copied. */
typedef struct recording {
    float *conv, *projected, *hidden; /* hidden: [states] of [frames, width], one after the other */
    size_t frames, channels, width, states;
    size_t offset[MAX_BATCH + 1];
} recording;

static float *copy_rows(eng_tensor x)
{
    float *out = eng_alloc(x.rows * x.cols, sizeof *out);
    for (size_t i = 0; i < x.rows; i++) memcpy(out + i * x.cols, eng_row(x, i), x.cols * sizeof *out);
    return out;
}

static void record(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    recording *r = arg;
    memcpy(r->offset, batch.offset, (batch.n + 1) * sizeof *r->offset);
    r->frames = x.rows;
    if (stage == MDL_STAGE_CONV) {
        r->conv = copy_rows(x);
        r->channels = x.cols;
    } else if (stage == MDL_STAGE_PROJECTED) {
        r->projected = copy_rows(x);
        r->width = x.cols;
    } else {
        if (!r->hidden) r->hidden = eng_alloc(MAX_STATES * x.rows * x.cols, sizeof(float));
        cr_assert_lt(index, MAX_STATES);
        r->states = index + 1;
        for (size_t i = 0; i < x.rows; i++)
            memcpy(r->hidden + (index * x.rows + i) * x.cols, eng_row(x, i), x.cols * sizeof(float));
    }
}

static recording run(const mdl_model *m, support_engine *e, size_t n, const mdl_input *inputs)
{
    recording r = {0};
    mdl_observer observer = {record, &r};
    eng_error err = {0};
    float logits[MAX_BATCH * 16];
    cr_assert_eq(mdl_forward(m, &e->ctx, n, inputs, logits, &observer, &err), ENG_OK, "%s", err.message);
    cr_assert(r.conv && r.projected && r.hidden && r.states == m->config.layers + 1);
    return r;
}

static void recording_free(recording *r)
{
    eng_free(r->conv), eng_free(r->projected), eng_free(r->hidden);
}

static void expect(const wts_checkpoint *golden, size_t n, const char *name, const float *got, size_t count, double tol)
{
    size_t want_count = 0;
    float *want = golden_read(golden, n, name, &want_count);
    if (!want && strcmp(name, "hidden_states") != 0) return; /* forward_original holds hidden states only */
    cr_assert_not_null(want, "no %zu.%s", n, name);
    cr_assert_eq(count, want_count, "%zu.%s has %zu numbers, got %zu", n, name, want_count, count);
    cr_assert(cmp_abs(got, want, count, tol, report, sizeof report), "%zu.%s: %s", n, name, report);
    eng_free(want);
}

static void check_forward(const char *model, const char *golden_path)
{
    support_engine *e = support_engine_new(2);
    wts_checkpoint golden = golden_open(golden_path);
    mdl_model *m = load(e, model, ENG_F32);
    size_t n = 0, samples;
    float *wave;
    for (; (wave = golden_read(&golden, n, "waveform", &samples)); n++) {
        mdl_input input = {.samples = wave, .count = samples};
        recording r = run(m, e, 1, &input);
        expect(&golden, n, "conv_features", r.conv, r.frames * r.channels, 1e-4);
        expect(&golden, n, "projected_features", r.projected, r.frames * r.width, 1e-4);
        expect(&golden, n, "hidden_states", r.hidden, r.states * r.frames * r.width, 1e-4);
        recording_free(&r);
        eng_free(wave);
    }
    cr_assert_geq(n, 2, "%s: %zu waveforms", golden_path, n);
    mdl_model_free(m);
    wts_checkpoint_close(&golden);
    support_engine_free(e);
}

static void check_backbone(const char *name)
{
    check_forward(support_path("golden/%s", name), support_path("golden/%s/forward.safetensors", name));
    check_forward(support_path("golden/%s/pytorch_model.bin", name), support_path("golden/%s/forward.safetensors", name));
    check_forward(support_path("golden/%s/wavlm_original.pt", name),
                  support_path("golden/%s/forward_original.safetensors", name));
}

Test(golden, large) { check_backbone("large"); }

Test(golden, base) { check_backbone("base"); }

/* ---- Logits of the published heads ---- */

static void check_head(const char *name)
{
    support_engine *e = support_engine_new(2);
    wts_checkpoint golden = golden_open(support_path("golden/%s/expected.safetensors", name));
    mdl_model *m = load(e, support_path("golden/%s", name), ENG_F32);
    mdl_input inputs[MAX_BATCH];
    float logits[MAX_BATCH * 16];
    size_t n = 0, labels = m->config.labels;
    for (float *wave; n < MAX_BATCH && (wave = golden_read(&golden, n, "waveform", &inputs[n].count)); n++)
        inputs[n].samples = wave;
    cr_assert_geq(n, 2);
    eng_error err = {0};
    cr_assert_eq(mdl_forward(m, &e->ctx, n, inputs, logits, NULL, &err), ENG_OK, "%s", err.message);
    for (size_t u = 0; u < n; u++) {
        expect(&golden, u, "logits", logits + u * labels, labels, 1e-4);
        size_t count;
        float *want = golden_read(&golden, u, "logits", &count);
        cr_assert(cmp_abs(logits + u * labels, want, count, 1e-4, report, sizeof report), "%s %zu: %s", name, u, report);
        eng_free(want);
        eng_free((void *)(uintptr_t)inputs[u].samples);
    }
    mdl_model_free(m);
    wts_checkpoint_close(&golden);
    support_engine_free(e);
}

Test(golden, hf_sequence_classification) { check_head("hf_sequence_classification"); }

Test(golden, odyssey) { check_head("odyssey"); }

/* ---- The same bits in any batch, on any number of threads ---- */

static void check_invariance(const char *name, eng_precision precision)
{
    support_engine *one = support_engine_new(1), *two = support_engine_new(2), *three = support_engine_new(3);
    wts_checkpoint golden = golden_open(support_path("golden/%s/forward.safetensors", name));
    mdl_model *m = load(one, support_path("golden/%s", name), precision);
    mdl_input inputs[4];
    recording alone[4];
    for (size_t i = 0; i < 4; i++) {
        float *wave = golden_read(&golden, i, "waveform", &inputs[i].count);
        cr_assert_not_null(wave);
        inputs[i].samples = wave;
        alone[i] = run(m, one, 1, &inputs[i]);
    }
    static const size_t orders[][5] = {{0, 1, 2, 3, 3}, {3, 2, 1, 0, 2}, {2, 2, 3, 1, 0}};
    support_engine *engines[] = {one, two, three};
    for (size_t o = 0; o < 9; o++) {
        const size_t *order = orders[o / 3];
        mdl_input batch[5];
        for (size_t i = 0; i < 5; i++) batch[i] = inputs[order[i]];
        recording r = run(m, engines[o % 3], 5, batch);
        for (size_t i = 0; i < 5; i++) {
            const recording *want = &alone[order[i]];
            cr_assert_eq(r.offset[i + 1] - r.offset[i], want->frames);
            for (size_t s = 0; s < r.states; s++)
                cr_assert(cmp_bits(r.hidden + (s * r.frames + r.offset[i]) * r.width,
                                   want->hidden + s * want->frames * r.width, want->frames * r.width, report,
                                   sizeof report),
                          "order %zu, threads %zu, utterance %zu, state %zu: %s", o / 3, o % 3, i, s, report);
        }
        recording_free(&r);
    }
    for (size_t i = 0; i < 4; i++) {
        recording_free(&alone[i]);
        eng_free((void *)(uintptr_t)inputs[i].samples);
    }
    mdl_model_free(m);
    wts_checkpoint_close(&golden);
    support_engine_free(one), support_engine_free(two), support_engine_free(three);
}

Test(invariance, large) { check_invariance("large", ENG_F32); }

Test(invariance, large_bf16) { check_invariance("large", ENG_BF16); }

Test(invariance, large_int8) { check_invariance("large", ENG_INT8); }

Test(invariance, base) { check_invariance("base", ENG_F32); }

Test(invariance, base_bf16) { check_invariance("base", ENG_BF16); }

Test(invariance, base_int8) { check_invariance("base", ENG_INT8); }

/* ---- Fewer bits: other numbers, not far away ---- */

static double cosine(size_t n, const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Every frame of every hidden state of every waveform: its angle to what f32 makes of it. */
static void check_precision(const char *name, eng_precision precision, double least)
{
    support_engine *e = support_engine_new(2);
    wts_checkpoint golden = golden_open(support_path("golden/%s/forward.safetensors", name));
    mdl_model *exact = load(e, support_path("golden/%s", name), ENG_F32);
    mdl_model *m = load(e, support_path("golden/%s", name), precision);
    float *wave;
    size_t n = 0, samples;
    for (; (wave = golden_read(&golden, n, "waveform", &samples)); n++) {
        mdl_input input = {.samples = wave, .count = samples};
        recording want = run(exact, e, 1, &input), got = run(m, e, 1, &input);
        cr_assert(got.frames == want.frames && got.states == want.states && got.frames > 0);
        for (size_t s = 0; s < got.states; s++) {
            const size_t at = s * got.frames * got.width;
            cr_assert(!cmp_bits(got.hidden + at, want.hidden + at, got.frames * got.width, report, sizeof report),
                      "%s %s, waveform %zu, state %zu: as in f32", name, eng_precision_name(precision), n, s);
            for (size_t t = 0; t < got.frames; t++) {
                const double c = cosine(got.width, got.hidden + at + t * got.width, want.hidden + at + t * got.width);
                cr_assert(c >= least, "%s %s, waveform %zu, state %zu, frame %zu: cosine %g", name,
                          eng_precision_name(precision), n, s, t, c);
            }
        }
        recording_free(&want), recording_free(&got);
        eng_free(wave);
    }
    cr_assert_geq(n, 2);
    mdl_model_free(exact), mdl_model_free(m);
    wts_checkpoint_close(&golden);
    support_engine_free(e);
}

Test(precision, bf16)
{
    check_precision("large", ENG_BF16, 0.999);
    check_precision("base", ENG_BF16, 0.999);
}

Test(precision, int8)
{
    check_precision("large", ENG_INT8, 0.99);
    check_precision("base", ENG_INT8, 0.99);
}
