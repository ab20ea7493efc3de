/* The style of charts and matrices; for this folder alone. */
#ifndef TOOLS_TRAIN_REPORT_STYLE_H
#define TOOLS_TRAIN_REPORT_STYLE_H

/* charts.css, which the build makes C of: its lines, NULL behind the last; for tool_html_lines. */
extern const char *const train_report_charts_css[];

#endif
