/* Errors of the outside world: files, weights, audio, memory. Libraries never print and never exit; a function that
 * can fail returns an eng_status and describes the failure in the caller's eng_error. */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

typedef enum eng_status {
    ENG_OK = 0,
    ENG_E_MEMORY,      /* allocation failed */
    ENG_E_IO,          /* open, read, write, map failed */
    ENG_E_FORMAT,      /* the bytes are not what the format allows */
    ENG_E_MISSING,     /* something required is not there */
    ENG_E_MISMATCH,    /* there, but of another shape, type or value than expected */
    ENG_E_UNSUPPORTED, /* valid, but not something this project does */
    ENG_E_USAGE,       /* the caller asked for something impossible */
    ENG_E_CANCELLED    /* the caller called it off */
} eng_status;

/* message: one line without a newline, for a person: which file or tensor, what was expected, what was found. */
typedef struct eng_error {
    eng_status status;
    char message[1024];
} eng_error;

/* Sets *err (which may be NULL) and returns status. Long messages are cut. */
eng_status eng_fail(eng_error *err, eng_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before err's message; returns err's status. */
eng_status eng_fail_prefix(eng_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
