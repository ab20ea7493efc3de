/* The option parser: every kind of value, mixed operands, and what it says about mistakes. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tools/common/options.h"

typedef struct settings {
    bool logits;
    const char *model, *out;
    uint64_t threads, seed;
    double lr, weight;
    size_t format;
} settings;

static const tool_option options[] = {
    {.name = "model", .kind = TOOL_TEXT, .offset = offsetof(settings, model), .value = "DIR", .help = "the model"},
    {.name = "output", .letter = 'o', .kind = TOOL_TEXT, .offset = offsetof(settings, out), .value = "FILE"},
    {.name = "logits", .kind = TOOL_FLAG, .offset = offsetof(settings, logits), .help = "first\nsecond"},
    {.name = "threads", .kind = TOOL_COUNT, .offset = offsetof(settings, threads), .min = 1, .max = 512},
    {.name = "seed", .kind = TOOL_COUNT, .offset = offsetof(settings, seed)},
    {.name = "lr", .kind = TOOL_NUMBER, .offset = offsetof(settings, lr), .min = 1e-12, .max = 10},
    {.name = "weight", .kind = TOOL_NUMBER, .offset = offsetof(settings, weight)},
    {.name = "format", .kind = TOOL_CHOICE, .offset = offsetof(settings, format), .choices = "csv|tsv|jsonl"},
    {.name = NULL},
};
static const tool_program program = {"demo", "--model DIR INPUT...", "Shows options.", options};

/* A command line of up to 23 arguments, given as one string with ',' between them. */
typedef struct line {
    char text[256];
    char *argv[24];
    int argc;
    size_t operands;
    tool_action action;
    settings s;
    eng_error err;
} line;

static eng_status parse(line *l, const char *arguments)
{
    *l = (line){.argc = 1, .s = {.format = 99, .threads = 7}};
    snprintf(l->text, sizeof l->text, "%s", arguments);
    l->argv[0] = l->text; /* stands for the program's name */
    char *rest = l->text;
    while (*arguments && rest) {
        cr_assert(l->argc < 24);
        l->argv[l->argc++] = rest;
        rest = strchr(rest, ',');
        if (rest) *rest++ = 0;
    }
    return tool_options_parse(&program, l->argc, l->argv, &l->s, &l->operands, &l->action, &l->err);
}

static void expect_error(const char *arguments, const char *message)
{
    line l;
    cr_assert_eq(parse(&l, arguments), ENG_E_USAGE, "'%s' was accepted", arguments);
    cr_assert_str_eq(l.err.message, message);
}

Test(options, all_kinds)
{
    line l;
    cr_assert_eq(parse(&l, "a.wav,--model,dir,--format=jsonl,-o,-,b.wav,--logits,--threads,4,--seed="
                           "18446744073709551615,--lr,1e-5,--weight,-0.5,-"),
                 ENG_OK, "%s", l.err.message);
    cr_assert_eq(l.action, TOOL_RUN);
    cr_assert_str_eq(l.s.model, "dir");
    cr_assert_str_eq(l.s.out, "-");
    cr_assert(l.s.logits);
    cr_assert_eq(l.s.threads, 4);
    cr_assert_eq(l.s.seed, UINT64_MAX);
    cr_assert(l.s.lr == 1e-5);
    cr_assert(l.s.weight == -0.5);
    cr_assert_eq(l.s.format, 2);
    cr_assert_eq(l.operands, 3);
    cr_assert_str_eq(l.argv[1], "a.wav");
    cr_assert_str_eq(l.argv[2], "b.wav");
    cr_assert_str_eq(l.argv[3], "-");
}

Test(options, defaults_stay_and_the_last_wins)
{
    line l;
    cr_assert_eq(parse(&l, ""), ENG_OK);
    cr_assert_eq(l.operands, 0);
    cr_assert_eq(l.s.threads, 7);
    cr_assert_eq(l.s.format, 99);
    cr_assert_null(l.s.model);
    cr_assert_eq(parse(&l, "--model=a=b,--model,c"), ENG_OK);
    cr_assert_str_eq(l.s.model, "c");
    cr_assert_eq(parse(&l, "--model=a=b"), ENG_OK);
    cr_assert_str_eq(l.s.model, "a=b");
}

