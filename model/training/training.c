#include "model/training/training.h"

#include "engine/ops/dropout.h"
#include "engine/tape.h"

eng_stream mdl_training_stream(const mdl_training *t, mdl_draw what, size_t layer)
{
    return (eng_stream){.seed = t->seed, .step = t->step, .purpose = 1u << 31 | (uint32_t)layer << 16 | (uint32_t)what};
}

float mdl_dropout_rate(const mdl_training *t, mdl_draw what)
{
    if (!t) return 0;
    switch (what) {
    case MDL_DRAW_FEATURE: return (float)t->rates.feature_dropout;
    case MDL_DRAW_POSITION:
    case MDL_DRAW_ATTENTION_OUT:
    case MDL_DRAW_FEED_FORWARD: return (float)t->rates.hidden_dropout;
    case MDL_DRAW_ACTIVATION: return (float)t->rates.activation_dropout;
    case MDL_DRAW_FINAL: return (float)t->rates.final_dropout;
    case MDL_DRAW_ATTENTION: return (float)t->rates.attention_dropout;
    case MDL_DRAW_LAYER:
    case MDL_DRAW_TIME_MASK:
    case MDL_DRAW_FEATURE_MASK: break;
    }
    return 0;
}

eng_tensor mdl_dropout(const mdl_training *t, eng_context *ctx, eng_batch batch, eng_tensor x, mdl_draw what,
                       size_t layer)
{
    float rate = mdl_dropout_rate(t, what);
    return rate > 0 ? eng_dropout(ctx, batch, t->ids, x, rate, mdl_training_stream(t, what, layer)) : x;
}

typedef struct watch_saved {
    const mdl_watch *watch;
    size_t block;
} watch_saved;

static void watch_backward(eng_context *ctx, void *saved)
{
    (void)ctx;
    const watch_saved *s = saved;
    s->watch->after(s->watch->arg, s->block);
}

void mdl_watch_block(const mdl_training *t, eng_context *ctx, size_t block)
{
    if (!t || !t->watch || !eng_good(ctx)) return;
    t->watch->before(t->watch->arg, block);
    watch_saved *s = eng_record(ctx, watch_backward, sizeof *s);
    if (s) *s = (watch_saved){t->watch, block};
}

bool mdl_layer_skipped(const mdl_training *t, size_t layer)
{
    float draw;
    if (!t || layer == 0) return false;
    eng_uniform(mdl_training_stream(t, MDL_DRAW_LAYER, layer), 0, 1, &draw);
    return draw < t->rates.layer_drop;
}
