/* The style that all our pages have: colours in light and dark, tiles, facts, tables, print. */
#ifndef TOOLS_COMMON_HTML_PAGE_H
#define TOOLS_COMMON_HTML_PAGE_H

/* page.css, which the build makes C of: its lines, NULL behind the last; for tool_html_lines. */
extern const char *const tool_html_page_css[];

#endif
