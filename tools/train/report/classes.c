#include <math.h>
#include <stdio.h>

#include "tools/train/report/chart.h"
#include "tools/train/report/parts.h"

/* In user units, as in chart.c. */
enum { WIDTH = 460, LABELS = 108, GAP = 6, MAX_CELL = 64, BAR = 9, MIN_GROUP = 36, MAX_GROUP = 48 };
enum { LABEL_CHARACTERS = 12, SLANTED_CHARACTERS = 10 };

void train_report_put_score(tool_text *t, double score)
{
    if (isnan(score))
        tool_text_string(t, "\xE2\x80\x93");
    else
        tool_html_format(t, "%s%.3f", score < 0 ? "\xE2\x88\x92" : "", fabs(score));
}

static double row_sum(const train_report_evaluation *e, size_t row)
{
    double sum = 0;
    for (size_t j = 0; j < e->classes; j++) sum += e->confusion[row * e->classes + j];
    return sum;
}

/* The side of a cell of the matrix. */
static double cell_side(size_t classes)
{
    return fmin((double)(WIDTH - LABELS - GAP) / (double)classes, MAX_CELL);
}

/* ---- Confusion matrix ---- */

static void put_count(tool_text *t, double count)
{
    if (count < 1e4)
        tool_html_format(t, "%.0f", count);
    else if (count < 1e6)
        tool_html_format(t, "%.*fk", count < 1e5, count / 1e3);
    else
        tool_html_format(t, "%.2gM", count / 1e6);
}

static void put_cell(tool_text *t, const train_report_evaluation *e, size_t row, size_t column, double cell)
{
    double count = e->confusion[row * e->classes + column], sum = row_sum(e, row), share = sum > 0 ? count / sum : 0;
    double x = LABELS + (double)column * cell, y = GAP + (double)row * cell;
    tool_html_format(t, "<g><title>%s", row == column ? "" : "true ");
    tool_html_escaped(t, e->class_name[row]);
    tool_text_string(t, row == column ? ", recognised" : ", predicted ");
    if (row != column) tool_html_escaped(t, e->class_name[column]);
    tool_html_format(t, ": %.0f of %.0f (%.1f %%)</title>", count, sum, 100 * share);
    tool_html_format(t, "<rect class=\"cell\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>", x, y, cell,
                      cell);
    tool_html_format(
        t, "<rect class=\"heat\" fill-opacity=\"%.3f\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>", share,
        x, y, cell, cell);
    if (cell >= 15) {
        /* Where the two colours of text stand out alike, in light and dark. */
        const char *shade = count == 0 ? " none" : share > 0.7 ? " hot" : "";
        bool two = cell >= 34 && count > 0;
        double size = cell >= 34 ? 12 : cell >= 26 ? 10.5 : 7.5, middle = y + cell / 2 + (two ? -2 : size * 0.35);
        tool_html_format(t, "<text class=\"mid%s\" font-size=\"%.1f\" x=\"%.2f\" y=\"%.2f\">", shade, size,
                          x + cell / 2, middle);
        put_count(t, count);
        tool_text_string(t, "</text>");
        if (two)
            tool_html_format(t, "<text class=\"mid%s\" font-size=\"9.5\" x=\"%.2f\" y=\"%.2f\">%.0f%%</text>", shade,
                              x + cell / 2, middle + 13, 100 * share);
    }
    tool_text_string(t, "</g>");
}

static void put_label(tool_text *t, const char *name, size_t most)
{
    if (tool_html_length(name) > most) {
        tool_text_string(t, "<title>");
        tool_html_escaped(t, name);
        tool_text_string(t, "</title>");
    }
    tool_html_shortened(t, name, most);
    tool_text_string(t, "</text>");
}

static void put_matrix(tool_text *t, const train_report_evaluation *e)
{
    size_t n = e->classes;
    double cell = cell_side(n), side = cell * (double)n;
    size_t longest = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = tool_html_length(e->class_name[i]);
        if (length > longest) longest = length;
    }
    bool slanted = (double)longest * 6.3 > cell - 4;
    double size = fmin(11.5, cell), height = GAP + side + (slanted ? 64 : 20) + 20;
    tool_text_string(t, "<figure><figcaption>Confusion matrix <small>count, and share of the row</small></figcaption>");
    tool_html_format(t, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"Confusion matrix\">", WIDTH, height);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) put_cell(t, e, i, j, cell);
    tool_text_string(t, "<g class=\"ticks\">");
    for (size_t i = 0; i < n; i++) {
        double middle = ((double)i + 0.5) * cell;
        tool_html_format(t, "<text class=\"end\" font-size=\"%.1f\" x=\"%d\" y=\"%.2f\">", size, LABELS - 6,
                          GAP + middle + 4);
        put_label(t, e->class_name[i], LABEL_CHARACTERS);
        if (slanted)
            tool_html_format(t,
                              "<text class=\"end\" font-size=\"%.1f\" transform=\"translate(%.2f %.2f) rotate(-40)\">",
                              size, LABELS + middle + 4, GAP + side + 12);
        else
            tool_html_format(t, "<text class=\"mid\" font-size=\"%.1f\" x=\"%.2f\" y=\"%.2f\">", size, LABELS + middle,
                              GAP + side + 15);
        put_label(t, e->class_name[i], slanted ? SLANTED_CHARACTERS : LABEL_CHARACTERS);
    }
    tool_html_format(t, "<text class=\"mid name\" x=\"%.1f\" y=\"%.1f\">predicted</text>", LABELS + side / 2,
                      height - 5);
    tool_html_format(t, "<text class=\"mid name\" transform=\"translate(11 %.1f) rotate(-90)\">true</text></g>",
                      GAP + side / 2);
    tool_text_string(t, "</svg></figure>\n");
}

