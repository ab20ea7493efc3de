/* The specification's gradients against four-point differences in double of closed forms of the forward pass, which are
 * themselves checked against the forward kernels; see grad_check.h. Softmax, attention and its gate have a file of
 * their own. */
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

Test(spec_backward, the_check_sees_red)
{
    const double want[3] = {1.0, -0.5, 0.002}, close[3] = {1.000001, -0.5, 0.002}, wrong[3] = {1.0, -0.5, 0.00203};
    const double bad[3] = {NAN, -0.5, 0.002}, zero[3] = {0.0, 0.0, 0.0};
    cr_assert(grad_agrees(3, close, want, NULL, 0));
    cr_assert(!grad_agrees(3, wrong, want, NULL, 0));
    cr_assert(!grad_agrees(3, bad, want, NULL, 0));
    cr_assert(!grad_agrees(3, zero, want, NULL, 0));
    cr_assert(!grad_agrees(3, zero, zero, NULL, 0));
    cr_assert(!grad_agrees(0, want, want, NULL, 0));
}

/* ---- Element-wise -------------------------------------------------------------------------------------------- */

enum { LENGTH = 48 };

typedef struct map_problem {
    double x[LENGTH], weight[LENGTH];
    double (*f)(double x);
} map_problem;

static double map_loss(const void *problem)
{
    const map_problem *p = problem;
    double loss = 0.0;
    for (size_t i = 0; i < LENGTH; i++) loss += p->weight[i] * p->f(p->x[i]);
    return loss;
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
}

static double relu(double x)
{
    return x > 0.0 ? x : 0.0;
}

typedef void (*map_kernel)(size_t n, const float *x, float *y);
typedef void (*slope_kernel)(size_t n, const float *x, const float *dy, float *dx);

/* from_result: the backward kernel takes f(x) in x's place. */
static void check_map(const char *what, double (*f)(double), map_kernel forward, slope_kernel backward,
                      bool from_result)
{
    map_problem p = {.f = f};
    float x[LENGTH], y[LENGTH], dy[LENGTH], dx[LENGTH], start[LENGTH], closed[LENGTH];
    double unused[LENGTH], want[LENGTH];
    uint64_t state = 1;
    grad_fill(&state, LENGTH, 3.0, x, p.x);
    grad_fill(&state, LENGTH, 1.0, dy, p.weight);
    grad_fill(&state, LENGTH, 1.0, start, unused);
    for (size_t i = 0; i < LENGTH; i++) {
        if (fabsf(x[i]) < 0.01f) p.x[i] = x[i] = 0.5f; /* not across relu's corner */
        closed[i] = (float)f(p.x[i]);
        dx[i] = start[i];
    }
    forward(LENGTH, x, y);
    cr_assert(cmp_ulp(y, closed, LENGTH, 4, report, sizeof report), "%s: %s", what, report);
    grad_differences(map_loss, &p, LENGTH, p.x, want);
    backward(LENGTH, from_result ? y : x, dy, dx);
    grad_check_added(what, LENGTH, dx, start, want);
}

Test(spec_backward, slopes_are_those_of_differences)
{
    const kern_table t = spec();
    check_map("relu", relu, t.relu_f32, t.relu_backward_f32, false);
    check_map("gelu", gelu, t.gelu_f32, t.gelu_backward_f32, false);
    check_map("tanh", tanh, t.tanh_f32, t.tanh_backward_f32, true);
}

Test(spec_backward, relu_passes_above_zero_alone)
{
    const kern_table t = spec();
    const float x[6] = {2.0f, -2.0f, 0.0f, -0.0f, NAN, 0x1p-149f}, dy[6] = {3, INFINITY, 5, 7, 11, -13};
    float dx[6] = {1, 1, 1, 1, 1, 1};
    const float want[6] = {4, 1, 1, 1, 1, -12};
    t.relu_backward_f32(6, x, dy, dx);
    cr_assert(cmp_bits(dx, want, 6, report, sizeof report), "%s", report);
}

Test(spec_backward, gelu_has_limits)
{
    const kern_table t = spec();
    const float x[4] = {-INFINITY, INFINITY, -40.0f, 40.0f}, dy[4] = {1, 1, 1, 1};
    float dx[4] = {0, 0, 0, 0};
    const float want[4] = {0, 1, 0, 1};
    t.gelu_backward_f32(4, x, dy, dx);
    cr_assert(cmp_abs(dx, want, 4, 0.0, report, sizeof report), "%s", report);
}

/* ---- Layer norm ---------------------------------------------------------------------------------------------- */

enum { ROWS = 4, N = 7, LDX = 9, LDY = 8 };

