#include "model/forward.h"

#include <string.h>

#include "engine/grouped_conv.h"
#include "engine/layer_norm.h"
#include "engine/linear.h"
#include "model/mix.h"

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

static void take_state(state_sink *s, size_t index, eng_tensor x)
{
    observe(s->observer, s->ctx, MDL_STAGE_HIDDEN, index, s->batch, x);
    if (s->mix.sum.data) mdl_mix_add(s->ctx, &s->mix, index, x);
}

/* ---- Waveforms to frames ---- */

static eng_status check_inputs(const mdl_model *m, size_t n, const mdl_input *inputs, eng_error *err)
{
    const mdl_config *c = &m->config;
    for (size_t u = 0; u < n; u++) {
        if (mdl_config_frames(c, inputs[u].count) == 0)
            return eng_fail(err, ENG_E_USAGE, "too short: %zu samples at 16 kHz; the model needs at least %zu",
                            inputs[u].count, mdl_config_min_samples(c));
        if (c->head == MDL_HEAD_EMOTION && c->gender != MDL_COND_NONE &&
            (inputs[u].gender < 0 || (size_t)inputs[u].gender >= c->genders))
            return eng_fail(err, ENG_E_USAGE, "the model is conditioned on gender and none was given");
        if (c->head == MDL_HEAD_EMOTION && c->text != MDL_COND_NONE && !inputs[u].text)
            return eng_fail(err, ENG_E_USAGE, "the model is conditioned on text and no text embedding was given");
    }
    return ENG_OK;
}

/* Normalised waveforms through the feature encoder. *batch gets the frames of each utterance. */
static eng_tensor encode_waves(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs,
                               eng_batch *batch)
{
    size_t *offset = eng_arena_alloc(ctx->arena, n + 1, sizeof *offset);
    size_t *samples = eng_arena_alloc(ctx->arena, n, sizeof *samples);
    float **waves = eng_arena_alloc(ctx->arena, n, sizeof *waves);
    if (!offset || !samples || !waves) {
        eng_out_of_memory(ctx, "a batch", n * 3 * sizeof *offset);
        return (eng_tensor){0};
    }
    offset[0] = 0;
    for (size_t u = 0; u < n; u++) {
        offset[u + 1] = offset[u] + mdl_config_frames(&m->config, inputs[u].count);
        samples[u] = inputs[u].count;
    }
    *batch = (eng_batch){n, offset};
    eng_tensor features = eng_tensor_new(ctx, offset[n], m->config.conv_dim[m->config.convs - 1]);
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    for (size_t u = 0; u < n && eng_good(ctx); u++) {
        waves[u] = eng_tensor_new(ctx, 1, samples[u]).data;
        if (waves[u]) mdl_normalise_input(&m->config, inputs[u].samples, samples[u], waves[u]);
    }
    mdl_feature_encoder(m, ctx, *batch, (const float *const *)waves, samples, features);
    eng_arena_rewind(ctx->arena, mark);
    return features;
}

static size_t longest(eng_batch batch)
{
    size_t most = 1;
    for (size_t u = 0; u < batch.n; u++)
        if (eng_batch_frames(batch, u) > most) most = eng_batch_frames(batch, u);
    return most;
}

/* Feature projection, positional convolution, transformer. Returns the mix or the last hidden state. */
static eng_tensor encode_frames(const mdl_model *m, eng_context *ctx, eng_batch batch, eng_tensor features,
                                const mdl_observer *observer)
{
    const mdl_config *c = &m->config;
    state_sink sink = {.ctx = ctx, .batch = batch, .observer = observer};
    if (c->weighted_sum) sink.mix = mdl_mix_begin(ctx, m->head.mix, c->layers + 1, features.rows, c->hidden);
    eng_tensor projected = eng_tensor_new(ctx, features.rows, c->hidden);
    eng_layer_norm_into(ctx, features, m->feature_norm.gamma, m->feature_norm.beta, c->eps, features);
    eng_linear_into(ctx, features, &m->feature_projection.w, m->feature_projection.bias, KERN_ACT_NONE,
                    (eng_tensor){0}, projected);
    observe(observer, ctx, MDL_STAGE_PROJECTED, 0, batch, projected);
    eng_grouped_conv_weights conv = {c->pos_groups, c->pos_kernel, m->pos_conv, m->pos_bias};
    eng_tensor x = eng_grouped_conv_residual(ctx, batch, projected, conv, c->conv_act);
    if (!c->pre_norm) eng_layer_norm_into(ctx, x, m->encoder_norm.gamma, m->encoder_norm.beta, c->eps, x);
    take_state(&sink, 0, x);

    eng_relative_bias bias = mdl_relative_bias(m, ctx, longest(batch));
    eng_tensor y = projected; /* x and y take turns */
    for (size_t i = 0; i < c->layers && eng_good(ctx); i++) {
        mdl_encoder_layer(m, ctx, batch, &m->layer[i], bias, x, y);
        eng_tensor turn = x;
        x = y;
        y = turn;
        if (c->pre_norm && i + 1 == c->layers)
            eng_layer_norm_into(ctx, x, m->encoder_norm.gamma, m->encoder_norm.beta, c->eps, x);
        take_state(&sink, i + 1, x);
    }
    return c->weighted_sum ? sink.mix.sum : x;
}

eng_status mdl_forward(const mdl_model *m, eng_context *ctx, size_t n, const mdl_input *inputs, float *logits,
                       const mdl_observer *observer, eng_error *err)
{
    eng_status status = check_inputs(m, n, inputs, err);
    if (status || n == 0) return status;
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    eng_batch batch = {0};
    eng_tensor features = encode_waves(m, ctx, n, inputs, &batch);
    observe(observer, ctx, MDL_STAGE_CONV, 0, batch, features);
    if (eng_good(ctx)) {
        eng_tensor x = encode_frames(m, ctx, batch, features, observer);
        if (m->config.head != MDL_HEAD_NONE) {
            eng_tensor pooled = mdl_pool(m, ctx, batch, x);
            if (m->config.head == MDL_HEAD_EMOTION) pooled = mdl_condition(m, ctx, inputs, pooled);
            eng_tensor out = mdl_classify(m, ctx, pooled);
            if (eng_good(ctx)) memcpy(logits, out.data, n * m->config.labels * sizeof *logits);
        }
    }
    eng_arena_rewind(ctx->arena, mark);
    status = ctx->error.status;
    if (status) {
        if (err) *err = ctx->error;
        ctx->error = (eng_error){0};
    }
    return status;
}
