#include "weights/names.h"

#include <stdio.h>
#include <string.h>

#include "weights/store.h"

/* In a pattern '#' stands for digits and a final '*' for the rest of the name. */
typedef struct rule {
    const char *from, *to;
} rule;

static const rule microsoft_rules[] = {
    {"mask_emb", "wavlm.masked_spec_embed"},
    {"layer_norm.*", "wavlm.feature_projection.layer_norm.*"},
    {"post_extract_proj.*", "wavlm.feature_projection.projection.*"},
    {"feature_extractor.conv_layers.#.0.*", "wavlm.feature_extractor.conv_layers.#.conv.*"},
    {"feature_extractor.conv_layers.#.2.1.*", "wavlm.feature_extractor.conv_layers.#.layer_norm.*"}, /* Large */
    {"feature_extractor.conv_layers.#.2.*", "wavlm.feature_extractor.conv_layers.#.layer_norm.*"},   /* Base */
    {"encoder.pos_conv.0.*", "wavlm.encoder.pos_conv_embed.conv.*"},
    {"encoder.layer_norm.*", "wavlm.encoder.layer_norm.*"},
    {"encoder.layers.#.self_attn.grep_linear.*", "wavlm.encoder.layers.#.attention.gru_rel_pos_linear.*"},
    {"encoder.layers.#.self_attn.grep_a", "wavlm.encoder.layers.#.attention.gru_rel_pos_const"},
    {"encoder.layers.#.self_attn.relative_attention_bias.*", "wavlm.encoder.layers.#.attention.rel_attn_embed.*"},
    {"encoder.layers.#.self_attn.*", "wavlm.encoder.layers.#.attention.*"},
    {"encoder.layers.#.self_attn_layer_norm.*", "wavlm.encoder.layers.#.layer_norm.*"},
    {"encoder.layers.#.fc1.*", "wavlm.encoder.layers.#.feed_forward.intermediate_dense.*"},
    {"encoder.layers.#.fc2.*", "wavlm.encoder.layers.#.feed_forward.output_dense.*"},
    {"encoder.layers.#.final_layer_norm.*", "wavlm.encoder.layers.#.final_layer_norm.*"},
    {NULL, NULL},
};

static const rule hugging_face_rules[] = {
    {"masked_spec_embed", "wavlm.masked_spec_embed"},
    {"feature_extractor.*", "wavlm.feature_extractor.*"},
    {"feature_projection.*", "wavlm.feature_projection.*"},
    {"encoder.*", "wavlm.encoder.*"},
    {NULL, NULL},
};

static const rule odyssey_rules[] = {
    {"ssl_model.wavlm.*", "wavlm.*"},
    {"ssl_model.*", "wavlm.*"},
    {NULL, NULL},
};

/* torch.nn.utils.weight_norm, since torch 2.1 a parametrization. */
static const rule weight_norm_rules[] = {
    {"wavlm.encoder.pos_conv_embed.conv.parametrizations.weight.original0",
     "wavlm.encoder.pos_conv_embed.conv.weight_g"},
    {"wavlm.encoder.pos_conv_embed.conv.parametrizations.weight.original1",
     "wavlm.encoder.pos_conv_embed.conv.weight_v"},
    {NULL, NULL},
};

static size_t count_digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* On a match: *number is where the digits for '#' begin, *rest what '*' stands for. */
static bool match(const char *pattern, const char *name, const char **number, const char **rest)
{
    *number = *rest = "";
    for (;; pattern++) {
        if (*pattern == '*') {
            *rest = name;
            return true;
        }
        if (*pattern == '#') {
            size_t digits = count_digits(name);
            if (digits == 0) return false;
            *number = name;
            name += digits;
            continue;
        }
        if (*pattern != *name) return false;
        if (!*pattern) return true;
        name++;
    }
}

/* Writes pattern to, with the digits at number for '#' and rest for '*'. False when out is too short. */
static bool fill(const char *to, const char *number, const char *rest, char *out, size_t size)
{
    size_t at = 0;
    for (; *to; to++) {
        const char *piece = *to == '#' ? number : *to == '*' ? rest : to;
        size_t length = *to == '#' ? count_digits(number) : *to == '*' ? strlen(rest) : 1;
        if (length >= size - at) return false;
        memcpy(out + at, piece, length);
        at += length;
    }
    if (size == 0) return false;
    out[at] = '\0';
    return true;
}

