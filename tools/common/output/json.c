/* JSON lines; tools/common/infer-rows.schema.json describes a line. */
#include "tools/common/output/writer.h"

static void put_member(tool_text *t, const char *name, const char *value)
{
    tool_text_string(t, ", ");
    tool_text_json(t, name);
    tool_text_string(t, ": ");
    tool_text_json(t, value ? value : "");
}

static void put_scores(tool_writing *w, const tool_result *r)
{
    const tool_output_spec *spec = &w->spec;
    tool_text *t = &w->text;
    if (!spec->values) put_member(t, "label", spec->classes[r->label]);
    tool_text_string(t, spec->values ? ", \"values\": {" : ", \"scores\": {");
    for (size_t i = 0; i < spec->class_count; i++) {
        if (i) tool_text_string(t, ", ");
        tool_text_json(t, spec->classes[i]);
        tool_text_string(t, ": ");
        tool_text_float(t, r->scores[i]);
    }
    tool_text_string(t, "}");
    if (!spec->logits) return;
    tool_text_string(t, ", \"logits\": [");
    for (size_t i = 0; i < spec->class_count; i++) {
        if (i) tool_text_string(t, ", ");
        tool_text_float(t, r->logits[i]);
    }
    tool_text_string(t, "]");
}

static void put_row(tool_writing *w, const tool_result *r)
{
    const tool_output_spec *spec = &w->spec;
    tool_text *t = &w->text;
    tool_text_string(t, "{\"file\": ");
    tool_text_json(t, spec->list->rows[r->row].file);
    if (spec->channels && r->channel != TOOL_NO_CHANNEL) {
        tool_text_string(t, ", \"channel\": ");
        tool_text_size(t, r->channel);
    }
    if (spec->segments && r->segment) {
        tool_text_string(t, ", \"start\": ");
        tool_text_seconds(t, r->start);
        tool_text_string(t, ", \"end\": ");
        tool_text_seconds(t, r->end);
    }
    if (spec->speakers) put_member(t, "speaker", r->speaker);
    if (spec->texts) put_member(t, "text", r->text);
    if (!r->error && spec->class_count) put_scores(w, r);
    for (size_t i = 0; i < spec->list->column_count; i++)
        put_member(t, w->columns.list[i], tool_list_value(spec->list, r->row, i));
    if (r->error) put_member(t, "error", r->error);
    tool_text_string(t, "}\n");
}

const tool_writer tool_writer_jsonl = {.ending = "jsonl", .row = put_row};
