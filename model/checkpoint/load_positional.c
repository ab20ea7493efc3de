#include "model/checkpoint/load_positional.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 128 };

typedef struct group_source {
    const float *v;     /* [hidden, width, kernel] */
    const float *scale; /* [kernel] */
    size_t first, width, kernel;
} group_source;

static bool group_row(void *arg, size_t row, float *out, eng_arena *scratch)
{
    (void)scratch;
    const group_source *s = arg;
    const float *v = s->v + (s->first + row) * s->width * s->kernel;
    for (size_t tap = 0; tap < s->kernel; tap++)
        for (size_t c = 0; c < s->width; c++) out[tap * s->width + c] = v[c * s->kernel + tap] * s->scale[tap];
    return true;
}

/* squares[t] = ||v[:, :, t]||^2 */
static void sum_squares(const float *v, size_t rows, size_t kernel, double *squares)
{
    memset(squares, 0, kernel * sizeof *squares);
    for (size_t i = 0; i < rows; i++)
        for (size_t t = 0; t < kernel; t++) squares[t] += (double)v[i * kernel + t] * v[i * kernel + t];
}

/* scale[t] = g[t] / ||v[:, :, t]||, the norm in double. */
static void tap_scales(const float *v, size_t rows, size_t kernel, const float *g, float *scale, double *squares)
{
    sum_squares(v, rows, kernel, squares);
    for (size_t t = 0; t < kernel; t++) scale[t] = (float)(g[t] / sqrt(squares[t]));
}

/* g = ||v[:, :, t]||, with which v is its own weight. A tap of zeros has no direction: it gets one, of length 0. */
static float *own_lengths(mdl_loader *l, float *v, const size_t shape[3])
{
    size_t kernel = shape[2];
    float *g = eng_arena_alloc(l->memory, kernel, sizeof *g);
    double *squares = eng_alloc(kernel, sizeof *squares);
    if (!g || !squares) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for the positional convolution");
    else sum_squares(v, shape[0] * shape[1], kernel, squares);
    for (size_t t = 0; t < kernel && !l->status; t++) {
        g[t] = (float)sqrt(squares[t]);
        for (size_t i = 0; squares[t] == 0 && i < shape[0] * shape[1]; i++) v[i * kernel + t] = 1;
    }
    eng_free(squares);
    return l->status ? NULL : g;
}

/* For training: v and g themselves, from which every forward pass makes the weight. A fused or a drawn weight becomes v. */
static void load_normed(mdl_loader *l, mdl_model *m, const char *plain, const size_t shape[3])
{
    const char *name_v = "wavlm.encoder.pos_conv_embed.conv.weight_v";
    const char *name_g = "wavlm.encoder.pos_conv_embed.conv.weight_g";
    const size_t shape_g[3] = {1, 1, shape[2]};
    bool fused = mdl_loader_has(l, plain);
    float *v = mdl_loader_read(l, fused ? plain : name_v, 3, shape);
    if (!v) return;
    m->pos_v = mdl_loader_adopt(l, name_v, 3, shape, v);
    bool without_g = fused || mdl_loader_draws(l, name_v);
    float *g = without_g ? own_lengths(l, v, shape) : mdl_loader_read(l, name_g, 3, shape_g);
    if (g) m->pos_g = mdl_loader_adopt(l, name_g, 3, shape_g, g);
}

/* What a converted file calls a group's weight. */
static const char *group_name(char name[NAME_SIZE], size_t group)
{
    snprintf(name, NAME_SIZE, "wavlm.encoder.pos_conv_embed.conv.%zu", group);
    return name;
}

static void bind_groups(mdl_loader *l, mdl_model *m)
{
    const mdl_config *c = &m->config;
    size_t width = c->hidden / c->pos_groups;
    char name[NAME_SIZE];
    for (size_t g = 0; g < c->pos_groups && !l->status; g++)
        mdl_loader_bind(l, group_name(name, g), width, c->pos_kernel * width, &m->pos_conv[g]);
}

void mdl_load_positional(mdl_loader *l, mdl_model *m)
{
    const mdl_config *c = &m->config;
    l->part = MDL_PART_POSITION;
    const char *plain = "wavlm.encoder.pos_conv_embed.conv.weight";
    size_t width = c->hidden / c->pos_groups, shape[3] = {c->hidden, width, c->pos_kernel};
    m->pos_bias = mdl_loader_vector(l, "wavlm.encoder.pos_conv_embed.conv.bias", c->hidden);
    m->pos_conv = eng_arena_alloc(&m->memory, c->pos_groups, sizeof *m->pos_conv);
    /* at once, whatever failed before: mdl_model_free walks them */
    if (m->pos_conv) memset(m->pos_conv, 0, c->pos_groups * sizeof *m->pos_conv);
    else mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for the positional convolution");
    if (l->status) return;

    if (l->panels.present) {
        bind_groups(l, m);
        return;
    }
    if (l->trainable) {
        load_normed(l, m, plain, shape);
        return;
    }
    /* v is large and only needed here: it goes to an arena of its own */
    eng_arena temporary, *model_memory = l->memory;
    eng_arena_init(&temporary);
    l->memory = &temporary;
    bool fused = mdl_loader_has(l, plain);
    const float *v = mdl_loader_read(l, fused ? plain : "wavlm.encoder.pos_conv_embed.conv.weight_v", 3, shape);
    float *scale = eng_arena_alloc(&temporary, c->pos_kernel, sizeof *scale);
    double *squares = eng_arena_alloc(&temporary, c->pos_kernel, sizeof *squares);
    if (!scale || !squares) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for the positional convolution");
    if (fused || mdl_loader_draws(l, plain)) { /* drawn: g is v's length, so v is the weight */
        for (size_t t = 0; scale && t < c->pos_kernel; t++) scale[t] = 1;
    } else {
        const float *g = mdl_loader_read(l, "wavlm.encoder.pos_conv_embed.conv.weight_g", 3,
                                         (size_t[]){1, 1, c->pos_kernel});
        if (!l->status) tap_scales(v, c->hidden * width, c->pos_kernel, g, scale, squares);
    }
    char name[NAME_SIZE];
    for (size_t g = 0; g < c->pos_groups && !l->status; g++) {
        group_source s = {v, scale, g * width, width, c->pos_kernel};
        mdl_loader_pack(l, width, c->pos_kernel * width, group_row, &s, &m->pos_conv[g]);
        mdl_loader_list_packed(l, group_name(name, g), &m->pos_conv[g]);
    }
    l->memory = model_memory;
    eng_arena_fini(&temporary);
}
