#include "tools/common/segments/segment.h"

#include <stdlib.h>
#include <string.h>

eng_status tool_segment_set_add(tool_segment_set *set, tool_segment segment, eng_error *err)
{
    const double start = segment.start, end = segment.end;
    if (!(start >= 0 && start <= TOOL_SEGMENT_MAX_SECONDS))
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: a segment that starts at %g s", set->path, segment.line, start);
    if (!(end == TOOL_SEGMENT_TO_END || (end > start && end <= TOOL_SEGMENT_MAX_SECONDS)))
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: line %zu: a segment that ends at %.9g s, expected an end behind its start, %.9g s",
                        set->path, segment.line, end, start);
    if (!(set->count & (set->count - 1))) { /* full: capacities are the powers of two */
        tool_segment *grown =
            eng_grow(set->segments, set->count, set->count ? 2 * set->count : 1, sizeof *set->segments);
        if (!grown) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory after %zu segments", set->path, set->count);
        set->segments = grown;
    }
    segment.order = set->count;
    set->segments[set->count++] = segment;
    return ENG_OK;
}

static int by_recording(const void *a, const void *b)
{
    const tool_segment *x = a, *y = b;
    int order = strcmp(x->recording, y->recording);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

void tool_segment_set_group(tool_segment_set *set)
{
    if (set->names_recordings && set->count) qsort(set->segments, set->count, sizeof *set->segments, by_recording);
}

size_t tool_segment_set_run(const tool_segment_set *set, size_t first)
{
    size_t n = 0;
    while (first + n < set->count && strcmp(set->segments[first + n].recording, set->segments[first].recording) == 0) n++;
    return n;
}

void tool_segment_set_fini(tool_segment_set *set)
{
    tool_table_free(&set->table);
    eng_free(set->text);
    eng_free(set->cells);
    eng_free(set->columns);
    eng_free(set->segments);
    eng_arena_fini(&set->strings);
    *set = (tool_segment_set){0};
}
