/* Streams: the windows that model/audio/windows.h says, whatever the pieces, with the bits that a run of them gives. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/windows.h"
#include "model/wlm.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"

enum { MOST = 256 };

static char report[512];

typedef struct span {
    size_t begin, end;
} span;

static wlm_model *open_model(void)
{
    wlm_model *model;
    wlm_error err;
    wlm_options options = {.threads = 2};
    cr_assert_eq(wlm_model_open(support_path("golden/hf_sequence_classification"), &options, &model, &err), 0, "%s",
                 err.message);
    return model;
}

static float *sound(size_t count)
{
    float *x = eng_alloc(count, sizeof *x);
    cr_assert_not_null(x);
    for (size_t i = 0; i < count; i++) x[i] = (float)(0.3 * sin((double)i * 0.07) * sin((double)i * 0.0007));
    return x;
}

/* Utterance u of result is what a run of x there gives. */
static void expect_run(wlm_model *model, const float *x, const wlm_result *result, size_t u, span at)
{
    wlm_error err = {0}, failure = {0};
    wlm_input input = {.samples = x + at.begin, .count = at.end - at.begin};
    wlm_result *alone;
    size_t begin, end, size = 0, same = 0;
    wlm_result_span(result, u, &begin, &end);
    cr_assert(begin == at.begin && end == at.end, "[%zu, %zu), expected [%zu, %zu)", begin, end, at.begin, at.end);
    int status = wlm_run(model, 1, &input, WLM_EMBEDDINGS, &alone, &failure);
    cr_assert_eq(wlm_result_status(result, u, &err), status, "%s", failure.message);
    if (status) {
        cr_assert_str_eq(err.message, failure.message);
        return;
    }
    const float *got = wlm_result_embedding(result, u, &size), *want = wlm_result_embedding(alone, 0, &same);
    cr_assert(got && want && size == same && cmp_bits(got, want, size, report, sizeof report), "%s", report);
    cr_assert(cmp_bits(wlm_result_scores(result, u), wlm_result_scores(alone, 0), wlm_model_labels(model), report,
                       sizeof report), "%s", report);
    wlm_result_free(alone);
}

/* Takes all there is; returns the number of windows so far. */
static size_t take_all(wlm_model *model, wlm_stream *s, const float *x, const span *spans, size_t count, size_t n)
{
    wlm_error err;
    wlm_result *result;
    for (;;) {
        cr_assert_eq(wlm_stream_take(s, &result, &err), 0, "%s", err.message);
        if (!result) return n;
        cr_assert(wlm_result_count(result) > 0);
        for (size_t u = 0; u < wlm_result_count(result); u++, n++) {
            cr_assert_lt(n, count, "a window too much");
            expect_run(model, x, result, u, spans[n]);
        }
        wlm_result_free(result);
    }
}

/* A recording of `recording` samples, in pieces of `piece`, with windows as options say. */
static void check(wlm_model *model, size_t recording, wlm_stream_options o, size_t piece)
{
    float *x = sound(recording + 1);
    span spans[MOST];
    double shortest = o.shortest > 0 ? o.shortest : o.segment < 1 ? o.segment : 1;
    mdl_windows w = {.length = (size_t)(o.segment * WLM_SAMPLE_RATE + 0.5),
                     .hop = (size_t)((o.hop > 0 ? o.hop : o.segment) * WLM_SAMPLE_RATE + 0.5),
                     .shortest = (size_t)(shortest * WLM_SAMPLE_RATE + 0.5)};
    size_t count = 0, n = 0;
    while (count < MOST && mdl_windows_next(&w, recording, true, &spans[count].begin, &spans[count].end)) count++;
    cr_assert(count > 0 || recording == 0);
    wlm_run_options run = {.flags = WLM_EMBEDDINGS};
    o.run = &run;
    wlm_stream *s;
    wlm_error err;
    cr_assert_eq(wlm_stream_open(model, &o, &s, &err), 0, "%s", err.message);
    run.flags = 0; /* it was copied */
    for (size_t at = 0; at < recording; at += piece) {
        size_t length = recording - at < piece ? recording - at : piece, known = 0;
        cr_assert_eq(wlm_stream_push(s, x + at, length, &err), 0, "%s", err.message);
        n = take_all(model, s, x, spans, count, n);
        while (known < count && spans[known].end - spans[known].begin == w.length && spans[known].end <= at + length) known++;
        if (at + length < recording) cr_assert_eq(n, known, "%zu windows at sample %zu", n, at + length);
    }
    wlm_stream_finish(s);
    n = take_all(model, s, x, spans, count, n);
    cr_assert_eq(n, count, "%zu of %zu windows", n, count);
    cr_assert_eq(wlm_stream_push(s, x, 1, &err), WLM_E_USAGE, "it was finished");
    wlm_stream_close(s);
    eng_free(x);
}

