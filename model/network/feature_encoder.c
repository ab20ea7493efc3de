/* CNN feature encoder (modeling_wavlm.WavLMFeatureEncoder): strided convolutions over channels-last data, each a GEMM
 * on overlapping rows, with layer norm over channels and the activation; or, in Base, group norm over time on the
 * first.
 *
 * Depth first: a task takes a stretch of output frames, works out which rows of every layer it needs, and runs all
 * layers on them in its own scratch, so that memory does not grow with the recording. Neighbouring stretches compute a
 * few rows twice (for the released models 15 in 2048 of the first layer). The first layer, whose rows are most, runs
 * inside the second: its rows for a block of the second's, which stay in L2. Norm and activation follow group by group
 * of rows. */
#include <math.h>
#include <string.h>

#include "model/network/forward.h"

enum {
    TILE_BYTES = 5 << 20, /* of a stretch's rows between the second layer and the third */
    MAX_TILE_FRAMES = 64,
    LEAST_TILE_FRAMES = 16,
    STATS_FRAMES = 1024,
    BLOCK_ROWS = 126, /* of the second layer, while the first layer's rows for them lie in L2 */
    FIRST_ROWS = 24,  /* of the first layer, whose products are short: normed while they lie in L1 */
    NORM_ROWS = 8     /* go through norm and activation in turn */
};

typedef struct encoder_stretch {
    size_t utterance, first, frames; /* output frames, within the utterance */
} encoder_stretch;

typedef struct encoder_run {
    const mdl_model *m;
    eng_context *ctx;
    eng_batch batch;
    const float *const *waves;
    const size_t *samples;
    const encoder_stretch *stretches;
    eng_tensor out;
    eng_packed weight[MDL_MAX_CONVS]; /* the model's, or packed for this pass in ctx->precision */
    float *group; /* group norm of the first layer: [n, 2, channels], -mean and scale; else NULL */
    double *sums; /* its moments: [stretches, 2, channels] */
    bool *failed;
} encoder_run;

/* Rows [first, first + count) of a layer's output. */
typedef struct row_range {
    size_t first, count;
} row_range;

static row_range needed_rows(const mdl_config *c, size_t layer, row_range out)
{
    return (row_range){out.first * c->conv_stride[layer],
                       (out.count - 1) * c->conv_stride[layer] + c->conv_kernel[layer]};
}

/* Norm and activation of a layer, in place. centre: of group norm, else NULL. */
static void finish_rows(const encoder_run *r, size_t layer, const float *centre, size_t rows, float *x, size_t ldx)
{
    const mdl_config *c = &r->m->config;
    const mdl_norm *norm = &r->m->conv[layer].norm;
    const kern_table *k = &r->ctx->k;
    size_t dim = c->conv_dim[layer];
    const float *gamma = norm->gamma.data, *beta = norm->beta.data;
    for (size_t first = 0; first < rows; first += NORM_ROWS) {
        size_t count = rows - first < NORM_ROWS ? rows - first : NORM_ROWS;
        float *part = x + first * ldx;
        if (centre)
            k->channel_affine_f32(count, dim, part, ldx, centre + dim, beta, part, ldx);
        else
            k->layer_norm_f32(count, dim, part, ldx, gamma, beta, 1e-5f, part, ldx, NULL, NULL);
        for (size_t i = 0; i < count; i++) {
            if (c->conv_act == KERN_ACT_GELU)
                k->gelu_f32(dim, part + i * ldx, part + i * ldx);
            else if (c->conv_act == KERN_ACT_RELU)
                k->relu_f32(dim, part + i * ldx, part + i * ldx);
        }
    }
}

/* One layer on rows that lie in `in`, whose first row is the first that is needed. */
static bool run_layer(const encoder_run *r, eng_arena *scratch, size_t layer, size_t utterance, const float *in,
                      size_t rows, float *out, size_t ldo)
{
    const mdl_config *c = &r->m->config;
    const mdl_conv *conv = &r->m->conv[layer];
    const kern_table *k = &r->ctx->k;
    size_t channels = layer ? c->conv_dim[layer - 1] : 1, dim = c->conv_dim[layer];
    size_t step = c->conv_stride[layer] * channels, group = layer ? k->gemm_blocks.mc : FIRST_ROWS;
    bool norm = conv->norm.gamma.data != NULL;
    eng_epilogue e = {conv->linear.bias.data, norm ? KERN_ACT_NONE : c->conv_act, NULL, 0};
    const float *centre = c->group_norm && norm ? r->group + utterance * 2 * dim : NULL;
    if (centre) e.bias = centre;
    for (size_t first = 0; first < rows; first += group) {
        size_t count = rows - first < group ? rows - first : group;
        float *part = out + first * ldo;
        if (!eng_gemm_serial(k, scratch, count, in + first * step, step, &r->weight[layer], part, ldo, &e))
            return false;
        if (norm) finish_rows(r, layer, centre, count, part, ldo);
    }
    return true;
}

