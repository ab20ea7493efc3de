/* MPI-3: the only file that knows it. Point-to-point messages alone: so that a silent rank has a name, whoever waits. */
#include <mpi.h>

#include "engine/context.h"
#include "engine/memory.h"
#include "engine/ranks/carrier.h"

/* MPI counts in int. */
enum { LARGEST = 1 << 30 };

struct eng_carrier_load {
    size_t count, left;
    MPI_Request *request; /* [count], first what is received */
    size_t *rank;         /* [count]; of a request that is done, it stays */
    int *index;           /* [count], MPI_Testsome's */
    MPI_Status *told;     /* [count], the same: for MPICH's MPI_STATUSES_IGNORE GCC warns of an address that it is not */
};

static eng_status failed(int code, const char *what, eng_error *err)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (code == MPI_SUCCESS) return ENG_OK;
    MPI_Error_string(code, text, &length);
    for (char *c = text; *c; c++)
        if (*c == '\n') *c = ' ';
    return eng_fail(err, ENG_E_IO, "%s: %s", what, text);
}

eng_status eng_carrier_open(int *argc, char ***argv, size_t *self, size_t *count, eng_error *err)
{
    int given, rank, ranks;
    eng_status status = failed(MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &given), "MPI_Init_thread", err);
    if (status) return status;
    if (given < MPI_THREAD_SERIALIZED) {
        MPI_Finalize();
        return eng_fail(err, ENG_E_UNSUPPORTED, "this MPI does not let threads take turns (MPI_THREAD_SERIALIZED)");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    *self = (size_t)rank;
    *count = (size_t)ranks;
    return ENG_OK;
}

void eng_carrier_close(void)
{
    MPI_Finalize();
}

_Noreturn void eng_carrier_abort(int status)
{
    MPI_Abort(MPI_COMM_WORLD, status);
    eng_abort(__FILE__, __LINE__, "MPI_Abort", "it returned");
}

static size_t pieces(const eng_message *m, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (m[i].bytes - 1) / LARGEST + 1;
    return sum;
}

static eng_status post(eng_carrier_load *l, int tag, const eng_message *m, bool receive, eng_error *err)
{
    for (size_t at = 0; at < m->bytes; at += LARGEST) {
        size_t left = m->bytes - at;
        int n = left < LARGEST ? (int)left : LARGEST, peer = (int)m->rank;
        char *data = (char *)m->data + at;
        MPI_Request *r = &l->request[l->count];
        eng_status status =
            receive ? failed(MPI_Irecv(data, n, MPI_BYTE, peer, tag, MPI_COMM_WORLD, r), "MPI_Irecv", err)
                    : failed(MPI_Isend(data, n, MPI_BYTE, peer, tag, MPI_COMM_WORLD, r), "MPI_Isend", err);
        if (status) return status;
        l->rank[l->count++] = m->rank;
        l->left++;
    }
    return ENG_OK;
}

eng_status eng_carrier_begin(int tag, const eng_message *send, size_t sends, const eng_message *receive, size_t receives,
                         eng_carrier_load **out, eng_error *err)
{
    size_t n = pieces(send, sends) + pieces(receive, receives);
    eng_carrier_load *l = eng_alloc_zero(1, sizeof *l);
    *out = l;
    if (l) {
        l->request = eng_alloc(n, sizeof *l->request);
        l->rank = eng_alloc(n, sizeof *l->rank);
        l->index = eng_alloc(n, sizeof *l->index);
        l->told = eng_alloc(n, sizeof *l->told);
    }
    if (!l || !l->request || !l->rank || !l->index || !l->told) {
        eng_carrier_free(l);
        *out = NULL;
        return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu messages", n);
    }
    eng_status status = ENG_OK;
    for (size_t i = 0; i < receives && !status; i++) status = post(l, tag, &receive[i], true, err);
    for (size_t i = 0; i < sends && !status; i++) status = post(l, tag, &send[i], false, err);
    return status;
}

eng_status eng_carrier_test(eng_carrier_load *l, bool *done, bool *moved, eng_error *err)
{
    int finished = 0;
    eng_status status = ENG_OK;
    if (l && l->left)
        status = failed(MPI_Testsome((int)l->count, l->request, &finished, l->index, l->told), "MPI_Testsome", err);
    *moved = !status && finished > 0;
    if (*moved) l->left -= (size_t)finished;
    *done = !l || l->left == 0;
    return status;
}

size_t eng_carrier_missing(const eng_carrier_load *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->request[i] != MPI_REQUEST_NULL) return l->rank[i];
    return 0;
}

void eng_carrier_free(eng_carrier_load *l)
{
    if (!l) return;
    eng_free(l->request);
    eng_free(l->rank);
    eng_free(l->index);
    eng_free(l->told);
    eng_free(l);
}
