/* bench ops: the kernels other than the matrix product, on one thread, at sizes of WavLM Large on 10 s of audio, and
 * the micro-kernels of the matrix product on panels in L2. Error against the specification, which computes in double.
 * GB/s counts each byte read and written once. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/spec/spec.h"
#include "bench/bench.h"
#include "bench/measure/error.h"
#include "bench/work/panels.h"

enum {
    VECTOR = 65536, /* element-wise: 256 KB an array, in L2 */
    ROWS = 500,     /* frames of 10 s */
    WIDTH = 1024,
    FILTERS = 512, /* channels of the feature encoder */
    QUERIES = 64,  /* an attention tile */
    HEADS = 16,
    MOMENTS = 2 * WIDTH,
    COUNT = ROWS * WIDTH
};

/* Inputs a, b, c and the result, each of COUNT elements; half: the same numbers in 16 bits. */
typedef struct ops_data {
    kern_table k;
    float *a, *b, *c, *out;
    uint16_t *half;
    double *moments; /* [MOMENTS]: what kernels return in double */
    bench_panels panels;
} ops_data;

typedef enum op_result { IN_FLOATS, IN_DOUBLES, IN_HALVES, IN_BYTES } op_result;

typedef struct op {
    const char *name, *shape;
    void (*run)(ops_data *d);
    size_t bytes;   /* read and written */
    size_t results; /* elements at out (or moments) */
    op_result type;
} op;

static void run_exp(ops_data *d)
{
    d->k.exp_f32(VECTOR, d->a, d->out);
}

static void run_tanh(ops_data *d)
{
    d->k.tanh_f32(VECTOR, d->a, d->out);
}

static void run_sigmoid(ops_data *d)
{
    d->k.sigmoid_f32(VECTOR, d->a, d->out);
}

static void run_gelu(ops_data *d)
{
    d->k.gelu_f32(VECTOR, d->a, d->out);
}

static void run_relu(ops_data *d)
{
    d->k.relu_f32(VECTOR, d->a, d->out);
}

static void run_add(ops_data *d)
{
    d->k.add_f32(VECTOR, d->a, d->b, d->out);
}

static void run_mul(ops_data *d)
{
    d->k.mul_f32(VECTOR, d->a, d->b, d->out);
}

static void run_axpy(ops_data *d)
{
    d->k.axpy_f32(VECTOR, 0.5f, d->a, d->out);
}

static void run_sum(ops_data *d)
{
    d->out[0] = d->k.sum_f32(VECTOR, d->a);
}

static void run_max(ops_data *d)
{
    d->out[0] = d->k.max_f32(VECTOR, d->a);
}

static void run_dot(ops_data *d)
{
    d->out[0] = d->k.dot_f32(VECTOR, d->a, d->b);
}

static void run_layer_norm(ops_data *d)
{
    d->k.layer_norm_f32(ROWS, WIDTH, d->a, WIDTH, d->b, d->c, 1e-5f, d->out, WIDTH, NULL, NULL);
}

static void run_moments(ops_data *d)
{
    d->k.channel_moments_f32(ROWS, FILTERS, d->a, FILTERS, NULL, d->moments, d->moments + FILTERS);
}

static void run_affine(ops_data *d)
{
    d->k.channel_affine_f32(ROWS, FILTERS, d->a, FILTERS, d->b, d->c, d->out, FILTERS);
}

static void run_epilogue(ops_data *d)
{
    d->k.epilogue_f32(ROWS, WIDTH, d->out, WIDTH, d->b, KERN_ACT_NONE, d->a, WIDTH);
}

static void run_epilogue_gelu(ops_data *d)
{
    d->k.epilogue_f32(ROWS, WIDTH, d->out, WIDTH, d->b, KERN_ACT_GELU, NULL, 0);
}

static void run_softmax(ops_data *d)
{
    for (size_t i = 0; i < ROWS; i++) d->k.softmax_f32(ROWS, d->a + i * WIDTH, d->out + i * ROWS);
}

static void run_attention_softmax(ops_data *d)
{
    float top[QUERIES], sum[QUERIES] = {0}, rescale[QUERIES];
    for (size_t i = 0; i < QUERIES; i++) top[i] = -INFINITY;
    d->k.attention_softmax_f32(QUERIES, ROWS, d->out, ROWS, 0.125f, d->b, d->c + QUERIES, top, sum, rescale);
}

