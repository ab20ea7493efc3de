/* Threads: a pool that runs numbered tasks. Tasks of one run may execute in any order on any worker, so they must write
 * to disjoint places; results then do not depend on the number of threads. Runs on OpenMP when the build has it
 * (-Dopenmp), else on pthreads. */
#ifndef ENGINE_THREADS_H
#define ENGINE_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "engine/memory.h"

typedef struct eng_pool eng_pool;

/* task < tasks; worker < eng_pool_threads identifies the thread, for its scratch. */
typedef void (*eng_task_fn)(void *arg, size_t task, size_t worker);

/* threads = 0: one per CPU that this process may run on. Free with eng_pool_free. */
eng_status eng_pool_new(size_t threads, eng_pool **out, eng_error *err);
void eng_pool_free(eng_pool *pool);

size_t eng_pool_threads(const eng_pool *pool);

/* Runs fn(arg, i, worker) for every i < tasks and returns when all are done. Not reentrant: a task must not call it, and
 * two threads must not use one pool at the same time. */
void eng_pool_run(eng_pool *pool, size_t tasks, eng_task_fn fn, void *arg);

/* From now on *stop (NULL: nothing), which another thread may set, calls off what the pool runs: tasks that have not begun by
 * then are left out, and what they should have written is undefined. Whether any may have been, eng_pool_stopped says: once
 * it does, it does so until the pool watches anew, also when *stop is taken back. eng_pool_watch is for the thread that runs the pool,
 * between runs; eng_pool_stopped also for its tasks. */
void eng_pool_watch(eng_pool *pool, const atomic_bool *stop);
bool eng_pool_stopped(eng_pool *pool);

/* The worker's scratch arena. A task rewinds it to where it found it. */
eng_arena *eng_pool_scratch(eng_pool *pool, size_t worker);

/* For a thread beside a pool's (it reads files, it moves bytes): lets the calling one run on any CPU of the process, where
 * OpenMP tied the one that started it to a place (OMP_PROC_BIND), whose work it would else hold up. */
void eng_thread_untie(void);

/* Number of CPUs that this process may run on, at least 1. */
size_t eng_cpu_count(void);

#endif
