/* CSV and TSV. */
#include <string.h>

#include "tools/common/output/writer.h"

/* Begins a cell: the separator, except before the first. */
static void next_cell(tool_writing *w)
{
    if (w->text.size) tool_text_string(&w->text, w->spec.format == TOOL_TSV ? "\t" : ",");
}

static void put_cell(tool_writing *w, const char *s)
{
    next_cell(w);
    if (w->spec.format == TOOL_TSV)
        tool_text_tsv(&w->text, s ? s : "");
    else
        tool_text_csv(&w->text, s ? s : "");
}

static void put_header(tool_writing *w)
{
    const tool_output_spec *spec = &w->spec;
    put_cell(w, "file");
    if (spec->channels) put_cell(w, "channel");
    if (spec->segments) {
        put_cell(w, "start");
        put_cell(w, "end");
    }
    if (spec->speakers) put_cell(w, "speaker");
    if (spec->texts) put_cell(w, "text");
    if (spec->class_count && !spec->values) {
        put_cell(w, "label");
        put_cell(w, "score");
    }
    for (size_t i = 0; i < spec->class_count; i++) put_cell(w, w->columns.classes[i]);
    for (size_t i = 0; spec->logits && i < spec->class_count; i++) {
        tool_text name = {0};
        tool_text_string(&name, "logit.");
        tool_text_bytes(&name, spec->classes[i], strlen(spec->classes[i]) + 1);
        if (name.failed)
            w->text.failed = true;
        else
            put_cell(w, name.bytes);
        eng_free(name.bytes);
    }
    for (size_t i = 0; i < spec->list->column_count; i++) put_cell(w, w->columns.list[i]);
    put_cell(w, "error");
    tool_text_string(&w->text, "\n");
}

static void put_times(tool_writing *w, const tool_result *r)
{
    next_cell(w);
    if (r->segment) tool_text_seconds(&w->text, r->start);
    next_cell(w);
    if (r->segment) tool_text_seconds(&w->text, r->end);
}

static void put_floats(tool_writing *w, const tool_result *r, const float *values)
{
    for (size_t i = 0; i < w->spec.class_count; i++) {
        next_cell(w);
        if (!r->error) tool_text_float(&w->text, values[i]);
    }
}

static void put_row(tool_writing *w, const tool_result *r)
{
    const tool_output_spec *spec = &w->spec;
    put_cell(w, spec->list->rows[r->row].file);
    if (spec->channels) {
        next_cell(w);
        if (r->channel != TOOL_NO_CHANNEL) tool_text_size(&w->text, r->channel);
    }
    if (spec->segments) put_times(w, r);
    if (spec->speakers) put_cell(w, r->speaker);
    if (spec->texts) put_cell(w, r->text);
    if (spec->class_count && !spec->values) {
        put_cell(w, r->error ? "" : spec->classes[r->label]);
        next_cell(w);
        if (!r->error) tool_text_float(&w->text, r->scores[r->label]);
    }
    put_floats(w, r, r->scores);
    if (spec->logits) put_floats(w, r, r->logits);
    for (size_t i = 0; i < spec->list->column_count; i++) put_cell(w, tool_list_value(spec->list, r->row, i));
    put_cell(w, r->error);
    tool_text_string(&w->text, "\n");
}

const tool_writer tool_writer_csv = {.ending = "csv", .begin = put_header, .row = put_row};
const tool_writer tool_writer_tsv = {.ending = "tsv", .begin = put_header, .row = put_row};
