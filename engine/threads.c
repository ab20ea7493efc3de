#include "engine/threads.h"

#include <sched.h>

#ifdef _OPENMP
#include <omp.h>
#else
#include <pthread.h>
#endif

struct eng_pool {
    size_t threads;
    eng_arena *scratch; /* [threads] */
    eng_task_fn fn;     /* the current run */
    void *arg;
    size_t tasks;
    _Atomic size_t next; /* first task that nobody has taken */
    const atomic_bool *stop; /* NULL: nobody calls off */
    atomic_bool stopped;     /* stop was seen set */
#ifndef _OPENMP
    pthread_t *workers; /* [threads - 1]; the caller is worker 0 */
    size_t started;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    size_t generation, busy; /* busy: workers still in the current run */
    int quit;
#endif
};

size_t eng_cpu_count(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_num_procs(); /* which knows what this thread was allowed before OMP_PROC_BIND tied it to its place */
#else
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (size_t)n : 1;
#endif
}

bool eng_pool_stopped(eng_pool *p)
{
    if (!p->stop || !atomic_load_explicit(p->stop, memory_order_relaxed))
        return atomic_load_explicit(&p->stopped, memory_order_relaxed);
    atomic_store_explicit(&p->stopped, true, memory_order_relaxed);
    return true;
}

void eng_pool_watch(eng_pool *p, const atomic_bool *stop)
{
    p->stop = stop;
    atomic_store_explicit(&p->stopped, false, memory_order_relaxed);
}

static void take_tasks(eng_pool *p, size_t worker)
{
    while (!eng_pool_stopped(p)) {
        size_t task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (task >= p->tasks) return;
        p->fn(p->arg, task, worker);
    }
}

#ifdef _OPENMP

static eng_status start_workers(eng_pool *p, eng_error *err)
{
    (void)p;
    (void)err;
    return ENG_OK;
}

static void stop_workers(eng_pool *p)
{
    (void)p;
}

static void run_parallel(eng_pool *p)
{
    int n = (int)(p->tasks < p->threads ? p->tasks : p->threads);
#pragma omp parallel num_threads(n)
    take_tasks(p, (size_t)omp_get_thread_num());
}

#else

typedef struct worker_start {
    eng_pool *pool;
    size_t worker;
} worker_start;

static void *worker_main(void *arg)
{
    worker_start start = *(worker_start *)arg;
    eng_free(arg);
    eng_pool *p = start.pool;
    size_t seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->quit && p->generation == seen) pthread_cond_wait(&p->wake, &p->lock);
        if (p->quit) break;
        seen = p->generation;
        pthread_mutex_unlock(&p->lock);
        take_tasks(p, start.worker);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0) pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static eng_status start_workers(eng_pool *p, eng_error *err)
{
    p->workers = eng_alloc(p->threads, sizeof *p->workers);
    if (!p->workers) return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu threads", p->threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    for (size_t i = 1; i < p->threads; i++) {
        worker_start *start = eng_alloc(1, sizeof *start);
        if (start) *start = (worker_start){p, i};
        if (!start || pthread_create(&p->workers[i - 1], NULL, worker_main, start) != 0) {
            eng_free(start);
            return eng_fail(err, ENG_E_MEMORY, "cannot start thread %zu of %zu: out of memory, or a limit on threads", i + 1,
                            p->threads);
        }
        p->started++;
    }
    return ENG_OK;
}

static void stop_workers(eng_pool *p)
{
    if (!p->workers) return;
    pthread_mutex_lock(&p->lock);
    p->quit = 1;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->started; i++) pthread_join(p->workers[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    eng_free(p->workers);
}

static void run_parallel(eng_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->generation++;
    p->busy = p->threads - 1;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    take_tasks(p, 0);
    pthread_mutex_lock(&p->lock);
    while (p->busy) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

#endif

eng_status eng_pool_new(size_t threads, eng_pool **out, eng_error *err)
{
    *out = NULL;
    if (threads == 0) threads = eng_cpu_count();
    eng_pool *p = eng_alloc_zero(1, sizeof *p);
    eng_arena *scratch = eng_alloc_zero(threads, sizeof *scratch);
    if (!p || !scratch) {
        eng_free(p);
        eng_free(scratch);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for %zu threads", threads);
    }
    p->threads = threads;
    p->scratch = scratch;
    eng_status status = start_workers(p, err);
    if (status) {
        eng_pool_free(p);
        return status;
    }
    *out = p;
    return ENG_OK;
}

void eng_pool_free(eng_pool *p)
{
    if (!p) return;
    stop_workers(p);
    for (size_t i = 0; i < p->threads; i++) eng_arena_fini(&p->scratch[i]);
    eng_free(p->scratch);
    eng_free(p);
}

size_t eng_pool_threads(const eng_pool *p)
{
    return p->threads;
}

void eng_pool_run(eng_pool *p, size_t tasks, eng_task_fn fn, void *arg)
{
    if (p->threads == 1 || tasks <= 1) {
        for (size_t i = 0; i < tasks && !eng_pool_stopped(p); i++) fn(arg, i, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->tasks = tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    run_parallel(p);
}

eng_arena *eng_pool_scratch(eng_pool *p, size_t worker)
{
    return &p->scratch[worker];
}

void eng_thread_untie(void)
{
#ifdef _OPENMP
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int place = 0; place < omp_get_num_places(); place++) { /* none where nothing is tied */
        int cpu[CPU_SETSIZE], n = omp_get_place_num_procs(place);
        if (n <= 0 || n > CPU_SETSIZE) return;
        omp_get_place_proc_ids(place, cpu);
        for (int i = 0; i < n; i++)
            if (cpu[i] < CPU_SETSIZE) CPU_SET((size_t)cpu[i], &set);
    }
    if (CPU_COUNT(&set) > 0) sched_setaffinity(0, sizeof set, &set);
#endif
}
