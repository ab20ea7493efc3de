/* Segments cut from a recording as it comes in, against the recording read whole: the same bits, each once, in the order of
 * their ends, and as little held as may be. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "model/audio/audio.h"
#include "model/audio/cutter.h"
#include "tests/support/audio_files.h"
#include "tests/support/support.h"

enum { SAMPLES = 200000 };

static mdl_audio whole;

static void enter_folder(void)
{
    eng_error err;
    support_enter();
    audio_write_wav("a.wav", 8000, 2, SAMPLES / 2);
    cr_assert_eq(mdl_audio_read("a.wav", &whole, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(whole.samples, SAMPLES);
}

static void leave_folder(void)
{
    mdl_audio_free(&whole);
    support_leave();
}

TestSuite(cutter, .init = enter_folder, .fini = leave_folder);

static mdl_audio_stream *open_stream(void)
{
    mdl_audio_stream *s;
    eng_error err;
    cr_assert_eq(mdl_audio_stream_open("a.wav", NULL, &s, &err), ENG_OK, "%s", err.message);
    return s;
}

static void expect_samples(const mdl_cut *cut)
{
    cr_assert(cut->begin < cut->end && cut->end <= SAMPLES);
    for (size_t c = 0; c < 2; c++)
        cr_assert(memcmp(cut->channel[c], whole.data + c * whole.stride + cut->begin,
                         (cut->end - cut->begin) * sizeof(float)) == 0,
                  "segment %zu, channel %zu", cut->index, c);
}

/* Cuts the spans out. Returns how many samples were read. */
static size_t expect_spans(const mdl_span *spans, size_t count)
{
    mdl_audio_stream *s = open_stream();
    mdl_cutter *cutter;
    eng_error err;
    cr_assert_eq(mdl_cutter_open(s, spans, count, &cutter, &err), ENG_OK, "%s", err.message);
    bool *seen = calloc(count + 1, sizeof *seen), more = true;
    cr_assert_not_null(seen);
    mdl_cut cut;
    size_t given = 0, last = 0;
    for (;; given++) {
        cr_assert_eq(mdl_cutter_next(cutter, &cut, &more, &err), ENG_OK, "%s", err.message);
        if (!more) break;
        cr_assert(cut.index < count && !seen[cut.index]);
        seen[cut.index] = true;
        const mdl_span *span = &spans[cut.index];
        cr_assert(span->end >= last, "not in the order of their ends");
        last = span->end;
        cr_assert_eq(cut.begin, span->begin);
        cr_assert_eq(cut.outside, span->begin >= SAMPLES);
        cr_assert_eq(cut.short_of, !cut.outside && span->end > SAMPLES && span->end != SIZE_MAX);
        cr_assert_eq(cut.end, cut.outside ? span->begin : span->end < SAMPLES ? span->end : SAMPLES);
        if (!cut.outside) expect_samples(&cut);
    }
    cr_assert_eq(given, count);
    size_t read = mdl_cutter_samples(cutter);
    free(seen);
    mdl_cutter_close(cutter);
    mdl_audio_stream_close(s);
    return read;
}

Test(cutter, spans)
{
    static const mdl_span spans[] = {
        {100000, 130000}, {0, 1},          {0, SIZE_MAX},          {5, 150000},  {100000, 130000},
        {99999, 100001},  {0, SAMPLES},    {150000, SAMPLES + 1},  {199999, SAMPLES}, {199999, 300000},
        {SAMPLES, 200001}, {SAMPLES, SIZE_MAX}, {400000, 400001}, {SAMPLES - 1, SIZE_MAX},
    };
    cr_assert_eq(expect_spans(spans, sizeof spans / sizeof *spans), SAMPLES);
    expect_spans(spans, 1);
    expect_spans(spans, 0);
    /* A rest that nobody needs is not read, and what lies between is let go. */
    static const mdl_span few[] = {{60000, 60010}, {0, 10}};
    cr_assert(expect_spans(few, 2) < SAMPLES / 2);
}

Test(cutter, many_spans)
{
    enum { COUNT = 1000 };
    static mdl_span spans[COUNT];
    uint64_t state = 7;
    for (size_t i = 0; i < COUNT; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        spans[i].begin = (size_t)(state >> 33) % (SAMPLES + 2000);
        spans[i].end = spans[i].begin + 1 + (size_t)(state >> 20) % (i % 10 ? 8000 : 50000);
    }
    expect_spans(spans, COUNT);
}

