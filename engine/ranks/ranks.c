#include "engine/ranks/ranks.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/memory.h"
#include "engine/ranks/carrier.h"

enum { HOST_BYTES = 64, WORK_BYTES = 64, NAME_BYTES = 96 };

/* The tag of what all do together; those of eng_ranks_begin lie below. */
enum { TAG_TOGETHER = 1024 };

/* Pauses between two looks at a transfer, in nanoseconds: short, then longer, so that a wait costs no CPU. */
enum { PAUSE_LEAST = 20000, PAUSE_MOST = 200000 };

/* Between the line that a job ends with and its end, in nanoseconds: MPICH's launcher drops what is still on its way. */
enum { FAREWELL = 300000000 };

/* A rank that has not looked for so long, in seconds, was itself stopped: the others' silence counts from then on. */
enum { ABSENCE = 1 };

/* On top of the patience, in seconds a rank: the lowest rank that waits speaks first and ends the job for all. */
enum { PATIENCE_STEP = 2 };

struct eng_ranks {
    size_t self, count;
    void (*report)(const char *message);
    char (*name)[NAME_BYTES]; /* [count] */
    double patience;
    pthread_mutex_t turn; /* the carrier serves one thread at a time */
    size_t sent;
    char work[WORK_BYTES];
};

struct eng_transfer {
    eng_carrier_load *load;
    double last;   /* when a block last came or went */
    double looked; /* when this rank last looked */
};

/* ---- Joining ---- */

/* How many processes a launcher says that it started. */
static size_t launched(const char **by)
{
    static const char *const variable[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof variable / sizeof *variable; i++) {
        const char *value = getenv(variable[i]);
        *by = variable[i];
        if (value && atol(value) > 1) return (size_t)atol(value);
    }
    return 1;
}

size_t eng_ranks_launched(void)
{
    const char *by;
    return launched(&by);
}

static eng_status name_all(eng_ranks *r, eng_error *err)
{
    char host[HOST_BYTES] = "";
    char(*all)[HOST_BYTES] = eng_alloc(r->count, sizeof *all);
    r->name = eng_alloc_zero(r->count, sizeof *r->name);
    eng_status status = all && r->name ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for %zu ranks", r->count);
    gethostname(host, sizeof host - 1);
    for (size_t i = 0; i < r->count && !status; i++) snprintf(r->name[i], NAME_BYTES, "rank %zu", i);
    if (!status) status = eng_ranks_gather(r, host, sizeof host, all, err);
    for (size_t i = 0; i < r->count && !status; i++) snprintf(r->name[i], NAME_BYTES, "rank %zu (%.63s)", i, all[i]);
    eng_free(all);
    return status;
}

eng_status eng_ranks_open(int *argc, char ***argv, void (*report)(const char *message), eng_ranks **out, eng_error *err)
{
    const char *by;
    eng_ranks *r = eng_alloc_zero(1, sizeof *r);
    *out = NULL;
    if (!r) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    *r = (eng_ranks){.report = report, .patience = 600};
    pthread_mutex_init(&r->turn, NULL);
    eng_ranks_set_work(r, "the start");
    eng_status status = eng_carrier_open(argc, argv, &r->self, &r->count, err);
    if (status) {
        eng_free(r);
        return status;
    }
    if (r->count == 1 && launched(&by) > 1)
        status = eng_fail(err, ENG_E_UNSUPPORTED, "%zu processes were started (%s), and this one sees itself alone: expected "
                          "a build with -Dmpi=enabled and the mpirun of its MPI, or srun --mpi=pmix or pmi2; processes "
                          "that have nothing to do with each other are started one by one", launched(&by), by);
    if (!status) status = name_all(r, err);
    if (status) {
        eng_ranks_close(r);
        return status;
    }
    *out = r;
    return ENG_OK;
}

void eng_ranks_close(eng_ranks *r)
{
    if (!r) return;
    eng_carrier_close();
    pthread_mutex_destroy(&r->turn);
    eng_free(r->name);
    eng_free(r);
}

size_t eng_ranks_self(const eng_ranks *r)
{
    return r->self;
}

size_t eng_ranks_count(const eng_ranks *r)
{
    return r->count;
}

const char *eng_ranks_name(const eng_ranks *r, size_t rank)
{
    return r->name[rank];
}

