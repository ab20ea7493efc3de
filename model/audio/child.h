/* One child process that is given a file on standard input and nothing else, watched until it ends, its output taken as it
 * comes. */
#ifndef MODEL_AUDIO_CHILD_H
#define MODEL_AUDIO_CHILD_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { MDL_CHILD_COMPLAINTS = 4096 };

typedef struct mdl_child_program {
    const char *const *arguments; /* the program, found in PATH, and its arguments; a NULL at the end */
    int input;                    /* becomes its standard input; stays the caller's, who may close it once it runs */
    uint64_t most_output;         /* bytes; more is an error */
    double patience;              /* seconds without progress after which it is ended */
} mdl_child_program;

typedef struct mdl_child mdl_child;

/* Starts it. It has standard input, output and error and no other open file, no signal but SIGKILL reaches it, and it dies
 * with the thread that started it. ENG_E_MISSING: there is no such program. ENG_E_IO: it cannot be run. The first argument
 * must outlive it, the others not. Messages, here and below, do not say which file; the caller prefixes that. */
eng_status mdl_child_start(const mdl_child_program *program, mdl_child **out, eng_error *err);

/* What it has written to standard output, at least one byte and at most room >= 1; *got 0 when it has closed that. Progress
 * is a byte written to standard output, or one of a seekable input that was not read before: both have an end, and so has
 * it. ENG_E_IO: it cannot be read from, or made no progress while this waited. ENG_E_MEMORY: more than most_output. */
eng_status mdl_child_read(mdl_child *c, void *out, size_t room, size_t *got, eng_error *err);

/* Behind the end of its output: waits for its end, however that is. *exit_status is as a shell has it: 128 + the signal that
 * ended it. ENG_E_IO as in mdl_child_read. */
eng_status mdl_child_end(mdl_child *c, int *exit_status, eng_error *err);

/* The end of what it has written to standard error, a text of at most MDL_CHILD_COMPLAINTS characters; the caller may cut
 * it. Valid until c is closed. */
char *mdl_child_complaints(mdl_child *c);

/* Kills it, and what it started in its process group, where it still runs. NULL is fine. */
void mdl_child_close(mdl_child *c);

#endif
