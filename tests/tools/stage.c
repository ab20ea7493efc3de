/* Stages: items come out in order, or as they are made; bounds hold; nothing waits for ever. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "tools/common/stage.h"

enum { ITEMS = 200 };

typedef struct thing {
    tool_stage_item stage;
    size_t number, made;
} thing;

/* What the threads do, and what was seen of it. */
typedef struct workshop {
    thing thing[ITEMS];
    size_t bytes;             /* that each item holds */
    _Atomic size_t order;     /* made so far */
    _Atomic size_t most;      /* numbers are begun below this one, others wait at the gate */
    _Atomic size_t held_most; /* most items that were made and not taken, or being made, when one was begun */
    _Atomic size_t begun, taken;
    _Atomic bool signals_blocked;
} workshop;

static size_t make(void *arg, tool_stage_item *item)
{
    workshop *w = arg;
    thing *t = (thing *)item;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    if (!sigismember(&now, SIGINT) || !sigismember(&now, SIGPIPE)) w->signals_blocked = false;
    size_t held = ++w->begun - w->taken;
    for (size_t most = w->held_most; held > most && !atomic_compare_exchange_weak(&w->held_most, &most, held);)
        continue;
    while (t->number >= w->most) sched_yield();
    t->made = ++w->order;
    return w->bytes;
}

static tool_stage *open_stage(workshop *w, size_t threads, size_t most_bytes)
{
    eng_error err = {ENG_OK, ""};
    tool_stage *s;
    w->signals_blocked = true;
    cr_assert_eq(tool_stage_open(&(tool_stage_options){make, w, threads, most_bytes}, &s, &err), ENG_OK, "%s",
                 err.message);
    return s;
}

static void give(tool_stage *s, workshop *w, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        w->thing[i].number = i;
        tool_stage_give(s, &w->thing[i].stage);
    }
}

static size_t number(const tool_stage_item *item)
{
    cr_assert_not_null(item);
    const thing *t = (const thing *)item;
    cr_assert(t->made > 0, "item %zu was not made", t->number);
    return t->number;
}

TestSuite(stage, .timeout = 60);

Test(stage, takes_in_the_order_in_which_they_were_given)
{
    for (size_t threads = 1; threads <= 8; threads++) {
        workshop w = {.most = ITEMS};
        tool_stage *s = open_stage(&w, threads, 0);
        cr_assert_null(tool_stage_take(s));
        give(s, &w, 0, 100);
        for (size_t i = 0; i < 100; i++) cr_assert_eq(number(tool_stage_take(s)), i);
        cr_assert_null(tool_stage_take(s));
        give(s, &w, 100, ITEMS);
        for (size_t i = 100; i < ITEMS; i++) cr_assert_eq(number(tool_stage_take(s)), i);
        cr_assert_null(tool_stage_take(s));
        cr_assert_eq(w.order, ITEMS);
        cr_assert(w.signals_blocked);
        tool_stage_close(s);
    }
}

static bool is_even(const void *arg, const tool_stage_item *item)
{
    (void)arg;
    return number(item) % 2 == 0;
}

Test(stage, picks_what_is_made_and_will_do)
{
    workshop w = {.most = 0};
    tool_stage *s = open_stage(&w, 2, 0);
    cr_assert_null(tool_stage_pick(s, false, NULL, NULL));
    cr_assert_null(tool_stage_pick(s, true, NULL, NULL), "there is nothing to wait for");
    give(s, &w, 0, 10);
    cr_assert_null(tool_stage_pick(s, false, NULL, NULL), "none is made");
    w.most = 10;
    for (size_t i = 0; i < 5; i++) cr_assert_eq(number(tool_stage_pick(s, true, is_even, NULL)) % 2, 0);
    cr_assert_null(tool_stage_pick(s, true, is_even, NULL), "only odd ones are left");
    for (size_t i = 0; i < 5; i++) cr_assert_eq(number(tool_stage_pick(s, false, NULL, NULL)), 2 * i + 1);
    cr_assert_null(tool_stage_pick(s, true, NULL, NULL));
    give(s, &w, 10, 11);
    w.most = 11;
    cr_assert_eq(number(tool_stage_take(s)), 10, "the line goes on when its last was taken from the middle");
    tool_stage_close(s);
}

