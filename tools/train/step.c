/* One optimizer step: batches, forward, loss, backward, exchange, AdamW. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/memory.h"
#include "model/audio/audio.h"
#include "tools/train/run.h"

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

/* ---- Batches, in shards ---- */

typedef struct step_run {
    train_run *r;
    size_t first, own;          /* this rank's shards: `own` from `first` on */
    size_t batches;
    const train_batch **batch;  /* [batches] */
    bool *present;              /* [shards]: it has an utterance */
    double *sums;               /* [shards, 2]: loss and divisor of each */
    float **slope;              /* [batches]: of the losses of whole batches, [own utterances, labels]; NULL: not known yet */
    double loss, divisor;       /* of the losses of whole batches */
} step_run;

/* The utterances of a shard of this rank, counted from its first, in a batch. */
static train_utterance *part_of(const step_run *s, size_t batch, size_t own, size_t *n)
{
    const train_batch *b = s->batch[batch];
    *n = b->shard[own + 1] - b->shard[own];
    return b->utterance + b->shard[own];
}

/* Ends the forward pass, and what was recorded of it. */
static eng_status end_pass(train_run *r, eng_arena_mark mark, eng_error *err)
{
    eng_context *ctx = &r->ctx;
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

/* Logits of a part, recorded; `training` lives until the backward pass is over. */
static eng_tensor forward(const step_run *s, size_t batch, size_t own, mdl_training *training)
{
    train_run *r = s->r;
    eng_context *ctx = &r->ctx;
    size_t n;
    const train_utterance *utterance = part_of(s, batch, own, &n);
    mdl_input *inputs = eng_arena_alloc(ctx->arena, n, sizeof *inputs);
    uint32_t *ids = eng_arena_alloc(ctx->arena, n, sizeof *ids);
    if (!inputs || !ids) {
        eng_out_of_memory(ctx, "a batch", n * sizeof *inputs);
        return (eng_tensor){0};
    }
    train_inputs(r, r->m, n, utterance, inputs);
    for (size_t u = 0; u < n; u++) ids[u] = (uint32_t)utterance[u].example;
    *training = (mdl_training){.rates = r->rates,
                               .seed = r->o->seed,
                               .step = (uint32_t)(r->at.step + 1),
                               .ids = ids,
                               .checkpoint_layers = r->o->checkpoint_layers,
                               .watch = mdl_exchange_watch(r->exchange, s->first + own, batch + 1 == s->batches)};
    ctx->tape = &r->tape;
    ctx->precision = r->o->precision ? ENG_BF16 : ENG_F32; /* of steps alone: scores are what infer gives */
    return mdl_forward_recorded(r->m, ctx, n, inputs, training, NULL);
}

/* ---- Losses of whole batches: 1 - CCC, whose moments are those of all ranks' utterances ---- */

static bool is_joint(const step_run *s)
{
    return s->r->o->loss == TRAIN_CCC && s->r->shards > 1;
}

/* Logits and targets of all utterances of a batch, [n, 2 * labels], a shard behind the other. own: this rank's. */
static eng_status gather_rows(train_run *r, size_t rows, const float *own, size_t *before, size_t *n, float **all,
                              eng_error *err)
{
    const size_t ranks = eng_ranks_count(r->ranks), width = 2 * r->m->config.labels * sizeof(float);
    size_t *bytes = eng_arena_alloc(&r->arena, ranks, sizeof *bytes), mine = rows * width, sum = 0;
    if (!bytes) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    eng_status status = train_gather(r, &mine, sizeof mine, bytes, err);
    if (status) return status;
    for (size_t i = 0; i < ranks; i++) {
        if (i == eng_ranks_self(r->ranks)) *before = sum / width;
        sum += bytes[i];
    }
    *n = sum / width;
    *all = eng_arena_alloc(&r->arena, sum, 1);
    return *all ? train_gather_unequal(r, own, bytes, *all, err) : eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
}

/* The loss of batch `batch`, of which this rank has `rows` rows in own [rows, 2 * labels]; its slopes to slope [rows, labels]. */
static eng_status join(step_run *s, size_t rows, const float *own, float *slope, eng_error *err)
{
    train_run *r = s->r;
    const size_t labels = r->m->config.labels;
    eng_arena_mark mark = eng_arena_save(&r->arena);
    size_t n = 0, before = 0;
    float *all = NULL;
    eng_status status = gather_rows(r, rows, own, &before, &n, &all, err);
    float *x = status ? NULL : eng_arena_alloc(&r->arena, 3 * n * labels, sizeof *x);
    if (!status && !x) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    if (!status && n) {
        float *targets = x + n * labels, *slopes = targets + n * labels;
        for (size_t u = 0; u < n; u++) {
            memcpy(x + u * labels, all + u * 2 * labels, labels * sizeof *x);
            memcpy(targets + u * labels, all + (u * 2 + 1) * labels, labels * sizeof *x);
        }
        memset(slopes, 0, n * labels * sizeof *slopes);
        s->loss += (double)n * mdl_loss_concordance((eng_tensor){x, n, labels, labels, slopes}, targets, (double)n);
        s->divisor += (double)n;
        memcpy(slope, slopes + before * labels, rows * labels * sizeof *slope);
    }
    eng_arena_rewind(&r->arena, mark);
    return status;
}

/* Logits and targets of a part, [n, 2 * labels]. */
static void take_rows(const step_run *s, size_t batch, size_t own, eng_tensor logits, float *rows)
{
    size_t n;
    const train_utterance *utterance = part_of(s, batch, own, &n);
    float *targets = eng_arena_alloc(s->r->ctx.arena, n * logits.cols, sizeof *targets);
    if (!targets) {
        eng_out_of_memory(&s->r->ctx, "a batch's targets", n * logits.cols * sizeof *targets);
        return;
    }
    train_targets(s->r, n, utterance, targets);
    for (size_t u = 0; u < n; u++) {
        memcpy(rows + u * 2 * logits.cols, eng_row(logits, u), logits.cols * sizeof *rows);
        memcpy(rows + (u * 2 + 1) * logits.cols, targets + u * logits.cols, logits.cols * sizeof *rows);
    }
}

/* The slopes of all batches, by forward passes of all of this rank's shards: where it has several, so that one after the
 * other can go backward. Recorded, since ops that fuse might round otherwise without a tape. */
static eng_status find_slopes(step_run *s, eng_error *err)
{
    train_run *r = s->r;
    const size_t labels = r->m->config.labels;
    eng_status status = ENG_OK;
    for (size_t b = 0; b < s->batches && !status; b++) {
        const size_t n = s->batch[b]->n;
        float *rows = eng_alloc(n, 2 * labels * sizeof *rows);
        s->slope[b] = eng_alloc(n, labels * sizeof *s->slope[b]);
        if (!rows || !s->slope[b]) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
        for (size_t own = 0; own < s->own && !status; own++) {
            size_t part;
            part_of(s, b, own, &part);
            if (!part) continue;
            mdl_training training;
            eng_arena_mark mark = eng_arena_save(&r->arena);
            eng_tensor logits = forward(s, b, own, &training);
            if (eng_good(&r->ctx)) take_rows(s, b, own, logits, rows + s->batch[b]->shard[own] * 2 * labels);
            status = end_pass(r, mark, err);
        }
        if (status) train_leave(r, err);
        if (!status) status = join(s, n, rows, s->slope[b], err);
        eng_free(rows);
    }
    return status;
}

/* ---- Forward and backward ---- */

/* Seeds the gradient of a part's logits, and counts its loss. */
static eng_status seed(step_run *s, size_t batch, size_t own, eng_tensor logits, eng_error *err)
{
    train_run *r = s->r;
    size_t n;
    const train_utterance *utterance = part_of(s, batch, own, &n);
    if (!is_joint(s)) {
        double part, *sums = s->sums + 2 * (s->first + own);
        sums[0] += train_loss_sum(r, n, utterance, logits, &part);
        sums[1] += part;
        return ENG_OK;
    }
    const float *known = s->slope[batch];
    float *slope = eng_arena_alloc(&r->arena, n * logits.cols, sizeof *slope);
    float *rows = eng_arena_alloc(&r->arena, 2 * n * logits.cols, sizeof *rows);
    if (!slope || !rows) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    if (known) {
        known += s->batch[batch]->shard[own] * logits.cols;
    } else {
        take_rows(s, batch, own, logits, rows);
        eng_status status = eng_good(&r->ctx) ? join(s, n, rows, slope, err) : ENG_OK;
        if (status) return status;
        known = slope;
    }
    for (size_t u = 0; u < n; u++)
        for (size_t i = 0; i < logits.cols; i++) eng_grad_row(logits, u)[i] += known[u * logits.cols + i];
    return ENG_OK;
}

static eng_status learn_part(step_run *s, size_t batch, size_t own, eng_error *err)
{
    train_run *r = s->r;
    size_t n;
    part_of(s, batch, own, &n);
    if (!n && is_joint(s) && !s->slope[batch]) return join(s, 0, NULL, NULL, err); /* the others count on it */
    if (!n) return ENG_OK;
    mdl_training training;
    eng_arena_mark mark = eng_arena_save(&r->arena);
    eng_tensor logits = forward(s, batch, own, &training);
    eng_status status = eng_good(&r->ctx) ? seed(s, batch, own, logits, err) : ENG_OK;
    if (!status && eng_good(&r->ctx)) eng_backward(&r->ctx);
    eng_status ended = end_pass(r, mark, err);
    return status ? status : ended;
}

/* Gradients of all of this rank's shards, on their way to being summed. */
static eng_status learn_shards(step_run *s, eng_error *err)
{
    train_run *r = s->r;
    eng_status status = is_joint(s) && s->own > 1 ? find_slopes(s, err) : ENG_OK;
    mdl_exchange_begin(r->exchange, s->present);
    for (size_t own = 0; own < s->own && !status; own++) {
        for (size_t b = 0; b < s->batches && !status; b++) status = learn_part(s, b, own, err);
        if (!status && s->present[s->first + own]) mdl_exchange_take(r->exchange, &r->ctx, s->first + own);
        if (!status && !eng_good(&r->ctx)) *err = r->ctx.error, status = err->status;
    }
    return status;
}

/* ---- A step ---- */

static eng_status refuse(const train_run *r, const char *what, double value, eng_error *err)
{
    return eng_fail(err, ENG_E_MISMATCH,
                    "step %zu: the %s is %g: the training diverged; try a smaller --lr, a --warmup or --clip 1 (what was "
                    "saved before is intact)",
                    r->at.step + 1, what, value);
}

/* The loss of all shards, in their order, and its divisor. */
static eng_status sum_losses(step_run *s, double *loss, double *divisor, eng_error *err)
{
    train_run *r = s->r;
    *loss = s->loss;
    *divisor = s->divisor;
    if (is_joint(s)) return ENG_OK;
    double *own = eng_arena_alloc(&r->arena, 2 * s->own, sizeof *own);
    if (!own) return eng_fail(err, ENG_E_MEMORY, "out of memory for a step");
    memcpy(own, s->sums + 2 * s->first, 2 * s->own * sizeof *own);
    eng_status status = train_gather(r, own, 2 * s->own * sizeof *own, s->sums, err);
    for (size_t i = 0; i < r->shards && !status; i++) {
        *loss += s->sums[2 * i];
        *divisor += s->sums[2 * i + 1];
    }
    return status;
}

static eng_status apply(train_run *r, double loss, double divisor, train_step_line *line, eng_error *err)
{
    const train_options *o = r->o;
    line->step = r->at.step + 1;
    line->loss = loss / divisor;
    line->rate = train_rate(r, line->step);
    line->norm = mdl_exchange_norm(r->exchange, &r->ctx) / divisor;
    if (!eng_good(&r->ctx)) { /* this rank's memory: the others do not know */
        *err = r->ctx.error;
        train_leave(r, err);
        return err->status;
    }
    if (!isfinite(line->loss)) return refuse(r, "loss", line->loss, err);
    if (!isfinite(line->norm)) return refuse(r, "gradient", line->norm, err);
    double scale = 1 / divisor;
    if (o->clip > 0) scale *= fmin(1, o->clip / (line->norm + 1e-6)); /* torch.nn.utils.clip_grad_norm_ */
    mdl_adamw a = mdl_adamw_defaults();
    a.learning_rate = rate_share(r, line->step); /* of each parameter's own rate */
    a.weight_decay = o->weight_decay;
    mdl_exchange_keep(r->exchange);
    mdl_optimizer_step(&r->optimizer, &r->m->params, &r->ctx, &a, scale);
    mdl_exchange_give(r->exchange);
    r->at.step++;
    mdl_average_step(&r->average, &r->m->params, o->ema, r->at.step);
    return ENG_OK;
}

/* Reads the step's batches, and says what all ranks have of them. */
static eng_status read_batches(step_run *s, train_position *at, double *unsaved, train_step_line *line, eng_error *err)
{
    train_run *r = s->r;
    const size_t ranks = eng_ranks_count(r->ranks);
    train_answer own = {.unsaved = *unsaved}, *all = eng_arena_alloc(&r->arena, ranks, sizeof *all);
    bool *mine = eng_arena_alloc(&r->arena, s->own, sizeof *mine);
    eng_status status = all && mine ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for a step");
    for (size_t i = 0; i < r->o->accumulate && at->epoch + 1 == line->epoch && !status && !*r->stop; i++) {
        const train_batch *batch;
        status = train_feed_next(r->feed, &batch, err);
        if (status) break;
        s->batch[s->batches++] = batch;
        own.samples += batch->samples;
        at->batch++;
        if (at->batch < batch->batches) continue;
        at->batch = 0;
        at->epoch++;
    }
    own.stop = *r->stop; /* decoders that the signal stopped too may have left recordings out */
    if (!all || !mine) {
        train_leave(r, err);
        return status;
    }
    status = train_ask(r, status, &own, all, err);
    if (status || r->stopped) return status;
    *unsaved = all[0].unsaved;
    size_t samples = 0;
    for (size_t i = 0; i < ranks; i++) samples += all[i].samples;
    line->seconds = (double)samples / MDL_SAMPLE_RATE;
    for (size_t i = 0; i < s->own; i++) {
        mine[i] = false;
        for (size_t b = 0; b < s->batches; b++) mine[i] = mine[i] || s->batch[b]->shard[i + 1] > s->batch[b]->shard[i];
    }
    return train_gather(r, mine, s->own * sizeof *mine, s->present, err);
}

/* What a step computes, from batches that were read to new weights. */
static eng_status compute(step_run *s, train_step_line *line, bool *taken, eng_error *err)
{
    train_run *r = s->r;
    double loss = 0, divisor = 0;
    bool any = false;
    for (size_t i = 0; i < r->shards; i++) any = any || s->present[i];
    if (!any) return ENG_OK;
    eng_status status = learn_shards(s, err);
    if (!status) mdl_exchange_sum(r->exchange, &r->ctx);
    r->waited += mdl_exchange_waited(r->exchange);
    if (!status && !eng_good(&r->ctx)) *err = r->ctx.error, status = err->status;
    if (!status) status = sum_losses(s, &loss, &divisor, err);
    if (status) {
        train_leave(r, err);
        return status;
    }
    if (divisor > 0) {
        *taken = true;
        return apply(r, loss, divisor, line, err);
    }
    mdl_params_clear_gradients(&r->m->params); /* nothing that was read has a weight: 0 / 0 */
    return ENG_OK;
}

eng_status train_step(train_run *r, double *unsaved, train_step_line *line, bool *taken, eng_error *err)
{
    train_position at = r->at;
    char work[64];
    *line = (train_step_line){.epoch = at.epoch + 1};
    *taken = false;
    snprintf(work, sizeof work, "step %zu", at.step + 1);
    eng_ranks_set_work(r->ranks, work);
    eng_arena_mark mark = eng_arena_save(&r->arena);
    step_run s = {.r = r};
    size_t end, accumulate = (size_t)r->o->accumulate;
    mdl_exchange_shards(r->exchange, &s.first, &end);
    s.own = end - s.first;
    s.batch = eng_arena_alloc(&r->arena, accumulate, sizeof *s.batch);
    s.slope = eng_arena_alloc(&r->arena, accumulate, sizeof *s.slope);
    s.present = eng_arena_alloc(&r->arena, r->shards, sizeof *s.present);
    s.sums = eng_arena_alloc(&r->arena, 2 * r->shards, sizeof *s.sums);
    if (!s.batch || !s.slope || !s.present || !s.sums) {
        eng_fail(err, ENG_E_MEMORY, "out of memory for a step");
        train_leave(r, err);
        return err->status;
    }
    memset(s.slope, 0, accumulate * sizeof *s.slope);
    memset(s.sums, 0, 2 * r->shards * sizeof *s.sums);
    eng_status status = read_batches(&s, &at, unsaved, line, err);
    if (!status && !r->stopped) {
        status = compute(&s, line, taken, err);
        r->at.epoch = at.epoch;
        r->at.batch = at.batch;
    }
    for (size_t b = 0; b < s.batches; b++) eng_free(s.slope[b]);
    eng_arena_rewind(&r->arena, mark);
    return status;
}
