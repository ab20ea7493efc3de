/* The comparators must see red: for each, what agrees passes and everything else fails. */
#include "tests/support/compare.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static char report[256];

/* Each comparator at a tolerance under which 1 and its neighbours' neighbours differ, all called the same way. */
static bool tight_abs(const float *g, const float *w, size_t n) { return cmp_abs(g, w, n, 1e-8, report, sizeof report); }

static bool tight_rel(const float *g, const float *w, size_t n)
{
    return cmp_abs_rel(g, w, n, 0.0, 1e-8, report, sizeof report);
}

static bool tight_bound(const float *g, const float *w, size_t n)
{
    const double bound[4] = {1e-8, 1e-8, 1e-8, 1e-8};
    return cmp_bound(g, w, bound, n, report, sizeof report);
}

static bool tight_ulp(const float *g, const float *w, size_t n) { return cmp_ulp(g, w, n, 0, report, sizeof report); }

static bool tight_bits(const float *g, const float *w, size_t n) { return cmp_bits(g, w, n, report, sizeof report); }

static bool tight_rms(const float *g, const float *w, size_t n) { return cmp_rms(g, w, n, 1e-9, report, sizeof report); }

static bool tight_f64(const float *g, const float *w, size_t n)
{
    double gd[4], wd[4];
    for (size_t i = 0; i < n; i++) {
        gd[i] = g[i];
        wd[i] = w[i];
    }
    return cmp_abs_rel_f64(gd, wd, n, 1e-8, 0.0, report, sizeof report);
}

static const struct {
    const char *name;
    bool (*compare)(const float *, const float *, size_t);
    bool takes_infinity, takes_nan;
} comparators[] = {
    {"abs", tight_abs, true, false},   {"abs_rel", tight_rel, true, false}, {"bound", tight_bound, true, false},
    {"ulp", tight_ulp, true, false},   {"bits", tight_bits, true, true},    {"rms", tight_rms, false, false},
    {"f64", tight_f64, true, false},
};
enum { COMPARATORS = sizeof comparators / sizeof *comparators };

Test(compare, equal_values_pass)
{
    const float x[4] = {1.0f, -2.0f, 0.0f, 1e-40f};
    for (size_t c = 0; c < COMPARATORS; c++)
        cr_assert(comparators[c].compare(x, x, 4), "%s: %s", comparators[c].name, report);
}

Test(compare, nothing_compared_fails)
{
    const float x[4] = {0};
    for (size_t c = 0; c < COMPARATORS; c++) {
        cr_assert(!comparators[c].compare(x, x, 0), "%s", comparators[c].name);
        cr_assert_str_eq(report, "nothing compared");
    }
}

Test(compare, any_element_off_by_one_ulp_fails)
{
    const float want[4] = {1.0f, -2.0f, 3.0f, 4.0f};
    for (size_t c = 0; c < COMPARATORS; c++)
        for (size_t i = 0; i < 4; i++)
            for (int up = 0; up < 2; up++) {
                float got[4];
                memcpy(got, want, sizeof got);
                got[i] = nextafterf(got[i], up ? INFINITY : -INFINITY);
                cr_assert(!comparators[c].compare(got, want, 4), "%s at %zu", comparators[c].name, i);
            }
}

Test(compare, nan_fails_on_either_side)
{
    const float x[2] = {1.0f, 1.0f}, bad[2] = {1.0f, NAN};
    for (size_t c = 0; c < COMPARATORS; c++) {
        cr_assert(!comparators[c].compare(bad, x, 2), "%s got NaN", comparators[c].name);
        cr_assert(!comparators[c].compare(x, bad, 2), "%s wants NaN", comparators[c].name);
        cr_assert_eq(comparators[c].compare(bad, bad, 2), comparators[c].takes_nan, "%s both", comparators[c].name);
    }
}

