/* A training step on several ranks: each computes the gradients of its shards of the batch; the sum over all shards is the
 * same bits on any number of ranks (shard_sum.h). Every rank owns a part of the parameters (division.h): there it gets the
 * sum, there alone it keeps the optimizer's moments and steps (S. Rajbhandari et al., "ZeRO: memory optimizations toward
 * training trillion parameter models", SC 2020, its stage 1), and from there the others get the new weights.
 *
 * A step is: begin; for each of this rank's shards that is present, forward and backward, then take; sum; norm; keep; the
 * optimizer on own spans; give. On a thread of its own, blocks of parameters whose gradients are complete go out while the
 * backward pass still runs, and weights come in while the next forward pass does (mdl_training.watch). One rank does the
 * same without a thread. */
#ifndef MODEL_TRAINING_EXCHANGE_H
#define MODEL_TRAINING_EXCHANGE_H

#include "engine/context.h"
#include "engine/ranks/ranks.h"
#include "model/training/division.h"
#include "model/training/training.h"

typedef struct mdl_exchange mdl_exchange;

typedef struct mdl_exchange_options {
    eng_ranks *ranks;
    size_t shards;   /* of a step; a multiple of the number of ranks */
    bool bf16;       /* gradients are rounded to bf16 at every node of the sum, and what a step adds to a weight is, too:
                      * half the bytes */
    bool one_by_one; /* exchange behind the backward pass and before the next forward pass: to see what overlap gains */
} mdl_exchange_options;

/* Parts are the shards: rank r owns those of its shards. Borrows ranks and params; layers: the transformer's. Error: a
 * number of shards that the ranks do not divide; out of memory. Free with mdl_exchange_free. */
eng_status mdl_exchange_new(const mdl_exchange_options *o, const mdl_params *params, size_t layers, const kern_table *k,
                            mdl_exchange **out, eng_error *err);

/* Not while a step is under way. NULL is fine. */
void mdl_exchange_free(mdl_exchange *x);

/* This rank's shards, [*first, *end). */
void mdl_exchange_shards(const mdl_exchange *x, size_t *first, size_t *end);

/* The parameters that learn and their parts, one a shard. */
const mdl_division *mdl_exchange_division(const mdl_exchange *x);

/* [params]: what this rank owns of each. */
const mdl_span *mdl_exchange_own(const mdl_exchange *x);

/* Begins a step: present [shards] says which have an utterance, the same on all ranks. */
void mdl_exchange_begin(mdl_exchange *x, const bool *present);

/* For mdl_training.watch in a forward pass of `shard`: waits for weights; in the backward pass of the last batch of this
 * rank's last present shard sends blocks as they are complete. */
const mdl_watch *mdl_exchange_watch(mdl_exchange *x, size_t shard, bool last_batch);

/* A present shard's gradients are complete. Those of the last one stay in the parameters, the others' are zero after it. */
void mdl_exchange_take(mdl_exchange *x, eng_context *ctx, size_t shard);

/* Gradients of own spans become the sums over all shards; the others' are anything. */
void mdl_exchange_sum(mdl_exchange *x, eng_context *ctx);

/* The length of the sum, over all parameters that learn (torch.nn.utils.clip_grad_norm_'s total norm), in double and in a
 * fixed order: the same bits on any number of ranks and threads. NaN or infinite where the sum is; NaN, and ctx->error set,
 * when out of memory. */
double mdl_exchange_norm(mdl_exchange *x, eng_context *ctx);

/* Before the optimizer changes own spans. */
void mdl_exchange_keep(mdl_exchange *x);

/* After it: sends them to the others. With bf16 own weights are w + bf16(w' - w), w before and w' after the optimizer. */
void mdl_exchange_give(mdl_exchange *x);

/* Waits until all weights are here. */
void mdl_exchange_settle(mdl_exchange *x);

/* Own spans of the parameters' data, as they are, to all others, and theirs here: for data that are not the weights a step
 * gave, such as their average. Settles. */
void mdl_exchange_share(mdl_exchange *x);

/* Seconds that steps waited for other ranks since the last call. */
double mdl_exchange_waited(mdl_exchange *x);

#endif