Test(options, two_dashes_end_options)
{
    line l;
    cr_assert_eq(parse(&l, "--logits,--,--model,-o,--"), ENG_OK);
    cr_assert_eq(l.operands, 3);
    cr_assert_str_eq(l.argv[1], "--model");
    cr_assert_str_eq(l.argv[2], "-o");
    cr_assert_str_eq(l.argv[3], "--");
    cr_assert_null(l.s.model);
}

Test(options, unknown_ones_get_a_hint)
{
    expect_error("--modle,x", "unknown option --modle; did you mean --model?");
    expect_error("--thread=2", "unknown option --thread=2; did you mean --threads?");
    expect_error("--modeel", "unknown option --modeel; did you mean --model?");
    expect_error("--lgits", "unknown option --lgits; did you mean --logits?");
    expect_error("-output", "unknown option -output; did you mean --output?");
    expect_error("--out", "unknown option --out; did you mean --output?");
    expect_error("--hepl", "unknown option --hepl; did you mean --help?");
    expect_error("--gpu-layers", "unknown option --gpu-layers; demo --help lists them");
    expect_error("-x", "unknown option -x; demo --help lists them");
    expect_error("-ofile", "unknown option -ofile; demo --help lists them");
}

Test(options, values_missing_or_wrong)
{
    expect_error("--model", "--model: expected DIR behind it, found nothing");
    expect_error("--model,--format,csv", "--model: expected DIR behind it, found --format");
    expect_error("-o,-o", "-o: expected FILE behind it, found -o");
    expect_error("--model=", "--model: expected DIR, found nothing");
    expect_error("--logits=1", "--logits takes no value, found '1'");
    expect_error("--help=me", "--help takes no value, found 'me'");
    expect_error("--format,xml", "--format: expected csv|tsv|jsonl, found 'xml'");
    expect_error("--format=csv|tsv", "--format: expected csv|tsv|jsonl, found 'csv|tsv'");
    expect_error("--format=", "--format: expected csv|tsv|jsonl, found ''");
    const char *const counts[] = {"0", "513", "-1", "+1", "1.5", "4x", "", " 4", "0x10", "99999999999999999999"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char arguments[64], message[128];
        snprintf(arguments, sizeof arguments, "--threads=%s", counts[i]);
        snprintf(message, sizeof message, "--threads: expected a whole number from 1 to 512, found '%s'", counts[i]);
        expect_error(arguments, message);
    }
    const char *const numbers[] = {"0", "11", "-1", "1e", "", "nan", "inf", "0x1p-3", " 1", "1 ", "1e999"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char arguments[64], message[128];
        snprintf(arguments, sizeof arguments, "--lr=%s", numbers[i]);
        snprintf(message, sizeof message, "--lr: expected a number from 1e-12 to 10, found '%s'", numbers[i]);
        expect_error(arguments, message);
    }
    expect_error("--seed,18446744073709551616", "--seed: expected a whole number, found '18446744073709551616'");
    expect_error("--weight,1e400", "--weight: expected a number, found '1e400'");
}

Test(options, help_and_version_come_first)
{
    line l;
    cr_assert_eq(parse(&l, "--help,--nonsense"), ENG_OK);
    cr_assert_eq(l.action, TOOL_SHOW_HELP);
    cr_assert_eq(parse(&l, "-h"), ENG_OK);
    cr_assert_eq(l.action, TOOL_SHOW_HELP);
    cr_assert_eq(parse(&l, "x,--version"), ENG_OK);
    cr_assert_eq(l.action, TOOL_SHOW_VERSION);
    cr_assert_eq(parse(&l, "--,--help"), ENG_OK);
    cr_assert_eq(l.action, TOOL_RUN);
}

Test(options, help_lists_everything)
{
    char text[4096] = "";
    FILE *f = fmemopen(text, sizeof text - 1, "w");
    cr_assert_not_null(f);
    tool_options_help(&program, f);
    cr_assert_eq(fclose(f), 0);
    const char *const parts[] = {
        "Usage: demo --model DIR INPUT...\n\nShows options.\n\nOptions:\n",
        "      --model DIR             the model\n",
        "  -o, --output FILE\n",
        "      --logits                first\n                              second\n",
        "      --threads N\n",
        "      --lr X\n",
        "      --format csv|tsv|jsonl\n",
        "  -h, --help                  show this text\n",
        "      --version               show the version\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_assert(strstr(text, parts[i]), "'%s' is not in:\n%s", parts[i], text);
}
