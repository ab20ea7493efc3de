#include "tools/infer/totals.h"

#include <stdio.h>

#include "engine/clock.h"
#include "engine/memory.h"
#include "tools/common/part_file.h"
#include "tools/common/text.h"

static const double MINUTE = 60, TERMINAL_WAIT = 0.1; /* seconds between two lines, and two of one line's states */

static const char *const kinds[INFER_KINDS] = {
    [ENG_OK] = "none",         [ENG_E_MEMORY] = "memory",           [ENG_E_IO] = "io",       [ENG_E_FORMAT] = "format",
    [ENG_E_MISSING] = "missing", [ENG_E_MISMATCH] = "mismatch", [ENG_E_UNSUPPORTED] = "unsupported", [ENG_E_USAGE] = "usage",
};

eng_status infer_totals_init(infer_totals *t, size_t rows, size_t labels, eng_error *err)
{
    *t = (infer_totals){.rows = rows, .labels = labels, .started = eng_now()};
    t->by_label = eng_alloc_zero(labels ? labels : 1, sizeof *t->by_label);
    return t->by_label ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "out of memory");
}

void infer_totals_fini(infer_totals *t)
{
    eng_free(t->by_label);
    t->by_label = NULL;
}

void infer_totals_row(infer_totals *t, const infer_end *row)
{
    t->cut += row->cut;
    if (row->outcome == INFER_SILENT) {
        t->silent++;
    } else if (row->outcome == INFER_FAILED) {
        t->failed++;
        t->by_kind[(size_t)row->kind < INFER_KINDS ? row->kind : ENG_OK]++;
    } else {
        t->labelled++;
        t->labelled_seconds += row->seconds;
        if (row->label < t->labels) t->by_label[row->label]++;
    }
}

void infer_totals_recording(infer_totals *t, size_t rows, double seconds, bool failed)
{
    t->done += rows;
    t->recordings += seconds > 0;
    t->unread += failed;
    t->audio_seconds += seconds;
}

/* ---- Shown ---- */

double infer_totals_speed(const infer_totals *t)
{
    double elapsed = eng_now() - t->started;
    return elapsed > 0 ? t->audio_seconds / elapsed : 0;
}

void infer_totals_audio(const infer_totals *t, char *out, size_t size)
{
    double s = t->audio_seconds;
    if (s < 60) snprintf(out, size, "%.1f s", s);
    else if (s < 3600) snprintf(out, size, "%.1f min", s / 60);
    else snprintf(out, size, "%.2f h", s / 3600);
}

static void print_state(const infer_totals *t)
{
    double elapsed = eng_now() - t->started;
    char audio[32];
    infer_totals_audio(t, audio, sizeof audio);
    fprintf(stderr, "%zu of %zu inputs, %s of audio, %.1f times real time", t->done, t->rows, audio, infer_totals_speed(t));
    if (t->done == t->done_before || t->done == t->rows) return;
    size_t left = (size_t)(elapsed / (double)(t->done - t->done_before) * (double)(t->rows - t->done) + 0.5);
    fprintf(stderr, ", %zu:%02zu:%02zu left", left / 3600, left / 60 % 60, left % 60);
}

void infer_totals_show(infer_totals *t, bool terminal)
{
    double now = eng_now();
    bool last = t->done == t->rows;
    if (terminal) {
        if (!last && now - t->shown < TERMINAL_WAIT) return;
        fputs("\r", stderr);
        print_state(t);
        fputs(last ? "\033[K\n" : "\033[K", stderr);
    } else {
        if (!t->shown) t->shown = t->started;
        if (last || now - t->shown < MINUTE) return;
        fputs("infer: ", stderr);
        print_state(t);
        fputs("\n", stderr);
    }
    t->shown = now;
}

void infer_totals_say(const infer_totals *t, bool terminal)
{
    if (!terminal && eng_now() - t->started < MINUTE && !t->cut && !t->silent) return;
    char audio[32];
    infer_totals_audio(t, audio, sizeof audio);
    fprintf(stderr, "infer: %zu rows labelled, %s of audio in %.1f s: %.1f times real time", t->labelled, audio,
            eng_now() - t->started, infer_totals_speed(t));
    if (t->silent) fprintf(stderr, "; %zu silent left out", t->silent);
    if (t->cut) fprintf(stderr, "; %zu segments cut to the end of their recordings", t->cut);
    fputs("\n", stderr);
}

/* ---- The summary ---- */

static void put_name(tool_text *out, const char *name)
{
    if (out->size && out->bytes[out->size - 1] != '{') tool_text_string(out, ", ");
    tool_text_json(out, name);
    tool_text_string(out, ": ");
}

static void put_count(tool_text *out, const char *name, size_t value)
{
    put_name(out, name);
    tool_text_size(out, value);
}

static void put_number(tool_text *out, const char *name, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.3f", value);
    put_name(out, name);
    tool_text_string(out, text);
}

static void build(const infer_totals *t, const char *const *labels, bool values, tool_text *out)
{
    tool_text_string(out, "{");
    put_count(out, "inputs", t->rows);
    put_count(out, "inputs_done", t->done);
    put_count(out, "recordings", t->recordings);
    put_count(out, "recordings_unread", t->unread);
    put_count(out, "rows_labelled", t->labelled);
    put_count(out, "rows_failed", t->failed);
    put_count(out, "rows_silent", t->silent);
    put_count(out, "segments_cut", t->cut);
    put_count(out, "recordings_without_segments", t->unnamed);
    put_count(out, "segments_without_recording", t->unused_segments);
    put_number(out, "audio_hours", t->audio_seconds / 3600);
    put_number(out, "labelled_hours", t->labelled_seconds / 3600);
    put_number(out, "elapsed_seconds", eng_now() - t->started);
    put_number(out, "times_real_time", infer_totals_speed(t));
    put_name(out, "labels");
    tool_text_string(out, "{");
    for (size_t i = 0; !values && i < t->labels; i++) put_count(out, labels[i], t->by_label[i]);
    tool_text_string(out, "}");
    put_name(out, "errors");
    tool_text_string(out, "{");
    for (size_t i = 0; i < INFER_KINDS; i++)
        if (t->by_kind[i]) put_count(out, kinds[i], t->by_kind[i]);
    tool_text_string(out, "}}\n");
}

eng_status infer_totals_write(const infer_totals *t, const char *path, const char *const *labels, bool values, eng_error *err)
{
    tool_text text = {0};
    tool_part_file file = {.fd = -1};
    build(t, labels, values, &text);
    eng_status status = text.failed ? eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path) : ENG_OK;
    if (!status) status = tool_part_file_open(&file, path, err);
    if (!status) status = tool_part_file_write(&file, text.bytes, text.size, err);
    if (!status) status = tool_part_file_close(&file, err);
    tool_part_file_abandon(&file);
    eng_free(text.bytes);
    return status;
}
