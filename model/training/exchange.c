#include "model/training/exchange.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/memory.h"
#include "model/training/shard_sum.h"

/* Blocks that are on their way at once: one is packed or added while another travels. */
enum { SLOTS = 2 };

typedef enum job_kind {
    JOB_SUM,   /* gradients to their owners */
    JOB_GIVE,  /* what a step added, or the new weights, from them */
    JOB_SHARE  /* data, as they are */
} job_kind;

typedef struct job {
    job_kind kind;
    size_t block;
} job;

typedef struct slot {
    job job;
    eng_transfer *transfer;
    char *send, *receive;
    float *scratch;
    eng_message *message; /* [2 * ranks] */
} slot;

struct mdl_exchange {
    mdl_exchange_options o;
    const mdl_params *params;
    kern_table k;
    size_t self, ranks;
    mdl_division division;
    mdl_span *own;
    mdl_shard_sum sum;
    size_t *own_at; /* [blocks + 1]: where a block's own span begins among all own elements */
    float *kept;    /* [own elements]: with bf16 */
    uint16_t *step; /* [own elements]: with bf16 */
    mdl_watch watch;
    bool sends;     /* in this backward pass */
    double waited;

    /* The thread's. Under `lock`: jobs are numbered from 1 as they are posted, and done in that order. */
    bool threaded, quit;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    job *queue; /* [capacity], a ring */
    size_t capacity, posted, done;
    size_t *given;   /* [blocks]: the job that brings a block's weights */
    bool *sent_off;  /* [blocks]: of this step's gradients */
    slot slot[SLOTS];
};

static mdl_span span_of(const mdl_exchange *x, size_t block, size_t rank)
{
    const size_t each = x->o.shards / x->ranks;
    return mdl_division_span(&x->division, block, rank * each, (rank + 1) * each);
}

/* ---- Gradients to their owners ---- */

/* A rank's nodes that have a value; nodes may be NULL. */
static size_t forest(const mdl_exchange *x, size_t rank, mdl_node *nodes)
{
    const size_t each = x->o.shards / x->ranks;
    mdl_node all[MDL_FOREST_MOST];
    size_t n = mdl_node_forest(x->o.shards, rank * each, (rank + 1) * each, all), count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mdl_shard_sum_has(&x->sum, all[i])) continue;
        if (nodes) nodes[count] = all[i];
        count++;
    }
    return count;
}

static size_t element_bytes(const mdl_exchange *x, job_kind kind)
{
    return x->o.bf16 && kind != JOB_SHARE ? sizeof(uint16_t) : sizeof(float);
}

/* The value of a node over a span of a block, to out in the form in which it is sent. */
static char *pack_node(const mdl_exchange *x, slot *s, mdl_node node, mdl_span span, char *out)
{
    float *read = s->scratch + mdl_shard_sum_scratch(&x->sum);
    for (size_t at = span.first, end = span.first + span.count; at < end;) {
        mdl_run run = mdl_division_run(&x->division, s->job.block, at, end);
        if (run.count > MDL_READ_MOST) run.count = MDL_READ_MOST;
        mdl_shard_sum_read(&x->sum, node, at, run, NULL, s->scratch, read);
        if (x->o.bf16) x->k.f32_to_bf16(run.count, read, (uint16_t *)(void *)out);
        else memcpy(out, read, run.count * sizeof *read);
        out += run.count * element_bytes(x, JOB_SUM);
        at += run.count;
    }
    return out;
}

