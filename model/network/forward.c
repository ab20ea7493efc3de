#include "model/network/forward.h"

#include <string.h>

#include "engine/ops/grouped_conv.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/weight_norm.h"
#include "model/network/mix.h"

/* What happens to each hidden state. */
typedef struct state_sink {
    eng_context *ctx;
    eng_batch batch;
    const mdl_observer *observer;
    mdl_mix mix; /* sum.data NULL: no mix */
} state_sink;

static void observe(const mdl_observer *o, eng_context *ctx, mdl_stage stage, size_t index, eng_batch batch,
                    eng_tensor x)
{
    if (o && eng_good(ctx)) o->fn(o->arg, stage, index, batch, x);
}

/* Fails ctx once the run was called off: tasks were left out, and what they should have made must not be looked at. */
static void check_stopped(eng_context *ctx)
{
    if (eng_good(ctx) && eng_pool_stopped(ctx->pool)) eng_fail(&ctx->error, ENG_E_CANCELLED, "cancelled");
}

static void take_state(state_sink *s, size_t index, eng_tensor x)
{
    observe(s->observer, s->ctx, MDL_STAGE_HIDDEN, index, s->batch, x);
    if (s->mix.sum.data) mdl_mix_add(s->ctx, &s->mix, index, x);
}

/* ---- Waveforms to frames ---- */

eng_status mdl_check_input(const mdl_model *m, const mdl_input *input, eng_error *err)
{
    const mdl_config *c = &m->config;
    if (mdl_config_frames(c, input->count) == 0)
        return eng_fail(err, ENG_E_USAGE, "too short: %zu samples at 16 kHz; the model needs at least %zu", input->count,
                        mdl_config_min_samples(c));
    if (c->head == MDL_HEAD_EMOTION && c->gender != MDL_COND_NONE &&
        (input->gender < 0 || (size_t)input->gender >= c->genders))
        return eng_fail(err, ENG_E_USAGE, "the model is conditioned on gender and none was given");
    if (c->head == MDL_HEAD_EMOTION && c->text != MDL_COND_NONE && !input->text)
        return eng_fail(err, ENG_E_USAGE, "the model is conditioned on text and no text embedding was given");
    return ENG_OK;
}

static eng_status check_inputs(const mdl_model *m, size_t n, const mdl_input *inputs, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t u = 0; u < n && !status; u++) status = mdl_check_input(m, &inputs[u], err);
    return status;
}

/* Normalised waveforms, one after the other, [samples, 1]; *samples gets where each begins. */
static eng_tensor normalise_waves(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs,
                                  eng_batch *samples)
{
    size_t *offset = eng_arena_alloc(ctx->arena, n + 1, sizeof *offset);
    if (!offset) {
        eng_out_of_memory(ctx, "a batch", (n + 1) * sizeof *offset);
        return (eng_tensor){0};
    }
    offset[0] = 0;
    for (size_t u = 0; u < n; u++) offset[u + 1] = offset[u] + inputs[u].count;
    *samples = (eng_batch){n, offset};
    eng_tensor waves = eng_tensor_plain(ctx, offset[n], 1);
    for (size_t u = 0; u < n && eng_good(ctx); u++)
        mdl_normalise_input(&m->config, inputs[u].samples, inputs[u].count, eng_row(waves, offset[u]));
    return waves;
}

/* The fused feature encoder: nothing of it is kept. */
static eng_tensor encode_tiles(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs, eng_batch batch)
{
    eng_tensor features = eng_tensor_plain(ctx, batch.offset[n], m->config.conv_dim[m->config.convs - 1]);
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    eng_batch samples;
    eng_tensor waves = normalise_waves(m, ctx, n, inputs, &samples);
    const float **wave = eng_arena_alloc(ctx->arena, n, sizeof *wave);
    size_t *count = eng_arena_alloc(ctx->arena, n, sizeof *count);
    if (!wave || !count) eng_out_of_memory(ctx, "a batch", n * (sizeof *wave + sizeof *count));
    for (size_t u = 0; u < n && eng_good(ctx); u++) {
        wave[u] = eng_row(waves, samples.offset[u]);
        count[u] = inputs[u].count;
    }
    eng_tape *tape = ctx->tape;
    ctx->tape = NULL;
    mdl_feature_encoder(m, ctx, batch, wave, count, features);
    ctx->tape = tape;
    eng_arena_rewind(ctx->arena, mark);
    return features;
}