/* ---- Bars ---- */

static void put_class_bars(tool_text *t, const train_report_evaluation *e, size_t c, double y)
{
    static const char *const names[] = {"precision", "recall", "F1"};
    const double *const values[] = {e->precision, e->recall, e->f1};
    const double width = WIDTH - LABELS - 40;
    tool_html_format(t, "<text class=\"end\" font-size=\"11.5\" x=\"%d\" y=\"%.1f\">", LABELS - 6, y + 1.5 * BAR + 4);
    put_label(t, e->class_name[c], LABEL_CHARACTERS);
    for (int i = 0; i < 3; i++) {
        double value = values[i] ? values[i][c] : NAN, share = fmin(fmax(value, 0), 1), top = y + i * BAR;
        if (isnan(value)) continue;
        tool_html_format(t, "<rect class=\"b%d\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"><title>", i, LABELS,
                          top, share * width, BAR - 1);
        tool_html_escaped(t, e->class_name[c]);
        tool_html_format(t, ", %s %.3f</title></rect>", names[i], value);
        if (i == 2)
            tool_html_format(t, "<text class=\"value\" x=\"%.1f\" y=\"%.1f\">%.2f</text>", LABELS + share * width + 5,
                              top + BAR - 1, value);
    }
}

static void put_bars(tool_text *t, const train_report_evaluation *e)
{
    /* As high as the matrix beside it, within reason. */
    const double group = fmin(fmax(cell_side(e->classes), MIN_GROUP), MAX_GROUP);
    const double width = WIDTH - LABELS - 40, bottom = GAP + group * (double)e->classes;
    tool_text_string(t, "<figure><figcaption>Classes <small>the number is F1</small></figcaption><p class=\"legend\">");
    static const char *const names[] = {"precision", "recall", "F1"};
    for (int i = 0; i < 3; i++)
        tool_html_format(
            t,
            "<span><svg viewBox=\"0 0 20 12\" aria-hidden=\"true\"><rect class=\"b%d\" y=\"2\" width=\"20\" "
            "height=\"8\"/></svg>%s</span> ",
            i, names[i]);
    tool_html_format(
        t, "</p><svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"Precision, recall and F1 of each class\">",
        WIDTH, bottom + 24);
    tool_text_string(t, "<g class=\"grid\">");
    for (int i = 1; i <= 4; i++)
        tool_html_format(t, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\"/>", LABELS + i * width / 4, GAP,
                          LABELS + i * width / 4, bottom);
    tool_text_string(t, "</g><g class=\"ticks\">");
    for (size_t c = 0; c < e->classes; c++) put_class_bars(t, e, c, GAP + group * (double)c + (group - 3 * BAR) / 2);
    for (int i = 0; i <= 4; i++)
        tool_html_format(t, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">%.4g</text>", LABELS + i * width / 4,
                          bottom + 17, i / 4.0);
    tool_html_format(t, "</g><path class=\"axis\" d=\"M%d %dV%.0f\"/></svg></figure>\n", LABELS, GAP, bottom);
}

/* ---- Table ---- */

static void put_table(tool_text *t, const train_report_evaluation *e)
{
    tool_text_string(t,
                   "<div class=\"wide\"><table><thead><tr><th>Class</th><th>Precision</th><th>Recall</th><th>F1</th>");
    if (e->confusion) tool_text_string(t, "<th>Utterances</th>");
    tool_text_string(t, "</tr></thead><tbody>\n");
    for (size_t c = 0; c < e->classes; c++) {
        tool_text_string(t, "<tr><th>");
        tool_html_escaped(t, e->class_name[c]);
        tool_text_string(t, "</th>");
        const double *const values[] = {e->precision, e->recall, e->f1};
        for (int i = 0; i < 3; i++) {
            tool_text_string(t, "<td>");
            train_report_put_score(t, values[i] ? values[i][c] : NAN);
            tool_text_string(t, "</td>");
        }
        if (e->confusion) tool_html_format(t, "<td>%.0f</td>", row_sum(e, c));
        tool_text_string(t, "</tr>\n");
    }
    tool_text_string(t, "</tbody></table></div>\n");
}

void train_report_put_classes(tool_text *t, const train_report_evaluation *e, const char *split)
{
    bool bars = e->precision || e->recall || e->f1;
    if (!e->classes || (!bars && !e->confusion)) return;
    tool_text_string(t, "<section><h2>Classes: ");
    tool_html_escaped(t, split);
    tool_html_format(t, " <small>%s step %.0f</small></h2>\n<div class=\"charts\">",
                      e->best ? "best model," : "model of", e->step);
    if (e->confusion) put_matrix(t, e);
    if (bars) put_bars(t, e);
    tool_text_string(t, "</div>\n");
    put_table(t, e);
    tool_text_string(t, "</section>\n");
}
