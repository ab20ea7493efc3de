/* infer's page: what is written of recordings, whatever their names; waveforms; links. (In a browser: report_page.sh.) */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tests/support/files.h"
#include "tests/support/support.h"
#include "tools/common/html/text.h"
#include "tools/infer/report/link.h"
#include "tools/infer/report/report.h"
#include "weights/value.h"

TestSuite(infer_report, .init = support_enter, .fini = support_leave);

static const char *const classes[] = {"calm", "</script>"};

static infer_report *open_page(infer_report_audio audio, size_t embed_most, bool values)
{
    const infer_report_spec spec = {.path = "page.html", .model = "<m>", .classes = classes, .class_count = 2,
                                    .values = values, .audio = audio, .embed_most = embed_most};
    infer_report *r;
    eng_error err;
    cr_assert_eq(infer_report_open(&spec, &r, &err), ENG_OK, "%s", err.message);
    return r;
}

static void add(infer_report *r, infer_report_row row)
{
    static const float scores[] = {0.25f, 0.75f};
    eng_error err;
    if (!row.scores) row.scores = scores;
    cr_assert_eq(infer_report_add(r, &row, &err), ENG_OK, "%s", err.message);
}

static void recording(infer_report *r, const char *name, infer_report_row row, infer_sound *sound)
{
    eng_error err;
    cr_assert_eq(infer_report_begin(r, name, name, &err), ENG_OK, "%s", err.message);
    add(r, row);
    cr_assert_eq(infer_report_end(r, 4, sound, &err), ENG_OK, "%s", err.message);
}

static bytes close_page(infer_report *r)
{
    eng_error err;
    cr_assert_eq(infer_report_close(r, NULL, 0, &err), ENG_OK, "%s", err.message);
    cr_assert_neq(access("page.html.part", F_OK), 0);
    bytes page = bytes_read("page.html");
    bytes_add(&page, "", 1);
    cr_assert_eq(strlen((char *)page.data), page.size - 1);
    return page;
}

