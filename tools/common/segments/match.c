#include "tools/common/segments/match.h"

#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"

/* A name's parts from the last to the first. */
typedef struct parts {
    const char *text;
    size_t end; /* of what is left */
} parts;

/* The folders above and beside that a path may begin with say nothing about where it ends. */
static parts begin(const char *text)
{
    for (;;) {
        if (text[0] == '.' && text[1] == '/') text += 2;
        else if (text[0] == '.' && text[1] == '.' && text[2] == '/') text += 3;
        else break;
    }
    return (parts){text, strlen(text)};
}

/* Takes the last part; false when nothing is left, or the root alone. */
static bool take(parts *p, const char **part, size_t *size)
{
    while (p->end && p->text[p->end - 1] == '/') p->end--;
    if (!p->end) return false;
    size_t at = p->end;
    while (at && p->text[at - 1] != '/') at--;
    *part = p->text + at;
    *size = p->end - at;
    p->end = at;
    return true;
}

static size_t stem_size(const char *part, size_t size)
{
    for (size_t i = size; i-- > 1;)
        if (part[i] == '.') return i;
    return size;
}

static bool same(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

/* How alike two last parts are: 0 to 3. */
static size_t rank_last(const char *a, size_t a_size, bool stems, const char *b, size_t b_size)
{
    size_t a_stem = stem_size(a, a_size), b_stem = stem_size(b, b_size);
    if (same(a, a_size, b, b_size)) return 3;
    if (same(a, a_size, b, b_stem) || (!stems && same(a, a_stem, b, b_size))) return 2;
    return !stems && same(a, a_stem, b, b_stem);
}

size_t tool_match_rank(const char *name, bool stems, const char *path)
{
    parts a = begin(name), b = begin(path);
    const char *x, *y;
    size_t x_size, y_size, folders = 0;
    if (!take(&a, &x, &x_size) || !take(&b, &y, &y_size)) return 0;
    size_t last = rank_last(x, x_size, stems, y, y_size);
    if (!last) return 0;
    for (;; folders++) {
        bool more_a = take(&a, &x, &x_size), more_b = take(&b, &y, &y_size);
        if (more_a && more_b && !same(x, x_size, y, y_size)) return 0;
        if (more_a && more_b) continue;
        /* The longer one must not end before a shorter one that begins at the root. */
        if ((more_a && path[0] == '/') || (more_b && name[0] == '/')) return 0;
        return folders * 4 + last;
    }
}

/* ---- Looking up ---- */

static int compare_text(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int by_text(const void *a, const void *b)
{
    const tool_match_key *x = a, *y = b;
    int order = compare_text(x->text, x->size, y->text, y->size);
    return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

bool tool_match_init(tool_match_index *m, const char *const *names, size_t count, bool stems)
{
    *m = (tool_match_index){.names = names, .count = count, .stems = stems};
    size_t most;
    m->keys = eng_mul_size(count, 2, &most) ? eng_alloc(most, sizeof *m->keys) : NULL;
    if (!m->keys) return false;
    for (size_t i = 0; i < count; i++) {
        parts p = begin(names[i]);
        const char *part;
        size_t size;
        if (!take(&p, &part, &size)) continue;
        m->keys[m->key_count++] = (tool_match_key){part, size, i};
        size_t stem = stem_size(part, size);
        if (!stems && stem != size) m->keys[m->key_count++] = (tool_match_key){part, stem, i};
    }
    qsort(m->keys, m->key_count, sizeof *m->keys, by_text);
    return true;
}

void tool_match_fini(tool_match_index *m)
{
    eng_free(m->keys);
    *m = (tool_match_index){0};
}

/* The first key that is not before the text. */
static size_t lower_bound(const tool_match_index *m, const char *text, size_t size)
{
    size_t low = 0, high = m->key_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const tool_match_key *k = &m->keys[middle];
        if (compare_text(k->text, k->size, text, size) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

size_t tool_match_find(const tool_match_index *m, const char *path, size_t *second)
{
    parts p = begin(path);
    const char *part;
    size_t size, best = m->count, best_rank = 0;
    *second = m->count;
    if (!take(&p, &part, &size)) return best;
    const size_t stem = stem_size(part, size), tries[2] = {size, stem};
    for (size_t t = 0; t < (stem == size ? 1 : 2); t++)
        for (size_t i = lower_bound(m, part, tries[t]); i < m->key_count; i++) {
            const tool_match_key *k = &m->keys[i];
            if (!same(k->text, k->size, part, tries[t])) break;
            size_t rank = k->entry == best ? 0 : tool_match_rank(m->names[k->entry], m->stems, path);
            if (rank > best_rank) *second = m->count;
            if (rank && rank == best_rank) *second = k->entry;
            if (rank > best_rank) {
                best = k->entry;
                best_rank = rank;
            }
        }
    return best;
}
