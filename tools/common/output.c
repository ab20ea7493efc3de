#include "tools/common/output.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "tools/common/output/paths.h"
#include "tools/common/output/writer.h"
#include "tools/common/part_file.h"

struct tool_output {
    const tool_writer *writer;
    tool_writing writing;
    tool_part_file file;
    bool open;     /* the file is */
    char *folder;  /* a file a recording, in it; NULL: one for all */
    size_t common; /* tool_paths_common */
    size_t row;    /* whose file is open, in a folder */
    size_t failed_rows;
};

bool tool_format_is_alone(tool_format format)
{
    return tool_writer_of(format)->alone;
}

/* ---- Files ---- */

/* Writes what the writer has made. */
static eng_status flush(tool_output *o, eng_error *err)
{
    tool_text *t = &o->writing.text;
    if (t->failed) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for a row", o->file.name);
    eng_status status = t->size ? tool_part_file_write(&o->file, t->bytes, t->size, err) : ENG_OK;
    t->size = 0;
    return status;
}

static eng_status begin_file(tool_output *o, const char *path, eng_error *err)
{
    const tool_output_spec *spec = &o->writing.spec;
    eng_status status = spec->append_at ? tool_part_file_continue(&o->file, path, spec->append_at, spec->append_complete, err)
                                        : tool_part_file_open(&o->file, path, err);
    o->open = true;
    o->writing.rows = 0;
    if (status || spec->append_at || spec->no_header || !o->writer->begin) return status;
    o->writer->begin(&o->writing);
    return flush(o, err);
}

static eng_status end_file(tool_output *o, eng_error *err)
{
    if (!o->open) return ENG_OK;
    o->open = false;
    if (o->writer->end) o->writer->end(&o->writing);
    eng_status status = flush(o, err);
    if (status)
        tool_part_file_abandon(&o->file);
    else
        status = tool_part_file_close(&o->file, err);
    return status;
}

/* Whether the row is of the recording whose file is open. */
static bool is_same(const tool_output *o, size_t row)
{
    const tool_output_spec *spec = &o->writing.spec;
    return o->row == row || (spec->listed && tool_list_same_file(spec->list, o->row, row));
}

/* The file of this row's recording, in the folder. */
static eng_status change_file(tool_output *o, size_t row, eng_error *err)
{
    if (o->open && is_same(o, row)) return ENG_OK;
    eng_status status = end_file(o, err);
    if (status) return status;
    tool_text path = {0};
    tool_text_string(&path, o->folder);
    tool_text_string(&path, "/");
    tool_paths_name(o->writing.spec.list, row, o->common, o->writer->ending, &path);
    tool_text_bytes(&path, "", 1);
    if (path.failed) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", o->folder);
    if (!status) status = tool_paths_make(path.bytes, err);
    if (!status) status = begin_file(o, path.bytes, err);
    eng_free(path.bytes);
    o->row = row;
    return status;
}

/* ---- Opening ---- */

static const char *name_of(tool_format format)
{
    static const char *const names[] = {"csv", "tsv", "jsonl", "rttm", "srt", "vtt", "audacity", "textgrid", "elan"};
    return names[format];
}

/* Whether the format can say these results at all. */
static eng_status check(const tool_output *o, eng_error *err)
{
    const tool_output_spec *spec = &o->writing.spec;
    const char *name = name_of(spec->format);
    if (o->writer->timed && !spec->segments)
        return eng_fail(err, ENG_E_USAGE, "format %s: its rows have a start and an end; expected segments of the recordings",
                        name);
    if (o->writer->timed && !spec->class_count)
        return eng_fail(err, ENG_E_USAGE, "format %s: the model has no labels to write", name);
    if (o->writer->labelled && spec->values)
        return eng_fail(err, ENG_E_USAGE, "format %s: its rows have a label, and the model gives values", name);
    if ((spec->append_at || spec->no_header) && o->writer->timed)
        return eng_fail(err, ENG_E_USAGE, "format %s: only csv, tsv and jsonl can be gone on with, or written in parts", name);
    return ENG_OK;
}

static size_t count_recordings(const tool_output_spec *spec)
{
    const tool_list *l = spec->list;
    size_t n = l->row_count > 0;
    for (size_t i = 1; i < l->row_count; i++) n += !(spec->listed && tool_list_same_file(l, i - 1, i));
    return n;
}

