/* Conformance of the kernels over rows and channels, and of the reductions. */
#include "tests/kernels/conformance/conformance.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TAILS = 68 };

/* The lengths tried: every tail, then a few large ones. */
static size_t length_of(size_t index)
{
    static const size_t large[] = {128, 512, 1024, 1031};
    return index < TAILS ? index : large[index - TAILS];
}

enum { LENGTHS = TAILS + 4 };

/* ---- Layer norm ---------------------------------------------------------------------------------------------- */

/* Shapes that hurt: plain, a large common offset, constant, tiny, wide, one NaN. */
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

/* A float mean is off by d <= sum_error(n) * mean|x|, which moves every deviation by d and the variance by d^2 and
 * by its own summation error; 1/sqrt halves the relative error of the variance. */
static void layer_norm_verdict(conf_run *r, size_t i, size_t n, const float *x, const float *gamma, const float *beta,
                               float eps, const float *got, const float *want, const float *stats)
{
    double sum = 0.0, magnitude = 0.0, squares = 0.0;
    for (size_t j = 0; j < n; j++) {
        sum += x[j];
        magnitude += fabs((double)x[j]);
    }
    const double mean = sum / (double)n;
    for (size_t j = 0; j < n; j++) squares += (x[j] - mean) * (x[j] - mean);
    const double variance = squares / (double)n + eps, rstd = 1.0 / sqrt(variance);
    const double mean_error = conf_sum_error(n) * magnitude / (double)n + 0x1p-149;
    const double rstd_error = 0.5 * (conf_sum_error(n) + mean_error * mean_error / variance) + 4.0 * CONF_EPS;
    for (size_t j = 0; j < n; j++) {
        const double deviation = x[j] - mean;
        const double error = fabs((double)gamma[j]) * rstd *
                                 (mean_error + fabs(deviation) * (rstd_error + 4.0 * CONF_EPS)) +
                             2.0 * CONF_EPS * (fabs((double)beta[j]) + fabs((double)want[j])) + 0x1p-148;
        conf_expect_bound(r, "y", i, j, got[j], want[j], error);
    }
    if (stats == NULL) return; /* got mean, want mean, got rstd, want rstd */
    conf_expect_bound(r, "mean", i, 0, stats[0], stats[1], mean_error + CONF_EPS * fabs(mean));
    conf_expect_bound(r, "rstd", i, 0, stats[2], stats[3], rstd_error * rstd);
}

static void layer_norm_case(conf_run *r, size_t rows, size_t n, bool with_stats, bool in_place, float eps)
{
    const size_t mark = conf_mark(r), ldx = n + conf_below(r, 2) * 5, ldy = in_place ? ldx : n + conf_below(r, 2) * 3;
    conf_case(r, "rows %zu n %zu ldx %zu ldy %zu stats %d in place %d eps %g", rows, n, ldx, ldy, with_stats, in_place,
              eps);
    float *x = conf_f32(r, rows, n, ldx);
    for (size_t i = 0; i < rows; i++) fill_row(r, x + i * ldx, n, conf_below(r, ROW_SHAPES));
    const float *gamma = conf_f32_filled(r, 1, n, n, CONF_NORMAL), *beta = conf_f32_filled(r, 1, n, n, CONF_NORMAL);
    const size_t stats = with_stats && n > 0 ? rows : 0;
    float *want = conf_f32(r, rows, n, ldy), *mean0 = conf_f32(r, 1, stats, stats), *rstd0 = conf_f32(r, 1, stats, stats);
    float *got = in_place ? conf_f32_copy(r, rows, n, ldx, x, ldx) : conf_f32(r, rows, n, ldy);
    float *mean1 = conf_f32(r, 1, stats, stats), *rstd1 = conf_f32(r, 1, stats, stats);

    r->ref->layer_norm_f32(rows, n, x, ldx, gamma, beta, eps, want, ldy, with_stats ? mean0 : NULL,
                           with_stats ? rstd0 : NULL);
    r->sut->layer_norm_f32(rows, n, in_place ? got : x, ldx, gamma, beta, eps, got, ldy, with_stats ? mean1 : NULL,
                           with_stats ? rstd1 : NULL);
    for (size_t i = 0; i < rows && n > 0; i++) {
        float both[4] = {0};
        if (stats > 0) memcpy(both, (const float[4]){mean1[i], mean0[i], rstd1[i], rstd0[i]}, sizeof both);
        layer_norm_verdict(r, i, n, x + i * ldx, gamma, beta, eps, got + i * ldy, want + i * ldy,
                           stats > 0 ? both : NULL);
        const float *row = conf_f32_copy(r, 1, n, n, x + i * ldx, n);
        float *alone = conf_f32(r, 1, n, n);
        r->sut->layer_norm_f32(1, n, row, n, gamma, beta, eps, alone, n, NULL, NULL);
        conf_expect_bits(r, "row alone", 1, n, got + i * ldy, n, alone, n);
    }
    conf_release(r, mark);
}

