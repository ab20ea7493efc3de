#include "tools/train/report/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/memory.h"

/* In user units: the page scales the SVG to the width of its column. */
enum { WIDTH = 460, HEIGHT = 280, LEFT = 58, RIGHT = 22, TOP = 14, BOTTOM = 40 };
enum { MAX_TICKS = 12, BUCKETS = 400, MAX_EPOCH_LINES = 24 };

typedef struct axis {
    double low, high; /* of the data shown */
    double step;      /* between ticks */
} axis;

/* ---- Numbers ---- */

/* 5e-06 as 5e-6. */
static void trim_exponent(char *s)
{
    char *e = strchr(s, 'e');
    if (!e) return;
    char *to = e + 1, *from = e + 1;
    if (*from == '-') *to++ = *from;
    from++;
    while (*from == '0' && from[1]) from++;
    memmove(to, from, strlen(from) + 1);
}

void train_chart_number(tool_text *t, double value, int digits)
{
    char s[40];
    if (isnan(value)) {
        tool_text_string(t, "\xE2\x80\x93");
        return;
    }
    double size = fabs(value), thousands = value / 1000;
    if (size >= 10000 && size < 1e6 && thousands == floor(thousands))
        snprintf(s, sizeof s, "%.0fk", thousands);
    else if (size < 1e6 && size >= 1 && value == floor(value))
        snprintf(s, sizeof s, "%.0f", value);
    else if (size >= 1e-3 && size < 1e6)
        snprintf(s, sizeof s, "%.*g", digits, value);
    else
        snprintf(s, sizeof s, "%.*g", digits < 3 ? digits : 3, value);
    if (strchr(s, 'e')) trim_exponent(s);
    tool_text_string(t, s[0] == '-' ? "\xE2\x88\x92" : "");
    tool_text_string(t, s[0] == '-' ? s + 1 : s);
}

/* The tick at index i, without the rounding error that makes 0 into 1e-17. */
static double tick(const axis *a, int i)
{
    return (ceil(a->low / a->step - 1e-9) + i) * a->step;
}

static int tick_count(const axis *a)
{
    int n = (int)fmin(floor(a->high / a->step + 1e-9) - ceil(a->low / a->step - 1e-9) + 1, MAX_TICKS);
    return n > 0 ? n : 0;
}

/* 1, 2 or 5 times a power of ten, so that about `wanted` ticks fit; not below least. */
static void choose_step(axis *a, double wanted, double least)
{
    double raw = (a->high - a->low) / wanted, power = eng_pow(10, floor(eng_log10(raw))), rest = raw / power;
    a->step = fmax((rest <= 1.5 ? 1 : rest <= 3.5 ? 2 : rest <= 7.5 ? 5 : 10) * power, least);
}

/* ---- Ranges ---- */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void widen(axis *a, double low, double high)
{
    if (!(a->low <= low)) a->low = low;
    if (!(a->high >= high)) a->high = high;
}

/* The range of y; all of it, or for a faint series without its outermost percent at both ends. False: out of memory. */
static bool series_range(const train_series *s, axis *a)
{
    double *sorted = eng_alloc(s->n, sizeof *sorted);
    if (!sorted) return false;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!isnan(s->y[i])) sorted[n++] = s->y[i];
    qsort(sorted, n, sizeof *sorted, compare_numbers);
    size_t cut = s->style == TRAIN_SERIES_FAINT ? n / 100 : 0;
    if (n) widen(a, sorted[cut], sorted[n - 1 - cut]);
    eng_free(sorted);
    return true;
}

static bool choose_axes(const train_chart *c, axis *x, axis *y)
{
    *x = (axis){c->from, c->to, 0};
    *y = (axis){NAN, NAN, 0};
    for (size_t i = 0; i < c->count; i++) {
        const train_series *s = &c->series[i];
        if (!s->n) continue;
        widen(x, s->x[0], s->x[s->n - 1]);
        if (!series_range(s, y)) return false;
    }
    if (x->high - x->low < 1) x->high = x->low + 1;
    double spread = y->high - y->low, size = fmax(fabs(y->low), fabs(y->high));
    double margin = spread > size * 1e-9 ? spread * 0.06 : size > 0 ? size * 0.1 : 0.1;
    axis padded = {y->low - margin, y->high + margin, 0};
    /* Zero is worth its space when it is near, or when nothing else gives a scale. */
    if (y->low >= 0 && (padded.low < spread * 0.3 || spread == 0)) padded.low = 0;
    if (y->low >= c->low && padded.low < c->low) padded.low = c->low;
    if (y->high <= c->high && padded.high > c->high) padded.high = c->high;
    *y = padded;
    choose_step(x, 6, 1);
    choose_step(y, 5, 0);
    return true;
}

