#include "tools/common/segments.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "tools/common/folder.h"
#include "tools/common/segments/match.h"
#include "tools/common/segments/read.h"

/* What is of one recording: segments of the file, or a file of the folder. */
typedef struct entry {
    size_t first, count; /* in the set */
    const char *path;    /* of a folder's file, else NULL */
    atomic_bool used;
} entry;

struct tool_segments {
    char *path;
    bool folder;
    tool_segment_set set; /* of a file */
    const char **names;   /* [count]: what the recordings are called */
    entry *entries;       /* [count] */
    size_t count;
    tool_match_index index;
    eng_arena strings; /* names of a folder's files */
    atomic_size_t skipped, latin1;
};

static eng_status out_of_memory(const tool_segments *s, eng_error *err)
{
    return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", s->path);
}

/* Makes room for one more entry. */
static bool grow(tool_segments *s)
{
    if (s->count & (s->count - 1)) return true; /* capacities are the powers of two */
    size_t more = s->count ? 2 * s->count : 1;
    const char **names = eng_grow(s->names, s->count, more, sizeof *s->names);
    if (!names) return false;
    s->names = names;
    entry *entries = eng_grow(s->entries, s->count, more, sizeof *s->entries);
    if (!entries) return false;
    s->entries = entries;
    return true;
}

static eng_status add_entry(tool_segments *s, const char *name, entry e, eng_error *err)
{
    if (!grow(s)) return out_of_memory(s, err);
    s->names[s->count] = name;
    s->entries[s->count].first = e.first;
    s->entries[s->count].count = e.count;
    s->entries[s->count].path = e.path;
    atomic_init(&s->entries[s->count].used, false);
    s->count++;
    return ENG_OK;
}

/* ---- A file ---- */

static eng_status open_file(tool_segments *s, eng_error *err)
{
    eng_status status = tool_segment_set_read(s->path, &s->set, err);
    atomic_init(&s->skipped, s->set.skipped);
    atomic_init(&s->latin1, s->set.latin1);
    if (!s->set.names_recordings) return status;
    for (size_t i = 0, n; !status && (n = tool_segment_set_run(&s->set, i)); i += n)
        status = add_entry(s, s->set.segments[i].recording, (entry){.first = i, .count = n}, err);
    return status;
}

/* ---- A folder ---- */

