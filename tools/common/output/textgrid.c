/* Praat's TextGrid, long form. A tier is intervals without gap or overlap from 0 to the end of the recording: a gap becomes
 * an interval without text, an interval that is overlapped ends where the next begins, and those that begin at once are one,
 * with both texts. A file needs its counts first, so its annotations are held until it ends. */
#include <stdlib.h>
#include <string.h>

#include "tools/common/output/caption.h"

typedef struct annotation {
    size_t tier, order;
    double start, end; /* whole microseconds, which is what is written */
    const char *text;
} annotation;

typedef struct grid {
    eng_arena strings;
    const char **tiers; /* [tier_count]: their names */
    size_t tier_count;
    annotation *items; /* [count] */
    size_t count;
    double end; /* of the recording */
} grid;

static void drop(tool_writing *w)
{
    grid *g = w->state;
    if (!g) return;
    eng_arena_fini(&g->strings);
    eng_free(g->tiers);
    eng_free(g->items);
    eng_free(g);
    w->state = NULL;
}

static const char *keep(grid *g, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = eng_arena_alloc(&g->strings, size, 1);
    return copy ? memcpy(copy, s, size) : NULL;
}

/* The tier of this name, which is made where there is none; false when out of memory. */
static bool find_tier(grid *g, const char *name, size_t *tier)
{
    for (*tier = 0; *tier < g->tier_count; ++*tier)
        if (strcmp(g->tiers[*tier], name) == 0) return true;
    if (!(g->tier_count & (g->tier_count - 1))) { /* full: capacities are the powers of two */
        const char **grown =
            eng_grow(g->tiers, g->tier_count, g->tier_count ? 2 * g->tier_count : 1, sizeof *g->tiers);
        if (!grown) return false;
        g->tiers = grown;
    }
    g->tiers[g->tier_count] = keep(g, name);
    return g->tiers[g->tier_count] && ++g->tier_count;
}

static bool add(grid *g, const char *tier, annotation a)
{
    if (!find_tier(g, tier, &a.tier)) return false;
    if (!(g->count & (g->count - 1))) {
        annotation *grown = eng_grow(g->items, g->count, g->count ? 2 * g->count : 1, sizeof *g->items);
        if (!grown) return false;
        g->items = grown;
    }
    a.order = g->count;
    a.text = keep(g, a.text);
    if (a.end > g->end) g->end = a.end;
    g->items[g->count++] = a;
    return a.text != NULL;
}

static double whole_microseconds(double seconds)
{
    return seconds > 0 && seconds < 1e12 ? (double)(uint64_t)(seconds * 1e6 + 0.5) / 1e6 : 0;
}

static void put_row(tool_writing *w, const tool_result *r)
{
    if (!w->state && (w->state = eng_alloc_zero(1, sizeof(grid)))) eng_arena_init(&((grid *)w->state)->strings);
    grid *g = w->state;
    tool_text name = {0}, text = {0};
    bool fine = g != NULL;
    for (size_t i = 0; fine && i < tool_caption_tiers(w); i++) {
        tool_caption_tier(w, r, i, &name, &text);
        fine = !name.failed && !text.failed;
        annotation a = {.start = whole_microseconds(r->start), .end = whole_microseconds(r->end)};
        if (a.end <= a.start) a.end = a.start + 1e-6;
        a.text = text.bytes;
        fine = fine && add(g, name.bytes, a);
    }
    if (!fine) w->text.failed = true;
    eng_free(name.bytes);
    eng_free(text.bytes);
}

static void put_length(tool_writing *w, double seconds)
{
    grid *g = w->state;
    if (g && whole_microseconds(seconds) > g->end) g->end = whole_microseconds(seconds);
}

static int by_tier_and_start(const void *a, const void *b)
{
    const annotation *x = a, *y = b;
    if (x->tier != y->tier) return x->tier < y->tier ? -1 : 1;
    if (x->start < y->start || x->start > y->start) return x->start < y->start ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void put_quoted(tool_text *t, const char *s)
{
    for (; *s; s++) tool_text_bytes(t, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
}

/* One more interval: number `*n` from 1 on. Its text is that of `count` annotations. */
static void put_interval(tool_text *t, size_t *n, double start, double end, const annotation *a, size_t count)
{
    tool_text_string(t, "        intervals [");
    tool_text_size(t, ++*n);
    tool_text_string(t, "]:\n            xmin = ");
    tool_text_seconds(t, start);
    tool_text_string(t, "\n            xmax = ");
    tool_text_seconds(t, end);
    tool_text_string(t, "\n            text = \"");
    for (size_t i = 0; i < count; i++) {
        if (i) tool_text_string(t, "; ");
        put_quoted(t, a[i].text);
    }
    tool_text_string(t, "\"\n");
}

/* The intervals of `count` annotations of one tier, sorted; returns how many there are. */
static size_t put_intervals(tool_text *t, const annotation *a, size_t count, double all)
{
    size_t n = 0;
    double at = 0;
    for (size_t i = 0, same; i < count; i += same) {
        double end = a[i].end;
        for (same = 1; i + same < count && !(a[i + same].start > a[i].start); same++)
            if (a[i + same].end > end) end = a[i + same].end;
        if (i + same < count && a[i + same].start < end) end = a[i + same].start;
        if (a[i].start > at) put_interval(t, &n, at, a[i].start, NULL, 0);
        put_interval(t, &n, a[i].start, end, a + i, same);
        at = end;
    }
    if (at < all) put_interval(t, &n, at, all, NULL, 0);
    return n;
}

static void put_bounds(tool_text *t, const char *indent, double end)
{
    tool_text_string(t, indent);
    tool_text_string(t, "xmin = 0.0\n");
    tool_text_string(t, indent);
    tool_text_string(t, "xmax = ");
    tool_text_seconds(t, end);
    tool_text_string(t, "\n");
}

static void put_tier(tool_text *t, const grid *g, size_t tier, const annotation *a, size_t count)
{
    tool_text intervals = {0};
    size_t n = put_intervals(&intervals, a, count, g->end);
    tool_text_string(t, "    item [");
    tool_text_size(t, tier + 1);
    tool_text_string(t, "]:\n        class = \"IntervalTier\"\n        name = \"");
    put_quoted(t, g->tiers[tier]);
    tool_text_string(t, "\"\n");
    put_bounds(t, "        ", g->end);
    tool_text_string(t, "        intervals: size = ");
    tool_text_size(t, n);
    tool_text_string(t, "\n");
    if (intervals.failed)
        t->failed = true;
    else
        tool_text_bytes(t, intervals.bytes, intervals.size);
    eng_free(intervals.bytes);
}

static void end(tool_writing *w)
{
    const grid none = {.end = 1}, *g = w->state ? w->state : &none;
    tool_text *t = &w->text;
    if (g->count) qsort(g->items, g->count, sizeof *g->items, by_tier_and_start);
    tool_text_string(t, "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\n");
    put_bounds(t, "", g->end);
    tool_text_string(t, g->tier_count ? "tiers? <exists>\nsize = " : "tiers? <absent>\n");
    if (g->tier_count) {
        tool_text_size(t, g->tier_count);
        tool_text_string(t, "\nitem []:\n");
    }
    for (size_t i = 0, n; i < g->count; i += n) {
        for (n = 1; i + n < g->count && g->items[i + n].tier == g->items[i].tier; n++) continue;
        put_tier(t, g, g->items[i].tier, g->items + i, n);
    }
    drop(w);
}

const tool_writer tool_writer_textgrid = {
    .ending = "TextGrid", .alone = true, .timed = true, .row = put_row,
    .length = put_length, .end = end, .drop = drop};
