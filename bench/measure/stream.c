/* Bandwidth of memory: all threads over arrays that no cache holds. Two ways, of which the faster counts: reading alone
 * (a sum), and reading two arrays and writing one of them (y += a x). Every byte that these count does travel: y is
 * read before it is written, so no store fetches a line behind their back, as in a copy. */
#include "engine/clock.h"
#include "bench/measure/stream.h"

#include <math.h>
#include <unistd.h>

#include "bench/measure/median.h"

enum { CHUNK = 1 << 16 }; /* floats a task: 256 KB an array */

typedef struct stream_run {
    const kern_table *k;
    float *x, *y;
    float *sums; /* [tasks] */
} stream_run;

static void read_task(void *arg, size_t task, size_t worker)
{
    stream_run *s = arg;
    (void)worker;
    s->sums[task] = s->k->sum_f32(CHUNK, s->x + task * CHUNK);
}

static void axpy_task(void *arg, size_t task, size_t worker)
{
    stream_run *s = arg;
    (void)worker;
    s->k->axpy_f32(CHUNK, 0.5f, s->x + task * CHUNK, s->y + task * CHUNK);
}

/* Floats of each array: four times the last cache's, 64 MB at least; for --quick 1 MB. */
static size_t array_tasks(const bench_run *run)
{
    const size_t least = 64u << 20;
    long cache = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    size_t bytes = cache > 0 && 4 * (size_t)cache > least ? 4 * (size_t)cache : least;
    if (run->options->quick) bytes = 1u << 20;
    return bytes / (CHUNK * sizeof(float));
}

static double best_of(bench_run *run, size_t tasks, eng_task_fn fn, stream_run *s, double bytes)
{
    enum { TIMES = 4 };
    double best = 0;
    for (size_t i = 0; i < TIMES; i++) {
        const double start = eng_now();
        eng_pool_run(run->ctx.pool, tasks, fn, s);
        if (i > 0) best = fmax(best, 1e-9 * bytes / (eng_now() - start)); /* the first touches pages */
    }
    return best;
}

double bench_stream(bench_run *run)
{
    const size_t tasks = array_tasks(run), bytes = tasks * CHUNK * sizeof(float);
    stream_run s = {.k = &run->ctx.k};
    double best = NAN;
    s.x = eng_alloc_pages(bytes);
    s.y = eng_alloc_pages(bytes);
    s.sums = eng_alloc_zero(tasks, sizeof *s.sums);
    if (s.x && s.y && s.sums) {
        for (size_t i = 0; i < tasks * CHUNK; i++) s.x[i] = s.y[i] = 1.0f;
        best = best_of(run, tasks, read_task, &s, (double)bytes);
        best = fmax(best, best_of(run, tasks, axpy_task, &s, 3.0 * (double)bytes));
    } else {
        eng_out_of_memory(&run->ctx, "the arrays of a bandwidth", 2 * bytes);
    }
    eng_free(s.sums);
    if (s.y) eng_free_pages(s.y, bytes);
    if (s.x) eng_free_pages(s.x, bytes);
    return best;
}
