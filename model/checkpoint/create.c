#include "model/checkpoint/create.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/memory.h"
#include "model/checkpoint/load.h"

static const char *pooling_name(mdl_pooling p)
{
    static const char *const names[] = {[MDL_POOL_MEAN] = "mean",
                                        [MDL_POOL_STD] = "std",
                                        [MDL_POOL_ATTENTION] = "attention",
                                        [MDL_POOL_ATTENTIVE_STD] = "attentive_std"};
    return names[p];
}

static const char *conditioning_name(mdl_conditioning c)
{
    static const char *const names[] = {
        [MDL_COND_NONE] = "none", [MDL_COND_MULTIPLY] = "multiply", [MDL_COND_MEAN] = "mean"};
    return names[c];
}

/* ---- A head that is there: the request must agree ---- */

static eng_status differ(const mdl_model *m, const char *what, const char *has, const char *wanted, eng_error *err)
{
    return eng_fail(err, ENG_E_MISMATCH,
                    "%s: the model's head has %s %s, and %s was asked for: ask for what it has, or renew the head "
                    "(--new-head)",
                    m->path, what, has, wanted);
}

static eng_status differ_in_size(const mdl_model *m, const char *what, size_t has, size_t wanted, eng_error *err)
{
    char a[24], b[24];
    snprintf(a, sizeof a, "%zu", has);
    snprintf(b, sizeof b, "%zu", wanted);
    return differ(m, what, a, b, err);
}

static bool has_label(size_t n, const char *const *labels, const char *label)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(labels[i], label) == 0) return true;
    return false;
}

/* "a, b, c", cut with "..." where it is long. */
static const char *join_labels(size_t n, const char *const *labels, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        int more = snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", labels[i]);
        if (more < 0 || (size_t)more >= size - used) {
            memcpy(buffer + size - 4, "...", 4);
            break;
        }
        used += (size_t)more;
    }
    return buffer;
}

/* True for LABEL_0, LABEL_1, ...: what stands for names that no config.json gives. */
static bool is_unnamed(const mdl_config *c)
{
    char plain[32];
    for (size_t i = 0; i < c->labels; i++) {
        snprintf(plain, sizeof plain, "LABEL_%zu", i);
        if (strcmp(c->label[i], plain) != 0) return false;
    }
    return true;
}

static eng_status copy_labels(mdl_config *c, const mdl_head_request *want, eng_error *err)
{
    for (size_t i = 0; c->label && i < c->labels; i++) eng_free(c->label[i]);
    eng_free(c->label);
    c->labels = 0;
    c->regression = want->regression;
    c->label = eng_alloc_zero(want->labels, sizeof *c->label);
    for (; c->label && c->labels < want->labels; c->labels++)
        if (!(c->label[c->labels] = eng_strdup(want->label[c->labels]))) break;
    return c->labels == want->labels ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for %zu labels", want->labels);
}

bool mdl_find_label(const mdl_config *c, const char *name, size_t *id)
{
    for (*id = 0; *id < c->labels; ++*id)
        if (strcmp(c->label[*id], name) == 0) return true;
    for (*id = 0; *id < c->labels; ++*id)
        if (strcasecmp(c->label[*id], name) == 0) return true;
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    *id = (size_t)number;
    return *name >= '0' && *name <= '9' && !*end && number < c->labels;
}

/* All among the model's, which may have more. A model that does not name its outputs takes the names of as many labels as
 * it has. */
static eng_status check_labels(mdl_model *m, const mdl_head_request *want, eng_error *err)
{
    mdl_config *c = &m->config;
    const char *const *has = (const char *const *)c->label;
    size_t id, known = 0;
    while (known < want->labels && mdl_find_label(c, want->label[known], &id)) known++;
    bool same = known == want->labels;
    if (!same && c->labels == want->labels && is_unnamed(c)) return copy_labels(c, want, err);
    char a[256], b[256];
    if (!same && want->unknown) *want->unknown = known;
    if (!same)
        return differ(m, "the labels", join_labels(c->labels, has, a, sizeof a),
                      join_labels(want->labels, want->label, b, sizeof b), err);
    if (c->regression != want->regression)
        return differ(m, "outputs that are", c->regression ? "values" : "classes", want->regression ? "values" : "classes",
                      err);
    return ENG_OK;
}

static eng_status check_head(mdl_model *m, const mdl_head_request *want, eng_error *err)
{
    const mdl_config *c = &m->config;
    if (want->pooling && *want->pooling != c->pooling)
        return differ(m, "pooling", pooling_name(c->pooling), pooling_name(*want->pooling), err);
    if (want->gender && *want->gender != c->gender)
        return differ(m, "gender conditioning", conditioning_name(c->gender), conditioning_name(*want->gender), err);
    if (want->text && *want->text != c->text)
        return differ(m, "text conditioning", conditioning_name(c->text), conditioning_name(*want->text), err);
    if (c->text != MDL_COND_NONE && want->text_size != c->text_size)
        return want->text_size
                   ? differ_in_size(m, "text_embedding_size", c->text_size, want->text_size, err)
                   : eng_fail(err, ENG_E_MISSING, "%s: the model is conditioned on text, and there are no text embeddings",
                              m->path);
    if (want->projection && want->projection != c->projection)
        return differ_in_size(m, "classifier_proj_size", c->projection, want->projection, err);
    return check_labels(m, want, err);
}

/* ---- A new head ---- */

