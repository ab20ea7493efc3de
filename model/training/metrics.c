/* Counts and scores as scikit-learn's f1_score(average="macro", zero_division=0), recall_score and accuracy_score have
 * them; CCC after Lin (1989), Biometrics 45, 255-268, with population moments, as in loss.c. */
#include "model/training/metrics.h"

#include <math.h>

#include "engine/memory.h"

static double share(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* Everything that follows from the confusion matrix. */
static void score(mdl_class_scores *s)
{
    size_t hits = 0, occurring = 0, labelled = 0;
    double f1 = 0, recall = 0;
    for (size_t c = 0; c < s->classes; c++) {
        size_t truth = 0, predicted = 0, hit = s->confusion[c * s->classes + c];
        for (size_t other = 0; other < s->classes; other++) {
            truth += s->confusion[c * s->classes + other];
            predicted += s->confusion[other * s->classes + c];
        }
        s->precision[c] = share(hit, predicted);
        s->recall[c] = share(hit, truth);
        s->f1[c] = share(2 * hit, truth + predicted); /* = 2 p r / (p + r) */
        hits += hit;
        f1 += s->f1[c];
        recall += s->recall[c];
        occurring += truth || predicted;
        labelled += truth != 0;
    }
    s->accuracy = s->count ? share(hits, s->count) : NAN;
    s->macro_f1 = occurring ? f1 / (double)occurring : NAN;
    s->uar = labelled ? recall / (double)labelled : NAN;
}

eng_status mdl_class_scores_init(mdl_class_scores *s, size_t classes, size_t n, const size_t *truth,
                                 const size_t *predicted, eng_error *err)
{
    size_t cells;
    *s = (mdl_class_scores){.classes = classes, .count = n};
    if (!eng_mul_size(classes, classes, &cells))
        return eng_fail(err, ENG_E_MEMORY, "a confusion matrix of %zu classes is too large", classes);
    s->confusion = eng_alloc_zero(cells, sizeof *s->confusion);
    s->precision = eng_alloc(classes, sizeof *s->precision);
    s->recall = eng_alloc(classes, sizeof *s->recall);
    s->f1 = eng_alloc(classes, sizeof *s->f1);
    if (!s->confusion || !s->precision || !s->recall || !s->f1)
        return eng_fail(err, ENG_E_MEMORY, "out of memory for the scores of %zu classes", classes);
    for (size_t i = 0; i < n; i++) s->confusion[truth[i] * classes + predicted[i]]++;
    score(s);
    return ENG_OK;
}

void mdl_class_scores_fini(mdl_class_scores *s)
{
    eng_free(s->confusion);
    eng_free(s->precision);
    eng_free(s->recall);
    eng_free(s->f1);
    *s = (mdl_class_scores){0};
}

double mdl_concordance(size_t n, size_t columns, size_t c, const float *predicted, const float *truth)
{
    if (!n) return NAN;
    double mean_x = 0, mean_y = 0, cov = 0, var = 0, count = (double)n;
    for (size_t i = 0; i < n; i++) {
        mean_x += predicted[i * columns + c];
        mean_y += truth[i * columns + c];
    }
    mean_x /= count; /* after the sum, which is exact for one number n times over: the deviations are then 0 */
    mean_y /= count;
    for (size_t i = 0; i < n; i++) {
        double dx = predicted[i * columns + c] - mean_x, dy = truth[i * columns + c] - mean_y;
        cov += dx * dy / count;
        var += (dx * dx + dy * dy) / count; /* of both */
    }
    double denominator = var + (mean_x - mean_y) * (mean_x - mean_y);
    return denominator == 0 ? 1 : 2 * cov / denominator;
}
