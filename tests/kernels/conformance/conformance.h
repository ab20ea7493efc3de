/* Conformance of a tier's kernels with the specification: what the parts of the program share.
 *
 * A test of one kernel places its operands in guarded blocks, runs the reference and the kernel under test on the same
 * values, and judges the results element by element. A block lies between pages that cannot be touched, flush with
 * the one behind it, flush with the one before it, or shifted to an odd alignment, at random; what is left around it
 * and between its rows is filled with a sentinel that is checked byte for byte. So a stray write is found wherever it
 * lands near, a stray read where it faults or where it lets the sentinel (a NaN as float) into the result. */
#ifndef TESTS_KERNELS_CONFORMANCE_CONFORMANCE_H
#define TESTS_KERNELS_CONFORMANCE_CONFORMANCE_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONF_BLOCKS = 24 };

typedef struct conf_block {
    unsigned char *low, *data, *high; /* sentinel in [low, data), between the rows, and from the last row's end to high */
    size_t rows, row_bytes, stride_bytes;
} conf_block;

typedef struct conf_run {
    const kern_table *ref, *sut; /* the specification; the tier under test */
    uint64_t rng;
    unsigned char *memory; /* CONF_BLOCKS slots between pages that cannot be touched */
    conf_block blocks[CONF_BLOCKS];
    size_t used;
    size_t cases, compared; /* kernel calls judged, elements compared */
    double worst;           /* largest error so far, as a share of its bound */
    uint64_t digest;        /* of every result judged so far: two tiers with the same cases must have the same */
    bool failed;
    char description[160]; /* of the case at hand */
    char message[640];     /* of the first failure */
} conf_run;

/* A kernel's test. bound says for the reader how close the kernel must come. */
typedef struct conf_test {
    const char *name;
    size_t slot; /* offset of the kernel in kern_table */
    void (*run)(conf_run *r);
    const char *bound;
} conf_test;

/* What a block is filled with. */
typedef enum conf_values {
    CONF_NORMAL,  /* mean 0, deviation 1 */
    CONF_WIDE,    /* magnitudes from 2^-60 to 2^60, either sign */
    CONF_TINY,    /* zeros, subnormals and the smallest normal numbers, either sign */
    CONF_HUGE,    /* within a factor of two of the largest float, either sign */
    CONF_SPECIAL, /* zeros, infinities, NaN, limits of common formulas, and arbitrary bits */
    CONF_VALUES_COUNT
} conf_values;

/* ---- Random numbers: a sequence that depends on the run's seed alone ---------------------------------------- */
uint64_t conf_random(conf_run *r);
size_t conf_below(conf_run *r, size_t limit);         /* 0 .. limit-1, limit >= 1 */
float conf_uniform(conf_run *r, float low, float high);
float conf_value(conf_run *r, conf_values values);

/* ---- Blocks -------------------------------------------------------------------------------------------------- */
/* Maps the slots; false when the system refuses. They stay until the program ends. */
bool conf_memory_open(conf_run *r);

/* Whether case `which` of `count` of a tile of [m, n] is to be tried: all of them, or one in turn where tiles have more than
 * 32 rows: every size has a case, and every case is due at many sizes. */
bool conf_is_due(size_t mr, size_t m, size_t n, size_t which, size_t count);

/* Blocks live until conf_release(r, mark) with a mark taken before them; it checks their sentinels. */
size_t conf_mark(const conf_run *r);
void conf_release(conf_run *r, size_t mark);

/* A block of rows x n elements of the given size with row stride ld >= n, all sentinel. rows or n = 0 is a valid
 * pointer to nothing. */
void *conf_place(conf_run *r, size_t rows, size_t n, size_t ld, size_t element_size);

float *conf_f32(conf_run *r, size_t rows, size_t n, size_t ld);
float *conf_f32_filled(conf_run *r, size_t rows, size_t n, size_t ld, conf_values values);
float *conf_f32_copy(conf_run *r, size_t rows, size_t n, size_t ld, const float *from, size_t ldfrom);

/* n doubles: a copy of from, or where that is NULL normal ones that no float holds. */
double *conf_f64(conf_run *r, size_t n, const double *from);

/* Rows [0, rows) of x [rows][k] as a GEMM panel [k][width] of units, columns rows..width-1 sentinel. */
uint32_t *conf_panel(conf_run *r, size_t width, size_t rows, size_t k, const uint32_t *x);

/* Rows [0, rows) of x [rows][k] as a panel of A, rows rows..mr-1 sentinel. */
uint32_t *conf_left_panel(conf_run *r, const kern_gemm_blocks *b, size_t rows, size_t k, const uint32_t *x);

/* What gradients are added to: zero in half of the calls, in the others normal. */
float *conf_gradient(conf_run *r, size_t rows, size_t n, size_t ld);

