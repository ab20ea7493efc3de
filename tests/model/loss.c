/* Losses: values that torch 1.13 (in double) gives for the same numbers, gradients against differences of the
 * definition written out in double, and the limits. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "model/training/loss.h"
#include "tests/support/grad_check.h"

enum { N = 3, C = 4, COUNT = N * C };

static const float logits[COUNT] = {1.5f, -0.25f, 0.75f, 2, -1, 0.5f, 3, -2.5f, 0, 0.25f, -0.5f, 1};
static const float class_weight[C] = {0.5f, 2, 1.25f, 0.75f};
static const size_t label[N] = {3, 1, 2};
static const float target[COUNT] = {0.5f, 0.25f, 0.25f, 0, 0, 1, 0, 0, 0.125f, 0.125f, 0.5f, 0.25f};

/* Logits with a gradient of zeros. */
typedef struct fixture {
    float data[COUNT], grad[COUNT];
    eng_tensor t;
} fixture;

static void fixture_init(fixture *f)
{
    memcpy(f->data, logits, sizeof f->data);
    memset(f->grad, 0, sizeof f->grad);
    f->t = (eng_tensor){f->data, N, C, C, f->grad};
}

static double by_labels(mdl_loss_options o)
{
    fixture f;
    fixture_init(&f);
    return mdl_loss_labels(f.t, label, &o, 1);
}

static double by_probabilities(mdl_loss_options o)
{
    fixture f;
    fixture_init(&f);
    return mdl_loss_probabilities(f.t, target, &o, 1);
}

static void check_value(double got, double want)
{
    cr_assert(fabs(got - want) <= 1e-12 * fabs(want), "%.17g, not %.17g", got, want);
}

Test(loss, as_torch)
{
    check_value(by_labels((mdl_loss_options){0}), 1.838696369907564);
    check_value(by_labels((mdl_loss_options){.class_weight = class_weight}), 2.124616321959729);
    check_value(by_labels((mdl_loss_options){.label_smoothing = 0.1}), 1.8657797032408974);
    check_value(by_labels((mdl_loss_options){class_weight, 0.1, 0}), 2.087997820974707);
    check_value(by_probabilities((mdl_loss_options){0}), 2.036613036574231);
    check_value(by_probabilities((mdl_loss_options){.class_weight = class_weight}), 3.192470387018428);
    check_value(by_probabilities((mdl_loss_options){class_weight, 0.1, 0}), 3.1076808565978524);
}

/* Two classes with equal logits: p = 1/2, so the focal loss is log 2 / 2^gamma. */
Test(loss, focal_by_hand)
{
    float x[2] = {0.5f, 0.5f}, grad[2] = {0};
    size_t first = 0;
    mdl_loss_options o = {.gamma = 2};
    check_value(mdl_loss_labels((eng_tensor){x, 1, 2, 2, grad}, &first, &o, 1), log(2) / 4);
    /* p f'(p) (1 - p) with f' = 2 (1 - p) log p - (1 - p)^2 / p */
    double want = 0.25 * (2 * 0.5 * -log(2) - 0.5);
    cr_assert(fabs(grad[0] - want) <= 1e-7 && fabs(grad[1] + want) <= 1e-7, "%g, not %g", (double)grad[0], want);
}

/* ---- Gradients ---- */

/* The definition, of logits in double. */
typedef struct problem {
    double x[COUNT];
    mdl_loss_options o;
    bool soft;
} problem;

static double reference(const void *arg)
{
    const problem *p = arg;
    double loss = 0, divisor = p->soft ? N : 0;
    for (size_t u = 0; u < N; u++) {
        double total = 0;
        for (size_t c = 0; c < C; c++) total += exp(p->x[u * C + c]);
        for (size_t c = 0; c < C; c++) {
            double q = exp(p->x[u * C + c]) / total, w = p->o.class_weight ? p->o.class_weight[c] : 1;
            double t = p->soft ? target[u * C + c] : c == label[u];
            if (!p->soft && c == label[u]) divisor += w;
            t = t * (1 - p->o.label_smoothing) + p->o.label_smoothing / C;
            loss -= w * t * pow(1 - q, p->o.gamma) * log(q);
        }
    }
    return loss / divisor;
}

static void check_gradient(const char *what, mdl_loss_options o, bool soft)
{
    fixture f;
    problem p = {.o = o, .soft = soft};
    double want[COUNT], scale = 2.5;
    static const float start[COUNT] = {1, 2, -1, 0.5f}; /* what is there is added to */
    fixture_init(&f);
    for (size_t i = 0; i < COUNT; i++) p.x[i] = f.data[i];
    memcpy(f.grad, start, sizeof start);
    double loss = soft ? mdl_loss_probabilities(f.t, target, &o, scale) : mdl_loss_labels(f.t, label, &o, scale);
    check_value(loss, reference(&p));
    grad_differences(reference, &p, COUNT, p.x, want);
    for (size_t i = 0; i < COUNT; i++) want[i] *= scale;
    grad_check_added(what, COUNT, f.grad, start, want);
}