typedef struct norm_problem {
    double x[ROWS * LDX], gamma[N], beta[N], weight[ROWS * LDY];
} norm_problem;

static void norm_forward(const norm_problem *p, double *y)
{
    for (size_t i = 0; i < ROWS; i++) {
        const double *x = p->x + i * LDX;
        double mean = 0.0, variance = 0.0;
        for (size_t j = 0; j < N; j++) mean += x[j] / N;
        for (size_t j = 0; j < N; j++) variance += (x[j] - mean) * (x[j] - mean) / N;
        for (size_t j = 0; j < N; j++)
            y[i * LDY + j] = (x[j] - mean) / sqrt(variance + 1e-5) * p->gamma[j] + p->beta[j];
    }
}

static double norm_loss(const void *problem)
{
    const norm_problem *p = problem;
    double y[ROWS * LDY], loss = 0.0;
    norm_forward(p, y);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < N; j++) loss += p->weight[i * LDY + j] * y[i * LDY + j];
    return loss;
}

Test(spec_backward, layer_norm_is_that_of_differences)
{
    const kern_table t = spec();
    norm_problem p;
    float x[ROWS * LDX], gamma[N], beta[N], dy[ROWS * LDY], y[ROWS * LDY], mean[ROWS], rstd[ROWS];
    float start[ROWS * LDX], dx[ROWS * LDX];
    double unused[ROWS * LDX], want[ROWS * LDX], dgamma[N], dbeta[N], closed[ROWS * LDY];
    uint64_t state = 2;
    grad_fill(&state, ROWS * LDX, 1.0, x, p.x);
    grad_fill(&state, N, 1.0, gamma, p.gamma);
    grad_fill(&state, N, 1.0, beta, p.beta);
    grad_fill(&state, ROWS * LDY, 1.0, dy, p.weight);
    grad_fill(&state, ROWS * LDX, 1.0, start, unused);
    for (size_t i = 0; i < ROWS * LDX; i++) dx[i] = start[i];
    for (size_t j = 0; j < N; j++) dgamma[j] = dbeta[j] = 0.25;
    t.layer_norm_f32(ROWS, N, x, LDX, gamma, beta, 1e-5f, y, LDY, mean, rstd);
    norm_forward(&p, closed);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < N; j++) cr_assert(fabs(y[i * LDY + j] - closed[i * LDY + j]) < 1e-6);

    t.layer_norm_backward_f32(ROWS, N, x, LDX, gamma, mean, rstd, dy, LDY, dx, LDX, dgamma, dbeta);
    for (size_t i = 0; i < ROWS; i++) {
        grad_differences(norm_loss, &p, N, p.x + i * LDX, want);
        grad_check_added("dx", N, dx + i * LDX, start + i * LDX, want);
        for (size_t j = N; j < LDX; j++) cr_assert_eq(dx[i * LDX + j], start[i * LDX + j]);
    }
    grad_differences(norm_loss, &p, N, p.gamma, want);
    grad_check_added_f64("dgamma", N, dgamma, 0.25, want);
    grad_differences(norm_loss, &p, N, p.beta, want);
    grad_check_added_f64("dbeta", N, dbeta, 0.25, want);
    t.layer_norm_backward_f32(ROWS, N, x, LDX, gamma, mean, rstd, dy, LDY, NULL, 0, NULL, NULL); /* wants nothing */
}

/* ---- Scale and shift per channel ----------------------------------------------------------------------------- */

typedef struct affine_problem {
    double x[ROWS * N], scale[N], shift[N], weight[ROWS * N];
} affine_problem;

static double affine_loss(const void *problem)
{
    const affine_problem *p = problem;
    double loss = 0.0;
    for (size_t i = 0; i < ROWS * N; i++) loss += p->weight[i] * (p->x[i] * p->scale[i % N] + p->shift[i % N]);
    return loss;
}

Test(spec_backward, channel_sums_are_gradients_of_scale_and_shift)
{
    const kern_table t = spec();
    affine_problem p;
    float x[ROWS * N], scale[N], shift[N], dy[ROWS * N];
    double dscale[N], dshift[N], want[N];
    uint64_t state = 3;
    grad_fill(&state, ROWS * N, 1.0, x, p.x);
    grad_fill(&state, N, 1.0, scale, p.scale);
    grad_fill(&state, N, 1.0, shift, p.shift);
    grad_fill(&state, ROWS * N, 1.0, dy, p.weight);
    for (size_t c = 0; c < N; c++) dscale[c] = dshift[c] = -3.0;
    t.channel_dot_f32(ROWS, N, dy, N, x, N, dscale);
    t.channel_sum_f32(ROWS, N, dy, N, dshift);
    grad_differences(affine_loss, &p, N, p.scale, want);
    grad_check_added_f64("dscale", N, dscale, -3.0, want);
    grad_differences(affine_loss, &p, N, p.shift, want);
    grad_check_added_f64("dshift", N, dshift, -3.0, want);
}

