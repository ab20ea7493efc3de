#include "bench/work/flops.h"

/* Strided convolutions: frames out x kernel x channels in x channels out. */
static void count_convs(const mdl_config *c, size_t samples, bench_flops *f)
{
    size_t frames = samples, in = 1;
    for (size_t i = 0; i < c->convs; i++) {
        frames = (frames - c->conv_kernel[i]) / c->conv_stride[i] + 1;
        double flops = 2.0 * (double)frames * (double)c->conv_kernel[i] * (double)in * (double)c->conv_dim[i];
        *(i ? &f->conv : &f->first_conv) += flops;
        in = c->conv_dim[i];
    }
}

/* T: frames; D: width; P: what pooling gives; Q: the classifier's hidden width. */
static double count_head(const mdl_config *c, double T)
{
    const double D = (double)c->hidden, P = (double)mdl_config_pooled(c), Q = (double)c->projection;
    double flops = 2 * Q * (double)c->labels;
    if (c->head == MDL_HEAD_NONE) return 0;
    if (c->head == MDL_HEAD_SEQUENCE_CLASSIFICATION) return flops + 2 * T * D * Q; /* projects frames, then pools */
    if (c->head == MDL_HEAD_ODYSSEY || c->pooling == MDL_POOL_ATTENTION || c->pooling == MDL_POOL_ATTENTIVE_STD)
        flops += 2 * T * D * D;
    if (c->head == MDL_HEAD_EMOTION) return flops + 2 * P * Q + 2 * P * (double)c->text_size;
    return flops + 2 * P * Q + 2 * Q * Q * (double)(c->head_layers ? c->head_layers - 1 : 0);
}

bench_flops bench_forward_flops(const mdl_config *c, size_t n, size_t samples)
{
    const double T = (double)mdl_config_frames(c, samples), D = (double)c->hidden, I = (double)c->intermediate;
    bench_flops f = {0};
    count_convs(c, samples, &f);
    f.input = 2 * T * (double)c->conv_dim[c->convs - 1] * D +                     /* [T, C] x [C, D] */
              2 * T * D * (double)c->pos_kernel * (D / (double)c->pos_groups);    /* each of D sees its group's taps */
    f.layers = (double)c->layers * (4 * 2 * T * D * D +                           /* queries, keys, values, output */
                                    2 * 2 * T * D * I +                           /* up and down */
                                    2 * 2 * T * T * D);                           /* scores, and their sum of values */
    f.head = count_head(c, T);
    const double u = (double)n;
    return (bench_flops){u * f.first_conv, u * f.conv, u * f.input, u * f.layers, u * f.head};
}

double bench_flops_sum(const bench_flops *f)
{
    return f->first_conv + f->conv + f->input + f->layers + f->head;
}

double bench_training_flops(const bench_flops *f, bool train_feature_encoder, bool checkpoint_layers)
{
    double flops = bench_flops_sum(f) + 2 * (f->input + f->layers + f->head);
    if (train_feature_encoder) flops += f->first_conv + 2 * f->conv;
    if (checkpoint_layers) flops += f->layers;
    return flops;
}
