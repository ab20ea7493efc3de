/* Names of files for formats that keep the recordings apart: a file a recording, in a folder. */
#ifndef TOOLS_COMMON_OUTPUT_PATHS_H
#define TOOLS_COMMON_OUTPUT_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "tools/common/list.h"
#include "tools/common/output/result.h"
#include "tools/common/text.h"

/* How many bytes at the beginning of all rows' files are the same folders: names in the folder are what follows, so that
 * recordings of one folder are called as they are, and those of several keep what tells them apart. It is that of the whole
 * list, whichever of its rows are written. */
size_t tool_paths_common(const tool_list *list);

/* The row's file behind `common` bytes, without its extension, and the ending: "day1/a.srt". "." and what would lead out of
 * the folder is not in it: ".." becomes "__", and "-" is called stdin. */
void tool_paths_name(const tool_list *list, size_t row, size_t common, const char *ending, tool_text *out);

/* ENG_E_MISMATCH when two recordings have one name, or one has rows in several places of the list; stems: by their stems alone,
 * which a format calls recordings by. */
eng_status tool_paths_check(const tool_output_spec *spec, size_t common, bool stems, const char *ending, eng_error *err);

/* Makes the folder, and what leads to it: all of path up to its last slash. ENG_E_IO when it cannot. */
eng_status tool_paths_make(const char *path, eng_error *err);

#endif
