/* The specification's gradients of softmax, attention and the relative gate against four-point differences in double of
 * closed forms of the forward pass, which are themselves checked against the forward kernels; see grad_check.h. */
#include "kernels/spec/spec.h"
#include "tests/support/compare.h"
#include "tests/support/grad_check.h"

#include <criterion/criterion.h>
#include <math.h>

static char report[256];

static kern_table spec(void)
{
    kern_table t;
    kern_spec_fill(&t);
    return t;
}

enum { ROWS = 4 };

/* ---- Softmax ------------------------------------------------------------------------------------------------- */

enum { CLASSES = 9 };

typedef struct softmax_problem {
    double x[CLASSES], weight[CLASSES];
} softmax_problem;

static double softmax_loss(const void *problem)
{
    const softmax_problem *p = problem;
    double sum = 0.0, weighted = 0.0;
    for (size_t i = 0; i < CLASSES; i++) {
        sum += exp(p->x[i]);
        weighted += p->weight[i] * exp(p->x[i]);
    }
    return weighted / sum;
}

Test(spec_attention_backward, softmax_is_that_of_differences)
{
    const kern_table t = spec();
    softmax_problem p;
    float x[CLASSES], dy[CLASSES], start[CLASSES], dx[CLASSES], y[CLASSES];
    double unused[CLASSES], want[CLASSES];
    uint64_t state = 4;
    grad_fill(&state, CLASSES, 2.0, x, p.x);
    grad_fill(&state, CLASSES, 1.0, dy, p.weight);
    grad_fill(&state, CLASSES, 0.25, start, unused);
    for (size_t i = 0; i < CLASSES; i++) dx[i] = start[i];
    t.softmax_f32(CLASSES, x, y);
    cr_assert(fabs(t.dot_f32(CLASSES, y, dy) - softmax_loss(&p)) < 1e-6, "the forward pass is another one");
    t.softmax_backward_f32(CLASSES, y, dy, dx);
    grad_differences(softmax_loss, &p, CLASSES, p.x, want);
    grad_check_added("dx", CLASSES, dx, start, want);
}

/* ---- Attention ----------------------------------------------------------------------------------------------- */

enum { QUERIES = 5, KEYS = 7, DIM = 3, ROW_CUT = 3, KEY_CUT = 4, TABLE = QUERIES + KEYS - 1 };

typedef struct attention_problem {
    bool biased;
    double s[QUERIES * KEYS], gate[QUERIES], table[TABLE], v[KEYS * DIM], weight[QUERIES * DIM];
    double p[QUERIES * KEYS], out[QUERIES * DIM]; /* left by attention_forward */
} attention_problem;

static const double attention_scale = 0.5;

static void attention_forward(attention_problem *a)
{
    for (size_t r = 0; r < QUERIES; r++) {
        double sum = 0.0;
        double *p = a->p + r * KEYS;
        for (size_t j = 0; j < KEYS; j++) {
            const double bias = a->biased ? a->gate[r] * a->table[QUERIES - 1 + j - r] : 0.0;
            sum += p[j] = exp(a->s[r * KEYS + j] * attention_scale + bias);
        }
        for (size_t d = 0; d < DIM; d++) a->out[r * DIM + d] = 0.0;
        for (size_t j = 0; j < KEYS; j++) {
            p[j] /= sum;
            for (size_t d = 0; d < DIM; d++) a->out[r * DIM + d] += p[j] * a->v[j * DIM + d];
        }
    }
}

static double attention_loss(const void *problem)
{
    attention_problem a = *(const attention_problem *)problem;
    double loss = 0.0;
    attention_forward(&a);
    for (size_t i = 0; i < QUERIES * DIM; i++) loss += a.weight[i] * a.out[i];
    return loss;
}

typedef struct attention_operands {
    float s[QUERIES * KEYS], gate[QUERIES], table[TABLE], v[KEYS * DIM], weight[QUERIES * DIM];
    float dp[QUERIES * KEYS], delta[QUERIES], max[QUERIES], inverse_sum[QUERIES];
    float dgate[QUERIES], dtable[TABLE];
} attention_operands;