/* Waveforms through the feature encoder. *batch gets the frames of each utterance. */
static eng_tensor encode_waves(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs,
                               eng_batch *batch)
{
    size_t *offset = eng_arena_alloc(ctx->arena, n + 1, sizeof *offset);
    if (!offset) {
        eng_out_of_memory(ctx, "a batch", (n + 1) * sizeof *offset);
        return (eng_tensor){0};
    }
    offset[0] = 0;
    for (size_t u = 0; u < n; u++) offset[u + 1] = offset[u] + mdl_config_frames(&m->config, inputs[u].count);
    *batch = (eng_batch){n, offset};
    if (!ctx->tape || !m->train_encoder) return encode_tiles(m, ctx, n, inputs, *batch);
    eng_batch samples;
    eng_tensor waves = normalise_waves(m, ctx, n, inputs, &samples);
    return eng_good(ctx) ? mdl_feature_encoder_recorded(m, ctx, samples, waves) : waves;
}

static size_t longest(eng_batch batch)
{
    size_t most = 1;
    for (size_t u = 0; u < batch.n; u++)
        if (eng_batch_frames(batch, u) > most) most = eng_batch_frames(batch, u);
    return most;
}

/* The encoder's layer norm: in place, unless a tape keeps what it reads. */
static eng_tensor norm_states(const mdl_model *m, eng_context *ctx, eng_tensor x)
{
    eng_tensor y = ctx->tape ? eng_tensor_new(ctx, x.rows, x.cols) : x;
    eng_layer_norm_into(ctx, x, m->encoder_norm.gamma, m->encoder_norm.beta, m->config.eps, y);
    return y;
}

/* x = p + act(conv(p)), and Base's layer norm. A trainable model's weight is made from v and g here. */
static eng_tensor embed_positions(const mdl_model *m, eng_context *ctx, eng_batch batch, eng_tensor projected)
{
    const mdl_config *c = &m->config;
    const eng_weight *weights = m->pos_conv;
    if (m->pos_v.data)
        weights = eng_weight_norm(ctx, (eng_normed_weight){c->pos_groups, c->hidden, c->hidden / c->pos_groups,
                                                           c->pos_kernel, m->pos_v, m->pos_g});
    if (!eng_good(ctx)) return projected;
    eng_grouped_conv_weights conv = {c->pos_groups, c->pos_kernel, weights, m->pos_bias};
    eng_tensor x = eng_grouped_conv_residual(ctx, batch, projected, conv, c->conv_act);
    return c->pre_norm ? x : norm_states(m, ctx, x);
}

/* The transformer's layers from x on, through `sink`; spare: a tensor of x's shape, for x and y to take turns where no
 * tape keeps them. Returns the last hidden state. */
static eng_tensor run_layers(const mdl_model *m, const mdl_training *training, state_sink *sink, eng_tensor x,
                             eng_tensor spare)
{
    const mdl_config *c = &m->config;
    eng_context *ctx = sink->ctx;
    eng_relative_bias bias = mdl_relative_bias(m, ctx, longest(sink->batch));
    eng_tensor y = spare;
    bool checkpoint = ctx->tape && training && training->checkpoint_layers;
    for (size_t i = 0; i < c->layers && eng_good(ctx); i++) {
        mdl_watch_block(training, ctx, 1 + i);
        if (!mdl_layer_skipped(training, i)) {
            if (ctx->tape) y = eng_tensor_new(ctx, x.rows, x.cols);
            if (checkpoint) mdl_encoder_layer_checkpointed(m, ctx, sink->batch, i, bias, training, x, y);
            else mdl_encoder_layer(m, ctx, sink->batch, i, bias, training, x, y);
            eng_tensor turn = x;
            x = y;
            y = turn;
        }
        if (c->pre_norm && i + 1 == c->layers) x = norm_states(m, ctx, x);
        check_stopped(ctx);
        take_state(sink, i + 1, x);
    }
    return x;
}