static void run_relative_gate(ops_data *d)
{
    d->k.relative_gate_f32(ROWS, HEADS, WIDTH / HEADS, d->a, WIDTH, d->b, d->c, d->c + 2, d->out, ROWS);
}

/* Panels differ in width from tier to tier, so there is no result to compare with; tests/conformance does. */
static void run_pack(ops_data *d)
{
    const size_t nr = d->k.gemm_blocks.nr;
    for (size_t j = 0; j + nr <= ROWS; j += nr)
        d->k.gemm_pack(nr, nr, WIDTH, d->a + j * WIDTH, WIDTH, d->out + j * WIDTH);
}

static void run_scale_rows(ops_data *d)
{
    const float factors[2] = {1.0f, -1.0f}; /* so that no number of repetitions leaves the range */
    for (size_t i = 0; i + 2 <= ROWS; i += 2) d->k.scale_rows_f32(2, WIDTH, d->out + i * WIDTH, WIDTH, factors);
}

static void run_from_f16(ops_data *d)
{
    d->k.f16_to_f32(VECTOR, d->half, d->out);
}

static void run_to_f16(ops_data *d)
{
    d->k.f32_to_f16(VECTOR, d->a, (void *)d->out);
}

static void run_from_bf16(ops_data *d)
{
    d->k.bf16_to_f32(VECTOR, d->half, d->out);
}

static void run_to_bf16(ops_data *d)
{
    d->k.f32_to_bf16(VECTOR, d->a, (void *)d->out);
}

static void run_to_pairs(ops_data *d)
{
    d->k.f32_to_bf16_pairs(VECTOR, d->a, d->b, (void *)d->out);
}

static void run_to_runs(ops_data *d)
{
    d->k.f32_to_bf16_runs(VECTOR / WIDTH, WIDTH, d->a, WIDTH, 16, 16 * (VECTOR / WIDTH), (void *)d->out);
}

static void run_from_pairs(ops_data *d)
{
    d->k.bf16_pairs_to_f32(VECTOR, (const void *)d->half, d->out, d->out + VECTOR);
}

static void run_quantise(ops_data *d)
{
    d->k.quantise_u8(VECTOR, d->a, 31.75f, (void *)d->out);
}

static void run_absmax(ops_data *d)
{
    d->out[0] = d->k.absmax_f32(VECTOR, d->a);
}

static void run_gemm_f32(ops_data *d)
{
    bench_panels_multiply(&d->k, PANELS_F32, &d->panels, d->out);
}

static void run_gemm_bf16(ops_data *d)
{
    bench_panels_multiply(&d->k, PANELS_BF16, &d->panels, d->out);
}

static void run_gemm_i8(ops_data *d)
{
    bench_panels_multiply(&d->k, PANELS_I8, &d->panels, d->out);
}

static void run_transpose(ops_data *d)
{
    d->k.transpose_f32(ROWS, WIDTH, d->a, WIDTH, d->out, ROWS);
}

static void run_channel_sum(ops_data *d)
{
    d->k.channel_sum_f32(ROWS, WIDTH, d->a, WIDTH, d->moments);
}

static void run_channel_dot(ops_data *d)
{
    d->k.channel_dot_f32(ROWS, WIDTH, d->a, WIDTH, d->b, WIDTH, d->moments);
}

static void run_layer_norm_backward(ops_data *d)
{
    d->k.layer_norm_backward_f32(ROWS, WIDTH, d->a, WIDTH, d->b, d->b + WIDTH, d->b + 2 * WIDTH, d->c, WIDTH, d->out,
                                 WIDTH, d->moments, d->moments + WIDTH);
}

static void run_gelu_backward(ops_data *d)
{
    d->k.gelu_backward_f32(VECTOR, d->a, d->b, d->out);
}

static void run_relu_backward(ops_data *d)
{
    d->k.relu_backward_f32(VECTOR, d->a, d->b, d->out);
}

static void run_tanh_backward(ops_data *d)
{
    d->k.tanh_backward_f32(VECTOR, d->b, d->c, d->out);
}

static void run_softmax_backward(ops_data *d)
{
    for (size_t i = 0; i < ROWS; i++)
        d->k.softmax_backward_f32(ROWS, d->b + i * ROWS, d->c + i * ROWS, d->out + i * ROWS);
}

