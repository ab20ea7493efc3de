#include "tools/infer/report/recording.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/html/text.h"
#include "tools/infer/report/link.h"

/* Peaks of a channel in the page: 10 minutes of 50 ms; of longer recordings several are put together. */
enum { MOST_PEAKS = 12000 };

void infer_report_put_number(tool_text *t, double value, int digits)
{
    char text[64];
    if (!isfinite(value) || fabs(value) > 1e15) {
        tool_text_string(t, "null");
        return;
    }
    snprintf(text, sizeof text, "%.*f", digits, value);
    if (digits) {
        size_t end = strlen(text);
        while (text[end - 1] == '0') end--;
        if (text[end - 1] == '.') end--;
        text[end] = 0;
    }
    tool_text_string(t, strcmp(text, "-0") == 0 ? "0" : text);
}

/* ---- Rows ---- */

static double row_seconds(const infer_report_row *row)
{
    return row->end > row->start ? row->end - row->start : 0;
}

static void add_to_sums(infer_report_sums *sums, const infer_report_spec *spec, const infer_report_row *row)
{
    double seconds = row_seconds(row);
    sums->rows++;
    sums->failed += row->error != NULL;
    if (row->error || !isfinite(seconds)) return;
    sums->seconds += seconds;
    if (spec->values) {
        for (size_t i = 0; i < spec->class_count; i++)
            if (isfinite(row->scores[i])) sums->sum[i] += (double)row->scores[i] * seconds;
    } else if (spec->class_count) {
        sums->sum[row->label] += seconds;
    }
}

/* What is left out at the end of a row is counted first: 0 ... 3 of speaker, text and error are written. */
static void put_strings(tool_text *t, const infer_report_row *row)
{
    const char *const strings[] = {row->speaker, row->text, row->error};
    size_t count = 3;
    while (count && (!strings[count - 1] || !*strings[count - 1])) count--;
    for (size_t i = 0; i < count; i++) {
        tool_text_string(t, ",");
        if (strings[i] && *strings[i])
            tool_html_json(t, strings[i]);
        else
            tool_text_string(t, "null");
    }
}

void infer_report_add_row(infer_report_recording *rec, const infer_report_spec *spec, const infer_report_row *row)
{
    tool_text *t = &rec->rows;
    tool_text_string(t, rec->sums.rows ? ",\n[" : "\n[");
    if (row->channel == INFER_REPORT_MIXED)
        tool_text_string(t, "null,");
    else
        tool_html_format(t, "%zu,", row->channel);
    infer_report_put_number(t, row->start, 3);
    tool_text_string(t, ",");
    infer_report_put_number(t, row->end, 3);
    if (row->error || spec->values || !spec->class_count)
        tool_text_string(t, ",null,");
    else
        tool_html_format(t, ",%zu,", row->label);
    tool_text_string(t, row->error || !spec->class_count ? "null" : "[");
    if (!row->error && spec->class_count) {
        for (size_t i = 0; i < spec->class_count; i++) {
            tool_text_string(t, i ? "," : "");
            infer_report_put_number(t, (double)row->scores[i], 4);
        }
        tool_text_string(t, "]");
    }
    put_strings(t, row);
    tool_text_string(t, "]");
    if (row->error && !rec->error && !(rec->error = eng_strdup(row->error))) t->failed = true;
    add_to_sums(&rec->sums, spec, row);
}

/* ---- The elements ---- */

void infer_report_put_sums(tool_text *t, const infer_report_sums *sums, const infer_report_spec *spec)
{
    if (!spec->class_count || sums->failed == sums->rows) return;
    tool_text_string(t, spec->values ? ",\"mean\":[" : ",\"time\":[");
    for (size_t i = 0; i < spec->class_count; i++) {
        tool_text_string(t, i ? "," : "");
        infer_report_put_number(t, spec->values ? sums->sum[i] / sums->seconds : sums->sum[i], spec->values ? 4 : 3);
    }
    tool_text_string(t, "]");
}

