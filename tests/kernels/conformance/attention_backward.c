/* Conformance of the gradients of softmax, attention and the relative gate. */
#include "tests/kernels/conformance/conformance.h"

#include <float.h>
#include <math.h>

enum { TAILS = 68, LENGTHS = TAILS + 3, LONGEST = 1031, ROWS = 17 };

static size_t length_of(size_t index)
{
    static const size_t large[] = {128, 499, LONGEST};
    return index < TAILS ? index : large[index - TAILS];
}

/* ---- Softmax ------------------------------------------------------------------------------------------------- */

static void softmax_case(conf_run *r, size_t n, float spread, conf_values values, bool with_nan)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu spread %g values %d nan %d", n, spread, (int)values, with_nan);
    float *y = conf_f32_filled(r, 1, n, n, CONF_NORMAL);
    for (size_t i = 0; i < n; i++) y[i] *= spread;
    r->ref->softmax_f32(n, y, y);
    float *dy = conf_f32_filled(r, 1, n, n, values), *want = conf_gradient(r, 1, n, n);
    if (with_nan && n > 0) dy[conf_below(r, n)] = NAN;
    float *got = conf_f32_copy(r, 1, n, n, want, n), *moved = conf_f32_copy(r, 1, n, n, want, n);
    const float *y2 = conf_f32_copy(r, 1, n, n, y, n), *dy2 = conf_f32_copy(r, 1, n, n, dy, n);
    r->ref->softmax_backward_f32(n, y, dy, want);
    r->sut->softmax_backward_f32(n, y, dy, got);
    r->sut->softmax_backward_f32(n, y2, dy2, moved);
    double dot = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)dy[i] * y[i];
        size += fabs((double)dy[i] * y[i]);
    }
    const double dot_error = conf_sum_error(n) * size + (double)(n + 1) * 0x1p-149;
    for (size_t i = 0; i < n; i++) {
        const double error = y[i] * (dot_error + 3.0 * CONF_EPS * (fabs((double)dy[i]) + fabs(dot)));
        conf_expect_bound(r, "dx", 0, i, got[i], want[i], error + 2.0 * CONF_EPS * fabs((double)want[i]) + 0x1p-147);
    }
    conf_expect_bits(r, "the same elsewhere", 1, n, got, n, moved, n);
    conf_release(r, mark);
}

void conf_softmax_backward_f32(conf_run *r)
{
    static const float spreads[] = {1.0f, 10.0f, 60.0f};
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t s = 0; s < 3; s++)
            for (int variant = 0; variant < 4 && !r->failed; variant++) {
                static const conf_values kinds[] = {CONF_NORMAL, CONF_WIDE, CONF_TINY, CONF_NORMAL};
                softmax_case(r, length_of(index), spreads[s], kinds[variant], variant == 3);
            }
}

/* ---- Attention ----------------------------------------------------------------------------------------------- */

typedef struct tile_operands {
    size_t rows, keys, lds, lddp;
    float scale;
    const float *gate, *bias; /* bias at row 0, key 0 */
    const float *max, *inverse_sum, *delta;
} tile_operands;

/* In and out. dbias at row 0, key 0; the table that it points into begins rows - 1 entries before. */
typedef struct tile_state {
    float *s, *dp, *dgate, *dbias;
} tile_state;

static size_t table_entries(const tile_operands *t)
{
    return t->rows > 0 && t->keys > 0 ? t->rows + t->keys - 1 : 0;
}

static float *table_start(const tile_operands *t, float *at_origin)
{
    return table_entries(t) > 0 ? at_origin - (t->rows - 1) : at_origin;
}

static tile_state tile_copy(conf_run *r, const tile_operands *t, const tile_state *from)
{
    tile_state c = {.s = conf_f32_copy(r, t->rows, t->keys, t->lds, from->s, t->lds),
                    .dp = conf_f32_copy(r, t->rows, t->keys, t->lddp, from->dp, t->lddp)};
    if (from->dgate != NULL) c.dgate = conf_f32_copy(r, 1, t->rows, t->rows, from->dgate, t->rows);
    if (from->dbias != NULL) {
        const size_t entries = table_entries(t);
        c.dbias = conf_f32_copy(r, 1, entries, entries, table_start(t, from->dbias), entries);
        if (entries > 0) c.dbias += t->rows - 1;
    }
    return c;
}