/* Whether each recording has its file, in a folder, whose name o->folder then is. */
static eng_status find_folder(tool_output *o, eng_error *err)
{
    const tool_output_spec *spec = &o->writing.spec;
    const char *path = spec->path ? spec->path : "-";
    struct stat info;
    if (!o->writer->alone) return ENG_OK;
    size_t length = strlen(path);
    bool is_file = strcmp(path, "-") == 0 || (stat(path, &info) == 0 && !S_ISDIR(info.st_mode));
    bool is_folder = !is_file && (stat(path, &info) == 0 || (length && path[length - 1] == '/'));
    size_t recordings = count_recordings(spec);
    if (recordings <= 1 && !is_folder) return ENG_OK;
    if (is_file)
        return eng_fail(err, ENG_E_USAGE,
                        "format %s: a file for each of the %zu recordings; expected -o and a folder, found %s",
                        name_of(spec->format), recordings,
                        strcmp(path, "-") == 0 ? "standard output" : path);
    o->folder = eng_strdup(path);
    if (!o->folder) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    while (length > 1 && o->folder[length - 1] == '/') o->folder[--length] = 0;
    o->common = tool_paths_common(spec->list);
    return tool_paths_check(spec, o->common, false, o->writer->ending, err);
}

/* Early, so that a folder that cannot be made is told before the work. */
static eng_status make_folder(const tool_output *o, eng_error *err)
{
    tool_text path = {0};
    tool_text_string(&path, o->folder);
    tool_text_bytes(&path, "/", 2);
    eng_status status =
        path.failed ? eng_fail(err, ENG_E_MEMORY, "%s: out of memory", o->folder) : tool_paths_make(path.bytes, err);
    eng_free(path.bytes);
    return status;
}

eng_status tool_output_open(const tool_output_spec *spec, tool_output **out, eng_error *err)
{
    *out = NULL;
    tool_output *o = eng_alloc_zero(1, sizeof *o);
    if (!o) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    o->writer = tool_writer_of(spec->format);
    o->file.fd = -1;
    eng_status status = tool_writing_init(&o->writing, spec, err);
    if (!status) status = check(o, err);
    if (!status && o->writer->stems) status = tool_paths_check(spec, 0, true, "", err);
    if (!status) status = find_folder(o, err);
    if (!status) status = o->folder ? make_folder(o, err) : begin_file(o, spec->path, err);
    if (status)
        tool_output_abandon(o);
    else
        *out = o;
    return status;
}

/* ---- Rows ---- */

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

eng_status tool_output_write(tool_output *o, const tool_result *result, eng_error *err)
{
    tool_result r = *result;
    const tool_output_spec *spec = &o->writing.spec;
    const size_t classes = spec->class_count;
    if (!r.error && classes && !(all_finite(r.scores, classes) && (!spec->logits || all_finite(r.logits, classes))))
        r.error = "the model's scores are not finite";
    if (r.error) o->failed_rows++;
    if (o->writer->timed && r.error) return ENG_OK;
    if (o->writer->timed && !r.segment)
        return eng_fail(err, ENG_E_USAGE, "%s: a row without a start and an end", spec->list->rows[r.row].file);
    eng_status status = o->folder ? change_file(o, r.row, err) : ENG_OK;
    if (status) return status;
    o->writer->row(&o->writing, &r);
    o->writing.rows++;
    return flush(o, err);
}

void tool_output_length(tool_output *o, size_t row, double seconds)
{
    if (o->writer->length && (!o->folder || (o->open && is_same(o, row)))) o->writer->length(&o->writing, seconds);
}

size_t tool_output_failed_rows(const tool_output *o)
{
    return o->failed_rows;
}

/* ---- The end ---- */

void tool_output_abandon(tool_output *o)
{
    if (!o) return;
    tool_part_file_abandon(&o->file);
    if (o->writer->drop) o->writer->drop(&o->writing);
    tool_writing_fini(&o->writing);
    eng_free(o->folder);
    eng_free(o);
}

eng_status tool_output_close(tool_output *o, eng_error *err)
{
    eng_status status = end_file(o, err);
    tool_output_abandon(o);
    return status;
}
