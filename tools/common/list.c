#include "tools/common/list.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "tools/common/folder.h"
#include "tools/common/table.h"

static const char *const audio_extensions[] = {"wav",  "flac", "mp3",  "ogg", "oga", "opus", "m4a", "aac",
                                               "webm", "wma",  "aiff", "aif", "au",  "amr",  "3gp", "mp4"};

/* One list file. */
struct tool_source {
    tool_table table;
    size_t *local; /* for each of the whole list's columns: this table's, or TOOL_NO_COLUMN */
};

struct tool_list_store {
    eng_arena strings;
    tool_source *sources;
    size_t source_count;
};

static const size_t NO_SOURCE = SIZE_MAX;

/* ---- Growing the list ---- */

/* Makes room for one more element: capacities are the powers of two, so the count tells when it is full. False when out
 * of memory. */
static bool grow_one(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) return true; /* array points to the pointer, of whatever type */
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    grown = eng_grow(old, count, count ? 2 * count : 1, size);
    if (!grown) return false;
    memcpy(array, &grown, sizeof grown);
    return true;
}

static eng_status add_row(tool_list *l, tool_row row, eng_error *err)
{
    if (!grow_one(&l->rows, l->row_count, sizeof *l->rows))
        return eng_fail(err, ENG_E_MEMORY, "out of memory after %zu inputs", l->row_count);
    l->rows[l->row_count++] = row;
    return ENG_OK;
}

static bool has_extension(const char *name, const char *extension)
{
    const char *dot = strrchr(name, '.');
    return dot && strcasecmp(dot + 1, extension) == 0;
}

static bool is_audio_name(const char *name)
{
    for (size_t i = 0; i < sizeof audio_extensions / sizeof *audio_extensions; i++)
        if (has_extension(name, audio_extensions[i])) return true;
    return false;
}

/* ---- Folders ---- */

static eng_status add_found(void *arg, const char *path, eng_error *err)
{
    return add_row(arg, (tool_row){.file = path, .path = path, .source = NO_SOURCE}, err);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const tool_row *)a)->path, ((const tool_row *)b)->path);
}

static eng_status add_folder(tool_list *l, const char *folder, eng_error *err)
{
    size_t first = l->row_count;
    eng_status status = tool_folder_walk(folder, &l->store->strings, is_audio_name, add_found, l, err);
    if (status) return status;
    if (l->row_count == first)
        return eng_fail(err, ENG_E_MISSING, "%s: no audio files in this folder (wav, flac, mp3, ogg, opus, m4a, ...)",
                        folder);
    qsort(l->rows + first, l->row_count - first, sizeof *l->rows, compare_rows);
    return ENG_OK;
}

/* ---- Lists ---- */

/* The column that names the audio, TOOL_NO_COLUMN when there is none. */
static size_t find_file_column(const tool_table *t)
{
    static const char *const names[] = {"file", "path", "FileName"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t i = 0; i < t->column_count; i++)
            if (strcasecmp(t->columns[i], names[n]) == 0) return i;
    return TOOL_NO_COLUMN;
}

static eng_status add_columns(tool_list *l, const tool_table *t, size_t file_column, eng_error *err)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (i == file_column || tool_list_column(l, t->columns[i]) != TOOL_NO_COLUMN) continue;
        if (!grow_one(&l->columns, l->column_count, sizeof *l->columns))
            return eng_fail(err, ENG_E_MEMORY, "out of memory for the lists' columns");
        l->columns[l->column_count++] = t->columns[i];
    }
    return ENG_OK;
}

/* A path in a list, seen from the list's folder. A file named "-" is not standard input. */
static const char *resolve(tool_list *l, const char *list, const char *file)
{
    const char *slash = strrchr(list, '/');
    if (file[0] == '/') return file;
    if (slash) return tool_folder_join(&l->store->strings, list, (size_t)(slash - list) + 1, file);
    return strcmp(file, "-") == 0 ? "./-" : file;
}

static eng_status add_list_rows(tool_list *l, const char *list, size_t source, size_t file_column, eng_error *err)
{
    const tool_table *t = &l->store->sources[source].table;
    for (size_t i = 0; i < t->row_count; i++) {
        const char *const *cells = t->cells + i * t->column_count;
        tool_row row = {
            .file = cells[file_column], .list = list, .line = t->lines[i], .source = source, .cells = cells};
        if (!*row.file)
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: no file name in column '%s'", list, row.line,
                            t->columns[file_column]);
        row.path = resolve(l, list, row.file);
        if (!row.path) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", list);
        eng_status status = add_row(l, row, err);
        if (status) return status;
    }
    return ENG_OK;
}