Test(loss, gradients_of_classes)
{
    for (int soft = 0; soft < 2; soft++) {
        check_gradient("plain", (mdl_loss_options){0}, soft);
        check_gradient("weighted", (mdl_loss_options){.class_weight = class_weight}, soft);
        check_gradient("weighted, smoothed", (mdl_loss_options){class_weight, 0.1, 0}, soft);
        check_gradient("focal", (mdl_loss_options){.gamma = 2}, soft);
        check_gradient("focal 0.5", (mdl_loss_options){.gamma = 0.5}, soft);
        check_gradient("focal, weighted, smoothed", (mdl_loss_options){class_weight, 0.2, 1.5}, soft);
    }
}

/* The sum of the parts, each with its share of the divisor, is the whole. */
Test(loss, batch_in_parts)
{
    fixture whole, parts;
    fixture_init(&whole);
    fixture_init(&parts);
    mdl_loss_options o = {class_weight, 0.1, 0};
    double want = mdl_loss_labels(whole.t, label, &o, 1), got = 0, total = mdl_loss_divisor(N, label, &o);
    for (size_t first = 0; first < N; first += 2) {
        size_t n = first + 2 <= N ? 2 : N - first;
        double share = mdl_loss_divisor(n, label + first, &o) / total;
        got += share * mdl_loss_labels(eng_rows(parts.t, first, n), label + first, &o, share);
    }
    check_value(got, want);
    double exact[COUNT], sums[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        exact[i] = whole.grad[i];
        sums[i] = parts.grad[i];
    }
    grad_check("parts", COUNT, sums, exact);
}

/* ---- Limits ---- */

Test(loss, extreme_logits)
{
    static const double gammas[] = {0, 0.5, 1, 2};
    size_t first = 0, second = 1;
    for (size_t i = 0; i < 4; i++) {
        mdl_loss_options o = {.gamma = gammas[i]};
        float x[2] = {3e4f, -3e4f}, grad[2] = {0};
        eng_tensor t = {x, 1, 2, 2, grad};
        double right = mdl_loss_labels(t, &first, &o, 1);
        cr_assert(right == 0 && grad[0] == 0 && grad[1] == 0, "gamma %g: %g, gradient %g, %g", o.gamma, right,
                  (double)grad[0], (double)grad[1]);
        check_value(mdl_loss_labels(t, &second, &o, 1), 6e4);
        cr_assert(grad[0] == 1 && grad[1] == -1, "gamma %g: gradient %g, %g", o.gamma, (double)grad[0],
                  (double)grad[1]);
        x[1] = -INFINITY; /* a class that cannot be */
        grad[0] = grad[1] = 0;
        right = mdl_loss_labels(t, &first, &o, 1);
        cr_assert(right == 0 && grad[0] == 0 && grad[1] == 0, "gamma %g: %g", o.gamma, right);
        x[1] = NAN;
        cr_assert(isnan(mdl_loss_labels(t, &first, &o, 1)) && isnan(grad[0]));
    }
}

/* ---- Concordance ---- */

static const float values[COUNT] = {0.5f, 1, -1, 2, 0.25f, -2, 1.5f, 0, 1.25f, 0.75f, -0.5f, 3};

/* 1 - CCC from moments about zero. */
static double concordance(const void *arg)
{
    const problem *p = arg;
    double sum = 0;
    for (size_t c = 0; c < C; c++) {
        double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
        for (size_t u = 0; u < N; u++) {
            double a = p->x[u * C + c], b = values[u * C + c];
            x += a / N, y += b / N, xx += a * a / N, yy += b * b / N, xy += a * b / N;
        }
        sum += 1 - 2 * (xy - x * y) / (xx - x * x + yy - y * y + (x - y) * (x - y));
    }
    return sum / C;
}

Test(loss, concordance)
{
    fixture f;
    problem p = {0};
    double want[COUNT];
    static const float start[COUNT] = {0};
    fixture_init(&f);
    for (size_t i = 0; i < COUNT; i++) p.x[i] = f.data[i];
    check_value(mdl_loss_concordance(f.t, values, 0.5), concordance(&p));
    grad_differences(concordance, &p, COUNT, p.x, want);
    for (size_t i = 0; i < COUNT; i++) want[i] *= 0.5;
    grad_check_added("concordance", COUNT, f.grad, start, want);
}

/* By hand: x = 1, 3 and y = 2, 6 have cov 2, variances 1 and 4, means 2 and 4: CCC = 4 / 9. */
Test(loss, concordance_by_hand)
{
    float x[2] = {1, 3}, y[2] = {2, 6}, grad[2] = {0};
    check_value(mdl_loss_concordance((eng_tensor){x, 2, 1, 1, grad}, y, 1), 1 - 4.0 / 9);
    /* perfect agreement, also where nothing varies */
    float same[3] = {0.1f, 0.1f, 0.1f}, dsame[3] = {0};
    cr_assert(mdl_loss_concordance((eng_tensor){same, 3, 1, 1, dsame}, same, 1) == 0);
    cr_assert(dsame[0] == 0 && dsame[1] == 0 && dsame[2] == 0);
    grad[0] = grad[1] = 0;
    cr_assert(fabs(mdl_loss_concordance((eng_tensor){x, 2, 1, 1, grad}, x, 1)) <= 1e-15);
    cr_assert(fabsf(grad[0]) <= 1e-7f && fabsf(grad[1]) <= 1e-7f);
}
