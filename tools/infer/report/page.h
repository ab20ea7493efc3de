/* The page's style and script; for this folder alone. The build makes C of the files: their lines, NULL behind the last;
 * for tool_html_lines. */
#ifndef TOOLS_INFER_REPORT_PAGE_H
#define TOOLS_INFER_REPORT_PAGE_H

extern const char *const infer_report_css[]; /* timeline.css, tables.css */
extern const char *const infer_report_js[];  /* first.js ... last.js, in the order of README.md */

#endif
