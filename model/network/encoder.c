/* Transformer layer (modeling_wavlm.WavLMEncoderLayer and ...StableLayerNorm).
 *
 *   post-norm (Base):   a = LN(x + attention(x));  y = LN(a + FFN(a))
 *   pre-norm (Large):   a = x + attention(LN(x));  y = a + FFN(LN(a))
 *
 * The feed-forward part runs over stretches of frames: its wide activation stays small however long the recording. */
#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/tape.h"
#include "model/network/forward.h"

enum { FEED_FORWARD_ROWS = 2048 };

static const eng_tensor NO_TENSOR = {0};

/* What a layer is run with. */
typedef struct layer_run {
    const mdl_model *m;
    eng_context *ctx;
    eng_batch batch;
    size_t index;
    const mdl_layer *layer;
    eng_relative_bias bias;
    const mdl_training *training;
} layer_run;

static void norm_into(const layer_run *r, eng_tensor x, mdl_norm norm, eng_tensor y)
{
    eng_layer_norm_into(r->ctx, x, norm.gamma, norm.beta, r->m->config.eps, y);
}

/* y = residual + dropout(linear(x)) */
static void add_linear(const layer_run *r, eng_tensor x, const mdl_linear *linear, mdl_draw what, eng_tensor residual,
                       eng_tensor y)
{
    if (mdl_dropout_rate(r->training, what) == 0) {
        eng_linear_into(r->ctx, x, &linear->w, linear->bias, KERN_ACT_NONE, residual, y);
        return;
    }
    eng_tensor h = eng_linear(r->ctx, x, &linear->w, linear->bias, KERN_ACT_NONE, NO_TENSOR);
    eng_sum_into(r->ctx, residual, mdl_dropout(r->training, r->ctx, r->batch, h, what, r->index), y);
}

static eng_tensor attend(const layer_run *r, eng_tensor qkv, size_t heads, eng_tensor gate)
{
    eng_precision precision = r->layer->qkv.w.packed.precision;
    if (precision == ENG_INT8 && !r->m->allow_bf16) precision = ENG_F32;
    float p = mdl_dropout_rate(r->training, MDL_DRAW_ATTENTION);
    if (p == 0) return eng_attention(r->ctx, r->batch, qkv, heads, gate, r->bias, precision);
    eng_stream stream = mdl_training_stream(r->training, MDL_DRAW_ATTENTION, r->index);
    return eng_attention_dropped(r->ctx, r->batch, qkv, heads, gate, r->bias, precision,
                                 &(eng_attention_dropout){p, stream, r->training->ids});
}

/* a = x + attention(in) */
static void self_attention(const layer_run *r, eng_tensor in, eng_tensor x, eng_tensor a)
{
    eng_context *ctx = r->ctx;
    size_t heads = r->m->config.heads;
    eng_gate_weights folded = mdl_fold_gate(&r->layer->gate, ctx, r->m->config.hidden / heads);
    eng_tensor gate = eng_relative_gate(ctx, in, heads, folded);
    eng_tensor qkv = eng_linear(ctx, in, &r->layer->qkv.w, r->layer->qkv.bias, KERN_ACT_NONE, NO_TENSOR);
    eng_tensor mixed = attend(r, qkv, heads, gate);
    add_linear(r, mixed, &r->layer->out, MDL_DRAW_ATTENTION_OUT, x, a);
}

/* y = a + FFN(norm_first ? LN(a) : a). With dropout in it all frames make one stretch, since masks belong to whole
 * utterances: a tape would keep all of them anyway. */