static double place_x(const axis *a, double x)
{
    return LEFT + (x - a->low) / (a->high - a->low) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const axis *a, double y)
{
    double share = (y - a->low) / (a->high - a->low);
    share = fmin(fmax(share, -10), 10); /* what lies outside is clipped; its place need only lie outside */
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
}

/* ---- Drawing ---- */

static void put_grid(tool_text *t, const train_chart *c, const axis *x, const axis *y)
{
    tool_text_string(t, "<g class=\"grid\">");
    for (int i = 0, n = tick_count(y); i < n; i++) {
        double at = place_y(y, tick(y, i));
        tool_html_format(t, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", LEFT, at, WIDTH - RIGHT, at);
    }
    if (c->epoch_count <= MAX_EPOCH_LINES)
        for (size_t i = 1; i < c->epoch_count; i++) /* the first begins at the axis */
            if (c->epoch[i] > x->low && c->epoch[i] < x->high)
                tool_html_format(t, "<line class=\"epoch\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
                                  place_x(x, c->epoch[i]), TOP, place_x(x, c->epoch[i]), HEIGHT - BOTTOM);
    tool_html_format(t, "</g><path class=\"axis\" d=\"M%d %dV%dH%d\"/>", LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
    tool_text_string(t, "<g class=\"ticks\">");
    for (int i = 0, n = tick_count(y); i < n; i++) {
        tool_html_format(t, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 7, place_y(y, tick(y, i)) + 4);
        train_chart_number(t, tick(y, i), 4);
        tool_text_string(t, "</text>");
    }
    for (int i = 0, n = tick_count(x); i < n; i++) {
        double at = place_x(x, tick(x, i));
        tool_html_format(t,
                          "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/><text class=\"mid\" x=\"%.1f\" y=\"%d\">",
                          at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 4, at, HEIGHT - BOTTOM + 17);
        train_chart_number(t, tick(x, i), 4);
        tool_text_string(t, "</text>");
    }
    tool_html_format(t, "<text class=\"mid\" x=\"%d\" y=\"%d\">step</text>", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
    tool_html_format(t, "<text class=\"mid\" transform=\"translate(11 %d) rotate(-90)\">",
                      (TOP + HEIGHT - BOTTOM) / 2);
    tool_html_escaped(t, c->y_name);
    tool_text_string(t, "</text></g>");
}

/* h0 makes a lone point a dot. */
static void put_point(tool_text *t, const axis *x, const axis *y, double px, double py, bool *open)
{
    tool_html_format(t, "%s%.1f %.1f%s", *open ? "L" : "M", place_x(x, px), place_y(y, py), *open ? "" : "h0");
    *open = true;
}

/* A path through the points. Where many fall on one dot of the screen, the lowest and the highest of each bucket stand
 * for all of it. */
static void put_path(tool_text *t, const train_series *s, const axis *x, const axis *y)
{
    size_t bucket = s->n > 4 * BUCKETS ? (s->n + BUCKETS - 1) / BUCKETS : 1;
    bool open = false;
    tool_html_format(t, "<path class=\"s%d c%u\" d=\"", (int)s->style, s->colour);
    for (size_t at = 0; at < s->n; at += bucket) {
        size_t end = s->n - at < bucket ? s->n : at + bucket, low = end, high = end;
        for (size_t i = at; i < end; i++) {
            if (isnan(s->y[i])) continue;
            if (low == end || s->y[i] < s->y[low]) low = i;
            if (high == end || s->y[i] > s->y[high]) high = i;
        }
        if (low == end) { /* nothing: a gap */
            open = false;
            continue;
        }
        size_t first = low < high ? low : high, second = low < high ? high : low;
        put_point(t, x, y, s->x[first], s->y[first], &open);
        if (second != first) put_point(t, x, y, s->x[second], s->y[second], &open);
    }
    tool_text_string(t, "\"/>");
}

/* Circle, square, diamond, triangle by colour, so that print and colour-blind readers tell them apart. */
static void put_shape(tool_text *t, unsigned colour, double x, double y)
{
    static const char *const shapes[] = {
        "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0z",
        "M-3 -3h6v6h-6z",
        "M0 -4.4L4.4 0L0 4.4L-4.4 0z",
        "M0 -4.2L4 3L-4 3z",
    };
    tool_html_format(t, "<path class=\"dot c%u\" transform=\"translate(%.1f %.1f)\" d=\"%s\">", colour, x, y,
                      shapes[colour % 4]);
}

static void put_markers(tool_text *t, const train_series *s, const axis *x, const axis *y)
{
    for (size_t i = 0; i < s->n; i++) {
        if (isnan(s->y[i])) continue;
        put_shape(t, s->colour, place_x(x, s->x[i]), place_y(y, s->y[i]));
        tool_text_string(t, "<title>");
        if (s->name) tool_html_escaped(t, s->name);
        tool_text_string(t, ", step ");
        tool_html_format(t, "%.0f: ", s->x[i]);
        train_chart_number(t, s->y[i], 4);
        tool_text_string(t, "</title></path>");
    }
}

static void put_legend(tool_text *t, const train_chart *c)
{
    tool_text_string(t, "<p class=\"legend\">");
    for (size_t i = 0; i < c->count; i++) {
        const train_series *s = &c->series[i];
        if (!s->name || !s->n) continue;
        tool_text_string(t, "<span><svg viewBox=\"-10 -6 20 12\" aria-hidden=\"true\">");
        tool_html_format(t, "<path class=\"s%d c%u\" d=\"M-9 0H9\"/>", (int)s->style, s->colour);
        if (s->style == TRAIN_SERIES_POINTS) {
            put_shape(t, s->colour, 0, 0);
            tool_text_string(t, "</path>");
        }
        tool_text_string(t, "</svg>");
        tool_html_escaped(t, s->name);
        tool_text_string(t, "</span> ");
    }
    tool_text_string(t, "</p>");
}

static void put_mark(tool_text *t, const train_chart *c, const axis *x)
{
    if (!(c->mark >= x->low && c->mark <= x->high)) return;
    double at = place_x(x, c->mark);
    bool left = at > (LEFT + WIDTH) / 2.0; /* the words go where there is more room */
    tool_html_format(t, "<line class=\"mark\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", at, TOP, at,
                      HEIGHT - BOTTOM);
    tool_html_format(t, "<text class=\"marked%s\" x=\"%.1f\" y=\"%d\">", left ? " end" : "", at + (left ? -5 : 5),
                      HEIGHT - BOTTOM - 7);
    tool_html_escaped(t, c->mark_name);
    tool_text_string(t, "</text>");
}

bool train_chart_has_points(const train_chart *c)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t j = 0; j < c->series[i].n; j++)
            if (!isnan(c->series[i].y[j])) return true;
    return false;
}

void train_chart_put(tool_text *t, const train_chart *c)
{
    axis x, y;
    if (!train_chart_has_points(c)) return;
    if (!choose_axes(c, &x, &y)) {
        t->failed = true;
        return;
    }
    tool_text_string(t, "<figure><figcaption>");
    tool_html_escaped(t, c->title);
    if (c->note) {
        tool_text_string(t, " <small>");
        tool_html_escaped(t, c->note);
        tool_text_string(t, "</small>");
    }
    tool_text_string(t, "</figcaption>");
    put_legend(t, c);
    tool_html_format(t, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    tool_html_escaped(t, c->title);
    tool_text_string(t, "\">");
    put_grid(t, c, &x, &y);
    put_mark(t, c, &x);
    /* A nested svg clips what leaves the chart, without an id that several charts would share. */
    tool_html_format(t, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"%d %d %d %d\">", LEFT, TOP - 5,
                      WIDTH - LEFT, HEIGHT - BOTTOM - TOP + 10, LEFT, TOP - 5, WIDTH - LEFT,
                      HEIGHT - BOTTOM - TOP + 10);
    for (size_t i = 0; i < c->count; i++)
        if (c->series[i].n) put_path(t, &c->series[i], &x, &y);
    for (size_t i = 0; i < c->count; i++)
        if (c->series[i].style == TRAIN_SERIES_POINTS) put_markers(t, &c->series[i], &x, &y);
    tool_text_string(t, "</svg></svg></figure>\n");
}
