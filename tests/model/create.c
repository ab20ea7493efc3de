/* The model that a training begins with: which head it gets, what a new one's numbers are, and what is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/checkpoint/create.h"
#include "model/network/forward.h"
#include "model/checkpoint/save.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"

static char report[512];
static const char *const emotions[] = {"angry", "happy \"very\"", "sad", "überrascht"};

static mdl_head_request four_emotions(void)
{
    return (mdl_head_request){.labels = 4, .label = emotions};
}

typedef struct created {
    mdl_model *m;
    bool new_head, random_backbone;
} created;

static created create_from(const support_engine *e, const char *path, const mdl_head_request *want, uint64_t seed)
{
    created c;
    eng_error err = {0};
    cr_assert_eq(mdl_model_create(path, want, seed, &e->ctx.k, e->ctx.pool, &c.m, &c.new_head, &c.random_backbone, &err),
                 ENG_OK, "%s: %s", path, err.message);
    return c;
}

static void expect_refused(const char *path, const mdl_head_request *want, eng_status status, const char *part)
{
    support_engine *e = support_engine_new(1);
    mdl_model something, *m = &something;
    bool head, backbone;
    eng_error err = {0};
    cr_assert_eq(mdl_model_create(path, want, 1, &e->ctx.k, e->ctx.pool, &m, &head, &backbone, &err), status, "%s: %s",
                 path, err.message);
    cr_assert_null(m);
    cr_assert(strstr(err.message, part), "\"%s\" is not in: %s", part, err.message);
    support_engine_free(e);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[1024];
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mdl_write_text(path, text, strlen(text), &err), ENG_OK, "%s", err.message);
}

/* golden/<source>'s config.json alone, with other fields in front of its own: a folder without weights. */
static char *bare_folder(const char *source, const char *fields)
{
    char *directory = support_temporary(), text[8192];
    FILE *in = fopen(support_path("golden/%s/config.json", source), "r");
    cr_assert_not_null(in);
    size_t n = (size_t)snprintf(text, sizeof text, "{%s\n", fields);
    char *rest = text + n;
    rest[fread(rest, 1, sizeof text - n - 1, in)] = '\0';
    fclose(in);
    char *type = strstr(rest, "\"model_type\"");
    cr_assert_not_null(type);
    memmove(rest, type, strlen(type) + 1);
    write_file(directory, "config.json", text);
    return directory;
}

/* ---- The numbers of new parameters ---- */

typedef struct statistics {
    double mean, deviation, min, max;
    size_t count;
} statistics;

static statistics measure(const mdl_model *m, const char *name)
{
    const mdl_param *p = mdl_params_find(&m->params, name);
    cr_assert_not_null(p, "no parameter %s", name);
    statistics s = {.min = p->data[0], .max = p->data[0], .count = p->count};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < p->count; i++) {
        double x = p->data[i];
        sum += x;
        squares += x * x;
        s.min = fmin(s.min, x);
        s.max = fmax(s.max, x);
    }
    s.mean = sum / (double)p->count;
    s.deviation = sqrt(squares / (double)p->count - s.mean * s.mean);
    return s;
}

/* Five standard errors of mean and deviation. Outliers: none of n beyond 6.5 deviations, and some beyond 2. */
static void expect_normal(const mdl_model *m, const char *name, double deviation)
{
    statistics s = measure(m, name);
    double error = 5 * deviation / sqrt((double)s.count);
    cr_assert_gt(s.count, 20, "%s: %zu numbers are too few", name, s.count);
    cr_assert(fabs(s.mean) <= error, "%s: mean %g", name, s.mean);
    cr_assert(fabs(s.deviation - deviation) <= error, "%s: deviation %g, expected %g", name, s.deviation, deviation);
    cr_assert(s.max <= 6.5 * deviation && s.min >= -6.5 * deviation, "%s: from %g to %g", name, s.min, s.max);
    bool wide = s.max > 2 * deviation && s.min < -2 * deviation;
    if (s.count >= 1000) cr_assert(wide, "%s: from %g to %g", name, s.min, s.max);
}

