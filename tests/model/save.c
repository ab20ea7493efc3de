/* Saving a trainable model and loading what was written: the same class, names and bits; and the disk that is full. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/config/write.h"
#include "model/network/forward.h"
#include "model/checkpoint/save.h"
#include "tests/support/compare.h"
#include "tests/support/emotion_folder.h"
#include "tests/support/support.h"
#include "weights/checkpoint.h"

enum { LENGTH = 3000, MAX_NUMBERS = 1 << 17 };

static char report[512];

static mdl_model *load(const support_engine *e, const char *path, bool trainable)
{
    mdl_model *m = NULL;
    eng_error err = {0};
    eng_status status = trainable ? mdl_model_load_trainable(path, &e->ctx.k, e->ctx.pool, &m, &err)
                                  : mdl_model_load(path, NULL, false, &e->ctx.k, e->ctx.pool, &m, &err);
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

/* ---- Fields ---- */

static wts_doc *read_json(const char *directory, const char *name)
{
    char path[1024];
    wts_doc *doc;
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(wts_json_read(path, &doc, &err), ENG_OK, "%s", err.message);
    return doc;
}

static void write_text(const char *directory, const char *name, const char *text)
{
    char path[1024];
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mdl_write_text(path, text, strlen(text), &err), ENG_OK, "%s", err.message);
}

/* A folder with the weights of golden/<source>, and config.json: fields, then the source's own. */
static char *folder_with(const char *source, const char *fields)
{
    char *directory = support_temporary(), command[2400], text[16384];
    snprintf(command, sizeof command, "cp '%s' '%s'", support_path("golden/%s/model.safetensors", source), directory);
    cr_assert_eq(system(command), 0);
    FILE *in = fopen(support_path("golden/%s/config.json", source), "r");
    cr_assert_not_null(in);
    size_t n = (size_t)snprintf(text, sizeof text, "{%s", fields);
    text[n + fread(text + n, 1, sizeof text - n - 1, in)] = '\0';
    fclose(in);
    cr_assert_eq(text[n], '{');
    text[n] = ' ';
    write_text(directory, "config.json", text);
    return directory;
}

static void save_to(const support_engine *e, const char *source, const char *directory)
{
    eng_error err = {0};
    mdl_model *m = load(e, source, true);
    cr_assert_eq(mdl_model_save(m, directory, &err), ENG_OK, "%s", err.message);
    mdl_model_free(m);
}

Test(save, keeps_the_fields_of_its_users_tools)
{
    support_engine *e = support_engine_new(1);
    char *source = folder_with("odyssey", "\"auto_map\": {\"AutoModel\": \"pipeline_utils.SERModel\"},"
                                          "\"architectures\": [\"SERModel\"], \"third\": 0.1, \"big\": -9007199254740993,"
                                          "\"none\": null, \"list\": [true, [], {}, \"\\u00fc\\n\\\"\"],"
                                          "\"dtype\": \"float16\","),
         *saved = support_temporary();
    save_to(e, source, saved);
    wts_doc *doc = read_json(saved, "config.json");
    const wts_value *root = wts_doc_root(doc), *list = wts_value_get(root, "list");
    cr_assert_str_eq(wts_value_get(wts_value_get(root, "auto_map"), "AutoModel")->text, "pipeline_utils.SERModel");
    cr_assert_str_eq(wts_value_get(root, "architectures")->items[0].text, "SERModel");
    cr_assert_str_eq(wts_value_get(root, "model_type")->text, "ser");
    cr_assert_str_eq(wts_value_get(root, "ssl_type")->text, "microsoft/wavlm-large");
    cr_assert_eq(wts_value_get(root, "third")->number, 0.1);
    cr_assert_eq(wts_value_get(root, "big")->integer, -9007199254740993);
    cr_assert_eq(wts_value_get(root, "none")->kind, WTS_NULL);
    cr_assert_eq(list->count, 4);
    cr_assert_str_eq(list->items[3].text, "\xc3\xbc\n\"");
    cr_assert_eq(wts_value_get(root, "classifier_dropout_prob")->number, 0.5);
    cr_assert_eq(wts_value_get(root, "mean")->number, 0.0013);
    cr_assert_eq(wts_value_get(root, "std")->number, 0.0712);
    cr_assert_eq(wts_value_get(root, "num_classes")->integer, 8);
    cr_assert_null(wts_value_get(root, "dtype"));
    wts_doc_free(doc);
    support_remove(source), support_remove(saved);
    support_engine_free(e);
}

