/* The sum of the gradients of a step's shards, by the tree of shard_tree.h: on one rank all of it, on several what each has
 * of it. Rounded sums (bf16) round the value of every node to bf16, the root's too, so that what ranks send each other in
 * bf16 is exact, and the sum the same however many there are. */
#ifndef MODEL_TRAINING_SHARD_SUM_H
#define MODEL_TRAINING_SHARD_SUM_H

#include "engine/context.h"
#include "model/training/division.h"
#include "model/training/shard_tree.h"

/* The value of a node, or where it comes from. */
typedef struct mdl_node_value {
    size_t count; /* of the node that begins here; 0: no node's value is known */
    enum { MDL_VALUE_NONE, MDL_VALUE_GRADIENT, MDL_VALUE_BUFFER, MDL_VALUE_RECEIVED } where;
    size_t index; /* of the buffer; or the how manieth of those received */
} mdl_node_value;

typedef struct mdl_shard_sum {
    const mdl_params *params;
    const mdl_division *division;
    kern_table k;
    bool rounded;
    size_t shards, first, end; /* of a step; of this rank [first, end) */
    size_t *present;           /* [shards + 1]: how many shards below are present */
    size_t next;               /* of this rank: those below are taken, or absent */
    size_t last;               /* of this rank: its gradients stay in the parameters; SIZE_MAX: all are absent */
    mdl_node_value *value;     /* [shards], by the first shard of a node */
    size_t nodes;
    mdl_node stack[MDL_FOREST_MOST];     /* what is taken, from left to right */
    size_t buffer_of[MDL_FOREST_MOST];   /* SIZE_MAX: absent */
    float *buffer[MDL_FOREST_MOST];      /* [elements that learn]; made when they are first needed */
    bool used[MDL_FOREST_MOST];
} mdl_shard_sum;

/* For shards [first, end) of `shards`. Borrows params and division. Error: out of memory. Free with mdl_shard_sum_fini,
 * also after an error. */
eng_status mdl_shard_sum_init(mdl_shard_sum *s, const mdl_params *params, const mdl_division *division,
                              const kern_table *k, bool rounded, size_t shards, size_t first, size_t end, eng_error *err);
void mdl_shard_sum_fini(mdl_shard_sum *s);

/* A new step, in which those shards are there. */
void mdl_shard_sum_begin(mdl_shard_sum *s, const bool *present);

/* Whether a node has a value in this step. */
bool mdl_shard_sum_has(const mdl_shard_sum *s, mdl_node node);

/* The gradients of the parameters are those of `shard`, the next of this rank that is present: they are added to what
 * was taken before, and are zero afterwards. But those of the last one, s->last, stay where they are. Sets ctx->error when
 * out of memory: log2 of this rank's shards is how many buffers of all elements it takes. */
void mdl_shard_sum_take(mdl_shard_sum *s, eng_context *ctx, size_t shard);

/* Node's value will be received, as block `index` of what mdl_shard_sum_read is given. */
void mdl_shard_sum_expect(mdl_shard_sum *s, mdl_node node, size_t index);

/* What other ranks sent for a span of elements: values of nodes one after the other, [count] of the span each. */
typedef struct mdl_received {
    mdl_span span;
    const float *f32;     /* or, of rounded sums, */
    const uint16_t *bf16;
} mdl_received;

/* How many floats of scratch a read takes. */
size_t mdl_shard_sum_scratch(const mdl_shard_sum *s);

/* The most elements that are read at once. */
enum { MDL_READ_MOST = 2048 };

/* The value of a node that has one, at the elements of a run that begins at element `at` of all that learn; run.count at
 * most MDL_READ_MOST. received may be NULL where nothing was. out [run.count]. */
void mdl_shard_sum_read(const mdl_shard_sum *s, mdl_node node, size_t at, mdl_run run, const mdl_received *received,
                        float *scratch, float *out);

/* Puts the whole sum into the gradients of all parameters, where all shards are of this rank. */
void mdl_shard_sum_finish(mdl_shard_sum *s, eng_context *ctx);

#endif
