/* One optimizer step: batches, forward, loss, backward, AdamW. */
#include <math.h>
#include <string.h>

#include "engine/math/math.h"
#include "tools/train/run.h"

/* ---- What a batch asks for ---- */

void train_inputs(const train_run *r, const mdl_model *m, const train_batch *batch, mdl_input *out)
{
    for (size_t u = 0; u < batch->n; u++) {
        const train_utterance *utterance = &batch->utterance[u];
        int gender = r->data.example[utterance->example].gender;
        out[u] = (mdl_input){.samples = utterance->samples,
                             .count = utterance->count,
                             .gender = gender < 0 ? -1 : gender == 0 ? m->config.female : m->config.male,
                             .text = r->text ? r->text + utterance->example * m->config.text_size : NULL};
    }
}

size_t train_label(const train_run *r, size_t example)
{
    return r->class_id[r->data.example[example].label];
}

void train_targets(const train_run *r, const train_batch *batch, float *out)
{
    size_t labels = r->m->config.labels;
    memset(out, 0, batch->n * labels * sizeof *out);
    for (size_t u = 0; u < batch->n; u++) {
        const train_example *e = &r->data.example[batch->utterance[u].example];
        float *row = out + u * labels;
        double low = r->o->range_low, span = r->o->range_high - low;
        if (r->o->loss == TRAIN_CCC)
            for (size_t i = 0; i < labels; i++) row[i] = (float)((e->attribute[r->attribute_of[i]] - low) / span);
        else
            for (size_t c = 0; c < r->data.classes; c++) row[r->class_id[c]] += e->votes[c];
    }
}

double train_loss_sum(train_run *r, const train_batch *batch, eng_tensor logits, double *divisor)
{
    const train_options *o = r->o;
    eng_context *ctx = &r->ctx;
    mdl_loss_options how = {r->class_weight, o->label_smoothing, o->loss == TRAIN_FOCAL ? o->focal_gamma : 0};
    size_t *labels = eng_arena_alloc(ctx->arena, batch->n, sizeof *labels);
    float *targets = eng_arena_alloc(ctx->arena, batch->n * logits.cols, sizeof *targets);
    *divisor = (double)batch->n;
    if (!labels || !targets) {
        eng_out_of_memory(ctx, "a batch's targets", batch->n * logits.cols * sizeof *targets);
        return NAN;
    }
    if (o->loss == TRAIN_CCC || o->soft_labels) {
        train_targets(r, batch, targets);
        double scale = *divisor;
        return scale * (o->loss == TRAIN_CCC ? mdl_loss_concordance(logits, targets, scale)
                                             : mdl_loss_probabilities(logits, targets, &how, scale));
    }
    for (size_t u = 0; u < batch->n; u++) labels[u] = train_label(r, batch->utterance[u].example);
    *divisor = mdl_loss_divisor(batch->n, labels, &how);
    return *divisor * mdl_loss_labels(logits, labels, &how, *divisor);
}

/* ---- The rate ---- */

/* The share of the full rate: transformers' get_constant_schedule_with_warmup, get_linear_schedule_with_warmup and
 * get_cosine_schedule_with_warmup, whose first step of a warm-up has the rate 0. */
static double rate_share(const train_run *r, size_t step)
{
    const train_options *o = r->o;
    double total = (double)r->total_steps, warm = o->warmup < 1 ? ceil(o->warmup * total) : floor(o->warmup);
    double at = (double)step - 1; /* steps taken before */
    if (at < warm) return at / warm;
    if (o->schedule == TRAIN_CONSTANT || total <= warm) return 1;
    double done = (at - warm) / (total - warm);
    if (done > 1) done = 1;
    return o->schedule == TRAIN_LINEAR ? 1 - done : 0.5 * (1 + eng_cos(M_PI * done));
}

double train_rate(const train_run *r, size_t step)
{
    return r->o->lr * rate_share(r, step);
}

/* ---- A step ---- */

