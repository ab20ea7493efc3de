#include "tools/common/output/writer.h"

const tool_writer *tool_writer_of(tool_format format)
{
    static const tool_writer *const writers[] = {
        [TOOL_CSV] = &tool_writer_csv,           [TOOL_TSV] = &tool_writer_tsv,   [TOOL_JSONL] = &tool_writer_jsonl,
        [TOOL_RTTM] = &tool_writer_rttm,         [TOOL_SRT] = &tool_writer_srt,   [TOOL_VTT] = &tool_writer_vtt,
        [TOOL_AUDACITY] = &tool_writer_audacity, [TOOL_TEXTGRID] = &tool_writer_textgrid,
        [TOOL_ELAN] = &tool_writer_elan,
    };
    return writers[format];
}

eng_status tool_writing_init(tool_writing *w, const tool_output_spec *spec, eng_error *err)
{
    *w = (tool_writing){.spec = *spec};
    size_t n = 0;
    if (spec->segments) {
        w->more[n++] = "start";
        w->more[n++] = "end";
    }
    if (spec->speakers) w->more[n++] = "speaker";
    if (spec->texts) w->more[n++] = "text";
    if (spec->values) w->more[n++] = "values";
    return tool_columns_init(&w->columns, spec->class_count, spec->classes, n, w->more, spec->list, err);
}

void tool_writing_fini(tool_writing *w)
{
    tool_columns_fini(&w->columns);
    eng_free(w->text.bytes);
    *w = (tool_writing){0};
}
