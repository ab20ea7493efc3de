/* Scoring a model on a split. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/train/run.h"

/* Bounds of a batch here: what the activations take stays small. */
enum { BATCH_UTTERANCES = 32, BATCH_SECONDS = 60 };

/* Batches that a rank scores between two looks at whether any was told to stop. */
enum { BATCHES_A_ROUND = 4 };

/* One utterance's scores, or one batch's loss; as ranks send them to each other. */
typedef struct scored {
    size_t example;
    float given[]; /* [labels], then for attributes wanted [labels] */
} scored;

typedef struct batch_loss {
    size_t index;
    double loss, divisor;
} batch_loss;

typedef struct evaluation {
    size_t capacity;           /* examples of the split */
    size_t row;                /* bytes of a `scored` */
    char *scored;              /* [count] of this rank */
    size_t count;
    batch_loss *losses;        /* [batches] of this rank */
    size_t batches;
    size_t *truth, *predicted; /* [all], classes */
    float *wanted, *given;     /* [all, labels], attributes */
    size_t all;
    double loss, divisor;
} evaluation;

static eng_status evaluation_init(evaluation *e, const train_run *r, train_split split, eng_error *err)
{
    *e = (evaluation){0};
    for (size_t i = 0; i < r->data.count; i++)
        if (r->data.example[i].split == split && !r->data.example[i].broken) e->capacity++;
    size_t labels = r->m->config.labels;
    e->row = sizeof(scored) + (labels * 2 * sizeof(float) + sizeof(size_t) - 1) / sizeof(size_t) * sizeof(size_t);
    e->scored = eng_alloc_zero(e->capacity, e->row);
    e->losses = eng_alloc(e->capacity, sizeof *e->losses);
    e->truth = eng_alloc(e->capacity, sizeof *e->truth);
    e->predicted = eng_alloc(e->capacity, sizeof *e->predicted);
    e->wanted = eng_alloc(e->capacity, labels * sizeof *e->wanted);
    e->given = eng_alloc(e->capacity, labels * sizeof *e->given);
    return e->scored && e->losses && e->truth && e->predicted && e->wanted && e->given
               ? ENG_OK
               : eng_fail(err, ENG_E_MEMORY, "out of memory to evaluate %zu recordings", e->capacity);
}

static void evaluation_fini(evaluation *e)
{
    eng_free(e->scored);
    eng_free(e->losses);
    eng_free(e->truth);
    eng_free(e->predicted);
    eng_free(e->wanted);
    eng_free(e->given);
}

static size_t largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static eng_status score_batch(train_run *r, const mdl_model *m, const train_batch *batch, evaluation *e, eng_error *err)
{
    eng_context *ctx = &r->ctx;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    size_t labels = m->config.labels;
    mdl_input *inputs = eng_arena_alloc(ctx->arena, batch->n, sizeof *inputs);
    float *targets = eng_arena_alloc(ctx->arena, batch->n * labels, sizeof *targets);
    eng_tensor logits = eng_tensor_plain(ctx, batch->n, labels), slope = eng_tensor_plain(ctx, batch->n, labels);
    if (!inputs || !targets || !eng_good(ctx)) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    train_inputs(r, m, batch->n, batch->utterance, inputs);
    eng_status status = mdl_forward(m, ctx, batch->n, inputs, logits.data, NULL, err);
    if (status) return status;
    for (size_t i = 0; i < batch->n * labels; i++) slope.data[i] = 0;
    logits.grad = slope.data; /* not used: a loss brings its gradient with it */
    batch_loss *loss = &e->losses[e->batches++];
    loss->index = batch->index;
    loss->loss = train_loss_sum(r, batch->n, batch->utterance, logits, &loss->divisor);
    bool values = r->o->loss == TRAIN_CCC;
    if (values) train_targets(r, batch->n, batch->utterance, targets);
    for (size_t u = 0; u < batch->n; u++, e->count++) {
        scored *row = (scored *)(void *)(e->scored + e->count * e->row);
        row->example = batch->utterance[u].example;
        memcpy(row->given, eng_row(logits, u), labels * sizeof *row->given);
        if (values) memcpy(row->given + labels, targets + u * labels, labels * sizeof *targets);
    }
    eng_arena_rewind(ctx->arena, mark);
    return ENG_OK;
}

