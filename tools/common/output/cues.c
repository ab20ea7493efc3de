/* SRT and WebVTT: a cue a row, "angry 0.81", with the text on a second line; who speaks before it, in WebVTT as <v>. */
#include <stdio.h>
#include <string.h>

#include "tools/common/output/caption.h"

static void put_time(tool_text *t, uint64_t ms, char point)
{
    char clock[64];
    snprintf(clock, sizeof clock, "%02llu:%02u:%02u%c%03u", (unsigned long long)(ms / 3600000), (unsigned)(ms / 60000 % 60),
             (unsigned)(ms / 1000 % 60), point, (unsigned)(ms % 1000));
    tool_text_string(t, clock);
}

static void put_times(tool_text *t, const tool_result *r, char point)
{
    uint64_t start = tool_caption_ms(r->start), end = tool_caption_ms(r->end);
    put_time(t, start, point);
    tool_text_string(t, " --> ");
    put_time(t, end > start ? end : start + 1, point); /* a cue lasts */
    tool_text_string(t, "\n");
}

/* What was put from `begin` on, with the characters that mean something in WebVTT as references. */
static void escape_from(tool_text *t, size_t begin)
{
    size_t size = t->size - begin;
    char *copy = t->failed ? NULL : eng_alloc(size, 1);
    if (!copy) {
        t->failed = true;
        return;
    }
    memcpy(copy, t->bytes + begin, size);
    t->size = begin;
    for (size_t i = 0; i < size; i++) {
        const char *by = copy[i] == '&' ? "&amp;" : copy[i] == '<' ? "&lt;" : copy[i] == '>' ? "&gt;" : NULL;
        tool_text_bytes(t, by ? by : copy + i, by ? strlen(by) : 1);
    }
    eng_free(copy);
}

/* An empty line would end the cue, and so may a line of SRT that has an arrow. */
static void put_text(tool_text *t, const tool_result *r)
{
    if (!r->text || !r->text[strspn(r->text, " \t\r\n")]) return;
    tool_text_string(t, "\n");
    tool_caption_clean(t, r->text);
}

static void put_srt(tool_writing *w, const tool_result *r)
{
    tool_text *t = &w->text;
    tool_text_size(t, w->rows + 1);
    tool_text_string(t, "\n");
    put_times(t, r, ',');
    size_t begin = t->size;
    tool_caption_who(w, r, t);
    if (t->size > begin) tool_text_string(t, ": ");
    tool_caption(w, r, t);
    put_text(t, r);
    for (size_t i = begin; !t->failed && i + 2 < t->size; i++)
        if (memcmp(t->bytes + i, "-->", 3) == 0) memcpy(t->bytes + i, "->>", 3);
    tool_text_string(t, "\n\n");
}

static void begin_vtt(tool_writing *w)
{
    tool_text_string(&w->text, "WEBVTT\n\n");
}

static void put_vtt(tool_writing *w, const tool_result *r)
{
    tool_text *t = &w->text;
    put_times(t, r, '.');
    size_t voice = t->size;
    tool_text_string(t, "<v ");
    size_t begin = t->size;
    tool_caption_who(w, r, t);
    if (t->size == begin) {
        t->size = voice;
    } else {
        escape_from(t, begin);
        tool_text_string(t, ">");
    }
    begin = t->size;
    tool_caption(w, r, t);
    put_text(t, r);
    escape_from(t, begin);
    tool_text_string(t, "\n\n");
}

const tool_writer tool_writer_srt = {.ending = "srt", .alone = true, .timed = true, .row = put_srt};
const tool_writer tool_writer_vtt = {.ending = "vtt", .alone = true, .timed = true, .begin = begin_vtt, .row = put_vtt};
