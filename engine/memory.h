/* Memory: the only file that calls malloc. Sizes are checked for overflow; all blocks are aligned to 64 bytes.
 *
 * Heap blocks (eng_alloc) belong to long-lived objects. Activations and scratch live in arenas: bump allocators that
 * grow by chunks and rewind to a mark. Debug builds (NDEBUG off) fill fresh arena memory with NaN. */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* count * size bytes, uninitialised, aligned to 64. NULL when out of memory or when the product overflows; count or
 * size 0 gives a valid block. Free with eng_free. */
void *eng_alloc(size_t count, size_t size);

/* As eng_alloc, filled with zeros. */
void *eng_alloc_zero(size_t count, size_t size);

/* Grows block (from eng_alloc, or NULL) from old_count to new_count elements; the new part is uninitialised. On
 * failure returns NULL and leaves block valid. */
void *eng_grow(void *block, size_t old_count, size_t new_count, size_t size);

/* Heap copy of a string; NULL when out of memory. */
char *eng_strdup(const char *s);

void eng_free(void *block);

/* Heap blocks of several hundred megabytes for weights: whole pages, huge ones where the system has them, so that
 * loading faults rarely and the GEMM misses the TLB rarely. Free with eng_free_pages, giving the same bytes. */
void *eng_alloc_pages(size_t bytes);
void eng_free_pages(void *block, size_t bytes);

/* *out = a * b (a + b); false when it overflows. */
bool eng_mul_size(size_t a, size_t b, size_t *out);
bool eng_add_size(size_t a, size_t b, size_t *out);

typedef struct eng_arena_chunk eng_arena_chunk;

/* A bump allocator. Not thread-safe: one arena a thread. */
typedef struct eng_arena {
    eng_arena_chunk *first, *current;
    size_t used;   /* in the current chunk */
    size_t total;  /* bytes held in all chunks */
    size_t wanted; /* bytes that the next first chunk shall have */
} eng_arena;

typedef struct eng_arena_mark {
    eng_arena_chunk *chunk;
    size_t used;
} eng_arena_mark;

void eng_arena_init(eng_arena *a);
void eng_arena_fini(eng_arena *a);

/* count * size bytes aligned to 64, valid until the arena rewinds behind them; NULL when out of memory. */
void *eng_arena_alloc(eng_arena *a, size_t count, size_t size);

eng_arena_mark eng_arena_save(const eng_arena *a);

/* Gives back everything allocated since the mark was taken. The chunks stay for the next use; an arena that is empty again
 * takes one for all of them, so that what it holds follows the most that it ever needed at once. */
void eng_arena_rewind(eng_arena *a, eng_arena_mark mark);

/* Returns to the system every chunk that holds nothing. */
void eng_arena_trim(eng_arena *a);

#endif
