#include "engine/ops/grouped_conv_parts.h"

#include <string.h>

void eng_grouped_conv_pad(const float *x, size_t stride, size_t width, size_t begin, size_t end, size_t first,
                          size_t before, size_t rows, float *out)
{
    for (size_t i = 0; i < rows; i++) {
        size_t shifted = first + i; /* frame + before: unsigned, so compare before subtracting */
        if (shifted < begin + before || shifted >= end + before)
            memset(out + i * width, 0, width * sizeof *out);
        else
            memcpy(out + i * width, x + (shifted - before) * stride, width * sizeof *out);
    }
}