/* A round's batches. *ended: this rank has no more. */
static eng_status score_round(train_run *r, const mdl_model *m, train_feed *feed, evaluation *e, bool *ended, eng_error *err)
{
    const size_t most = eng_ranks_count(r->ranks) > 1 ? BATCHES_A_ROUND : 1;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < most && !*ended && !status && !*r->stop; i++) {
        const train_batch *batch;
        status = train_feed_next(feed, &batch, err);
        *ended = !status && !batch;
        if (!status && batch && batch->n) status = score_batch(r, m, batch, e, err);
    }
    return status;
}

/* One pass over this rank's share of the split, in the list's order, unless it is to stop. */
static eng_status score_split(train_run *r, const mdl_model *m, train_split split, evaluation *e, eng_error *err)
{
    train_feed_options o = {.data = &r->data,
                            .split = split,
                            .batch_size = BATCH_UTTERANCES,
                            .batch_seconds = BATCH_SECONDS,
                            .seed = r->o->seed,
                            .threads = r->o->decoders,
                            .once = true,
                            .every = eng_ranks_count(r->ranks),
                            .turn = eng_ranks_self(r->ranks),
                            .cache_bytes = (size_t)r->o->cache_mib << 20,
                            .min_samples = mdl_config_min_samples(&m->config)};
    train_feed *feed = NULL;
    eng_status status = eng_ranks_agree(r->ranks, train_feed_open(&o, 0, 0, &feed, err), err);
    bool ended = false;
    for (size_t left = 1; !status && left && !r->stopped;) {
        size_t *has_more = eng_alloc(eng_ranks_count(r->ranks), sizeof *has_more), own;
        status = score_round(r, m, feed, e, &ended, err);
        if (!status && !has_more) status = eng_fail(err, ENG_E_MEMORY, "out of memory");
        status = train_ask_stop(r, status, err);
        own = !ended;
        if (!status && has_more) status = train_gather(r, &own, sizeof own, has_more, err);
        left = 0;
        for (size_t i = 0; i < eng_ranks_count(r->ranks) && !status; i++) left += has_more[i];
        eng_free(has_more);
    }
    if (!status) status = train_say_skipped(r, feed, err);
    train_feed_close(feed);
    return status;
}

/* ---- All ranks' scores, on all ranks, in the list's order ---- */

