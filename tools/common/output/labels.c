/* Audacity's labels, and CSV that ELAN imports (File > Import > CSV / Tab-delimited Text File: tier, begin time and end time
 * in milliseconds, annotation). */
#include "tools/common/output/caption.h"

static void put_label(tool_writing *w, const tool_result *r)
{
    tool_text *t = &w->text;
    tool_text_seconds(t, r->start);
    tool_text_string(t, "\t");
    tool_text_seconds(t, r->end);
    tool_text_string(t, "\t");
    size_t begin = t->size;
    tool_caption_who(w, r, t);
    if (t->size > begin) tool_text_string(t, ": ");
    tool_caption(w, r, t);
    tool_text_string(t, "\n");
}

static void begin_elan(tool_writing *w)
{
    tool_text_string(&w->text, "tier,begin,end,annotation\n");
}

/* ELAN has whole milliseconds, and no annotation of none. */
static void put_elan(tool_writing *w, const tool_result *r)
{
    tool_text *t = &w->text, name = {0}, annotation = {0};
    uint64_t start = tool_caption_ms(r->start), end = tool_caption_ms(r->end);
    for (size_t i = 0; i < tool_caption_tiers(w); i++) {
        tool_caption_tier(w, r, i, &name, &annotation);
        if (name.failed || annotation.failed) break;
        tool_text_csv(t, name.bytes);
        tool_text_string(t, ",");
        tool_text_size(t, (size_t)start);
        tool_text_string(t, ",");
        tool_text_size(t, (size_t)(end > start ? end : start + 1));
        tool_text_string(t, ",");
        tool_text_csv(t, annotation.bytes);
        tool_text_string(t, "\n");
    }
    if (name.failed || annotation.failed) t->failed = true;
    eng_free(name.bytes);
    eng_free(annotation.bytes);
}

const tool_writer tool_writer_audacity = {.ending = "txt", .alone = true, .timed = true, .row = put_label};
const tool_writer tool_writer_elan = {.ending = "csv", .alone = true, .timed = true, .begin = begin_elan, .row = put_elan};
