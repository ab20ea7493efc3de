/* What carries bytes between ranks: MPI (carrier_mpi.c), or nothing (carrier_single.c). One of the two is in a build. */
#ifndef ENGINE_RANKS_CARRIER_H
#define ENGINE_RANKS_CARRIER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

/* A block of bytes to or from a rank. Between two ranks, blocks arrive in the order in which both name them. */
typedef struct eng_message {
    size_t rank;
    void *data; /* [bytes], the caller's; not read or written by others until the transfer is done. Sent ones are read only */
    size_t bytes;
} eng_message;

/* Starts it; *self and *count are this rank and how many there are. */
eng_status eng_carrier_open(int *argc, char ***argv, size_t *self, size_t *count, eng_error *err);
void eng_carrier_close(void);

/* Ends every rank's process. */
_Noreturn void eng_carrier_abort(int status);

/* Blocks on their way. */
typedef struct eng_carrier_load eng_carrier_load;

/* Begins to send and to receive blocks of at least a byte, none of them to or from this rank. */
eng_status eng_carrier_begin(int tag, const eng_message *send, size_t sends, const eng_message *receive, size_t receives,
                         eng_carrier_load **out, eng_error *err);

/* Moves what can be moved. *moved: whether a block arrived or left since the last call. Error: what MPI reports. */
eng_status eng_carrier_test(eng_carrier_load *l, bool *done, bool *moved, eng_error *err);

/* A rank that a block is still to come from, or, when all have come, to go to. */
size_t eng_carrier_missing(const eng_carrier_load *l);

void eng_carrier_free(eng_carrier_load *l);

#endif
