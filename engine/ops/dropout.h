/* Dropout (torch.nn.Dropout) with masks that are a function of what is dropped, not of the batch. Training only. */
#ifndef ENGINE_OPS_DROPOUT_H
#define ENGINE_OPS_DROPOUT_H

#include "engine/context.h"
#include "engine/random.h"

/* y = x * mask / (1 - p), 0 <= p <= 1 (p = 1: zeros): x [frames, cols]. Element (t, j) of utterance u, t counted from
 * the utterance's first row, is kept if number t * cols + j of the stream (seed, step, ids[u], purpose) is not below p;
 * the stream's own utterance is not looked at. Numbers repeat after 2^32 elements of an utterance. Returns a new tensor
 * in ctx->arena; p = 0 returns x itself. Backward: dx += dy * mask / (1 - p), the mask computed again: ids [batch.n]
 * and batch.offset are kept until then. */
eng_tensor eng_dropout(eng_context *ctx, eng_batch batch, const uint32_t *ids, eng_tensor x, float p,
                       eng_stream stream);

#endif
