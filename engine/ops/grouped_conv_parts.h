/* What the forward and the backward pass of the grouped convolution share. Internal to the engine. */
#ifndef ENGINE_OPS_GROUPED_CONV_PARTS_H
#define ENGINE_OPS_GROUPED_CONV_PARTS_H

#include "engine/ops/grouped_conv.h"

/* z = conv(x) + bias; its gradient is that of the convolution alone. */
typedef struct eng_grouped_conv_saved {
    eng_batch batch;
    eng_tensor x, z;
    eng_grouped_conv_weights w;
} eng_grouped_conv_saved;

/* out [rows, width], compact: row i is the `width` floats at x + (first + i - before) * stride, zeros where this frame
 * is not one of begin .. end - 1. */
void eng_grouped_conv_pad(const float *x, size_t stride, size_t width, size_t begin, size_t end, size_t first,
                          size_t before, size_t rows, float *out);

/* The tape's function; saved: an eng_grouped_conv_saved. */
void eng_grouped_conv_backward(eng_context *ctx, void *saved);

#endif
