#include "engine/memory.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* An arena's first chunk is small, for those that hold a little; the next ones double what it holds, up to a limit. */
enum { ALIGN = 64, FIRST_CHUNK = 64 << 10, CHUNK = 4 << 20, HUGE_PAGE = 2 << 20 };

bool eng_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool eng_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Rounds up to a multiple of unit, a power of two; false when it overflows. */
static bool round_up(size_t bytes, size_t unit, size_t *out)
{
    if (!eng_add_size(bytes, unit - 1, out)) return false;
    *out &= ~(unit - 1);
    return true;
}

void *eng_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!eng_mul_size(count, size, &bytes) || !round_up(bytes ? bytes : 1, ALIGN, &bytes)) return NULL;
    return aligned_alloc(ALIGN, bytes);
}

void *eng_alloc_zero(size_t count, size_t size)
{
    void *block = eng_alloc(count, size);
    if (block && count && size) memset(block, 0, count * size);
    return block;
}

void *eng_grow(void *block, size_t old_count, size_t new_count, size_t size)
{
    void *grown = eng_alloc(new_count, size);
    if (!grown) return NULL;
    size_t keep = old_count < new_count ? old_count : new_count;
    if (block && keep) memcpy(grown, block, keep * size);
    free(block);
    return grown;
}

char *eng_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = eng_alloc(n, 1);
    if (copy) memcpy(copy, s, n);
    return copy;
}

void eng_free(void *block)
{
    free(block);
}

void *eng_alloc_pages(size_t bytes)
{
    if (!round_up(bytes ? bytes : 1, HUGE_PAGE, &bytes)) return NULL;
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return NULL;
    madvise(block, bytes, MADV_HUGEPAGE); /* advice only: without huge pages it is merely slower */
    return block;
}

void eng_free_pages(void *block, size_t bytes)
{
    if (block && round_up(bytes ? bytes : 1, HUGE_PAGE, &bytes)) munmap(block, bytes);
}

/* ---- Arenas ---- */

struct eng_arena_chunk {
    eng_arena_chunk *next;
    size_t size; /* usable bytes behind the header */
    char pad[ALIGN - sizeof(void *) - sizeof(size_t)];
};

static char *chunk_data(eng_arena_chunk *c)
{
    return (char *)c + sizeof *c;
}

static void free_chunks(eng_arena_chunk *c)
{
    for (eng_arena_chunk *next; c; c = next) {
        next = c->next;
        free(c);
    }
}

void eng_arena_init(eng_arena *a)
{
    *a = (eng_arena){0};
}

void eng_arena_fini(eng_arena *a)
{
    free_chunks(a->first);
    *a = (eng_arena){0};
}

static void poison(void *block, size_t bytes)
{
#ifndef NDEBUG
    float *f = block;
    for (size_t i = 0; i < bytes / sizeof *f; i++) f[i] = NAN;
#else
    (void)block;
    (void)bytes;
#endif
}

/* A chunk of at least `payload` bytes, uninitialised. Large ones are whole huge pages where the system has them: rows of
 * activations are a page or more apart, and each row of a GEMM's tile would need an entry of the TLB. */
static eng_arena_chunk *new_chunk(size_t payload)
{
    size_t whole;
    if (!eng_add_size(payload, sizeof(eng_arena_chunk), &whole)) return NULL;
    bool large = whole >= HUGE_PAGE;
    if (large && !round_up(whole, HUGE_PAGE, &whole)) return NULL;
    eng_arena_chunk *c = aligned_alloc(large ? HUGE_PAGE : ALIGN, whole);
    if (!c) return NULL;
    if (large) madvise(c, whole, MADV_HUGEPAGE); /* advice only */
    c->size = whole - sizeof *c;
    c->next = NULL;
    return c;
}

void *eng_arena_alloc(eng_arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!eng_mul_size(count, size, &bytes) || !round_up(bytes, ALIGN, &bytes)) return NULL;
    eng_arena_chunk *c = a->current;
    size_t used = a->used;
    while (c && c->size - used < bytes && c->next) { /* chunks kept from before */
        c = c->next;
        used = 0;
    }
    if (!c || c->size - used < bytes) {
        size_t usual = a->total < FIRST_CHUNK ? FIRST_CHUNK : a->total < CHUNK ? a->total : CHUNK;
        if (!a->first && a->wanted > usual) usual = a->wanted;
        eng_arena_chunk *fresh = new_chunk(bytes > usual ? bytes : usual);
        if (!fresh) return NULL;
        if (c) c->next = fresh;
        else a->first = fresh;
        a->total += fresh->size;
        c = fresh;
        used = 0;
    }
    a->current = c;
    a->used = used + bytes;
    void *block = chunk_data(c) + used;
    poison(block, bytes);
    return block;
}

/* An empty arena's mark names no chunk: what is rewound to it may be given back (eng_arena_rewind). */
eng_arena_mark eng_arena_save(const eng_arena *a)
{
    return a->current == a->first && a->used == 0 ? (eng_arena_mark){0} : (eng_arena_mark){a->current, a->used};
}

/* An arena that is empty again, and was in several chunks, begins anew with one that holds them all. Otherwise blocks a
 * little larger than the last time's would fit none of the chunks made for those, and a training with batches of many
 * lengths would hold several times what any of them needs. */
void eng_arena_rewind(eng_arena *a, eng_arena_mark mark)
{
    if (!mark.chunk && a->first && a->first->next) {
        a->wanted = a->total;
        free_chunks(a->first);
        a->first = NULL;
        a->total = 0;
    }
    a->current = mark.chunk ? mark.chunk : a->first;
    a->used = mark.chunk ? mark.used : 0;
}

void eng_arena_trim(eng_arena *a)
{
    eng_arena_chunk **link = a->current && a->used ? &a->current->next : &a->first;
    a->wanted = 0;
    for (eng_arena_chunk *c = *link, *next; c; c = next) {
        next = c->next;
        a->total -= c->size;
        free(c);
    }
    *link = NULL;
    if (link == &a->first) {
        a->current = NULL;
        a->used = 0;
    }
}
