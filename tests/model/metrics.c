/* Scores against values worked out by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/context.h"
#include "engine/memory.h"
#include "model/training/loss.h"
#include "model/training/metrics.h"
#include "tests/support/support.h"

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-12;
}

static mdl_class_scores scores_of(size_t classes, size_t n, const size_t *truth, const size_t *predicted)
{
    mdl_class_scores s;
    eng_error err = {0};
    cr_assert_eq(mdl_class_scores_init(&s, classes, n, truth, predicted, &err), ENG_OK, "%s", err.message);
    cr_assert(s.classes == classes && s.count == n);
    return s;
}

Test(metrics, three_classes_by_hand)
{
    const size_t truth[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2}, predicted[] = {0, 0, 1, 2, 1, 1, 0, 2, 2, 2};
    const size_t confusion[] = {2, 1, 1, 1, 2, 0, 0, 0, 3};
    mdl_class_scores s = scores_of(3, 10, truth, predicted);
    cr_assert_eq(memcmp(s.confusion, confusion, sizeof confusion), 0);
    const double precision[] = {2 / 3.0, 2 / 3.0, 3 / 4.0}, recall[] = {2 / 4.0, 2 / 3.0, 1};
    double f1_sum = 0;
    for (size_t c = 0; c < 3; c++) {
        double f1 = 2 * precision[c] * recall[c] / (precision[c] + recall[c]);
        cr_assert(close_to(s.precision[c], precision[c]) && close_to(s.recall[c], recall[c]));
        cr_assert(close_to(s.f1[c], f1));
        f1_sum += f1;
    }
    cr_assert(close_to(s.macro_f1, f1_sum / 3));
    cr_assert(close_to(s.macro_f1, 0.6984126984126984)); /* 4/7, 2/3, 6/7 */
    cr_assert(close_to(s.accuracy, 0.7));
    cr_assert(close_to(s.uar, (0.5 + 2 / 3.0 + 1) / 3));
    mdl_class_scores_fini(&s);
    cr_assert_null(s.confusion);
}

/* Class 1 is never predicted, class 2 never true, class 3 neither: f1_score(average="macro", zero_division=0) is
 * (0.8 + 0 + 0) / 3, recall over the true ones (1 + 0) / 2. */
Test(metrics, classes_that_do_not_occur)
{
    const size_t truth[] = {0, 0, 1, 1}, predicted[] = {0, 0, 0, 2};
    mdl_class_scores s = scores_of(4, 4, truth, predicted);
    cr_assert(close_to(s.macro_f1, 0.8 / 3), "%g", s.macro_f1);
    cr_assert(close_to(s.uar, 0.5));
    cr_assert(close_to(s.accuracy, 0.5));
    for (size_t c = 1; c < 4; c++) cr_assert(s.precision[c] == 0 && s.recall[c] == 0 && s.f1[c] == 0);
    mdl_class_scores_fini(&s);
}

Test(metrics, all_right_and_all_wrong)
{
    const size_t truth[] = {0, 1, 2, 1}, wrong[] = {1, 2, 0, 0};
    mdl_class_scores s = scores_of(5, 4, truth, truth);
    cr_assert(s.macro_f1 == 1 && s.uar == 1 && s.accuracy == 1);
    mdl_class_scores_fini(&s);
    s = scores_of(5, 4, truth, wrong);
    cr_assert(s.macro_f1 == 0 && s.uar == 0 && s.accuracy == 0);
    mdl_class_scores_fini(&s);
}

Test(metrics, nothing_scores_nan)
{
    mdl_class_scores s = scores_of(3, 0, NULL, NULL);
    cr_assert(isnan(s.macro_f1) && isnan(s.accuracy) && isnan(s.uar));
    for (size_t c = 0; c < 3; c++) cr_assert(s.precision[c] == 0 && s.recall[c] == 0 && s.f1[c] == 0);
    for (size_t i = 0; i < 9; i++) cr_assert_eq(s.confusion[i], 0);
    mdl_class_scores_fini(&s);
    s = scores_of(0, 0, NULL, NULL);
    cr_assert(isnan(s.macro_f1));
    mdl_class_scores_fini(&s);
}

Test(metrics, too_many_classes_are_an_error)
{
    mdl_class_scores s;
    eng_error err = {0};
    cr_assert_eq(mdl_class_scores_init(&s, SIZE_MAX / 2, 0, NULL, NULL, &err), ENG_E_MEMORY);
    cr_assert(strlen(err.message) > 10);
    mdl_class_scores_fini(&s);
}

Test(metrics, concordance_by_hand)
{
    /* x 1 2 3 4, y 2 2 4 4: means 2.5 and 3, variances 1.25 and 1, covariance 1: 2 / (2.25 + 0.25). */
    const float x[] = {1, 2, 3, 4}, y[] = {2, 2, 4, 4}, down[] = {4, 3, 2, 1}, flat[] = {2.5f, 2.5f, 2.5f, 2.5f};
    cr_assert(close_to(mdl_concordance(4, 1, 0, x, y), 0.8));
    cr_assert(close_to(mdl_concordance(4, 1, 0, x, x), 1));
    cr_assert(close_to(mdl_concordance(4, 1, 0, x, down), -1));
    cr_assert(close_to(mdl_concordance(4, 1, 0, x, flat), 0));
}

Test(metrics, concordance_of_one_column_among_several)
{
    const float x[] = {9, 1, 0, 8, 2, 0, 7, 3, 0, 1, 4, 0}, y[] = {0, 2, 1, 5, 2, 1, 0, 4, 1, 5, 4, 1};
    cr_assert(close_to(mdl_concordance(4, 3, 1, x, y), 0.8));
    cr_assert(close_to(mdl_concordance(4, 3, 2, x, y), 0)); /* two constants that differ */
}

Test(metrics, concordance_without_spread_or_numbers)
{
    const float one[] = {0.3f, 0.3f, 0.3f}, other[] = {0.4f, 0.4f, 0.4f}, bad[] = {0.3f, NAN, 0.3f};
    cr_assert(isnan(mdl_concordance(0, 1, 0, NULL, NULL)));
    cr_assert(mdl_concordance(3, 1, 0, one, one) == 1);
    cr_assert(mdl_concordance(1, 1, 0, one, one) == 1);
    cr_assert(mdl_concordance(3, 1, 0, one, other) == 0);
    cr_assert(mdl_concordance(1, 1, 0, one, other) == 0);
    cr_assert(isnan(mdl_concordance(3, 1, 0, bad, one)) && isnan(mdl_concordance(3, 1, 0, one, bad)));
}

/* What is trained is what is measured. */
Test(metrics, concordance_is_the_loss_that_is_trained)
{
    enum { N = 50, C = 3 };
    float *x = support_normal(1, N * C, 0.5f), *y = support_normal(2, N * C, 1), grad[N * C] = {0};
    for (size_t i = 0; i < N * C; i++) x[i] += 0.4f * y[i];
    eng_tensor logits = {.data = x, .grad = grad, .rows = N, .cols = C, .stride = C};
    double mean = 0;
    for (size_t c = 0; c < C; c++) mean += mdl_concordance(N, C, c, x, y) / C;
    double loss = mdl_loss_concordance(logits, y, 1);
    cr_assert(close_to(loss, 1 - mean), "1 - %g against %g", mean, loss);
    cr_assert(mean > 0.2 && mean < 0.9);
    eng_free(x);
    eng_free(y);
}
