#include "model/config/microsoft.h"

#include <ctype.h>
#include <string.h>

/* ---- conv_feature_layers: sum := product ('+' product)*; product := [number '*'] list ['*' number] ---- */

typedef struct conv_parser {
    const char *at;
    mdl_config *c;
} conv_parser;

static bool accept(conv_parser *p, char wanted)
{
    while (isspace((unsigned char)*p->at)) p->at++;
    if (*p->at != wanted) return false;
    p->at++;
    return true;
}

static bool parse_number(conv_parser *p, size_t *out)
{
    while (isspace((unsigned char)*p->at)) p->at++;
    if (!isdigit((unsigned char)*p->at)) return false;
    size_t value = 0;
    for (; isdigit((unsigned char)*p->at); p->at++) {
        if (value > 65536) return false;
        value = value * 10 + (size_t)(*p->at - '0');
    }
    *out = value;
    return value >= 1 && value <= 65536;
}

/* '[' (dim, kernel, stride), ... ']' appended to c. */
static bool parse_list(conv_parser *p)
{
    if (!accept(p, '[')) return false;
    while (!accept(p, ']')) {
        size_t n = p->c->convs;
        if (n == MDL_MAX_CONVS) return false;
        if (!accept(p, '(') || !parse_number(p, &p->c->conv_dim[n]) || !accept(p, ',') ||
            !parse_number(p, &p->c->conv_kernel[n]) || !accept(p, ',') || !parse_number(p, &p->c->conv_stride[n]) ||
            (accept(p, ','), !accept(p, ')')))
            return false;
        p->c->convs = n + 1;
        if (!accept(p, ',')) {
            if (!accept(p, ']')) return false;
            break;
        }
    }
    return true;
}

/* Repeats layers [first, convs) so that they stand there times times. */
static bool repeat(mdl_config *c, size_t first, size_t times)
{
    size_t length = c->convs - first;
    if (length && times > (MDL_MAX_CONVS - first) / length) return false;
    for (size_t i = length; i < length * times; i++) {
        c->conv_dim[first + i] = c->conv_dim[first + i - length];
        c->conv_kernel[first + i] = c->conv_kernel[first + i - length];
        c->conv_stride[first + i] = c->conv_stride[first + i - length];
    }
    c->convs = first + length * times;
    return true;
}

bool mdl_parse_conv_layers(const char *text, mdl_config *c)
{
    conv_parser p = {text, c};
    c->convs = 0;
    do {
        size_t first = c->convs, times = 1;
        const char *start = p.at;
        if (parse_number(&p, &times)) {
            if (!accept(&p, '*')) return false;
        } else {
            p.at = start;
        }
        if (!parse_list(&p)) return false;
        size_t more = 1;
        if (accept(&p, '*') && !parse_number(&p, &more)) return false;
        if (!repeat(c, first, times) || !repeat(c, first, more)) return false;
    } while (accept(&p, '+'));
    while (isspace((unsigned char)*p.at)) p.at++;
    return *p.at == '\0' && c->convs > 0;
}

/* Defaults: WavLM.py (WavLMConfig). A head's dropout has no field there: transformers' default. */
static void read_regularisation(mdl_reader *r, mdl_regularisation *o)
{
    enum { MAX_MASK = 1 << 20 };
    o->hidden_dropout = mdl_read_number(r, "dropout", 0.1, 0, 1);
    o->attention_dropout = mdl_read_number(r, "attention_dropout", 0.1, 0, 1);
    o->activation_dropout = mdl_read_number(r, "activation_dropout", 0, 0, 1);
    o->feature_dropout = mdl_read_number(r, "dropout_input", 0, 0, 1);
    o->final_dropout = 0.1;
    o->layer_drop = mdl_read_number(r, "encoder_layerdrop", 0, 0, 1);
    o->mask_time_prob = mdl_read_number(r, "mask_prob", 0.65, 0, 1);
    o->mask_time_length = mdl_read_size(r, "mask_length", 10, 1, MAX_MASK);
    o->mask_time_min = 2; /* WavLM.apply_mask */
    o->mask_feature_prob = mdl_read_number(r, "mask_channel_prob", 0, 0, 1);
    o->mask_feature_length = mdl_read_size(r, "mask_channel_length", 10, 1, MAX_MASK);
}

void mdl_config_read_microsoft(mdl_reader *r, mdl_config *c)
{
    static const mdl_choice modes[] = {{"default", 1}, {"layer_norm", 0}, {NULL, 0}};
    static const mdl_choice acts[] = {{"gelu", KERN_ACT_GELU}, {"relu", KERN_ACT_RELU}, {NULL, 0}};
    c->hidden = mdl_read_size(r, "encoder_embed_dim", 768, 1, 65536);
    c->layers = mdl_read_size(r, "encoder_layers", 12, 1, 1024);
    c->heads = mdl_read_size(r, "encoder_attention_heads", 12, 1, 4096);
    c->intermediate = mdl_read_size(r, "encoder_ffn_embed_dim", 3072, 1, 1 << 20);
    c->group_norm = mdl_read_choice(r, "extractor_mode", "default", modes);
    c->pre_norm = mdl_read_bool(r, "layer_norm_first", false);
    c->conv_bias = mdl_read_bool(r, "conv_bias", false);
    c->conv_act = KERN_ACT_GELU;
    c->act = (kern_act)mdl_read_choice(r, "activation_fn", "gelu", acts);
    c->pos_kernel = mdl_read_size(r, "conv_pos", 128, 1, 65536);
    c->pos_groups = mdl_read_size(r, "conv_pos_groups", 16, 1, 65536);
    c->buckets = mdl_read_size(r, "num_buckets", 320, 4, 1 << 20);
    c->max_distance = mdl_read_size(r, "max_distance", 1280, 2, 1 << 30);
    c->eps = 1e-5f; /* torch's default, which WavLM.py uses throughout */
    c->initializer_range = 0.02; /* WavLMConfig's, for a new head: WavLM.py has no such field */
    c->input = mdl_read_bool(r, "normalize", false) ? MDL_INPUT_LAYER_NORM : MDL_INPUT_RAW;
    if (!mdl_read_bool(r, "relative_position_embedding", false) || !mdl_read_bool(r, "gru_rel_pos", false))
        mdl_read_fail(r, ENG_E_UNSUPPORTED,
                      "relative_position_embedding and gru_rel_pos must both be true, as in the released models");
    read_regularisation(r, &c->regularisation);
    const char *layers =
        mdl_read_text(r, "conv_feature_layers", "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2");
    if (!mdl_parse_conv_layers(layers, c))
        mdl_read_fail(r, ENG_E_FORMAT,
                      "conv_feature_layers is \"%s\"; expected sums of lists of (dim, kernel, stride), at most %d layers",
                      layers, MDL_MAX_CONVS);
}