/* Scores, gradients of probabilities, dgate and dbias one after the other at out. */
static void run_attention_backward(ops_data *d)
{
    static const size_t tile = QUERIES * ROWS;
    const float *gate = d->b, *max = d->c, *inverse_sum = d->c + QUERIES, *delta = d->c + 2 * QUERIES;
    d->k.attention_backward_f32(QUERIES, ROWS, d->out, ROWS, d->out + tile, ROWS, 0.125f, gate, d->b + 2 * QUERIES, max,
                                inverse_sum, delta, d->out + 2 * tile, d->out + 2 * tile + 2 * QUERIES);
}

static void run_relative_gate_backward(ops_data *d)
{
    double *dw = d->moments, *db = dw + 2 * (WIDTH / HEADS), *dconstant = db + 2;
    d->k.relative_gate_backward_f32(ROWS, HEADS, WIDTH / HEADS, d->a, WIDTH, d->b, d->c, d->c + 2, d->c + 2 + HEADS,
                                    ROWS, d->out, WIDTH, dw, db, dconstant);
}

static void run_sum_squares(ops_data *d)
{
    d->moments[0] = d->k.sum_squares_f32(VECTOR, d->a);
}

/* Weights, first and second moments one after the other at out. */
static void run_adamw(ops_data *d)
{
    static const kern_adamw a = {.decay = 0.999f,
                                 .step_size = 1e-3f,
                                 .root = 0.1f,
                                 .eps = 1e-8f,
                                 .beta1 = 0.9f,
                                 .one_minus_beta1 = 0.1f,
                                 .beta2 = 0.999f,
                                 .one_minus_beta2 = 1e-3f,
                                 .grad_scale = 1.0f};
    d->k.adamw_f32(VECTOR, d->out, d->b, d->out + VECTOR, d->out + 2 * VECTOR, &a);
}