void infer_report_put_recording(tool_text *t, const infer_report_recording *rec, const infer_report_spec *spec,
                                double seconds, const infer_sound *sound)
{
    tool_text_string(t, "<script type=\"application/json\" class=\"recording\">{\"name\":");
    tool_html_json(t, rec->name);
    tool_text_string(t, ",\"seconds\":");
    infer_report_put_number(t, seconds >= 0 ? seconds : NAN, 3);
    tool_html_format(t, ",\"channels\":%zu,\"rows\":%zu,\"failed\":%zu", sound ? sound->channels : 0, rec->sums.rows,
                     rec->sums.failed);
    infer_report_put_sums(t, &rec->sums, spec);
    if (rec->error) {
        tool_text_string(t, ",\"error\":");
        tool_html_json(t, rec->error);
    }
    tool_text_string(t, "}</script>\n");
}

/* A channel's peaks, `together` made one. */
static void put_peaks(tool_text *t, const int8_t *peak, size_t peaks, size_t together)
{
    unsigned char bytes[768]; /* a multiple of 3 */
    size_t n = 0;
    for (size_t i = 0; i < peaks; i += together) {
        int low = peak[2 * i], high = peak[2 * i + 1];
        for (size_t j = i + 1; j < peaks && j < i + together; j++) {
            if (peak[2 * j] < low) low = peak[2 * j];
            if (peak[2 * j + 1] > high) high = peak[2 * j + 1];
        }
        bytes[n++] = (unsigned char)(low & 0xFF);
        bytes[n++] = (unsigned char)(high & 0xFF);
        if (n == sizeof bytes) {
            tool_html_base64(t, bytes, n);
            n = 0;
        }
    }
    tool_html_base64(t, bytes, n);
}

static void put_link(tool_text *t, const infer_report_recording *rec, const infer_report_spec *spec)
{
    tool_text link = {0};
    if (spec->audio != INFER_REPORT_SILENT && rec->path && !infer_report_link(&link, spec->path, rec->path, NULL)) {
        tool_text_string(t, "\"link\":\""); /* of characters that JSON takes as they are */
        if (link.size) tool_text_bytes(t, link.bytes, link.size);
        tool_text_string(t, "\",");
    }
    t->failed = t->failed || link.failed;
    eng_free(link.bytes);
}

void infer_report_put_detail(tool_text *t, const infer_report_recording *rec, const infer_report_spec *spec,
                             const infer_sound *sound, bool embedded, const char *note)
{
    size_t peaks = sound ? infer_sound_peaks(sound) : 0, together = 1 + (peaks ? (peaks - 1) / MOST_PEAKS : 0);
    tool_text_string(t, "<script type=\"application/json\" class=\"detail\">{");
    if (!embedded) put_link(t, rec, spec);
    if (note) {
        tool_text_string(t, "\"note\":");
        tool_html_json(t, note);
        tool_text_string(t, ",");
    }
    tool_html_format(t, "\"embedded\":%s,\"step\":", embedded ? "true" : "false");
    infer_report_put_number(t, (double)(together * INFER_SOUND_PEAK) / MDL_SAMPLE_RATE, 3);
    tool_text_string(t, ",\"peaks\":[");
    for (size_t c = 0; sound && c < sound->channels; c++) {
        tool_text_string(t, c ? ",\"" : "\"");
        put_peaks(t, sound->peak[c], peaks, together);
        tool_text_string(t, "\"");
    }
    tool_text_string(t, "],\"rows\":[");
    if (rec->rows.size) tool_text_bytes(t, rec->rows.bytes, rec->rows.size);
    tool_text_string(t, "]}</script>\n");
}

void infer_report_clear(infer_report_recording *rec, size_t class_count)
{
    double *sum = rec->sums.sum;
    eng_free(rec->name);
    eng_free(rec->path);
    eng_free(rec->error);
    eng_free(rec->rows.bytes);
    *rec = (infer_report_recording){.sums.sum = sum};
    for (size_t i = 0; sum && i < class_count; i++) sum[i] = 0;
}