/* The recording's name: the path from the folder on, without the extension. */
static eng_status add_file(void *arg, const char *path, eng_error *err)
{
    tool_segments *s = arg;
    const char *relative = path + strlen(s->path);
    while (*relative == '/') relative++;
    size_t size = (size_t)(strrchr(relative, '.') - relative);
    char *name = eng_arena_alloc(&s->strings, size + 1, 1);
    if (!name) return out_of_memory(s, err);
    memcpy(name, relative, size);
    name[size] = 0;
    return add_entry(s, name, (entry){.path = path}, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two files for one recording: which to believe? */
static eng_status refuse_doubles(const tool_segments *s, eng_error *err)
{
    const char **sorted = eng_alloc(s->count, sizeof *sorted), *twice = NULL;
    if (!sorted) return out_of_memory(s, err);
    memcpy(sorted, s->names, s->count * sizeof *sorted);
    qsort(sorted, s->count, sizeof *sorted, by_name);
    for (size_t i = 1; i < s->count && !twice; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0) twice = sorted[i];
    eng_free(sorted);
    if (!twice) return ENG_OK;
    const char *path[2] = {"", ""};
    for (size_t i = 0, n = 0; i < s->count && n < 2; i++)
        if (strcmp(s->names[i], twice) == 0) path[n++] = s->entries[i].path;
    bool ordered = strcmp(path[0], path[1]) < 0;
    return eng_fail(err, ENG_E_MISMATCH, "%s and %s: two files of segments for one recording", path[!ordered], path[ordered]);
}

static eng_status open_folder(tool_segments *s, eng_error *err)
{
    s->folder = true;
    eng_status status = tool_folder_walk(s->path, &s->strings, tool_segments_is_name, add_file, s, err);
    if (!status && !s->count)
        status = eng_fail(err, ENG_E_MISSING,
                          "%s: no files of segments in this folder (csv, tsv, rttm, txt, TextGrid, vtt, srt)", s->path);
    return status ? status : refuse_doubles(s, err);
}

/* ---- The whole ---- */

eng_status tool_segments_open(const char *path, tool_segments **out, eng_error *err)
{
    *out = NULL;
    tool_segments *s = eng_alloc_zero(1, sizeof *s);
    if (!s) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    eng_arena_init(&s->strings);
    eng_arena_init(&s->set.strings);
    struct stat info;
    s->path = eng_strdup(path);
    eng_status status = s->path ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory");
    if (!status) status = stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? open_folder(s, err) : open_file(s, err);
    if (!status && !tool_match_init(&s->index, s->names, s->count, s->folder || !s->set.table.text))
        status = out_of_memory(s, err);
    if (status)
        tool_segments_close(s);
    else
        *out = s;
    return status;
}

void tool_segments_close(tool_segments *s)
{
    if (!s) return;
    tool_match_fini(&s->index);
    tool_segment_set_fini(&s->set);
    eng_arena_fini(&s->strings);
    eng_free(s->names);
    eng_free(s->entries);
    eng_free(s->path);
    eng_free(s);
}

/* The entry of the recording; s->count when there is none. */
static eng_status find_entry(const tool_segments *s, const char *path, size_t recordings, size_t *found, eng_error *err)
{
    size_t second;
    if (strcmp(path, "-") != 0) {
        *found = tool_match_find(&s->index, path, &second);
        if (second == s->count) return ENG_OK;
        return eng_fail(err, ENG_E_MISMATCH, "%s: both '%s' and '%s' may be meant for %s", s->path, s->names[*found],
                        s->names[second], path);
    }
    *found = 0; /* standard input has no name; it is the only recording there is for the only one that is named */
    if (recordings == 1 && s->count <= 1) return ENG_OK;
    return eng_fail(err, ENG_E_USAGE, "%s: it has segments for %zu recordings, and standard input has no name to find them by",
                    s->path, s->count);
}

static void give(tool_segment_list *out, const tool_segment_set *set, size_t first, size_t count)
{
    *out = (tool_segment_list){.segments = set->segments + first,
                               .count = count,
                               .source = set->path,
                               .columns = set->columns,
                               .column_count = set->column_count};
    if (!count) out->segments = NULL;
}

/* Of a folder's file all segments, or where it names several recordings those of this one. */
static eng_status select_own(const tool_segment_set *set, const char *path, tool_segment_list *out, eng_error *err)
{
    size_t best = 0, best_rank = 0;
    if (!set->names_recordings || tool_segment_set_run(set, 0) == set->count) {
        give(out, set, 0, set->count);
        return ENG_OK;
    }
    for (size_t i = 0, n; (n = tool_segment_set_run(set, i)); i += n) {
        size_t rank = tool_match_rank(set->segments[i].recording, !set->table.text, path);
        if (rank > best_rank) best = i;
        if (rank > best_rank) best_rank = rank;
    }
    if (!best_rank)
        return eng_fail(err, ENG_E_MISMATCH, "%s: names several recordings, and none of them is %s", set->path, path);
    give(out, set, best, tool_segment_set_run(set, best));
    return ENG_OK;
}

static eng_status read_own(tool_segments *s, const entry *e, const char *path, tool_segment_list *out, eng_error *err)
{
    tool_segment_set *set = eng_alloc(1, sizeof *set);
    if (!set) return out_of_memory(s, err);
    eng_status status = tool_segment_set_read(e->path, set, err);
    if (!status) status = select_own(set, path, out, err);
    if (status) {
        tool_segment_set_fini(set);
        eng_free(set);
        *out = (tool_segment_list){0};
        return status;
    }
    out->own = set;
    atomic_fetch_add(&s->skipped, set->skipped);
    atomic_fetch_add(&s->latin1, set->latin1);
    return ENG_OK;
}

eng_status tool_segments_of(tool_segments *s, const char *path, size_t recordings, tool_segment_list *out, eng_error *err)
{
    size_t at = 0;
    *out = (tool_segment_list){.source = s->path};
    if (!s->folder && !s->set.names_recordings) {
        if (recordings != 1)
            return eng_fail(err, ENG_E_USAGE,
                            "%s: it does not say which recording its segments are of, and there are %zu; expected one "
                            "recording, or a folder with a file for each",
                            s->path, recordings);
        give(out, &s->set, 0, s->set.count);
        return ENG_OK;
    }
    eng_status status = find_entry(s, path, recordings, &at, err);
    if (status || at >= s->count) return status;
    entry *e = &s->entries[at];
    atomic_store(&e->used, true);
    if (s->folder) return read_own(s, e, path, out, err);
    give(out, &s->set, e->first, e->count);
    return ENG_OK;
}

void tool_segment_list_free(tool_segment_list *l)
{
    if (l->own) tool_segment_set_fini(l->own);
    eng_free(l->own);
    *l = (tool_segment_list){0};
}

tool_segments_counts tool_segments_count(const tool_segments *s)
{
    tool_segments_counts c = {.skipped = atomic_load(&s->skipped), .latin1 = atomic_load(&s->latin1)};
    for (size_t i = 0; i < s->count; i++) {
        if (atomic_load(&s->entries[i].used)) continue;
        c.unused_recordings++;
        c.unused_segments += s->entries[i].count;
    }
    return c;
}
