#include "tools/infer/report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/html/page.h"
#include "tools/common/html/text.h"
#include "tools/common/part_file.h"
#include "tools/infer/report/page.h"
#include "tools/infer/report/recording.h"

struct infer_report {
    infer_report_spec spec; /* its strings are ours */
    tool_part_file file;
    infer_report_recording now;
    infer_report_sums all;
    size_t recordings, failed; /* failed: recordings of which not one row has a result */
    double seconds;            /* of the recordings whose length is known */
    size_t embedded;           /* bytes of audio in the page */
};

enum { SLICE = 3 << 14 }; /* bytes of audio that become base64 at a time; a multiple of 3 */

/* Writes t and empties it, also when it has failed. */
static eng_status flush(infer_report *r, tool_text *t, eng_error *err)
{
    eng_status status = ENG_OK;
    if (t->failed)
        status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->file.name);
    else if (t->size)
        status = tool_part_file_write(&r->file, t->bytes, t->size, err);
    eng_free(t->bytes);
    *t = (tool_text){0};
    return status;
}

/* ---- Start ---- */

/* The page allows its own style and script, and audio from itself or files: nothing is fetched from anywhere else. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; media-src 'self' file: data: blob:; img-src data:; base-uri 'none'; "
    "form-action 'none'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n<title>Emotions in speech";

static const char body[] =
    "</style>\n</head>\n<body>\n<main id=\"main\">\n<noscript><p>This page draws its tables and timelines with a script of "
    "its own, which this browser does not run. Nothing is loaded from elsewhere.</p></noscript>\n</main>\n";

static void put_start(tool_text *t, const infer_report_spec *spec)
{
    tool_text_string(t, head);
    if (spec->model) {
        tool_text_string(t, " &middot; ");
        tool_html_escaped(t, spec->model);
    }
    tool_text_string(t, "</title>\n<style>\n");
    tool_html_lines(t, tool_html_page_css);
    tool_html_lines(t, infer_report_css);
    tool_text_string(t, body);
    tool_html_format(t, "<script type=\"application/json\" id=\"about\">{\"version\":\"%s\",\"values\":%s,\"model\":",
                     WLM_VERSION, spec->values ? "true" : "false");
    tool_html_json(t, spec->model ? spec->model : "");
    tool_text_string(t, ",\"classes\":[");
    for (size_t i = 0; i < spec->class_count; i++) {
        tool_text_string(t, i ? "," : "");
        tool_html_json(t, spec->classes[i]);
    }
    tool_text_string(t, "]}</script>\n");
}

static void free_report(infer_report *r)
{
    char **classes = (char **)(void *)r->spec.classes; /* ours, see copy_spec */
    for (size_t i = 0; classes && i < r->spec.class_count; i++) eng_free(classes[i]);
    eng_free(classes);
    eng_free((char *)r->spec.path);
    infer_report_clear(&r->now, 0);
    eng_free(r->now.sums.sum);
    eng_free(r->all.sum);
    tool_part_file_abandon(&r->file);
    eng_free(r);
}

static bool copy_spec(infer_report *r, const infer_report_spec *spec)
{
    size_t n = spec->class_count;
    char **classes = eng_alloc_zero(n, sizeof *classes);
    r->spec = *spec;
    r->spec.path = spec->path ? eng_strdup(spec->path) : NULL;
    r->spec.classes = (const char *const *)(void *)classes;
    r->spec.model = NULL; /* is written at once */
    r->now.sums.sum = eng_alloc_zero(n, sizeof(double));
    r->all.sum = eng_alloc_zero(n, sizeof(double));
    if (!classes || (spec->path && !r->spec.path) || !r->now.sums.sum || !r->all.sum) return false;
    for (size_t i = 0; i < n; i++)
        if (!(classes[i] = eng_strdup(spec->classes[i]))) return false;
    return true;
}

eng_status infer_report_open(const infer_report_spec *spec, infer_report **out, eng_error *err)
{
    tool_text t = {0};
    *out = NULL;
    infer_report *r = eng_alloc_zero(1, sizeof *r);
    if (!r) return eng_fail(err, ENG_E_MEMORY, "the report: out of memory");
    r->file.fd = -1;
    eng_status status = ENG_OK;
    if (!copy_spec(r, spec)) status = eng_fail(err, ENG_E_MEMORY, "the report: out of memory");
    if (!status) status = tool_part_file_open(&r->file, spec->path, err);
    if (!status) {
        put_start(&t, spec);
        status = flush(r, &t, err);
    }
    if (status)
        free_report(r);
    else
        *out = r;
    return status;
}

/* ---- Recordings ---- */

