/* Ops of a forward pass, as eng_trace shows them, and how much work they are. */
#ifndef BENCH_WORK_OP_WORK_H
#define BENCH_WORK_OP_WORK_H

#include "bench/work/network.h"

/* An op as it was called: eng_trace's name and sizes. */
typedef struct bench_op {
    const char *name;
    size_t rows, cols, depth;
} bench_op;

typedef struct bench_op_work {
    const char *role;        /* what the model uses it for: "feed-forward up" */
    double flop, bytes;      /* of one call: as flops.h counts; every operand read or written once, weights as packed */
    eng_precision precision; /* that its products are computed in */
} bench_op_work;

/* Of an op that m ran for noise. */
bench_op_work bench_work_of_op(const mdl_model *m, const bench_noise *noise, const bench_op *op);

#endif