static bool is_not_first(const void *arg, const tool_stage_item *item)
{
    (void)arg;
    return number(item) != 0;
}

/* The first waits at the gate until the one behind it was taken. */
Test(stage, picks_past_one_that_takes_long)
{
    workshop w = {.most = ITEMS};
    w.thing[0].number = ITEMS;
    tool_stage *s = open_stage(&w, 2, 0);
    tool_stage_give(s, &w.thing[0].stage);
    give(s, &w, 1, 6);
    for (size_t i = 1; i < 6; i++) cr_assert_eq(number(tool_stage_pick(s, true, is_not_first, NULL)), i);
    cr_assert_null(tool_stage_pick(s, false, NULL, NULL));
    w.most = ITEMS + 1;
    cr_assert_eq(number(tool_stage_pick(s, true, NULL, NULL)), ITEMS);
    tool_stage_close(s);
}

Test(stage, begins_no_more_than_fit)
{
    enum { THREADS = 3, ROOM = 5 };
    workshop w = {.most = ITEMS, .bytes = 10};
    tool_stage *s = open_stage(&w, THREADS, 10 * ROOM);
    give(s, &w, 0, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        if (i % 20 == 0)
            for (size_t spin = 0; spin < 1000; spin++) sched_yield(); /* they run ahead as far as they may */
        w.taken = i;
        cr_assert_eq(number(tool_stage_take(s)), i);
    }
    cr_assert(w.held_most <= ROOM + THREADS, "%zu items at once", w.held_most);
    tool_stage_close(s);

    workshop big = {.most = ITEMS, .bytes = 1000};
    s = open_stage(&big, 1, 1);
    give(s, &big, 0, 50);
    for (size_t i = 0; i < 50; i++) {
        big.taken = i;
        cr_assert_eq(number(tool_stage_pick(s, true, NULL, NULL)), i);
    }
    cr_assert(big.held_most <= 2, "items larger than the bound go one by one, not %zu", big.held_most);
    tool_stage_close(s);
}

static void *interrupt(void *arg)
{
    tool_stage_interrupt(arg);
    return NULL;
}

Test(stage, an_interrupt_ends_the_waiting)
{
    workshop w = {.most = 0};
    tool_stage *s = open_stage(&w, 1, 0);
    give(s, &w, 0, 1);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, interrupt, s), 0);
    cr_assert_null(tool_stage_pick(s, true, NULL, NULL));
    cr_assert_eq(pthread_join(thread, NULL), 0);
    tool_stage_interrupt(s); /* before the waiting: it is remembered, once */
    cr_assert_null(tool_stage_pick(s, false, NULL, NULL));
    cr_assert_null(tool_stage_pick(s, true, NULL, NULL));
    w.most = 1;
    cr_assert_eq(number(tool_stage_pick(s, true, NULL, NULL)), 0);
    tool_stage_close(s);
}

Test(stage, closes_at_any_time)
{
    for (size_t taken = 0; taken < 20; taken++)
        for (size_t threads = 1; threads <= 8; threads += 3) {
            workshop w = {.most = ITEMS};
            tool_stage *s = open_stage(&w, threads, 0);
            give(s, &w, 0, ITEMS);
            for (size_t i = 0; i < taken; i++) cr_assert_eq(number(tool_stage_take(s)), i);
            tool_stage_close(s);
            size_t made = 0;
            for (size_t i = 0; i < ITEMS; i++) made += w.thing[i].made > 0;
            cr_assert(made >= taken && made == w.order, "%zu made, %zu counted", made, w.order);
        }
    tool_stage_close(NULL);
}

/* ---- Parts ---- */

enum { PARTS = 7, WHOLES = 30, PART_BYTES = 10 };

typedef struct whole {
    tool_stage_item stage;
    size_t number;
    struct part {
        tool_stage_item stage;
        size_t whole, number;
    } part[PARTS];
} whole;