size_t infer_report_embed_room(const infer_report *r)
{
    return r->spec.audio == INFER_REPORT_EMBED ? r->spec.embed_most - r->embedded : 0;
}

eng_status infer_report_begin(infer_report *r, const char *name, const char *path, eng_error *err)
{
    bool linked = path && strcmp(path, "-") != 0;
    infer_report_clear(&r->now, r->spec.class_count);
    r->now.name = eng_strdup(name);
    r->now.path = linked ? eng_strdup(path) : NULL;
    if (!r->now.name || (linked && !r->now.path)) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", name);
    return ENG_OK;
}

eng_status infer_report_add(infer_report *r, const infer_report_row *row, eng_error *err)
{
    infer_report_add_row(&r->now, &r->spec, row);
    return r->now.rows.failed ? eng_fail(err, ENG_E_MEMORY, "%s: out of memory", r->now.name) : ENG_OK;
}

static void add_to_all(infer_report *r, double seconds)
{
    const infer_report_sums *now = &r->now.sums;
    r->recordings++;
    r->failed += now->rows && now->failed == now->rows;
    if (seconds >= 0 && isfinite(seconds)) r->seconds += seconds;
    r->all.rows += now->rows;
    r->all.failed += now->failed;
    r->all.seconds += now->seconds;
    for (size_t i = 0; i < r->spec.class_count; i++) r->all.sum[i] += now->sum[i];
}

static eng_status write_audio(infer_report *r, infer_sound *sound, bool embedded, eng_error *err)
{
    tool_text t = {0};
    eng_status status = ENG_OK;
    size_t size = embedded ? infer_sound_wav_size(sound) : 0;
    const unsigned char *wav = embedded ? infer_sound_wav(sound) : NULL;
    tool_text_string(&t, "<script type=\"text/plain\" class=\"audio\">");
    for (size_t at = 0; !status && at < size; at += SLICE) {
        tool_html_base64(&t, wav + at, size - at < SLICE ? size - at : SLICE);
        status = flush(r, &t, err);
    }
    tool_text_string(&t, "</script>\n");
    if (!status) status = flush(r, &t, err);
    eng_free(t.bytes);
    r->embedded += size;
    return status;
}

eng_status infer_report_end(infer_report *r, double seconds, infer_sound *sound, eng_error *err)
{
    tool_text t = {0};
    char note[120];
    size_t size = sound && r->spec.audio == INFER_REPORT_EMBED ? infer_sound_wav_size(sound) : 0;
    bool embedded = size && size <= infer_report_embed_room(r);
    bool refused = r->spec.audio == INFER_REPORT_EMBED && sound && sound->samples && !embedded;
    snprintf(note, sizeof note, "Not in this page, which holds at most %.1f MB of audio: played from its file.",
             (double)r->spec.embed_most / 1e6);
    infer_report_put_recording(&t, &r->now, &r->spec, seconds, sound);
    infer_report_put_detail(&t, &r->now, &r->spec, sound, embedded, refused ? note : NULL);
    eng_status status = flush(r, &t, err);
    if (!status) status = write_audio(r, sound, embedded, err);
    if (!status) add_to_all(r, seconds);
    infer_report_clear(&r->now, r->spec.class_count);
    return status;
}

/* ---- End ---- */

static void put_end(tool_text *t, const infer_report *r, const infer_report_fact *facts, size_t count)
{
    tool_html_format(t, "<script type=\"application/json\" id=\"totals\">{\"recordings\":%zu,\"failed\":%zu,\"seconds\":",
                     r->recordings, r->failed);
    infer_report_put_number(t, r->seconds, 3);
    tool_html_format(t, ",\"rows\":%zu,\"failed_rows\":%zu", r->all.rows, r->all.failed);
    infer_report_put_sums(t, &r->all, &r->spec);
    tool_text_string(t, ",\"facts\":[");
    for (size_t i = 0; i < count; i++) {
        tool_text_string(t, i ? ",[" : "[");
        tool_html_json(t, facts[i].name);
        tool_text_string(t, ",");
        tool_html_json(t, facts[i].value);
        tool_text_string(t, "]");
    }
    tool_text_string(t, "]}</script>\n<script>\n");
    tool_html_lines(t, infer_report_js);
    tool_text_string(t, "</script>\n</body>\n</html>\n");
}

eng_status infer_report_close(infer_report *r, const infer_report_fact *facts, size_t count, eng_error *err)
{
    tool_text t = {0};
    put_end(&t, r, facts, count);
    eng_status status = flush(r, &t, err);
    if (!status) status = tool_part_file_close(&r->file, err);
    free_report(r);
    return status;
}

void infer_report_abandon(infer_report *r)
{
    if (r) free_report(r);
}