static const op ops[] = {
    {"exp", "65536", run_exp, 8 * VECTOR, VECTOR, IN_FLOATS},
    {"tanh", "65536", run_tanh, 8 * VECTOR, VECTOR, IN_FLOATS},
    {"sigmoid", "65536", run_sigmoid, 8 * VECTOR, VECTOR, IN_FLOATS},
    {"gelu", "65536", run_gelu, 8 * VECTOR, VECTOR, IN_FLOATS},
    {"relu", "65536", run_relu, 8 * VECTOR, VECTOR, IN_FLOATS},
    {"add", "65536", run_add, 12 * VECTOR, VECTOR, IN_FLOATS},
    {"mul", "65536", run_mul, 12 * VECTOR, VECTOR, IN_FLOATS},
    {"axpy", "65536", run_axpy, 12 * VECTOR, VECTOR, IN_FLOATS},
    {"sum", "65536", run_sum, 4 * VECTOR, 1, IN_FLOATS},
    {"max", "65536", run_max, 4 * VECTOR, 1, IN_FLOATS},
    {"dot", "65536", run_dot, 8 * VECTOR, 1, IN_FLOATS},
    {"layer_norm", "500x1024", run_layer_norm, 8 * COUNT, COUNT, IN_FLOATS},
    {"channel_moments", "500x512", run_moments, 4 * ROWS *FILTERS, 2 * FILTERS, IN_DOUBLES},
    {"channel_affine", "500x512", run_affine, 8 * ROWS *FILTERS, ROWS *FILTERS, IN_FLOATS},
    {"epilogue_residual", "500x1024", run_epilogue, 12 * COUNT, COUNT, IN_FLOATS},
    {"epilogue_gelu", "500x1024", run_epilogue_gelu, 8 * COUNT, COUNT, IN_FLOATS},
    {"softmax", "500x500", run_softmax, 8 * ROWS *ROWS, ROWS *ROWS, IN_FLOATS},
    {"attention_softmax", "64x500", run_attention_softmax, 8 * QUERIES *ROWS, QUERIES *ROWS, IN_FLOATS},
    {"relative_gate", "500x16x64", run_relative_gate, 4 * COUNT, ROWS *HEADS, IN_FLOATS},
    {"gemm_pack", "480x1024", run_pack, 8 * 480 * WIDTH, 0, IN_FLOATS},
    {"scale_rows", "500x1024", run_scale_rows, 8 * COUNT, COUNT, IN_FLOATS},
    {"f16_to_f32", "65536", run_from_f16, 6 * VECTOR, VECTOR, IN_FLOATS},
    {"f32_to_f16", "65536", run_to_f16, 6 * VECTOR, VECTOR, IN_HALVES},
    {"bf16_to_f32", "65536", run_from_bf16, 6 * VECTOR, VECTOR, IN_FLOATS},
    {"f32_to_bf16", "65536", run_to_bf16, 6 * VECTOR, VECTOR, IN_HALVES},
    {"f32_to_bf16_pairs", "65536", run_to_pairs, 12 * VECTOR, 2 * VECTOR, IN_HALVES},
    {"f32_to_bf16_runs", "64x1024", run_to_runs, 6 * VECTOR, VECTOR, IN_HALVES},
    {"bf16_pairs_to_f32", "65536", run_from_pairs, 12 * VECTOR, 2 * VECTOR, IN_FLOATS},
    {"quantise_u8", "65536", run_quantise, 5 * VECTOR, VECTOR, IN_BYTES},
    {"absmax", "65536", run_absmax, 4 * VECTOR, 1, IN_FLOATS},
    {"gemm_f32", "96x192x256", run_gemm_f32, PANELS_BYTES, PANELS_M *PANELS_N, IN_FLOATS},
    {"gemm_bf16", "96x192x512", run_gemm_bf16, PANELS_BYTES, PANELS_M *PANELS_N, IN_FLOATS},
    {"gemm_i8", "96x192x1024", run_gemm_i8, PANELS_BYTES, PANELS_M *PANELS_N, IN_FLOATS},
    {"transpose", "500x1024", run_transpose, 8 * COUNT, COUNT, IN_FLOATS},
    {"channel_sum", "500x1024", run_channel_sum, 4 * COUNT, WIDTH, IN_DOUBLES},
    {"channel_dot", "500x1024", run_channel_dot, 8 * COUNT, WIDTH, IN_DOUBLES},
    {"layer_norm_backward", "500x1024", run_layer_norm_backward, 16 * COUNT, COUNT, IN_FLOATS},
    {"gelu_backward", "65536", run_gelu_backward, 16 * VECTOR, VECTOR, IN_FLOATS},
    {"relu_backward", "65536", run_relu_backward, 16 * VECTOR, VECTOR, IN_FLOATS},
    {"tanh_backward", "65536", run_tanh_backward, 16 * VECTOR, VECTOR, IN_FLOATS},
    {"softmax_backward", "500x500", run_softmax_backward, 16 * ROWS *ROWS, ROWS *ROWS, IN_FLOATS},
    {"attention_backward", "64x500", run_attention_backward, 16 * QUERIES *ROWS, 2 * QUERIES *ROWS + QUERIES,
     IN_FLOATS},
    {"relative_gate_backward", "500x16x64", run_relative_gate_backward, 12 * COUNT, COUNT, IN_FLOATS},
    {"sum_squares", "65536", run_sum_squares, 4 * VECTOR, 1, IN_DOUBLES},
    {"adamw", "65536", run_adamw, 28 * VECTOR, 3 * VECTOR, IN_FLOATS},
};
enum { OPS = sizeof ops / sizeof *ops };

/* What its panels hold, or 0 when it reads none. */
static size_t type_of_panels(const op *o)
{
    return o->run == run_gemm_f32    ? PANELS_F32
           : o->run == run_gemm_bf16 ? PANELS_BF16
           : o->run == run_gemm_i8   ? PANELS_I8
                                     : 0;
}

/* Uses out. */
static void fill_panels(const op *o, ops_data *d)
{
    const size_t type = type_of_panels(o);
    if (type > 0) bench_panels_fill(&d->k, (panels_type)type, d->a, d->b, d->out, &d->panels);
}

static double result_at(const op *o, const float *out, const double *moments, size_t i)
{
    if (o->type == IN_DOUBLES) return moments[i];
    if (o->type == IN_BYTES) return ((const uint8_t *)out)[i];
    if (o->type == IN_FLOATS) return out[i];
    uint16_t bits;
    memcpy(&bits, (const char *)out + i * sizeof bits, sizeof bits);
    return bits;
}

static void reset(ops_data *d)
{
    bench_fill(COUNT, d->out, 4);
    for (size_t i = 0; i < COUNT; i++) d->out[i] = fabsf(d->out[i]); /* AdamW's second moments are not negative */
    memset(d->moments, 0, MOMENTS * sizeof *d->moments);
}