/* The first two layers, as run_layer; in: the waveform. */
static bool run_first_layers(const encoder_run *r, eng_arena *scratch, size_t utterance, const float *in, size_t rows,
                             float *out, size_t ldo)
{
    const mdl_config *c = &r->m->config;
    size_t dim = c->conv_dim[0], most = needed_rows(c, 1, (row_range){0, BLOCK_ROWS}).count;
    float *between = eng_arena_alloc(scratch, most * dim, sizeof *between);
    for (size_t first = 0; between && first < rows; first += BLOCK_ROWS) {
        row_range block = {first, rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS};
        row_range before = needed_rows(c, 1, block);
        if (!run_layer(r, scratch, 0, utterance, in + before.first * c->conv_stride[0], before.count, between, dim) ||
            !run_layer(r, scratch, 1, utterance, between, block.count, out + first * ldo, ldo))
            return false;
    }
    return between != NULL;
}

static void encoder_task(void *arg, size_t task, size_t worker)
{
    encoder_run *r = arg;
    const mdl_config *c = &r->m->config;
    const encoder_stretch s = r->stretches[task];
    eng_arena *scratch = eng_pool_scratch(r->ctx->pool, worker);
    eng_arena_mark mark = eng_arena_save(scratch);
    row_range need[MDL_MAX_CONVS + 1]; /* need[i]: rows of layer i's input */
    need[c->convs] = (row_range){s.first, s.frames};
    for (size_t i = c->convs; i-- > 0;) need[i] = needed_rows(c, i, need[i + 1]);

    const float *in = r->waves[s.utterance] + need[0].first;
    bool pair = c->convs > 1;
    for (size_t i = pair ? 1 : 0; i < c->convs; i++) {
        size_t rows = need[i + 1].count, ldo = c->conv_dim[i];
        float *out;
        if (i + 1 == c->convs) {
            out = eng_row(r->out, r->batch.offset[s.utterance] + s.first);
            ldo = r->out.stride;
        } else {
            out = eng_arena_alloc(scratch, rows * ldo, sizeof *out);
        }
        if (!out || !(pair && i == 1 ? run_first_layers(r, scratch, s.utterance, in, rows, out, ldo)
                                     : run_layer(r, scratch, i, s.utterance, in, rows, out, ldo))) {
            r->failed[worker] = true;
            break;
        }
        in = out;
    }
    eng_arena_rewind(scratch, mark);
}

/* Moments of the first layer's output, without bias, over a stretch of its own frames. */
static void stats_task(void *arg, size_t task, size_t worker)
{
    encoder_run *r = arg;
    const mdl_config *c = &r->m->config;
    const encoder_stretch s = r->stretches[task];
    size_t dim = c->conv_dim[0];
    double *sum = r->sums + task * 2 * dim;
    eng_arena *scratch = eng_pool_scratch(r->ctx->pool, worker);
    eng_arena_mark mark = eng_arena_save(scratch);
    float *rows = eng_arena_alloc(scratch, s.frames * dim, sizeof *rows);
    eng_epilogue e = {NULL, KERN_ACT_NONE, NULL, 0};
    memset(sum, 0, 2 * dim * sizeof *sum);
    const float *in = r->waves[s.utterance] + s.first * c->conv_stride[0];
    if (!rows || !eng_gemm_serial(&r->ctx->k, scratch, s.frames, in, c->conv_stride[0], &r->weight[0], rows, dim, &e))
        r->failed[worker] = true;
    else
        r->ctx->k.channel_moments_f32(s.frames, dim, rows, dim, NULL, sum, sum + dim);
    eng_arena_rewind(scratch, mark);
}

static size_t first_layer_frames(const mdl_config *c, size_t samples)
{
    return (samples - c->conv_kernel[0]) / c->conv_stride[0] + 1;
}

/* Cuts every utterance's frames (of the first layer, or of the last) in stretches of at most `length`. */
static size_t cut(const encoder_run *r, bool first_layer, size_t length, encoder_stretch *out)
{
    size_t n = 0;
    for (size_t u = 0; u < r->batch.n; u++) {
        size_t frames = first_layer ? first_layer_frames(&r->m->config, r->samples[u]) : eng_batch_frames(r->batch, u);
        for (size_t f = 0; f < frames; f += length, n++)
            if (out) out[n] = (encoder_stretch){u, f, frames - f < length ? frames - f : length};
    }
    return n;
}

