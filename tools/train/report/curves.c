/* The charts over the steps of a training. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/train/report/chart.h"
#include "tools/train/report/parts.h"

enum { SMOOTH_SHARE = 40, MIN_STEPS_TO_SMOOTH = 20, MAX_SERIES = TRAIN_REPORT_SPLITS + 2 };

/* What the charts draw from; the arrays live in the log's arena. */
typedef struct curves {
    train_report_log *log;
    tool_text *t;
    double *steps, *epochs; /* [step_count]: x; [epoch_count]: where epochs begin */
    size_t epoch_count;
    double last; /* step, of all */
    double best; /* step; NaN: none */
} curves;

static double *numbers(curves *c, size_t n)
{
    double *x = c->t->failed ? NULL : eng_arena_alloc(&c->log->arena, n, sizeof *x);
    if (!x) c->t->failed = true;
    return x;
}

/* "train" shares the colour of the training's own curve; the others follow in their order. */
static unsigned split_colour(const train_report_log *log, size_t split)
{
    unsigned colour = 1;
    if (strcmp(log->split[split], "train") == 0) return 0;
    for (size_t i = 0; i < split; i++) colour += strcmp(log->split[i], "train") != 0;
    return (colour - 1) % (TRAIN_CHART_COLOURS - 1) + 1;
}

/* ---- Training's own curves ---- */

static void take(double x, double sign, double *sum, double *count)
{
    if (isnan(x)) return;
    *sum += sign * x;
    *count += sign;
}

/* The mean over the `span` steps round each, fewer at the ends; NaN is left out. Centred, so that it does not lag. */
static void smooth(const double *x, size_t n, size_t span, double *out)
{
    double sum = 0, count = 0;
    size_t from = 0, to = 0; /* the window is from .. to - 1 */
    for (size_t i = 0; i < n; i++) {
        size_t first = i > span / 2 ? i - span / 2 : 0, end = n - i > span / 2 ? i + span / 2 + 1 : n;
        for (; to < end; to++) take(x[to], 1, &sum, &count);
        for (; from < first; from++) take(x[from], -1, &sum, &count);
        out[i] = isnan(x[i]) ? NAN : sum / count;
    }
}

/* The double at `offset` of a step or an evaluation. */
static double field_of(const void *record, size_t offset)
{
    double value;
    memcpy(&value, (const char *)record + offset, sizeof value);
    return value;
}

static double *step_values(curves *c, size_t field)
{
    double *y = numbers(c, c->log->step_count);
    for (size_t i = 0; y && i < c->log->step_count; i++) y[i] = field_of(&c->log->step[i], field);
    return y;
}

/* A field (its offset) of every step as one or two series: raw, and smoothed where there is enough of it. Returns how
 * many. */
static size_t step_series(curves *c, size_t field, const char *name, char *smooth_name, size_t room, train_series *out)
{
    size_t n = c->log->step_count;
    double *y = step_values(c, field);
    if (!y || !n) return 0;
    out[0] = (train_series){.name = name, .style = TRAIN_SERIES_LINE, .x = c->steps, .y = y, .n = n};
    if (n < MIN_STEPS_TO_SMOOTH) return 1;
    size_t span = 2 * (n / SMOOTH_SHARE / 2) + 1 > 5 ? 2 * (n / SMOOTH_SHARE / 2) + 1 : 5;
    double *mean = numbers(c, n);
    if (!mean) return 0;
    smooth(y, n, span, mean);
    snprintf(smooth_name, room, "mean over %zu steps", span);
    out[0].style = TRAIN_SERIES_FAINT;
    out[1] = (train_series){.name = smooth_name, .style = TRAIN_SERIES_LINE, .x = c->steps, .y = mean, .n = n};
    return 2;
}

/* ---- Evaluations ---- */

typedef struct point {
    double x, y;
} point;

static int compare_points(const void *a, const void *b)
{
    double x = ((const point *)a)->x, y = ((const point *)b)->x;
    return (x > y) - (x < y);
}

/* A field of an evaluation, or where attribute is not NULL, that one's CCC. */
static double evaluation_value(const train_report_evaluation *e, size_t field, const char *attribute)
{
    if (!attribute) return field_of(e, field);
    for (size_t i = 0; i < e->attributes; i++)
        if (strcmp(e->attribute[i], attribute) == 0) return e->ccc[i];
    return NAN;
}

/* One series a split, by step. Returns how many. */
static size_t evaluation_series(curves *c, size_t field, const char *attribute, train_series *out)
{
    size_t count = 0, most = c->log->evaluation_count;
    for (size_t split = 0; split < c->log->split_count; split++) {
        point *p = c->t->failed ? NULL : eng_arena_alloc(&c->log->arena, most, sizeof *p);
        double *x = numbers(c, most), *y = numbers(c, most);
        size_t n = 0;
        if (!p || !x || !y) {
            c->t->failed = true;
            return 0;
        }
        for (size_t i = 0; i < most; i++) {
            const train_report_evaluation *e = &c->log->evaluation[i];
            double value = evaluation_value(e, field, attribute);
            if (e->split == split && !isnan(value)) p[n++] = (point){e->step, value};
        }
        qsort(p, n, sizeof *p, compare_points);
        for (size_t i = 0; i < n; i++) {
            x[i] = p[i].x;
            y[i] = p[i].y;
        }
        if (n)
            out[count++] = (train_series){.name = c->log->split[split],
                                          .colour = split_colour(c->log, split),
                                          .style = TRAIN_SERIES_POINTS,
                                          .x = x,
                                          .y = y,
                                          .n = n};
    }
    return count;
}

