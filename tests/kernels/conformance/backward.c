/* Conformance of the gradients of layer norm and of the element-wise functions, and of the optimiser's step. */
#include "tests/kernels/conformance/conformance.h"

#include <math.h>
#include <string.h>

enum { TAILS = 68, LENGTHS = TAILS + 4, LONGEST = 1031, ROWS = 6 };

static size_t length_of(size_t index)
{
    static const size_t large[] = {128, 512, 1024, LONGEST};
    return index < TAILS ? index : large[index - TAILS];
}

/* ---- Layer norm ---------------------------------------------------------------------------------------------- */

/* Shapes that hurt: plain, a large common offset, constant (h = 0, rstd = 1 / sqrt(eps)), tiny, wide, one NaN. */
enum { ROW_PLAIN, ROW_OFFSET, ROW_CONSTANT, ROW_TINY, ROW_WIDE, ROW_NAN, ROW_SHAPES };

static float row_value(conf_run *r, size_t shape)
{
    switch (shape) {
    case ROW_OFFSET: return 1000.0f + conf_value(r, CONF_NORMAL);
    case ROW_CONSTANT: return -7.25f;
    case ROW_TINY: return conf_value(r, CONF_TINY);
    case ROW_WIDE: return conf_value(r, CONF_WIDE);
    default: return 3.0f * conf_value(r, CONF_NORMAL);
    }
}

static void fill_row(conf_run *r, float *x, size_t n, size_t shape)
{
    for (size_t j = 0; j < n; j++) x[j] = row_value(r, shape);
    if (shape == ROW_NAN && n > 0) x[conf_below(r, n)] = NAN;
}

typedef struct norm_operands {
    size_t rows, n, ldx, lddy, lddx;
    const float *x, *gamma, *mean, *rstd, *dy;
} norm_operands;

typedef struct norm_gradients {
    float *dx;
    double *dgamma, *dbeta;
} norm_gradients;

/* Rows from .. to-1 of o. */
static void norm_run(const kern_table *k, const norm_operands *o, const norm_gradients *g, size_t from, size_t to)
{
    k->layer_norm_backward_f32(to - from, o->n, o->x + from * o->ldx, o->ldx, o->gamma, o->mean + from, o->rstd + from,
                               o->dy + from * o->lddy, o->lddy, g->dx != NULL ? g->dx + from * o->lddx : NULL, o->lddx,
                               g->dgamma, g->dbeta);
}

/* In float, h is off by two roundings and the means of g and g * h by their sums' errors; dx multiplies by rstd. */
static void norm_dx_verdict(conf_run *r, const norm_operands *o, size_t i, const float *got, const float *want)
{
    const float *x = o->x + i * o->ldx, *dy = o->dy + i * o->lddy;
    const double mu = o->mean[i], rstd = o->rstd[i], n = (double)o->n, least = 0x1p-149;
    double g_sum = 0.0, gh_sum = 0.0, g_size = 0.0, gh_size = 0.0;
    for (size_t j = 0; j < o->n; j++) {
        const double g = (double)dy[j] * o->gamma[j], h = (x[j] - mu) * rstd;
        g_sum += g;
        gh_sum += g * h;
        g_size += fabs(g);
        gh_size += fabs(g * h);
    }
    const double g_error = conf_sum_error(o->n) * g_size / n + 4.0 * least;
    const double gh_error = (conf_sum_error(o->n) + 4.0 * CONF_EPS) * gh_size / n + 4.0 * least;
    for (size_t j = 0; j < o->n; j++) {
        const double g = (double)dy[j] * o->gamma[j], h = (x[j] - mu) * rstd;
        const double size = fabs(g) + fabs(g_sum / n) + fabs(h * gh_sum / n);
        const double error = rstd * (g_error + fabs(h) * gh_error + 6.0 * CONF_EPS * size + 4.0 * least);
        conf_expect_bound(r, "dx", i, j, got[j], want[j], error + 2.0 * CONF_EPS * fabs((double)want[j]) + 4.0 * least);
    }
}