void conf_layer_norm_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t rows = 0; rows < 6; rows++)
            for (size_t variant = 0; variant < 8 && !r->failed; variant++)
                layer_norm_case(r, rows, length_of(index), variant & 1, variant & 2, variant & 4 ? 1e-5f : 1e-12f);
}

/* ---- Channels ------------------------------------------------------------------------------------------------ */

void conf_channel_moments_f32(conf_run *r)
{
    static const size_t heights[] = {0, 1, 2, 3, 7, 40};
    for (size_t channels = 0; channels < TAILS; channels++)
        for (size_t h = 0; h < 6; h++)
            for (size_t variant = 0; variant < 6 && !r->failed; variant++) {
                static const conf_values kinds[] = {CONF_NORMAL, CONF_WIDE, CONF_SPECIAL};
                const size_t mark = conf_mark(r), rows = heights[h], ldx = channels + conf_below(r, 2) * 3;
                const bool weighted = variant & 1;
                conf_case(r, "rows %zu channels %zu ldx %zu weighted %d", rows, channels, ldx, weighted);
                const float *x = conf_f32_filled(r, rows, channels, ldx, kinds[variant / 2]);
                const float *weight = weighted ? conf_f32_filled(r, 1, rows, rows, CONF_NORMAL) : NULL;
                double *sum = conf_f64(r, channels, NULL), *sumsq = conf_f64(r, channels, NULL);
                double *sum1 = conf_f64(r, channels, sum), *sumsq1 = conf_f64(r, channels, sumsq);
                r->ref->channel_moments_f32(rows, channels, x, ldx, weight, sum, sumsq);
                r->sut->channel_moments_f32(rows, channels, x, ldx, weight, sum1, sumsq1);
                conf_expect_bits_f64(r, "sum", channels, sum1, sum);
                conf_expect_bits_f64(r, "sumsq", channels, sumsq1, sumsq);
                conf_release(r, mark);
            }
}

/* channel_sum (dot false) or channel_dot. */
static void channel_sum_cases(conf_run *r, bool dot)
{
    static const size_t heights[] = {0, 1, 2, 3, 7, 40};
    static const conf_values kinds[] = {CONF_NORMAL, CONF_WIDE, CONF_SPECIAL};
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t h = 0; h < 6; h++)
            for (size_t kind = 0; kind < 3 && !r->failed; kind++) {
                const size_t mark = conf_mark(r), rows = heights[h], channels = length_of(index);
                const size_t ldx = channels + conf_below(r, 2) * 3, ldy = channels + conf_below(r, 2) * 5;
                conf_case(r, "rows %zu channels %zu ldx %zu ldy %zu", rows, channels, ldx, ldy);
                const float *x = conf_f32_filled(r, rows, channels, ldx, kinds[kind]);
                const float *y = conf_f32_filled(r, rows, channels, ldy, kinds[kind]);
                double *want = conf_f64(r, channels, NULL), *got = conf_f64(r, channels, want);
                if (dot) {
                    r->ref->channel_dot_f32(rows, channels, x, ldx, y, ldy, want);
                    r->sut->channel_dot_f32(rows, channels, x, ldx, y, ldy, got);
                } else {
                    r->ref->channel_sum_f32(rows, channels, x, ldx, want);
                    r->sut->channel_sum_f32(rows, channels, x, ldx, got);
                }
                conf_expect_bits_f64(r, "sum", channels, got, want);
                conf_release(r, mark);
            }
}

void conf_channel_sum_f32(conf_run *r)
{
    channel_sum_cases(r, false);
}

void conf_channel_dot_f32(conf_run *r)
{
    channel_sum_cases(r, true);
}