/* The forward pass's kernel over two tiles of keys leaves max and inverse_sum; dp and delta follow from the loss. */
static void attention_prepare(const kern_table *t, attention_problem *a, attention_operands *o)
{
    float s[QUERIES * KEYS], sum[QUERIES] = {0}, rescale[QUERIES];
    for (size_t i = 0; i < QUERIES * KEYS; i++) s[i] = o->s[i];
    for (size_t r = 0; r < QUERIES; r++) o->max[r] = -INFINITY;
    const float *bias = a->biased ? o->table + QUERIES - 1 : NULL;
    t->attention_softmax_f32(QUERIES, KEY_CUT, s, KEYS, 0.5f, o->gate, bias, o->max, sum, rescale);
    t->attention_softmax_f32(QUERIES, KEYS - KEY_CUT, s + KEY_CUT, KEYS, 0.5f, o->gate,
                             a->biased ? bias + KEY_CUT : NULL, o->max, sum, rescale);
    attention_forward(a);
    for (size_t r = 0; r < QUERIES; r++) {
        double delta = 0.0;
        for (size_t d = 0; d < DIM; d++) delta += a->out[r * DIM + d] * a->weight[r * DIM + d];
        o->delta[r] = (float)delta;
        o->inverse_sum[r] = 1.0f / sum[r];
        for (size_t j = 0; j < KEYS; j++) {
            double dp = 0.0;
            for (size_t d = 0; d < DIM; d++) dp += a->weight[r * DIM + d] * a->v[j * DIM + d];
            o->dp[r * KEYS + j] = (float)dp;
        }
    }
}

/* In four tiles. */
static void attention_backward(const kern_table *t, attention_operands *o, bool biased, bool with_table)
{
    static const size_t row_cuts[3] = {0, ROW_CUT, QUERIES}, key_cuts[3] = {0, KEY_CUT, KEYS};
    for (size_t k = 0; k < 2; k++)
        for (size_t q = 0; q < 2; q++) {
            const size_t row = row_cuts[q], key = key_cuts[k], at = row * KEYS + key, entry = QUERIES - 1 + key - row;
            t->attention_backward_f32(row_cuts[q + 1] - row, key_cuts[k + 1] - key, o->s + at, KEYS, o->dp + at, KEYS,
                                      0.5f, biased ? o->gate + row : NULL, biased ? o->table + entry : NULL,
                                      o->max + row, o->inverse_sum + row, o->delta + row,
                                      biased ? o->dgate + row : NULL, with_table ? o->dtable + entry : NULL);
        }
}

static void check_attention(bool biased, bool with_table)
{
    const kern_table t = spec();
    attention_problem a = {.biased = biased};
    attention_operands o;
    float gate_start[QUERIES], table_start[TABLE];
    double unused[TABLE], want[QUERIES * KEYS], got[QUERIES * KEYS];
    uint64_t state = 5;
    grad_fill(&state, QUERIES * KEYS, 2.0, o.s, a.s);
    grad_fill(&state, QUERIES, 1.0, o.gate, a.gate);
    grad_fill(&state, TABLE, 1.0, o.table, a.table);
    grad_fill(&state, KEYS * DIM, 1.0, o.v, a.v);
    grad_fill(&state, QUERIES * DIM, 1.0, o.weight, a.weight);
    grad_fill(&state, QUERIES, 0.1, gate_start, unused);
    grad_fill(&state, TABLE, 0.1, table_start, unused);
    for (size_t i = 0; i < QUERIES; i++) o.dgate[i] = gate_start[i];
    for (size_t i = 0; i < TABLE; i++) o.dtable[i] = table_start[i];
    attention_prepare(&t, &a, &o);
    attention_backward(&t, &o, biased, with_table);

    for (size_t i = 0; i < QUERIES * KEYS; i++) got[i] = o.s[i];
    grad_check("probabilities", QUERIES * KEYS, got, a.p);
    for (size_t i = 0; i < QUERIES * KEYS; i++) got[i] = o.dp[i];
    grad_differences(attention_loss, &a, QUERIES * KEYS, a.s, want);
    grad_check("ds", QUERIES * KEYS, got, want);
    if (biased) {
        grad_differences(attention_loss, &a, QUERIES, a.gate, want);
        grad_check_added("dgate", QUERIES, o.dgate, gate_start, want);
    }
    if (with_table) {
        grad_differences(attention_loss, &a, TABLE, a.table, want);
        grad_check_added("dbias", TABLE, o.dtable, table_start, want);
    }
    if (!biased) cr_assert(cmp_bits(o.dgate, gate_start, QUERIES, report, sizeof report), "%s", report);
    if (!with_table) cr_assert(cmp_bits(o.dtable, table_start, TABLE, report, sizeof report), "%s", report);
}

