/* report.html from metrics.jsonl, as a browser would take it apart. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tests/support/files.h"
#include "tests/support/report_files.h"
#include "tests/support/support.h"
#include "tools/train/report/chart.h"
#include "tools/train/report/data.h"
#include "tools/train/report/report.h"

/* ---- A page, checked ---- */

static size_t occurrences(const char *page, const char *what)
{
    size_t n = 0;
    for (const char *p = page; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* Takes one tag, from its '<'; returns what is behind its '>'. Attributes are name="value". */
static const char *check_tag(const char *p, char stack[][16], size_t *depth)
{
    bool closing = p[1] == '/', empty = false;
    char name[16];
    size_t n = 0;
    for (p += closing ? 2 : 1; isalnum((unsigned char)*p); p++) {
        cr_assert(n < 15);
        name[n++] = *p;
    }
    name[n] = 0;
    cr_assert(n > 0, "a '<' that begins no tag: %.60s", p);
    while (*p != '>') {
        if (*p == '/' && p[1] == '>') {
            empty = true;
            p++;
            continue;
        }
        cr_assert_eq(*p, ' ', "in <%s: %.60s", name, p);
        size_t length = strspn(p + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
        const char *value = p + 1 + length;
        cr_assert(length > 0 && value[0] == '=' && value[1] == '"', "in <%s: %.60s", name, p);
        cr_assert(strncmp(p + 1, "on", 2) != 0, "an event handler: %.60s", p);
        p = strchr(value + 2, '"');
        cr_assert_not_null(p);
        cr_assert_null(memchr(value, '<', (size_t)(p - value)), "in <%s: %.60s", name, value);
        p++;
    }
    if (closing) {
        cr_assert(*depth > 0 && strcmp(stack[*depth - 1], name) == 0, "</%s> closes <%s>", name,
                  *depth ? stack[*depth - 1] : "nothing");
        --*depth;
    } else if (!empty && strcmp(name, "meta") != 0) {
        cr_assert(*depth < 32);
        memcpy(stack[(*depth)++], name, n + 1);
    }
    return p + 1;
}

/* Tags balance, text is escaped, nothing is loaded from elsewhere, numbers are numbers. */
static void check_page(const char *page)
{
    static const char *const forbidden[] = {"<script",    "http:", "https:", "url(", "src=", "href=", "@import",
                                            "javascript", "\"nan", ">nan",   " nan", "-nan", "inf "};
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&middot;"};
    char stack[32][16];
    size_t depth = 0, tags = 0;
    cr_assert_eq(strncmp(page, "<!DOCTYPE html>\n", 16), 0);
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        const char *at = strstr(page, forbidden[i]);
        cr_assert(!at, "%s in: %.60s", forbidden[i], at ? at : "");
    }
    for (const char *p = page + 15; *p;) {
        if (*p == '<') {
            bool style = strncmp(p, "<style>", 7) == 0;
            p = check_tag(p, stack, &depth);
            if (style) p = strstr(p, "</style>");
            tags++;
            continue;
        }
        bool known = *p != '&';
        for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
            known = known || strncmp(p, entities[i], strlen(entities[i])) == 0;
        cr_assert(known && *p != '>', "not escaped: %.40s", p);
        p++;
    }
    cr_assert(depth == 0 && tags > 10);
}

/* The page of a metrics file; checked; free with bytes_free. */
static bytes page_of(const char *metrics, size_t size, const char *title)
{
    static const train_report_fact facts[] = {{"Model", "wavlm-large"}, {"Data <&>", "\"a\" & 'b' <c>"}};
    report_files f = report_files_new(metrics, size);
    eng_error err = {0};
    cr_assert_eq(train_report_write(f.metrics, f.page, title, facts, 2, &err), ENG_OK, "%s", err.message);
    bytes page = bytes_read(f.page);
    bytes_add(&page, "", 1);
    cr_assert_eq(strlen((char *)page.data), page.size - 1);
    check_page((char *)page.data);
    char part[700];
    snprintf(part, sizeof part, "%s.part", f.page);
    cr_assert_neq(access(part, F_OK), 0);
    support_remove(f.folder);
    return page;
}

static bytes page_of_text(const char *metrics)
{
    return page_of(metrics, strlen(metrics), "A title");
}

static void page_has(bytes page, const char *what)
{
    cr_assert(strstr((char *)page.data, what), "the page lacks %s", what);
}

static void page_lacks(bytes page, const char *what)
{
    cr_assert(!strstr((char *)page.data, what), "the page has %s", what);
}

/* ---- The page ---- */

Test(report, everything_is_on_the_page)
{
    bytes b = {0};
    for (int i = 1; i <= 100; i++) {
        char line[200];
        snprintf(line, sizeof line,
                 "{\"step\":%d,\"epoch\":%d,\"loss\":%g,\"lr\":1e-05,\"grad_norm\":%g,\"seconds_audio\":72}\n", i,
                 (i - 1) / 25 + 1, 2 - i * 0.01, 1 + i * 0.1);
        bytes_text(&b, line);
        if (i == 2) bytes_text(&b, report_classes);
    }
    bytes page = page_of((char *)b.data, b.size, "Seven <emotions> & more");
    page_has(page, "<title>Seven &lt;emotions&gt; &amp; more</title>");
    page_has(page, "<dt>Data &lt;&amp;&gt;</dt><dd>&quot;a&quot; &amp; &#39;b&#39; &lt;c&gt;</dd>");
    page_has(page, "100 steps &middot; epoch 4 &middot; 2.0 hours of audio");
    page_has(page, "<b>0.312</b><span>macro-F1, dev</span><small>step 2, 60 utterances</small>");
    page_has(page, "<td>0.312</td><td>0.330</td><td>0.350</td></tr>");
    page_has(page, "<tr><th>happy</th><td>0.250</td><td>0.125</td><td>0.167</td><td>40</td></tr>");
    page_has(page, "<title>true happy, predicted sad: 31 of 40 (77.5 %)</title>");
    page_has(page, "<title>happy, recognised: 5 of 40 (12.5 %)</title>");
    page_has(page, "fill-opacity=\"0.850\"");
    page_has(page, "<title>dev, step 2: 1.5</title>");
    page_has(page, "mean over 5 steps");
    page_lacks(page, "could not be read");
    static const char *const titles[] = {"Loss",          "Macro-F1",      "Unweighted average recall", "Accuracy",
                                         "Learning rate", "Gradient norm", "Confusion matrix"};
    for (size_t i = 0; i < 7; i++) {
        char start[80];
        snprintf(start, sizeof start, "<figcaption>%s", titles[i]);
        cr_assert_eq(occurrences((char *)page.data, start), 1, "%s", titles[i]);
    }
    cr_assert_eq(occurrences((char *)page.data, "class=\"heat\""), 9);
    cr_assert_eq(occurrences((char *)page.data, "<figure>"), 8);
    page_lacks(page, "CCC");
    bytes_free(&page);
    bytes_free(&b);
}

Test(report, attributes_have_their_charts)
{
    bytes page = page_of_text(
        STEP(1, 1, 0.75) "{\"step\":1,\"epoch\":1,\"split\":\"dev\",\"loss\":0.5,\"ccc\":{\"arousal\":0.5,"
                         "\"valence\":-0.25},\"ccc_mean\":0.125,\"count\":3,\"best\":true}\n"
                         "{\"step\":1,\"epoch\":1,\"split\":\"test\",\"loss\":0.5,\"ccc\":{\"valence\":0.75},"
                         "\"ccc_mean\":0.75,\"count\":1,\"best\":true}\n");
    page_has(page, "<b>0.125</b><span>mean CCC, dev</span><small>step 1, 3 utterances</small>");
    page_has(page, "<small>step 1, 1 utterance</small>");
    page_has(page, "<th>CCC arousal</th><th>CCC valence</th>");
    page_has(page, "<td>0.125</td><td>0.500</td><td>\xE2\x88\x92"
                   "0.250</td></tr>");
    page_has(page, "<td>0.750</td><td>\xE2\x80\x93</td><td>0.750</td></tr>");
    page_has(page, "<figcaption>CCC of arousal</figcaption>");
    page_lacks(page, "Macro-F1");
    page_lacks(page, "Confusion");
    bytes_free(&page);
}

Test(report, hostile_names_are_text)
{
    bytes page = page_of_text(STEP(
        1, 1,
        0.5) "{\"step\":1,\"split\":\"<script>alert(1)</script>\",\"macro_f1\":0.5,\"loss\":1,\"classes\":["
             "\"</title><b onclick='x'>\",\"\\\" onload=\\\"y\",\"a&amp;b\",\"\\u0001\\u007f\\u0085\\ud83d\\ude00\","
             "\"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3"
             "\xA9\"],"
             "\"f1\":[0,0.1,0.2,0.3,1],\"confusion\":[[1,0,0,0,0],[0,1,0,0,0],[0,0,1,0,0],[0,0,0,1,0],[0,0,0,0,1]],"
             "\"ccc\":{\"<i>\":0.5}}\n");
    page_has(page, "macro-F1, &lt;script&gt;alert(1)&lt;/script&gt;</span>");
    page_has(page, "<tr><th>&lt;/title&gt;&lt;b onclick=&#39;x&#39;&gt;</th>");
    page_has(page, "<tr><th>&quot; onload=&quot;y</th>");
    page_has(page, "<tr><th>a&amp;amp;b</th>");
    page_has(page, "<tr><th>\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80</th>");
    page_has(page, ">\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xE2\x80\xA6</text>");
    page_has(page, "<figcaption>CCC of &lt;i&gt;</figcaption>");
    bytes_free(&page);
}

Test(report, bytes_that_are_no_text_stay_outside)
{
    static const char *const titles[] = {
        "\xFF", "\xC3", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98", "\x80"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        bytes page = page_of(STEP(1, 1, 1), strlen(STEP(1, 1, 1)), titles[i]);
        page_has(page, "<h1>\xEF\xBF\xBD");
        page_lacks(page, titles[i][1] ? titles[i] : "\xFF");
        bytes_free(&page);
    }
}

Test(report, an_empty_file_makes_a_page)
{
    bytes page = page_of_text("");
    page_has(page, "Nothing has been recorded yet.");
    page_lacks(page, "<figure>");
    bytes_free(&page);
    page = page_of_text("\n\nnot json\n");
    page_has(page, "Nothing has been recorded yet.");
    page_has(page, " 1 line of it could not be read.");
    bytes_free(&page);
}

Test(report, steps_alone_and_one_step_alone)
{
    bytes page = page_of_text(STEP(1, 1, 1.5) STEP(2, 1, 1.25) STEP(3, 1, 1.125));
    page_has(page, "<figcaption>Loss</figcaption>");
    page_has(page, "<figcaption>Learning rate</figcaption>");
    cr_assert_eq(occurrences((char *)page.data, "<figure>"), 2);
    page_lacks(page, "Results");
    page_lacks(page, "mean over");
    bytes_free(&page);
    page = page_of_text(STEP(1, 1, 0));
    page_has(page, "1 step &middot; epoch 1</p>");
    page_has(page, "<figcaption>Loss</figcaption>");
    bytes_free(&page);
}

Test(report, losses_that_are_not_finite_leave_gaps)
{
    bytes page = page_of_text(STEP(1, 1, 1.5) STEP(2, 1, NaN) STEP(3, 1, 1.25) STEP(4, 1, Infinity) STEP(5, 1, 1));
    page_has(page, "<small>2 steps without a finite loss</small>");
    const char *path = strstr((char *)page.data, "<path class=\"s1 c0\" d=\"M1");
    cr_assert_not_null(path);
    const char *end = strchr(path, '>');
    size_t parts = 0;
    for (const char *p = path; p < end; p++) parts += *p == 'M';
    cr_assert_eq(parts, 3, "%zu runs of steps: %.100s", parts, path);
    bytes_free(&page);
    page = page_of_text(STEP(1, 1, NaN) STEP(2, 1, -Infinity) DEV(2, NaN, BEST));
    page_has(page, "No step has a finite loss.");
    bytes_free(&page);
}

Test(report, numbers_of_any_size_fit)
{
    static const char *const values[] = {"0", "-1e15", "1e15", "1e-300", "-5e-324", "1e14", "123456789", "-0.0"};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++) {
            char text[1000];
            const char *v = values[i], *w = values[j];
            snprintf(text, sizeof text,
                     "{\"step\":0,\"epoch\":%s,\"loss\":%s,\"lr\":%s,\"grad_norm\":1}\n"
                     "{\"step\":1e15,\"epoch\":1e15,\"loss\":%s,\"lr\":%s,\"grad_norm\":%s,\"seconds_audio\":%s}\n"
                     "{\"step\":1e15,\"split\":\"dev\",\"loss\":%s,\"macro_f1\":%s,\"count\":1e15,\"classes\":[\"a\"],"
                     "\"f1\":[%s],\"confusion\":[[1e15]]}\n",
                     v, v, w, w, v, w, v, w, v, w);
            bytes page = page_of_text(text);
            page_has(page, "<figcaption>Loss</figcaption>");
            cr_assert(page.size < 60000, "%zu bytes", page.size);
            bytes_free(&page);
        }
}

/* What a browser has to draw is bounded. */
Test(report, long_trainings_stay_small)
{
    bytes b = {0};
    for (int i = 1; i <= 30000; i++) {
        char line[100];
        snprintf(line, sizeof line, "{\"step\":%d,\"epoch\":%d,\"loss\":%d.%d,\"lr\":1e-05}\n", i, i / 100, i % 7,
                 i % 13);
        bytes_text(&b, line);
    }
    bytes page = page_of((char *)b.data, b.size, "Long");
    page_has(page, "30000 steps");
    cr_assert(page.size < 80000, "%zu bytes", page.size);
    bytes_free(&page);
    bytes_free(&b);
}

/* A page for each number of classes, up to the most that are shown. */
Test(report, any_number_of_classes)
{
    for (int n = 1; n <= TRAIN_REPORT_CLASSES + 1; n += n < 8 ? 1 : 19) {
        bytes b = {0};
        char number[40];
        bytes_text(&b, STEP(1, 1, 1) "{\"step\":1,\"split\":\"dev\",\"macro_f1\":0.5,\"classes\":[");
        for (int i = 0; i < n; i++) {
            snprintf(number, sizeof number, "%s\"class %d\"", i ? "," : "", i);
            bytes_text(&b, number);
        }
        bytes_text(&b, "],\"confusion\":[");
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                snprintf(number, sizeof number, "%s%d%s", j ? "," : i ? ",[" : "[", i * j, j == n - 1 ? "]" : "");
                bytes_text(&b, number);
            }
        bytes_text(&b, "]}\n");
        bytes page = page_of((char *)b.data, b.size, "Classes");
        size_t shown = n <= TRAIN_REPORT_CLASSES ? (size_t)n : 0;
        cr_assert_eq(occurrences((char *)page.data, "class=\"heat\""), shown * shown, "%d classes", n);
        bytes_free(&page);
        bytes_free(&b);
    }
}

