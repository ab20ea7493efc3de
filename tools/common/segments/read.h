/* One file of segments, whatever its format. */
#ifndef TOOLS_COMMON_SEGMENTS_READ_H
#define TOOLS_COMMON_SEGMENTS_READ_H

#include "tools/common/segments/segment.h"

/* Whether a file's name has the ending of a format: csv, tsv, rttm, TextGrid, vtt, srt, txt, whatever the case. */
bool tool_segments_is_name(const char *name);

/* Reads the file; path outlives the set. The format is told by the name's ending, and where it has none of these, or txt,
 * by the content. Errors name file and line; a file without segments is none. tool_segment_set_fini in any case. */
eng_status tool_segment_set_read(const char *path, tool_segment_set *set, eng_error *err);

/* The same of text that is there already, [size] and a NUL behind it, a block of eng_alloc which this takes. */
eng_status tool_segment_set_parse(const char *path, char *text, size_t size, tool_segment_set *set, eng_error *err);

#endif