typedef struct parts_workshop {
    whole whole[WHOLES];
    tool_stage *_Atomic stage;
    _Atomic size_t held, held_most; /* parts that are put and not taken */
    _Atomic size_t refused;
} parts_workshop;

/* Item i comes in i % (PARTS + 1) parts. */
static size_t make_parts(void *arg, tool_stage_item *item)
{
    parts_workshop *w = arg;
    whole *o = (whole *)item;
    while (!w->stage) sched_yield();
    for (size_t i = 0; i < o->number % (PARTS + 1); i++) {
        o->part[i].whole = o->number;
        o->part[i].number = i;
        size_t held = ++w->held;
        if (!tool_stage_put(w->stage, item, &o->part[i].stage, PART_BYTES)) {
            w->refused++;
            w->held--;
            return 0;
        }
        for (size_t most = w->held_most; held > most && !atomic_compare_exchange_weak(&w->held_most, &most, held);)
            continue;
    }
    return 0;
}

static void open_parts(parts_workshop *w, size_t threads, size_t most_bytes)
{
    eng_error err = {ENG_OK, ""};
    tool_stage *s;
    cr_assert_eq(tool_stage_open(&(tool_stage_options){make_parts, w, threads, most_bytes}, &s, &err), ENG_OK, "%s",
                 err.message);
    w->stage = s;
    for (size_t i = 0; i < WHOLES; i++) {
        w->whole[i].number = i;
        tool_stage_give(s, &w->whole[i].stage);
    }
}

Test(stage, parts_come_before_what_they_are_of)
{
    for (size_t threads = 1; threads <= 8; threads++)
        for (size_t room = 0; room <= 4; room++) {
            parts_workshop w = {.held = 0};
            open_parts(&w, threads, room * PART_BYTES);
            for (size_t i = 0; i < WHOLES; i++) {
                for (size_t k = 0; k < i % (PARTS + 1); k++) {
                    const struct part *p = (const struct part *)tool_stage_take(w.stage);
                    w.held--;
                    cr_assert(p && p->whole == i && p->number == k, "part %zu of %zu", k, i);
                }
                cr_assert_eq(((const whole *)tool_stage_take(w.stage))->number, i);
            }
            cr_assert_null(tool_stage_take(w.stage));
            /* What is held, what a thread each has put last, and what each waits with. */
            if (room) cr_assert_leq(w.held_most, room + 2 * threads + 1, "%zu parts at once", w.held_most);
            tool_stage_close(w.stage);
        }
}

/* Of the later ones no part will do, and they fill all the room there is: the first goes on all the same. */
static bool is_of_first(const void *arg, const tool_stage_item *item)
{
    const parts_workshop *w = arg;
    const char *at = (const char *)item;
    return at >= (const char *)&w->whole[7] && at < (const char *)&w->whole[8];
}

Test(stage, the_oldest_goes_on_whatever_the_others_hold)
{
    parts_workshop w = {.held = 0};
    open_parts(&w, 4, PART_BYTES);
    for (size_t i = 0; i < 7; i++)
        for (size_t k = 0; k <= i % (PARTS + 1); k++) cr_assert_not_null(tool_stage_take(w.stage));
    for (size_t spin = 0; spin < 1000; spin++) sched_yield();
    for (size_t k = 0; k < 7; k++) {
        const struct part *p = (const struct part *)tool_stage_pick(w.stage, true, is_of_first, &w);
        cr_assert(p && p->whole == 7 && p->number == k);
    }
    cr_assert_eq(((const whole *)tool_stage_pick(w.stage, true, is_of_first, &w))->number, 7);
    tool_stage_close(w.stage);
}

Test(stage, closes_with_parts_that_have_no_room)
{
    for (size_t threads = 1; threads <= 4; threads++) {
        parts_workshop w = {.held = 0};
        open_parts(&w, threads, PART_BYTES);
        for (size_t k = 0; k < 10; k++) cr_assert_not_null(tool_stage_take(w.stage));
        for (size_t spin = 0; spin < 1000; spin++) sched_yield();
        tool_stage_close(w.stage);
        cr_assert_leq(w.refused, threads);
    }
}