void eng_ranks_set_patience(eng_ranks *r, double seconds)
{
    r->patience = seconds;
}

void eng_ranks_set_work(eng_ranks *r, const char *work)
{
    snprintf(r->work, sizeof r->work, "%s", work);
}

size_t eng_ranks_sent(eng_ranks *r)
{
    pthread_mutex_lock(&r->turn);
    size_t sent = r->sent;
    r->sent = 0;
    pthread_mutex_unlock(&r->turn);
    return sent;
}

/* ---- Failure ---- */

static _Noreturn void end(eng_ranks *r, int status, const char *message)
{
    const struct timespec pause = {0, FAREWELL};
    r->report(message);
    nanosleep(&pause, NULL);
    eng_carrier_abort(status);
}

_Noreturn void eng_ranks_abort(eng_ranks *r, int status, const char *message)
{
    char line[2048];
    snprintf(line, sizeof line, "%s: %s", r->name[r->self], message);
    end(r, status, line);
}

enum { EXIT_LOST = 3 };

static void check_patience(eng_ranks *r, const eng_transfer *t)
{
    const double silence = t->looked - t->last;
    if (r->patience <= 0 || silence < r->patience + PATIENCE_STEP * (double)r->self) return;
    char line[512];
    snprintf(line, sizeof line, "%s has sent nothing for %.0f s, in %s: the job is ended (what was saved before is intact)",
             r->name[eng_carrier_missing(t->load)], silence, r->work);
    end(r, EXIT_LOST, line);
}

/* ---- Point to point ---- */

/* The blocks that go to others; those to this rank itself are copied, the first sent to the first received. */
static size_t for_others(const eng_ranks *r, const eng_message *m, size_t n, eng_message *others)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (m[i].rank != r->self && m[i].bytes) others[count++] = m[i];
    return count;
}

static void copy_own(const eng_ranks *r, const eng_message *send, size_t sends, const eng_message *receive,
                     size_t receives)
{
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < sends && send[i].rank != r->self) i++;
        while (j < receives && receive[j].rank != r->self) j++;
        if (i >= sends || j >= receives) return;
        if (send[i].bytes) memmove(receive[j].data, send[i].data, send[i].bytes);
    }
}

eng_status eng_ranks_begin(eng_ranks *r, int tag, const eng_message *send, size_t sends, const eng_message *receive,
                           size_t receives, eng_transfer **out, eng_error *err)
{
    eng_transfer *t = eng_alloc_zero(1, sizeof *t);
    eng_message *others = eng_alloc(sends + receives, sizeof *others);
    *out = NULL;
    if (!t || !others) {
        eng_free(t);
        eng_free(others);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu messages", sends + receives);
    }
    size_t out_count = for_others(r, send, sends, others);
    size_t in_count = for_others(r, receive, receives, others + out_count);
    copy_own(r, send, sends, receive, receives);
    pthread_mutex_lock(&r->turn);
    for (size_t i = 0; i < out_count; i++) r->sent += others[i].bytes;
    eng_status status = eng_carrier_begin(tag, others, out_count, others + out_count, in_count, &t->load, err);
    pthread_mutex_unlock(&r->turn);
    eng_free(others);
    if (status == ENG_E_IO) eng_ranks_abort(r, EXIT_LOST, err->message);
    if (status) {
        eng_free(t);
        return status;
    }
    t->last = t->looked = eng_now();
    *out = t;
    return ENG_OK;
}

bool eng_ranks_test(eng_ranks *r, eng_transfer *t)
{
    bool done, moved;
    eng_error err = {0};
    pthread_mutex_lock(&r->turn);
    eng_status status = eng_carrier_test(t->load, &done, &moved, &err);
    pthread_mutex_unlock(&r->turn);
    if (status) {
        eng_fail_prefix(&err, "%s cannot be reached, in %s", r->name[eng_carrier_missing(t->load)], r->work);
        eng_ranks_abort(r, EXIT_LOST, err.message);
    }
    const double before = t->looked;
    t->looked = eng_now();
    if (moved) t->last = t->looked;
    else if (t->looked - before > ABSENCE) t->last += t->looked - before;
    if (!done) {
        check_patience(r, t);
        return false;
    }
    eng_carrier_free(t->load);
    eng_free(t);
    return true;
}