/* Rows from .. to-1. */
static void tile_run(const kern_table *k, const tile_operands *t, const tile_state *c, size_t from, size_t to)
{
    const bool biased = t->bias != NULL;
    k->attention_backward_f32(to - from, t->keys, c->s + from * t->lds, t->lds, c->dp + from * t->lddp, t->lddp,
                              t->scale, biased ? t->gate + from : NULL, biased ? t->bias - from : NULL, t->max + from,
                              t->inverse_sum + from, t->delta + from, biased ? c->dgate + from : NULL,
                              c->dbias != NULL ? c->dbias - from : NULL);
}

/* Bounds of dbias gather here over the rows. */
typedef struct table_error {
    double error[ROWS + LONGEST], size[ROWS + LONGEST];
} table_error;

/* As in the forward pass the score is off by a few roundings of its terms and exp by its own error; p carries both to
 * ds, whose difference of dp and delta rounds by the size of its terms. */
static void tile_row_verdict(conf_run *r, const tile_operands *t, size_t i, const tile_state *before,
                             const tile_state *got, const tile_state *want, table_error *table)
{
    double dgate_error = 0.0, dgate_size = 0.0;
    for (size_t j = 0; j < t->keys; j++) {
        const ptrdiff_t at = (ptrdiff_t)j - (ptrdiff_t)i;
        const size_t is = i * t->lds + j, id = i * t->lddp + j;
        const double a = (double)before->s[is] * t->scale, dp = before->dp[id], delta = t->delta[i];
        const double b = t->bias != NULL ? (double)t->gate[i] * t->bias[at] : 0.0;
        const double distance = a + b - t->max[i], p = exp(distance) * t->inverse_sum[i], ds = p * (dp - delta);
        const double relative = 1.1 * (4.0 * CONF_EPS * (fabs(a) + fabs(b)) + conf_exp_error(distance)) + CONF_EPS;
        const double p_error = p * relative + FLT_MIN;
        const double ds_error = p_error * fabs(dp - delta) + 3.0 * CONF_EPS * p * (fabs(dp) + fabs(delta)) + 0x1p-148;
        conf_expect_bound(r, "s", i, j, got->s[is], want->s[is], p_error);
        conf_expect_bound(r, "dp", i, j, got->dp[id], want->dp[id],
                          fabs((double)t->scale) * (ds_error + 2.0 * CONF_EPS * fabs(ds)) + 0x1p-148);
        if (t->bias == NULL) continue;
        dgate_error += ds_error * fabs((double)t->bias[at]) + 0x1p-149;
        dgate_size += fabs(ds * t->bias[at]);
        const size_t entry = (size_t)(at + (ptrdiff_t)(t->rows - 1));
        const double term = fabs(ds * t->gate[i]);
        table->size[entry] += term; /* then every addition rounds in both tiers */
        table->error[entry] +=
            ds_error * fabs((double)t->gate[i]) + 2.0 * CONF_EPS * (term + table->size[entry]) + 0x1p-148;
    }
    if (t->bias == NULL) return;
    dgate_error += conf_sum_error(t->keys) * dgate_size + 2.0 * CONF_EPS * fabs((double)want->dgate[i]) + 0x1p-148;
    conf_expect_bound(r, "dgate", i, 0, got->dgate[i], want->dgate[i], dgate_error);
}

static void tile_verdict(conf_run *r, const tile_operands *t, const tile_state *before, const tile_state *got,
                         const tile_state *want)
{
    table_error table;
    const size_t entries = table_entries(t), back = entries > 0 ? t->rows - 1 : 0;
    for (size_t e = 0; e < entries; e++) {
        table.error[e] = 0.0;
        table.size[e] = before->dbias != NULL ? fabs((double)(before->dbias - back)[e]) : 0.0;
    }
    for (size_t i = 0; i < t->rows; i++) tile_row_verdict(r, t, i, before, got, want, &table);
    for (size_t e = 0; e < entries && want->dbias != NULL; e++)
        conf_expect_bound(r, "dbias", 0, e, (got->dbias - back)[e], (want->dbias - back)[e], table.error[e]);
}