static void expect_uniform(const mdl_model *m, const char *name, double low, double high)
{
    statistics s = measure(m, name);
    double deviation = (high - low) / sqrt(12), error = 5 * deviation / sqrt((double)s.count);
    cr_assert_gt(s.count, 20, "%s: %zu numbers are too few", name, s.count);
    cr_assert(fabs(s.mean - (low + high) / 2) <= error, "%s: mean %g", name, s.mean);
    cr_assert(fabs(s.deviation - deviation) <= error, "%s: deviation %g, expected %g", name, s.deviation, deviation);
    cr_assert(s.min >= low && s.max <= high, "%s: from %g to %g", name, s.min, s.max);
}

static void expect_constant(const mdl_model *m, const char *name, double value)
{
    statistics s = measure(m, name);
    cr_assert(s.min == (double)(float)value && s.max == s.min, "%s: from %g to %g, expected %g", name, s.min, s.max, value);
}

static void expect_new_head(const mdl_model *m)
{
    const mdl_config *c = &m->config;
    cr_assert_eq(c->head, MDL_HEAD_EMOTION);
    cr_assert(c->weighted_sum);
    expect_constant(m, "layer_weights", 1 / ((double)c->layers + 1));
    expect_normal(m, "projection.weight", 0.02);
    expect_constant(m, "projection.bias", 0);
    expect_normal(m, "classifier.weight", 0.02);
    expect_constant(m, "classifier.bias", 0);
    cr_assert_eq(c->labels, 4);
    for (size_t i = 0; i < 4; i++) cr_assert_str_eq(c->label[i], emotions[i]);
}

static void expect_random_backbone(const mdl_model *m)
{
    const mdl_config *c = &m->config;
    double k = sqrt(1 / (double)c->conv_dim[c->convs - 1]);
    expect_normal(m, "wavlm.feature_extractor.conv_layers.0.conv.weight", sqrt(2.0 / (double)c->conv_kernel[0]));
    expect_normal(m, "wavlm.feature_extractor.conv_layers.2.conv.weight",
                  sqrt(2.0 / (double)(c->conv_kernel[2] * c->conv_dim[1])));
    expect_constant(m, "wavlm.feature_extractor.conv_layers.0.layer_norm.weight", 1);
    expect_constant(m, "wavlm.feature_extractor.conv_layers.0.layer_norm.bias", 0);
    expect_uniform(m, "wavlm.masked_spec_embed", 0, 1);
    expect_uniform(m, "wavlm.feature_projection.projection.weight", -k, k);
    expect_uniform(m, "wavlm.feature_projection.projection.bias", -k, k);
    expect_normal(m, "wavlm.encoder.pos_conv_embed.conv.weight_v", 2 * sqrt(1 / (double)(c->pos_kernel * c->hidden)));
    expect_constant(m, "wavlm.encoder.pos_conv_embed.conv.bias", 0);
    expect_normal(m, "wavlm.encoder.layers.0.attention.rel_attn_embed.weight", 1);
    expect_normal(m, "wavlm.encoder.layers.1.attention.q_proj.weight", 0.02);
    expect_constant(m, "wavlm.encoder.layers.1.attention.v_proj.bias", 0);
    expect_normal(m, "wavlm.encoder.layers.1.attention.gru_rel_pos_linear.weight", 0.02);
    expect_constant(m, "wavlm.encoder.layers.1.attention.gru_rel_pos_linear.bias", 0);
    expect_constant(m, "wavlm.encoder.layers.1.attention.gru_rel_pos_const", 1);
    expect_normal(m, "wavlm.encoder.layers.2.feed_forward.output_dense.weight", 0.02);
    expect_constant(m, "wavlm.encoder.layers.2.final_layer_norm.weight", 1);
    expect_constant(m, "wavlm.encoder.layer_norm.bias", 0);

    const mdl_param *v = mdl_params_find(&m->params, "wavlm.encoder.pos_conv_embed.conv.weight_v"),
                    *g = mdl_params_find(&m->params, "wavlm.encoder.pos_conv_embed.conv.weight_g");
    cr_assert_eq(g->count, c->pos_kernel);
    for (size_t t = 0; t < c->pos_kernel; t++) {
        double squares = 0;
        for (size_t i = t; i < v->count; i += c->pos_kernel) squares += (double)v->data[i] * v->data[i];
        cr_assert(fabs(g->data[t] - sqrt(squares)) <= 1e-6, "tap %zu: %g, expected %g", t, g->data[t], sqrt(squares));
    }
}

