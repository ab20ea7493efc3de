/* Conformance of the bf16 kernels: the product from panels of pairs, and pairs from rows of floats and back. */
#include "tests/kernels/conformance/conformance.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TAILS = 68 };

/* ---- The product ---------------------------------------------------------------------------------------------- */

/* What the operands hold. In TINY, subnormal numbers of A meet large ones of B; SPECIAL are NaN and infinities among
 * normal numbers, never beside subnormal ones: infinity times a subnormal number taken for zero is another thing. */
typedef enum pair_values { PAIRS_NORMAL, PAIRS_WIDE, PAIRS_TINY, PAIRS_SPECIAL, PAIRS_COUNT } pair_values;

static float operand_value(conf_run *r, pair_values values, bool is_b)
{
    static const float special[] = {INFINITY, -INFINITY, NAN};
    switch (values) {
    case PAIRS_WIDE: return conf_value(r, CONF_WIDE);
    case PAIRS_TINY:
        return is_b ? ldexpf(conf_value(r, CONF_NORMAL), (int)conf_below(r, 120)) : conf_value(r, CONF_TINY);
    case PAIRS_SPECIAL:
        if (conf_below(r, 40) == 0) return special[conf_below(r, 3)];
        break;
    case PAIRS_NORMAL:
    case PAIRS_COUNT: break;
    }
    return conf_value(r, CONF_NORMAL);
}

/* `count` units; by the upper half of a float: what rounds how is another kernel's business. */
static uint32_t *units_of(conf_run *r, size_t count, pair_values values, bool is_b)
{
    uint32_t *x = conf_place(r, 1, count, count, sizeof *x);
    for (size_t i = 0; i < count; i++) {
        uint32_t half[2];
        for (size_t h = 0; h < 2; h++) {
            const float value = operand_value(r, values, is_b);
            memcpy(&half[h], &value, sizeof half[h]);
            if (isnan(value)) half[h] |= 0x400000u; /* which the upper half must show */
        }
        x[i] = half[0] >> 16 | (half[1] & 0xffff0000u);
    }
    return x;
}

static double half_of(uint32_t unit, unsigned h)
{
    const uint32_t bits = h == 0 ? unit << 16 : unit & 0xffff0000u;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool subnormal(double x)
{
    return x != 0.0 && fabs(x) < (double)FLT_MIN;
}

/* How far two results may differ that each round after every product and may take subnormal numbers, of the operands
 * and of the sums on the way, for zero. a and b: k units each. */
static double product_bound(size_t k, const uint32_t *a, const uint32_t *b, double start)
{
    double magnitude = fabs(start), flushed = subnormal(start) ? fabs(start) : 0.0;
    for (size_t p = 0; p < k; p++)
        for (unsigned h = 0; h < 2; h++) {
            const double x = half_of(a[p], h), y = half_of(b[p], h);
            magnitude += fabs(x * y);
            if (subnormal(x) || subnormal(y)) flushed += fabs(x * y);
        }
    const double steps = 2.0 * (double)k + 1.0;
    return 2.0 * steps * CONF_EPS * magnitude + flushed + steps * (double)FLT_MIN;
}

/* The reference takes tiles of its own size, from panels of its own. a [m][k] and b [n][k] in units. */
static void reference(conf_run *r, size_t m, size_t n, size_t k, const uint32_t *a, const uint32_t *b, float *c,
                      size_t ldc, bool accumulate)
{
    const size_t mr = r->ref->bf16_blocks.mr, nr = r->ref->bf16_blocks.nr;
    for (size_t i = 0; i < m; i += mr)
        for (size_t j = 0; j < n; j += nr) {
            const size_t mark = conf_mark(r), rows = m - i < mr ? m - i : mr, columns = n - j < nr ? n - j : nr;
            const uint32_t *pa = conf_panel(r, mr, rows, k, a + i * k);
            const uint32_t *pb = conf_panel(r, nr, columns, k, b + j * k);
            r->ref->gemm_bf16(rows, columns, k, pa, mr, pb, nr, c + i * ldc + j, ldc, accumulate, NULL);
            conf_release(r, mark);
        }
}

static void gemm_case(conf_run *r, size_t m, size_t n, size_t k, bool accumulate, pair_values values)
{
    const size_t mark = conf_mark(r), mr = r->sut->bf16_blocks.mr, nr = r->sut->bf16_blocks.nr;
    const size_t ldc = n + conf_below(r, 2) * 7;
    conf_case(r, "m %zu n %zu k %zu ldc %zu accumulate %d values %d", m, n, k, ldc, accumulate, (int)values);
    const uint32_t *a = units_of(r, m * k, values, false), *b = units_of(r, n * k, values, true);
    const uint32_t *pa = conf_left_panel(r, &r->sut->bf16_blocks, m, k, a), *pb = conf_panel(r, nr, n, k, b);
    const conf_values start = values == PAIRS_TINY ? CONF_TINY : CONF_NORMAL;
    const float *before = conf_f32_filled(r, m, n, ldc, start);
    float *want = accumulate ? conf_f32_copy(r, m, n, ldc, before, ldc) : conf_f32(r, m, n, ldc);
    float *got = accumulate ? conf_f32_copy(r, m, n, ldc, before, ldc) : conf_f32(r, m, n, ldc);
    reference(r, m, n, k, a, b, want, ldc, accumulate);
    const kern_ahead ahead = {want, 64};
    r->sut->gemm_bf16(m, n, k, pa, mr, pb, nr, got, ldc, accumulate, accumulate ? &ahead : NULL);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            const float w = want[i * ldc + j], g = got[i * ldc + j];
            const double bound = product_bound(k, a + i * k, b + j * k, accumulate ? (double)before[i * ldc + j] : 0.0);
            if (isfinite(w))
                conf_expect_bound(r, "c", i, j, g, w, bound);
            else
                conf_expect_bits(r, "c", 1, 1, &g, 1, &w, 1);
        }
    conf_release(r, mark);
}

