/* Conformance of softmax, the online attention softmax and the relative gate. */
#include "tests/kernels/conformance/conformance.h"

#include <float.h>
#include <math.h>

enum { TAILS = 68, LENGTHS = TAILS + 3, LONGEST = 1031 };

static size_t length_of(size_t index)
{
    static const size_t large[] = {128, 499, LONGEST};
    return index < TAILS ? index : large[index - TAILS];
}

/* ---- Softmax ------------------------------------------------------------------------------------------------- */

/* Flat, peaked, far from zero, constant, some elements at -inf, a NaN. */
enum { SOFT_FLAT, SOFT_PEAKED, SOFT_OFFSET, SOFT_CONSTANT, SOFT_MASKED, SOFT_NAN, SOFT_VARIANTS };

static float *softmax_operand(conf_run *r, size_t n, size_t variant)
{
    float *x = conf_f32_filled(r, 1, n, n, CONF_NORMAL);
    for (size_t i = 0; i < n; i++) {
        if (variant == SOFT_PEAKED) x[i] *= 40.0f;
        if (variant == SOFT_OFFSET) x[i] += conf_below(r, 2) == 0 ? 1000.0f : 995.0f;
        if (variant == SOFT_CONSTANT) x[i] = -3.0f;
        if (variant == SOFT_MASKED && i > 0 && conf_below(r, 3) == 0) x[i] = -INFINITY;
    }
    if (variant == SOFT_NAN && n > 0) x[conf_below(r, n)] = NAN;
    return x;
}

void conf_softmax_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t variant = 0; variant < 2 * SOFT_VARIANTS && !r->failed; variant++) {
            const size_t mark = conf_mark(r), n = length_of(index);
            const bool in_place = variant >= SOFT_VARIANTS;
            conf_case(r, "n %zu variant %zu in place %d", n, variant % SOFT_VARIANTS, in_place);
            const float *x = softmax_operand(r, n, variant % SOFT_VARIANTS);
            float *want = conf_f32(r, 1, n, n);
            float *got = in_place ? conf_f32_copy(r, 1, n, n, x, n) : conf_f32(r, 1, n, n);
            r->ref->softmax_f32(n, x, want);
            r->sut->softmax_f32(n, in_place ? got : x, got);
            const float top = r->ref->max_f32(n, x);
            for (size_t i = 0; i < n; i++) { /* the sum holds terms near the top, whose errors are the exp's */
                const double distance = x[i] == -INFINITY ? 0.0 : (double)x[i] - top;
                const double exp_errors = conf_exp_error(distance) + conf_exp_error(1.0);
                const double relative = exp_errors + conf_sum_error(n) + 2.0 * CONF_EPS;
                conf_expect_bound(r, "y", 0, i, got[i], want[i], want[i] * relative + FLT_MIN);
            }
            float *moved = conf_f32_copy(r, 1, n, n, x, n);
            r->sut->softmax_f32(n, moved, moved);
            conf_expect_bits(r, "the same elsewhere", 1, n, got, n, moved, n);
            conf_release(r, mark);
        }
}

/* ---- Attention softmax --------------------------------------------------------------------------------------- */

/* One tile's operands; the running values in [0] as they were before, in [1] after. */
typedef struct attention_tile {
    size_t rows, keys, lds;
    float scale;
    const float *s, *gate, *bias; /* bias at row 0, key 0 */
} attention_tile;

typedef struct attention_state {
    float *s, *max, *sum, *rescale;
} attention_state;

static attention_state attention_start(conf_run *r, const attention_tile *t, const float *max, const float *sum)
{
    attention_state a;
    a.s = conf_f32_copy(r, t->rows, t->keys, t->lds, t->s, t->lds);
    a.max = conf_f32_copy(r, 1, t->rows, t->rows, max, t->rows);
    a.sum = conf_f32_copy(r, 1, t->rows, t->rows, sum, t->rows);
    a.rescale = conf_f32(r, 1, t->rows, t->rows);
    return a;
}