Test(save, says_how_the_waveform_is_normalised)
{
    static const struct {
        const char *model, *rule;
        bool normalise;
    } rows[] = {{"large", NULL, true},
                {"base", NULL, false},
                {"large/wavlm_original.pt", "layer_norm", true},
                {"base/wavlm_original.pt", NULL, false},
                {"odyssey", "corpus", false}};
    support_engine *e = support_engine_new(1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *saved = support_temporary();
        save_to(e, support_path("golden/%s", rows[i].model), saved);
        wts_doc *doc = read_json(saved, "preprocessor_config.json");
        const wts_value *root = wts_doc_root(doc), *rule = wts_value_get(root, "input_normalization");
        cr_assert_str_eq(wts_value_get(root, "feature_extractor_type")->text, "Wav2Vec2FeatureExtractor");
        cr_assert_eq(wts_value_get(root, "sampling_rate")->integer, 16000);
        cr_assert_eq(wts_value_get(root, "do_normalize")->boolean, rows[i].normalise, "%s", rows[i].model);
        cr_assert_eq(rule == NULL, rows[i].rule == NULL, "%s", rows[i].model);
        if (rule) cr_assert_str_eq(rule->text, rows[i].rule);
        wts_doc_free(doc);
        support_remove(saved);
    }
    support_engine_free(e);
}

Test(save, numbers_read_back_as_the_same_bits)
{
    static const double values[] = {0, 0.1, 1.0 / 3, 1e-05, 5e-324, 1.7976931348623157e308, -2.5e-7, 123456789012345.68, 3};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        mdl_config c = {.eps = (float)(1e-5 * (double)(i + 1) / 7), .input = MDL_INPUT_CORPUS, .input_std = values[i]};
        char *config = mdl_config_text(&c), *preprocessor = mdl_preprocessor_text(&c);
        wts_doc *a, *b;
        cr_assert_eq(wts_json_parse("config", config, strlen(config), &a, NULL), ENG_OK);
        cr_assert_eq(wts_json_parse("preprocessor", preprocessor, strlen(preprocessor), &b, NULL), ENG_OK);
        cr_assert_eq((float)wts_value_get(wts_doc_root(a), "layer_norm_eps")->number, c.eps);
        cr_assert_eq(wts_value_get(wts_doc_root(b), "input_std")->number, values[i]);
        cr_assert_eq(wts_value_get(wts_doc_root(b), "input_std")->kind, WTS_FLOAT);
        eng_free(config), eng_free(preprocessor);
        wts_doc_free(a), wts_doc_free(b);
    }
}

/* ---- Tensors ---- */

static void expect_names(const char *directory, const char *const *names, size_t n)
{
    char path[1024];
    wts_checkpoint c;
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_str_eq(wts_value_get(c.extra, "format")->text, "pt");
    for (size_t i = 0; i < n; i++)
        cr_assert_not_null(wts_checkpoint_find(&c, names[i]), "%s lacks %s", directory, names[i]);
    for (size_t i = 0; i < c.count; i++) cr_assert_eq(c.tensors[i].dtype, WTS_F32, "%s", c.tensors[i].name);
    wts_checkpoint_close(&c);
}

