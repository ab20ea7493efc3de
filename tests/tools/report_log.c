/* metrics.jsonl as the report reads it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/files.h"
#include "tests/support/report_files.h"
#include "tests/support/support.h"
#include "tools/train/report/data.h"

static train_report_log log_of(const char *text)
{
    report_files f = report_files_new(text, strlen(text));
    train_report_log log;
    eng_error err = {0};
    cr_assert_eq(train_report_log_read(&log, f.metrics, &err), ENG_OK, "%s", err.message);
    support_remove(f.folder);
    return log;
}

Test(report_log, a_log_is_read)
{
    char text[2000];
    snprintf(text, sizeof text, "%s%s%s",
             "{\"step\":1,\"epoch\":1,\"loss\":1.75,\"lr\":1e-05,\"grad_norm\":2.5,\"seconds_audio\":40.5}\n",
             STEP(2, 1, 1.5), report_classes);
    train_report_log log = log_of(text);
    cr_assert(log.step_count == 2 && log.evaluation_count == 1 && log.split_count == 1 && log.skipped == 0);
    const train_report_step *s = log.step;
    cr_assert(s->step == 1 && s->epoch == 1 && s->loss == 1.75 && s->rate == 1e-5 && s->grad_norm == 2.5);
    cr_assert(s->seconds == 40.5 && isnan(s[1].grad_norm) && isnan(s[1].seconds));
    const train_report_evaluation *e = log.evaluation;
    cr_assert_str_eq(log.split[e->split], "dev");
    cr_assert(e->step == 2 && e->loss == 1.5 && e->count == 60 && e->best && e->macro_f1 == 0.3125);
    cr_assert(e->accuracy == 0.35 && e->uar == 0.33 && isnan(e->ccc_mean) && e->attributes == 0 && e->classes == 3);
    cr_assert_str_eq(e->class_name[1], "happy");
    cr_assert(e->precision[0] == 0.5 && e->recall[1] == 0.125 && e->f1[2] == 0 && e->confusion[5] == 31);
    cr_assert(train_report_best(&log, 0) == e && train_report_score(e) == 0.3125);
    train_report_log_fini(&log);
}

Test(report_log, attributes_are_read)
{
    train_report_log log = log_of("{\"step\":4,\"epoch\":2,\"split\":\"test\",\"loss\":0.5,\"ccc\":{\"arousal\":0.5,"
                                  "\"dominance\":null,\"valence\":-0.25},\"ccc_mean\":0.125,\"count\":3}\n");
    const train_report_evaluation *e = log.evaluation;
    cr_assert(log.evaluation_count == 1 && e->attributes == 3 && e->classes == 0 && !e->best);
    cr_assert_str_eq(e->attribute[2], "valence");
    cr_assert(e->ccc[0] == 0.5 && isnan(e->ccc[1]) && e->ccc[2] == -0.25);
    cr_assert(train_report_score(e) == 0.125 && isnan(e->macro_f1));
    train_report_log_fini(&log);
}

Test(report_log, a_resumed_run_counts_once)
{
    train_report_log log = log_of(STEP(1, 1, 9) STEP(2, 1, 9) DEV(2, 0.1, BEST) STEP(3, 2, 9) STEP(4, 2, 9)
                                      DEV(4, 0.9, BEST) STEP(3, 2, 5) STEP(4, 2, 4) DEV(4, 0.2, BEST) STEP(5, 3, 3));
    cr_assert(log.step_count == 5 && log.evaluation_count == 2 && log.skipped == 0);
    const double losses[] = {9, 9, 5, 4, 3};
    for (size_t i = 0; i < 5; i++) cr_assert(log.step[i].step == (double)i + 1 && log.step[i].loss == losses[i]);
    cr_assert(log.evaluation[0].macro_f1 == 0.1 && log.evaluation[1].macro_f1 == 0.2);
    train_report_log_fini(&log);
    log = log_of(STEP(1, 1, 9) DEV(1, 0.1, BEST) DEV(1, 0.3, BEST) STEP(2, 1, 8)); /* resumed between the two */
    cr_assert(log.evaluation_count == 1 && log.evaluation[0].macro_f1 == 0.3 && log.step_count == 2);
    train_report_log_fini(&log);
}

