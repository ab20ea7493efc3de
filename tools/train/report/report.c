#include "tools/train/report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/html/page.h"
#include "tools/train/report/chart.h"
#include "tools/train/report/parts.h"
#include "tools/train/report/style.h"

/* ---- Head of the page ---- */

static void put_about(tool_text *t, const train_report_log *log)
{
    double epoch = 0, seconds = 0;
    for (size_t i = 0; i < log->step_count; i++) {
        epoch = fmax(epoch, log->step[i].epoch); /* fmax leaves NaN out */
        if (log->step[i].seconds > 0) seconds += log->step[i].seconds;
    }
    if (!log->step_count && !log->evaluation_count) {
        tool_text_string(t, "<p class=\"about\">Nothing has been recorded yet.</p>\n");
        return;
    }
    tool_html_format(t, "<p class=\"about\">%zu step%s", log->step_count, log->step_count == 1 ? "" : "s");
    if (epoch > 0) tool_html_format(t, " &middot; epoch %.0f", epoch);
    if (seconds >= 3600)
        tool_html_format(t, " &middot; %.1f hours of audio", seconds / 3600);
    else if (seconds > 0)
        tool_html_format(t, " &middot; %.1f minutes of audio", seconds / 60);
    tool_text_string(t, "</p>\n");
}

static void put_tiles(tool_text *t, const train_report_log *log)
{
    bool any = false;
    for (size_t split = 0; split < log->split_count; split++) {
        const train_report_evaluation *e = train_report_best(log, split);
        if (!e || isnan(train_report_score(e))) continue;
        tool_text_string(t, any ? "" : "<div class=\"tiles\">\n");
        tool_text_string(t, "<div class=\"tile\"><b>");
        train_report_put_score(t, train_report_score(e));
        tool_html_format(t, "</b><span>%s, ", isnan(e->ccc_mean) ? "macro-F1" : "mean CCC");
        tool_html_escaped(t, log->split[split]);
        tool_html_format(t, "</span><small>step %.0f", e->step);
        if (!isnan(e->count)) tool_html_format(t, ", %.0f utterance%s", e->count, e->count == 1 ? "" : "s");
        tool_text_string(t, "</small></div>\n");
        any = true;
    }
    if (any) tool_text_string(t, "</div>\n");
}

static void put_facts(tool_text *t, const train_report_fact *facts, size_t count)
{
    if (!count) return;
    tool_text_string(t, "<dl class=\"facts\">\n");
    for (size_t i = 0; i < count; i++) {
        tool_text_string(t, "<div><dt>");
        tool_html_escaped(t, facts[i].name);
        tool_text_string(t, "</dt><dd>");
        tool_html_escaped(t, facts[i].value);
        tool_text_string(t, "</dd></div>\n");
    }
    tool_text_string(t, "</dl>\n");
}

/* ---- Results ---- */

enum { MACRO_F1, UAR, ACCURACY, CCC_MEAN, MEASURES };

static double measure(const train_report_evaluation *e, int which)
{
    const double values[MEASURES] = {e->macro_f1, e->uar, e->accuracy, e->ccc_mean};
    return values[which];
}

/* The evaluation whose attributes the table's columns bear, one with most; NULL: none. */
static const train_report_evaluation *attribute_source(const train_report_log *log)
{
    const train_report_evaluation *most = NULL;
    for (size_t split = 0; split < log->split_count; split++) {
        const train_report_evaluation *e = train_report_best(log, split);
        if (e && e->attributes > (most ? most->attributes : 0)) most = e;
    }
    return most;
}

static void put_cell(tool_text *t, double score)
{
    tool_text_string(t, "<td>");
    train_report_put_score(t, score);
    tool_text_string(t, "</td>");
}

static void put_result(tool_text *t, const train_report_log *log, const train_report_evaluation *e, const bool *shown,
                       const train_report_evaluation *columns)
{
    tool_text_string(t, "<tr><th>");
    tool_html_escaped(t, log->split[e->split]);
    tool_html_format(t, "</th><td>%.0f</td><td>", e->step);
    train_chart_number(t, e->epoch, 4);
    tool_text_string(t, "</td><td>");
    train_chart_number(t, e->count, 6);
    tool_text_string(t, "</td>");
    put_cell(t, e->loss);
    for (int i = 0; i < MEASURES; i++)
        if (shown[i]) put_cell(t, measure(e, i));
    for (size_t i = 0; columns && i < columns->attributes; i++) {
        double value = NAN;
        for (size_t j = 0; j < e->attributes; j++)
            if (strcmp(e->attribute[j], columns->attribute[i]) == 0) value = e->ccc[j];
        put_cell(t, value);
    }
    tool_text_string(t, "</tr>\n");
}