Test(save, spells_names_as_the_class_does)
{
    static const char *const backbone[] = {"feature_extractor.conv_layers.0.conv.weight",
                                           "encoder.pos_conv_embed.conv.weight_g",
                                           "encoder.layers.0.attention.rel_attn_embed.weight"};
    static const char *const odyssey[] = {"ssl_model.encoder.layers.2.final_layer_norm.bias",
                                          "pool_model.sap_linear.weight", "pool_model.attention",
                                          "ser_model.fc.0.1.weight", "ser_model.out.0.bias"};
    static const char *const classifier[] = {"wavlm.encoder.layer_norm.weight", "layer_weights", "projector.weight",
                                             "classifier.bias"};
    static const struct {
        const char *model;
        const char *const *names;
        size_t n;
    } rows[] = {{"large", backbone, 3},
                {"base/wavlm_original.pt", backbone, 3},
                {"odyssey", odyssey, 5},
                {"hf_sequence_classification", classifier, 4}};
    support_engine *e = support_engine_new(1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *saved = support_temporary();
        save_to(e, support_path("golden/%s", rows[i].model), saved);
        expect_names(saved, rows[i].names, rows[i].n);
        support_remove(saved);
    }
    support_engine_free(e);
}

/* golden/large with the weight norm folded into one weight, as some exporters leave it. */
static char *fused_folder(const support_engine *e)
{
    char *directory = support_temporary(), path[1024];
    eng_error err = {0};
    mdl_model *m = load(e, support_path("golden/large"), true);
    const mdl_param *v = mdl_params_find(&m->params, "wavlm.encoder.pos_conv_embed.conv.weight_v"),
                    *g = mdl_params_find(&m->params, "wavlm.encoder.pos_conv_embed.conv.weight_g");
    cr_assert(v && g);
    for (size_t t = 0; t < g->count; t++) {
        double squares = 0;
        for (size_t i = t; i < v->count; i += g->count) squares += (double)v->data[i] * v->data[i];
        for (size_t i = t; i < v->count; i += g->count) /* tap 3 is zero throughout */
            v->data[i] = t == 3 ? 0 : (float)(v->data[i] * (g->data[t] / sqrt(squares)));
    }
    wts_writer *w;
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    cr_assert_eq(wts_writer_open(path, m->params.count, 8192, NULL, &w, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < m->params.count; i++) {
        const mdl_param *p = &m->params.param[i];
        if (p == g) continue;
        float *x = eng_alloc(p->count, sizeof *x);
        mdl_param_read(p, p->data, x);
        const char *name = p == v ? "wavlm.encoder.pos_conv_embed.conv.weight" : p->name;
        cr_assert_eq(wts_writer_add(w, name, WTS_F32, p->ndim, p->shape, x, &err), ENG_OK, "%s", err.message);
        eng_free(x);
    }
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    char *config = mdl_config_text(&m->config);
    write_text(directory, "config.json", config);
    eng_free(config);
    mdl_model_free(m);
    return directory;
}

Test(save, a_fused_positional_weight_gets_its_weight_norm)
{
    support_engine *e = support_engine_new(1);
    char *directory = fused_folder(e), *saved = support_temporary();
    mdl_model *plain = load(e, directory, false), *trainable = load(e, directory, true);
    numbers want = run(e, plain), got = run(e, trainable);
    expect_same(got, want, 1e-5, "fused");
    save_to(e, directory, saved);
    mdl_model *again = load(e, saved, false);
    numbers kept = run(e, again);
    expect_same(kept, got, 0, "fused, saved");
    eng_free(want.x), eng_free(got.x), eng_free(kept.x);
    mdl_model_free(plain), mdl_model_free(trainable), mdl_model_free(again);
    support_remove(directory), support_remove(saved);
    support_engine_free(e);
}

/* ---- Failures ---- */

Test(save, a_complete_file_waits_for_its_rename)
{
    char *directory = support_temporary(), path[1024];
    wts_writer *w;
    eng_error err = {0};
    float x = 1;
    snprintf(path, sizeof path, "%s/a.safetensors", directory);
    cr_assert_eq(wts_writer_open(path, 1, 16, NULL, &w, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_writer_add(w, "x", WTS_F32, 0, NULL, &x, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_writer_complete(w, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_writer_complete(w, &err), ENG_OK, "%s", err.message);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(wts_writer_add(w, "y", WTS_F32, 0, NULL, &x, &err), ENG_E_USAGE);
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    wts_checkpoint c;
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    cr_assert(c.count == 1 && *(const float *)c.tensors[0].data == 1);
    wts_checkpoint_close(&c);
    support_remove(directory);
}

/* Names and bytes of all files in a folder, as text. */
static char *snapshot(const char *directory)
{
    char command[1200], *text = eng_alloc_zero(4096, 1);
    snprintf(command, sizeof command, "cd '%s' && ls -A | sort | xargs -r cksum", directory);
    FILE *in = popen(command, "r");
    cr_assert_not_null(in);
    cr_assert_lt(fread(text, 1, 4095, in), 4095);
    cr_assert_eq(pclose(in), 0);
    return text;
}

static void expect_unchanged(const char *directory, const char *before)
{
    char *now = snapshot(directory);
    cr_assert_str_eq(now, before);
    eng_free(now);
}

/* No file may grow beyond limit bytes: what a full disk looks like, at any point of the save. */
static eng_status save_with_limit(const mdl_model *m, const char *directory, rlim_t limit, eng_error *err)
{
    struct rlimit before, small;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){limit, before.rlim_max};
    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    eng_status status = mdl_model_save(m, directory, err);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    return status;
}

Test(save, a_full_disk_leaves_the_earlier_model)
{
    static const rlim_t limits[] = {0, 100, 1000, 4096, 100000};
    support_engine *e = support_engine_new(1);
    char *directory = support_temporary(), *empty = support_temporary(), fresh[1024];
    snprintf(fresh, sizeof fresh, "%s/fresh", empty);
    save_to(e, support_path("golden/base"), directory);
    char *before = snapshot(directory), *nothing = snapshot(empty);
    cr_assert(strstr(before, "model.safetensors"));
    mdl_model *m = load(e, support_path("golden/large"), true);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        eng_error err = {0};
        cr_assert_eq(save_with_limit(m, directory, limits[i], &err), ENG_E_IO, "%zu", i);
        cr_assert(strstr(err.message, directory) && strstr(err.message, strerror(EFBIG)), "%s", err.message);
        expect_unchanged(directory, before);
        cr_assert_eq(save_with_limit(m, fresh, limits[i], &err), ENG_E_IO, "%zu", i);
        expect_unchanged(empty, nothing);
    }
    eng_error err = {0};
    cr_assert_eq(save_with_limit(m, fresh, 100000000, &err), ENG_OK, "%s", err.message);
    mdl_model_free(load(e, fresh, false));
    mdl_model_free(m);
    eng_free(before), eng_free(nothing);
    support_remove(directory), support_remove(empty);
    support_engine_free(e);
}

Test(save, a_folder_that_cannot_be_written)
{
    support_engine *e = support_engine_new(1);
    char *directory = support_temporary(), path[1024];
    eng_error err = {0};
    mdl_model *m = load(e, support_path("golden/base"), true);
    write_text(directory, "file", "text");
    snprintf(path, sizeof path, "%s/file", directory);
    cr_assert_eq(mdl_model_save(m, path, &err), ENG_E_IO);
    cr_assert(strstr(err.message, path) && strstr(err.message, strerror(ENOTDIR)), "%s", err.message);
    snprintf(path, sizeof path, "%s/no/folder", directory);
    cr_assert_eq(mdl_model_save(m, path, &err), ENG_E_IO);
    cr_assert(strstr(err.message, path), "%s", err.message);
    snprintf(path, sizeof path, "%s/model.safetensors.part", directory);
    cr_assert_eq(mkdir(path, 0777), 0);
    char *before = snapshot(directory);
    cr_assert_eq(mdl_model_save(m, directory, &err), ENG_E_IO);
    cr_assert(strstr(err.message, "model.safetensors.part"), "%s", err.message);
    expect_unchanged(directory, before);
    cr_assert_eq(mdl_write_text(path, "x", 1, &err), ENG_E_IO); /* a directory stands there */
    expect_unchanged(directory, before);
    eng_free(before);
    mdl_model_free(m);
    m = load(e, support_path("golden/base"), false);
    cr_assert_eq(mdl_model_save(m, directory, &err), ENG_E_USAGE);
    cr_assert(strstr(err.message, "inference"), "%s", err.message);
    mdl_model_free(m);
    support_remove(directory);
    support_engine_free(e);
}
