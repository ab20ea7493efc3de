/* A stage of a pipeline: work that threads do in the background while the caller computes. The caller gives items and
 * takes them back when they are made: in the order in which they were given, or as they get ready. Items are begun in
 * the order in which they were given, so the one that a caller waits for is never behind others.
 *
 * An item may come in parts, such as a recording of hours in segments: what makes it puts them (tool_stage_put), and the
 * caller takes them, each when it is there, before the item itself, which is taken last.
 *
 * All functions but the one that makes items, tool_stage_put and tool_stage_interrupt, are the caller's, from one thread. */
#ifndef TOOLS_COMMON_STAGE_H
#define TOOLS_COMMON_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

/* The first member of what the caller gives, so that a pointer to it is a pointer to the whole. Private. */
typedef struct tool_stage_item {
    struct tool_stage_item *next;
    size_t bytes;
    bool made;
} tool_stage_item;

/* Makes an item, on a thread of the stage; returns how many bytes the item holds from then on. */
typedef size_t (*tool_stage_fn)(void *arg, tool_stage_item *item);

typedef struct tool_stage_options {
    tool_stage_fn make;
    void *arg;
    size_t threads;    /* at least 1 */
    size_t most_bytes; /* none is begun while those that are made and not taken hold as many; 0: no limit */
} tool_stage_options;

typedef struct tool_stage tool_stage;

/* Starts the threads; fewer than asked for when the system gives no more. No signal is delivered to them, nor to an
 * ffmpeg that one starts (model/audio/child.h): signals are the program's, and an interrupt that ends it in order does
 * not make a file look broken. Errors: out of memory, not a single thread. */
eng_status tool_stage_open(const tool_stage_options *options, tool_stage **out, eng_error *err);

/* Gives an item, which stays the caller's and where it is, but is not to be touched until it is taken. */
void tool_stage_give(tool_stage *s, tool_stage_item *item);

/* Of the function that makes `item`: puts a part of it, which is made, holds `bytes` and is the caller's from then on.
 * Waits while those that are made and not taken hold as much as they may, unless this part will be the oldest of all:
 * whoever takes the oldest first never waits in vain. False: the stage is being closed, and the part is not taken. */
bool tool_stage_put(tool_stage *s, tool_stage_item *item, tool_stage_item *part, size_t bytes);

/* Takes the oldest item, once it is made. NULL: there is none. */
tool_stage_item *tool_stage_take(tool_stage *s);

/* True: the item will do. NULL for all. */
typedef bool (*tool_stage_test)(const void *arg, const tool_stage_item *item);

/* Takes the oldest of the items that are made and will do; with `wait`, waits for one. NULL: there is none and, with
 * `wait`, there will be none without another being given; or an interrupt. */
tool_stage_item *tool_stage_pick(tool_stage *s, bool wait, tool_stage_test test, const void *arg);

/* From any thread: a tool_stage_pick that waits, or the next that would wait, gives NULL. */
void tool_stage_interrupt(tool_stage *s);

/* Stops: items that are being made are made to their end, without the parts that are not put yet, others are not begun. Frees the stage; the items that were
 * not taken are left to the caller. s may be NULL. */
void tool_stage_close(tool_stage *s);

#endif