/* s * scale + gate * bias in float is off by a few roundings of its terms; so is the maximum; both move exp. */
static void attention_verdict(conf_run *r, const attention_tile *t, size_t i, float before_max, float before_sum,
                              const attention_state *got, const attention_state *want)
{
    const float *s = t->s + i * t->lds, *got_s = got->s + i * t->lds, *want_s = want->s + i * t->lds;
    const double top = want->max[i];
    double scores_error = 0.0, sum_error = 0.0, sum = 0.0;
    double error[LONGEST], distance[LONGEST];
    for (size_t j = 0; j < t->keys; j++) {
        const double a = (double)s[j] * t->scale;
        const double b = t->bias != NULL ? (double)t->gate[i] * t->bias[(ptrdiff_t)j - (ptrdiff_t)i] : 0.0;
        error[j] = 4.0 * CONF_EPS * (fabs(a) + fabs(b));
        distance[j] = a + b - top;
        if (error[j] > scores_error) scores_error = error[j];
    }
    for (size_t j = 0; j < t->keys; j++) {
        const double relative = 1.1 * (error[j] + scores_error + conf_exp_error(distance[j]));
        conf_expect_bound(r, "s", i, j, got_s[j], want_s[j], want_s[j] * relative + FLT_MIN);
        sum_error += want_s[j] * relative + FLT_MIN;
        sum += want_s[j];
    }
    const double moved = before_max == -INFINITY ? 0.0 : before_max - top;
    const double rescale_error = want->rescale[i] * 1.1 * (scores_error + conf_exp_error(moved)) + FLT_MIN;
    sum_error += before_sum * rescale_error + conf_sum_error(t->keys) * sum + 4.0 * CONF_EPS * want->sum[i];
    conf_expect_bound(r, "running_max", i, 0, got->max[i], want->max[i], scores_error);
    conf_expect_bound(r, "rescale", i, 0, got->rescale[i], want->rescale[i], rescale_error);
    conf_expect_bound(r, "running_sum", i, 0, got->sum[i], want->sum[i], sum_error);
}

static void attention_run(const kern_table *k, const attention_tile *t, const attention_state *a)
{
    k->attention_softmax_f32(t->rows, t->keys, a->s, t->lds, t->scale, t->gate, t->bias, a->max, a->sum, a->rescale);
}

/* Row i by itself, elsewhere in memory, must give the same bits. */
static void attention_alone(conf_run *r, const attention_tile *t, size_t i, float max, float sum,
                            const attention_state *got)
{
    const attention_tile row = {.rows = 1,
                                .keys = t->keys,
                                .lds = t->keys,
                                .scale = t->scale,
                                .s = t->s + i * t->lds,
                                .gate = t->gate != NULL ? t->gate + i : NULL,
                                .bias = t->bias != NULL ? t->bias - i : NULL};
    const attention_state alone = attention_start(r, &row, &max, &sum);
    attention_run(r->sut, &row, &alone);
    conf_expect_bits(r, "s of the row alone", 1, t->keys, got->s + i * t->lds, t->keys, alone.s, t->keys);
    conf_expect_bits(r, "running_max of the row alone", 1, 1, got->max + i, 1, alone.max, 1);
    conf_expect_bits(r, "running_sum of the row alone", 1, 1, got->sum + i, 1, alone.sum, 1);
    conf_expect_bits(r, "rescale of the row alone", 1, 1, got->rescale + i, 1, alone.rescale, 1);
}

static void attention_case(conf_run *r, size_t rows, size_t keys, bool biased, float spread)
{
    const size_t mark = conf_mark(r), lds = keys + conf_below(r, 2) * 3;
    conf_case(r, "rows %zu keys %zu lds %zu bias %d spread %g", rows, keys, lds, biased, spread);
    attention_tile t = {.rows = rows, .keys = keys, .lds = lds, .scale = 0.125f};
    float *s = conf_f32_filled(r, rows, keys, lds, CONF_NORMAL);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < keys; j++) s[i * lds + j] *= spread;
    t.s = s;
    const size_t entries = biased && rows > 0 && keys > 0 ? rows + keys - 1 : 0;
    const float *table = conf_f32_filled(r, 1, entries, entries, CONF_NORMAL);
    t.gate = biased ? conf_f32_filled(r, 1, rows, rows, CONF_NORMAL) : NULL;
    t.bias = biased ? (entries > 0 ? table + (rows - 1) : table) : NULL;
    float *max = conf_f32_filled(r, 1, rows, rows, CONF_NORMAL), *sum = conf_f32(r, 1, rows, rows);
    for (size_t i = 0; i < rows; i++) { /* the first tile of a row, or a later one with its maximum near or far */
        sum[i] = conf_uniform(r, 1.0f, 500.0f);
        if (conf_below(r, 3) == 0) {
            max[i] = -INFINITY;
            sum[i] = 0.0f;
        } else if (conf_below(r, 3) == 0)
            max[i] += conf_uniform(r, -120.0f, 120.0f);
    }
    const attention_state want = attention_start(r, &t, max, sum), got = attention_start(r, &t, max, sum);
    attention_run(r->ref, &t, &want);
    attention_run(r->sut, &t, &got);
    for (size_t i = 0; i < rows; i++)
        if (keys > 0)
            attention_verdict(r, &t, i, max[i], sum[i], &got, &want);
        else {
            conf_expect_bits(r, "running_max", 1, 1, got.max + i, 1, max + i, 1);
            conf_expect_bits(r, "running_sum", 1, 1, got.sum + i, 1, sum + i, 1);
            conf_expect_share(r, "rescale", i, 0, got.rescale[i], 1.0f, got.rescale[i] == 1.0f ? 0.0 : INFINITY);
        }
    if (rows > 0) {
        const size_t i = conf_below(r, rows);
        attention_alone(r, &t, i, max[i], sum[i], &got);
    }
    conf_release(r, mark);
}