void conf_channel_affine_f32(conf_run *r)
{
    for (size_t n = 0; n < TAILS; n++)
        for (size_t rows = 0; rows < 5; rows++)
            for (size_t v = 0; v < CONF_VALUES_COUNT && !r->failed; v++) {
                const size_t mark = conf_mark(r), ldx = n + conf_below(r, 2) * 3;
                const bool in_place = conf_below(r, 2) == 0;
                const size_t ldy = in_place ? ldx : n + conf_below(r, 2) * 5;
                conf_case(r, "rows %zu channels %zu ldx %zu ldy %zu in place %d", rows, n, ldx, ldy, in_place);
                const float *x = conf_f32_filled(r, rows, n, ldx, (conf_values)v);
                const float *scale = conf_f32_filled(r, 1, n, n, (conf_values)v);
                const float *shift = conf_f32_filled(r, 1, n, n, (conf_values)v);
                float *want = conf_f32(r, rows, n, ldy);
                float *got = in_place ? conf_f32_copy(r, rows, n, ldx, x, ldx) : conf_f32(r, rows, n, ldy);
                r->ref->channel_affine_f32(rows, n, x, ldx, scale, shift, want, ldy);
                r->sut->channel_affine_f32(rows, n, in_place ? got : x, ldx, scale, shift, got, ldy);
                conf_expect_bits(r, "y", rows, n, got, ldy, want, ldy);
                conf_release(r, mark);
            }
}

void conf_scale_rows_f32(conf_run *r)
{
    for (size_t n = 0; n < TAILS; n++)
        for (size_t rows = 0; rows < 5; rows++)
            for (size_t v = 0; v < CONF_VALUES_COUNT && !r->failed; v++) {
                const size_t mark = conf_mark(r), ldx = n + conf_below(r, 2) * 3;
                conf_case(r, "rows %zu n %zu ldx %zu", rows, n, ldx);
                const float *factor = conf_f32_filled(r, 1, rows, rows, (conf_values)v);
                float *want = conf_f32_filled(r, rows, n, ldx, (conf_values)v);
                float *got = conf_f32_copy(r, rows, n, ldx, want, ldx);
                r->ref->scale_rows_f32(rows, n, want, ldx, factor);
                r->sut->scale_rows_f32(rows, n, got, ldx, factor);
                conf_expect_bits(r, "x", rows, n, got, ldx, want, ldx);
                conf_release(r, mark);
            }
}

/* ---- Transposition ------------------------------------------------------------------------------------------- */

static void transpose_case(conf_run *r, size_t rows, size_t cols)
{
    const size_t mark = conf_mark(r), ldx = cols + conf_below(r, 2) * 3, ldy = rows + conf_below(r, 2) * 5;
    conf_case(r, "rows %zu cols %zu ldx %zu ldy %zu", rows, cols, ldx, ldy);
    const float *x = conf_f32_filled(r, rows, cols, ldx, CONF_SPECIAL);
    float *want = conf_f32(r, cols, rows, ldy), *got = conf_f32(r, cols, rows, ldy);
    r->ref->transpose_f32(rows, cols, x, ldx, want, ldy);
    r->sut->transpose_f32(rows, cols, x, ldx, got, ldy);
    conf_expect_bits(r, "y", cols, rows, got, ldy, want, ldy);
    conf_release(r, mark);
}

void conf_transpose_f32(conf_run *r)
{
    for (size_t rows = 0; rows < TAILS; rows++)
        for (size_t cols = 0; cols < TAILS && !r->failed; cols++) transpose_case(r, rows, cols);
    static const size_t large[][2] = {{1, 1031}, {1031, 1}, {64, 512}, {499, 64}, {257, 129}};
    for (size_t i = 0; i < sizeof large / sizeof *large && !r->failed; i++) transpose_case(r, large[i][0], large[i][1]);
}

/* ---- Reductions ---------------------------------------------------------------------------------------------- */

/* Values whose sum stays finite in any order: the huge ones are divided by the length. */
static float *reduction_operand(conf_run *r, size_t n, conf_values values)
{
    float *x = conf_f32_filled(r, 1, n, n, values);
    for (size_t i = 0; i < n && values == CONF_HUGE; i++) x[i] /= (float)(n + 1);
    return x;
}

/* The variants of a reduction's operand: a kind of values, then some with infinities or a NaN put in. */
enum { VARIANT_INFINITE = CONF_VALUES_COUNT, VARIANT_OPPOSED, VARIANT_NAN, VARIANTS };

