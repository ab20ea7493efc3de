/* Times as people and programs write them. */
#ifndef TOOLS_COMMON_SEGMENTS_TIME_H
#define TOOLS_COMMON_SEGMENTS_TIME_H

typedef enum tool_time {
    TOOL_TIME_OK,
    TOOL_TIME_NONE,     /* nothing, or pandas' NaT */
    TOOL_TIME_NEGATIVE, /* a time, but before 0 */
    TOOL_TIME_BAD
} tool_time;

/* Reads all of text, spaces round it aside, as
 *     12.5  1.25e1              seconds
 *     MM:SS.mmm  H:MM:SS.mmm    a clock; any number of digits in its first part
 *     0 days 00:00:12.5         pandas' and audformat's, also without a clock; Python's "1 day, 0:00:12"
 * with a point or a comma before the fraction. Sets *seconds for TOOL_TIME_OK alone. */
tool_time tool_time_parse(const char *text, double *seconds);

#endif
