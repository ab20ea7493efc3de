/* What the columns of the results are called (the rule: output.h): no two alike, whatever classes and lists bring. */
#ifndef TOOLS_COMMON_COLUMNS_H
#define TOOLS_COMMON_COLUMNS_H

#include <stddef.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "tools/common/list.h"

typedef struct tool_columns {
    const char *const *own; /* [class_count]: the classes as the model calls them */
    size_t class_count;
    const char *const *more; /* [more_count]: names of ours that only some results have */
    size_t more_count;
    const char **classes; /* [class_count]: their columns */
    const char **list;    /* [list->column_count]: the list's, and their members in JSON */
    eng_arena memory;     /* of names that are neither's */
} tool_columns;

/* own [class_count], more [more_count] and list outlive c, in which names of theirs are kept. ENG_E_MISMATCH for two
 * classes of one name. tool_columns_fini in any case. */
eng_status tool_columns_init(tool_columns *c, size_t class_count, const char *const *own, size_t more_count,
                             const char *const *more, const tool_list *list, eng_error *err);
void tool_columns_fini(tool_columns *c);

#endif