void conf_attention_softmax_f32(conf_run *r)
{
    static const size_t heights[] = {0, 1, 2, 3, 4, 5, 8, 9, 17};
    static const float spreads[] = {1.0f, 20.0f, 500.0f}; /* before the scale of 1/8 */
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t h = 0; h < sizeof heights / sizeof *heights; h++)
            for (size_t variant = 0; variant < 6 && !r->failed; variant++)
                attention_case(r, heights[h], length_of(index), variant & 1, spreads[variant / 2]);
}

/* ---- Relative gate ------------------------------------------------------------------------------------------- */

static void gate_case(conf_run *r, size_t rows, size_t heads, size_t dim)
{
    const size_t mark = conf_mark(r), width = heads * dim, ldx = width + conf_below(r, 2) * 3;
    const size_t ldg = rows + conf_below(r, 2) * 5;
    conf_case(r, "rows %zu heads %zu dim %zu ldx %zu ldg %zu", rows, heads, dim, ldx, ldg);
    const float *x = conf_f32_filled(r, rows, width, ldx, CONF_NORMAL);
    const float *w = conf_f32_filled(r, 2, dim, dim, CONF_NORMAL), *b = conf_f32_filled(r, 1, 2, 2, CONF_NORMAL);
    const float *constant = conf_f32_filled(r, 1, heads, heads, CONF_NORMAL);
    float *want = conf_f32(r, heads, rows, ldg), *got = conf_f32(r, heads, rows, ldg);
    r->ref->relative_gate_f32(rows, heads, dim, x, ldx, w, b, constant, want, ldg);
    r->sut->relative_gate_f32(rows, heads, dim, x, ldx, w, b, constant, got, ldg);
    for (size_t i = 0; i < rows; i++)
        for (size_t h = 0; h < heads; h++) {
            const float *xih = x + i * ldx + h * dim;
            double a_error, g_error;
            const double a = conf_gate(dim, w, xih, b[0], &a_error), c = constant[h];
            const double g = conf_gate(dim, w + dim, xih, b[1], &g_error), inner = fabs(g * c - 1.0);
            const double error = a_error * inner + a * fabs(c) * g_error + 4.0 * CONF_EPS * (fabs(c) + 3.0);
            conf_expect_bound(r, "gate", h, i, got[h * ldg + i], want[h * ldg + i], error);
        }
    for (size_t i = 0; i < rows; i++) { /* a row by itself */
        const size_t inner = conf_mark(r);
        float *alone = conf_f32(r, heads, 1, 2);
        const float *row = conf_f32_copy(r, 1, width, width, x + i * ldx, width);
        r->sut->relative_gate_f32(1, heads, dim, row, width, w, b, constant, alone, 2);
        conf_expect_bits(r, "row alone", heads, 1, got + i, ldg, alone, 2);
        conf_release(r, inner);
    }
    conf_release(r, mark);
}

void conf_relative_gate_f32(conf_run *r)
{
    static const size_t counts[] = {0, 1, 2, 12};
    for (size_t dim = 0; dim < 82; dim++)
        for (size_t rows = 0; rows < 6; rows++)
            for (size_t h = 0; h < 4 && !r->failed; h++) gate_case(r, rows, counts[h], dim);
}
