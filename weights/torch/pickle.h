/* A restricted pickle reader (protocols 2 to 5; the opcodes are defined in CPython's Lib/pickletools.py). It builds
 * plain values, and descriptions of torch tensors and storages. It calls nothing: of a class or function that it does
 * not know it notes the name, and what is made from it is an object that can only be stepped over.
 *
 * Memory and time are bounded by the pickle's size: every opcode makes at most one object of 64 bytes, what the memo
 * repeats is shared, and the walks over the result count what they meet. */
#ifndef WEIGHTS_TORCH_PICKLE_H
#define WEIGHTS_TORCH_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "weights/doc.h"

typedef enum wts_pickle_kind {
    WTS_P_NONE,
    WTS_P_BOOL,
    WTS_P_INT,
    WTS_P_FLOAT, /* and integers beyond int64 */
    WTS_P_TEXT,
    WTS_P_BYTES,
    WTS_P_TUPLE,
    WTS_P_LIST,
    WTS_P_SET,
    WTS_P_DICT,
    WTS_P_GLOBAL,  /* a class or function by name */
    WTS_P_OBJECT,  /* made from a class or function that is not known here */
    WTS_P_STORAGE, /* torch: an array in a record of its own */
    WTS_P_TENSOR   /* torch: a view of a storage */
} wts_pickle_kind;

typedef struct wts_pickled wts_pickled;

struct wts_pickled {
    unsigned char kind;  /* wts_pickle_kind */
    bool converting;     /* for wts_pickle_convert */
    const void *convert; /* likewise */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct {
            const char *bytes; /* in the pickle; no NUL behind them */
            size_t length;
        } text; /* TEXT and BYTES */
        struct {
            wts_pickled **items; /* DICT: key, value, key, value... */
            size_t count, space;
        } list; /* TUPLE, LIST, SET, DICT */
        struct {
            const char *module, *name;
            size_t module_length, name_length;
        } global;
        struct {
            wts_pickled *maker; /* a GLOBAL or an OBJECT */
            wts_pickled *state; /* NULL without */
        } object;
        struct {
            wts_pickled *type; /* GLOBAL: torch.FloatStorage ... */
            wts_pickled *key;  /* TEXT: the record's name */
            size_t count;      /* elements; bytes when untyped */
        } storage;
        struct {
            wts_pickled *storage, *shape, *stride; /* STORAGE, TUPLE, TUPLE (of INT >= 0) */
            wts_pickled *dtype;                    /* GLOBAL torch.float32 ... where it is not the storage's; or NULL */
            size_t offset;                         /* elements */
        } tensor;
    } as;
};

/* Reads a pickle of size bytes (at most 64 MiB). The objects live in arena and point into data. name is for messages.
 */
eng_status wts_pickle_read(const char *name, const unsigned char *data, size_t size, eng_arena *arena,
                           wts_pickled **root, eng_error *err);

/* What maker(*args) gives: a known constructor's result, an OBJECT else. args is a TUPLE. Part of the reader. */
eng_status wts_pickle_construct(const char *name, eng_arena *arena, wts_pickled *maker, wts_pickled *args,
                                wts_pickled **out, eng_error *err);

/* A fresh object in arena, zero but for its kind; NULL when out of memory. */
wts_pickled *wts_pickle_new(eng_arena *arena, wts_pickle_kind kind);

bool wts_pickle_text_is(const wts_pickled *p, const char *text);
bool wts_pickle_global_is(const wts_pickled *p, const char *module, const char *name);

/* The value of a text key in a DICT; NULL when there is none. */
wts_pickled *wts_pickle_get(const wts_pickled *dict, const char *key);

/* Converts p into *out, in doc's arena. What has no JSON-like form (tensors, bytes, classes, objects without a dict of
 * attributes, text with a NUL, dict keys other than text and integers, the second round of a cycle) is left out of
 * dicts and null elsewhere. Members of the dict p whose value is skip are left out too (NULL: none). Errors: more than
 * 64 levels, more than 2^20 values when written out, a key that occurs twice. */
eng_status wts_pickle_convert(const char *name, wts_pickled *p, const wts_pickled *skip, wts_doc *doc, wts_value *out,
                              eng_error *err);

#endif