Test(report_log, the_best_evaluation_of_each_split)
{
    train_report_log log =
        log_of(DEV(1, 0.1, BEST) DEV(2, 0.3, BEST)
                   DEV(3, 0.2, ",\"best\":false") "{\"step\":1,\"split\":\"test\",\"macro_f1\":0.4}\n{\"step\":2,"
                                                  "\"split\":\"test\",\"macro_f1\":0.5}\n"
                                                  "{\"step\":3,\"split\":\"test\",\"macro_f1\":0.6}\n{\"step\":1,"
                                                  "\"split\":\"other\",\"macro_f1\":0.7}\n");
    cr_assert_eq(log.split_count, 3);
    cr_assert(train_report_best(&log, 0)->macro_f1 == 0.3); /* the last that was best */
    cr_assert(train_report_best(&log, 1)->macro_f1 == 0.5); /* at its step */
    cr_assert(train_report_best(&log, 2)->macro_f1 == 0.7); /* all there is */
    cr_assert_null(train_report_best(&log, 3));
    train_report_log_fini(&log);
}

/* None of these is a step or an evaluation; the file goes on behind them. */
Test(report_log, hostile_lines_are_skipped)
{
    static const char *const lines[] = {
        "{",
        "}",
        "nonsense",
        "[]",
        "[1,2",
        "null",
        "17",
        "\"step\"",
        "{}",
        "{\"step\":null}",
        "{\"step\":\"1\"}",
        "{\"step\":-1}",
        "{\"step\":NaN}",
        "{\"step\":1e300}",
        "{\"step\":1,\"step\":2}",
        "{\"step\":1,\"split\":7}",
        "{\"step\":1,\"split\":null}",
        "{\"step\":1,\"split\":[\"dev\"]}",
        "{\"step\":1,\"loss\":1.5,\"epo",
        "\xFF\xFE{\"step\":1}",
        "{\"step\":1,\"split\":\"d\\u0000v\"}",
    };
    const size_t count = sizeof lines / sizeof *lines;
    bytes b = {0};
    for (size_t i = 0; i < count; i++) {
        bytes_text(&b, lines[i]);
        bytes_text(&b, i % 2 ? "\n" : "\r\n\n  \n");
    }
    bytes_text(&b, STEP(7, 1, 2) "{\"step\":8,\"loss\":1");
    bytes_add(&b, "", 1);
    train_report_log log = log_of((char *)b.data);
    cr_assert_eq(log.skipped, count + 1, "%zu lines", log.skipped);
    cr_assert(log.step_count == 1 && log.step[0].step == 7 && log.evaluation_count == 0);
    train_report_log_fini(&log);
    bytes_free(&b);
}

Test(report_log, members_of_another_kind_are_absent)
{
    train_report_log log = log_of(
        "{\"step\":1,\"loss\":\"x\",\"lr\":[1],\"epoch\":{},\"grad_norm\":Infinity,\"seconds_audio\":1e99}\n"
        "{\"step\":1,\"split\":\"a\",\"best\":1,\"classes\":\"x\",\"ccc\":[1],\"f1\":3,\"count\":true}\n"
        "{\"step\":1,\"split\":\"b\",\"classes\":[1,2],\"f1\":[1,2]}\n"
        "{\"step\":1,\"split\":\"c\",\"classes\":[\"p\",\"q\"],\"f1\":[1],\"precision\":[1,2,3],\"recall\":[null,0.5],"
        "\"confusion\":[[1,2],[3]]}\n"
        "{\"step\":1,\"split\":\"d\",\"classes\":[\"p\"],\"confusion\":[[-1]]}\n");
    cr_assert(log.step_count == 1 && log.evaluation_count == 4 && log.skipped == 0);
    const train_report_step *s = log.step;
    cr_assert(isnan(s->loss) && isnan(s->rate) && isnan(s->epoch) && isnan(s->grad_norm) && isnan(s->seconds));
    const train_report_evaluation *e = log.evaluation;
    cr_assert(e[0].classes == 0 && !e[0].best && e[0].attributes == 0 && isnan(e[0].count) && e[1].classes == 0);
    cr_assert(e[2].classes == 2 && !e[2].f1 && !e[2].precision && !e[2].confusion);
    cr_assert(isnan(e[2].recall[0]) && e[2].recall[1] == 0.5);
    cr_assert(e[3].classes == 1 && !e[3].confusion);
    train_report_log_fini(&log);
}