/* Forward and backward of one batch: gradients are added to, *loss and *divisor too. */
static eng_status learn_batch(train_run *r, const train_batch *batch, double *loss, double *divisor, eng_error *err)
{
    eng_context *ctx = &r->ctx;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    mdl_input *inputs = eng_arena_alloc(ctx->arena, batch->n, sizeof *inputs);
    uint32_t *ids = eng_arena_alloc(ctx->arena, batch->n, sizeof *ids);
    if (!inputs || !ids) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    train_inputs(r, r->m, batch, inputs);
    for (size_t u = 0; u < batch->n; u++) ids[u] = (uint32_t)batch->utterance[u].example;
    mdl_training training = {.rates = r->rates,
                             .seed = r->o->seed,
                             .step = (uint32_t)(r->at.step + 1),
                             .ids = ids,
                             .checkpoint_layers = r->o->checkpoint_layers};
    ctx->tape = &r->tape;
    ctx->precision = r->o->precision ? ENG_BF16 : ENG_F32; /* of steps alone: scores are what infer gives */
    eng_tensor logits = mdl_forward_recorded(r->m, ctx, batch->n, inputs, &training, NULL);
    if (eng_good(ctx)) {
        double part;
        *loss += train_loss_sum(r, batch, logits, &part);
        *divisor += part;
        eng_backward(ctx);
    }
    ctx->tape = NULL;
    ctx->precision = ENG_F32;
    eng_tape_clear(&r->tape);
    if (!eng_good(ctx)) {
        *err = ctx->error;
        return err->status;
    }
    eng_arena_rewind(ctx->arena, mark);
    return ENG_OK;
}

static eng_status refuse(const train_run *r, const char *what, double value, eng_error *err)
{
    return eng_fail(err, ENG_E_MISMATCH,
                    "step %zu: the %s is %g: the training diverged; try a smaller --lr, a --warmup or --clip 1 (what was "
                    "saved before is intact)",
                    r->at.step + 1, what, value);
}

static eng_status apply(train_run *r, double loss, double divisor, train_step_line *line, eng_error *err)
{
    const train_options *o = r->o;
    line->step = r->at.step + 1;
    line->loss = loss / divisor;
    line->rate = train_rate(r, line->step);
    line->norm = mdl_gradient_norm(&r->m->params, &r->ctx) / divisor;
    if (!isfinite(line->loss)) return refuse(r, "loss", line->loss, err);
    if (!isfinite(line->norm)) return refuse(r, "gradient", line->norm, err);
    double scale = 1 / divisor;
    if (o->clip > 0) scale *= fmin(1, o->clip / (line->norm + 1e-6)); /* torch.nn.utils.clip_grad_norm_ */
    mdl_adamw a = mdl_adamw_defaults();
    a.learning_rate = rate_share(r, line->step); /* of each parameter's own rate */
    a.weight_decay = o->weight_decay;
    mdl_optimizer_step(&r->optimizer, &r->m->params, &r->ctx, &a, scale);
    r->at.step++;
    mdl_average_step(&r->average, &r->m->params, o->ema, r->at.step);
    return ENG_OK;
}

eng_status train_step(train_run *r, train_step_line *line, bool *taken, eng_error *err)
{
    double loss = 0, divisor = 0;
    train_position at = r->at;
    *line = (train_step_line){.epoch = at.epoch + 1};
    *taken = false;
    for (size_t i = 0; i < r->o->accumulate && at.epoch + 1 == line->epoch; i++) {
        const train_batch *batch;
        eng_status status = *r->stop ? ENG_OK : train_feed_next(r->feed, &batch, err);
        if (status) return status;
        if (*r->stop) return ENG_OK; /* decoders that the signal stopped too may have left recordings out */
        if (batch->n) status = learn_batch(r, batch, &loss, &divisor, err);
        if (status) return status;
        line->seconds += batch->seconds;
        at.batch++;
        if (at.batch < batch->batches) continue;
        at.batch = 0;
        at.epoch++;
    }
    if (divisor > 0) {
        eng_status status = apply(r, loss, divisor, line, err);
        if (status) return status;
        *taken = true;
    } else { /* nothing was read, or nothing that was has a weight: 0 / 0 */
        mdl_params_clear_gradients(&r->m->params);
    }
    r->at.epoch = at.epoch;
    r->at.batch = at.batch;
    return ENG_OK;
}