/* What large tiles are split at, at every depth of more than a run. */
static void large_tiles(conf_run *r)
{
    static const size_t depths[] = {15, 16, 17, 32, 131}, rows[] = {32, 33, 64, 96, 127, 128}, columns[] = {32, 33, 63, 64};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
                for (int accumulate = 0; accumulate < 2 && !r->failed; accumulate++) {
                    if (rows[i] > r->sut->bf16_blocks.mr || columns[j] > r->sut->bf16_blocks.nr) continue;
                    gemm_case(r, rows[i], columns[j], depths[d], accumulate, (pair_values)conf_below(r, PAIRS_COUNT));
                }
}

void conf_gemm_bf16(conf_run *r)
{
    static const size_t depths[] = {0, 1, 2, 3, 4, 5, 9, 16, 131};
    enum { DEPTHS = sizeof depths / sizeof *depths };
    const size_t mr = r->sut->bf16_blocks.mr, nr = r->sut->bf16_blocks.nr;
    for (size_t m = 0; m <= mr; m++)
        for (size_t n = 0; n <= nr; n++)
            for (size_t d = 0; d < DEPTHS; d++)
                for (int accumulate = 0; accumulate < 2 && !r->failed; accumulate++) {
                    if (!conf_is_due(mr, m, n, 2 * d + (size_t)accumulate, 2 * DEPTHS)) continue;
                    if (depths[d] == 131 && mr <= 32 && conf_below(r, 8) != 0) continue;
                    gemm_case(r, m, n, depths[d], accumulate, (pair_values)conf_below(r, PAIRS_COUNT));
                }
    large_tiles(r);
}

/* ---- Pairs ----------------------------------------------------------------------------------------------------- */

static bool same_half(uint32_t got, uint32_t want, float x)
{
    return isnan(x) ? (got & 0x7fc0u) == 0x7fc0u : got == want;
}

static void to_pairs_case(conf_run *r, size_t n, bool one_row, conf_values values)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu values %d%s", n, (int)values, one_row ? ", high NULL" : "");
    const float *low = conf_f32_filled(r, 1, n, n, values),
                *high = one_row ? NULL : conf_f32_filled(r, 1, n, n, values);
    uint32_t *want = conf_place(r, 1, n, n, sizeof *want), *got = conf_place(r, 1, n, n, sizeof *got);
    r->ref->f32_to_bf16_pairs(n, low, high, want);
    r->sut->f32_to_bf16_pairs(n, low, high, got);
    for (size_t i = 0; i < n; i++)
        if (!same_half(got[i] & 0xffffu, want[i] & 0xffffu, low[i]) ||
            !same_half(got[i] >> 16, want[i] >> 16, one_row ? 0.0f : high[i]))
            conf_fail(r, "[%zu] of %.9g and %.9g: got %08x, want %08x", i, low[i], one_row ? 0.0f : high[i],
                      (unsigned)got[i], (unsigned)want[i]);
    r->compared += n;
    conf_release(r, mark);
}

