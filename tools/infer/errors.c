#include "tools/infer/errors.h"

#include "engine/memory.h"
#include "tools/common/part_file.h"
#include "tools/common/text.h"

struct infer_errors {
    tool_part_file file;
    tool_text row; /* under construction */
};

static eng_status write_text(infer_errors *e, eng_error *err)
{
    if (e->row.failed) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a row", e->file.name);
    return tool_part_file_write(&e->file, e->row.bytes, e->row.size, err);
}

eng_status infer_errors_open(const char *path, infer_errors **out, eng_error *err)
{
    infer_errors *e = *out = eng_alloc_zero(1, sizeof *e);
    if (!e) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    e->file.fd = -1;
    eng_status status = tool_part_file_open(&e->file, path, err);
    tool_text_string(&e->row, "file,channel,start,end,error\n");
    if (!status) status = write_text(e, err);
    if (!status) return ENG_OK;
    infer_errors_abandon(e);
    *out = NULL;
    return status;
}

eng_status infer_errors_write(infer_errors *e, const char *file, const tool_result *failed, eng_error *err)
{
    tool_text *t = &e->row;
    t->size = 0;
    tool_text_csv(t, file);
    tool_text_string(t, ",");
    if (failed->channel != TOOL_NO_CHANNEL) tool_text_size(t, failed->channel);
    tool_text_string(t, ",");
    if (failed->segment) tool_text_seconds(t, failed->start);
    tool_text_string(t, ",");
    if (failed->segment) tool_text_seconds(t, failed->end);
    tool_text_string(t, ",");
    tool_text_csv(t, failed->error);
    tool_text_string(t, "\n");
    return write_text(e, err);
}

eng_status infer_errors_close(infer_errors *e, eng_error *err)
{
    eng_status status = tool_part_file_close(&e->file, err);
    infer_errors_abandon(e);
    return status;
}

void infer_errors_abandon(infer_errors *e)
{
    if (!e) return;
    tool_part_file_abandon(&e->file);
    eng_free(e->row.bytes);
    eng_free(e);
}