static void start_sum(mdl_exchange *x, slot *s, size_t *sends, size_t *receives)
{
    mdl_node nodes[MDL_FOREST_MOST];
    const size_t own_nodes = forest(x, x->self, nodes), bytes = element_bytes(x, JOB_SUM);
    const mdl_span own = span_of(x, s->job.block, x->self);
    char *out = s->send, *in = s->receive;
    for (size_t i = 1; i < x->ranks; i++) { /* from the next one on, so that not all begin with the same */
        const size_t rank = (x->self + i) % x->ranks;
        const mdl_span span = span_of(x, s->job.block, rank);
        eng_message *m = &s->message[(*sends)++];
        *m = (eng_message){rank, out, own_nodes * span.count * bytes};
        for (size_t j = 0; j < own_nodes; j++) out = pack_node(x, s, nodes[j], span, out);
    }
    for (size_t rank = 0; rank < x->ranks; rank++) { /* in the order of mdl_shard_sum_expect */
        if (rank == x->self) continue;
        eng_message *m = &s->message[x->ranks + (*receives)++];
        *m = (eng_message){rank, in, forest(x, rank, NULL) * own.count * bytes};
        in += m->bytes;
    }
}

static void finish_sum(mdl_exchange *x, slot *s)
{
    const mdl_span own = span_of(x, s->job.block, x->self);
    const mdl_node root = {0, x->o.shards};
    mdl_received received = {.span = own};
    if (x->o.bf16) received.bf16 = (const uint16_t *)(const void *)s->receive;
    else received.f32 = (const float *)(const void *)s->receive;
    float *read = s->scratch + mdl_shard_sum_scratch(&x->sum);
    for (size_t at = own.first, end = own.first + own.count; at < end;) {
        mdl_run run = mdl_division_run(&x->division, s->job.block, at, end);
        if (run.count > MDL_READ_MOST) run.count = MDL_READ_MOST;
        mdl_shard_sum_read(&x->sum, root, at, run, &received, s->scratch, read);
        memcpy(x->params->param[run.param].grad + run.first, read, run.count * sizeof *read);
        at += run.count;
    }
}

/* ---- Weights from their owners ---- */

static void start_give(mdl_exchange *x, slot *s, size_t *sends, size_t *receives)
{
    const size_t block = s->job.block, bytes = element_bytes(x, s->job.kind);
    const mdl_span own = span_of(x, block, x->self);
    char *out = s->send, *in = s->receive;
    if (bytes == sizeof *x->step) {
        memcpy(out, x->step + x->own_at[block], own.count * bytes);
    } else {
        for (size_t at = own.first, end = own.first + own.count; at < end;) {
            const mdl_run run = mdl_division_run(&x->division, block, at, end);
            memcpy(out + (at - own.first) * bytes, x->params->param[run.param].data + run.first, run.count * bytes);
            at += run.count;
        }
    }
    for (size_t i = 1; i < x->ranks; i++)
        s->message[(*sends)++] = (eng_message){(x->self + i) % x->ranks, out, own.count * bytes};
    for (size_t rank = 0; rank < x->ranks; rank++) {
        if (rank == x->self) continue;
        eng_message *m = &s->message[x->ranks + (*receives)++];
        *m = (eng_message){rank, in, span_of(x, block, rank).count * bytes};
        in += m->bytes;
    }
}

/* w + step, for what a step added in bf16. */
static void add_step(const mdl_exchange *x, size_t n, const uint16_t *step, float *w)
{
    float wide[MDL_READ_MOST];
    x->k.bf16_to_f32(n, step, wide);
    x->k.add_f32(n, w, wide, w);
}

static void finish_give(mdl_exchange *x, slot *s)
{
    const size_t block = s->job.block, bytes = element_bytes(x, s->job.kind);
    const char *in = s->receive;
    for (size_t rank = 0; rank < x->ranks; rank++) {
        const mdl_span span = rank == x->self ? (mdl_span){0} : span_of(x, block, rank);
        for (size_t at = span.first, end = span.first + span.count; at < end;) {
            mdl_run run = mdl_division_run(&x->division, block, at, end);
            if (run.count > MDL_READ_MOST) run.count = MDL_READ_MOST;
            float *w = x->params->param[run.param].data + run.first;
            if (bytes == sizeof(uint16_t)) add_step(x, run.count, (const uint16_t *)(const void *)in, w);
            else memcpy(w, in, run.count * bytes);
            in += run.count * bytes;
            at += run.count;
        }
    }
}