/* The same bits with the rows in two calls: every row's own results, and the table's in ascending order of rows. */
static void tile_split(conf_run *r, const tile_operands *t, const tile_state *before, const tile_state *got)
{
    const tile_state split = tile_copy(r, t, before);
    const size_t cut = conf_below(r, t->rows + 1);
    tile_run(r->sut, t, &split, 0, cut);
    tile_run(r->sut, t, &split, cut, t->rows);
    conf_expect_bits(r, "s in two calls", t->rows, t->keys, split.s, t->lds, got->s, t->lds);
    conf_expect_bits(r, "dp in two calls", t->rows, t->keys, split.dp, t->lddp, got->dp, t->lddp);
    if (got->dgate != NULL) conf_expect_bits(r, "dgate in two calls", 1, t->rows, split.dgate, 1, got->dgate, 1);
    if (got->dbias != NULL)
        conf_expect_bits(r, "dbias in two calls", 1, table_entries(t), table_start(t, split.dbias), 1,
                         table_start(t, got->dbias), 1);
}

/* The maxima and sums that a forward pass over these keys leaves, or (the others being in other tiles) larger ones. */
static void tile_statistics(conf_run *r, tile_operands *t, const tile_state *c, float *max, float *inverse_sum)
{
    const size_t mark = conf_mark(r);
    float *s = conf_f32_copy(r, t->rows, t->keys, t->lds, c->s, t->lds);
    float *sum = conf_f32(r, 1, t->rows, t->rows), *rescale = conf_f32(r, 1, t->rows, t->rows);
    for (size_t i = 0; i < t->rows; i++) {
        max[i] = conf_below(r, 2) == 0 ? -INFINITY : 0.0f;
        sum[i] = max[i] == 0.0f ? conf_uniform(r, 1.0f, 3.0f) : 0.0f;
        if (t->keys == 0) max[i] = sum[i] = 1.0f;
    }
    r->ref->attention_softmax_f32(t->rows, t->keys, s, t->lds, t->scale, t->gate, t->bias, max, sum, rescale);
    for (size_t i = 0; i < t->rows; i++) {
        inverse_sum[i] = 1.0f / sum[i];
        if (conf_below(r, 4) == 0) max[i] += conf_uniform(r, 0.0f, 120.0f);
    }
    conf_release(r, mark);
    t->max = max;
    t->inverse_sum = inverse_sum;
}

enum { TILE_PLAIN, TILE_BIASED, TILE_FROZEN_TABLE, TILE_KINDS };

static void tile_case(conf_run *r, size_t rows, size_t keys, int kind, float spread)
{
    const size_t mark = conf_mark(r), lds = keys + conf_below(r, 2) * 3, lddp = keys + conf_below(r, 2) * 5;
    tile_operands t = {.rows = rows, .keys = keys, .lds = lds, .lddp = lddp, .scale = 0.125f};
    tile_state before = {.s = conf_f32_filled(r, rows, keys, lds, CONF_NORMAL),
                         .dp = conf_f32_filled(r, rows, keys, lddp, CONF_NORMAL)};
    conf_case(r, "rows %zu keys %zu lds %zu lddp %zu kind %d spread %g", rows, keys, lds, lddp, kind, spread);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < keys; j++) before.s[i * lds + j] *= spread;
    const size_t entries = kind != TILE_PLAIN ? table_entries(&t) : 0, back = entries > 0 ? rows - 1 : 0;
    if (kind != TILE_PLAIN) {
        t.bias = conf_f32_filled(r, 1, entries, entries, CONF_NORMAL) + back;
        t.gate = conf_f32_filled(r, 1, rows, rows, CONF_NORMAL);
        before.dgate = conf_gradient(r, 1, rows, rows);
    }
    if (kind == TILE_BIASED) before.dbias = conf_gradient(r, 1, entries, entries) + back;
    t.delta = conf_f32_filled(r, 1, rows, rows, CONF_NORMAL);
    tile_statistics(r, &t, &before, conf_f32(r, 1, rows, rows), conf_f32(r, 1, rows, rows));

    const tile_state want = tile_copy(r, &t, &before), got = tile_copy(r, &t, &before);
    tile_run(r->ref, &t, &want, 0, rows);
    tile_run(r->sut, &t, &got, 0, rows);
    tile_verdict(r, &t, &before, &got, &want);
    tile_split(r, &t, &before, &got);
    conf_release(r, mark);
}