/* Largest difference from the specification, over its largest result. reference is room for COUNT floats; d's
 * panels are those of the specification for a while. */
static double error_of(const op *o, ops_data *d, float *reference)
{
    if (o->results == 0) return NAN;
    ops_data exact = *d;
    double moments[MOMENTS] = {0};
    bench_error error = {0};
    kern_spec_fill(&exact.k);
    exact.out = reference;
    exact.moments = moments;
    fill_panels(o, &exact);
    reset(&exact);
    o->run(&exact);
    fill_panels(o, d);
    reset(d);
    o->run(d);
    for (size_t i = 0; i < o->results; i++)
        bench_error_add(&error, result_at(o, d->out, d->moments, i), result_at(o, reference, moments, i));
    return bench_error_share(&error);
}

typedef struct timed_op {
    const op *op;
    ops_data *data;
} timed_op;

static void run_timed(void *arg)
{
    const timed_op *t = arg;
    t->op->run(t->data);
}

static void measure(bench_run *run, const op *o, ops_data *d, float *reference)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%s %s", o->name, o->shape);
    bench_result r = {.bench = "ops", .engine = "wavlm.c", .shape = shape, .work_gflop = NAN, .threads = 1};
    r.max_error = error_of(o, d, reference);
    timed_op t = {o, d};
    reset(d);
    const size_t elements = type_of_panels(o);
    if (elements > 0) r.work_gflop = 2e-9 * PANELS_M * PANELS_N * (double)(elements * PANELS_UNITS);
    if (elements == PANELS_BF16) r.precision = ENG_BF16;
    if (elements == PANELS_I8) r.precision = ENG_INT8;
    bench_time(run, 1, run_timed, &t, &r);
    r.gbytes_s = (double)o->bytes / r.time_s * 1e-9;
    bench_print(run, &r);
}

static bool wanted(const op *o, size_t n, char **names)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(o->name, names[i]) == 0) return true;
    return n == 0;
}

static bool names_known(size_t n, char **names)
{
    for (size_t i = 0; i < n; i++) {
        size_t q = 0;
        while (q < OPS && strcmp(ops[q].name, names[i]) != 0) q++;
        if (q < OPS) continue;
        fprintf(stderr, "bench: ops: no kernel is called %s; there are:", names[i]);
        for (q = 0; q < OPS; q++) fprintf(stderr, " %s", ops[q].name);
        fputc('\n', stderr);
        return false;
    }
    return true;
}

bool bench_ops(bench_run *run, size_t n, char **operands)
{
    if (!names_known(n, operands)) return false;
    ops_data d = {.k = run->ctx.k};
    float *reference = eng_alloc(COUNT, sizeof *reference);
    d.a = eng_alloc(COUNT, sizeof *d.a);
    d.b = eng_alloc(COUNT, sizeof *d.b);
    d.c = eng_alloc(COUNT, sizeof *d.c);
    d.out = eng_alloc(COUNT, sizeof *d.out);
    d.half = eng_alloc(COUNT, sizeof *d.half);
    d.moments = eng_alloc(MOMENTS, sizeof *d.moments);
    d.panels.units = eng_alloc(PANELS_TOTAL, sizeof *d.panels.units);
    if (reference && d.a && d.b && d.c && d.out && d.half && d.moments && d.panels.units) {
        bench_fill(COUNT, d.a, 1);
        bench_fill(COUNT, d.b, 2);
        bench_fill(COUNT, d.c, 3);
        for (size_t i = 0; i < COUNT; i++) d.a[i] *= 4.0f; /* functions are worth looking at from -4 to 4 */
        d.k.f32_to_f16(COUNT, d.a, d.half);
        for (size_t i = 0; i < OPS; i++)
            if (wanted(&ops[i], n, operands)) measure(run, &ops[i], &d, reference);
    } else {
        eng_out_of_memory(&run->ctx, "the arrays of the benchmark", COUNT * sizeof *d.a);
    }
    eng_free(d.panels.units);
    eng_free(d.moments);
    eng_free(d.half);
    eng_free(d.out);
    eng_free(d.c);
    eng_free(d.b);
    eng_free(d.a);
    eng_free(reference);
    return true;
}
