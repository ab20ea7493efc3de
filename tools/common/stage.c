#include "tools/common/stage.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/threads.h"

struct tool_stage {
    tool_stage_options o;
    pthread_t *thread;
    size_t threads; /* that run */
    pthread_mutex_t lock;
    pthread_cond_t work; /* for the threads: there is something to begin, room for a part, or stop */
    pthread_cond_t made; /* for the caller: an item is made, or an interrupt */
    /* By the lock. */
    tool_stage_item *oldest, **end; /* all that are not taken; where the next one is linked */
    tool_stage_item *next;          /* the oldest that is not begun */
    size_t begun, bytes;            /* items that are being made; what those that are made hold */
    bool stop, interrupted;
};

/* ---- Threads ---- */

static bool can_begin(const tool_stage *s)
{
    return s->next && (!s->o.most_bytes || s->bytes < s->o.most_bytes);
}

static void *work(void *arg)
{
    tool_stage *s = arg;
    eng_thread_untie();
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->stop && !can_begin(s)) pthread_cond_wait(&s->work, &s->lock);
        if (s->stop) break;
        tool_stage_item *item = s->next;
        s->next = item->next;
        s->begun++;
        pthread_mutex_unlock(&s->lock);
        size_t bytes = s->o.make(s->o.arg, item);
        pthread_mutex_lock(&s->lock);
        s->begun--;
        s->bytes += bytes;
        item->bytes = bytes;
        item->made = true;
        pthread_cond_signal(&s->made);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static eng_status start_threads(tool_stage *s, eng_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (s->threads < s->o.threads && !failed) {
        failed = pthread_create(&s->thread[s->threads], NULL, work, s);
        s->threads += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->threads ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "cannot start a thread: %s", strerror(failed));
}

eng_status tool_stage_open(const tool_stage_options *options, tool_stage **out, eng_error *err)
{
    *out = NULL;
    tool_stage *s = eng_alloc_zero(1, sizeof *s);
    if (!s) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    s->o = *options;
    s->end = &s->oldest;
    pthread_mutex_init(&s->lock, NULL); /* these cannot fail on Linux */
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->made, NULL);
    s->thread = eng_alloc(s->o.threads, sizeof *s->thread);
    eng_status status = s->thread ? start_threads(s, err) : eng_fail(err, ENG_E_MEMORY, "out of memory");
    if (status)
        tool_stage_close(s);
    else
        *out = s;
    return status;
}

void tool_stage_close(tool_stage *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->threads; i++) pthread_join(s->thread[i], NULL);
    pthread_cond_destroy(&s->made);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    eng_free(s->thread);
    eng_free(s);
}

bool tool_stage_put(tool_stage *s, tool_stage_item *item, tool_stage_item *part, size_t bytes)
{
    *part = (tool_stage_item){.next = item, .bytes = bytes, .made = true};
    pthread_mutex_lock(&s->lock);
    while (!s->stop && s->o.most_bytes && s->bytes >= s->o.most_bytes && s->oldest != item)
        pthread_cond_wait(&s->work, &s->lock);
    bool go_on = !s->stop;
    if (go_on) {
        tool_stage_item **link = &s->oldest;
        while (*link != item) link = &(*link)->next;
        *link = part;
        s->bytes += bytes;
        pthread_cond_signal(&s->made);
    }
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

/* ---- The caller's side ---- */

void tool_stage_give(tool_stage *s, tool_stage_item *item)
{
    *item = (tool_stage_item){0};
    pthread_mutex_lock(&s->lock);
    *s->end = item;
    s->end = &item->next;
    if (!s->next) s->next = item;
    pthread_cond_broadcast(&s->work); /* one that has a part to put could be the one that wakes */
    pthread_mutex_unlock(&s->lock);
}

/* Takes *link out of the line. Its bytes may have been what kept the threads from beginning another. */
static tool_stage_item *take_out(tool_stage *s, tool_stage_item **link)
{
    tool_stage_item *item = *link;
    *link = item->next;
    if (s->end == &item->next) s->end = link;
    s->bytes -= item->bytes;
    pthread_cond_broadcast(&s->work);
    return item;
}

tool_stage_item *tool_stage_take(tool_stage *s)
{
    tool_stage_item *item = NULL;
    pthread_mutex_lock(&s->lock);
    while (s->oldest && !s->oldest->made) pthread_cond_wait(&s->made, &s->lock);
    if (s->oldest) item = take_out(s, &s->oldest);
    pthread_mutex_unlock(&s->lock);
    return item;
}

static tool_stage_item *find(tool_stage *s, tool_stage_test test, const void *arg)
{
    for (tool_stage_item **link = &s->oldest; *link; link = &(*link)->next)
        if ((*link)->made && (!test || test(arg, *link))) return take_out(s, link);
    return NULL;
}

tool_stage_item *tool_stage_pick(tool_stage *s, bool wait, tool_stage_test test, const void *arg)
{
    pthread_mutex_lock(&s->lock);
    tool_stage_item *item;
    while (!(item = find(s, test, arg)) && wait && !s->interrupted && (s->begun || can_begin(s)))
        pthread_cond_wait(&s->made, &s->lock);
    if (wait && !item) s->interrupted = false;
    pthread_mutex_unlock(&s->lock);
    return item;
}

void tool_stage_interrupt(tool_stage *s)
{
    pthread_mutex_lock(&s->lock);
    s->interrupted = true;
    pthread_cond_signal(&s->made);
    pthread_mutex_unlock(&s->lock);
}
