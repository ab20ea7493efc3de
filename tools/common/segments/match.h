/* Which of the names in a file of segments a recording is meant by. */
#ifndef TOOLS_COMMON_SEGMENTS_MATCH_H
#define TOOLS_COMMON_SEGMENTS_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/* How well name fits the recording's path: 0 not at all. They fit when they are the same, or one is the end of the other,
 * in whole folder names: "a.wav" and "calls/a.wav" fit /data/calls/a.wav, "other/a.wav" does not. The more folders are the
 * same the better. The last part may lack its extension in either; stems: name has none by its nature (an RTTM id), so
 * that a dot in it is none's. Without `stems` another extension fits, too (a.flac, a.wav), but least. */
size_t tool_match_rank(const char *name, bool stems, const char *path);

/* Names to be looked up. */
typedef struct tool_match_key {
    const char *text; /* the last part of the name, whole or without extension */
    size_t size, entry;
} tool_match_key;

typedef struct tool_match_index {
    const char *const *names; /* [count]; the caller's */
    size_t count;
    bool stems;
    tool_match_key *keys; /* [key_count], sorted */
    size_t key_count;
} tool_match_index;

/* False when out of memory. tool_match_fini in any case. */
bool tool_match_init(tool_match_index *m, const char *const *names, size_t count, bool stems);
void tool_match_fini(tool_match_index *m);

/* The name that fits the path best, m->count when none does. *second: another that fits as well, else m->count. */
size_t tool_match_find(const tool_match_index *m, const char *path, size_t *second);

#endif
