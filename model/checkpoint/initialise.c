#include "model/checkpoint/initialise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/context.h"
#include "engine/random.h"

enum { PIECE = 1 << 16, PURPOSE = 0x1171 };

typedef enum rule_kind { CONSTANT, UNIFORM, NORMAL } rule_kind;

/* CONSTANT: a; UNIFORM: in [a, b); NORMAL: with standard deviation a. */
typedef struct rule {
    rule_kind kind;
    double a, b;
} rule;

static rule constant(double value)
{
    return (rule){CONSTANT, value, 0};
}

static rule uniform(double bound)
{
    return (rule){UNIFORM, -bound, bound};
}

static rule normal(double deviation)
{
    return (rule){NORMAL, deviation, 0};
}

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* wavlm.feature_extractor.conv_layers.N.conv.weight or .bias, whose bound depends on the weight's shape. */
static rule conv_rule(const mdl_config *c, const char *name, bool bias)
{
    const char *number = strstr(name, "conv_layers.");
    size_t index = number ? strtoul(number + strlen("conv_layers."), NULL, 10) : c->convs;
    ENG_CHECK(index < c->convs, "no convolution for %s", name);
    double fan_in = (double)c->conv_kernel[index] * (double)(index ? c->conv_dim[index - 1] : 1);
    return bias ? uniform(sqrt(1 / fan_in)) : normal(sqrt(2 / fan_in));
}

static rule backbone_rule(const mdl_config *c, const char *name, size_t ndim, bool bias)
{
    if (ends(name, "masked_spec_embed")) return (rule){UNIFORM, 0, 1};
    if (strstr(name, "pos_conv_embed.conv."))
        return bias ? constant(0) : normal(2 * sqrt(1 / ((double)c->pos_kernel * (double)c->hidden)));
    if (strstr(name, "layer_norm.")) return constant(bias ? 0 : 1);
    if (begins(name, "wavlm.feature_extractor.")) return conv_rule(c, name, bias);
    if (begins(name, "wavlm.feature_projection.projection.")) return uniform(sqrt(1 / (double)c->conv_dim[c->convs - 1]));
    if (ends(name, "gru_rel_pos_const")) return constant(1);
    if (ends(name, "rel_attn_embed.weight")) return normal(1);
    ENG_CHECK(bias || ndim == 2, "no rule for %s", name);
    return bias ? constant(0) : normal(c->initializer_range);
}

static rule head_rule(const mdl_config *c, const char *name, size_t ndim, bool bias)
{
    if (strcmp(name, "layer_weights") == 0) return constant(1 / (double)(c->layers + 1));
    if (strcmp(name, "gender.weight") == 0) return normal(1);
    if (strcmp(name, "pool.v") == 0 || strcmp(name, "pool.attention") == 0)
        return normal(sqrt(2 / ((double)c->hidden + 1)));
    ENG_CHECK(bias || ndim == 2, "no rule for %s", name);
    return bias ? constant(0) : normal(c->initializer_range);
}

/* FNV-1a */
static uint64_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

typedef struct draw_run {
    rule rule;
    eng_stream stream;
    size_t count;
    float *out;
} draw_run;

static void draw_task(void *arg, size_t task, size_t worker)
{
    (void)worker;
    const draw_run *r = arg;
    size_t first = task * PIECE, left = r->count - first, n = left < PIECE ? left : PIECE;
    float *out = r->out + first;
    eng_stream s = r->stream;
    s.purpose += (uint32_t)((uint64_t)first >> 32); /* elements are numbered with 32 bits */
    if (r->rule.kind == CONSTANT) {
        for (size_t i = 0; i < n; i++) out[i] = (float)r->rule.a;
    } else if (r->rule.kind == UNIFORM) {
        eng_uniform(s, (uint32_t)first, n, out);
        for (size_t i = 0; i < n; i++) out[i] = (float)(r->rule.a + (r->rule.b - r->rule.a) * out[i]);
    } else {
        eng_normal(s, (uint32_t)first, n, out);
        for (size_t i = 0; i < n; i++) out[i] = (float)(r->rule.a * out[i]);
    }
}

void mdl_initialise(const mdl_initialiser *init, eng_pool *pool, const char *name, size_t ndim, const size_t *shape,
                    float *out)
{
    bool bias = ends(name, ".bias");
    uint64_t place = hash(name);
    draw_run run = {.rule = begins(name, "wavlm.") ? backbone_rule(init->config, name, ndim, bias)
                                                   : head_rule(init->config, name, ndim, bias),
                    .stream = {init->seed, (uint32_t)place, (uint32_t)(place >> 32), PURPOSE},
                    .count = 1,
                    .out = out};
    for (size_t i = 0; i < ndim; i++) run.count *= shape[i];
    eng_pool_run(pool, (run.count + PIECE - 1) / PIECE, draw_task, &run);
}
