/* Line charts over training steps, as inline SVG; for this folder alone. Colours come from the page's style:
 * classes c0 .. c7. */
#ifndef TOOLS_TRAIN_REPORT_CHART_H
#define TOOLS_TRAIN_REPORT_CHART_H

#include "tools/common/html/text.h"

typedef enum train_series_style {
    TRAIN_SERIES_FAINT, /* a thin line that may leave the chart: its outermost percent does not set the range */
    TRAIN_SERIES_LINE,
    TRAIN_SERIES_POINTS /* a line with a marker and a tooltip at each point */
} train_series_style;

/* Points with a y that is NaN are gaps. */
typedef struct train_series {
    const char *name; /* in the legend; NULL: not there */
    unsigned colour;  /* below TRAIN_CHART_COLOURS */
    train_series_style style;
    const double *x, *y; /* [n], x rising */
    size_t n;
} train_series;

typedef struct train_chart {
    const char *title, *note; /* note: smaller, behind the title; may be NULL */
    const char *y_name;
    const train_series *series;
    size_t count;
    double from, to;  /* the x shown at least */
    double low, high; /* limits that ranges do not cross, such as 0 and 1 of a score; NaN: none */
    double mark;      /* an x with a vertical line; NaN: none */
    const char *mark_name;
    const double *epoch; /* [epoch_count]: the x at which epochs begin, rising */
    size_t epoch_count;
} train_chart;

enum { TRAIN_CHART_COLOURS = 8 };

/* A figure with title, legend and chart. A chart without a single point is left out altogether. The series' y are in
 * finite numbers of at most 10^15. */
void train_chart_put(tool_text *t, const train_chart *c);

/* Whether there is a point to draw. */
bool train_chart_has_points(const train_chart *c);

/* A number as on an axis or in a table, of `digits` significant ones: 0.25, 12k, 1e-5; an en dash for NaN. */
void train_chart_number(tool_text *t, double value, int digits);

#endif
