/* What attention's two passes share; internal to the engine. */
#ifndef ENGINE_ATTENTION_PARTS_H
#define ENGINE_ATTENTION_PARTS_H

#include "engine/attention.h"

/* QUERY_TILES micro-kernel tiles of queries make a block, at most MAX_QUERIES; KEY_TILE keys a score tile, rounded up to
 * the micro-kernel's columns. */
enum { ENG_QUERY_TILES = 4, ENG_MAX_QUERIES = 128, ENG_KEY_TILE = 512 };

/* C[rows, n] = (accumulate ? C : 0) + A[rows, depth] * panels, each panel [panel_rows][nr], of which depth rows from
 * first_row on are used. */
void eng_attention_product(const kern_table *k, size_t rows, size_t n, size_t depth, const float *a, size_t lda,
                           const float *panels, size_t panel_rows, size_t first_row, float *c, size_t ldc,
                           bool accumulate);

/* Panels [ceil(n / nr)] of [rows][nr], zero-padded, from x [rows, n] with row stride ldx: x as a right operand. */
void eng_attention_pack_rows(const kern_table *k, size_t rows, size_t n, const float *x, size_t ldx, float *panels);

/* Panels [ceil(rows / nr)] of [n][nr] from x [rows, n]: x^T as a right operand. */
void eng_attention_pack_columns(const kern_table *k, size_t rows, size_t n, const float *x, size_t ldx, float *panels);

/* A tile's masks, 0 or 1 / (1 - p): rows of `keys` floats, stride ld. id: the utterance's; frames: how many it has; query
 * and key: the tile's first, within it. */
void eng_attention_masks(const eng_attention_dropout *d, uint32_t id, size_t head, size_t frames, size_t query,
                         size_t queries, size_t key, size_t keys, float *masks, size_t ld);

/* x *= masks, both [rows, n] with row stride ld. */
void eng_attention_apply(const kern_table *k, size_t rows, size_t n, const float *masks, float *x, size_t ld);

/* What the forward pass keeps for the backward pass. */
typedef struct eng_attention_saved {
    eng_batch batch;
    size_t heads;
    eng_tensor qkv, gate, out;
    eng_relative_bias bias;
    const float *max, *inverse_sum; /* [heads, frames] */
    eng_attention_dropout dropout;  /* p = 0: none */
} eng_attention_saved;

void eng_attention_backward(eng_context *ctx, void *saved);

#endif