/* Runs m, saves it, and expects the same bits of what is loaded from there; finite and not all the same. */
static void expect_survives(support_engine *e, const mdl_model *m)
{
    char *directory = support_temporary();
    eng_error err = {0};
    mdl_model *saved;
    float *wave = support_normal(5, 4000, 0.1f), *text = support_normal(6, 32, 1), want[16], got[16];
    mdl_input input = {.samples = wave, .count = 4000, .gender = 1, .text = text};
    cr_assert_eq(mdl_forward(m, &e->ctx, 1, &input, want, NULL, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_model_save(m, directory, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_model_load(directory, NULL, false, &e->ctx.k, e->ctx.pool, &saved, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_forward(saved, &e->ctx, 1, &input, got, NULL, &err), ENG_OK, "%s", err.message);
    cr_assert(cmp_bits(got, want, m->config.labels, report, sizeof report), "%s", report);
    for (size_t i = 0; i < m->config.labels; i++) {
        cr_assert(isfinite(want[i]));
        cr_assert_str_eq(saved->config.label[i], m->config.label[i]);
    }
    cr_assert_neq(want[0], want[1]);
    cr_assert_eq(saved->config.regression, m->config.regression);
    eng_free(wave), eng_free(text);
    mdl_model_free(saved);
    support_remove(directory);
}

static void check_backbone(const char *path, bool random)
{
    support_engine *e = support_engine_new(2);
    mdl_head_request want = four_emotions();
    created c = create_from(e, path, &want, 3);
    cr_assert(c.new_head);
    cr_assert_eq(c.random_backbone, random);
    cr_assert_eq(c.m->config.projection, 256);
    cr_assert_eq(c.m->config.pooling, MDL_POOL_MEAN);
    expect_new_head(c.m);
    if (random) expect_random_backbone(c.m);
    expect_survives(e, c.m);
    mdl_model_free(c.m);
    support_engine_free(e);
}

Test(create, new_head_on_a_backbone)
{
    check_backbone(support_path("golden/large"), false);
    check_backbone(support_path("golden/base"), false);
    check_backbone(support_path("golden/base/wavlm_original.pt"), false);
    check_backbone(support_path("golden/large/wavlm_original.pt"), false);
}

Test(create, random_weights)
{
    char *large = bare_folder("large", "\"architectures\": [\"WavLMModel\"],"), *base = bare_folder("base", "");
    check_backbone(large, true);
    check_backbone(base, true);
    support_remove(large), support_remove(base);
}

Test(create, conv_biases_are_uniform)
{
    support_engine *e = support_engine_new(1);
    char *directory = support_temporary();
    write_file(directory, "config.json",
               "{\"hidden_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 8,"
               "\"conv_dim\": [64, 100], \"conv_kernel\": [9, 4], \"conv_stride\": [5, 2], \"conv_bias\": true}");
    mdl_head_request want = four_emotions();
    created c = create_from(e, directory, &want, 1);
    expect_uniform(c.m, "wavlm.feature_extractor.conv_layers.0.conv.bias", -1.0 / 3, 1.0 / 3);
    expect_uniform(c.m, "wavlm.feature_extractor.conv_layers.1.conv.bias", -1.0 / 16, 1.0 / 16);
    cr_assert_gt(measure(c.m, "wavlm.feature_extractor.conv_layers.0.conv.bias").max, 0.25);
    mdl_model_free(c.m);
    support_remove(directory);
    support_engine_free(e);
}

Test(create, linear_layers_follow_initializer_range)
{
    support_engine *e = support_engine_new(1);
    char *directory = bare_folder("base", "\"initializer_range\": 0.1,");
    mdl_head_request want = four_emotions();
    created c = create_from(e, directory, &want, 1);
    expect_normal(c.m, "wavlm.encoder.layers.1.attention.q_proj.weight", 0.1);
    expect_normal(c.m, "projection.weight", 0.1);
    mdl_model_free(c.m);
    support_remove(directory);
    support_engine_free(e);
}

/* ---- Kinds of head ---- */

static void check_kind(mdl_pooling pooling, mdl_conditioning gender, mdl_conditioning text)
{
    support_engine *e = support_engine_new(2);
    mdl_head_request want = four_emotions();
    want.pooling = &pooling;
    want.gender = &gender;
    want.text = &text;
    want.text_size = text == MDL_COND_NONE ? 0 : 24;
    want.projection = 20;
    created c = create_from(e, support_path("golden/base"), &want, 11);
    size_t pooled = mdl_config_pooled(&c.m->config);
    expect_new_head(c.m);
    cr_assert_eq(mdl_params_find(&c.m->params, "projection.weight")->shape[0], 20);
    cr_assert_eq(mdl_params_find(&c.m->params, "projection.weight")->shape[1], pooled);
    double attention = sqrt(2.0 / 49);
    if (pooling == MDL_POOL_ATTENTION) expect_normal(c.m, "pool.v", attention);
    if (pooling == MDL_POOL_ATTENTIVE_STD) expect_normal(c.m, "pool.attention", attention);
    if (pooling == MDL_POOL_ATTENTION) expect_normal(c.m, "pool.linear.weight", 0.02);
    if (pooling == MDL_POOL_ATTENTIVE_STD) expect_normal(c.m, "pool.sap_linear.weight", 0.02);
    if (gender != MDL_COND_NONE) expect_normal(c.m, "gender.weight", 1);
    else cr_assert_null(mdl_params_find(&c.m->params, "gender.weight"));
    if (text != MDL_COND_NONE) expect_normal(c.m, "text.weight", 0.02);
    expect_survives(e, c.m);
    mdl_model_free(c.m);
    support_engine_free(e);
}

Test(create, every_kind_of_head)
{
    check_kind(MDL_POOL_MEAN, MDL_COND_NONE, MDL_COND_MEAN);
    check_kind(MDL_POOL_STD, MDL_COND_MULTIPLY, MDL_COND_NONE);
    check_kind(MDL_POOL_ATTENTION, MDL_COND_MEAN, MDL_COND_MULTIPLY);
    check_kind(MDL_POOL_ATTENTIVE_STD, MDL_COND_NONE, MDL_COND_NONE);
}

Test(create, values_of_attributes)
{
    static const char *const attributes[] = {"activation", "valence"};
    support_engine *e = support_engine_new(1);
    mdl_head_request want = {.labels = 2, .label = attributes, .regression = true};
    created c = create_from(e, support_path("golden/large"), &want, 11);
    cr_assert(c.m->config.regression);
    expect_survives(e, c.m);
    mdl_model_free(c.m);
    support_engine_free(e);
}

/* ---- Seeds ---- */

static size_t differing(const mdl_model *a, const mdl_model *b)
{
    size_t n = 0;
    cr_assert_eq(a->params.count, b->params.count);
    for (size_t i = 0; i < a->params.count; i++) {
        const mdl_param *p = &a->params.param[i], *q = &b->params.param[i];
        cr_assert_str_eq(p->name, q->name);
        if (memcmp(p->data, q->data, p->count * sizeof *p->data) != 0) n++;
    }
    return n;
}

Test(create, a_seed_gives_the_same_numbers_on_any_number_of_threads)
{
    support_engine *one = support_engine_new(1), *three = support_engine_new(3);
    char *directory = bare_folder("base", "");
    mdl_head_request want = four_emotions();
    created a = create_from(one, directory, &want, 5), b = create_from(three, directory, &want, 5),
            other = create_from(one, directory, &want, 6), high = create_from(one, directory, &want, 5 | 1ull << 40),
            head = create_from(one, support_path("golden/base"), &want, 5);
    cr_assert_eq(differing(a.m, b.m), 0);
    size_t random = 0;
    for (size_t i = 0; i < a.m->params.count; i++) {
        statistics s = measure(a.m, a.m->params.param[i].name);
        random += s.min != s.max;
    }
    cr_assert_gt(random, 30);
    cr_assert_eq(differing(a.m, other.m), random);
    cr_assert_eq(differing(a.m, high.m), random);

    /* a head's numbers do not depend on where the backbone came from; two parameters of one shape differ */
    const mdl_param *p = mdl_params_find(&a.m->params, "projection.weight"),
                    *q = mdl_params_find(&head.m->params, "projection.weight");
    cr_assert(cmp_bits(q->data, p->data, p->count, report, sizeof report), "%s", report);
    p = mdl_params_find(&a.m->params, "wavlm.encoder.layers.0.attention.q_proj.weight");
    q = mdl_params_find(&a.m->params, "wavlm.encoder.layers.0.attention.k_proj.weight");
    cr_assert_neq(memcmp(p->data, q->data, p->count * sizeof *p->data), 0);
    mdl_model_free(a.m), mdl_model_free(b.m), mdl_model_free(other.m), mdl_model_free(high.m), mdl_model_free(head.m);
    support_remove(directory);
    support_engine_free(one), support_engine_free(three);
}

/* ---- Going on from a head ---- */

static const char *const superb[] = {"sad", "ang", "neu", "hap"};
static const char *const odyssey[] = {"Happy",    "Angry", "Sad",      "Neutral",
                                      "Surprise", "Fear",  "Contempt", "Disgust"};

static void check_goes_on(const char *path, mdl_head_request want, mdl_head head)
{
    support_engine *e = support_engine_new(2);
    mdl_model *source;
    eng_error err = {0};
    created c = create_from(e, path, &want, 1);
    cr_assert(!c.new_head && !c.random_backbone);
    cr_assert_eq(mdl_model_load_trainable(path, &e->ctx.k, e->ctx.pool, &source, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(c.m->config.head, head);
    cr_assert_eq(differing(c.m, source), 0);
    for (size_t i = 0; i < want.labels; i++) cr_assert_str_eq(c.m->config.label[i], source->config.label[i]);
    expect_survives(e, c.m);

    want.renew = true;
    created renewed = create_from(e, path, &want, 1);
    cr_assert(renewed.new_head && !renewed.random_backbone);
    cr_assert_eq(renewed.m->config.head, MDL_HEAD_EMOTION);
    for (size_t i = 0; i < want.labels; i++) cr_assert_str_eq(renewed.m->config.label[i], want.label[i]);
    expect_normal(renewed.m, "classifier.weight", 0.02);
    cr_assert_eq(renewed.m->config.input, source->config.input);
    expect_survives(e, renewed.m);
    mdl_model_free(c.m), mdl_model_free(renewed.m), mdl_model_free(source);
    support_engine_free(e);
}

Test(create, goes_on_from_a_head_whose_labels_agree)
{
    check_goes_on(support_path("golden/hf_sequence_classification"), (mdl_head_request){.labels = 4, .label = superb},
                  MDL_HEAD_SEQUENCE_CLASSIFICATION);
    check_goes_on(support_path("golden/odyssey"), (mdl_head_request){.labels = 8, .label = odyssey}, MDL_HEAD_ODYSSEY);
    static const char *const unnamed[] = {"LABEL_4", "LABEL_2", "LABEL_3", "LABEL_1", "LABEL_0"};
    check_goes_on(support_path("golden/variants/emotion_conditioned"),
                  (mdl_head_request){.labels = 5, .label = unnamed, .text_size = 5}, MDL_HEAD_EMOTION);
}

Test(create, outputs_without_names_take_the_data_s)
{
    static const char *const two[] = {"calm", "angry"};
    support_engine *e = support_engine_new(1);
    mdl_head_request want = {.labels = 2, .label = two};
    created c = create_from(e, support_path("golden/variants/group_norm_half"), &want, 1);
    cr_assert(!c.new_head);
    for (size_t i = 0; i < 2; i++) cr_assert_str_eq(c.m->config.label[i], two[i]);
    expect_survives(e, c.m);
    mdl_model_free(c.m);
    support_engine_free(e);
}

/* golden/large under the head of a speech recogniser. */
static char *recogniser_folder(void)
{
    char *directory = support_temporary(), path[1024];
    wts_checkpoint c;
    wts_writer *w;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("golden/large/model.safetensors"), &c, &err), ENG_OK, "%s", err.message);
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    cr_assert_eq(wts_writer_open(path, c.count + 1, 8192, NULL, &w, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < c.count; i++) {
        const wts_tensor *t = &c.tensors[i];
        char name[256];
        snprintf(name, sizeof name, "wavlm.%s", t->name);
        cr_assert_eq(wts_writer_add(w, name, t->dtype, t->ndim, t->shape, t->data, &err), ENG_OK, "%s", err.message);
    }
    cr_assert_eq(wts_writer_add(w, "lm_head.bias", WTS_F32, 1, (size_t[]){2}, (float[]){1, 2}, &err), ENG_OK);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    wts_checkpoint_close(&c);
    char *bare = bare_folder("large", "\"architectures\": [\"WavLMForCTC\"],"), command[1200];
    snprintf(command, sizeof command, "mv '%s/config.json' '%s'", bare, directory);
    cr_assert_eq(system(command), 0);
    support_remove(bare);
    return directory;
}

Test(create, a_new_head_replaces_one_of_another_purpose)
{
    support_engine *e = support_engine_new(1);
    char *directory = recogniser_folder();
    mdl_head_request want = four_emotions();
    expect_refused(directory, &want, ENG_E_UNSUPPORTED, "WavLMForCTC");
    want.renew = true;
    created c = create_from(e, directory, &want, 3), plain = create_from(e, support_path("golden/large"), &want, 3);
    cr_assert(c.new_head && !c.random_backbone);
    cr_assert_eq(differing(c.m, plain.m), 0);
    expect_survives(e, c.m);
    mdl_model_free(c.m), mdl_model_free(plain.m);
    support_remove(directory);
    support_engine_free(e);
}

Test(create, refuses_what_the_head_does_not_have)
{
    const char *path = support_path("golden/hf_sequence_classification");
    mdl_pooling std = MDL_POOL_STD, mean = MDL_POOL_MEAN;
    mdl_conditioning multiply = MDL_COND_MULTIPLY;
    mdl_head_request want = {.labels = 4, .label = superb, .pooling = &mean, .projection = 20};
    support_engine *e = support_engine_new(1);
    created c = create_from(e, path, &want, 1); /* what it has may be asked for */
    mdl_model_free(c.m);
    want.labels = 3; /* or a part of it */
    c = create_from(e, path, &want, 1);
    cr_assert_eq(c.m->config.labels, 4);
    mdl_model_free(c.m);
    support_engine_free(e);
    want = (mdl_head_request){.labels = 4, .label = superb, .pooling = &std};
    expect_refused(path, &want, ENG_E_MISMATCH, "pooling mean, and std was asked for");
    expect_refused(path, &want, ENG_E_MISMATCH, "--new-head");
    want = (mdl_head_request){.labels = 4, .label = superb, .gender = &multiply};
    expect_refused(path, &want, ENG_E_MISMATCH, "gender conditioning none, and multiply");
    want = (mdl_head_request){.labels = 4, .label = superb, .text = &multiply, .text_size = 3};
    expect_refused(path, &want, ENG_E_MISMATCH, "text conditioning none, and multiply");
    want = (mdl_head_request){.labels = 4, .label = superb, .projection = 21};
    expect_refused(path, &want, ENG_E_MISMATCH, "classifier_proj_size 20, and 21");
    static const char *const new_one[] = {"sad", "ANG", "joy", "glee"};
    size_t unknown = 99;
    want = (mdl_head_request){.labels = 3, .label = new_one, .unknown = &unknown};
    expect_refused(path, &want, ENG_E_MISMATCH, "neu, hap, ang, sad, and sad, ANG, joy was");
    cr_assert_eq(unknown, 2);
    want = four_emotions();
    expect_refused(path, &want, ENG_E_MISMATCH, "the labels neu, hap");
    want = (mdl_head_request){.labels = 4, .label = superb, .regression = true};
    expect_refused(path, &want, ENG_E_MISMATCH, "classes");

    path = support_path("golden/variants/emotion_conditioned");
    static const char *const five[] = {"a", "b", "c", "d", "e"};
    want = (mdl_head_request){.labels = 5, .label = five};
    expect_refused(path, &want, ENG_E_MISSING, "no text embeddings");
    want.text_size = 6;
    expect_refused(path, &want, ENG_E_MISMATCH, "text_embedding_size 5, and 6");

    want = (mdl_head_request){.labels = 4, .label = superb, .text = &multiply};
    expect_refused(support_path("golden/base"), &want, ENG_E_MISSING, "no text embeddings");
    want = (mdl_head_request){0};
    expect_refused(support_path("golden/base"), &want, ENG_E_USAGE, "0 labels");
    static const char *const twice[] = {"a", "a"};
    want = (mdl_head_request){.labels = 2, .label = twice};
    expect_refused(support_path("golden/base"), &want, ENG_E_USAGE, "given twice");
}

/* ---- Folders without weights ---- */

Test(create, an_emotion_config_alone_decides_the_head)
{
    support_engine *e = support_engine_new(1);
    char *directory = bare_folder(
        "large", "\"architectures\": [\"WavLMForSpeechEmotion\"], \"pooling\": \"attention\", \"classifier_proj_size\": 12,"
                 "\"gender_conditioning\": \"mean\", \"gender2id\": {\"male\": 0, \"female\": 1, \"none\": 2},"
                 "\"id2label\": {\"0\": \"hap\", \"1\": \"sad\", \"2\": \"neu\", \"3\": \"ang\"},");
    mdl_pooling mean = MDL_POOL_MEAN;
    mdl_head_request want = {.labels = 4, .label = superb};
    created c = create_from(e, directory, &want, 9);
    cr_assert(c.new_head && c.random_backbone);
    cr_assert_eq(c.m->config.pooling, MDL_POOL_ATTENTION);
    cr_assert_eq(c.m->config.projection, 12);
    cr_assert_eq(c.m->config.genders, 3);
    cr_assert_eq(c.m->config.female, 1);
    cr_assert_str_eq(c.m->config.label[0], "hap");
    expect_normal(c.m, "gender.weight", 1);
    expect_survives(e, c.m);
    mdl_model_free(c.m);
    want.pooling = &mean;
    expect_refused(directory, &want, ENG_E_MISMATCH, "pooling attention, and mean");
    want.renew = true;
    c = create_from(e, directory, &want, 9);
    cr_assert_eq(c.m->config.pooling, MDL_POOL_MEAN);
    cr_assert_eq(c.m->config.gender, MDL_COND_NONE);
    mdl_model_free(c.m);
    support_remove(directory);
    support_engine_free(e);
}

Test(create, an_unfinished_download_is_not_a_folder_without_weights)
{
    mdl_head_request want = four_emotions();
    char *directory = bare_folder("base", ""), *empty = support_temporary();
    write_file(directory, "tf_model.h5", "x");
    expect_refused(directory, &want, ENG_E_UNSUPPORTED, "tf_model.h5");
    expect_refused(empty, &want, ENG_E_MISSING, "no checkpoint");
    char *partial = bare_folder("base", ""), *bare = bare_folder("odyssey", "");
    write_file(partial, "model.safetensors.part", "x");
    expect_refused(partial, &want, ENG_E_UNSUPPORTED, "unfinished");
    expect_refused(bare, &want, ENG_E_UNSUPPORTED, "--new-head");
    expect_refused("/nowhere/at/all", &want, ENG_E_MISSING, "/nowhere/at/all");
    support_remove(directory), support_remove(empty), support_remove(partial), support_remove(bare);
}

/* Number by number what mdl_model_create draws for a folder with the same config.json. */
Test(create, random_model_from_a_configuration_alone)
{
    support_engine *e = support_engine_new(2);
    mdl_head_request want = four_emotions();
    want.renew = true;
    char *folder = bare_folder("large", ""), path[1024];
    created c = create_from(e, folder, &want, 7);
    eng_error err = {0};
    wts_doc *config;
    snprintf(path, sizeof path, "%s/config.json", folder);
    cr_assert_eq(wts_json_read(path, &config, &err), ENG_OK, "%s", err.message);
    mdl_model *m;
    cr_assert_eq(mdl_model_random("it", wts_doc_root(config), &want, true, ENG_F32, false, 7, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK, "%s",
                 err.message);
    cr_assert_gt(m->params.count, 50);
    cr_assert_eq(m->params.count, c.m->params.count);
    for (size_t i = 0; i < m->params.count; i++) {
        const mdl_param *a = &m->params.param[i], *b = mdl_params_find(&c.m->params, a->name);
        cr_assert(b && a->count == b->count, "%s", a->name);
        cr_assert_eq(memcmp(a->data, b->data, a->count * sizeof(float)), 0, "%s", a->name);
    }
    /* for inference: the same function */
    mdl_model *packed;
    cr_assert_eq(mdl_model_random("it", wts_doc_root(config), &want, false, ENG_F32, false, 7, &e->ctx.k, e->ctx.pool, &packed, &err), ENG_OK,
                 "%s", err.message);
    cr_assert_eq(packed->params.count, 0);
    float wave[8000], got[4], expected[4];
    for (size_t i = 0; i < 8000; i++) wave[i] = (float)sin(0.05 * (double)i);
    mdl_input input = {wave, 8000, -1, NULL};
    cr_assert_eq(mdl_forward(c.m, &e->ctx, 1, &input, expected, NULL, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_forward(packed, &e->ctx, 1, &input, got, NULL, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < 4; i++) cr_assert(fabsf(got[i] - expected[i]) <= 1e-5f, "%g, not %g", got[i], expected[i]);
    mdl_model_free(packed);
    mdl_model_free(m);
    mdl_model_free(c.m);

    /* a backbone, whatever the configuration names; a configuration that is none */
    cr_assert_eq(mdl_model_random("it", wts_doc_root(config), NULL, false, ENG_F32, false, 7, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK);
    cr_assert_eq(m->config.head, MDL_HEAD_NONE);
    mdl_model_free(m);
    wts_doc_free(config);
    cr_assert_eq(wts_json_parse("it", "{\"hidden_size\": 0}", 18, &config, &err), ENG_OK);
    cr_assert_neq(mdl_model_random("it", wts_doc_root(config), NULL, false, ENG_F32, false, 7, &e->ctx.k, e->ctx.pool, &m, &err), ENG_OK);
    cr_assert_null(m);
    cr_assert(strstr(err.message, "hidden_size"), "%s", err.message);
    wts_doc_free(config);
    support_remove(folder);
    support_engine_free(e);
}
