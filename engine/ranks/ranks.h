/* Ranks: the processes that run one job together, on one machine or on many, numbered from 0. With MPI in the build
 * (-Dmpi) they are the processes that mpirun or srun started; without it there is one, rank 0 of 1, and what is sent to
 * oneself is a copy.
 *
 * What moves is bytes: ranks are machines of one byte order, as clusters are. Every rank calls the collective functions in
 * the same order, from one thread; beside it another may begin and finish transfers of other tags.
 *
 * Failure. A job whose ranks have lost each other cannot go on: what was to be agreed on cannot be. So no function here
 * returns an error of the network. When a rank has sent nothing for as long as the job's patience says, or MPI reports a
 * failure, the job ends, with one line that names the rank and its host. What a rank finds wrong by itself is agreed on
 * (eng_ranks_agree), and every rank returns with the same error. */
#ifndef ENGINE_RANKS_RANKS_H
#define ENGINE_RANKS_RANKS_H

#include "engine/ranks/carrier.h"

typedef struct eng_ranks eng_ranks;

/* Joins the job. argc and argv: main's, for MPI to take its own options from. report gets the line that the job ends with
 * when it cannot go on, on the rank that ends it. Error: MPI that cannot start; a launcher that started several processes
 * of which this one sees only itself (srun without --mpi, another MPI's mpirun, a build without MPI), where each would do
 * the whole job. Once a process. */
eng_status eng_ranks_open(int *argc, char ***argv, void (*report)(const char *message), eng_ranks **out, eng_error *err);

/* How many processes a launcher says that it started, this one among them; 1: none says so. Before eng_ranks_open, too: one
 * that fails and does not join leaves the others waiting. */
size_t eng_ranks_launched(void);

/* Leaves the job; the others must be about to, too. NULL is fine. */
void eng_ranks_close(eng_ranks *r);

size_t eng_ranks_self(const eng_ranks *r);
size_t eng_ranks_count(const eng_ranks *r);

/* "rank 3 (node17)", with the name of its machine. */
const char *eng_ranks_name(const eng_ranks *r, size_t rank);

/* How long a rank may be silent while others wait for it, in seconds; 0: for ever. The same on all. At first 600. */
void eng_ranks_set_patience(eng_ranks *r, double seconds);

/* What the job is doing, for the line that a silence ends it with: "step 12". Copied, cut after 63 bytes. */
void eng_ranks_set_work(eng_ranks *r, const char *work);

/* ---- Point to point ---- */

typedef struct eng_transfer eng_transfer;

/* Begins to send and to receive; *out is done when all of it has happened. Blocks of 0 bytes are left out. tag: 0..1023,
 * which of several transfers under way this is, the same on both sides. Error: out of memory. */
eng_status eng_ranks_begin(eng_ranks *r, int tag, const eng_message *send, size_t sends, const eng_message *receive,
                           size_t receives, eng_transfer **out, eng_error *err);

/* Moves what can be moved; true, and frees t, when it is done. */
bool eng_ranks_test(eng_ranks *r, eng_transfer *t);

/* Waits until t is done and frees it. The CPU is left to others meanwhile. */
void eng_ranks_wait(eng_ranks *r, eng_transfer *t);

/* ---- All together ---- */

/* all [count * bytes]: every rank's block, by rank, on every rank. Error: out of memory. */
eng_status eng_ranks_gather(eng_ranks *r, const void *own, size_t bytes, void *all, eng_error *err);

/* The same with blocks of unequal size: bytes [count]; all: one after the other. */
eng_status eng_ranks_gather_unequal(eng_ranks *r, const void *own, const size_t *bytes, void *all, eng_error *err);

/* data [bytes] of rank root, on every rank. Error: out of memory. */
eng_status eng_ranks_broadcast(eng_ranks *r, size_t root, void *data, size_t bytes, eng_error *err);

/* ENG_OK when status is ENG_OK on every rank. Else the failure of the lowest rank that has one, *err on that rank, is
 * everyone's *err; its message begins with eng_ranks_name, unless all ranks failed with the same one: what every rank sees,
 * or what was agreed on before. */
eng_status eng_ranks_agree(eng_ranks *r, eng_status status, eng_error *err);

/* Where there are several ranks, ends the job from any point: reports message, with this rank's name before it, and ends
 * every rank, this one with exit status `status`. */
_Noreturn void eng_ranks_abort(eng_ranks *r, int status, const char *message);

/* Bytes that this rank has sent to others, since the last call. */
size_t eng_ranks_sent(eng_ranks *r);

#endif