void conf_f32_to_bf16_pairs(conf_run *r)
{
    for (size_t n = 0; n < 4 * TAILS; n++)
        for (size_t v = 0; v < CONF_VALUES_COUNT; v++)
            for (int one_row = 0; one_row < 2 && !r->failed; one_row++)
                to_pairs_case(r, n % 31 == 30 ? n + 1000 : n, one_row, (conf_values)v);
    /* Rounding: every value of bf16, the middle to the next one, and their neighbours, in either half. */
    enum { CHUNK = 510 };
    for (uint32_t h = 0; h < 65536 && !r->failed; h += CHUNK / 6) {
        const size_t mark = conf_mark(r);
        conf_case(r, "rounding from %04x", (unsigned)h);
        float *low = conf_f32(r, 1, CHUNK, CHUNK), *high = conf_f32(r, 1, CHUNK, CHUNK);
        for (uint32_t i = 0; i < CHUNK; i++) {
            const uint32_t bits = (h + i / 6) << 16 | (i % 6 < 3 ? 0x8000u + i % 3 - 1u : (i % 3 - 1u) & 0xffffu);
            memcpy(low + i, &bits, sizeof bits);
            memcpy(high + (CHUNK - 1 - i), &bits, sizeof bits);
        }
        uint32_t *want = conf_place(r, 1, CHUNK, CHUNK, sizeof *want),
                 *got = conf_place(r, 1, CHUNK, CHUNK, sizeof *got);
        r->ref->f32_to_bf16_pairs(CHUNK, low, high, want);
        r->sut->f32_to_bf16_pairs(CHUNK, low, high, got);
        for (size_t i = 0; i < CHUNK; i++)
            if (!same_half(got[i] & 0xffffu, want[i] & 0xffffu, low[i]) ||
                !same_half(got[i] >> 16, want[i] >> 16, high[i]))
                conf_fail(r, "[%zu]: got %08x, want %08x", i, (unsigned)got[i], (unsigned)want[i]);
        r->compared += CHUNK;
        conf_release(r, mark);
    }
}

/* Runs of 16, as AMX takes them, and of another length. What lies between a run's rows and the next run stays as it is:
 * conf_place's guards are between the rows of y, which are runs. */
static void to_runs_case(conf_run *r, size_t rows, size_t n, size_t run, conf_values values)
{
    const size_t mark = conf_mark(r), ldx = n + conf_below(r, 2) * 5, whole = (rows + conf_below(r, 3)) * run;
    const size_t runs = ((n + 1) / 2 + run - 1) / run, used = rows * run;
    conf_case(r, "rows %zu n %zu ldx %zu run %zu of %zu values %d", rows, n, ldx, run, whole, (int)values);
    const float *x = conf_f32_filled(r, rows, n, ldx, values);
    uint32_t *want = conf_place(r, runs, used, whole, sizeof *want), *got = conf_place(r, runs, used, whole, sizeof *got);
    r->ref->f32_to_bf16_runs(rows, n, x, ldx, run, whole, want);
    r->sut->f32_to_bf16_runs(rows, n, x, ldx, run, whole, got);
    for (size_t u = 0; u < runs; u++)
        for (size_t i = 0; i < rows; i++)
            for (size_t q = 0; q < run; q++) {
                const size_t at = u * whole + i * run + q, element = 2 * (u * run + q);
                const float low = element < n ? x[i * ldx + element] : 0.0f;
                const float high = element + 1 < n ? x[i * ldx + element + 1] : 0.0f;
                if (!same_half(got[at] & 0xffffu, want[at] & 0xffffu, low) ||
                    !same_half(got[at] >> 16, want[at] >> 16, high))
                    conf_fail(r, "run %zu row %zu unit %zu: got %08x, want %08x", u, i, q, (unsigned)got[at],
                              (unsigned)want[at]);
            }
    r->compared += runs * used;
    conf_release(r, mark);
}

void conf_f32_to_bf16_runs(conf_run *r)
{
    for (size_t n = 0; n < 2 * TAILS; n++)
        for (size_t rows = 0; rows < 5; rows++)
            for (size_t v = 0; v < CONF_VALUES_COUNT && !r->failed; v++) {
                to_runs_case(r, rows, n, 16, (conf_values)v);
                to_runs_case(r, rows, n, 1 + conf_below(r, 16), (conf_values)v);
            }
}

void conf_bf16_pairs_to_f32(conf_run *r)
{
    uint32_t next = 0;
    for (size_t n = 0; next < 65536 + 3 * TAILS && !r->failed; n = (n + 1) % (2 * TAILS)) {
        const size_t mark = conf_mark(r);
        const bool one_row = conf_below(r, 4) == 0;
        conf_case(r, "n %zu from %04x%s", n, (unsigned)next, one_row ? ", high NULL" : "");
        uint32_t *x = conf_place(r, 1, n, n, sizeof *x);
        for (size_t i = 0; i < n; i++, next++) x[i] = (next & 0xffffu) | (0x1234u - next) << 16;
        float *want[2] = {conf_f32(r, 1, n, n), one_row ? NULL : conf_f32(r, 1, n, n)};
        float *got[2] = {conf_f32(r, 1, n, n), one_row ? NULL : conf_f32(r, 1, n, n)};
        r->ref->bf16_pairs_to_f32(n, x, want[0], want[1]);
        r->sut->bf16_pairs_to_f32(n, x, got[0], got[1]);
        conf_expect_bits(r, "low", 1, n, got[0], n, want[0], n);
        if (!one_row) conf_expect_bits(r, "high", 1, n, got[1], n, want[1], n);
        conf_release(r, mark);
    }
}