void conf_attention_backward_f32(conf_run *r)
{
    static const size_t heights[] = {0, 1, 2, 3, 4, 5, 8, 9, ROWS};
    static const float spreads[] = {1.0f, 20.0f, 300.0f}; /* before the scale of 1/8 */
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t h = 0; h < sizeof heights / sizeof *heights; h++)
            for (int kind = 0; kind < TILE_KINDS; kind++)
                for (size_t s = 0; s < 3 && !r->failed; s++)
                    tile_case(r, heights[h], length_of(index), kind, spreads[s]);
}

/* ---- Relative gate ------------------------------------------------------------------------------------------- */

typedef struct gate_operands {
    size_t rows, heads, dim, ldx, ldg, lddx;
    const float *x, *w, *b, *constant, *dgate;
} gate_operands;

typedef struct gate_gradients {
    float *dx;
    double *dw, *db, *dconstant;
} gate_gradients;

static gate_gradients gate_copy(conf_run *r, const gate_operands *o, const gate_gradients *from)
{
    gate_gradients g = {.dw = conf_f64(r, 2 * o->dim, from->dw),
                        .db = conf_f64(r, 2, from->db),
                        .dconstant = conf_f64(r, o->heads, from->dconstant)};
    if (from->dx != NULL) g.dx = conf_f32_copy(r, o->rows, o->heads * o->dim, o->lddx, from->dx, o->lddx);
    return g;
}

static void gate_run(const kern_table *k, const gate_operands *o, const gate_gradients *g, size_t from, size_t to)
{
    k->relative_gate_backward_f32(to - from, o->heads, o->dim, o->x + from * o->ldx, o->ldx, o->w, o->b, o->constant,
                                  o->dgate + from, o->ldg, g->dx != NULL ? g->dx + from * o->lddx : NULL, o->lddx,
                                  g->dw, g->db, g->dconstant);
}

enum { MOST_DIM = 82, MOST_HEADS = 12 };

/* Bounds of what gathers in double. */
typedef struct gate_errors {
    double dw[2 * MOST_DIM], db[2], dconstant[MOST_HEADS];
} gate_errors;

/* One row and head. a (1 - a) is off by at most as much as a, plus its roundings. */
static void gate_head_verdict(conf_run *r, const gate_operands *o, size_t i, size_t h, const gate_gradients *got,
                              const gate_gradients *want, gate_errors *errors)
{
    const size_t dim = o->dim;
    const float *x = o->x + i * o->ldx + h * dim;
    double a_error, g_error;
    const double a = conf_gate(dim, o->w, x, o->b[0], &a_error), g = conf_gate(dim, o->w + dim, x, o->b[1], &g_error);
    const double c = o->constant[h], d = fabs((double)o->dgate[h * o->ldg + i]), aa = a * (1.0 - a), gg = g * (1.0 - g);
    const double u = d * fabs(g * c - 1.0) * aa, v = d * fabs(a * c) * gg;
    const double u_error =
        d * (fabs(c) * g_error * aa + fabs(g * c - 1.0) * a_error + 3.0 * CONF_EPS * (fabs(g * c) + 1.0) * aa) +
        4.0 * CONF_EPS * u;
    const double v_error = d * fabs(c) * (a_error * gg + a * g_error) + 6.0 * CONF_EPS * v;
    for (size_t j = 0; j < dim; j++) {
        const double w0 = fabs((double)o->w[j]), w1 = fabs((double)o->w[dim + j]), xj = fabs((double)x[j]);
        errors->dw[j] += (u_error + 0x1p-45 * u) * xj;
        errors->dw[dim + j] += (v_error + 0x1p-45 * v) * xj;
        if (got->dx == NULL) continue;
        const size_t at = i * o->lddx + h * dim + j;
        const double error = u_error * w0 + v_error * w1 + 3.0 * CONF_EPS * (u * w0 + v * w1) +
                             2.0 * CONF_EPS * fabs((double)want->dx[at]) + 0x1p-147;
        conf_expect_bound(r, "dx", i, h * dim + j, got->dx[at], want->dx[at], error);
    }
    errors->db[0] += u_error + 0x1p-45 * u;
    errors->db[1] += v_error + 0x1p-45 * v;
    errors->dconstant[h] += d * (a_error * g + a * g_error + 4.0 * CONF_EPS * a * g);
}

