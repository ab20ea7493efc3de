#include <string.h>

#include "engine/math/math.h"
#include "engine/ops/reduce.h"
#include "engine/tape.h"
#include "model/network/forward.h"

size_t mdl_relative_bucket(size_t buckets, size_t max_distance, ptrdiff_t distance)
{
    size_t half = buckets / 2, exact = half / 2, bucket = distance > 0 ? half : 0;
    size_t d = (size_t)(distance < 0 ? -distance : distance);
    if (d < exact) return bucket + d;
    /* in float, as the reference computes it, whose float logarithm has rounding errors of its own */
    float steps = (float)eng_log((float)d / (float)exact) /
                  (float)eng_log((double)max_distance / (double)exact) * (float)(half - exact);
    size_t large = (size_t)((float)exact + steps);
    return bucket + (large < half - 1 ? large : half - 1);
}

typedef struct bias_saved {
    const mdl_model *m;
    eng_tensor table;
} bias_saved;

/* Bucket of column i of a table [heads, 2 * reach - 1]. */
static size_t column_bucket(const mdl_config *c, size_t width, size_t i)
{
    return mdl_relative_bucket(c->buckets, c->max_distance, (ptrdiff_t)i - (ptrdiff_t)(width / 2));
}

/* table[h, i] = embedding[bucket(i), h] */
static void bias_backward(eng_context *ctx, void *saved)
{
    const bias_saved *s = saved;
    const mdl_config *c = &s->m->config;
    size_t width = s->table.cols, count = c->buckets * c->heads;
    double *sums = eng_arena_alloc(ctx->arena, count, sizeof *sums);
    if (!sums) {
        eng_out_of_memory(ctx, "the bias embedding's gradient", count * sizeof *sums);
        return;
    }
    memset(sums, 0, count * sizeof *sums);
    for (size_t i = 0; i < width; i++) {
        double *row = sums + column_bucket(c, width, i) * c->heads;
        for (size_t h = 0; h < c->heads; h++) row[h] += eng_grad_row(s->table, h)[i];
    }
    eng_add_sums(count, sums, s->m->bias_embedding.grad);
}

eng_relative_bias mdl_relative_bias(const mdl_model *m, eng_context *ctx, size_t reach)
{
    const mdl_config *c = &m->config;
    size_t width = 2 * reach - 1;
    bool wanted = m->bias_embedding.grad;
    eng_tensor table = wanted ? eng_tensor_new(ctx, c->heads, width) : eng_tensor_plain(ctx, c->heads, width);
    for (size_t i = 0; eng_good(ctx) && i < width; i++) {
        const float *row = m->bias_embedding.data + column_bucket(c, width, i) * c->heads;
        for (size_t h = 0; h < c->heads; h++) eng_row(table, h)[i] = row[h];
    }
    bias_saved *s = wanted ? eng_record(ctx, bias_backward, sizeof *s) : NULL;
    if (s) *s = (bias_saved){m, table};
    return (eng_relative_bias){table.data, reach, table.grad};
}