/* Two roundings in h, the product exact, the sum in double. */
static void norm_dgamma_verdict(conf_run *r, const norm_operands *o, const double *got, const double *want)
{
    for (size_t j = 0; j < o->n; j++) {
        double size = 0.0, least = 0.0;
        for (size_t i = 0; i < o->rows; i++) {
            const double dy = o->dy[i * o->lddy + j], h = ((double)o->x[i * o->ldx + j] - o->mean[i]) * o->rstd[i];
            size += fabs(dy * h);
            least += fabs(dy) * 0x1p-149;
        }
        const double error = 2.5 * CONF_EPS * size + least + 0x1p-50 * (fabs(want[j]) + size) + 0x1p-1000;
        conf_expect_bound(r, "dgamma", 0, j, got[j], want[j], error);
    }
}

static norm_gradients norm_copy(conf_run *r, const norm_operands *o, const norm_gradients *from)
{
    norm_gradients g = {NULL, NULL, NULL};
    if (from->dx != NULL) g.dx = conf_f32_copy(r, o->rows, o->n, o->lddx, from->dx, o->lddx);
    if (from->dgamma != NULL) g.dgamma = conf_f64(r, o->n, from->dgamma);
    if (from->dbeta != NULL) g.dbeta = conf_f64(r, o->n, from->dbeta);
    return g;
}

static void norm_case(conf_run *r, size_t rows, size_t n, unsigned absent, conf_values values)
{
    const size_t mark = conf_mark(r), ldx = n + conf_below(r, 2) * 5, lddy = n + conf_below(r, 2) * 3;
    const float eps = conf_below(r, 2) == 0 ? 1e-5f : 1e-12f;
    norm_operands o = {.rows = rows, .n = n, .ldx = ldx, .lddy = lddy, .lddx = n + conf_below(r, 2) * 7};
    conf_case(r, "rows %zu n %zu ldx %zu lddy %zu lddx %zu absent %u eps %g values %d", rows, n, ldx, lddy, o.lddx,
              absent, eps, (int)values);
    float *x = conf_f32(r, rows, n, ldx), *mean = conf_f32(r, 1, rows, rows), *rstd = conf_f32(r, 1, rows, rows);
    for (size_t i = 0; i < rows; i++) fill_row(r, x + i * ldx, n, conf_below(r, ROW_SHAPES));
    o.x = x;
    o.gamma = conf_f32_filled(r, 1, n, n, CONF_NORMAL);
    o.dy = conf_f32_filled(r, rows, n, lddy, values);
    float *y = conf_f32(r, rows, n, n);
    for (size_t i = 0; i < rows && n == 0; i++) mean[i] = rstd[i] = 1.0f; /* of no elements there are none */
    r->ref->layer_norm_f32(rows, n, x, ldx, o.gamma, o.gamma, eps, y, n, mean, rstd);
    o.mean = mean;
    o.rstd = rstd;

    norm_gradients want = {.dx = (absent & 1u) != 0 ? NULL : conf_gradient(r, rows, n, o.lddx),
                           .dgamma = (absent & 2u) != 0 ? NULL : conf_f64(r, n, NULL),
                           .dbeta = (absent & 4u) != 0 ? NULL : conf_f64(r, n, NULL)};
    const norm_gradients got = norm_copy(r, &o, &want), split = norm_copy(r, &o, &want);
    norm_run(r->ref, &o, &want, 0, rows);
    norm_run(r->sut, &o, &got, 0, rows);
    for (size_t i = 0; i < rows; i++) norm_run(r->sut, &o, &split, i, i + 1);
    for (size_t i = 0; i < rows && n > 0 && want.dx != NULL; i++)
        norm_dx_verdict(r, &o, i, got.dx + i * o.lddx, want.dx + i * o.lddx);
    if (want.dx != NULL) conf_expect_bits(r, "dx row by row", rows, n, split.dx, o.lddx, got.dx, o.lddx);
    if (want.dgamma != NULL) {
        norm_dgamma_verdict(r, &o, got.dgamma, want.dgamma);
        conf_expect_bits_f64(r, "dgamma row by row", n, split.dgamma, got.dgamma);
    }
    if (want.dbeta != NULL) conf_expect_bits_f64(r, "dbeta", n, got.dbeta, want.dbeta);
    conf_release(r, mark);
}

void conf_layer_norm_backward_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t rows = 0; rows < ROWS; rows++)
            for (unsigned absent = 0; absent < 8; absent++)
                for (int values = CONF_NORMAL; values <= CONF_TINY && !r->failed; values++)
                    norm_case(r, rows, length_of(index), absent, (conf_values)values);
}