Test(stream, windows_as_runs)
{
    wlm_model *model = open_model();
    check(model, 50000, (wlm_stream_options){.segment = 1, .hop = 0.5}, 1600);
    check(model, 50000, (wlm_stream_options){.segment = 1, .hop = 0.5}, 77777);       /* all at once: batches */
    check(model, 50000, (wlm_stream_options){.segment = 1, .hop = 0.5, .batch = 2.5}, 77777);
    check(model, 50000, (wlm_stream_options){.segment = 1, .hop = 0.3, .shortest = 0.2, .batch = 0.1}, 4001);
    check(model, 40000, (wlm_stream_options){.segment = 0.25, .hop = 0.7}, 999);      /* gaps */
    check(model, 30000, (wlm_stream_options){.segment = 0.5}, 1);
    check(model, 5000, (wlm_stream_options){.segment = 1}, 300);                      /* shorter than a window */
    check(model, 100, (wlm_stream_options){.segment = 1}, 100);                       /* too short for the model */
    check(model, 0, (wlm_stream_options){.segment = 1}, 100);
    wlm_model_close(model);
}

Test(stream, a_failed_take_loses_nothing)
{
    wlm_model *model = open_model();
    float *x = sound(40000);
    wlm_cancel *cancel;
    wlm_error err;
    wlm_stream *s;
    wlm_result *result;
    cr_assert_eq(wlm_cancel_new(&cancel, &err), 0);
    wlm_run_options run = {.flags = WLM_EMBEDDINGS, .cancel = cancel};
    cr_assert_eq(wlm_stream_open(model, &(wlm_stream_options){.segment = 1, .batch = 1, .run = &run}, &s, &err), 0);
    cr_assert_eq(wlm_stream_push(s, x, 40000, &err), 0);
    cr_assert_eq(wlm_stream_take(s, &result, &err), 0);
    wlm_result_free(result);
    wlm_cancel_request(cancel);
    cr_assert_eq(wlm_stream_take(s, &result, &err), WLM_E_CANCELLED);
    cr_assert_null(result);
    wlm_cancel_reset(cancel);
    span rest[] = {{16000, 32000}, {24000, 40000}};
    cr_assert_eq(take_all(model, s, x, rest, 1, 0), 1);
    wlm_stream_finish(s);
    cr_assert_eq(take_all(model, s, x, rest + 1, 1, 0), 1);
    wlm_stream_close(s);
    wlm_cancel_free(cancel);
    wlm_model_close(model);
    eng_free(x);
}

Test(stream, lengths_that_are_none)
{
    wlm_model *model = open_model();
    const wlm_stream_options bad[] = {{.segment = -1},  {.segment = NAN},         {.segment = INFINITY}, {.segment = 0.01},
                                      {.hop = -0.5},    {.hop = 0.00001},         {.shortest = -1},      {.batch = -1},
                                      {.segment = 1e300}, {.segment = 1, .shortest = 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wlm_error err;
        wlm_stream *s;
        cr_assert_eq(wlm_stream_open(model, &bad[i], &s, &err), WLM_E_USAGE, "%zu", i);
        cr_assert(s == NULL && strstr(err.message, "expected"), "%s", err.message);
    }
    wlm_model_close(model);
}