static void put_results(tool_text *t, const train_report_log *log)
{
    static const char *const names[MEASURES] = {"Macro-F1", "UAR", "Accuracy", "Mean CCC"};
    bool shown[MEASURES] = {false};
    const train_report_evaluation *columns = attribute_source(log), *best[TRAIN_REPORT_SPLITS];
    size_t rows = 0;
    for (size_t split = 0; split < log->split_count; split++) {
        best[split] = train_report_best(log, split);
        rows += best[split] != NULL;
        for (int i = 0; best[split] && i < MEASURES; i++)
            if (!isnan(measure(best[split], i))) shown[i] = true;
    }
    if (!rows) return;
    tool_text_string(t,
                   "<section><h2>Results of the best model</h2>\n<div class=\"wide\"><table><thead><tr><th>Split</th>"
                   "<th>Step</th><th>Epoch</th><th>Utterances</th><th>Loss</th>");
    for (int i = 0; i < MEASURES; i++)
        if (shown[i]) tool_html_format(t, "<th>%s</th>", names[i]);
    for (size_t i = 0; columns && i < columns->attributes; i++) {
        tool_text_string(t, "<th>CCC ");
        tool_html_escaped(t, columns->attribute[i]);
        tool_text_string(t, "</th>");
    }
    tool_text_string(t, "</tr></thead><tbody>\n");
    for (size_t split = 0; split < log->split_count; split++)
        if (best[split]) put_result(t, log, best[split], shown, columns);
    tool_text_string(t, "</tbody></table></div></section>\n");
}

/* ---- The page ---- */

static void put_page(tool_text *t, train_report_log *log, const char *title, const train_report_fact *facts,
                     size_t count)
{
    tool_text_string(t, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    tool_html_escaped(t, title);
    tool_text_string(t, "</title>\n");
    tool_text_string(t, "<style>\n");
    tool_html_lines(t, tool_html_page_css);
    tool_html_lines(t, train_report_charts_css);
    tool_text_string(t, "</style>\n");
    tool_text_string(t, "</head>\n<body>\n<main>\n<h1>");
    tool_html_escaped(t, title);
    tool_text_string(t, "</h1>\n");
    put_about(t, log);
    put_tiles(t, log);
    put_facts(t, facts, count);
    put_results(t, log);
    if (log->step_count || log->evaluation_count) train_report_put_curves(t, log);
    for (size_t split = 0; split < log->split_count; split++) {
        const train_report_evaluation *e = train_report_best(log, split);
        if (e) train_report_put_classes(t, e, log->split[split]);
    }
    tool_text_string(t, "<footer>Made by wavlm.c " WLM_VERSION " from metrics.jsonl.");
    if (log->skipped)
        tool_html_format(t, " %zu line%s of it could not be read.", log->skipped, log->skipped == 1 ? "" : "s");
    tool_text_string(t, "</footer>\n</main>\n</body>\n</html>\n");
}

/* ---- The file ---- */

static eng_status write_all(int fd, const char *path, const tool_text *t, eng_error *err)
{
    for (size_t at = 0; at < t->size;) {
        ssize_t n = write(fd, t->bytes + at, t->size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return eng_fail(err, ENG_E_IO, "%s: cannot write: %s", path, strerror(errno));
        at += (size_t)n;
    }
    return ENG_OK;
}

static eng_status write_file(const char *path, const tool_text *t, eng_error *err)
{
    size_t size = strlen(path) + sizeof ".part";
    char *part = eng_alloc(size, 1);
    if (!part) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    snprintf(part, size, "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    eng_status status = ENG_OK;
    if (fd < 0) {
        status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", part, strerror(errno));
    } else {
        status = write_all(fd, part, t, err);
        if (close(fd) != 0 && !status) status = eng_fail(err, ENG_E_IO, "%s: cannot write: %s", part, strerror(errno));
        if (!status && rename(part, path) != 0)
            status = eng_fail(err, ENG_E_IO, "%s: cannot rename to %s: %s", part, path, strerror(errno));
        if (status) unlink(part);
    }
    eng_free(part);
    return status;
}

eng_status train_report_write(const char *metrics, const char *path, const char *title, const train_report_fact *facts,
                              size_t count, eng_error *err)
{
    train_report_log log;
    tool_text t = {0};
    eng_status status = train_report_log_read(&log, metrics, err);
    if (!status) {
        put_page(&t, &log, title, facts, count);
        if (t.failed) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    }
    if (!status) status = write_file(path, &t, err);
    eng_free(t.bytes);
    train_report_log_fini(&log);
    return status;
}
