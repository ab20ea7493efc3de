/* The CNN feature encoder layer by layer, for a tape: every activation is kept. Inference and a frozen encoder run
 * feature_encoder.c's tiles instead. */
#include "engine/ops/activation.h"
#include "engine/ops/conv1d.h"
#include "engine/ops/group_norm.h"
#include "engine/ops/layer_norm.h"
#include "model/network/forward.h"

/* The batch after a convolution; offsets in ctx->arena. */
static eng_batch convolved(eng_context *ctx, eng_batch in, size_t kernel, size_t stride)
{
    size_t *offset = eng_arena_alloc(ctx->arena, in.n + 1, sizeof *offset);
    if (!offset) {
        eng_out_of_memory(ctx, "a batch", (in.n + 1) * sizeof *offset);
        return in;
    }
    offset[0] = 0;
    for (size_t u = 0; u < in.n; u++)
        offset[u + 1] = offset[u] + eng_conv1d_frames(eng_batch_frames(in, u), kernel, stride);
    return (eng_batch){in.n, offset};
}

eng_tensor mdl_feature_encoder_recorded(const mdl_model *m, eng_context *ctx, eng_batch samples, eng_tensor waves)
{
    const mdl_config *c = &m->config;
    eng_batch in = samples;
    eng_tensor x = waves;
    for (size_t i = 0; i < c->convs && eng_good(ctx); i++) {
        const mdl_conv *conv = &m->conv[i];
        eng_batch out = convolved(ctx, in, c->conv_kernel[i], c->conv_stride[i]);
        if (!eng_good(ctx)) break;
        eng_conv1d_weights w = {c->conv_kernel[i], c->conv_stride[i], &conv->linear.w, conv->linear.bias};
        x = eng_conv1d(ctx, in, x, out, w);
        if (conv->norm.gamma.data && c->group_norm)
            x = eng_group_norm(ctx, out, x, conv->norm.gamma, conv->norm.beta, 1e-5f);
        else if (conv->norm.gamma.data)
            x = eng_layer_norm(ctx, x, conv->norm.gamma, conv->norm.beta, 1e-5f);
        eng_tensor y = eng_tensor_new(ctx, x.rows, x.cols);
        eng_activation_into(ctx, x, c->conv_act, y);
        x = y;
        in = out;
    }
    return x;
}
