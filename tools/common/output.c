#include "tools/common/output.h"

#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/columns.h"
#include "tools/common/part_file.h"
#include "tools/common/text.h"

struct tool_output {
    tool_output_spec spec;
    tool_columns columns;
    tool_part_file file;
    tool_text row; /* under construction */
    size_t failed_rows;
};

/* ---- Rows ---- */

/* Begins a cell: the separator, except before the first. */
static void next_cell(tool_output *o)
{
    if (o->row.size) tool_text_string(&o->row, o->spec.format == TOOL_TSV ? "\t" : ",");
}

static void put_cell(tool_output *o, const char *s)
{
    next_cell(o);
    if (o->spec.format == TOOL_TSV)
        tool_text_tsv(&o->row, s);
    else
        tool_text_csv(&o->row, s);
}

static void build_header(tool_output *o)
{
    const tool_output_spec *spec = &o->spec;
    put_cell(o, "file");
    if (spec->channels) put_cell(o, "channel");
    if (spec->class_count) {
        put_cell(o, "label");
        put_cell(o, "score");
    }
    for (size_t i = 0; i < spec->class_count; i++) put_cell(o, o->columns.classes[i]);
    for (size_t i = 0; spec->logits && i < spec->class_count; i++) {
        tool_text name = {0};
        tool_text_string(&name, "logit.");
        tool_text_bytes(&name, spec->classes[i], strlen(spec->classes[i]) + 1);
        if (name.failed)
            o->row.failed = true;
        else
            put_cell(o, name.bytes);
        eng_free(name.bytes);
    }
    for (size_t i = 0; i < spec->list->column_count; i++) put_cell(o, o->columns.list[i]);
    put_cell(o, "error");
    tool_text_string(&o->row, "\n");
}

static void build_cells(tool_output *o, const tool_result *r)
{
    const tool_output_spec *spec = &o->spec;
    put_cell(o, spec->list->rows[r->row].file);
    if (spec->channels) {
        next_cell(o);
        if (r->channel != TOOL_NO_CHANNEL) tool_text_size(&o->row, r->channel);
    }
    if (spec->class_count) {
        put_cell(o, r->error ? "" : spec->classes[r->label]);
        next_cell(o);
        if (!r->error) tool_text_float(&o->row, r->scores[r->label]);
    }
    for (size_t i = 0; i < spec->class_count; i++) {
        next_cell(o);
        if (!r->error) tool_text_float(&o->row, r->scores[i]);
    }
    for (size_t i = 0; spec->logits && i < spec->class_count; i++) {
        next_cell(o);
        if (!r->error) tool_text_float(&o->row, r->logits[i]);
    }
    for (size_t i = 0; i < spec->list->column_count; i++) put_cell(o, tool_list_value(spec->list, r->row, i));
    put_cell(o, r->error ? r->error : "");
    tool_text_string(&o->row, "\n");
}

static void build_scores(tool_output *o, const tool_result *r)
{
    const tool_output_spec *spec = &o->spec;
    tool_text *t = &o->row;
    tool_text_string(t, ", \"label\": ");
    tool_text_json(t, spec->classes[r->label]);
    tool_text_string(t, ", \"scores\": {");
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

static void build_json(tool_output *o, const tool_result *r)
{
    const tool_output_spec *spec = &o->spec;
    tool_text *t = &o->row;
    tool_text_string(t, "{\"file\": ");
    tool_text_json(t, spec->list->rows[r->row].file);
    if (spec->channels && r->channel != TOOL_NO_CHANNEL) {
        tool_text_string(t, ", \"channel\": ");
        tool_text_size(t, r->channel);
    }
    if (!r->error && spec->class_count) build_scores(o, r);
    for (size_t i = 0; i < spec->list->column_count; i++) {
        tool_text_string(t, ", ");
        tool_text_json(t, o->columns.list[i]);
        tool_text_string(t, ": ");
        tool_text_json(t, tool_list_value(spec->list, r->row, i));
    }
    if (r->error) {
        tool_text_string(t, ", \"error\": ");
        tool_text_json(t, r->error);
    }
    tool_text_string(t, "}\n");
}

/* ---- The whole ---- */

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static eng_status write_row(tool_output *o, eng_error *err)
{
    if (o->row.failed) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a row", o->file.name);
    return tool_part_file_write(&o->file, o->row.bytes, o->row.size, err);
}

void tool_output_abandon(tool_output *o)
{
    if (!o) return;
    tool_part_file_abandon(&o->file);
    tool_columns_fini(&o->columns);
    eng_free(o->row.bytes);
    eng_free(o);
}

eng_status tool_output_open(const tool_output_spec *spec, tool_output **out, eng_error *err)
{
    *out = NULL;
    tool_output *o = eng_alloc_zero(1, sizeof *o);
    if (!o) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    o->spec = *spec;
    o->file.fd = -1;
    eng_status status = tool_columns_init(&o->columns, spec->class_count, spec->classes, spec->list, err);
    if (!status) status = tool_part_file_open(&o->file, spec->path, err);
    if (!status && spec->format != TOOL_JSONL) {
        build_header(o);
        status = write_row(o, err);
    }
    if (status)
        tool_output_abandon(o);
    else
        *out = o;
    return status;
}

eng_status tool_output_write(tool_output *o, const tool_result *result, eng_error *err)
{
    tool_result r = *result;
    const size_t classes = o->spec.class_count;
    if (!r.error && classes && !(all_finite(r.scores, classes) && (!o->spec.logits || all_finite(r.logits, classes))))
        r.error = "the model's scores are not finite";
    o->row.size = 0;
    if (o->spec.format == TOOL_JSONL)
        build_json(o, &r);
    else
        build_cells(o, &r);
    eng_status status = write_row(o, err);
    if (!status && r.error) o->failed_rows++;
    return status;
}

size_t tool_output_failed_rows(const tool_output *o)
{
    return o->failed_rows;
}

eng_status tool_output_close(tool_output *o, eng_error *err)
{
    eng_status status = tool_part_file_close(&o->file, err);
    tool_output_abandon(o);
    return status;
}