/* ---- Verdicts ------------------------------------------------------------------------------------------------ */
/* Describes the case at hand and counts it. */
void conf_case(conf_run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records a failure with the case's description; only the first is kept. */
void conf_fail(conf_run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same bits, row by row; any NaN for any NaN. */
void conf_expect_bits(conf_run *r, const char *what, size_t rows, size_t n, const float *got, size_t ldgot,
                      const float *want, size_t ldwant);

/* As conf_expect_bits for n doubles. */
void conf_expect_bits_f64(conf_run *r, const char *what, size_t n, const double *got, const double *want);

/* |got - want| <= bound for element [i, j]. The same infinity agrees, and where want is NaN any NaN does. */
void conf_expect_bound(conf_run *r, const char *what, size_t i, size_t j, double got, double want, double bound);

/* For verdicts of another kind: error is a share of the bound and must be <= 1. */
void conf_expect_share(conf_run *r, const char *what, size_t i, size_t j, double got, double want, double error);

/* ---- The bounds that tests share, all rigorous for any order of summation in >= 4 lanes ---------------------- */
/* Half an ulp, relative: every float operation's rounding error. */
#define CONF_EPS 0x1p-24

/* Rounding error of a sum of n terms in >= 4 partial sums, relative to the sum of the terms' magnitudes; some slack
 * for the terms' own rounding and the final one. */
double conf_sum_error(size_t n);

/* Relative error of exp(x - top) in float, distance = x - top: the difference (or its product with log2 e) rounds once,
 * exp itself is good to 2 ulp. Valid while it is far below 1. */
double conf_exp_error(double distance);

/* A gate of relative_gate_f32, sigmoid(w.x + b), in double, and its error in float: a sigmoid's slope is at most 1/4,
 * and it is good to 4 ulp. */
double conf_gate(size_t dim, const float *w, const float *x, float b, double *error);

/* Error of a transcendental function as a share of its bound: exp 2 ulp, tanh and sigmoid 4 ulp (results below
 * FLT_MIN may be flushed to zero), gelu 2^-21 relative above -2 and 2^-23 |x| below. want is the specification's result
 * for x. */
double conf_share_exp(float x, float got, float want);
double conf_share_tanh(float x, float got, float want);
double conf_share_sigmoid(float x, float got, float want);
double conf_share_gelu(float x, float got, float want);

/* ---- The tests, one a kernel ---------------------------------------------------------------------------------- */
void conf_gemm_f32(conf_run *r);
void conf_gemm_bf16(conf_run *r);
void conf_gemm_i8(conf_run *r);
void conf_gemm_pack(conf_run *r);
void conf_quantise_u8(conf_run *r);
void conf_absmax_f32(conf_run *r);
void conf_epilogue_f32(conf_run *r);
void conf_layer_norm_f32(conf_run *r);
void conf_channel_moments_f32(conf_run *r);
void conf_channel_affine_f32(conf_run *r);
void conf_exp_f32(conf_run *r);
void conf_tanh_f32(conf_run *r);
void conf_sigmoid_f32(conf_run *r);
void conf_gelu_f32(conf_run *r);
void conf_relu_f32(conf_run *r);
void conf_add_f32(conf_run *r);
void conf_mul_f32(conf_run *r);
void conf_axpy_f32(conf_run *r);
void conf_scale_rows_f32(conf_run *r);
void conf_sum_f32(conf_run *r);
void conf_max_f32(conf_run *r);
void conf_dot_f32(conf_run *r);
void conf_softmax_f32(conf_run *r);
void conf_attention_softmax_f32(conf_run *r);
void conf_relative_gate_f32(conf_run *r);
void conf_f16_to_f32(conf_run *r);
void conf_f32_to_f16(conf_run *r);
void conf_bf16_to_f32(conf_run *r);
void conf_f32_to_bf16(conf_run *r);
void conf_f32_to_bf16_pairs(conf_run *r);
void conf_f32_to_bf16_runs(conf_run *r);
void conf_bf16_pairs_to_f32(conf_run *r);
void conf_transpose_f32(conf_run *r);
void conf_channel_sum_f32(conf_run *r);
void conf_channel_dot_f32(conf_run *r);
void conf_layer_norm_backward_f32(conf_run *r);
void conf_gelu_backward_f32(conf_run *r);
void conf_relu_backward_f32(conf_run *r);
void conf_tanh_backward_f32(conf_run *r);
void conf_softmax_backward_f32(conf_run *r);
void conf_attention_backward_f32(conf_run *r);
void conf_relative_gate_backward_f32(conf_run *r);
void conf_sum_squares_f32(conf_run *r);
void conf_adamw_f32(conf_run *r);

/* kernels/gemm/avx512_bf16.c and avx512_amx.c, their instructions emulated (emulated_*.h), for CPUs without them. */
void conf_table_fill_emulated_bf16(kern_table *t);
void conf_table_fill_emulated_amx(kern_table *t);

/* ---- The self-test --------------------------------------------------------------------------------------------- */
typedef void (*conf_kernel)(void);

/* A deliberately broken kernel: with broken in kernel's place, the test of that kernel must fail. */
typedef struct conf_breakage {
    const char *kernel, *what;
    conf_kernel broken;
} conf_breakage;

/* All breakages, those of the reduced precisions and of the kernels of the backward pass apart; count receives their
 * number. The broken kernels call those of the specification. */
const conf_breakage *conf_breakages(size_t *count);
const conf_breakage *conf_breakages_reduced(size_t *count);
const conf_breakage *conf_breakages_backward(size_t *count);

#endif
