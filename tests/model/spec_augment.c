/* SpecAugment: which spans are masked, what they become, and the embedding that they become. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/network/forward.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"
#include "tests/support/grad_op.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

Test(spec_augment, mask_spans)
{
    support_engine *e = support_engine_new(1);
    eng_stream s = {.seed = 5};
    size_t n = 101, length = 7, draws = 3000, first[95] = {0}, count;
    double expected = 0.4 * 101 / 7, spans = 0;
    for (s.step = 0; s.step < draws; s.step++) {
        size_t *start = mdl_mask_spans(s, n, 0.4, length, 2, &e->arena, &count);
        cr_assert(start && (count == 5 || count == 6), "%zu spans", count); /* expected is 5.77 */
        for (size_t i = 0; i < count; i++) {
            cr_assert_leq(start[i], n - length);
            for (size_t j = 0; j < i; j++) cr_assert_neq(start[i], start[j]);
            first[start[i]]++;
        }
        spans += (double)count;
        eng_arena_rewind(&e->arena, (eng_arena_mark){0});
    }
    cr_assert(fabs(spans / (double)draws - expected) <= 5 * 0.5 / sqrt((double)draws), "%g spans", spans / (double)draws);
    double mean = spans / 95;
    for (size_t i = 0; i < 95; i++) cr_assert(fabs((double)first[i] - mean) <= 5 * sqrt(mean), "%zu begin at %zu", first[i], i);
    static const struct {
        size_t n, length, least, want;
        double prob;
    } rows[] = {{6, 7, 2, 0, 1},   {7, 7, 2, 1, 0.01}, {7, 7, 0, 1, 1}, {20, 7, 9, 2, 0.01}, {21, 7, 9, 3, 0.01}, {0, 7, 9, 0, 1},
                {30, 3, 2, 10, 1}, {30, 1, 2, 30, 1},  {30, 3, 2, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mdl_mask_spans(s, rows[i].n, rows[i].prob, rows[i].length, rows[i].least, &e->arena, &count);
        cr_assert_eq(count, rows[i].want, "row %zu: %zu", i, count);
    }
    support_engine_free(e);
}

enum { BATCH = 3, CHANNELS = 20, FRAMES = 2060 };
static const size_t offsets[] = {0, 2, 60, FRAMES};

static mdl_training masking(void)
{
    static const uint32_t ids[BATCH] = {7, 40000, 12};
    return (mdl_training){.rates = {.mask_time_prob = 0.3,
                                    .mask_time_length = 4,
                                    .mask_time_min = 2,
                                    .mask_feature_prob = 0.5,
                                    .mask_feature_length = 5},
                          .seed = 0x123456789abcdefu,
                          .step = 3,
                          .ids = ids};
}

/* Every element is its own, the embedding's, or 0, as whole frames and whole channels of an utterance. */
Test(spec_augment, masked_frames_and_channels)
{
    support_engine *e = support_engine_new(2);
    float *own = support_normal(1, FRAMES * CHANNELS, 1), *embedding = support_normal(2, CHANNELS, 1);
    mdl_model m = {.mask_embedding = {embedding, NULL}};
    mdl_training t = masking();
    eng_tensor x = {own, FRAMES, CHANNELS, CHANNELS, NULL};
    eng_tensor y = mdl_spec_augment(&m, &e->ctx, (eng_batch){BATCH, offsets}, &t, x);
    cr_assert(eng_good(&e->ctx) && y.data != x.data);
    for (size_t u = 0; u < BATCH; u++) {
        size_t masked = 0, silent = 0, frames = offsets[u + 1] - offsets[u];
        bool zero[CHANNELS];
        for (size_t j = 0; j < CHANNELS; j++) silent += zero[j] = eng_row(y, offsets[u])[j] == 0;
        for (size_t i = offsets[u]; i < offsets[u + 1]; i++) {
            size_t kept = 0;
            while (kept < CHANNELS && zero[kept]) kept++;
            cr_assert_lt(kept, CHANNELS);
            bool frame = eng_row(y, i)[kept] == embedding[kept];
            masked += frame;
            for (size_t j = 0; j < CHANNELS; j++)
                cr_assert_eq(eng_row(y, i)[j], zero[j] ? 0 : frame ? embedding[j] : eng_row(x, i)[j], "%zu %zu", i, j);
        }
        cr_assert(silent >= 5 && silent <= 10, "%zu channels", silent);
        if (u == 0) cr_assert_eq(masked, 0, "no room for a span");
        /* spans overlap: a frame is free of 150 spans of 4 among 1997 places */
        double expected = u == 2 ? 1 - pow(1 - 4.0 / 1997, 150) : 0.26, share = (double)masked / (double)frames;
        if (u) cr_assert(fabs(share - expected) <= (u == 2 ? 0.03 : 0.15), "%g of the frames", share);
    }
    eng_free(own);
    eng_free(embedding);
    support_engine_free(e);
}