/* ---- Slopes of element-wise functions ------------------------------------------------------------------------ */

typedef void (*conf_slope)(size_t n, const float *x, const float *dy, float *dx);

/* f'(x) in double with its error in a float implementation; NULL where bits are compared. */
typedef double (*conf_slope_error)(double x, double *slope);

/* Phi is as good as gelu makes it (conf_share_gelu); phi is exp's, its argument x^2 / 2 rounded. */
static double gelu_slope_error(double x, double *slope)
{
    if (isinf(x)) {
        *slope = x > 0.0 ? 1.0 : 0.0;
        return 0x1p-23;
    }
    const double below = 0.5 * erfc(-x * sqrt(0.5)), density = x * exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
    *slope = below + density;
    return x > -2.0 ? 0x1p-21 * (below + fabs(density)) : 0x1p-23 + 0x1p-20 * fabs(density);
}

static double tanh_slope_error(double y, double *slope)
{
    *slope = 1.0 - y * y;
    return 4.0 * CONF_EPS * fabs(*slope);
}

/* One call, and three of its elements each by itself: the same bits in any company. */
static void slope_case(conf_run *r, conf_slope ref, conf_slope sut, conf_slope_error error_of, size_t n,
                       const float *x0, const float *dy0, const float *dx0)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu", n);
    const float *x = conf_f32_copy(r, 1, n, n, x0, n), *dy = conf_f32_copy(r, 1, n, n, dy0, n);
    float *want = conf_f32_copy(r, 1, n, n, dx0, n), *got = conf_f32_copy(r, 1, n, n, dx0, n);
    ref(n, x, dy, want);
    sut(n, x, dy, got);
    if (error_of == NULL) conf_expect_bits(r, "dx", 1, n, got, n, want, n);
    for (size_t i = 0; i < n && error_of != NULL; i++) {
        double slope;
        const double slope_error = error_of(x[i], &slope);
        const double error = fabs((double)dy[i]) * (slope_error + CONF_EPS * fabs(slope)) +
                             2.0 * CONF_EPS * fabs((double)want[i]) + 0x1p-147;
        conf_expect_bound(r, "dx", 0, i, got[i], want[i], error);
    }
    for (size_t i = 0; i < n; i += n / 3 + 1) {
        const float *x1 = conf_f32_copy(r, 1, 1, 1, x0 + i, 1), *dy1 = conf_f32_copy(r, 1, 1, 1, dy0 + i, 1);
        float *alone = conf_f32_copy(r, 1, 1, 1, dx0 + i, 1);
        sut(1, x1, dy1, alone);
        conf_expect_bits(r, "alone", 1, 1, got + i, 1, alone, 1);
    }
    conf_release(r, mark);
}

/* All floats at a stride, and dense where the functions bend; at a slope of one, so that nothing hides its error. */
static void slope_sweeps(conf_run *r, conf_slope ref, conf_slope sut, conf_slope_error error_of, float reach)
{
    float x[LONGEST], dy[LONGEST], dx[LONGEST] = {0};
    for (size_t i = 0; i < LONGEST; i++) dy[i] = 1.0f;
    uint64_t bits = conf_below(r, 5003);
    while (bits <= UINT32_MAX && !r->failed) {
        for (size_t i = 0; i < LONGEST; i++, bits += 5003) {
            const uint32_t u = (uint32_t)bits;
            memcpy(x + i, &u, sizeof u);
            if (fabsf(x[i]) > reach) x[i] = copysignf(reach, x[i]);
        }
        slope_case(r, ref, sut, error_of, LONGEST, x, dy, dx);
    }
    for (size_t i = 0; i < 120 && !r->failed; i++) {
        static const float reaches[] = {0.7f, 3.0f, 12.0f};
        const float limit = reaches[i % 3] < reach ? reaches[i % 3] : reach;
        for (size_t j = 0; j < LONGEST; j++) x[j] = conf_uniform(r, -limit, limit);
        slope_case(r, ref, sut, error_of, LONGEST, x, dy, dx);
    }
}

/* All lengths with all kinds of values (dy and dx within a range that cannot overflow, unless bits are compared), then
 * the sweeps. |x| <= reach. */
