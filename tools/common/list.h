/* The inputs of a program: files, folders and lists on the command line become one list of rows.
 *
 * - a folder: the audio files in it and in the folders below, sorted bytewise by path. Names that begin with '.' are
 *   skipped, and so are links to folders (as find does); links to files count as files.
 * - a name ending in .txt: a path a line. In .csv and .tsv (tools/common/table.h): a column `file`, `path` or `FileName`
 *   (whatever the case; the first of these that is there) names the audio; the other columns are kept. Paths are
 *   relative to the list's folder.
 * - `-`: audio on standard input, once.
 * - anything else: an audio file, whether it exists or not: reading it says so, for its row alone. */
#ifndef TOOLS_COMMON_LIST_H
#define TOOLS_COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

#define TOOL_NO_COLUMN SIZE_MAX

typedef struct tool_row {
    const char *file;         /* as the user wrote it: what the output shows */
    const char *path;         /* what to open; "-" for standard input only */
    const char *list;         /* the list that holds the row, NULL for other inputs; for messages */
    size_t line;              /* its line there, from 1 */
    size_t source;            /* private */
    const char *const *cells; /* private: the list's own row; tool_list_value reads it */
} tool_row;

typedef struct tool_source tool_source;
typedef struct tool_list_store tool_list_store;

typedef struct tool_list {
    size_t row_count;
    tool_row *rows;
    size_t column_count; /* of all lists' other columns, each once, in the order of first appearance */
    const char **columns;
    tool_list_store *store; /* private: owns every string */
} tool_list;

/* Expands the inputs. ENG_E_USAGE when there are none or `-` stands twice; otherwise what is wrong with a folder (also
 * one without audio files) or a list (also one without rows), with its name and line. *out is the caller's to free. */
eng_status tool_list_load(char *const *inputs, size_t count, tool_list *out, eng_error *err);

void tool_list_free(tool_list *l);

/* The index of a kept column, by its exact name; TOOL_NO_COLUMN when no list has it. */
size_t tool_list_column(const tool_list *l, const char *name);

/* A row's value in a kept column; "" where its list has no such column, and for column TOOL_NO_COLUMN. */
const char *tool_list_value(const tool_list *l, size_t row, size_t column);

/* Whether two rows name the same recording. */
bool tool_list_same_file(const tool_list *l, size_t a, size_t b);

/* A file's name without folder and extension into out (size bytes, cut to fit): what tensors of features and of text
 * embeddings are named by. */
void tool_stem(const char *file, char *out, size_t size);

#endif
