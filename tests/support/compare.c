#include "tests/support/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a comparison has seen so far. Errors are in the comparator's own unit (absolute, share of the bound, ulp). */
typedef struct tally {
    size_t n, failures, first, worst;
    double worst_error, worst_got, worst_want, first_got, first_want;
} tally;

/* Takes element i; ok is the verdict, error what to call it when it is the worst. NaN counts as the worst of all. */
static void tally_add(tally *t, size_t i, double got, double want, double error, bool ok)
{
    if (!ok && t->failures++ == 0) {
        t->first = i;
        t->first_got = got;
        t->first_want = want;
    }
    if (isnan(error)) error = INFINITY;
    if (t->n++ == 0 || error > t->worst_error) {
        t->worst = i;
        t->worst_error = error;
        t->worst_got = got;
        t->worst_want = want;
    }
}

static bool tally_close(const tally *t, const char *unit, char *report, size_t size)
{
    const bool ok = t->n > 0 && t->failures == 0;
    if (size == 0) return ok;
    if (t->n == 0)
        snprintf(report, size, "nothing compared");
    else if (ok)
        snprintf(report, size, "%zu compared, worst error %.3g %s at [%zu]: got %.9g, want %.9g", t->n, t->worst_error,
                 unit, t->worst, t->worst_got, t->worst_want);
    else
        snprintf(report, size,
                 "%zu of %zu differ; first at [%zu]: got %.9g, want %.9g; worst (%.3g %s) at [%zu]: got %.9g, want %.9g",
                 t->failures, t->n, t->first, t->first_got, t->first_want, t->worst_error, unit, t->worst,
                 t->worst_got, t->worst_want);
    return ok;
}

static bool refuse(const char *why, char *report, size_t size)
{
    if (size > 0) snprintf(report, size, "%s", why);
    return false;
}

static bool valid_tolerance(double tol)
{
    return isfinite(tol) && tol >= 0.0;
}

/* got against want within bound, all in double: equal values (so equal infinities) have no error, NaN never passes. */
static void tally_add_within(tally *t, size_t i, double got, double want, double bound)
{
    const double error = got == want ? 0.0 : fabs(got - want);
    const bool ok = got == want || (isfinite(got) && isfinite(want) && error <= bound);
    tally_add(t, i, got, want, error, ok);
}

bool cmp_abs_rel(const float *got, const float *want, size_t n, double tol, double rel, char *report, size_t size)
{
    if (!valid_tolerance(tol) || !valid_tolerance(rel)) return refuse("invalid tolerance", report, size);
    tally t = {0};
    for (size_t i = 0; i < n; i++) tally_add_within(&t, i, got[i], want[i], tol + rel * fabs((double)want[i]));
    return tally_close(&t, "absolute", report, size);
}

bool cmp_abs(const float *got, const float *want, size_t n, double tol, char *report, size_t size)
{
    return cmp_abs_rel(got, want, n, tol, 0.0, report, size);
}

bool cmp_abs_rel_f64(const double *got, const double *want, size_t n, double tol, double rel, char *report,
                     size_t size)
{
    if (!valid_tolerance(tol) || !valid_tolerance(rel)) return refuse("invalid tolerance", report, size);
    tally t = {0};
    for (size_t i = 0; i < n; i++) tally_add_within(&t, i, got[i], want[i], tol + rel * fabs(want[i]));
    return tally_close(&t, "absolute", report, size);
}

bool cmp_bound(const float *got, const float *want, const double *bound, size_t n, char *report, size_t size)
{
    tally t = {0};
    for (size_t i = 0; i < n; i++) {
        if (!valid_tolerance(bound[i])) return refuse("invalid tolerance", report, size);
        tally_add_within(&t, i, got[i], want[i], bound[i]);
    }
    return tally_close(&t, "absolute", report, size);
}

/* The floats in order as integers: negative ones mirrored below zero, -0 on +0. */
static int64_t ordered(float x)
{
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i < 0 ? -(int64_t)(i & INT32_MAX) : i;
}

uint32_t cmp_ulp_distance(float a, float b)
{
    if (isnan(a) || isnan(b) || (isinf(a) != 0) != (isinf(b) != 0)) return UINT32_MAX;
    const int64_t d = ordered(a) - ordered(b);
    return (uint32_t)(d < 0 ? -d : d);
}

bool cmp_ulp(const float *got, const float *want, size_t n, uint32_t ulps, char *report, size_t size)
{
    if (ulps >= 1u << 23) return refuse("invalid tolerance", report, size); /* a factor of two or more */
    tally t = {0};
    for (size_t i = 0; i < n; i++) {
        const uint32_t d = cmp_ulp_distance(got[i], want[i]);
        tally_add(&t, i, got[i], want[i], d == UINT32_MAX ? INFINITY : d, d <= ulps);
    }
    return tally_close(&t, "ulp", report, size);
}

bool cmp_bits(const float *got, const float *want, size_t n, char *report, size_t size)
{
    tally t = {0};
    for (size_t i = 0; i < n; i++) {
        const bool same = memcmp(got + i, want + i, sizeof *got) == 0 || (isnan(got[i]) && isnan(want[i]));
        const uint32_t d = cmp_ulp_distance(got[i], want[i]);
        tally_add(&t, i, got[i], want[i], same ? 0.0 : d == UINT32_MAX ? INFINITY : d, same);
    }
    return tally_close(&t, "ulp", report, size);
}

bool cmp_rms(const float *got, const float *want, size_t n, double rel, char *report, size_t size)
{
    if (!valid_tolerance(rel)) return refuse("invalid tolerance", report, size);
    if (n == 0) return refuse("nothing compared", report, size);
    double error = 0.0, scale = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)got[i] - (double)want[i];
        error += d * d;
        scale += (double)want[i] * want[i];
    }
    if (!(scale > 0.0)) return refuse("want is all zero, or not finite", report, size);
    const double r = sqrt(error / scale);
    if (size > 0) snprintf(report, size, "%zu compared, relative rms error %.3g", n, r);
    return r <= rel;
}
