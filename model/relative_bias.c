#include <math.h>

#include "model/forward.h"

size_t mdl_relative_bucket(size_t buckets, size_t max_distance, ptrdiff_t distance)
{
    size_t half = buckets / 2, exact = half / 2, bucket = distance > 0 ? half : 0;
    size_t d = (size_t)(distance < 0 ? -distance : distance);
    if (d < exact) return bucket + d;
    /* in float, as the reference computes it */
    float steps = logf((float)d / (float)exact) / (float)log((double)max_distance / (double)exact) *
                  (float)(half - exact);
    size_t large = (size_t)((float)exact + steps);
    return bucket + (large < half - 1 ? large : half - 1);
}

eng_relative_bias mdl_relative_bias(const mdl_model *m, eng_context *ctx, size_t reach)
{
    const mdl_config *c = &m->config;
    size_t width = 2 * reach - 1;
    eng_tensor table = eng_tensor_new(ctx, c->heads, width);
    for (size_t i = 0; eng_good(ctx) && i < width; i++) {
        size_t bucket = mdl_relative_bucket(c->buckets, c->max_distance, (ptrdiff_t)i - (ptrdiff_t)(reach - 1));
        for (size_t h = 0; h < c->heads; h++) eng_row(table, h)[i] = m->bias_embedding.data[bucket * c->heads + h];
    }
    return (eng_relative_bias){table.data, reach, table.grad};
}