/* Feature projection, positional convolution, transformer. Returns the mix or the last hidden state. */
static eng_tensor encode_frames(const mdl_model *m, eng_context *ctx, eng_batch batch, eng_tensor features,
                                const mdl_training *training, const mdl_observer *observer)
{
    const mdl_config *c = &m->config;
    state_sink sink = {.ctx = ctx, .batch = batch, .observer = observer};
    if (c->weighted_sum) sink.mix = mdl_mix_begin(ctx, m->head.mix, c->layers + 1, features.rows, c->hidden);
    eng_tensor normed = ctx->tape ? eng_tensor_new(ctx, features.rows, features.cols) : features;
    eng_layer_norm_into(ctx, features, m->feature_norm.gamma, m->feature_norm.beta, c->eps, normed);
    eng_tensor projected = eng_linear(ctx, normed, &m->feature_projection.w, m->feature_projection.bias, KERN_ACT_NONE,
                                      (eng_tensor){0});
    projected = mdl_dropout(training, ctx, batch, projected, MDL_DRAW_FEATURE, 0);
    check_stopped(ctx);
    observe(observer, ctx, MDL_STAGE_PROJECTED, 0, batch, projected);
    projected = mdl_spec_augment(m, ctx, batch, training, projected);
    eng_tensor x = embed_positions(m, ctx, batch, projected);
    x = mdl_dropout(training, ctx, batch, x, MDL_DRAW_POSITION, 0);
    check_stopped(ctx);
    take_state(&sink, 0, x);
    x = run_layers(m, training, &sink, x, projected);
    return c->weighted_sum ? sink.mix.sum : x;
}

static eng_tensor logits_of(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs,
                            const mdl_training *training, const mdl_observer *observer)
{
    eng_batch batch = {0};
    mdl_watch_block(training, ctx, 0);
    eng_tensor features = encode_waves(m, ctx, n, inputs, &batch);
    check_stopped(ctx);
    observe(observer, ctx, MDL_STAGE_CONV, 0, batch, features);
    if (!eng_good(ctx)) return features;
    eng_tensor x = encode_frames(m, ctx, batch, features, training, observer);
    if (m->config.head == MDL_HEAD_NONE) return x;
    mdl_watch_block(training, ctx, 1 + m->config.layers);
    eng_tensor pooled = mdl_pool(m, ctx, batch, x);
    if (m->config.head == MDL_HEAD_EMOTION) pooled = mdl_condition(m, ctx, inputs, pooled);
    check_stopped(ctx);
    observe(observer, ctx, MDL_STAGE_POOLED, 0, batch, pooled);
    return mdl_classify(m, ctx, training, pooled);
}

eng_tensor mdl_forward_recorded(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs,
                                const mdl_training *training, const mdl_observer *observer)
{
    if (!eng_good(ctx) || check_inputs(m, n, inputs, &ctx->error) || n == 0) return (eng_tensor){0};
    return logits_of(m, ctx, n, inputs, training, observer);
}

eng_status mdl_forward(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs, float *logits,
                       const mdl_observer *observer, eng_error *err)
{
    eng_status status = check_inputs(m, n, inputs, err);
    if (status || n == 0) return status;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    eng_tensor out = logits_of(m, ctx, n, inputs, NULL, observer);
    check_stopped(ctx);
    if (eng_good(ctx) && m->config.head != MDL_HEAD_NONE)
        memcpy(logits, out.data, n * m->config.labels * sizeof *logits);
    eng_arena_rewind(ctx->arena, mark);
    status = ctx->error.status;
    if (status) {
        if (err) *err = ctx->error;
        ctx->error = (eng_error){0};
    }
    return status;
}
