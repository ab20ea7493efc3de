/* The arithmetic of a forward pass, counted. */
#ifndef BENCH_WORK_FLOPS_H
#define BENCH_WORK_FLOPS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/config/config.h"

/* Two operations a multiply-add of every matrix product, convolution and attention; norms, activations, softmax and sums,
 * which are below one per cent, count nothing. */
typedef struct bench_flops {
    double first_conv; /* of the feature encoder */
    double conv;       /* its other layers */
    double input;      /* feature projection and positional convolution */
    double layers;     /* the transformer's */
    double head;
} bench_flops;

/* Of n utterances of `samples` samples each, at least mdl_config_min_samples. */
bench_flops bench_forward_flops(const mdl_config *c, size_t n, size_t samples);

/* All of it. */
double bench_flops_sum(const bench_flops *f);

/* A training step's: the forward pass; twice that for the gradients, one product for the input's and one for the
 * weight's, of all that learns (the waveform needs none); with checkpointed layers their forward pass once more. Counts what
 * the method needs: an implementation that computes attention's scores again for the backward pass gets nothing for it. */
double bench_training_flops(const bench_flops *f, bool train_feature_encoder, bool checkpoint_layers);

#endif
