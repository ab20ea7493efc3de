/* The pickle machine: the bytes that are read, a stack with marks, a memo. Opcodes (opcodes.c) work on it; what fails
 * is an error that names the pickle and the byte. */
#ifndef WEIGHTS_TORCH_MACHINE_H
#define WEIGHTS_TORCH_MACHINE_H

#include "weights/torch/pickle.h"

/* Begins with name, data, size, arena and err, the rest zero. */
typedef struct wts_machine {
    const char *name;
    const unsigned char *data;
    size_t size, at;
    eng_arena *arena; /* of the objects */
    wts_pickled **stack;
    size_t count, space;
    size_t *marks; /* heights of the stack */
    size_t mark_count, mark_space;
    wts_pickled **memo;
    size_t memo_space; /* entries never put are NULL */
    size_t memo_next;
    wts_pickled *result;
    eng_error *err;
} wts_machine;

/* Frees what grew: stack, marks and memo, but not the objects. */
void wts_machine_fini(wts_machine *m);

/* ENG_E_FORMAT: what is wrong at the byte that comes next. */
eng_status wts_machine_fail(wts_machine *m, const char *what);
eng_status wts_machine_fail_memory(wts_machine *m);
eng_status wts_machine_fail_short(wts_machine *m); /* the pickle ends inside an opcode */
eng_status wts_machine_fail_stack(wts_machine *m); /* an opcode finds too little there */

/* ---- Bytes ---- */

/* The next n bytes, or NULL when fewer are left. */
const unsigned char *wts_machine_take(wts_machine *m, size_t n);

/* A little-endian integer of n bytes (at most 8); false when fewer are left. */
bool wts_machine_take_uint(wts_machine *m, int n, uint64_t *out);

/* ---- Stack ---- */

/* p NULL: it could not be made for want of memory. */
eng_status wts_machine_push(wts_machine *m, wts_pickled *p);
eng_status wts_machine_push_new(wts_machine *m, wts_pickle_kind kind);

/* True when n objects lie above the last mark. */
bool wts_machine_has(const wts_machine *m, size_t n);

/* The last object, which must be there. */
wts_pickled *wts_machine_pop(wts_machine *m);

/* Marks the height of the stack. */
eng_status wts_machine_mark(wts_machine *m);

/* *first: the object on top of the last mark, which goes; the objects stay on the stack. False: there is no mark. */
bool wts_machine_take_mark(wts_machine *m, size_t *first);

/* The height of the stack at the last mark; 0 without one. */
size_t wts_machine_floor(const wts_machine *m);

/* ---- Memo ---- */

/* Notes the last object of the stack under that number, or pushes what was noted there. */
eng_status wts_machine_put(wts_machine *m, uint64_t at);
eng_status wts_machine_get(wts_machine *m, uint64_t at);

#endif
