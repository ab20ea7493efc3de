#include <string.h>

#include "tools/common/segments/readers.h"
#include "tools/common/segments/text.h"
#include "tools/common/segments/time.h"

static eng_status add_line(tool_segment_set *set, size_t number, char *line, eng_error *err)
{
    char *end = strchr(line, '\t'), *label = end ? strchr(end + 1, '\t') : NULL;
    tool_segment s = {.line = number, .recording = "", .speaker = "", .text = "", .channel = TOOL_SEGMENT_NO_CHANNEL};
    if (end) *end++ = 0;
    if (label) {
        *label++ = 0;
        s.text = tool_trim(label);
    }
    if (!end || tool_time_parse(line, &s.start) != TOOL_TIME_OK || tool_time_parse(end, &s.end) != TOOL_TIME_OK)
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: line %zu: expected a label of Audacity: start, tab, end, in seconds from 0; found '%.40s'",
                        set->path, number, line);
    if (s.start == s.end) {
        set->skipped++;
        return ENG_OK;
    }
    return tool_segment_set_add(set, s, err);
}

eng_status tool_segments_read_labels(tool_segment_set *set, eng_error *err)
{
    eng_status status = tool_segment_text_utf8(set->path, &set->text, &set->size, &set->latin1, err);
    tool_lines lines = {.at = set->text, .end = set->text + set->size};
    char *line;
    while (!status && (line = tool_lines_next(&lines)))
        if (line[strspn(line, " \t")] && line[0] != '\\') status = add_line(set, lines.line, line, err);
    return status;
}
