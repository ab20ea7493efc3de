/* A file that is complete or absent: written as FILE.part and renamed at the end; a run that was killed leaves
 * FILE.part, which no two programs write at once. A link stays one: the file behind it is replaced. Standard output, and a path that exists and is no
 * regular file (/dev/null, a pipe), is written directly. */
#ifndef TOOLS_COMMON_PART_FILE_H
#define TOOLS_COMMON_PART_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

typedef struct tool_part_file {
    int fd; /* -1: not open */
    bool is_stdout;
    char *name;  /* for messages */
    char *final; /* what the file is renamed to, NULL when it is not */
    char *part;
} tool_part_file;

/* Finds the names alone, without touching a file: final and part are NULL for standard output and what is no regular
 * file. tool_part_file_abandon in any case. */
eng_status tool_part_file_name(tool_part_file *f, const char *path, eng_error *err);

/* path NULL or "-": standard output. ENG_E_IO when it cannot be written. tool_part_file_abandon, also where this fails,
 * or tool_part_file_close. */
eng_status tool_part_file_open(tool_part_file *f, const char *path, eng_error *err);

/* Goes on behind the first `keep` bytes of FILE.part, or, complete, of FILE, of which they are copied: FILE stays until the
 * end. ENG_E_USAGE for standard output and what is no regular file, ENG_E_IO also when there are fewer bytes. */
eng_status tool_part_file_continue(tool_part_file *f, const char *path, uint64_t keep, bool complete, eng_error *err);

/* In one write where the system takes it. ENG_E_IO when it cannot be written (disk full, pipe closed: without a
 * signal). */
eng_status tool_part_file_write(tool_part_file *f, const char *bytes, size_t size, eng_error *err);

/* Gives the file its name; frees what f holds in any case. ENG_E_IO when it could not be completed. */
eng_status tool_part_file_close(tool_part_file *f, eng_error *err);

/* Gives up: FILE.part stays. Once more is fine. */
void tool_part_file_abandon(tool_part_file *f);

#endif
