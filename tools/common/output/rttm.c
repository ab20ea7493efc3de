/* RTTM, as dscore and pyannote read it: the label stands where a diariser has the speaker, its score in the confidence. */
#include "tools/common/output/writer.h"

/* A field has no spaces. */
static void put_field(tool_text *t, const char *s)
{
    if (!*s) s = "<NA>";
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        tool_text_bytes(t, c <= 0x20 || c == 0x7F ? "_" : s, 1);
    }
    tool_text_string(t, " ");
}

/* What a reader finds as start + duration is the end, to the digits that are there. */
static void put_times(tool_text *t, const tool_result *r)
{
    tool_text_seconds(t, r->start);
    tool_text_string(t, " ");
    double duration = r->end - r->start;
    tool_text_seconds(t, duration < 1e-6 ? 1e-6 : duration);
    tool_text_string(t, " ");
}

static void put_row(tool_writing *w, const tool_result *r)
{
    tool_text *t = &w->text;
    char stem[1024];
    tool_stem(w->spec.list->rows[r->row].file, stem, sizeof stem);
    tool_text_string(t, "SPEAKER ");
    put_field(t, stem);
    tool_text_size(t, r->channel == TOOL_NO_CHANNEL ? 1 : r->channel + 1);
    tool_text_string(t, " ");
    put_times(t, r);
    tool_text_string(t, "<NA> <NA> ");
    put_field(t, w->spec.classes[r->label]);
    tool_text_float(t, r->scores[r->label]);
    tool_text_string(t, " <NA>\n");
}

const tool_writer tool_writer_rttm = {.ending = "rttm", .stems = true, .timed = true, .labelled = true, .row = put_row};
