/* How the parameters that learn are divided: into blocks, in the order in which the forward pass needs them, and each block
 * into parts of about the same size, which ranks own. A function of the parameters and the number of parts alone. */
#ifndef MODEL_TRAINING_DIVISION_H
#define MODEL_TRAINING_DIVISION_H

#include "model/checkpoint/params.h"

/* The most elements that belong together: what a task computes, and where parts may be cut. */
enum { MDL_PIECE = 8192 };

/* Block 0 holds what comes before the transformer's layers, and the weights of their mix, 1 + i layer i, the last one the
 * head. The parameters of a block lie one after the other in `order`. */
typedef struct mdl_block {
    size_t first, count; /* order[first .. first + count) */
    size_t pieces;
    size_t *piece; /* [pieces + 1]: where each begins among all elements that learn; the last one: the block's end */
} mdl_block;

typedef struct mdl_division {
    size_t parts, params; /* params: of the model */
    size_t blocks;
    mdl_block *block;
    size_t learning; /* parameters that are not frozen */
    size_t *order;   /* [learning]: their indices, by block */
    size_t *offset;  /* [learning + 1]: where each of `order` begins among all elements that learn */
} mdl_division;

/* Divides those of p's parameters that are not frozen. layers: the transformer's. Error: out of memory. Free with
 * mdl_division_fini, also after an error. */
eng_status mdl_division_init(mdl_division *d, const mdl_params *p, size_t layers, size_t parts, eng_error *err);
void mdl_division_fini(mdl_division *d);

/* How many elements learn. */
size_t mdl_division_elements(const mdl_division *d);

/* Parts [first, end) of a block: elements of all that learn. */
mdl_span mdl_division_span(const mdl_division *d, size_t block, size_t first, size_t end);

/* Parts [first, end) of all blocks, by parameter: spans [params]. */
void mdl_division_own(const mdl_division *d, size_t first, size_t end, mdl_span *spans);

/* A run of elements of one parameter. */
typedef struct mdl_run {
    size_t param, first, count; /* elements first .. first + count - 1 of parameter `param` */
} mdl_run;

/* The run at element `at` of a block's, to `end` at most. */
mdl_run mdl_division_run(const mdl_division *d, size_t block, size_t at, size_t end);

#endif