static void gate_verdict(conf_run *r, const gate_operands *o, const gate_gradients *got, const gate_gradients *want)
{
    gate_errors e = {0};
    for (size_t i = 0; i < o->rows; i++)
        for (size_t h = 0; h < o->heads; h++) gate_head_verdict(r, o, i, h, got, want, &e);
    for (size_t j = 0; j < 2 * o->dim; j++)
        conf_expect_bound(r, "dw", j / o->dim, j % o->dim, got->dw[j], want->dw[j],
                          e.dw[j] + 0x1p-45 * fabs(want->dw[j]));
    for (size_t j = 0; j < 2; j++)
        conf_expect_bound(r, "db", 0, j, got->db[j], want->db[j], e.db[j] + 0x1p-45 * fabs(want->db[j]));
    for (size_t h = 0; h < o->heads; h++)
        conf_expect_bound(r, "dconstant", 0, h, got->dconstant[h], want->dconstant[h],
                          e.dconstant[h] + 0x1p-45 * fabs(want->dconstant[h]));
}

static void gate_case(conf_run *r, size_t rows, size_t heads, size_t dim, bool with_dx)
{
    const size_t mark = conf_mark(r), width = heads * dim;
    gate_operands o = {.rows = rows, .heads = heads, .dim = dim, .ldx = width + conf_below(r, 2) * 3};
    o.ldg = rows + conf_below(r, 2) * 5;
    o.lddx = width + conf_below(r, 2) * 7;
    conf_case(r, "rows %zu heads %zu dim %zu ldx %zu ldg %zu lddx %zu dx %d", rows, heads, dim, o.ldx, o.ldg, o.lddx,
              with_dx);
    o.x = conf_f32_filled(r, rows, width, o.ldx, CONF_NORMAL);
    float *w = conf_f32_filled(r, 2, dim, dim, CONF_NORMAL);
    for (size_t j = 0; j < 2 * dim; j++) w[j] *= 0.3f; /* sigmoids that are not all saturated */
    o.w = w;
    o.b = conf_f32_filled(r, 1, 2, 2, CONF_NORMAL);
    o.constant = conf_f32_filled(r, 1, heads, heads, CONF_NORMAL);
    o.dgate = conf_f32_filled(r, heads, rows, o.ldg, CONF_NORMAL);
    const gate_gradients want = {.dx = with_dx ? conf_gradient(r, rows, width, o.lddx) : NULL,
                                 .dw = conf_f64(r, 2 * dim, NULL),
                                 .db = conf_f64(r, 2, NULL),
                                 .dconstant = conf_f64(r, heads, NULL)};
    const gate_gradients got = gate_copy(r, &o, &want), split = gate_copy(r, &o, &want);
    gate_run(r->ref, &o, &want, 0, rows);
    gate_run(r->sut, &o, &got, 0, rows);
    for (size_t i = 0; i < rows; i++) gate_run(r->sut, &o, &split, i, i + 1);
    gate_verdict(r, &o, &got, &want);
    if (with_dx) conf_expect_bits(r, "dx row by row", rows, width, split.dx, o.lddx, got.dx, o.lddx);
    conf_expect_bits_f64(r, "dw row by row", 2 * dim, split.dw, got.dw);
    conf_expect_bits_f64(r, "db row by row", 2, split.db, got.db);
    conf_expect_bits_f64(r, "dconstant row by row", heads, split.dconstant, got.dconstant);
    conf_release(r, mark);
}

void conf_relative_gate_backward_f32(conf_run *r)
{
    static const size_t counts[] = {0, 1, 2, MOST_HEADS};
    for (size_t dim = 0; dim < MOST_DIM; dim++)
        for (size_t rows = 0; rows < 6; rows++)
            for (size_t h = 0; h < 4 && !r->failed; h++) gate_case(r, rows, counts[h], dim, conf_below(r, 4) != 0);
}
