/* Which tensors each kind of head must have, of which shape. */
#include <string.h>

#include "engine/memory.h"
#include "model/checkpoint/load_parts.h"

/* Labels from the classifier's shape when the configuration does not name them. */
static void settle_labels(mdl_loader *l, mdl_model *m, const char *classifier)
{
    mdl_config *c = &m->config;
    size_t rows;
    if (mdl_loader_draws(l, classifier) || !mdl_loader_outputs(l, classifier, &rows)) return;
    if (c->labels && c->labels != rows)
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s.%s has %zu rows; expected %zu, as many as config.json has labels",
                        classifier, l->panels.present ? "bias" : "weight", rows, c->labels);
    if (c->labels) return;
    if (rows == 0 || rows > MDL_MAX_LABELS) {
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s.%s has %zu rows; expected 1 to %d labels", classifier,
                        l->panels.present ? "bias" : "weight", rows, MDL_MAX_LABELS);
        return;
    }
    c->label = eng_alloc_zero(rows, sizeof *c->label);
    if (c->label) c->labels = rows;
    for (size_t i = 0; i < c->labels; i++)
        if (!(c->label[i] = eng_strdup(mdl_name_of("LABEL_%zu", i).text))) c->labels = i;
    if (c->labels != rows) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for labels");
}

static bool new_hidden(mdl_loader *l, mdl_head_weights *h, size_t n)
{
    h->hidden = eng_arena_alloc(l->memory, n, sizeof *h->hidden);
    h->hidden_norm = eng_arena_alloc(l->memory, n, sizeof *h->hidden_norm);
    if (!h->hidden || !h->hidden_norm) {
        h->hidden = NULL;
        mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for the head");
        return false;
    }
    memset(h->hidden, 0, n * sizeof *h->hidden);
    memset(h->hidden_norm, 0, n * sizeof *h->hidden_norm);
    return true;
}

static void load_odyssey_head(mdl_loader *l, mdl_model *m)
{
    mdl_config *c = &m->config;
    mdl_head_weights *h = &m->head;
    size_t in = mdl_config_pooled(c);
    h->pool = mdl_load_linear(l, "pool_model.sap_linear", c->hidden, c->hidden);
    h->pool_vector = mdl_loader_param(l, "pool_model.attention", 2, (size_t[]){c->hidden, 1});
    settle_labels(l, m, "ser_model.out.0");
    /* the baseline's class builds its first layer whatever classifier_hidden_layers says (net/ser.py) */
    if (c->head_layers == 0 && mdl_loader_has_linear(l, "ser_model.fc.0.0")) c->head_layers = 1;
    if (!new_hidden(l, h, c->head_layers)) return;
    for (size_t i = 0; i < c->head_layers && !l->status; i++) {
        mdl_name linear = mdl_name_of("ser_model.fc.%zu.0", i), norm = mdl_name_of("ser_model.fc.%zu.1", i);
        size_t rows;
        if (!mdl_loader_outputs(l, linear.text, &rows)) return;
        h->hidden[i] = mdl_load_linear(l, linear.text, rows, in);
        h->hidden_norm[i] = mdl_load_norm(l, norm.text, rows);
        in = c->projection = rows;
    }
    h->classifier = mdl_load_linear(l, "ser_model.out.0", c->labels, in);
}

static void load_emotion_head(mdl_loader *l, mdl_model *m)
{
    mdl_config *c = &m->config;
    mdl_head_weights *h = &m->head;
    size_t pooled = mdl_config_pooled(c);
    h->mix = mdl_loader_vector(l, "layer_weights", c->layers + 1);
    if (c->pooling == MDL_POOL_ATTENTION) {
        h->pool = mdl_load_linear(l, "pool.linear", c->hidden, c->hidden);
        h->pool_vector = mdl_loader_vector(l, "pool.v", c->hidden);
    } else if (c->pooling == MDL_POOL_ATTENTIVE_STD) {
        h->pool = mdl_load_linear(l, "pool.sap_linear", c->hidden, c->hidden);
        h->pool_vector = mdl_loader_param(l, "pool.attention", 2, (size_t[]){c->hidden, 1});
    }
    if (c->gender != MDL_COND_NONE)
        h->gender = mdl_loader_param(l, "gender.weight", 2, (size_t[]){c->genders, pooled});
    if (c->text != MDL_COND_NONE) h->text = mdl_load_linear(l, "text", pooled, c->text_size);
    settle_labels(l, m, "classifier");
    if (!new_hidden(l, h, 1)) return;
    h->hidden[0] = mdl_load_linear(l, "projection", c->projection, pooled);
    h->classifier = mdl_load_linear(l, "classifier", c->labels, c->projection);
}

static void load_sequence_classification_head(mdl_loader *l, mdl_model *m)
{
    mdl_config *c = &m->config;
    mdl_head_weights *h = &m->head;
    if (c->weighted_sum) h->mix = mdl_loader_vector(l, "layer_weights", c->layers + 1);
    settle_labels(l, m, "classifier");
    if (!new_hidden(l, h, 1)) return;
    h->hidden[0] = mdl_load_linear(l, "projector", c->projection, c->hidden);
    h->classifier = mdl_load_linear(l, "classifier", c->labels, c->projection);
}

void mdl_load_head(mdl_loader *l, mdl_model *m)
{
    l->part = MDL_PART_HEAD;
    switch (m->config.head) {
    case MDL_HEAD_NONE: break;
    case MDL_HEAD_SEQUENCE_CLASSIFICATION: load_sequence_classification_head(l, m); break;
    case MDL_HEAD_ODYSSEY: load_odyssey_head(l, m); break;
    case MDL_HEAD_EMOTION: load_emotion_head(l, m); break;
    }
}
