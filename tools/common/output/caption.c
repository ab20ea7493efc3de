#include "tools/common/output/caption.h"

#include <stdio.h>
#include <string.h>

void tool_caption_clean(tool_text *t, const char *s)
{
    size_t begin = t->size;
    tool_text_utf8(t, s ? s : "");
    for (size_t i = begin; i < t->size; i++)
        if ((unsigned char)t->bytes[i] < 0x20 || t->bytes[i] == 0x7F) t->bytes[i] = ' ';
}

static void put_number(tool_text *t, float value)
{
    char digits[64];
    snprintf(digits, sizeof digits, "%.2f", (double)value);
    tool_text_string(t, digits);
}

void tool_caption(const tool_writing *w, const tool_result *r, tool_text *t)
{
    const tool_output_spec *spec = &w->spec;
    for (size_t i = spec->values ? 0 : r->label; i < (spec->values ? spec->class_count : r->label + 1); i++) {
        if (spec->values && i) tool_text_string(t, ", ");
        tool_caption_clean(t, spec->classes[i]);
        tool_text_string(t, " ");
        put_number(t, r->scores[i]);
    }
}

void tool_caption_who(const tool_writing *w, const tool_result *r, tool_text *t)
{
    bool speaker = r->speaker && *r->speaker;
    if (speaker) tool_caption_clean(t, r->speaker);
    if (!w->spec.channels || r->channel == TOOL_NO_CHANNEL) return;
    tool_text_string(t, speaker ? ", channel " : "channel ");
    tool_text_size(t, r->channel);
}

size_t tool_caption_tiers(const tool_writing *w)
{
    return (w->spec.values ? w->spec.class_count : 2) + w->spec.texts;
}

void tool_caption_tier(const tool_writing *w, const tool_result *r, size_t tier, tool_text *name, tool_text *annotation)
{
    const tool_output_spec *spec = &w->spec;
    const bool text = spec->texts && tier + 1 == tool_caption_tiers(w);
    const char *what = text ? "text" : spec->values ? spec->classes[tier] : tier ? "score" : "emotion";
    name->size = annotation->size = 0;
    tool_caption_who(w, r, name);
    const bool named = name->size > 0;
    if (!named || text || spec->values || tier) {
        if (named) tool_text_string(name, " ");
        tool_caption_clean(name, what);
    }
    if (text) tool_caption_clean(annotation, r->text);
    else if (spec->values) put_number(annotation, r->scores[tier]);
    else if (tier) put_number(annotation, r->scores[r->label]);
    else tool_caption_clean(annotation, spec->classes[r->label]);
    tool_text_bytes(name, "", 1);
    tool_text_bytes(annotation, "", 1);
}

uint64_t tool_caption_ms(double seconds)
{
    return seconds > 0 && seconds < 1e15 ? (uint64_t)(seconds * 1000 + 0.5) : 0;
}