Test(report, axis_numbers)
{
    static const struct {
        double value;
        int digits;
        const char *text;
    } cases[] = {
        {0, 4, "0"},
        {0.25, 4, "0.25"},
        {1e-5, 4, "1e-5"},
        {2.5e-6, 4, "2.5e-6"},
        {12000, 4, "12k"},
        {9000, 4, "9000"},
        {12500, 4, "12500"},
        {1e6, 4, "1e6"},
        {2.5e15, 4, "2.5e15"},
        {NAN, 4, "\xE2\x80\x93"},
        {-0.5, 4,
         "\xE2\x88\x92"
         "0.5"},
        {1.23456, 4, "1.235"},
        {0.30000000000000004, 4, "0.3"},
        {-3, 4,
         "\xE2\x88\x92"
         "3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tool_text t = {0};
        train_chart_number(&t, cases[i].value, cases[i].digits);
        cr_assert(!t.failed && t.size == strlen(cases[i].text) && memcmp(t.bytes, cases[i].text, t.size) == 0,
                  "%g: expected %s, found %.*s", cases[i].value, cases[i].text, (int)t.size, t.bytes);
        eng_free(t.bytes);
    }
}

/* ---- Files that cannot be ---- */

Test(report, what_cannot_be_read_or_written_is_an_error)
{
    report_files f = report_files_new(STEP(1, 1, 1), strlen(STEP(1, 1, 1)));
    eng_error err = {0};
    char path[700];
    snprintf(path, sizeof path, "%s/absent.jsonl", f.folder);
    cr_assert_eq(train_report_write(path, f.page, "t", NULL, 0, &err), ENG_E_MISSING);
    cr_assert(strstr(err.message, "absent.jsonl"), "%s", err.message);
    cr_assert_eq(train_report_write(f.folder, f.page, "t", NULL, 0, &err), ENG_E_IO);
    cr_assert_neq(access(f.page, F_OK), 0);
    snprintf(path, sizeof path, "%s/none/report.html", f.folder);
    cr_assert_eq(train_report_write(f.metrics, path, "t", NULL, 0, &err), ENG_E_IO);
    cr_assert(strstr(err.message, "none/report.html"), "%s", err.message);
    cr_assert_eq(train_report_write(f.metrics, f.folder, "t", NULL, 0, &err), ENG_E_IO);
    snprintf(path, sizeof path, "%s.part", f.folder);
    cr_assert_neq(access(path, F_OK), 0, "nothing half done stays");
    cr_assert_eq(train_report_write(f.metrics, f.page, "t", NULL, 0, &err), ENG_OK, "%s", err.message);
    support_remove(f.folder);
}