/* separator 0: a list of lines. */
static eng_status add_list(tool_list *l, const char *list, char separator, eng_error *err)
{
    tool_list_store *store = l->store;
    if (!grow_one(&store->sources, store->source_count, sizeof *store->sources))
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", list);
    size_t source = store->source_count;
    tool_table *t = &store->sources[source].table;
    eng_status status =
        separator ? tool_table_read(list, separator, t, err) : tool_table_read_lines(list, "file", t, err);
    if (status) return status;
    store->sources[source].local = NULL;
    store->source_count++;
    size_t file_column = find_file_column(t);
    if (file_column == TOOL_NO_COLUMN)
        return eng_fail(err, ENG_E_MISSING, "%s: no column named file, path or FileName in its header", list);
    if (!t->row_count) return eng_fail(err, ENG_E_MISSING, "%s: this list names no files", list);
    status = add_columns(l, t, file_column, err);
    return status ? status : add_list_rows(l, list, source, file_column, err);
}

/* For each source, where each of the whole list's columns stands in it. The file column has a name too and must not be
 * found by it: another list may keep a column of that name. */
static eng_status map_columns(tool_list *l, eng_error *err)
{
    tool_list_store *store = l->store;
    for (size_t s = 0; s < store->source_count; s++) {
        const tool_table *t = &store->sources[s].table;
        size_t file_column = find_file_column(t);
        size_t *local = eng_alloc(l->column_count, sizeof *local);
        if (!local) return eng_fail(err, ENG_E_MEMORY, "out of memory for the lists' columns");
        store->sources[s].local = local;
        for (size_t c = 0; c < l->column_count; c++) local[c] = TOOL_NO_COLUMN;
        for (size_t i = 0; i < t->column_count; i++)
            if (i != file_column) local[tool_list_column(l, t->columns[i])] = i;
    }
    return ENG_OK;
}

/* ---- The whole ---- */

static eng_status add_input(tool_list *l, const char *input, eng_error *err)
{
    struct stat info;
    if (!*input) return eng_fail(err, ENG_E_USAGE, "an input with an empty name");
    if (strcmp(input, "-") == 0) {
        for (size_t i = 0; i < l->row_count; i++)
            if (strcmp(l->rows[i].path, "-") == 0)
                return eng_fail(err, ENG_E_USAGE, "standard input (-) can be read once only");
        return add_row(l, (tool_row){.file = "-", .path = "-", .source = NO_SOURCE}, err);
    }
    if (stat(input, &info) == 0 && S_ISDIR(info.st_mode)) return add_folder(l, input, err);
    if (has_extension(input, "txt")) return add_list(l, input, 0, err);
    if (has_extension(input, "csv")) return add_list(l, input, ',', err);
    if (has_extension(input, "tsv")) return add_list(l, input, '\t', err);
    return add_row(l, (tool_row){.file = input, .path = input, .source = NO_SOURCE}, err);
}

eng_status tool_list_load(char *const *inputs, size_t count, tool_list *out, eng_error *err)
{
    *out = (tool_list){0};
    if (!count) return eng_fail(err, ENG_E_USAGE, "no inputs: expected audio files, folders, lists or -");
    tool_list l = {.store = eng_alloc_zero(1, sizeof *l.store)};
    if (!l.store) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    eng_arena_init(&l.store->strings);
    eng_status status = ENG_OK;
    for (size_t i = 0; i < count && !status; i++) {
        char *input = tool_folder_join(&l.store->strings, "", 0, inputs[i]); /* a copy: the list owns all that it shows */
        status = input ? add_input(&l, input, err) : eng_fail(err, ENG_E_MEMORY, "out of memory");
    }
    if (!status) status = map_columns(&l, err);
    if (status)
        tool_list_free(&l);
    else
        *out = l;
    return status;
}

void tool_list_free(tool_list *l)
{
    if (l->store) {
        for (size_t s = 0; s < l->store->source_count; s++) {
            tool_table_free(&l->store->sources[s].table);
            eng_free(l->store->sources[s].local);
        }
        eng_free(l->store->sources);
        eng_arena_fini(&l->store->strings);
        eng_free(l->store);
    }
    eng_free(l->rows);
    eng_free(l->columns);
    *l = (tool_list){0};
}

size_t tool_list_column(const tool_list *l, const char *name)
{
    for (size_t i = 0; i < l->column_count; i++)
        if (strcmp(l->columns[i], name) == 0) return i;
    return TOOL_NO_COLUMN;
}

const char *tool_list_value(const tool_list *l, size_t row, size_t column)
{
    const tool_row *r = &l->rows[row];
    if (r->source == NO_SOURCE || column >= l->column_count) return "";
    size_t local = l->store->sources[r->source].local[column];
    return local == TOOL_NO_COLUMN ? "" : r->cells[local];
}

bool tool_list_same_file(const tool_list *l, size_t a, size_t b)
{
    return strcmp(l->rows[a].path, l->rows[b].path) == 0;
}

void tool_stem(const char *file, char *out, size_t size)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file, *dot = strrchr(name, '.');
    size_t n = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), name);
}
