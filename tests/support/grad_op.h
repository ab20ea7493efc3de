/* Gradient checks of whole ops on a tape, against finite differences of the forward pass. The loss is a sum of the
 * outputs with random weights (a plain sum would be constant for softmax and layer norm); derivatives by four points;
 * compared input by input in the L2 norm. */
#ifndef TESTS_SUPPORT_GRAD_OP_H
#define TESTS_SUPPORT_GRAD_OP_H

#include "engine/context.h"
#include "engine/param.h"
#include "tests/support/support.h"

enum { GRAD_OP_INPUTS = 8 };

/* An input of the op under test: its numbers and where the backward pass leaves their gradient. */
typedef struct grad_op_input {
    const char *name;
    size_t count;
    float *data, *grad;
} grad_op_input;

typedef struct grad_op {
    eng_tensor (*forward)(struct grad_op *c); /* from the inputs to the output, in ctx; runs many times */
    eng_context *ctx;                         /* set by grad_op_check */
    size_t inputs;
    grad_op_input input[GRAD_OP_INPUTS];
} grad_op;

/* Adds an input of `count` normal numbers times scale. */
void grad_op_add(grad_op *c, const char *name, size_t count, float scale);

/* Input i as a tensor, or a vector, that wants a gradient. */
eng_tensor grad_op_tensor(const grad_op *c, size_t i, size_t rows, size_t cols);
eng_vector grad_op_vector(const grad_op *c, size_t i);

/* Checks every input's gradient; that one thread gives the same bits as two, that gradients add to what is there, and
 * that the forward pass computes under a tape what it computes without; frees the inputs. outputs: elements of its
 * result. */
void grad_op_check(grad_op *c, size_t outputs);

#endif
