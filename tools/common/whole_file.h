/* A file's bytes, all of them. */
#ifndef TOOLS_COMMON_WHOLE_FILE_H
#define TOOLS_COMMON_WHOLE_FILE_H

#include <stddef.h>

#include "engine/error.h"

/* Reads the file, or pipe, to its end: *text [*size] and a NUL behind it, the caller's for eng_free. most: bytes beyond which it
 * is refused (ENG_E_FORMAT); 0: none. ENG_E_MISSING, ENG_E_IO, ENG_E_MEMORY, with the file's name; *text is NULL then. */
eng_status tool_whole_file_read(const char *path, size_t most, char **text, size_t *size, eng_error *err);

#endif
