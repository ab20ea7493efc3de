/* Scoring a model on a split. */
#include <math.h>
#include <stdlib.h>

#include "tools/train/run.h"

/* Bounds of a batch here: what the activations take stays small. */
enum { BATCH_UTTERANCES = 32, BATCH_SECONDS = 60 };

typedef struct evaluation {
    size_t count, capacity;   /* examples that were scored, of the split's */
    size_t *truth, *predicted; /* [count], classes */
    float *wanted, *given;    /* [count, labels], attributes */
    double loss, divisor;
} evaluation;

static eng_status evaluation_init(evaluation *e, const train_run *r, train_split split, eng_error *err)
{
    *e = (evaluation){0};
    for (size_t i = 0; i < r->data.count; i++)
        if (r->data.example[i].split == split && !r->data.example[i].broken) e->capacity++;
    size_t labels = r->m->config.labels;
    e->truth = eng_alloc(e->capacity, sizeof *e->truth);
    e->predicted = eng_alloc(e->capacity, sizeof *e->predicted);
    e->wanted = eng_alloc(e->capacity, labels * sizeof *e->wanted);
    e->given = eng_alloc(e->capacity, labels * sizeof *e->given);
    return e->truth && e->predicted && e->wanted && e->given
               ? ENG_OK
               : eng_fail(err, ENG_E_MEMORY, "out of memory to evaluate %zu recordings", e->capacity);
}

static void evaluation_fini(evaluation *e)
{
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
    eng_tensor logits = eng_tensor_plain(ctx, batch->n, labels), slope = eng_tensor_plain(ctx, batch->n, labels);
    if (!inputs || !eng_good(ctx)) return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch");
    train_inputs(r, m, batch, inputs);
    eng_status status = mdl_forward(m, ctx, batch->n, inputs, logits.data, NULL, err);
    if (status) return status;
    for (size_t i = 0; i < batch->n * labels; i++) slope.data[i] = 0;
    logits.grad = slope.data; /* not used: a loss brings its gradient with it */
    double part, loss = train_loss_sum(r, batch, logits, &part);
    if (part > 0) {
        e->loss += loss;
        e->divisor += part;
    }
    bool values = r->o->loss == TRAIN_CCC;
    if (values) train_targets(r, batch, e->wanted + e->count * labels);
    for (size_t u = 0; u < batch->n; u++, e->count++) {
        const float *row = eng_row(logits, u);
        for (size_t i = 0; i < labels; i++) e->given[e->count * labels + i] = row[i];
        if (values) continue;
        e->truth[e->count] = train_label(r, batch->utterance[u].example);
        e->predicted[e->count] = largest(row, labels);
    }
    eng_arena_rewind(ctx->arena, mark);
    return ENG_OK;
}

/* One pass over the split, in the list's order, unless it is to stop. */
static eng_status score_split(train_run *r, const mdl_model *m, train_split split, evaluation *e, bool *stopped,
                              eng_error *err)
{
    train_feed_options o = {.data = &r->data,
                            .split = split,
                            .batch_size = BATCH_UTTERANCES,
                            .batch_seconds = BATCH_SECONDS,
                            .seed = r->o->seed,
                            .threads = r->o->decoders,
                            .once = true,
                            .cache_bytes = (size_t)r->o->cache_mib << 20,
                            .min_samples = mdl_config_min_samples(&m->config)};
    train_feed *feed;
    eng_status status = train_feed_open(&o, 0, 0, &feed, err);
    if (status) return status;
    const train_batch *batch;
    while (!status && !(*stopped = *r->stop != 0)) {
        status = train_feed_next(feed, &batch, err);
        if (status || !batch) break;
        if (batch->n) status = score_batch(r, m, batch, e, err);
    }
    train_say_skipped(r, feed);
    train_feed_close(feed);
    return status;
}

/* Mean over attributes of the CCC. */
static double concordances(const evaluation *e, size_t labels, double *ccc)
{
    double sum = 0;
    for (size_t i = 0; i < labels; i++) {
        ccc[i] = mdl_concordance(e->count, labels, i, e->given, e->wanted);
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
        status = mdl_class_scores_init(&scores, labels, e->count, e->truth, e->predicted, err);
        line->scores = &scores;
        *score = scores.macro_f1;
    }
    line->best = line->best || r->at.best_step == 0 || *score > r->at.best;
    if (!status) status = train_log_evaluation(&r->log, line, err);
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
                          bool *stopped, eng_error *err)
{
    evaluation e;
    *score = NAN;
    *stopped = false;
    eng_status status = evaluation_init(&e, r, split, err);
    if (!status && e.capacity) status = score_split(r, m, split, &e, stopped, err);
    if (!status && e.count && !*stopped) {
        train_evaluation_line line = {.step = step,
                                      .epoch = epoch,
                                      .count = e.count,
                                      .split = train_split_name(split),
                                      .best = split != TRAIN_DEV, /* those are scored with the best model alone */
                                      .loss = e.loss / e.divisor,
                                      .names = (const char *const *)r->m->config.label};
        status = log_scores(r, &e, &line, score, err);
    }
    evaluation_fini(&e);
    return status;
}
