#include "bench/work/op_work.h"

#include <string.h>

#include "bench/work/flops.h"

enum { FLOAT = sizeof(float) };

static double packed_bytes(const eng_weight *w)
{
    const size_t columns = (w->n + w->packed.nr - 1) / w->packed.nr * w->packed.nr;
    return (double)(columns * w->packed.units) * FLOAT;
}

typedef struct linear_role {
    const char *role;
    const mdl_linear *linear;
    bool residual;
} linear_role;

/* By the sizes of the weight; of layers that look alike the first. */
static linear_role role_of_linear(const mdl_model *m, const bench_noise *noise, const bench_op *op)
{
    const mdl_layer *layer = m->config.layers ? &m->layer[0] : NULL;
    const bool frames = op->rows > noise->n;
    const linear_role roles[] = {
        {"queries, keys, values", layer ? &layer->qkv : NULL, false},
        {"attention's output", layer ? &layer->out : NULL, true},
        {"feed-forward up", layer ? &layer->up : NULL, false},
        {"feed-forward down", layer ? &layer->down : NULL, true},
        {"feature projection", &m->feature_projection, false},
    };
    for (size_t i = 0; frames && i < sizeof roles / sizeof *roles; i++) {
        const mdl_linear *l = roles[i].linear;
        if (l && l->w.n == op->cols && l->w.k == op->depth) return roles[i];
    }
    return (linear_role){"linear layer of the head", NULL, false};
}

static bench_op_work work_of_linear(const mdl_model *m, const bench_noise *noise, const bench_op *op)
{
    const linear_role r = role_of_linear(m, noise, op);
    const double rows = (double)op->rows, cols = (double)op->cols, depth = (double)op->depth;
    bench_op_work w = {.role = r.role, .flop = 2 * rows * cols * depth, .precision = ENG_F32};
    w.bytes = FLOAT * rows * (depth + cols * (r.residual ? 2 : 1));
    w.bytes += r.linear ? packed_bytes(&r.linear->w) : FLOAT * cols * depth;
    if (r.linear) w.precision = r.linear->w.packed.precision;
    return w;
}

/* Queries, keys and values, the result, gates and the bias table. Scores are no operand: they need not leave the core.
 */
static bench_op_work work_of_attention(const mdl_model *m, const bench_noise *noise, const bench_op *op)
{
    const eng_precision linear = m->config.layers == 0 ? ENG_F32 : m->layer[0].qkv.w.packed.precision;
    const bool f32 = linear == ENG_F32 || (linear == ENG_INT8 && !m->allow_bf16);
    const double rows = (double)op->rows, width = (double)op->cols, heads = (double)op->depth;
    const double frames = rows / (double)noise->n;
    return (bench_op_work){.role = "attention",
                           .flop = 2 * 2 * rows * frames * width,
                           .bytes = FLOAT * (4 * rows * width + heads * (rows + 2 * frames - 1)),
                           .precision = f32 ? ENG_F32 : ENG_BF16};
}

static bench_op_work work_of_grouped_conv(const mdl_model *m, const bench_op *op)
{
    const double rows = (double)op->rows, cols = (double)op->cols, kernel = (double)op->depth;
    const size_t groups = m->config.pos_groups;
    bench_op_work w = {.role = "positional convolution", .precision = m->pos_conv[0].packed.precision};
    w.flop = 2 * rows * cols * kernel * cols / (double)groups;
    w.bytes = FLOAT * 2 * rows * cols; /* the residual is the input */
    for (size_t g = 0; g < groups; g++) w.bytes += packed_bytes(&m->pos_conv[g]);
    return w;
}

static bench_op_work work_of_feature_encoder(const mdl_model *m, const bench_noise *noise, const bench_op *op)
{
    const bench_flops flops = bench_forward_flops(&m->config, noise->n, noise->samples);
    bench_op_work w = {.role = "feature encoder", .flop = flops.first_conv + flops.conv};
    w.bytes = FLOAT * ((double)(noise->n * noise->samples) + (double)op->rows * (double)op->cols);
    for (size_t i = 0; i < m->config.convs; i++) w.bytes += packed_bytes(&m->conv[i].linear.w);
    w.precision = m->conv[m->config.convs - 1].linear.w.packed.precision;
    return w;
}

bench_op_work bench_work_of_op(const mdl_model *m, const bench_noise *noise, const bench_op *op)
{
    const double size = (double)op->rows * (double)op->cols;
    if (strcmp(op->name, "linear") == 0) return work_of_linear(m, noise, op);
    if (strcmp(op->name, "attention") == 0) return work_of_attention(m, noise, op);
    if (strcmp(op->name, "grouped_conv") == 0) return work_of_grouped_conv(m, op);
    if (strcmp(op->name, "feature_encoder") == 0) return work_of_feature_encoder(m, noise, op);
    if (strcmp(op->name, "layer_norm") == 0) return (bench_op_work){"layer norm", 0, FLOAT * 2 * size, ENG_F32};
    if (strcmp(op->name, "relative_gate") == 0)
        return (bench_op_work){"gate of the position bias", 2 * 2 * size,
                               FLOAT * (size + (double)op->rows * (double)op->depth), ENG_F32};
    if (strcmp(op->name, "mix") == 0)
        return (bench_op_work){"weighted sum of states", 2 * size, FLOAT * 3 * size, ENG_F32};
    return (bench_op_work){op->name, 0, 0, ENG_F32};
}