void eng_ranks_wait(eng_ranks *r, eng_transfer *t)
{
    if (eng_ranks_test(r, t)) return;
    struct timespec pause = {0, PAUSE_LEAST};
    do {
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < PAUSE_MOST) pause.tv_nsec += pause.tv_nsec / 4;
    } while (!eng_ranks_test(r, t));
}

/* ---- All together ---- */

static eng_status swap(eng_ranks *r, const eng_message *send, size_t sends, const eng_message *receive, size_t receives,
                       eng_error *err)
{
    eng_transfer *t;
    eng_status status = eng_ranks_begin(r, TAG_TOGETHER, send, sends, receive, receives, &t, err);
    if (!status) eng_ranks_wait(r, t);
    return status;
}

/* Every rank to every other: few bytes, and whoever is silent is seen by all. bytes_of NULL: `bytes` each. */
static eng_status gather(eng_ranks *r, const void *own, size_t bytes, const size_t *bytes_of, void *all, eng_error *err)
{
    eng_message *m = eng_alloc(2 * r->count, sizeof *m);
    if (!m) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu ranks", r->count);
    size_t at = 0;
    void *sent;
    memcpy(&sent, &own, sizeof sent); /* which is only read */
    for (size_t i = 0; i < r->count; i++) {
        size_t n = bytes_of ? bytes_of[i] : bytes;
        m[i] = (eng_message){i, sent, bytes_of ? bytes_of[r->self] : bytes};
        m[r->count + i] = (eng_message){i, (char *)all + at, n};
        at += n;
    }
    eng_status status = swap(r, m, r->count, m + r->count, r->count, err);
    eng_free(m);
    return status;
}

eng_status eng_ranks_gather(eng_ranks *r, const void *own, size_t bytes, void *all, eng_error *err)
{
    return gather(r, own, bytes, NULL, all, err);
}

eng_status eng_ranks_gather_unequal(eng_ranks *r, const void *own, const size_t *bytes, void *all, eng_error *err)
{
    return gather(r, own, 0, bytes, all, err);
}

eng_status eng_ranks_broadcast(eng_ranks *r, size_t root, void *data, size_t bytes, eng_error *err)
{
    if (r->count == 1) return ENG_OK;
    if (r->self != root) return swap(r, NULL, 0, &(eng_message){root, data, bytes}, 1, err);
    eng_message *m = eng_alloc(r->count, sizeof *m);
    if (!m) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu ranks", r->count);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        if (i != root) m[n++] = (eng_message){i, data, bytes};
    eng_status status = swap(r, m, n, NULL, 0, err);
    eng_free(m);
    return status;
}

/* What a rank brings to an agreement: its failure, and its message in a number (FNV-1a). */
typedef struct verdict {
    uint64_t message;
    uint64_t status; /* as wide, so that no byte is left undefined */
} verdict;

static verdict judge(const eng_error *own)
{
    verdict v = {14695981039346656037u, (uint64_t)own->status};
    for (const char *c = own->message; *c; c++) v.message = (v.message ^ (unsigned char)*c) * 1099511628211u;
    return v;
}

eng_status eng_ranks_agree(eng_ranks *r, eng_status status, eng_error *err)
{
    if (r->count == 1) return status;
    eng_error own = {0};
    if (status && err) own = *err;
    own.status = status;
    const verdict mine = judge(&own);
    verdict *all = eng_alloc(r->count, sizeof *all);
    if (!all || eng_ranks_gather(r, &mine, sizeof mine, all, NULL)) eng_ranks_abort(r, EXIT_LOST, "out of memory");
    size_t first = 0, alike = 0;
    while (first < r->count && !all[first].status) first++;
    for (size_t i = 0; i < r->count; i++) alike += memcmp(&all[i], &all[0], sizeof *all) == 0;
    eng_free(all);
    if (first == r->count) return ENG_OK;
    if (first == r->self && alike < r->count) eng_fail_prefix(&own, "%s", r->name[first]);
    if (eng_ranks_broadcast(r, first, &own, sizeof own, NULL)) eng_ranks_abort(r, EXIT_LOST, "out of memory");
    if (err) *err = own;
    return own.status;
}
