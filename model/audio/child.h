/* One child process that is given a file on standard input and nothing else, watched until it ends. */
#ifndef MODEL_AUDIO_CHILD_H
#define MODEL_AUDIO_CHILD_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { MDL_CHILD_COMPLAINTS = 4096 };

typedef struct mdl_child {
    const char *const *arguments; /* the program, found in PATH, and its arguments; a NULL at the end */
    int input;                    /* becomes its standard input; stays the caller's */
    uint64_t most_output;         /* bytes; more is an error */
    double patience;              /* seconds without progress after which it is ended */
} mdl_child;

typedef struct mdl_child_result {
    unsigned char *output; /* what it wrote to standard output; free with eng_free */
    size_t size;
    char complaints[MDL_CHILD_COMPLAINTS + 1]; /* the end of what it wrote to standard error; a text */
    int exit_status;                           /* as a shell has it: 128 + the signal that ended it */
} mdl_child_result;

/* Runs it to its end, and returns ENG_OK however it ended: exit_status tells. It has standard input, output and error
 * and no other open file, no signal but SIGKILL reaches it, and it dies with the calling thread. Progress is a byte
 * written to standard output, or one of a seekable input that was not read before: both have an end, and so has it.
 * ENG_E_MISSING: there is no such program. ENG_E_IO: it cannot be run or read from, or made no progress; it and what it
 * started in its process group have been killed. ENG_E_MEMORY: no memory for its output, or more than most_output.
 * On failure *out holds nothing. Messages do not say which file; the caller prefixes that. */
eng_status mdl_child_run(const mdl_child *child, mdl_child_result *out, eng_error *err);

#endif