/* ---- Charts ---- */

static void put_chart(curves *c, const char *title, const char *note, const char *y_name, const train_series *series,
                      size_t count, double low, double high, double mark)
{
    train_chart chart = {.title = title,
                         .note = note,
                         .y_name = y_name,
                         .series = series,
                         .count = count,
                         .to = c->last,
                         .low = low,
                         .high = high,
                         .mark = mark,
                         .mark_name = "best",
                         .epoch = c->epochs,
                         .epoch_count = c->epoch_count};
    if (!c->t->failed) train_chart_put(c->t, &chart);
}

static void put_loss(curves *c)
{
    train_series series[MAX_SERIES];
    char smooth_name[64], note[64] = "";
    size_t bad = 0, count = step_series(c, offsetof(train_report_step, loss), "training", smooth_name,
                                        sizeof smooth_name, series);
    count += evaluation_series(c, offsetof(train_report_evaluation, loss), NULL, series + count);
    for (size_t i = 0; i < c->log->step_count; i++) bad += isnan(c->log->step[i].loss);
    if (bad) snprintf(note, sizeof note, "%zu step%s without a finite loss", bad, bad == 1 ? "" : "s");
    if (bad && bad == c->log->step_count) tool_text_string(c->t, "<p>No step has a finite loss.</p>\n");
    put_chart(c, "Loss", bad ? note : NULL, "loss", series, count, NAN, NAN, c->best);
}

static void put_score(curves *c, const char *title, size_t field, const char *attribute, double low)
{
    train_series series[MAX_SERIES];
    size_t count = evaluation_series(c, field, attribute, series);
    put_chart(c, title, NULL, title, series, count, low, 1, c->best);
}

/* A chart for each attribute of the evaluation that has most. */
static void put_attributes(curves *c)
{
    const train_report_evaluation *named = NULL;
    for (size_t i = 0; i < c->log->evaluation_count; i++) {
        const train_report_evaluation *e = &c->log->evaluation[i];
        if (e->attributes > (named ? named->attributes : 0)) named = e;
    }
    for (size_t i = 0; named && i < named->attributes; i++) {
        char title[80];
        snprintf(title, sizeof title, "CCC of %.60s", named->attribute[i]);
        put_score(c, title, 0, named->attribute[i], -1);
    }
}

static void find_epochs(curves *c)
{
    const train_report_log *log = c->log;
    double last = NAN;
    for (size_t i = 0; i < log->step_count; i++) {
        c->steps[i] = c->last = log->step[i].step;
        double epoch = log->step[i].epoch;
        if (isnan(epoch) || epoch == last) continue;
        c->epochs[c->epoch_count++] = log->step[i].step;
        last = epoch;
    }
    for (size_t i = 0; i < log->evaluation_count; i++) {
        c->last = fmax(c->last, log->evaluation[i].step);
        if (log->evaluation[i].best) c->best = log->evaluation[i].step;
    }
}

void train_report_put_curves(tool_text *t, train_report_log *log)
{
    curves c = {.log = log, .t = t, .best = NAN};
    train_series series[MAX_SERIES];
    char smooth_name[64];
    c.steps = numbers(&c, log->step_count);
    c.epochs = numbers(&c, log->step_count);
    if (t->failed) return;
    find_epochs(&c);
    tool_text_string(t, "<section><h2>Curves");
    if (c.epoch_count > 1) tool_text_string(t, " <small>dotted lines: epochs</small>");
    tool_text_string(t, "</h2>\n<div class=\"charts\">\n");
    put_loss(&c);
    put_score(&c, "Macro-F1", offsetof(train_report_evaluation, macro_f1), NULL, 0);
    put_score(&c, "CCC, mean of the attributes", offsetof(train_report_evaluation, ccc_mean), NULL, -1);
    put_attributes(&c);
    put_score(&c, "Unweighted average recall", offsetof(train_report_evaluation, uar), NULL, 0);
    put_score(&c, "Accuracy", offsetof(train_report_evaluation, accuracy), NULL, 0);
    double *rate = step_values(&c, offsetof(train_report_step, rate));
    series[0] = (train_series){.style = TRAIN_SERIES_LINE, .x = c.steps, .y = rate, .n = log->step_count};
    put_chart(&c, "Learning rate", NULL, "learning rate", series, 1, 0, NAN, NAN);
    size_t count =
        step_series(&c, offsetof(train_report_step, grad_norm), "each step", smooth_name, sizeof smooth_name, series);
    put_chart(&c, "Gradient norm", NULL, "norm", series, count, 0, NAN, NAN);
    tool_text_string(t, "</div></section>\n");
}