/* ---- Transposition, norm, optimiser -------------------------------------------------------------------------- */

Test(spec_backward, transpose_by_hand)
{
    const kern_table t = spec();
    const float x[2 * 4] = {1, 2, 3, 99, 4, 5, 6, 99}, want[3 * 3] = {1, 4, 7, 2, 5, 7, 3, 6, 7};
    float y[3 * 3] = {7, 7, 7, 7, 7, 7, 7, 7, 7};
    t.transpose_f32(2, 3, x, 4, y, 3);
    cr_assert(cmp_bits(y, want, 9, report, sizeof report), "%s", report);
}

Test(spec_backward, squares_neither_overflow_nor_vanish)
{
    const kern_table t = spec();
    const float x[3] = {3.0f, -4.0f, 12.0f}, far[2] = {0x1p127f, 0x1p-149f};
    cr_assert_eq(t.sum_squares_f32(3, x), 169.0);
    cr_assert_eq(t.sum_squares_f32(1, far), 0x1p254);
    cr_assert_eq(t.sum_squares_f32(1, far + 1), 0x1p-298);
    cr_assert_eq(t.sum_squares_f32(0, x), 0.0);
}

enum { PARAMETERS = 6, STEPS = 4 };

/* The paper's algorithm 2 with a constant schedule, in its own words: both moments corrected, decay beside the step. */
static void adamw_paper(double rate, double decay, const double (*grads)[PARAMETERS], double *w, double *m, double *v)
{
    for (size_t t = 1; t <= STEPS; t++)
        for (size_t i = 0; i < PARAMETERS; i++) {
            const double g = grads[t - 1][i];
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            const double first = m[i] / (1.0 - pow(0.9, (double)t)), second = v[i] / (1.0 - pow(0.999, (double)t));
            w[i] -= rate * (first / (sqrt(second) + 1e-8) + decay * w[i]);
        }
}

static kern_adamw adamw_constants(double rate, double decay, size_t t)
{
    return (kern_adamw){.decay = (float)(1.0 - rate * decay),
                        .step_size = (float)(rate / (1.0 - pow(0.9, (double)t))),
                        .root = (float)sqrt(1.0 - pow(0.999, (double)t)),
                        .eps = 1e-8f,
                        .beta1 = 0.9f,
                        .one_minus_beta1 = 0.1f,
                        .beta2 = 0.999f,
                        .one_minus_beta2 = 0.001f,
                        .grad_scale = 0.25f};
}

Test(spec_backward, adamw_is_that_of_the_paper)
{
    const kern_table k = spec();
    float w[PARAMETERS], grad[STEPS][PARAMETERS], m[PARAMETERS] = {0}, v[PARAMETERS] = {0}, start[PARAMETERS];
    double exact[PARAMETERS], first[PARAMETERS] = {0}, second[PARAMETERS] = {0}, grads[STEPS][PARAMETERS];
    double got[3][PARAMETERS], moved[PARAMETERS];
    uint64_t state = 7;
    grad_fill(&state, PARAMETERS, 0.03, w, exact); /* small weights, so that their rounding does not hide the moves */
    for (size_t s = 0; s < STEPS; s++) grad_fill(&state, PARAMETERS, 1.0, grad[s], grads[s]);
    for (size_t i = 0; i < PARAMETERS; i++) {
        start[i] = w[i];
        for (size_t s = 0; s < STEPS; s++) grad[s][i] *= 4.0f; /* as if summed over four: grad_scale undoes it */
    }
    for (size_t t = 1; t <= STEPS; t++) {
        const kern_adamw a = adamw_constants(0.01, 0.1, t);
        k.adamw_f32(PARAMETERS, w, grad[t - 1], m, v, &a);
    }
    adamw_paper(0.01, 0.1, (const double(*)[PARAMETERS])grads, exact, first, second);
    for (size_t i = 0; i < PARAMETERS; i++) {
        got[0][i] = (double)w[i] - start[i];
        got[1][i] = m[i];
        got[2][i] = v[i];
        moved[i] = exact[i] - start[i];
    }
    grad_check("moves", PARAMETERS, got[0], moved);
    grad_check("first moments", PARAMETERS, got[1], first);
    grad_check("second moments", PARAMETERS, got[2], second);
}