static size_t occurrences(const char *page, const char *what)
{
    size_t n = 0;
    for (const char *p = page; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* The index-th script element of a class: its text, parsed. */
static wts_doc *data_of(bytes page, const char *class, size_t index)
{
    char start[80];
    snprintf(start, sizeof start, "<script type=\"application/json\" class=\"%s\">", class);
    const char *p = strstr((char *)page.data, start);
    for (size_t i = 0; i < index && p; i++) p = strstr(p + 1, start);
    cr_assert_not_null(p, "no %s %zu", class, index);
    p += strlen(start);
    wts_doc *doc;
    eng_error err;
    cr_assert_eq(wts_json_parse(class, p, (size_t)(strstr(p, "</script>") - p), &doc, &err), ENG_OK, "%s", err.message);
    return doc;
}

static const wts_value *get(wts_doc *doc, const char *key)
{
    const wts_value *v = wts_value_get(wts_doc_root(doc), key);
    cr_assert_not_null(v, "no %s", key);
    return v;
}

static infer_sound hear(size_t channels, size_t samples, size_t keep)
{
    infer_sound s;
    eng_error err;
    float *x = eng_alloc_zero(samples, sizeof *x);
    const float *channel[2] = {x, x};
    for (size_t i = 0; i < samples; i++) x[i] = (float)(i % 3) * 0.25f - 0.25f;
    cr_assert_eq(infer_sound_init(&s, channels, keep, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(infer_sound_add(&s, channel, samples, &err), ENG_OK, "%s", err.message);
    eng_free(x);
    return s;
}

/* ---- The page ---- */

Test(infer_report, rows_and_sums)
{
    infer_report *r = open_page(INFER_REPORT_LINK, 0, false);
    eng_error err;
    cr_assert_eq(infer_report_begin(r, "a.wav", "a.wav", &err), ENG_OK);
    add(r, (infer_report_row){.channel = 1, .start = 0, .end = 1.5, .label = 1, .text = "hm"});
    add(r, (infer_report_row){.channel = INFER_REPORT_MIXED, .start = 1.5, .end = 2, .label = 0, .speaker = "ann"});
    add(r, (infer_report_row){.channel = 0, .start = NAN, .end = NAN, .error = "lost"});
    cr_assert_eq(infer_report_end(r, 2.0004, NULL, &err), ENG_OK);
    bytes page = close_page(r);
    const char *text = (char *)page.data;
    cr_assert(strstr(text, "{\"name\":\"a.wav\",\"seconds\":2,\"channels\":0,\"rows\":3,\"failed\":1,\"time\":[0.5,1.5],"
                           "\"error\":\"lost\"}</script>"));
    cr_assert(strstr(text, "\"rows\":[\n[1,0,1.5,1,[0.25,0.75],null,\"hm\"],\n[null,1.5,2,0,[0.25,0.75],\"ann\"],\n"
                           "[0,null,null,null,null,null,null,\"lost\"]]}</script>"));
    cr_assert(strstr(text, "{\"recordings\":1,\"failed\":0,\"seconds\":2,\"rows\":3,\"failed_rows\":1,\"time\":[0.5,1.5],"));
    bytes_free(&page);
}

Test(infer_report, values_have_means_by_time)
{
    const float low[] = {-1, 2}, high[] = {1, NAN};
    infer_report *r = open_page(INFER_REPORT_SILENT, 0, true);
    eng_error err;
    cr_assert_eq(infer_report_begin(r, "a.wav", "a.wav", &err), ENG_OK);
    add(r, (infer_report_row){.end = 1, .scores = low});
    add(r, (infer_report_row){.start = 1, .end = 4, .scores = high});
    cr_assert_eq(infer_report_end(r, NAN, NULL, &err), ENG_OK);
    bytes page = close_page(r);
    cr_assert(strstr((char *)page.data, "\"seconds\":null,\"channels\":0,\"rows\":2,\"failed\":0,\"mean\":[0.5,0.5]}"));
    cr_assert(strstr((char *)page.data, "[0,1,4,null,[1,null]]"));
    cr_assert_null(strstr((char *)page.data, "\"link\":"), "no player was asked for");
    bytes_free(&page);
}

Test(infer_report, names_are_text_whatever_they_hold)
{
    static const char *const names[] = {"</script><b>", "<!--<script>", "\"'&", "\xFF\x80.wav", "\x01\n", "a<b"};
    static const char *const read[] = {"</script><b>", "<!--<script>", "\"'&", "\xEF\xBF\xBD\xEF\xBF\xBD.wav", "\x01\n", "a<b"};
    size_t n = sizeof names / sizeof *names;
    infer_report *r = open_page(INFER_REPORT_LINK, 0, false);
    for (size_t i = 0; i < n; i++)
        recording(r, names[i], (infer_report_row){.end = 1, .speaker = names[i], .text = names[i], .error = names[i]}, NULL);
    bytes page = close_page(r);
    for (size_t i = 0; i < n; i++) {
        wts_doc *doc = data_of(page, "recording", i);
        cr_assert_str_eq(get(doc, "name")->text, read[i]);
        wts_doc_free(doc);
        doc = data_of(page, "detail", i);
        const wts_value *row = get(doc, "rows")->items;
        for (size_t j = 5; j < 8; j++) cr_assert_str_eq(row->items[j].text, read[i]);
        wts_doc_free(doc);
    }
    const char *text = (char *)page.data;
    cr_assert_eq(occurrences(text, "<script"), 3 * n + 3); /* three a recording, the page's data, totals, the script */
    cr_assert_eq(occurrences(text, "</script"), 3 * n + 3);
    cr_assert_null(strstr(text, "<!--"));
    cr_assert(strstr(text, "&lt;m&gt;</title>"));
    bytes_free(&page);
}

Test(infer_report, audio_in_the_page_as_far_as_there_is_room)
{
    infer_report *r = open_page(INFER_REPORT_EMBED, 5000, false);
    for (size_t i = 0; i < 2; i++) { /* 44 + 2 * 2 * 1000 bytes each: one fits */
        infer_sound s = hear(2, 1000, infer_report_embed_room(r));
        cr_assert_eq(infer_sound_wav_size(&s), i ? 0 : 4044);
        recording(r, i ? "second.wav" : "first.wav", (infer_report_row){.end = 1}, &s);
        infer_sound_fini(&s);
    }
    bytes page = close_page(r);
    cr_assert_eq(occurrences((char *)page.data, "class=\"audio\">UklGR"), 1);
    wts_doc *doc = data_of(page, "detail", 0);
    cr_assert(get(doc, "embedded")->boolean && !wts_value_get(wts_doc_root(doc), "link"));
    wts_doc_free(doc);
    doc = data_of(page, "detail", 1);
    cr_assert(!get(doc, "embedded")->boolean);
    cr_assert_str_eq(get(doc, "link")->text, "second.wav");
    cr_assert(strstr(get(doc, "note")->text, "at most 0.0 MB"));
    cr_assert_eq(get(doc, "peaks")->count, 2);
    wts_doc_free(doc);
    bytes_free(&page);
}

Test(infer_report, what_cannot_be_written_is_an_error)
{
    infer_report_spec spec = {.path = "none/page.html"};
    infer_report *r;
    eng_error err;
    cr_assert_eq(infer_report_open(&spec, &r, &err), ENG_E_IO);
    cr_assert_null(r);
    cr_assert(strstr(err.message, "none/page.html"), "%s", err.message);
    spec.path = "/dev/full";
    cr_assert_eq(infer_report_open(&spec, &r, &err), ENG_E_IO);
    cr_assert(strstr(err.message, "/dev/full"), "%s", err.message);
    infer_report_abandon(open_page(INFER_REPORT_LINK, 0, false));
    cr_assert(access("page.html.part", F_OK) == 0 && access("page.html", F_OK) != 0);
    infer_report_abandon(NULL);
}

/* ---- Sound ---- */

Test(infer_report, peaks_do_not_depend_on_the_cuts)
{
    enum { N = 5 * INFER_SOUND_PEAK + 123 };
    float *x = support_normal(3, N, 0.4f);
    x[100] = NAN;
    infer_sound whole, parts;
    eng_error err;
    const float *all[1] = {x};
    cr_assert(!infer_sound_init(&whole, 1, SIZE_MAX, &err) && !infer_sound_init(&parts, 1, SIZE_MAX, &err));
    cr_assert_eq(infer_sound_add(&whole, all, N, &err), ENG_OK);
    for (size_t at = 0, n = 1; at < N; at += n, n = n % 997 + 61) {
        if (n > N - at) n = N - at;
        const float *part[1] = {x + at};
        cr_assert_eq(infer_sound_add(&parts, part, n, &err), ENG_OK);
    }
    cr_assert_eq(infer_sound_peaks(&whole), 6);
    cr_assert_eq(infer_sound_peaks(&parts), 6);
    cr_assert_eq(memcmp(whole.peak[0], parts.peak[0], 12), 0);
    for (size_t p = 0; p < 6; p++) {
        float low = INFINITY, high = -INFINITY;
        for (size_t i = p * INFER_SOUND_PEAK; i < N && i < (p + 1) * INFER_SOUND_PEAK; i++) {
            low = fminf(low, isnan(x[i]) ? 0 : x[i]);
            high = fmaxf(high, isnan(x[i]) ? 0 : x[i]);
        }
        cr_assert_eq(whole.peak[0][2 * p], (int)floorf(fmaxf(low, -1) * 127));
        cr_assert_eq(whole.peak[0][2 * p + 1], (int)ceilf(fminf(high, 1) * 127));
    }
    cr_assert_eq(infer_sound_wav_size(&parts), 44 + 2 * N);
    cr_assert_eq(memcmp(infer_sound_wav(&whole), infer_sound_wav(&parts), 44 + 2 * N), 0);
    infer_sound_fini(&whole);
    infer_sound_fini(&parts);
    eng_free(x);
}

Test(infer_report, an_hour_of_peaks_is_small)
{
    infer_sound s;
    eng_error err;
    float second[16000] = {0};
    const float *channel[1] = {second};
    cr_assert_eq(infer_sound_init(&s, 1, 1000, &err), ENG_OK);
    for (size_t i = 0; i < 3600; i++) cr_assert_eq(infer_sound_add(&s, channel, 16000, &err), ENG_OK);
    cr_assert_eq(infer_sound_peaks(&s), 72000);
    cr_assert(s.peak_room <= 72000 * 3 / 2, "%zu", s.peak_room);
    cr_assert(!s.wav && s.wav_dropped);
    infer_sound_fini(&s);
}

/* ---- Text ---- */

Test(infer_report, links)
{
    static const struct {
        const char *page, *file, *link;
    } cases[] = {
        {"page.html", "a b.wav", "a%20b.wav"},
        {"page.html", "in/ner/x#?%.wav", "in/ner/x%23%3F%25.wav"},
        {"in/page.html", "x.wav", "../x.wav"},
        {"in/ner/page.html", "inn/x:y.wav", "../../inn/x%3Ay.wav"},
        {"in/ner/page.html", "in/ner/\xC3\xBC\xFF.wav", "%C3%BC%FF.wav"},
        {NULL, "./in/../x.wav", "x.wav"},
    };
    cr_assert(!mkdir("in", 0777) && !mkdir("in/ner", 0777) && !mkdir("inn", 0777));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tool_text t = {0};
        eng_error err;
        cr_assert_eq(infer_report_link(&t, cases[i].page, cases[i].file, &err), ENG_OK, "%s", err.message);
        tool_text_bytes(&t, "", 1);
        cr_assert_str_eq(t.bytes, cases[i].link);
        eng_free(t.bytes);
    }
    tool_text t = {0};
    eng_error err;
    cr_assert_eq(infer_report_link(&t, "page.html", "none/x.wav", &err), ENG_E_IO);
    cr_assert(strstr(err.message, "none"), "%s", err.message);
}

Test(infer_report, base64)
{
    static const char *const want[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}; /* RFC 4648 */
    for (size_t n = 0; n <= 6; n++) {
        tool_text t = {0};
        tool_html_base64(&t, (const unsigned char *)"foobar", n);
        tool_text_bytes(&t, "", 1);
        cr_assert_str_eq(t.bytes, want[n]);
        eng_free(t.bytes);
    }
}
