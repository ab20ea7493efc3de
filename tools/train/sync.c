/* What the ranks of a run agree on. */
#include <string.h>

#include "engine/clock.h"
#include "engine/memory.h"
#include "tools/train/run.h"

eng_status train_gather(train_run *r, const void *own, size_t bytes, void *all, eng_error *err)
{
    const double begun = eng_now();
    eng_status status = eng_ranks_gather(r->ranks, own, bytes, all, err);
    r->waited += eng_now() - begun;
    return status;
}

eng_status train_gather_unequal(train_run *r, const void *own, const size_t *bytes, void *all, eng_error *err)
{
    const double begun = eng_now();
    eng_status status = eng_ranks_gather_unequal(r->ranks, own, bytes, all, err);
    r->waited += eng_now() - begun;
    return status;
}

void train_leave(train_run *r, const eng_error *err)
{
    if (eng_ranks_count(r->ranks) > 1) eng_ranks_abort(r->ranks, 3, err->message);
}

typedef struct told {
    eng_status status;
    train_answer answer;
} told;

eng_status train_ask(train_run *r, eng_status status, const train_answer *own, train_answer *all, eng_error *err)
{
    const size_t ranks = eng_ranks_count(r->ranks);
    told mine = {status, *own};
    mine.answer.waited = r->waited;
    told *each = eng_alloc(ranks, sizeof *each);
    eng_error failure = {0};
    if (!each || train_gather(r, &mine, sizeof mine, each, &failure)) {
        if (!each) eng_fail(&failure, ENG_E_MEMORY, "out of memory");
        train_leave(r, &failure);
        eng_free(each);
        *err = failure;
        return err->status;
    }
    bool good = true;
    for (size_t i = 0; i < ranks; i++) {
        const double waited = each[i].answer.waited;
        all[i] = each[i].answer;
        if (i == 0 || waited > r->waited_most) r->waited_most = waited;
        if (i == 0 || waited < r->waited_least) {
            r->waited_least = waited;
            r->slowest = i;
        }
        if (each[i].status) good = false;
        if (each[i].answer.stop && !r->stopped) r->stopped = each[i].answer.stop;
    }
    eng_free(each);
    return good ? ENG_OK : eng_ranks_agree(r->ranks, status, err);
}

eng_status train_ask_stop(train_run *r, eng_status status, eng_error *err)
{
    train_answer *all = eng_alloc(eng_ranks_count(r->ranks), sizeof *all), own = {.stop = *r->stop};
    if (!all) {
        status = eng_fail(err, ENG_E_MEMORY, "out of memory");
        train_leave(r, err);
        return status;
    }
    status = train_ask(r, status, &own, all, err);
    eng_free(all);
    return status;
}

/* The lines that ranks have, one rank's behind the other's, on rank 0. */
static eng_status say_all(train_run *r, const char *own, const size_t *bytes, eng_error *err)
{
    size_t sum = 1;
    for (size_t i = 0; i < eng_ranks_count(r->ranks); i++) sum += bytes[i];
    char *text = eng_alloc(sum, 1);
    if (!text) {
        eng_fail(err, ENG_E_MEMORY, "out of memory for messages");
        train_leave(r, err);
        return err->status;
    }
    eng_status status = train_gather_unequal(r, own, bytes, text, err);
    text[sum - 1] = '\0';
    for (char *line = text; !status && *line;) {
        size_t length = strcspn(line, "\n");
        train_say(r, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    eng_free(text);
    return status;
}

eng_status train_say_skipped(train_run *r, train_feed *feed, eng_error *err)
{
    const size_t ranks = eng_ranks_count(r->ranks);
    char *skipped = train_feed_skipped(feed);
    size_t own = skipped ? strlen(skipped) + 1 : 0, sum = 0; /* with a line's end in the zero's place */
    if (skipped) skipped[own - 1] = '\n';
    size_t *bytes = eng_alloc(ranks, sizeof *bytes);
    eng_status status = bytes ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory for messages");
    if (status) train_leave(r, err);
    if (!status) status = train_gather(r, &own, sizeof own, bytes, err);
    for (size_t i = 0; i < ranks && !status; i++) sum += bytes[i];
    if (!status && sum) status = say_all(r, skipped, bytes, err);
    eng_free(bytes);
    eng_free(skipped);
    return status;
}