/* Applies the first rule that matches; without one, copies. False when out is too short. */
static bool apply(const rule *rules, const char *name, char *out, size_t size)
{
    const char *number, *rest;
    while (rules->from && !match(rules->from, name, &number, &rest)) rules++;
    if (rules->from) return fill(rules->to, number, rest, out, size);
    int n = snprintf(out, size, "%s", name);
    return n >= 0 && (size_t)n < size;
}

static const char *strip_module(const char *name)
{
    return strncmp(name, "module.", 7) == 0 ? name + 7 : name;
}

bool wts_canonical_name(wts_layout layout, const char *name, char *out, size_t size)
{
    static const rule none[] = {{NULL, NULL}};
    const rule *rules = none;
    char first[1024];
    if (size == 0) return false;
    switch (layout) {
    case WTS_LAYOUT_MICROSOFT: rules = microsoft_rules; break;
    case WTS_LAYOUT_ODYSSEY: rules = odyssey_rules; break;
    case WTS_LAYOUT_BACKBONE:
    case WTS_LAYOUT_SEQUENCE_CLASSIFICATION:
    case WTS_LAYOUT_EMOTION: rules = hugging_face_rules; break;
    case WTS_LAYOUT_UNKNOWN: break;
    }
    return apply(rules, strip_module(name), first, sizeof first) && apply(weight_norm_rules, first, out, size);
}

bool wts_native_name(wts_layout layout, const char *canonical, char *out, size_t size)
{
    const rule *r = layout == WTS_LAYOUT_MICROSOFT ? microsoft_rules : odyssey_rules;
    const char *number, *rest;
    if (layout != WTS_LAYOUT_MICROSOFT && layout != WTS_LAYOUT_ODYSSEY) return false;
    while (r->from && !match(r->to, canonical, &number, &rest)) r++;
    if (!r->from) return false;
    for (const rule *other = r + 1; other->from; other++)
        if (layout == WTS_LAYOUT_MICROSOFT && strcmp(other->to, r->to) == 0) return false; /* Large's or Base's? */
    const rule *plain = layout == WTS_LAYOUT_ODYSSEY ? r + 1 : r; /* "ssl_model.", not the rarer "ssl_model.wavlm." */
    return fill(plain->from, number, rest, out, size);
}

/* ---- The map ---- */

struct wts_name_map_private {
    eng_arena arena;
    wts_index index;
};

static eng_status fill_map(wts_name_map *map, wts_layout layout, eng_error *err)
{
    const wts_checkpoint *c = map->c;
    wts_index *index = &map->p->index;
    map->names = eng_arena_alloc(&map->p->arena, c->count, sizeof(const char *));
    index->entries = eng_arena_alloc(&map->p->arena, c->count, sizeof *index->entries);
    if (!map->names || !index->entries) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    for (size_t i = 0; i < c->count; i++) {
        char name[1024];
        if (!wts_canonical_name(layout, c->tensors[i].name, name, sizeof name))
            return eng_fail(err, ENG_E_FORMAT, "%s: a tensor's name is too long: %.200s...", c->path,
                            c->tensors[i].name);
        size_t length = strlen(name) + 1;
        char *copy = eng_arena_alloc(&map->p->arena, length, 1);
        if (!copy) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
        map->names[i] = memcpy(copy, name, length);
        index->entries[index->count++] = (wts_index_entry){copy, i};
    }
    const wts_index_entry *twice = wts_index_sort(index);
    if (twice)
        return eng_fail(err, ENG_E_FORMAT, "%s: tensors %.200s and %.200s are both %.200s", c->path,
                        c->tensors[twice[-1].at].name, c->tensors[twice->at].name, twice->name);
    return ENG_OK;
}

eng_status wts_name_map_init(wts_name_map *map, const wts_checkpoint *c, wts_layout layout, eng_error *err)
{
    *map = (wts_name_map){.c = c, .p = eng_alloc_zero(1, sizeof *map->p)};
    if (!map->p) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", c->path);
    eng_arena_init(&map->p->arena);
    eng_status status = fill_map(map, layout, err);
    if (status != ENG_OK) wts_name_map_fini(map);
    return status;
}

void wts_name_map_fini(wts_name_map *map)
{
    if (map->p) eng_arena_fini(&map->p->arena);
    eng_free(map->p);
    *map = (wts_name_map){0};
}

const wts_tensor *wts_name_map_find(const wts_name_map *map, const char *canonical)
{
    size_t at;
    return map->p && wts_index_find(&map->p->index, canonical, &at) ? &map->c->tensors[at] : NULL;
}