static int compare_index(const void *a, const void *b)
{
    size_t x, y; /* of a `scored` and of a batch_loss it is the first member */
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Every rank's rows of `size` bytes, sorted by their first member; a heap block. */
static eng_status gather_sorted(train_run *r, const void *own, size_t count, size_t size, void **all, size_t *n, eng_error *err)
{
    const size_t ranks = eng_ranks_count(r->ranks);
    size_t *bytes = eng_alloc(ranks, sizeof *bytes), mine = count * size, sum = 0;
    *all = NULL;
    eng_status status = bytes ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for scores");
    if (status) train_leave(r, err);
    if (!status) status = train_gather(r, &mine, sizeof mine, bytes, err);
    for (size_t i = 0; i < ranks && !status; i++) sum += bytes[i];
    if (!status && !(*all = eng_alloc(sum, 1))) {
        status = eng_fail(err, ENG_E_MEMORY, "out of memory for scores");
        train_leave(r, err);
    }
    if (!status) status = train_gather_unequal(r, own, bytes, *all, err);
    *n = sum / size;
    if (!status) qsort(*all, *n, size, compare_index);
    eng_free(bytes);
    return status;
}

static eng_status put_together(train_run *r, evaluation *e, eng_error *err)
{
    const size_t labels = r->m->config.labels;
    void *rows = NULL, *losses = NULL;
    size_t batches = 0;
    eng_status status = gather_sorted(r, e->scored, e->count, e->row, &rows, &e->all, err);
    if (!status) status = gather_sorted(r, e->losses, e->batches, sizeof *e->losses, &losses, &batches, err);
    for (size_t i = 0; i < batches && !status; i++) {
        const batch_loss *l = (const batch_loss *)losses + i;
        if (!(l->divisor > 0)) continue;
        e->loss += l->loss;
        e->divisor += l->divisor;
    }
    for (size_t i = 0; i < e->all && !status; i++) {
        const scored *row = (const scored *)(const void *)((const char *)rows + i * e->row);
        memcpy(e->given + i * labels, row->given, labels * sizeof *e->given);
        if (r->o->loss == TRAIN_CCC) {
            memcpy(e->wanted + i * labels, row->given + labels, labels * sizeof *e->wanted);
        } else {
            e->truth[i] = train_label(r, row->example);
            e->predicted[i] = largest(row->given, labels);
        }
    }
    eng_free(rows);
    eng_free(losses);
    return status;
}

/* ---- Scores ---- */

/* Mean over attributes of the CCC. */
static double concordances(const evaluation *e, size_t labels, double *ccc)
{
    double sum = 0;
    for (size_t i = 0; i < labels; i++) {
        ccc[i] = mdl_concordance(e->all, labels, i, e->given, e->wanted);
        sum += ccc[i];
    }
    return sum / (double)labels;
}

static eng_status log_scores(train_run *r, const evaluation *e, train_evaluation_line *line, double *score, eng_error *err)
{
    size_t labels = r->m->config.labels;
    mdl_class_scores scores = {0};
    double *ccc = eng_alloc(labels, sizeof *ccc);
    eng_status status = ccc ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for scores");
    if (!status && r->o->loss == TRAIN_CCC) {
        line->ccc = ccc;
        line->attributes = labels;
        *score = line->ccc_mean = concordances(e, labels, ccc);
        line->loss = 1 - line->ccc_mean; /* of the split; the batches' mean would depend on how it was cut */
    } else if (!status) {
        status = mdl_class_scores_init(&scores, labels, e->all, e->truth, e->predicted, err);
        line->scores = &scores;
        *score = scores.macro_f1;
    }
    line->best = line->best || r->at.best_step == 0 || *score > r->at.best;
    if (!status && r->leads) status = train_log_evaluation(&r->log, line, err);
    status = eng_ranks_agree(r->ranks, status, err);
    if (!status && r->o->loss == TRAIN_CCC)
        train_say(r, "epoch %zu, %s: loss %.4f, mean CCC %.4f", line->epoch, line->split, line->loss, *score);
    else if (!status)
        train_say(r, "epoch %zu, %s: loss %.4f, macro-F1 %.4f, accuracy %.4f, UAR %.4f", line->epoch, line->split,
                  line->loss, *score, scores.accuracy, scores.uar);
    mdl_class_scores_fini(&scores);
    eng_free(ccc);
    return status;
}

eng_status train_evaluate(train_run *r, const mdl_model *m, train_split split, size_t step, size_t epoch, double *score,
                          eng_error *err)
{
    evaluation e;
    char work[64];
    *score = NAN;
    snprintf(work, sizeof work, "the evaluation behind step %zu", r->at.step);
    eng_ranks_set_work(r->ranks, work);
    eng_status status = eng_ranks_agree(r->ranks, evaluation_init(&e, r, split, err), err);
    if (!status && e.capacity) status = score_split(r, m, split, &e, err);
    if (!status && e.capacity && !r->stopped) status = put_together(r, &e, err);
    if (!status && e.all && !r->stopped) {
        train_evaluation_line line = {.step = step,
                                      .epoch = epoch,
                                      .count = e.all,
                                      .split = train_split_name(split),
                                      .best = split != TRAIN_DEV, /* those are scored with the best model alone */
                                      .loss = e.loss / e.divisor,
                                      .names = (const char *const *)r->m->config.label};
        status = log_scores(r, &e, &line, score, err);
    }
    evaluation_fini(&e);
    return status;
}