Test(cutter, spans_must_end_behind_their_beginning)
{
    mdl_audio_stream *s = open_stream();
    mdl_cutter *cutter;
    eng_error err;
    cr_assert_eq(mdl_cutter_open(s, (mdl_span[]){{0, 1}, {5, 5}}, 2, &cutter, &err), ENG_E_USAGE);
    cr_assert_not_null(strstr(err.message, "segment 1"), "%s", err.message);
    cr_assert_null(cutter);
    mdl_audio_stream_close(s);
}

Test(cutter, windows)
{
    static const mdl_windows rules[] = {
        {.length = 16000, .hop = 8000, .shortest = 400},   {.length = 16000, .hop = 16000, .shortest = 16000},
        {.length = 30000, .hop = 70000, .shortest = 1},    {.length = SAMPLES, .hop = 1000, .shortest = 1},
        {.length = SAMPLES + 1, .hop = 9, .shortest = 1},  {.length = 33333, .hop = 7777, .shortest = 20000},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        mdl_windows rule = rules[i];
        mdl_audio_stream *s = open_stream();
        mdl_cutter *cutter;
        eng_error err;
        cr_assert_eq(mdl_cutter_open_windows(s, &rule, &cutter, &err), ENG_OK, "%s", err.message);
        mdl_cut cut;
        bool more;
        size_t begin, end, index = 0;
        for (;; index++) {
            cr_assert_eq(mdl_cutter_next(cutter, &cut, &more, &err), ENG_OK, "%s", err.message);
            cr_assert_eq(more, mdl_windows_next(&rule, SAMPLES, true, &begin, &end));
            if (!more) break;
            cr_assert(cut.index == index && cut.begin == begin && cut.end == end && !cut.short_of && !cut.outside);
            expect_samples(&cut);
        }
        cr_assert(index > 0);
        mdl_cutter_close(cutter);
        mdl_audio_stream_close(s);
    }
}

/* An error of the stream comes behind the segments that were complete before it. */
Test(cutter, errors_of_the_stream)
{
    mdl_audio_stream *s = open_stream();
    mdl_cutter *cutter;
    eng_error err;
    cr_assert_eq(truncate("a.wav", 44 + SAMPLES), 0);
    mdl_windows rule = {.length = 10000, .hop = 10000, .shortest = 1};
    cr_assert_eq(mdl_cutter_open_windows(s, &rule, &cutter, &err), ENG_OK);
    mdl_cut cut;
    bool more = true;
    size_t given = 0;
    eng_status status = ENG_OK;
    while (!status && more) {
        status = mdl_cutter_next(cutter, &cut, &more, &err);
        if (!status && more) expect_samples(&cut), given++;
    }
    cr_assert_eq(status, ENG_E_IO);
    cr_assert_not_null(strstr(err.message, "a.wav: shrank"), "%s", err.message);
    cr_assert(given >= 8, "%zu", given);
    mdl_cutter_close(cutter);
    mdl_audio_stream_close(s);
}

static long peak_kilobytes(void)
{
    struct rusage usage;
    cr_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* An hour of two channels by windows of 10 s: what is held does not grow. */
Test(cutter, memory_does_not_grow, .timeout = 600)
{
    size_t minutes = support_emulated() ? 10 : 60;
    unsigned char head[44];
    audio_write_wav("long.wav", 16000, 2, 0);
    FILE *f = fopen("long.wav", "r+b");
    cr_assert(f && fread(head, 1, 44, f) == 44 && fseek(f, 0, SEEK_SET) == 0);
    audio_put(head + 40, 4, (uint32_t)(minutes * 60 * 16000 * 4));
    cr_assert(fwrite(head, 1, 44, f) == 44 && fclose(f) == 0);
    cr_assert_eq(truncate("long.wav", (off_t)(44 + minutes * 60 * 16000 * 4)), 0);
    mdl_audio_stream *s;
    mdl_cutter *cutter;
    eng_error err;
    cr_assert_eq(mdl_audio_stream_open("long.wav", NULL, &s, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_cutter_open_windows(s, &(mdl_windows){160000, 80000, 400, 0, 0, false}, &cutter, &err), ENG_OK);
    mdl_cut cut;
    bool more = true;
    size_t given = 0;
    long before = 0;
    for (;; given++) {
        cr_assert_eq(mdl_cutter_next(cutter, &cut, &more, &err), ENG_OK, "%s", err.message);
        if (!more) break;
        if (given == 20) before = peak_kilobytes();
    }
    cr_assert_eq(given, minutes * 60 / 5 - 1);
    long grown = peak_kilobytes() - before;
    cr_assert(before && grown < 8 << 10, "%ld kB more", grown);
    mdl_cutter_close(cutter);
    mdl_audio_stream_close(s);
}
