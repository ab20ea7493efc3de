/* Transformer layer (modeling_wavlm.WavLMEncoderLayer and ...StableLayerNorm).
 *
 *   post-norm (Base):   a = LN(x + attention(x));  y = LN(a + FFN(a))
 *   pre-norm (Large):   a = x + attention(LN(x));  y = a + FFN(LN(a))
 *
 * The feed-forward part runs over stretches of frames: its wide activation stays small however long the recording. */
#include "engine/attention.h"
#include "engine/layer_norm.h"
#include "engine/linear.h"
#include "model/forward.h"

enum { FEED_FORWARD_ROWS = 2048 };

static const eng_tensor NO_TENSOR = {0};

static void norm_into(const mdl_model *m, eng_context *ctx, eng_tensor x, mdl_norm norm, eng_tensor y)
{
    eng_layer_norm_into(ctx, x, norm.gamma, norm.beta, m->config.eps, y);
}

/* a = x + attention(in) */
static void self_attention(const mdl_model *m, eng_context *ctx, eng_batch batch, const mdl_layer *layer,
                           eng_relative_bias bias, eng_tensor in, eng_tensor x, eng_tensor a)
{
    size_t heads = m->config.heads;
    eng_gate_weights folded = mdl_fold_gate(&layer->gate, ctx, m->config.hidden / heads);
    eng_tensor gate = eng_relative_gate(ctx, in, heads, folded);
    eng_tensor qkv = eng_linear(ctx, in, &layer->qkv.w, layer->qkv.bias, KERN_ACT_NONE, NO_TENSOR);
    eng_tensor mixed = eng_attention(ctx, batch, qkv, heads, gate, bias);
    eng_linear_into(ctx, mixed, &layer->out.w, layer->out.bias, KERN_ACT_NONE, x, a);
}

/* y = a + FFN(norm_first ? LN(a) : a) */
static void feed_forward(const mdl_model *m, eng_context *ctx, const mdl_layer *layer, eng_tensor a, bool norm_first,
                         eng_tensor y)
{
    for (size_t first = 0; first < a.rows && eng_good(ctx); first += FEED_FORWARD_ROWS) {
        eng_arena_mark scope = eng_scope_open(ctx);
        size_t left = a.rows - first, rows = left < FEED_FORWARD_ROWS ? left : FEED_FORWARD_ROWS;
        eng_tensor part = eng_rows(a, first, rows), in = part;
        if (norm_first) {
            in = eng_tensor_new(ctx, rows, a.cols);
            norm_into(m, ctx, part, layer->final_norm, in);
        }
        eng_tensor wide = eng_linear(ctx, in, &layer->up.w, layer->up.bias, m->config.act, NO_TENSOR);
        eng_linear_into(ctx, wide, &layer->down.w, layer->down.bias, KERN_ACT_NONE, part, eng_rows(y, first, rows));
        eng_scope_close(ctx, scope);
    }
}

void mdl_encoder_layer(const mdl_model *m, eng_context *ctx, eng_batch batch, const mdl_layer *layer,
                       eng_relative_bias bias, eng_tensor x, eng_tensor y)
{
    eng_arena_mark scope = eng_scope_open(ctx);
    eng_tensor a = eng_tensor_new(ctx, x.rows, x.cols);
    if (m->config.pre_norm) {
        eng_arena_mark inner = eng_scope_open(ctx);
        eng_tensor in = eng_tensor_new(ctx, x.rows, x.cols);
        norm_into(m, ctx, x, layer->attention_norm, in);
        self_attention(m, ctx, batch, layer, bias, in, x, a);
        eng_scope_close(ctx, inner);
        feed_forward(m, ctx, layer, a, true, y);
    } else {
        eng_tensor sum = eng_tensor_new(ctx, x.rows, x.cols);
        eng_arena_mark inner = eng_scope_open(ctx);
        self_attention(m, ctx, batch, layer, bias, x, x, sum);
        eng_scope_close(ctx, inner);
        norm_into(m, ctx, sum, layer->attention_norm, a);
        if (ctx->tape) sum = eng_tensor_new(ctx, x.rows, x.cols);
        feed_forward(m, ctx, layer, a, false, sum);
        norm_into(m, ctx, sum, layer->final_norm, y);
    }
    eng_scope_close(ctx, scope);
}
