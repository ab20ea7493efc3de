/* Bytes in order: of a file, a pipe, what a program writes, or memory. A file is read where it lies; of what cannot be
 * read twice the beginning is held until it is released, so that a header can be read, another decoder tried, and what
 * stands behind the audio used for it. */
#ifndef MODEL_AUDIO_SOURCE_H
#define MODEL_AUDIO_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { MDL_SOURCE_HELD = 16 << 20 }; /* bytes of a pipe that are held at most */

/* Takes what there is, at least one byte and at most room; *got 0 at the end. */
typedef eng_status mdl_source_more(void *from, void *out, size_t room, size_t *got, eng_error *err);

typedef struct mdl_source {
    const char *name; /* for messages; the caller's */
    uint64_t size;    /* bytes in all; UINT64_MAX until the end of a pipe has been met */
    uint64_t at;      /* where the next read begins */
    int file;         /* a regular file, the caller's; -1: none */
    /* What is no file: */
    mdl_source_more *more;
    void *from;
    const unsigned char *bytes; /* the first `there` of them: memory, or what is held */
    size_t there;
    unsigned char *held;
    size_t room;
    uint64_t came; /* bytes that more gave */
    bool released;
} mdl_source;

/* name and what is read stay the caller's. A file has `size` bytes: what it grows by later is not read, and less is an
 * error. from and more: see mdl_source_more. */
void mdl_source_init_memory(mdl_source *s, const char *name, const void *bytes, size_t size);
void mdl_source_init_file(mdl_source *s, const char *name, int file, uint64_t size);
void mdl_source_init_pipe(mdl_source *s, const char *name, mdl_source_more *more, void *from);
void mdl_source_fini(mdl_source *s);

/* A more that reads from the descriptor *(int *)from, and waits where that does not. Its errors name no file. */
eng_status mdl_source_descriptor(void *from, void *out, size_t room, size_t *got, eng_error *err);

/* Reads on from a pipe until its first `end` bytes are held, or it ends: then size is known. Of others nothing is to be
 * held. ENG_E_FORMAT when that is more than MDL_SOURCE_HELD. */
eng_status mdl_source_reach(mdl_source *s, uint64_t end, eng_error *err);

/* Goes to a place, which may lie behind the end. Of a pipe only what is held can be gone back to. */
eng_status mdl_source_seek(mdl_source *s, uint64_t at, eng_error *err);

/* What there is, at least one byte and at most room >= 1; *got 0 at the end. ENG_E_IO when a file has shrunk. */
eng_status mdl_source_read(mdl_source *s, void *out, size_t room, size_t *got, eng_error *err);

/* As mdl_source_read, until there are `size` bytes or the end. */
eng_status mdl_source_take(mdl_source *s, void *out, size_t size, size_t *got, eng_error *err);

/* From now on a pipe is read without going back, and what was held is let go behind the reader. */
void mdl_source_release(mdl_source *s);

/* A pipe's bytes from the beginning to the end as a file without a name that can be read at any place: in memory as long
 * as they are few (MDL_SOURCE_HELD), then in TMPDIR (or /tmp). *file is the caller's to close. Not after a release. */
eng_status mdl_source_spool(mdl_source *s, int *file, eng_error *err);

#endif