static eng_status begin_head(mdl_model *m, const mdl_head_request *want, eng_error *err)
{
    mdl_config *c = &m->config;
    c->head = MDL_HEAD_EMOTION;
    c->weighted_sum = true;
    c->head_layers = 0;
    c->pooling = want->pooling ? *want->pooling : MDL_POOL_MEAN;
    c->gender = want->gender ? *want->gender : MDL_COND_NONE;
    c->text = want->text ? *want->text : MDL_COND_NONE;
    c->genders = 2;
    c->female = 0;
    c->male = 1;
    c->text_size = c->text == MDL_COND_NONE ? 0 : want->text_size;
    c->projection = want->projection ? want->projection : 256;
    if (c->text != MDL_COND_NONE && want->text_size == 0)
        return eng_fail(err, ENG_E_MISSING, "%s: text conditioning was asked for, and there are no text embeddings",
                        m->path);
    return copy_labels(c, want, err);
}

/* Without a checkpoint there is nothing that could tell an Odyssey head's sizes. */
static eng_status settle_bare_head(mdl_model *m, const mdl_head_request *want, eng_error *err)
{
    if (m->config.head == MDL_HEAD_ODYSSEY)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: config.json is an Odyssey baseline's and there is no checkpoint: only a new head "
                        "(--new-head) can begin from it",
                        m->path);
    return m->config.labels ? ENG_OK : copy_labels(&m->config, want, err);
}

/* ---- The model ---- */

static eng_status check_request(const char *path, const mdl_head_request *want, eng_error *err)
{
    if (want->labels == 0 || want->labels > MDL_MAX_LABELS)
        return eng_fail(err, ENG_E_USAGE, "%s: a head of %zu labels; expected 1 to %d", path, want->labels, MDL_MAX_LABELS);
    for (size_t i = 0; i < want->labels; i++)
        if (has_label(i, want->label, want->label[i]))
            return eng_fail(err, ENG_E_USAGE, "%s: the label %s was given twice", path, want->label[i]);
    return ENG_OK;
}

static eng_status fill(mdl_model *m, const wts_folder *folder, const wts_checkpoint *file, const mdl_head_request *want,
                       mdl_initialiser *init, const kern_table *k, eng_pool *pool, bool *fresh, eng_error *err)
{
    eng_status status = mdl_load_config(m, folder, file, want->renew, err);
    if (status) return status;
    bool renew = want->renew || m->config.head == MDL_HEAD_NONE;
    if (renew) status = begin_head(m, want, err);
    else if (!file) status = settle_bare_head(m, want, err);
    *fresh = renew || !file;
    init->config = &m->config;
    if (!status) status = mdl_load_weights(m, file, *fresh ? init : NULL, MDL_LOAD_TO_TRAIN, k, pool, err);
    if (!status && !renew) status = check_head(m, want, err);
    if (renew) m->layout = WTS_LAYOUT_EMOTION; /* what it is from now on; the file's names were its source's */
    return status;
}

eng_status mdl_model_create(const char *path, const mdl_head_request *want, uint64_t seed, const kern_table *k,
                            eng_pool *pool, mdl_model **out, bool *new_head, bool *random_backbone, eng_error *err)
{
    *out = NULL;
    wts_folder folder;
    eng_status status = check_request(path, want, err);
    if (!status) status = wts_folder_find(path, &folder, err);
    if (status) return status;
    bool random = !folder.checkpoint;
    wts_checkpoint file = {0};
    if (!random) status = wts_folder_open(&folder, &file, err);
    mdl_model *m = status ? NULL : mdl_model_new(path, err);
    if (!status && !m) status = ENG_E_MEMORY;
    mdl_initialiser init = {.seed = seed, .backbone = random};
    bool fresh = false;
    if (!status) status = fill(m, &folder, random ? NULL : &file, want, &init, k, pool, &fresh, err);
    if (status) {
        mdl_model_free(m);
    } else {
        *out = m;
        *new_head = fresh;
        *random_backbone = random;
    }
    if (!random) wts_checkpoint_close(&file);
    wts_folder_fini(&folder);
    return status;
}

/* m->config becomes a bare backbone's, or one with the head that is wanted. */
static eng_status settle_random(mdl_model *m, const mdl_head_request *want, eng_error *err)
{
    m->layout = want ? WTS_LAYOUT_EMOTION : WTS_LAYOUT_BACKBONE;
    if (want) return begin_head(m, want, err);
    m->config.head = MDL_HEAD_NONE;
    m->config.weighted_sum = false;
    return ENG_OK;
}

eng_status mdl_model_random(const char *name, const wts_value *config, const mdl_head_request *want, bool trainable,
                            eng_precision precision, bool allow_bf16, uint64_t seed, const kern_table *k,
                            eng_pool *pool, mdl_model **out, eng_error *err)
{
    *out = NULL;
    eng_status status = want ? check_request(name, want, err) : ENG_OK;
    if (status) return status;
    mdl_model *m = mdl_model_new(name, err);
    if (!m) return ENG_E_MEMORY;
    m->precision = trainable ? ENG_F32 : precision;
    m->allow_bf16 = allow_bf16;
    mdl_initialiser init = {.config = &m->config, .seed = seed, .backbone = true};
    status = mdl_config_read(mdl_layout_named(config), config, NULL, name, &m->config, err);
    if (!status) status = settle_random(m, want, err);
    if (!status) status = mdl_load_weights(m, NULL, &init, trainable ? MDL_LOAD_TO_TRAIN : MDL_LOAD_TO_RUN, k, pool, err);
    if (status) mdl_model_free(m);
    else *out = m;
    return status;
}