static void run_stretches(encoder_run *r, bool first_layer, size_t length, eng_task_fn fn)
{
    eng_context *ctx = r->ctx;
    size_t n = cut(r, first_layer, length, NULL), threads = eng_pool_threads(ctx->pool);
    encoder_stretch *stretches = eng_arena_alloc(ctx->arena, n, sizeof *stretches);
    r->failed = eng_arena_alloc(ctx->arena, threads, sizeof *r->failed);
    if (first_layer) r->sums = eng_arena_alloc(ctx->arena, n * 2 * r->m->config.conv_dim[0], sizeof *r->sums);
    if (!stretches || !r->failed || (first_layer && !r->sums)) {
        eng_out_of_memory(ctx, "the feature encoder", n * sizeof *stretches);
        return;
    }
    memset(r->failed, 0, threads * sizeof *r->failed);
    cut(r, first_layer, length, stretches);
    r->stretches = stretches;
    eng_pool_run(ctx->pool, n, fn, r);
    for (size_t i = 0; i < threads; i++)
        if (r->failed[i]) eng_out_of_memory(ctx, "the feature encoder", TILE_BYTES);
}

/* torch.nn.GroupNorm(channels, channels): per utterance and channel over time, y = (x - mean) * scale + beta. A bias
 * of the convolution cancels; -mean takes its place. (As one affine map, x * scale + shift, a nearly constant channel,
 * whose scale is up to 316 * gamma, would show the rounding of shift.) */
static void group_norm_statistics(encoder_run *r)
{
    const mdl_config *c = &r->m->config;
    const mdl_norm *norm = &r->m->conv[0].norm;
    size_t dim = c->conv_dim[0];
    r->group = eng_arena_alloc(r->ctx->arena, r->batch.n * 2 * dim, sizeof *r->group);
    if (!r->group) {
        eng_out_of_memory(r->ctx, "group norm", r->batch.n * 2 * dim * sizeof *r->group);
        return;
    }
    run_stretches(r, true, STATS_FRAMES, stats_task);
    if (!eng_good(r->ctx)) return;
    size_t task = 0;
    for (size_t u = 0; u < r->batch.n; u++) {
        size_t frames = first_layer_frames(c, r->samples[u]), parts = (frames + STATS_FRAMES - 1) / STATS_FRAMES;
        float *centre = r->group + u * 2 * dim, *scale = centre + dim;
        for (size_t j = 0; j < dim; j++) {
            double sum = 0, squares = 0;
            for (size_t p = 0; p < parts; p++) {
                sum += r->sums[(task + p) * 2 * dim + j];
                squares += r->sums[(task + p) * 2 * dim + dim + j];
            }
            double mean = sum / (double)frames, var = squares / (double)frames - mean * mean;
            centre[j] = (float)-mean;
            scale[j] = (float)(norm->gamma.data[j] / sqrt((var > 0 ? var : 0) + 1e-5));
        }
        task += parts;
    }
}

/* Output frames of a task: the second layer's rows for them fill at most TILE_BYTES; fewer when there would be less
 * than two tasks a thread, but not so few that the weights are fetched for next to nothing. */
static size_t tile_frames(const mdl_config *c, size_t all, size_t threads)
{
    size_t frames = MAX_TILE_FRAMES;
    for (; frames > 1; frames /= 2) {
        row_range rows = {0, frames};
        for (size_t i = c->convs; i-- > 2;) rows = needed_rows(c, i, rows);
        bool fits = rows.count * c->conv_dim[c->convs > 1] * sizeof(float) <= TILE_BYTES;
        bool enough = threads == 1 || frames <= LEAST_TILE_FRAMES || all >= 2 * threads * frames;
        if (fits && enough) break;
    }
    return frames;
}

void mdl_feature_encoder(const mdl_model *m, eng_context *ctx, eng_batch batch, const float *const *waves,
                         const size_t *samples, eng_tensor out)
{
    if (!eng_good(ctx)) return;
    eng_op_begin(ctx, "feature_encoder", out.rows, out.cols, 0);
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    encoder_run run = {.m = m, .ctx = ctx, .batch = batch, .waves = waves, .samples = samples, .out = out};
    for (size_t i = 0; i < m->config.convs && eng_good(ctx); i++) {
        const eng_weight *w = &m->conv[i].linear.w;
        if (w->packed.panels) run.weight[i] = w->packed;
        else eng_pack(ctx, eng_weight_right_in(ctx, w), &run.weight[i]); /* to be trained: once for all stretches */
    }
    if (eng_good(ctx) && m->config.group_norm) group_norm_statistics(&run);
    if (eng_good(ctx))
        run_stretches(&run, false, tile_frames(&m->config, batch.offset[batch.n], eng_pool_threads(ctx->pool)),
                      encoder_task);
    eng_arena_rewind(ctx->arena, mark);
    eng_op_end(ctx);
}
