#include "tools/train/data/list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t train_list_find(const tool_table *t, const char *name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (strcasecmp(t->columns[i], name) == 0) return i;
    return TRAIN_NO_COLUMN;
}

const char *train_list_cell(const train_list *l, size_t row, train_role role)
{
    size_t column = l->column[role];
    return column == TRAIN_NO_COLUMN ? "" : l->table->cells[row * l->table->column_count + column];
}

eng_status train_list_number(const train_list *l, size_t row, size_t column, float *out, eng_error *err)
{
    const char *cell = l->table->cells[row * l->table->column_count + column];
    char *end;
    double value = strtod(cell, &end);
    while (*end == ' ') end++;
    *out = (float)value;
    if (end != cell && !*end && isfinite(*out)) return ENG_OK;
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: column '%s': expected a number, found '%s'", l->path,
                    l->table->lines[row], l->table->columns[column], cell);
}

const char *train_list_join(eng_arena *strings, const char *folder, const char *file)
{
    size_t length = strlen(folder), size = strlen(file) + 1;
    if (!length && strcmp(file, "-") == 0) folder = "./", length = 2;
    bool slash = length && folder[length - 1] != '/';
    char *path = eng_arena_alloc(strings, length + slash + size, 1);
    if (!path) return NULL;
    memcpy(path, folder, length);
    if (slash) path[length] = '/';
    memcpy(path + length + slash, file, size);
    return path;
}
