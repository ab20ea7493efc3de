/* Many threads on one model: each has a handle of its own, all have the bits of one thread; the last handle to be closed frees
 * the weights; one thread cancels what others run. run.sh builds this with the thread sanitizer, too. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "engine/memory.h"
#include "model/wlm.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"

enum { THREADS = 4, RUNS = 3, SAMPLES = 9000 };

typedef struct job {
    pthread_t thread;
    const wlm_model *model; /* to share */
    size_t threads;
    const float *samples;
    const wlm_result *want;
    wlm_cancel *cancel;
    atomic_size_t *started;
    int status;         /* of what failed, or of the run that was cancelled */
    const char *failed; /* NULL: nothing */
} job;

static wlm_model *open_model(const char *path, const char *precision)
{
    wlm_model *model;
    wlm_error err;
    wlm_options options = {.threads = 1, .precision = precision};
    cr_assert_eq(wlm_model_open(path, &options, &model, &err), 0, "%s", err.message);
    return model;
}

static float *sound(size_t count)
{
    float *x = eng_alloc(count, sizeof *x);
    cr_assert_not_null(x);
    for (size_t i = 0; i < count; i++) x[i] = (float)(0.3 * sin((double)i * 0.07) * sin((double)i * 0.0007));
    return x;
}

static bool same(const wlm_result *a, const wlm_result *b)
{
    size_t n[2], shape[2][3];
    const float *x = wlm_result_embedding(a, 0, &n[0]), *y = wlm_result_embedding(b, 0, &n[1]);
    if (!x || !y || n[0] != n[1] || !cmp_bits(x, y, n[0], NULL, 0)) return false;
    x = wlm_result_hidden_states(a, 0, &shape[0][0], &shape[0][1], &shape[0][2]);
    y = wlm_result_hidden_states(b, 0, &shape[1][0], &shape[1][1], &shape[1][2]);
    return x && y && memcmp(shape[0], shape[1], sizeof shape[0]) == 0 &&
           cmp_bits(x, y, shape[0][0] * shape[0][1] * shape[0][2], NULL, 0);
}

static const wlm_run_options ALL = {.flags = WLM_HIDDEN_STATES | WLM_EMBEDDINGS};

/* Shares, runs, closes. */
static void *run_job(void *arg)
{
    job *j = arg;
    wlm_model *own;
    wlm_options options = {.threads = j->threads};
    wlm_input input = {.samples = j->samples, .count = SAMPLES};
    if ((j->status = wlm_model_share(j->model, &options, &own, NULL)) != 0) {
        j->failed = "share";
        return NULL;
    }
    atomic_fetch_add(j->started, 1);
    for (int i = 0; i < RUNS && !j->failed; i++) {
        wlm_result *result;
        if ((j->status = wlm_run_with(own, 1, &input, &ALL, &result, NULL)) != 0) j->failed = "run";
        else if (!same(result, j->want)) j->failed = "other bits";
        wlm_result_free(result);
    }
    wlm_model_close(own);
    return NULL;
}

static void check(const char *path, const char *precision)
{
    wlm_model *model = open_model(path, precision);
    float *x = sound(SAMPLES);
    wlm_input input = {.samples = x, .count = SAMPLES};
    wlm_result *want;
    wlm_error err;
    cr_assert_eq(wlm_run_with(model, 1, &input, &ALL, &want, &err), 0, "%s", err.message);
    job jobs[THREADS];
    atomic_size_t started = 0;
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = (job){.model = model, .threads = 1 + i % 2, .samples = x, .want = want, .started = &started};
        cr_assert_eq(pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]), 0);
    }
    while (atomic_load(&started) < THREADS) continue; /* all have their handle: the first may go */
    wlm_model_close(model);
    for (size_t i = 0; i < THREADS; i++) pthread_join(jobs[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_null(jobs[i].failed, "%s, thread %zu: %s (%d)", path, i, jobs[i].failed, jobs[i].status);
    wlm_result_free(want);
    eng_free(x);
}

Test(sharing, same_bits_from_every_handle)
{
    check(support_path("golden/base"), "f32");
    check(support_path("golden/large"), "int8");
    check(support_path("golden/odyssey"), "bf16");
}

Test(sharing, outlives_the_first_handle)
{
    wlm_model *first = open_model(support_path("golden/odyssey"), NULL), *second, *third;
    cr_assert_eq(wlm_model_share(first, NULL, &second, NULL), 0);
    cr_assert_eq(wlm_model_share(second, &(wlm_options){.threads = 3}, &third, NULL), 0);
    wlm_model_close(first);
    wlm_model_close(second);
    cr_assert_eq(wlm_model_threads(third), 3);
    cr_assert(wlm_model_labels(third) > 0 && wlm_model_label(third, 0));
    float *x = sound(SAMPLES);
    wlm_result *result;
    wlm_input input = {.samples = x, .count = SAMPLES};
    cr_assert_eq(wlm_run(third, 1, &input, 0, &result, NULL), 0);
    wlm_result_free(result);
    wlm_model_close(third);
    eng_free(x);
}

/* ---- Cancelling ---- */

static void count_call(void *arg, double share)
{
    if (share > 0) atomic_fetch_add((atomic_size_t *)arg, 1);
}

/* Runs until it is cancelled. */
static void *run_on(void *arg)
{
    job *j = arg;
    wlm_model *own;
    wlm_options options = {.threads = j->threads};
    wlm_input input = {.samples = j->samples, .count = SAMPLES};
    wlm_run_options run = {.cancel = j->cancel, .progress = count_call, .progress_arg = j->started};
    if ((j->status = wlm_model_share(j->model, &options, &own, NULL)) != 0) {
        j->failed = "share";
        return NULL;
    }
    wlm_result *result;
    while ((j->status = wlm_run_with(own, 1, &input, &run, &result, NULL)) == 0) wlm_result_free(result);
    if (wlm_run(own, 1, &input, 0, &result, NULL)) j->failed = "the run after";
    wlm_result_free(result);
    wlm_model_close(own);
    return NULL;
}

Test(sharing, one_thread_cancels_the_others)
{
    wlm_model *model = open_model(support_path("golden/large"), NULL);
    float *x = sound(SAMPLES);
    wlm_cancel *cancel;
    cr_assert_eq(wlm_cancel_new(&cancel, NULL), 0);
    job jobs[THREADS];
    atomic_size_t calls = 0;
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = (job){.model = model, .threads = 1 + i % 2, .samples = x, .cancel = cancel, .started = &calls};
        cr_assert_eq(pthread_create(&jobs[i].thread, NULL, run_on, &jobs[i]), 0);
    }
    while (atomic_load(&calls) < 20) continue;
    wlm_cancel_request(cancel);
    for (size_t i = 0; i < THREADS; i++) pthread_join(jobs[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        cr_assert_null(jobs[i].failed, "thread %zu: %s", i, jobs[i].failed);
        cr_assert_eq(jobs[i].status, WLM_E_CANCELLED);
    }
    wlm_cancel_free(cancel);
    wlm_model_close(model);
    eng_free(x);
}