static eng_tensor masked_forward(grad_op *c)
{
    static mdl_model m;
    static mdl_training t;
    t = masking();
    m = (mdl_model){.mask_embedding = grad_op_vector(c, 1)};
    return mdl_spec_augment(&m, c->ctx, (eng_batch){BATCH, offsets}, &t, grad_op_tensor(c, 0, FRAMES, CHANNELS));
}

Test(spec_augment, gradients_of_masks)
{
    grad_op c = {.forward = masked_forward};
    grad_op_add(&c, "x", FRAMES * CHANNELS, 1);
    grad_op_add(&c, "embedding", CHANNELS, 1);
    grad_op_check(&c, FRAMES * CHANNELS);
}

/* ---- The embedding ---- */

static const char embedding_name[] = "wavlm.masked_spec_embed";

static mdl_model *load(support_engine *e, const char *folder, mdl_param **embedding)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load_trainable(folder, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    *embedding = NULL;
    for (size_t i = 0; i < m->params.count; i++)
        if (strcmp(m->params.param[i].name, embedding_name) == 0) *embedding = &m->params.param[i];
    cr_assert(*embedding && (*embedding)->frozen && (*embedding)->ndim == 1);
    cr_assert((*embedding)->count == m->config.hidden && (*embedding)->data == m->mask_embedding.data);
    return m;
}

/* The folder's model without its mask embedding, in `directory`. */
static void copy_without(const char *folder, const char *directory)
{
    char path[1024];
    bytes config = bytes_read(support_path("%s/config.json", folder));
    snprintf(path, sizeof path, "%s/config.json", directory);
    bytes_write(&config, path);
    bytes_free(&config);
    wts_checkpoint c;
    wts_writer *w;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("%s/model.safetensors", folder), &c, &err), ENG_OK, "%s", err.message);
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    cr_assert_eq(wts_writer_open(path, c.count, 4096, NULL, &w, &err), ENG_OK, "%s", err.message);
    size_t left_out = 0;
    for (size_t i = 0; i < c.count; i++) {
        const wts_tensor *t = &c.tensors[i];
        bool embedding = strcmp(t->name, "masked_spec_embed") == 0;
        left_out += embedding;
        if (!embedding)
            cr_assert_eq(wts_writer_add(w, t->name, t->dtype, t->ndim, t->shape, t->data, &err), ENG_OK, "%s", err.message);
    }
    cr_assert_eq(left_out, 1);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    wts_checkpoint_close(&c);
}

Test(spec_augment, the_embedding_is_the_checkpoints_and_frozen)
{
    support_engine *e = support_engine_new(2);
    mdl_param *got;
    char report[512];
    mdl_model *m = load(e, support_path("golden/base"), &got);
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("golden/base/model.safetensors"), &c, &err), ENG_OK, "%s", err.message);
    const wts_tensor *want = wts_checkpoint_find(&c, "masked_spec_embed");
    cr_assert(want && cmp_bits(got->data, want->data, got->count, report, sizeof report), "%s", report);
    wts_checkpoint_close(&c);
    mdl_model_free(m);
    support_engine_free(e);
}

Test(spec_augment, a_checkpoint_without_the_embedding_gets_one)
{
    support_engine *e = support_engine_new(2);
    char *directory = support_temporary(), report[512];
    copy_without("golden/base", directory);
    mdl_param *got, *again;
    mdl_model *m = load(e, directory, &got), *twin = load(e, directory, &again);
    double sum = 0;
    for (size_t i = 0; i < got->count; i++) {
        cr_assert(got->data[i] >= 0 && got->data[i] < 1 && (i == 0 || got->data[i] != got->data[0]));
        cr_assert_eq(got->grad[i], 0);
        sum += got->data[i];
    }
    double n = (double)got->count;
    cr_assert(fabs(sum / n - 0.5) <= 5 / sqrt(12 * n), "mean %g", sum / n);
    cr_assert(cmp_bits(again->data, got->data, got->count, report, sizeof report), "%s", report);
    mdl_model *plain; /* inference has no use for one */
    eng_error err = {0};
    cr_assert_eq(mdl_model_load(directory, NULL, false, &e->ctx.k, e->ctx.pool, &plain, &err), ENG_OK, "%s", err.message);
    cr_assert_null(plain->mask_embedding.data);
    mdl_model_free(plain);
    mdl_model_free(m);
    mdl_model_free(twin);
    support_remove(directory);
    support_engine_free(e);
}
