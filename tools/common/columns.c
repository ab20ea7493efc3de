#include "tools/common/columns.h"

#include <string.h>

/* Our own members and columns; a list's columns keep clear of all of them, whichever are in use, so that their names do
 * not depend on the options. Those of segments and values (start, end, speaker, text, values) are names that
 * lists have, too: of them lists keep clear only where they are in use. */
static const char *const own_names[] = {"file", "channel", "label", "score", "scores", "logits", "error"};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool is_own_name(const tool_columns *c, const char *name)
{
    return is_among(name, own_names, sizeof own_names / sizeof *own_names) || is_among(name, c->more, c->more_count);
}

/* prefix + name in c's memory; NULL when out of memory. */
static const char *prefixed(tool_columns *c, const char *prefix, const char *name)
{
    size_t a = strlen(prefix), b = strlen(name) + 1;
    char *s = eng_arena_alloc(&c->memory, a + b, 1);
    if (!s) return NULL;
    memcpy(s, prefix, a);
    memcpy(s + a, name, b);
    return s;
}

static eng_status name_classes(tool_columns *c, eng_error *err)
{
    c->classes = eng_alloc(c->class_count, sizeof *c->classes);
    if (!c->classes) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
    for (size_t i = 0; i < c->class_count; i++) {
        const char *name = c->own[i];
        if (is_among(name, c->own, i))
            return eng_fail(err, ENG_E_MISMATCH, "the model has two classes named '%s'", name);
        while (name &&
               (is_own_name(c, name) || (name != c->own[i] && is_among(name, c->own, c->class_count))))
            name = prefixed(c, "score.", name);
        if (!name) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
        c->classes[i] = name;
    }
    return ENG_OK;
}

static bool is_taken(const tool_columns *c, const char *name)
{
    if (is_own_name(c, name) || is_among(name, c->classes, c->class_count)) return true;
    return strncmp(name, "logit.", 6) == 0 && is_among(name + 6, c->own, c->class_count);
}

static eng_status name_list(tool_columns *c, const tool_list *list, eng_error *err)
{
    c->list = eng_alloc(list->column_count, sizeof *c->list);
    if (!c->list) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
    for (size_t i = 0; i < list->column_count; i++) {
        const char *name = list->columns[i];
        /* A new name must not be another column's either, be it a list's own "list.label". */
        while (name &&
               (is_taken(c, name) || (name != list->columns[i] && is_among(name, list->columns, list->column_count))))
            name = prefixed(c, "list.", name);
        if (!name) return eng_fail(err, ENG_E_MEMORY, "out of memory for the output's columns");
        c->list[i] = name;
    }
    return ENG_OK;
}

eng_status tool_columns_init(tool_columns *c, size_t class_count, const char *const *own, size_t more_count,
                             const char *const *more, const tool_list *list, eng_error *err)
{
    *c = (tool_columns){.own = own, .class_count = class_count, .more = more, .more_count = more_count};
    eng_arena_init(&c->memory);
    eng_status status = name_classes(c, err);
    return status ? status : name_list(c, list, err);
}

void tool_columns_fini(tool_columns *c)
{
    eng_free(c->classes);
    eng_free(c->list);
    eng_arena_fini(&c->memory);
}