static float *reduction_variant(conf_run *r, size_t n, size_t variant)
{
    if (variant == CONF_SPECIAL) variant = CONF_NORMAL; /* where it overflows would depend on the order */
    float *x = reduction_operand(r, n, variant < CONF_VALUES_COUNT ? (conf_values)variant : CONF_NORMAL);
    if (n > 0 && variant == VARIANT_INFINITE) x[conf_below(r, n)] = INFINITY;
    if (n > 1 && variant == VARIANT_OPPOSED) {
        x[0] = INFINITY;
        x[n - 1] = -INFINITY;
    }
    if (n > 0 && variant == VARIANT_NAN) x[conf_below(r, n)] = NAN;
    return x;
}

void conf_sum_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t variant = 0; variant < VARIANTS && !r->failed; variant++) {
            const size_t mark = conf_mark(r), n = length_of(index);
            conf_case(r, "n %zu variant %zu", n, variant);
            const float *x = reduction_variant(r, n, variant), *again = conf_f32_copy(r, 1, n, n, x, n);
            double magnitude = 0.0;
            for (size_t i = 0; i < n; i++) magnitude += fabs((double)x[i]);
            const float got = r->sut->sum_f32(n, x), moved = r->sut->sum_f32(n, again);
            conf_expect_bound(r, "sum", 0, 0, got, r->ref->sum_f32(n, x), conf_sum_error(n) * magnitude + 0x1p-149);
            conf_expect_bits(r, "the same elsewhere", 1, 1, &moved, 1, &got, 1);
            conf_release(r, mark);
        }
}

void conf_dot_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t variant = 0; variant < VARIANTS && !r->failed; variant++) {
            const size_t mark = conf_mark(r), n = length_of(index);
            conf_case(r, "n %zu variant %zu", n, variant);
            const float *x = reduction_variant(r, n, variant), *x2 = conf_f32_copy(r, 1, n, n, x, n);
            float *y = conf_f32_filled(r, 1, n, n, CONF_NORMAL);
            for (size_t i = 0; i < n; i++) y[i] = 0.125f * y[i] + 0x1p-30f; /* < 1 and not 0, which times inf is NaN */
            const float *y2 = conf_f32_copy(r, 1, n, n, y, n);
            double magnitude = 0.0;
            for (size_t i = 0; i < n; i++) magnitude += fabs((double)x[i] * (double)y[i]);
            const double bound = conf_sum_error(n) * magnitude + (double)(n + 1) * 0x1p-149; /* products underflow */
            const float got = r->sut->dot_f32(n, x, y), moved = r->sut->dot_f32(n, x2, y2);
            conf_expect_bound(r, "dot", 0, 0, got, r->ref->dot_f32(n, x, y), bound);
            conf_expect_bits(r, "the same elsewhere", 1, 1, &moved, 1, &got, 1);
            conf_release(r, mark);
        }
}

/* All terms are positive and their squares exact: only the double additions round. */
void conf_sum_squares_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t variant = 0; variant < VARIANTS && !r->failed; variant++) {
            const size_t mark = conf_mark(r), n = length_of(index);
            conf_case(r, "n %zu variant %zu", n, variant);
            const float *x = reduction_variant(r, n, variant), *again = conf_f32_copy(r, 1, n, n, x, n);
            const double got = r->sut->sum_squares_f32(n, x), moved = r->sut->sum_squares_f32(n, again);
            const double want = r->ref->sum_squares_f32(n, x), eps = 0x1p-53; /* the specification's chain rounds n times */
            conf_expect_bound(r, "sum", 0, 0, got, want, (1.25 * (double)n + 8.0) * eps * want);
            conf_expect_bits_f64(r, "the same elsewhere", 1, &moved, &got);
            conf_release(r, mark);
        }
}

void conf_max_f32(conf_run *r)
{
    for (size_t index = 0; index < LENGTHS; index++)
        for (size_t variant = 0; variant < 2 * VARIANTS && !r->failed; variant++) {
            const size_t mark = conf_mark(r), n = length_of(index);
            conf_case(r, "n %zu variant %zu", n, variant);
            float *x = variant == CONF_SPECIAL ? conf_f32_filled(r, 1, n, n, CONF_SPECIAL)
                                               : reduction_variant(r, n, variant % VARIANTS);
            for (size_t i = 0; i < n && variant >= VARIANTS; i++) x[i] = -fabsf(x[i]); /* all negative */
            const float got = r->sut->max_f32(n, x), want = r->ref->max_f32(n, x);
            conf_expect_share(r, "max", 0, 0, got, want, got == want ? 0.0 : INFINITY);
            conf_release(r, mark);
        }
}