Test(spec_attention_backward, attention_is_that_of_differences)
{
    check_attention(true, true);
}

Test(spec_attention_backward, attention_with_a_frozen_table_or_no_bias)
{
    check_attention(true, false);
    check_attention(false, false);
}

/* ---- Relative gate ------------------------------------------------------------------------------------------- */

enum { HEADS = 3, WIDTH = HEADS * DIM, LDG = 6 };

typedef struct gate_problem {
    double x[ROWS * WIDTH], w[2 * DIM], b[2], constant[HEADS], weight[HEADS * LDG];
} gate_problem;

static double sigmoid_of(const double *w, const double *x, double b)
{
    double z = b;
    for (size_t j = 0; j < DIM; j++) z += w[j] * x[j];
    return 1.0 / (1.0 + exp(-z));
}

static double gate_value(const gate_problem *p, size_t i, size_t h)
{
    const double *x = p->x + i * WIDTH + h * DIM;
    return sigmoid_of(p->w, x, p->b[0]) * (sigmoid_of(p->w + DIM, x, p->b[1]) * p->constant[h] - 1.0) + 2.0;
}

static double gate_loss(const void *problem)
{
    const gate_problem *p = problem;
    double loss = 0.0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t h = 0; h < HEADS; h++) loss += p->weight[h * LDG + i] * gate_value(p, i, h);
    return loss;
}

Test(spec_attention_backward, relative_gate_is_that_of_differences)
{
    const kern_table t = spec();
    gate_problem p;
    float x[ROWS * WIDTH], w[2 * DIM], b[2], constant[HEADS], dgate[HEADS * LDG], gate[HEADS * LDG];
    float start[ROWS * WIDTH], dx[ROWS * WIDTH];
    double unused[ROWS * WIDTH], want[ROWS * WIDTH], sums[2][2 * DIM + 2 + HEADS];
    uint64_t state = 6;
    grad_fill(&state, ROWS * WIDTH, 1.0, x, p.x);
    grad_fill(&state, 2 * DIM, 1.0, w, p.w);
    grad_fill(&state, 2, 1.0, b, p.b);
    grad_fill(&state, HEADS, 3.0, constant, p.constant);
    grad_fill(&state, HEADS * LDG, 1.0, dgate, p.weight);
    grad_fill(&state, ROWS * WIDTH, 0.1, start, unused);
    for (size_t i = 0; i < ROWS * WIDTH; i++) dx[i] = start[i];
    for (size_t i = 0; i < 2 * DIM + 2 + HEADS; i++) sums[0][i] = sums[1][i] = 0.5;
    t.relative_gate_f32(ROWS, HEADS, DIM, x, WIDTH, w, b, constant, gate, LDG);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t h = 0; h < HEADS; h++) cr_assert(fabs(gate[h * LDG + i] - gate_value(&p, i, h)) < 1e-6);

    for (size_t k = 0; k < 2; k++) /* with dx, and without */
        t.relative_gate_backward_f32(ROWS, HEADS, DIM, x, WIDTH, w, b, constant, dgate, LDG, k == 0 ? dx : NULL, WIDTH,
                                     sums[k], sums[k] + 2 * DIM, sums[k] + 2 * DIM + 2);
    grad_differences(gate_loss, &p, ROWS * WIDTH, p.x, want);
    grad_check_added("dx", ROWS * WIDTH, dx, start, want);
    for (size_t k = 0; k < 2; k++) {
        grad_differences(gate_loss, &p, 2 * DIM, p.w, want);
        grad_check_added_f64("dw", 2 * DIM, sums[k], 0.5, want);
        grad_differences(gate_loss, &p, 2, p.b, want);
        grad_check_added_f64("db", 2, sums[k] + 2 * DIM, 0.5, want);
        grad_differences(gate_loss, &p, HEADS, p.constant, want);
        grad_check_added_f64("dconstant", HEADS, sums[k] + 2 * DIM + 2, 0.5, want);
    }
}
