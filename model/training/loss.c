#include "model/training/loss.h"

#include <math.h>

#include "engine/math/math.h"

/* ---- Cross-entropy and focal loss ----
 * With q[c] = class_weight[c] t[c] / divisor and f(p) = -(1 - p)^gamma log p:
 *   loss = sum of q[c] f(p[c])
 *   dlogit[k] = sum over c of q[c] f'(p[c]) p[c] ((c == k) - p[k]) = q[k] h[k] - p[k] sum q h
 * where h = p f'(p) = gamma (1 - p)^(gamma - 1) p log p - (1 - p)^gamma, which is -1 for gamma = 0. */

/* Where an utterance's target comes from: its label, or a row of probabilities. */
typedef struct loss_target {
    size_t label;
    const float *row; /* [C]; NULL: the label */
} loss_target;

static double class_weight(const mdl_loss_options *o, size_t c)
{
    return o->class_weight ? o->class_weight[c] : 1;
}

static double target_weight(const mdl_loss_options *o, loss_target t, size_t classes, size_t c)
{
    double share = t.row ? t.row[c] : c == t.label;
    return class_weight(o, c) * ((1 - o->label_smoothing) * share + o->label_smoothing / (double)classes);
}

/* log of the sum of exp(x) */
static double log_sum(size_t n, const float *x)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (x[i] > most) most = x[i];
    for (size_t i = 0; i < n; i++) sum += eng_exp(x[i] - most);
    return most + eng_log(sum);
}

/* f and h at p = exp(log_p). 1 - p by expm1, so that it keeps its digits where p is nearly 1. */
static void focal(double log_p, double gamma, double *f, double *h)
{
    double p = eng_exp(log_p), rest = -eng_expm1(log_p);
    if (gamma == 0) {
        *f = -log_p;
        *h = -1;
    } else if (rest <= 0) { /* certain: the limits, since a power of 0 may be infinite */
        *f = 0;
        *h = 0;
    } else {
        double power = eng_pow(rest, gamma);
        *f = -power * log_p;
        *h = (p > 0 ? gamma * power / rest * p * log_p : 0) - power;
    }
}

/* The loss of one utterance, undivided; its gradient times factor is added to grad [n]. */
static double utterance_loss(size_t n, const float *x, loss_target t, const mdl_loss_options *o, double factor,
                             float *grad)
{
    double log_total = log_sum(n, x), loss = 0, pull = 0, f, h;
    for (size_t c = 0; c < n; c++) {
        double q = target_weight(o, t, n, c);
        if (q == 0) continue; /* also where the logit is -inf */
        focal(x[c] - log_total, o->gamma, &f, &h);
        loss += q * f;
        pull += q * h;
    }
    for (size_t c = 0; c < n; c++) {
        double q = target_weight(o, t, n, c);
        focal(x[c] - log_total, o->gamma, &f, &h);
        grad[c] += (float)(factor * ((q == 0 ? 0 : q * h) - eng_exp(x[c] - log_total) * pull));
    }
    return loss;
}

double mdl_loss_divisor(size_t n, const size_t *label, const mdl_loss_options *o)
{
    double sum = 0;
    for (size_t u = 0; u < n; u++) sum += class_weight(o, label[u]);
    return sum;
}

static void check_logits(eng_tensor logits)
{
    ENG_CHECK(logits.data && logits.grad && logits.rows && logits.cols, "loss: logits [%zu, %zu]%s", logits.rows,
              logits.cols, logits.grad ? "" : " without a gradient");
}

double mdl_loss_labels(eng_tensor logits, const size_t *label, const mdl_loss_options *o, double scale)
{
    check_logits(logits);
    for (size_t u = 0; u < logits.rows; u++)
        ENG_CHECK(label[u] < logits.cols, "loss: label %zu of %zu classes", label[u], logits.cols);
    double divisor = mdl_loss_divisor(logits.rows, label, o), loss = 0;
    for (size_t u = 0; u < logits.rows; u++)
        loss += utterance_loss(logits.cols, eng_row(logits, u), (loss_target){label[u], NULL}, o, scale / divisor,
                               eng_grad_row(logits, u));
    return loss / divisor;
}

double mdl_loss_probabilities(eng_tensor logits, const float *target, const mdl_loss_options *o, double scale)
{
    check_logits(logits);
    double divisor = (double)logits.rows, loss = 0;
    for (size_t u = 0; u < logits.rows; u++)
        loss += utterance_loss(logits.cols, eng_row(logits, u), (loss_target){0, target + u * logits.cols}, o,
                               scale / divisor, eng_grad_row(logits, u));
    return loss / divisor;
}

/* ---- Concordance ---- */

/* 1 - CCC of column c. With D the denominator, dCCC/dx_i = 2 / (n D) (y_i - mean y - CCC (x_i - mean y)). */
static double column_loss(eng_tensor x, const float *y, size_t c, double scale)
{
    double n = (double)x.rows, mean_x = 0, mean_y = 0, cov = 0, var = 0;
    for (size_t i = 0; i < x.rows; i++) {
        mean_x += eng_row(x, i)[c];
        mean_y += y[i * x.cols + c];
    }
    mean_x /= n; /* after the sum, which is exact for one number n times over: the deviations are then 0 */
    mean_y /= n;
    for (size_t i = 0; i < x.rows; i++) {
        double dx = eng_row(x, i)[c] - mean_x, dy = y[i * x.cols + c] - mean_y;
        cov += dx * dy / n;
        var += (dx * dx + dy * dy) / n; /* of both */
    }
    double denominator = var + (mean_x - mean_y) * (mean_x - mean_y);
    if (denominator == 0) return 0;
    double ccc = 2 * cov / denominator;
    for (size_t i = 0; i < x.rows; i++) {
        double slope = y[i * x.cols + c] - mean_y - ccc * (eng_row(x, i)[c] - mean_y);
        eng_grad_row(x, i)[c] -= (float)(scale * 2 / (n * denominator) * slope);
    }
    return 1 - ccc;
}

double mdl_loss_concordance(eng_tensor predicted, const float *target, double scale)
{
    check_logits(predicted);
    double sum = 0, columns = (double)predicted.cols;
    for (size_t c = 0; c < predicted.cols; c++) sum += column_loss(predicted, target, c, scale / columns);
    return sum / columns;
}
