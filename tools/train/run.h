/* A training run: what its parts share. */
#ifndef TOOLS_TRAIN_RUN_H
#define TOOLS_TRAIN_RUN_H

#include "engine/ranks/ranks.h"
#include "engine/tape.h"
#include "model/checkpoint/average.h"
#include "model/network/forward.h"
#include "model/training/exchange.h"
#include "model/training/loss.h"
#include "model/training/optimizer.h"
#include "tools/train/data/data.h"
#include "tools/train/data/feed.h"
#include "tools/train/log.h"
#include "tools/train/options/options.h"

/* How far the run is: together with the parameters and the optimizer's moments, all that a later step depends on. */
typedef struct train_position {
    size_t step;        /* optimizer steps taken */
    size_t epoch, batch; /* the next batch */
    size_t best_step;   /* 0: no evaluation yet */
    size_t best_epoch;  /* its epoch, from 1; 0: not known */
    double best;        /* macro-F1 or mean CCC there */
    size_t worse;       /* evaluations since */
    size_t unscored;    /* the epoch, from 1, whose evaluation was stopped and is to be done first; 0: none */
    uint64_t log_bytes; /* of metrics.jsonl */
} train_position;

typedef struct train_run {
    const train_options *o;
    eng_ranks *ranks;       /* the processes of the run; each reads and computes its shards of every step */
    bool leads;             /* rank 0: it alone writes files that are no rank's own, and speaks */
    size_t shards;          /* of a step */
    bool shards_given;      /* by --shards; else they are as many as ranks */
    mdl_exchange *exchange;
    double waited;          /* seconds that this rank waited for others, in this process */
    double waited_least, waited_most; /* of all ranks, when they last asked each other */
    size_t slowest;         /* the rank that waited least: the one that the others wait for */
    train_data data;
    mdl_model *m;
    bool new_head, random_backbone;
    eng_pool *pool;
    eng_arena arena;
    eng_context ctx;
    eng_tape tape;
    mdl_optimizer optimizer;
    mdl_average average; /* with --ema; else there is none */
    mdl_regularisation rates;
    mdl_augmentation augmentation;
    train_feed *feed;
    size_t *class_id;     /* [data.classes]: the model's id of a class of the data */
    size_t *attribute_of; /* [labels]: which of train_example.attribute an output is; attribute models */
    float *class_weight;  /* [labels], or NULL */
    float *text;          /* [data.count, text_size], or NULL */
    train_position at;
    size_t total_steps;
    train_log log;
    double started, seconds_since; /* of this process; audio trained on in it */
    size_t idle;                   /* steps in a row of which no file could be read */
    const volatile int *stop;      /* the signal that this process got; 0: none */
    int stopped;                   /* the one that all ranks agreed to stop for: the run is to be saved and left */
} train_run;

/* Whether standard error is a terminal that gets a line of progress. */
bool train_shows_progress(const train_run *r);

/* A line on standard error, after the progress line is cleared. */
void train_say(const train_run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The files that this rank's feed could not read since the last call, a line each, on rank 0. All ranks together. */
eng_status train_say_skipped(train_run *r, train_feed *feed, eng_error *err);

/* ---- sync.c: what ranks agree on ---- */

/* This rank's answer and every rank's, at one point of the run; what another cannot be asked for any more. */
typedef struct train_answer {
    int stop;        /* the signal it got, or 0 */
    size_t samples;  /* that it has of the step */
    double unsaved;  /* seconds since the state was saved; rank 0's counts */
    double waited;   /* r->waited; set by train_ask */
} train_answer;

/* all [ranks]. Fails everywhere when status is a failure on any rank, with its *err. */
eng_status train_ask(train_run *r, eng_status status, const train_answer *own, train_answer *all, eng_error *err);

/* Sets r->stopped where a rank was told to stop. */
eng_status train_ask_stop(train_run *r, eng_status status, eng_error *err);

/* As eng_ranks_gather and eng_ranks_gather_unequal; what they wait counts in r->waited. */
eng_status train_gather(train_run *r, const void *own, size_t bytes, void *all, eng_error *err);
eng_status train_gather_unequal(train_run *r, const void *own, const size_t *bytes, void *all, eng_error *err);

/* Ends the job from where the others cannot be told: in a step. Returns where there are no others. */
void train_leave(train_run *r, const eng_error *err);

/* The model's inputs of utterances: out [n]. m: r->m, or one of the same configuration. */
void train_inputs(const train_run *r, const mdl_model *m, size_t n, const train_utterance *utterance, mdl_input *out);

/* The label of an example, as an id of the model. */
size_t train_label(const train_run *r, size_t example);

/* The targets of utterances: shares of votes [n, labels], or attributes [n, labels] between 0 and 1. */
void train_targets(const train_run *r, size_t n, const train_utterance *utterance, float *out);

/* The loss of logits, summed over utterances, and its gradient with it where logits has one; *divisor gets what a mean
 * divides by. Takes memory from r->ctx.arena; NaN and r->ctx.error when there is none. */
double train_loss_sum(train_run *r, size_t n, const train_utterance *utterance, eng_tensor logits, double *divisor);

/* One optimizer step on up to --accumulate batches, at most to the end of the epoch; moves r->at. *taken: false when every
 * file of the batches was unreadable. *unsaved: rank 0's, in and out: seconds since the state was saved. Whether to stop is
 * agreed on when the batches are there: when a rank was told to, r->stopped is set, nothing has been done and r->at is as
 * before (*taken false). Gradients are zero before it, and after it too unless it was stopped or failed: then the run is
 * over. Error: out of memory, a loss that is not a number. */
eng_status train_step(train_run *r, double *unsaved, train_step_line *line, bool *taken, eng_error *err);

/* Learning rate of step (from 1). */
double train_rate(const train_run *r, size_t step);

/* Scores m on a split (macro-F1 or mean CCC, written to *score) and logs that with step. m: r->m, or a loaded model of the
 * same configuration. Each rank scores its share of the split; all get the score. Without examples in the split *score is
 * NaN and nothing is logged; so it is when a rank was told to stop before the end (r->stopped). Error: I/O, memory. */
eng_status train_evaluate(train_run *r, const mdl_model *m, train_split split, size_t step, size_t epoch, double *score,
                          eng_error *err);

/* Says what of the options does nothing in this run, and how many recordings are cropped. */
void train_note_options(const train_run *r);

/* ---- state.c: OUT/state.safetensors, and with several shards its parts ---- */

/* True when there is a state. */
bool train_state_exists(const train_run *r);

/* Writes the state, whole or not at all: position, parameters, moments, options. metrics.jsonl is synced before. All ranks
 * together. */
eng_status train_state_save(train_run *r, eng_error *err);

/* Takes the state over into r. Error: one of another model or of other options, which it names; a damaged part. */
eng_status train_state_load(train_run *r, eng_error *err);

/* What the examples are, in a number. */
uint64_t train_data_fingerprint(const train_data *d);

/* FNV-1a over bytes, from TRAIN_HASH_START or another hash on. */
#define TRAIN_HASH_START 14695981039346656037u
uint64_t train_hash(uint64_t hash, const void *bytes, size_t size);

/* A path in --out, in a buffer of the caller's. */
const char *train_path(const train_run *r, const char *name, char *buffer, size_t size);

#endif
