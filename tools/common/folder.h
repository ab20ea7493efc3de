/* The files in a folder and those below it. */
#ifndef TOOLS_COMMON_FOLDER_H
#define TOOLS_COMMON_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/memory.h"

/* folder, of so many bytes, and name with one slash between them, in `strings`; NULL when out of memory. */
char *tool_folder_join(eng_arena *strings, const char *folder, size_t length, const char *name);

/* Gives every file whose name is wanted to `found`, in no order, with its path, which lies in `strings`. Names that begin with
 * '.' are skipped, and so are links to folders (as find does), so that none is met twice; links to files count as files, broken
 * ones, too: reading them says so. Errors: found's first; ENG_E_IO for a folder that cannot be read, ENG_E_MEMORY. */
eng_status tool_folder_walk(const char *folder, eng_arena *strings, bool (*wanted)(const char *name),
                            eng_status (*found)(void *arg, const char *path, eng_error *err), void *arg, eng_error *err);

#endif
