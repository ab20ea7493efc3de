#include "tests/support/grad_check.h"

#include "tests/support/compare.h"

#include <criterion/criterion.h>
#include <math.h>

/* Uniform in [-1, 1): a linear congruential generator's upper bits (Knuth's MMIX constants). */
static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) * 0x1p-23 - 1.0;
}

void grad_fill(uint64_t *state, size_t n, double reach, float *x, double *exact)
{
    for (size_t i = 0; i < n; i++) exact[i] = x[i] = (float)(reach * uniform(state));
}

void grad_differences(grad_loss loss, const void *problem, size_t n, double *p, double *want)
{
    static const double steps[4] = {-2.0, -1.0, 1.0, 2.0};
    const double h = 1e-3;
    for (size_t i = 0; i < n; i++) {
        const double at = p[i];
        double f[4];
        for (size_t k = 0; k < 4; k++) {
            p[i] = at + steps[k] * h;
            f[k] = loss(problem);
        }
        p[i] = at;
        want[i] = (8.0 * (f[2] - f[1]) - (f[3] - f[0])) / (12.0 * h);
    }
}

static double largest(size_t n, const double *x)
{
    double top = 0.0;
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= top)) top = fabs(x[i]);
    return top;
}

bool grad_agrees(size_t n, const double *got, const double *want, char *report, size_t size)
{
    const double top = largest(n, want);
    return top > 0.0 && cmp_abs_rel_f64(got, want, n, 2e-6 * top, 0.0, report, size);
}

void grad_check(const char *what, size_t n, const double *got, const double *want)
{
    char report[256] = "all gradients are 0";
    double spoilt[GRAD_MOST];
    cr_assert_leq(n, GRAD_MOST);
    cr_assert(grad_agrees(n, got, want, report, sizeof report), "%s: %s", what, report);
    size_t counting = 0;
    for (size_t i = 0; i < n; i++) {
        if (fabs(want[i]) < 1e-3 * largest(n, want)) continue;
        for (size_t j = 0; j < n; j++) spoilt[j] = j == i ? 1.01 * got[j] : got[j];
        cr_assert(!grad_agrees(n, spoilt, want, NULL, 0), "%s: 1 %% too much in [%zu] goes unnoticed", what, i);
        counting++;
    }
    cr_assert_geq(3 * counting, n, "%s: only %zu of %zu gradients count", what, counting, n);
}

void grad_check_added(const char *what, size_t n, const float *dx, const float *start, const double *want)
{
    double got[GRAD_MOST];
    cr_assert_leq(n, GRAD_MOST);
    for (size_t i = 0; i < n; i++) got[i] = (double)dx[i] - (double)start[i];
    grad_check(what, n, got, want);
}

void grad_check_added_f64(const char *what, size_t n, const double *dx, double start, const double *want)
{
    double got[GRAD_MOST];
    cr_assert_leq(n, GRAD_MOST);
    for (size_t i = 0; i < n; i++) got[i] = dx[i] - start;
    grad_check(what, n, got, want);
}
