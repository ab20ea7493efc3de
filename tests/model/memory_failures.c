/* Every allocation of the library fails once: each call then says WLM_E_MEMORY, frees what it had, and what was open before
 * works as it did. The linker puts the allocators below in the place of those that the library calls (--wrap), so that the
 * library has nothing for this; under the address sanitizer a block that is lost fails the test. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "model/wlm.h"
#include "tests/support/support.h"

enum { SAMPLES = 6000, MOST_ALLOCATIONS = 20000 };

/* Allocations until one fails; 0: none does. Tasks of several threads allocate. */
static atomic_size_t countdown;
static atomic_size_t failures;

static bool fails(void)
{
    size_t left = atomic_load(&countdown);
    while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1)) continue;
    if (left == 1) atomic_fetch_add(&failures, 1);
    return left == 1;
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (!fails()) return __real_aligned_alloc(alignment, size);
    errno = ENOMEM;
    return NULL;
}

/* Pages of memory; files are mapped by the same call, whose failure is one of the file. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    if (!(flags & MAP_ANONYMOUS) || !fails()) return __real_mmap(at, size, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

static float sound[SAMPLES];

/* What one run of all of it goes through; the model of `model` is shared where there is one, and stays. */
typedef struct scenario {
    const char *path, *precision;
    const float *text;
    wlm_model *model;
} scenario;

static void make_sound(void)
{
    for (size_t i = 0; i < SAMPLES; i++) sound[i] = (float)(0.3 * sin((double)i * 0.07) * sin((double)i * 0.0007));
}

static wlm_input input_of(const scenario *s, size_t count)
{
    return (wlm_input){.samples = sound, .count = count, .gender = "male", .text = s->text};
}

static int open_close(scenario *s, wlm_error *err)
{
    wlm_model *model;
    wlm_options options = {.threads = 2, .precision = s->precision};
    int status = wlm_model_open(s->path, &options, &model, err);
    cr_assert((model != NULL) == (status == 0));
    wlm_model_close(model);
    return status;
}

static int share_close(scenario *s, wlm_error *err)
{
    wlm_model *model;
    int status = wlm_model_share(s->model, &(wlm_options){.threads = 2}, &model, err);
    cr_assert((model != NULL) == (status == 0));
    wlm_model_close(model);
    return status;
}

static int run_some(scenario *s, wlm_error *err)
{
    size_t layers[] = {1, 0};
    wlm_input inputs[] = {input_of(s, SAMPLES), input_of(s, 10), input_of(s, SAMPLES / 2)};
    wlm_run_options options = {
        .flags = WLM_EACH | WLM_EMBEDDINGS | WLM_HIDDEN_STATES, .layers = layers, .layer_count = 2};
    wlm_result *result;
    int status = wlm_run_with(s->model, 3, inputs, &options, &result, err);
    cr_assert((result != NULL) == (status == 0));
    wlm_result_free(result);
    return status;
}

static int stream_some(scenario *s, wlm_error *err)
{
    wlm_run_options run = {.flags = WLM_EMBEDDINGS};
    wlm_stream_options options = {.segment = 0.1, .batch = 0.2, .gender = "female", .text = s->text, .run = &run};
    wlm_stream *stream;
    int status = wlm_stream_open(s->model, &options, &stream, err);
    cr_assert((stream != NULL) == (status == 0));
    for (size_t at = 0; at < SAMPLES && !status; at += SAMPLES / 2)
        status = wlm_stream_push(stream, sound + at, SAMPLES / 2, err);
    if (!status) wlm_stream_finish(stream);
    for (wlm_result *result = NULL; !status;) {
        status = wlm_stream_take(stream, &result, err);
        if (!result) break;
        wlm_result_free(result);
    }
    wlm_stream_close(stream);
    return status;
}

static int read_audio(scenario *s, wlm_error *err)
{
    wlm_audio *audio;
    wlm_cancel *cancel;
    int status = wlm_audio_read(s->path, &audio, err);
    cr_assert((audio != NULL) == (status == 0));
    if (audio) wlm_audio_mix(audio);
    wlm_audio_free(audio);
    if (status) return status;
    status = wlm_cancel_new(&cancel, err);
    wlm_cancel_free(cancel);
    return status;
}

/* The first, second, ... allocation of a call fails, until it makes no more of them. */
static void check(const char *what, int (*call)(scenario *s, wlm_error *err), scenario *s)
{
    size_t n = 1;
    for (;; n++) {
        wlm_error err = {0};
        cr_assert_lt(n, MOST_ALLOCATIONS, "%s: it never ends", what);
        atomic_store(&failures, 0);
        atomic_store(&countdown, n);
        int status = call(s, &err);
        bool done = atomic_exchange(&countdown, 0) > 0;
        if (done) {
            cr_assert_eq(status, 0, "%s: %s", what, err.message);
            break;
        }
        cr_assert_eq(atomic_load(&failures), 1);
        cr_assert_eq(status, WLM_E_MEMORY, "%s, allocation %zu: %d, %s", what, n, status, err.message);
        cr_assert(err.status == WLM_E_MEMORY && strstr(err.message, "memory"), "%s, allocation %zu: %s", what, n, err.message);
    }
    cr_assert_gt(n, 1, "%s allocates nothing", what);
}

/* Arenas that a success has filled would serve the next calls: each begins on a fresh handle. */
static int fresh(scenario *s, wlm_error *err, int (*call)(scenario *s, wlm_error *err))
{
    scenario own = *s;
    size_t later = atomic_exchange(&countdown, 0);
    cr_assert_eq(wlm_model_share(s->model, &(wlm_options){.threads = 2}, &own.model, err), 0, "%s", err->message);
    atomic_store(&countdown, later);
    int status = call(&own, err);
    later = atomic_exchange(&countdown, 0);
    /* the handle works as if nothing had been: */
    cr_assert_eq(run_some(&own, err), 0, "%s", err->message);
    wlm_model_close(own.model);
    atomic_store(&countdown, later);
    return status;
}

static int fresh_run(scenario *s, wlm_error *err)
{
    return fresh(s, err, run_some);
}

static int fresh_stream(scenario *s, wlm_error *err)
{
    return fresh(s, err, stream_some);
}

static void check_all(scenario s)
{
    wlm_error err;
    make_sound();
    check("open", open_close, &s);
    wlm_options options = {.threads = 2, .precision = s.precision};
    cr_assert_eq(wlm_model_open(s.path, &options, &s.model, &err), 0, "%s", err.message);
    check("share", share_close, &s);
    check("run", fresh_run, &s);
    check("stream", fresh_stream, &s);
    wlm_model_close(s.model);
}

Test(memory_failures, sequence_classification)
{
    check_all((scenario){.path = support_path("golden/hf_sequence_classification")});
}

Test(memory_failures, backbone_of_microsoft)
{
    check_all((scenario){.path = support_path("golden/base/wavlm_original.pt"), .precision = "int8"});
}

Test(memory_failures, odyssey) { check_all((scenario){.path = support_path("golden/odyssey"), .precision = "bf16"}); }

Test(memory_failures, conditioned)
{
    check_all((scenario){.path = support_path("golden/variants/emotion_conditioned"), .text = sound});
}

Test(memory_failures, audio)
{
    scenario s = {.path = support_path("data/EB0_neutral_1.wav")};
    check("read", read_audio, &s);
}
