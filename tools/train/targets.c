/* What the model gets of recordings, what it is to give for them, and how far it is from that. */
#include <math.h>
#include <string.h>

#include "tools/train/run.h"

void train_inputs(const train_run *r, const mdl_model *m, size_t n, const train_utterance *utterance, mdl_input *out)
{
    for (size_t u = 0; u < n; u++) {
        const train_utterance *one = &utterance[u];
        int gender = r->data.example[one->example].gender;
        out[u] = (mdl_input){.samples = one->samples,
                             .count = one->count,
                             .gender = gender < 0 ? -1 : gender == 0 ? m->config.female : m->config.male,
                             .text = r->text ? r->text + one->example * m->config.text_size : NULL};
    }
}

size_t train_label(const train_run *r, size_t example)
{
    return r->class_id[r->data.example[example].label];
}

void train_targets(const train_run *r, size_t n, const train_utterance *utterance, float *out)
{
    size_t labels = r->m->config.labels;
    memset(out, 0, n * labels * sizeof *out);
    for (size_t u = 0; u < n; u++) {
        const train_example *e = &r->data.example[utterance[u].example];
        float *row = out + u * labels;
        double low = r->o->range_low, span = r->o->range_high - low;
        if (r->o->loss == TRAIN_CCC)
            for (size_t i = 0; i < labels; i++) row[i] = (float)((e->attribute[r->attribute_of[i]] - low) / span);
        else
            for (size_t c = 0; c < r->data.classes; c++) row[r->class_id[c]] += e->votes[c];
    }
}

double train_loss_sum(train_run *r, size_t n, const train_utterance *utterance, eng_tensor logits, double *divisor)
{
    const train_options *o = r->o;
    eng_context *ctx = &r->ctx;
    mdl_loss_options how = {r->class_weight, o->label_smoothing, o->loss == TRAIN_FOCAL ? o->focal_gamma : 0};
    size_t *labels = eng_arena_alloc(ctx->arena, n, sizeof *labels);
    float *targets = eng_arena_alloc(ctx->arena, n * logits.cols, sizeof *targets);
    *divisor = (double)n;
    if (!labels || !targets) {
        eng_out_of_memory(ctx, "a batch's targets", n * logits.cols * sizeof *targets);
        return NAN;
    }
    if (o->loss == TRAIN_CCC || o->soft_labels) {
        train_targets(r, n, utterance, targets);
        double scale = *divisor;
        return scale * (o->loss == TRAIN_CCC ? mdl_loss_concordance(logits, targets, scale)
                                             : mdl_loss_probabilities(logits, targets, &how, scale));
    }
    for (size_t u = 0; u < n; u++) labels[u] = train_label(r, utterance[u].example);
    *divisor = mdl_loss_divisor(n, labels, &how);
    return *divisor * mdl_loss_labels(logits, labels, &how, *divisor);
}
