/* What the parts of hostile share: files in memory, the set-ups that are damaged, and running the programs on them. */
#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATH_SIZE = 1024, MESSAGES = 1 << 16 };

typedef struct bytes {
    unsigned char *data; /* and a NUL behind it */
    size_t size;
} bytes;

/* A file to damage, and how it is used. */
typedef struct subject {
    const char *name;          /* of the set-up's folder */
    const char *victim;        /* the file in it */
    const char *model, *input; /* arguments of infer, relative to the folder */
    const char *statuses;      /* which infer may end with */
    const char *inspect;       /* and inspect, which looks at models; NULL: it does not */
    const char *named;         /* what a message holds: the file; "./" where another file of the model may be blamed */
    bool text;                 /* JSON or a table: damaged by values and characters as well as by bits */
    const char *precision;     /* the model was converted to it, or NULL */
    const char *made_for;      /* by which tier's kernels; NULL: the best */
    const char *run_on;        /* infer's tier */
} subject;

typedef struct session {
    const char *infer, *inspect, *convert, *tests;
    char folder[PATH_SIZE];
    uint64_t random;
    size_t passed, failed, cases;
} session;

/* How a program ended. */
typedef struct outcome {
    int status, signal;
    long resident_mb;
    size_t printed;          /* bytes of stdout */
    char messages[MESSAGES]; /* stderr */
} outcome;

/* Ends the program: what could not be done, and errno's reason. */
void give_up(const char *what);

/* size bytes that are not set; whole files; all give up on an error. The caller frees data. */
bytes new_bytes(size_t size);
bytes read_file(const char *path);
void write_file(const char *path, const void *data, size_t size);

/* splitmix64 */
uint64_t next_random(session *s);

/* From 0 to n - 1. */
size_t below(session *s, size_t n);

/* A copy with the bytes [at, at + old) replaced. */
bytes replaced(const bytes *from, size_t at, size_t old, const void *with, size_t size);

/* Where the JSON value at text[at] ends. */
size_t value_end(const bytes *text, size_t at);

/* Starts a program, arguments[0], in a folder and waits for its end, within time and memory. */
void run(const session *s, const char *folder, const char *const *arguments, outcome *o);

/* Runs everything on the damaged file and frees it. */
void try_file(session *s, const subject *on, const char *what, bytes damaged);

/* What can be wrong with a converted model alone (hostile_converted.c): file is model.safetensors or config.json. */
void damage_converted(session *s, const subject *on, const bytes *file);

#endif