static void feed_forward(const layer_run *r, eng_tensor a, bool norm_first, eng_tensor y)
{
    eng_context *ctx = r->ctx;
    const mdl_training *t = r->training;
    bool drops = mdl_dropout_rate(t, MDL_DRAW_ACTIVATION) > 0 || mdl_dropout_rate(t, MDL_DRAW_FEED_FORWARD) > 0;
    size_t stretch = drops ? a.rows : FEED_FORWARD_ROWS;
    for (size_t first = 0; first < a.rows && eng_good(ctx); first += stretch) {
        eng_arena_mark scope = eng_scope_open(ctx);
        size_t left = a.rows - first, rows = left < stretch ? left : stretch;
        eng_tensor part = eng_rows(a, first, rows), in = part;
        if (norm_first) {
            in = eng_tensor_new(ctx, rows, a.cols);
            norm_into(r, part, r->layer->final_norm, in);
        }
        eng_tensor wide = eng_linear(ctx, in, &r->layer->up.w, r->layer->up.bias, r->m->config.act, NO_TENSOR);
        if (drops) wide = mdl_dropout(t, ctx, r->batch, wide, MDL_DRAW_ACTIVATION, r->index);
        add_linear(r, wide, &r->layer->down, MDL_DRAW_FEED_FORWARD, part, eng_rows(y, first, rows));
        eng_scope_close(ctx, scope);
    }
}

void mdl_encoder_layer(const mdl_model *m, eng_context *ctx, eng_batch batch, size_t index, eng_relative_bias bias,
                       const mdl_training *training, eng_tensor x, eng_tensor y)
{
    const mdl_layer *layer = &m->layer[index];
    layer_run r = {m, ctx, batch, index, layer, bias, training};
    eng_arena_mark scope = eng_scope_open(ctx);
    eng_tensor a = eng_tensor_new(ctx, x.rows, x.cols);
    if (m->config.pre_norm) {
        eng_arena_mark inner = eng_scope_open(ctx);
        eng_tensor in = eng_tensor_new(ctx, x.rows, x.cols);
        norm_into(&r, x, layer->attention_norm, in);
        self_attention(&r, in, x, a);
        eng_scope_close(ctx, inner);
        feed_forward(&r, a, true, y);
    } else {
        eng_tensor sum = eng_tensor_new(ctx, x.rows, x.cols);
        eng_arena_mark inner = eng_scope_open(ctx);
        self_attention(&r, x, x, sum);
        eng_scope_close(ctx, inner);
        norm_into(&r, sum, layer->attention_norm, a);
        if (ctx->tape) sum = eng_tensor_new(ctx, x.rows, x.cols);
        feed_forward(&r, a, false, sum);
        norm_into(&r, sum, layer->final_norm, y);
    }
    eng_scope_close(ctx, scope);
}

/* ---- Checkpointed ---- */

typedef struct checkpoint_saved {
    const mdl_model *m;
    eng_batch batch;
    size_t index;
    eng_relative_bias bias;
    bool trains;
    mdl_training training; /* trains */
    eng_tensor x, y;
} checkpoint_saved;

/* Runs the layer on a tape of its own, and that backwards if asked to; what it takes of ctx->arena is the caller's to
 * give back. Under a tape in both passes: without one, ops that fuse might round otherwise. */
static void run_on_own_tape(const checkpoint_saved *s, eng_context *ctx, bool backward)
{
    eng_tape tape, *outer = ctx->tape;
    eng_tape_init(&tape);
    ctx->tape = &tape;
    mdl_encoder_layer(s->m, ctx, s->batch, s->index, s->bias, s->trains ? &s->training : NULL, s->x, s->y);
    if (backward && eng_good(ctx)) eng_backward(ctx);
    ctx->tape = outer;
    eng_tape_fini(&tape);
}

/* y is computed anew in its place; its gradient is there already. */
static void checkpoint_backward(eng_context *ctx, void *saved)
{
    run_on_own_tape(saved, ctx, true);
}

void mdl_encoder_layer_checkpointed(const mdl_model *m, eng_context *ctx, eng_batch batch, size_t index,
                                    eng_relative_bias bias, const mdl_training *training, eng_tensor x, eng_tensor y)
{
    if (!eng_good(ctx)) return;
    mdl_training none = {.step = 0};
    checkpoint_saved saved = {m, batch, index, bias, training != NULL, training ? *training : none, x, y};
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    run_on_own_tape(&saved, ctx, false);
    eng_arena_rewind(ctx->arena, mark);
    checkpoint_saved *s = eng_record(ctx, checkpoint_backward, sizeof *s);
    if (s) *s = saved;
}