Test(compare, infinity_agrees_with_itself_alone)
{
    const float up[2] = {1.0f, INFINITY}, down[2] = {1.0f, -INFINITY}, big[2] = {1.0f, 3.4028234664e38f};
    for (size_t c = 0; c < COMPARATORS; c++) {
        cr_assert(!comparators[c].compare(up, down, 2), "%s", comparators[c].name);
        cr_assert(!comparators[c].compare(up, big, 2), "%s", comparators[c].name);
        cr_assert(!comparators[c].compare(big, up, 2), "%s", comparators[c].name);
        cr_assert_eq(comparators[c].compare(up, up, 2), comparators[c].takes_infinity, "%s", comparators[c].name);
    }
}

Test(compare, tolerance_is_a_sharp_edge)
{
    const float want[1] = {4.0f}, got[1] = {4.5f};
    const double half[1] = {0.5}, less[1] = {0.49};
    cr_assert(cmp_abs(got, want, 1, 0.5, report, sizeof report));
    cr_assert(!cmp_abs(got, want, 1, 0.49, report, sizeof report));
    cr_assert(cmp_abs_rel(got, want, 1, 0.1, 0.1, report, sizeof report));
    cr_assert(!cmp_abs_rel(got, want, 1, 0.09, 0.1, report, sizeof report));
    cr_assert(cmp_bound(got, want, half, 1, report, sizeof report));
    cr_assert(!cmp_bound(got, want, less, 1, report, sizeof report));
    cr_assert(cmp_rms(got, want, 1, 0.125, report, sizeof report));
    cr_assert(!cmp_rms(got, want, 1, 0.124, report, sizeof report));
    const float next[1] = {nextafterf(nextafterf(4.0f, 9.0f), 9.0f)};
    cr_assert(cmp_ulp(next, want, 1, 2, report, sizeof report));
    cr_assert(!cmp_ulp(next, want, 1, 1, report, sizeof report));
}

Test(compare, meaningless_tolerances_are_refused)
{
    const float x[1] = {1.0f};
    const double tolerances[] = {NAN, INFINITY, -1.0};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(!cmp_abs(x, x, 1, tolerances[i], report, sizeof report));
        cr_assert(!cmp_abs_rel(x, x, 1, 0.0, tolerances[i], report, sizeof report));
        cr_assert(!cmp_bound(x, x, tolerances + i, 1, report, sizeof report));
        cr_assert(!cmp_rms(x, x, 1, tolerances[i], report, sizeof report));
    }
    cr_assert(!cmp_ulp(x, x, 1, UINT32_MAX, report, sizeof report));
}

Test(compare, zeros_differ_in_bits_only)
{
    const float plus[1] = {0.0f}, minus[1] = {-0.0f};
    cr_assert(cmp_abs(plus, minus, 1, 0.0, report, sizeof report));
    cr_assert(cmp_ulp(plus, minus, 1, 0, report, sizeof report));
    cr_assert(!cmp_bits(plus, minus, 1, report, sizeof report));
}

Test(compare, ulp_distance_crosses_zero_and_binades)
{
    cr_assert_eq(cmp_ulp_distance(1.0f, nextafterf(1.0f, 0.0f)), 1);
    cr_assert_eq(cmp_ulp_distance(-1e-45f, 1e-45f), 2);
    cr_assert_eq(cmp_ulp_distance(1.0f, 2.0f), 1u << 23);
    cr_assert_eq(cmp_ulp_distance(-INFINITY, INFINITY), 2u * 0x7f800000u);
    cr_assert_eq(cmp_ulp_distance(NAN, 1.0f), UINT32_MAX);
    cr_assert_eq(cmp_ulp_distance(3.4028234664e38f, INFINITY), UINT32_MAX);
}

Test(compare, the_report_names_first_and_worst)
{
    const float want[3] = {1.0f, 2.0f, 3.0f}, got[3] = {1.0f, 2.5f, 7.0f};
    cr_assert(!cmp_abs(got, want, 3, 0.1, report, sizeof report));
    cr_assert_str_eq(report, "2 of 3 differ; first at [1]: got 2.5, want 2; worst (4 absolute) at [2]: got 7, want 3");
    cr_assert(!cmp_abs(got, want, 3, 0.1, NULL, 0));
}
