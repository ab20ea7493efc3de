/* Windows of a recording, against a table of all of them made when its length is known, whatever the pieces that it comes
 * in; and that what was let go is never asked for. */
#include <criterion/criterion.h>

#include "model/audio/windows.h"

enum { MOST = 4096 };

typedef struct span {
    size_t begin, end;
} span;

/* All windows of `length` samples of a recording, from the definition. */
static size_t all_windows(size_t recording, size_t length, size_t hop, size_t shortest, span *out)
{
    size_t n = 0, covered = 0, at = 0;
    for (; at + length <= recording; at += hop) {
        out[n++] = (span){at, at + length};
        covered = at + length;
    }
    size_t from = at > covered ? at : covered;
    if (from < recording) {
        size_t begin = at;
        while (begin > 0 && recording - begin < shortest) begin--;
        out[n++] = (span){begin, recording};
    }
    return n;
}

static void check(size_t recording, size_t length, size_t hop, size_t shortest, size_t step)
{
    static span expected[MOST];
    mdl_windows w = {.length = length, .hop = hop, .shortest = shortest};
    size_t count = all_windows(recording, length, hop, shortest, expected), n = 0, have = 0, kept = 0, begin, end;
    for (bool ended = false; !ended;) {
        have = have + step < recording ? have + step : recording;
        ended = have == recording;
        while (mdl_windows_next(&w, have, ended, &begin, &end)) {
            cr_assert_lt(n, count, "%zu of %zu/%zu/%zu: window %zu is too much", recording, length, hop, shortest, n);
            cr_assert(begin == expected[n].begin && end == expected[n].end, "%zu of %zu/%zu/%zu by %zu: %zu is [%zu, %zu)",
                      recording, length, hop, shortest, step, n, begin, end);
            cr_assert_geq(begin, kept, "a sample that was let go");
            n++;
        }
        size_t needed = mdl_windows_needed(&w, have);
        cr_assert_geq(needed, kept);
        cr_assert_leq(have - (needed < have ? needed : have), length + shortest, "more than a window is held");
        kept = needed;
    }
    cr_assert_eq(n, count, "%zu of %zu/%zu/%zu: %zu windows, expected %zu", recording, length, hop, shortest, n, count);
}

Test(windows, are_those_of_the_definition)
{
    for (size_t recording = 0; recording < 40; recording++)
        for (size_t length = 1; length < 12; length++)
            for (size_t hop = 1; hop < 15; hop++)
                for (size_t shortest = 0; shortest <= length; shortest += 2)
                    for (size_t step = 1; step < 20; step += 6) check(recording, length, hop, shortest, step);
}

/* By hand: 25 s by 10 s every 5 s at 1 sample a second, at least 3 s. */
Test(windows, of_a_recording)
{
    mdl_windows w = {.length = 10, .hop = 5, .shortest = 3};
    static const span expected[] = {{0, 10}, {5, 15}, {10, 20}, {15, 25}};
    size_t begin, end, n = 0;
    while (mdl_windows_next(&w, 25, true, &begin, &end)) {
        cr_assert_lt(n, 4);
        cr_assert(begin == expected[n].begin && end == expected[n].end);
        n++;
    }
    cr_assert_eq(n, 4);
    w = (mdl_windows){.length = 10, .hop = 10, .shortest = 3};
    n = 0;
    while (mdl_windows_next(&w, 21, true, &begin, &end)) n++;
    cr_assert_eq(n, 3);
    cr_assert(begin == 18 && end == 21, "the rest of 1 s begins 3 s before the end");
}
