/* What attention's two passes share; internal to the engine. */
#ifndef ENGINE_OPS_ATTENTION_PARTS_H
#define ENGINE_OPS_ATTENTION_PARTS_H

#include "engine/ops/attention.h"
#include "engine/gemm/gemm.h"

/* Queries of a block: in f32 QUERY_TILES of the micro-kernel's tiles, in bf16 as many as MAX_QUERIES. Keys of a score tile:
 * part of what a result's bits are, since every tile rescales the sums of those before it, so the same on every CPU, and a
 * multiple of every micro-kernel's columns (8, 12, 16, 64). */
enum { ENG_QUERY_TILES = 4, ENG_MAX_QUERIES = 96, ENG_KEY_TILE = 576 };

/* What the products of a pass are computed in: ENG_F32, or ENG_BF16, whose operands are rounded and lie in units of two
 * elements of the depth (kern_table.gemm_bf16). Their micro-kernel, the queries of a block, and the units of a depth. */
const kern_gemm_blocks *eng_attention_blocks(const kern_table *k, eng_precision precision);
size_t eng_attention_queries(const kern_table *k, eng_precision precision);
size_t eng_attention_units(eng_precision precision, size_t depth);

/* C[rows, n] = (accumulate ? C : 0) + A[rows, units] * panels, each panel [panel_units][nr], of which `units` rows from
 * first_unit on are used. a: f32: as it lies, row stride lda; bf16: panels of eng_attention_pack_left, and lda is not
 * looked at. */
void eng_attention_product(const kern_table *k, eng_precision precision, size_t rows, size_t n, size_t units,
                           const void *a, size_t lda, const void *panels, size_t panel_units, size_t first_unit, float *c,
                           size_t ldc, bool accumulate);

/* x [rows, n] with row stride ldx as a right operand: panels [ceil(n / nr)] of [units of rows][nr], zero-padded. */
void eng_attention_pack_rows(const kern_table *k, eng_precision precision, size_t rows, size_t n, const float *x,
                             size_t ldx, void *panels);

/* x^T as a right operand: panels [ceil(rows / nr)] of [units of n][nr]. scratch: eng_attention_scratch(.., n) units;
 * f32 needs none. */
void eng_attention_pack_columns(const kern_table *k, eng_precision precision, size_t rows, size_t n, const float *x,
                                size_t ldx, void *scratch, void *panels);

/* x [rows, depth] as a left operand of bf16: rows rounded up to mr, times units rounded up to the run. */
void eng_attention_pack_left(const kern_table *k, size_t rows, size_t depth, const float *x, size_t ldx, void *scratch,
                             uint32_t *panels);

/* Units of 4 bytes that packing needs beside its result, and those of a left operand. */
size_t eng_attention_scratch(const kern_table *k, eng_precision precision, size_t depth);
size_t eng_attention_left_size(const kern_table *k, size_t rows, size_t depth);

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