/* ---- The thread ---- */

static void start(mdl_exchange *x, slot *s)
{
    size_t sends = 0, receives = 0;
    eng_error err = {0};
    if (s->job.kind == JOB_SUM) start_sum(x, s, &sends, &receives);
    else start_give(x, s, &sends, &receives);
    if (eng_ranks_begin(x->o.ranks, (int)s->job.block, s->message, sends, s->message + x->ranks, receives, &s->transfer,
                        &err))
        eng_ranks_abort(x->o.ranks, 3, err.message);
}

static void finish(mdl_exchange *x, slot *s)
{
    eng_ranks_wait(x->o.ranks, s->transfer);
    if (s->job.kind == JOB_SUM) finish_sum(x, s);
    else finish_give(x, s);
}

static void *work(void *arg)
{
    mdl_exchange *x = arg;
    size_t started = 0;
    eng_thread_untie();
    pthread_mutex_lock(&x->lock);
    for (;;) {
        while (!x->quit && x->done == x->posted) pthread_cond_wait(&x->changed, &x->lock);
        if (x->done == x->posted) break;
        if (started < x->posted && started < x->done + SLOTS) {
            slot *s = &x->slot[started % SLOTS];
            s->job = x->queue[started++ % x->capacity];
            pthread_mutex_unlock(&x->lock);
            start(x, s);
        } else {
            slot *s = &x->slot[x->done % SLOTS];
            pthread_mutex_unlock(&x->lock);
            finish(x, s);
            pthread_mutex_lock(&x->lock);
            x->done++;
            pthread_cond_broadcast(&x->changed);
            continue;
        }
        pthread_mutex_lock(&x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

static size_t post(mdl_exchange *x, job_kind kind, size_t block)
{
    pthread_mutex_lock(&x->lock);
    x->queue[x->posted++ % x->capacity] = (job){kind, block};
    size_t number = x->posted;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return number;
}

static void await(mdl_exchange *x, size_t number)
{
    pthread_mutex_lock(&x->lock);
    if (x->done < number) {
        double begun = eng_now();
        while (x->done < number) pthread_cond_wait(&x->changed, &x->lock);
        x->waited += eng_now() - begun;
    }
    pthread_mutex_unlock(&x->lock);
}

static eng_status start_thread(mdl_exchange *x, eng_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int code = pthread_create(&x->thread, NULL, work, x);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    x->threaded = code == 0;
    return code ? eng_fail(err, ENG_E_MEMORY, "cannot start a thread: %s", strerror(code)) : ENG_OK;
}

/* ---- Making it ---- */

/* The most nodes that ranks send: for each of its forest's. */
static size_t most_nodes(const mdl_exchange *x, size_t rank)
{
    const size_t each = x->o.shards / x->ranks;
    return mdl_node_forest(x->o.shards, rank * each, (rank + 1) * each, NULL);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Slots for the largest block, whatever travels: values of nodes, or data as they are. */
static eng_status make_slots(mdl_exchange *x, eng_error *err)
{
    const size_t bytes = element_bytes(x, JOB_SUM), whole = element_bytes(x, JOB_SHARE);
    size_t send = 0, receive = 0, from_others = 0;
    for (size_t rank = 0; rank < x->ranks; rank++)
        if (rank != x->self) from_others += most_nodes(x, rank);
    for (size_t b = 0; b < x->division.blocks; b++) {
        const size_t own = span_of(x, b, x->self).count;
        const size_t others = mdl_division_span(&x->division, b, 0, x->o.shards).count - own;
        send = larger(send, larger(others * most_nodes(x, x->self) * bytes, own * whole));
        receive = larger(receive, larger(own * from_others * bytes, others * whole));
    }
    for (size_t i = 0; i < SLOTS; i++) {
        slot *s = &x->slot[i];
        s->send = eng_alloc_zero(send, 1);
        s->receive = eng_alloc_zero(receive, 1);
        s->scratch = eng_alloc_zero(mdl_shard_sum_scratch(&x->sum) + MDL_READ_MOST, sizeof *s->scratch);
        s->message = eng_alloc_zero(2 * x->ranks, sizeof *s->message);
        if (!s->send || !s->receive || !s->scratch || !s->message)
            return eng_fail(err, ENG_E_MEMORY, "out of memory for the exchange of gradients");
    }
    return ENG_OK;
}

static eng_status make(mdl_exchange *x, size_t layers, eng_error *err)
{
    const size_t each = x->o.shards / x->ranks, first = x->self * each, end = first + each;
    eng_status status = mdl_division_init(&x->division, x->params, layers, x->o.shards, err);
    if (status) return status;
    const size_t blocks = x->division.blocks;
    status = mdl_shard_sum_init(&x->sum, x->params, &x->division, &x->k, x->o.bf16, x->o.shards, first, end, err);
    if (status) return status;
    x->capacity = 4 * blocks;
    x->own = eng_alloc_zero(x->params->count, sizeof *x->own);
    x->own_at = eng_alloc_zero(blocks + 1, sizeof *x->own_at);
    x->queue = eng_alloc_zero(x->capacity, sizeof *x->queue);
    x->given = eng_alloc_zero(blocks, sizeof *x->given);
    x->sent_off = eng_alloc_zero(blocks, sizeof *x->sent_off);
    if (!x->own || !x->own_at || !x->queue || !x->given || !x->sent_off) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    mdl_division_own(&x->division, first, end, x->own);
    for (size_t b = 0; b < blocks; b++) x->own_at[b + 1] = x->own_at[b] + span_of(x, b, x->self).count;
    if (x->o.bf16) {
        x->kept = eng_alloc_zero(x->own_at[blocks], sizeof *x->kept);
        x->step = eng_alloc_zero(x->own_at[blocks], sizeof *x->step);
        if (!x->kept || !x->step) return eng_fail(err, ENG_E_MEMORY, "out of memory for the exchange of gradients");
    }
    if (x->ranks == 1) return ENG_OK;
    status = make_slots(x, err);
    return status ? status : start_thread(x, err);
}

static void before(void *arg, size_t block)
{
    mdl_exchange *x = arg;
    if (x->ranks > 1) await(x, x->given[block]);
}

static void after(void *arg, size_t block)
{
    mdl_exchange *x = arg;
    if (!x->sends || x->sent_off[block]) return;
    x->sent_off[block] = true;
    post(x, JOB_SUM, block);
}

eng_status mdl_exchange_new(const mdl_exchange_options *o, const mdl_params *params, size_t layers, const kern_table *k,
                            mdl_exchange **out, eng_error *err)
{
    *out = NULL;
    const size_t ranks = eng_ranks_count(o->ranks);
    if (o->shards == 0 || o->shards % ranks)
        return eng_fail(err, ENG_E_USAGE, "%zu shards on %zu ranks: expected a multiple, so that each has as many", o->shards,
                        ranks);
    mdl_exchange *x = eng_alloc_zero(1, sizeof *x);
    if (!x) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    *x = (mdl_exchange){.o = *o, .params = params, .k = *k, .self = eng_ranks_self(o->ranks), .ranks = ranks};
    x->watch = (mdl_watch){before, after, x};
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    eng_status status = make(x, layers, err);
    if (status) mdl_exchange_free(x);
    else *out = x;
    return status;
}

void mdl_exchange_free(mdl_exchange *x)
{
    if (!x) return;
    if (x->threaded) {
        pthread_mutex_lock(&x->lock);
        x->quit = true;
        pthread_cond_broadcast(&x->changed);
        pthread_mutex_unlock(&x->lock);
        pthread_join(x->thread, NULL);
    }
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    for (size_t i = 0; i < SLOTS; i++) {
        eng_free(x->slot[i].send);
        eng_free(x->slot[i].receive);
        eng_free(x->slot[i].scratch);
        eng_free(x->slot[i].message);
    }
    mdl_shard_sum_fini(&x->sum);
    mdl_division_fini(&x->division);
    eng_free(x->own);
    eng_free(x->own_at);
    eng_free(x->kept);
    eng_free(x->step);
    eng_free(x->queue);
    eng_free(x->given);
    eng_free(x->sent_off);
    eng_free(x);
}

void mdl_exchange_shards(const mdl_exchange *x, size_t *first, size_t *end)
{
    *first = x->sum.first;
    *end = x->sum.end;
}

const mdl_division *mdl_exchange_division(const mdl_exchange *x)
{
    return &x->division;
}

const mdl_span *mdl_exchange_own(const mdl_exchange *x)
{
    return x->own;
}

double mdl_exchange_waited(mdl_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    double waited = x->waited;
    x->waited = 0;
    pthread_mutex_unlock(&x->lock);
    return waited;
}

/* ---- A step ---- */

void mdl_exchange_begin(mdl_exchange *x, const bool *present)
{
    mdl_shard_sum_begin(&x->sum, present);
    x->sends = false;
    memset(x->sent_off, 0, x->division.blocks * sizeof *x->sent_off);
    mdl_node nodes[MDL_FOREST_MOST];
    for (size_t rank = 0, index = 0; rank < x->ranks; rank++) {
        if (rank == x->self) continue;
        const size_t n = forest(x, rank, nodes);
        for (size_t i = 0; i < n; i++) mdl_shard_sum_expect(&x->sum, nodes[i], index++);
    }
}

const mdl_watch *mdl_exchange_watch(mdl_exchange *x, size_t shard, bool last_batch)
{
    x->sends = x->ranks > 1 && !x->o.one_by_one && last_batch && shard == x->sum.last;
    return &x->watch;
}

void mdl_exchange_take(mdl_exchange *x, eng_context *ctx, size_t shard)
{
    mdl_shard_sum_take(&x->sum, ctx, shard);
}

void mdl_exchange_sum(mdl_exchange *x, eng_context *ctx)
{
    if (x->ranks == 1) {
        mdl_shard_sum_finish(&x->sum, ctx);
        return;
    }
    x->sends = true;
    for (size_t b = x->division.blocks; b-- > 0;) after(x, b); /* those that were not sent yet */
    x->sends = false;
    await(x, x->posted);
}

typedef struct norm_pass {
    const mdl_exchange *x;
    size_t block, first; /* the first piece of its own */
    double *squares;
} norm_pass;

static void norm_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const norm_pass *p = arg;
    const size_t *piece = &p->x->division.block[p->block].piece[p->first + task];
    const mdl_run run = mdl_division_run(&p->x->division, p->block, piece[0], piece[1]);
    p->squares[task] = p->x->k.sum_squares_f32(run.count, p->x->params->param[run.param].grad + run.first);
}

/* How many pieces of a block a rank owns, and the first of them. */
static size_t own_pieces(const mdl_exchange *x, size_t block, size_t rank, size_t *first)
{
    const size_t each = x->o.shards / x->ranks, pieces = x->division.block[block].pieces;
    *first = pieces * (rank * each) / x->o.shards;
    return pieces * ((rank + 1) * each) / x->o.shards - *first;
}

double mdl_exchange_norm(mdl_exchange *x, eng_context *ctx)
{
    const size_t blocks = x->division.blocks;
    size_t all_pieces = 0, first;
    for (size_t b = 0; b < blocks; b++) all_pieces += x->division.block[b].pieces;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    double *own = eng_arena_alloc(ctx->arena, all_pieces, sizeof *own), *all = eng_arena_alloc(ctx->arena, all_pieces, sizeof *all);
    size_t *bytes = eng_arena_alloc(ctx->arena, x->ranks, sizeof *bytes), *at = eng_arena_alloc(ctx->arena, x->ranks, sizeof *at);
    if (!own || !all || !bytes || !at) {
        eng_out_of_memory(ctx, "the gradient's norm", 2 * all_pieces * sizeof *own);
        return NAN;
    }
    for (size_t b = 0, n = 0; b < blocks; b++) {
        norm_pass p = {.x = x, .block = b, .squares = own + n};
        const size_t count = own_pieces(x, b, x->self, &p.first);
        eng_pool_run(ctx->pool, count, norm_task, &p);
        n += count;
    }
    for (size_t rank = 0, n = 0; rank < x->ranks; rank++) {
        bytes[rank] = 0;
        for (size_t b = 0; b < blocks; b++) bytes[rank] += own_pieces(x, b, rank, &first) * sizeof *own;
        at[rank] = n / sizeof *own;
        n += bytes[rank];
    }
    const double begun = eng_now();
    if (eng_ranks_gather_unequal(x->o.ranks, own, bytes, all, &ctx->error)) return NAN;
    if (x->ranks > 1) x->waited += eng_now() - begun;
    double sum = 0;
    for (size_t b = 0; b < blocks; b++)
        for (size_t rank = 0; rank < x->ranks; rank++)
            for (size_t n = own_pieces(x, b, rank, &first); n > 0; n--) sum += all[at[rank]++];
    eng_arena_rewind(ctx->arena, mark);
    return sqrt(sum);
}

/* Calls fn for the runs of own elements, MDL_READ_MOST at most; index: among all own elements. */
static void each_own_run(mdl_exchange *x, void (*fn)(mdl_exchange *x, mdl_run run, size_t index))
{
    for (size_t b = 0; b < x->division.blocks; b++) {
        const mdl_span own = span_of(x, b, x->self);
        for (size_t at = own.first, end = own.first + own.count; at < end;) {
            mdl_run run = mdl_division_run(&x->division, b, at, end);
            if (run.count > MDL_READ_MOST) run.count = MDL_READ_MOST;
            fn(x, run, x->own_at[b] + at - own.first);
            at += run.count;
        }
    }
}

static void keep_run(mdl_exchange *x, mdl_run run, size_t index)
{
    memcpy(x->kept + index, x->params->param[run.param].data + run.first, run.count * sizeof *x->kept);
}

void mdl_exchange_keep(mdl_exchange *x)
{
    if (x->o.bf16) each_own_run(x, keep_run);
}

static void round_run(mdl_exchange *x, mdl_run run, size_t index)
{
    float *w = x->params->param[run.param].data + run.first, *before_it = x->kept + index, step[MDL_READ_MOST];
    for (size_t i = 0; i < run.count; i++) step[i] = w[i] - before_it[i];
    x->k.f32_to_bf16(run.count, step, x->step + index);
    memcpy(w, before_it, run.count * sizeof *w);
    add_step(x, run.count, x->step + index, w);
}

static void give(mdl_exchange *x, job_kind kind)
{
    for (size_t b = 0; b < x->division.blocks && x->ranks > 1; b++) x->given[b] = post(x, kind, b);
}

void mdl_exchange_give(mdl_exchange *x)
{
    if (x->o.bf16) each_own_run(x, round_run);
    give(x, JOB_GIVE);
    if (x->o.one_by_one) mdl_exchange_settle(x);
}

void mdl_exchange_settle(mdl_exchange *x)
{
    if (x->ranks > 1) await(x, x->posted);
}

void mdl_exchange_share(mdl_exchange *x)
{
    mdl_exchange_settle(x);
    give(x, JOB_SHARE);
    mdl_exchange_settle(x);
}
