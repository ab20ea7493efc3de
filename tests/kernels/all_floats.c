/* all_floats: the error of each elementary function of the kernels over every float there is, against libm in double. All
 * tiers have the same bits, so the best one here speaks for all.
 *
 *   all_floats [--stride N] [FUNCTION...]     every Nth float (1: all 2^32, a minute or two a function)
 *
 * One line a function: how many floats, the largest error and where. In units in the last place of the result, results below
 * the smallest normal float not counted where they are flushed to zero; the functions of GELU by the bound of
 * conformance/run.c, relative above -2 and beside |x| below. Exit status 0 when every error is within its bound, and
 * something was measured; 1 else; 2 wrong usage. The last line counts functions. */
#include "kernels/kernels.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096 };

static void map_exp(const kern_table *k, size_t n, const float *x, float *y)
{
    k->exp_f32(n, x, y);
}

/* Attention's weights, exp(x) for x <= 0: one row of scores against a top of 0. Others are taken as their opposite. */
static void map_exp_below(const kern_table *k, size_t n, const float *x, float *y)
{
    float top = 0.0f, sum = 0.0f, rescale;
    for (size_t i = 0; i < n; i++) y[i] = -fabsf(x[i]);
    k->attention_softmax_f32(1, n, y, n, 1.0f, NULL, NULL, &top, &sum, &rescale);
}

static void map_tanh(const kern_table *k, size_t n, const float *x, float *y)
{
    k->tanh_f32(n, x, y);
}

static void map_sigmoid(const kern_table *k, size_t n, const float *x, float *y)
{
    k->sigmoid_f32(n, x, y);
}

static void map_gelu(const kern_table *k, size_t n, const float *x, float *y)
{
    k->gelu_f32(n, x, y);
}

static void map_gelu_slope(const kern_table *k, size_t n, const float *x, float *y)
{
    float ones[CHUNK];
    for (size_t i = 0; i < n; i++) ones[i] = 1.0f, y[i] = 0.0f;
    k->gelu_backward_f32(n, x, ones, y);
}

static double exact_exp_below(double x)
{
    return exp(-fabs(x));
}

static double exact_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double exact_gelu(double x)
{
    return x == -INFINITY ? -0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440);
}

static double exact_gelu_slope(double x)
{
    if (isinf(x)) return x > 0.0 ? 1.0 : 0.0;
    return 0.5 * erfc(-x * 0.70710678118654752440) + x * 0.39894228040143267794 * exp(-0.5 * x * x);
}

/* |got - want| in units in the last place of a float at want. */
static double ulps(double x, double got, double want)
{
    (void)x;
    const float rounded = (float)want;
    if (isnan(want)) return isnan(got) ? 0.0 : INFINITY;
    if (isinf(rounded)) return got == (double)rounded ? 0.0 : INFINITY;
    if (got == 0.0 && fabs(want) <= FLT_MIN) return 0.0;
    return fabs(got - want) / ldexp(1.0, (fabs(want) < FLT_MIN ? -126 : ilogb(want)) - 23);
}

/* Beside the largest of what the result is made of, which for the slope may cancel. */
static double beside(double x, double got, double want, double relative, double below)
{
    if (isnan(want)) return isnan(got) ? 0.0 : INFINITY;
    if (got == want) return 0.0;
    return fabs(got - want) / ((x > -2.0 ? relative : below) + 0x1p-148);
}

static double gelu_error(double x, double got, double want)
{
    return beside(x, got, want, 0x1p-24 * fabs(want), 0x1p-24 * fabs(x));
}

static double slope_error(double x, double got, double want)
{
    return beside(x, got, want, 0x1p-24, 0x1p-24);
}

static const struct function {
    const char *name, *unit;
    void (*map)(const kern_table *k, size_t n, const float *x, float *y);
    double (*exact)(double x);
    double (*error)(double x, double got, double want);
    double bound;
} functions[] = {
    {"exp", "ulp", map_exp, exp, ulps, 1.0},
    {"exp_below", "ulp", map_exp_below, exact_exp_below, ulps, 5.0},
    {"tanh", "ulp", map_tanh, tanh, ulps, 3.0},
    {"sigmoid", "ulp", map_sigmoid, exact_sigmoid, ulps, 3.0},
    {"gelu", "2^-24 of the result above -2, of |x| below", map_gelu, exact_gelu, gelu_error, 8.0},
    {"gelu_slope", "2^-24", map_gelu_slope, exact_gelu_slope, slope_error, 8.0},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static bool measure(const kern_table *k, const struct function *f, uint64_t stride)
{
    static float x[CHUNK], y[CHUNK];
    double worst = 0.0;
    float where = 0.0f;
    uint64_t count = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX;) {
        size_t n = 0;
        for (; n < CHUNK && bits <= UINT32_MAX; bits += stride, n++) {
            const uint32_t u = (uint32_t)bits;
            memcpy(&x[n], &u, sizeof u);
            if (isnan(x[n])) n--;
        }
        f->map(k, n, x, y);
        for (size_t i = 0; i < n; i++) {
            double error = f->error((double)x[i], (double)y[i], f->exact((double)x[i]));
            if (isnan(error)) error = INFINITY; /* of a NaN that should be none; a NaN in worst would give way to the next */
            if (error > worst) worst = error, where = x[i];
        }
        count += n;
    }
    const bool good = worst <= f->bound && count > 0;
    printf("%s %-10s %llu floats, largest error %.3f %s, at %a (%.9g)\n", good ? "ok  " : "FAIL", f->name,
           (unsigned long long)count, worst, f->unit, (double)where, (double)where);
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t stride = 1;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--stride") == 0) {
        char *end;
        errno = 0;
        stride = strtoull(argv[2], &end, 10);
        if (*end || errno || stride == 0) stride = 0;
        first = 3;
    }
    if (stride == 0 || (argc > first && argv[first][0] == '-')) {
        fprintf(stderr, "usage: all_floats [--stride N] [FUNCTION...]\n");
        return 2;
    }
    const kern_cpu cpu = kern_cpu_probe();
    kern_table k;
    if (!kern_table_fill(&k, cpu.best, cpu.caps)) return 1;
    size_t passed = 0, failed = 0;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        bool wanted = argc == first;
        for (int a = first; a < argc; a++) wanted = wanted || strcmp(argv[a], functions[i].name) == 0;
        if (!wanted) continue;
        if (measure(&k, &functions[i], stride)) passed++;
        else failed++;
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