static void slope_cases(conf_run *r, conf_slope ref, conf_slope sut, conf_slope_error error_of, float reach)
{
    float x[TAILS], dy[TAILS], dx[TAILS];
    for (size_t n = 0; n < TAILS; n++)
        for (size_t v = 0; v < CONF_VALUES_COUNT; v++)
            for (size_t w = 0; w < CONF_VALUES_COUNT && !r->failed; w++) {
                const bool zero = conf_below(r, 2) == 0;
                const conf_values given = error_of != NULL && w > CONF_TINY ? CONF_NORMAL : (conf_values)w;
                for (size_t i = 0; i < n; i++) {
                    x[i] = conf_value(r, (conf_values)v);
                    if (fabsf(x[i]) > reach) x[i] = copysignf(reach, x[i]);
                    dy[i] = conf_below(r, 50) == 0 ? NAN : conf_value(r, given);
                    dx[i] = zero ? 0.0f : conf_value(r, given);
                }
                slope_case(r, ref, sut, error_of, n, x, dy, dx);
            }
    slope_sweeps(r, ref, sut, error_of, reach);
}

void conf_gelu_backward_f32(conf_run *r)
{
    slope_cases(r, r->ref->gelu_backward_f32, r->sut->gelu_backward_f32, gelu_slope_error, INFINITY);
}

void conf_relu_backward_f32(conf_run *r)
{
    slope_cases(r, r->ref->relu_backward_f32, r->sut->relu_backward_f32, NULL, INFINITY);
}

void conf_tanh_backward_f32(conf_run *r)
{
    slope_cases(r, r->ref->tanh_backward_f32, r->sut->tanh_backward_f32, tanh_slope_error, 1.0f);
}

/* ---- AdamW --------------------------------------------------------------------------------------------------- */

static kern_adamw adamw_constants(conf_run *r)
{
    const double beta1 = conf_uniform(r, 0.8f, 0.95f), beta2 = conf_uniform(r, 0.95f, 0.9999f);
    const double t = 1.0 + (double)conf_below(r, 1000), rate = conf_uniform(r, 1e-6f, 1e-2f);
    return (kern_adamw){.decay = (float)(1.0 - rate * conf_uniform(r, 0.0f, 0.5f)),
                        .step_size = (float)(rate / (1.0 - pow(beta1, t))),
                        .root = (float)sqrt(1.0 - pow(beta2, t)),
                        .eps = conf_below(r, 2) == 0 ? 1e-8f : 1e-3f,
                        .beta1 = (float)beta1,
                        .one_minus_beta1 = (float)(1.0 - beta1),
                        .beta2 = (float)beta2,
                        .one_minus_beta2 = (float)(1.0 - beta2),
                        .grad_scale = conf_below(r, 2) == 0 ? 1.0f : conf_uniform(r, 0.01f, 2.0f)};
}

void conf_adamw_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t v = 0; v < CONF_VALUES_COUNT; v++)
            for (size_t round = 0; round < 4 && !r->failed; round++) {
                const size_t mark = conf_mark(r), n = length_of(index);
                const conf_values values = (conf_values)v;
                const kern_adamw a = adamw_constants(r);
                conf_case(r, "n %zu values %zu", n, v);
                const float *grad = conf_f32_filled(r, 1, n, n, values);
                float *w = conf_f32_filled(r, 1, n, n, values), *m = conf_f32_filled(r, 1, n, n, values);
                float *s = conf_f32_filled(r, 1, n, n, values);
                for (size_t i = 0; i < n; i++) s[i] = fabsf(s[i]);
                float *w1 = conf_f32_copy(r, 1, n, n, w, n), *m1 = conf_f32_copy(r, 1, n, n, m, n);
                float *s1 = conf_f32_copy(r, 1, n, n, s, n);
                r->ref->adamw_f32(n, w, grad, m, s, &a);
                r->sut->adamw_f32(n, w1, grad, m1, s1, &a);
                conf_expect_bits(r, "w", 1, n, w1, n, w, n);
                conf_expect_bits(r, "m", 1, n, m1, n, m, n);
                conf_expect_bits(r, "v", 1, n, s1, n, s, n);
                conf_release(r, mark);
            }
}
