#include "tools/common/options.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const tool_option standard_options[] = {
    {.name = "help", .letter = 'h', .kind = TOOL_FLAG, .help = "show this text"},
    {.name = "version", .kind = TOOL_FLAG, .help = "show the version"},
    {.name = NULL},
};

/* ---- Finding options ---- */

static const tool_option *find_name(const tool_option *options, const char *name, size_t length)
{
    for (; options->name; options++)
        if (strlen(options->name) == length && memcmp(options->name, name, length) == 0) return options;
    return NULL;
}

static const tool_option *find_letter(const tool_option *options, char letter)
{
    for (; options->name; options++)
        if (letter && options->letter == letter) return options;
    return NULL;
}

/* The option that an argument names ("--name", "--name=value", "-x"), NULL when none does. *value: what stands behind
 * '=', or NULL. */
static const tool_option *find_option(const tool_program *program, const char *argument, const char **value)
{
    *value = NULL;
    const tool_option *found = NULL;
    if (argument[0] == '-' && argument[1] == '-') {
        const char *name = argument + 2, *equals = strchr(name, '=');
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        if (equals) *value = equals + 1;
        found = find_name(program->options, name, length);
        return found ? found : find_name(standard_options, name, length);
    }
    if (argument[0] != '-' || !argument[1] || argument[2]) return NULL;
    found = find_letter(program->options, argument[1]);
    return found ? found : find_letter(standard_options, argument[1]);
}

/* Edits (insert, delete, replace) from a to b; SIZE_MAX for names too long to be meant. */
static size_t edit_distance(const char *a, size_t a_length, const char *b)
{
    enum { LONGEST = 63 };
    size_t b_length = strlen(b), row[LONGEST + 1];
    if (a_length > LONGEST || b_length > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++) row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_length];
}

/* Takes over into *nearest a name in options that is closer than *distance. */
static void look_nearer(const tool_option *options, const char *name, size_t length, const char **nearest,
                        size_t *distance)
{
    for (; options->name; options++) {
        size_t d = edit_distance(name, length, options->name);
        if (length >= 3 && strncmp(options->name, name, length) == 0) d = 1; /* an abbreviation */
        if (d >= *distance) continue;
        *distance = d;
        *nearest = options->name;
    }
}

static eng_status fail_unknown(const tool_program *program, const char *argument, eng_error *err)
{
    const char *name = argument + strspn(argument, "-"), *nearest = NULL;
    size_t length = strcspn(name, "="), distance = length / 3 + 2; /* beyond it a hint would puzzle */
    look_nearer(program->options, name, length, &nearest, &distance);
    look_nearer(standard_options, name, length, &nearest, &distance);
    if (nearest) return eng_fail(err, ENG_E_USAGE, "unknown option %s; did you mean --%s?", argument, nearest);
    return eng_fail(err, ENG_E_USAGE, "unknown option %s; %s --help lists them", argument, program->name);
}

/* ---- Values ---- */

/* "[1, 64]" for a message; limits that no user would reach are left out. */
static const char *range_text(const tool_option *o, char *buffer, size_t size)
{
    if (o->min == 0 && o->max == 0) return "";
    if (o->max >= 0x1p53)
        snprintf(buffer, size, " of at least %.12g", o->min);
    else
        snprintf(buffer, size, " from %.12g to %.12g", o->min, o->max);
    return buffer;
}

static eng_status set_count(const tool_option *o, const char *value, uint64_t *member, eng_error *err)
{
    char range[80];
    bool digits = value[0] && strspn(value, "0123456789") == strlen(value);
    errno = 0;
    unsigned long long n = digits ? strtoull(value, NULL, 10) : 0;
    bool fits = digits && errno == 0;
    if (fits && (o->min != 0 || o->max != 0)) fits = (double)n >= o->min && (double)n <= o->max;
    if (!fits)
        return eng_fail(err, ENG_E_USAGE, "--%s: expected a whole number%s, found '%s'", o->name,
                        range_text(o, range, sizeof range), value);
    *member = n;
    return ENG_OK;
}

static eng_status set_number(const tool_option *o, const char *value, double *member, eng_error *err)
{
    char range[80], *end;
    double n = strtod(value, &end);
    /* strtod takes leading spaces, hexadecimal, "inf" and "nan", none of which is meant. */
    bool fits = end != value && !*end && strspn(value, "+-.0123456789eE") == strlen(value) && isfinite(n);
    if (fits && (o->min != 0 || o->max != 0)) fits = n >= o->min && n <= o->max;
    if (!fits)
        return eng_fail(err, ENG_E_USAGE, "--%s: expected a number%s, found '%s'", o->name,
                        range_text(o, range, sizeof range), value);
    *member = n;
    return ENG_OK;
}

static eng_status set_choice(const tool_option *o, const char *value, size_t *member, eng_error *err)
{
    size_t index = 0;
    for (const char *choice = o->choices;; index++) {
        size_t length = strcspn(choice, "|");
        if (strlen(value) == length && memcmp(choice, value, length) == 0) {
            *member = index;
            return ENG_OK;
        }
        if (!choice[length]) break;
        choice += length + 1;
    }
    return eng_fail(err, ENG_E_USAGE, "--%s: expected %s, found '%s'", o->name, o->choices, value);
}

static eng_status set_member(const tool_option *o, const char *value, void *target, eng_error *err)
{
    void *member = (char *)target + o->offset;
    switch (o->kind) {
    case TOOL_FLAG:
        *(bool *)member = true;
        return ENG_OK;
    case TOOL_TEXT:
        if (!*value) return eng_fail(err, ENG_E_USAGE, "--%s: expected %s, found nothing", o->name, o->value);
        *(const char **)member = value;
        return ENG_OK;
    case TOOL_COUNT:
        return set_count(o, value, member, err);
    case TOOL_NUMBER:
        return set_number(o, value, member, err);
    case TOOL_CHOICE:
        return set_choice(o, value, member, err);
    }
    return eng_fail(err, ENG_E_USAGE, "--%s: an option of unknown kind", o->name);
}

/* ---- Parsing ---- */

/* What --help and messages call an option's value. */
static const char *value_name(const tool_option *o)
{
    if (o->value) return o->value;
    if (o->kind == TOOL_CHOICE) return o->choices;
    return o->kind == TOOL_NUMBER ? "X" : "N";
}

/* The option at argv[*at], with its value, which may be the next argument: then *at moves on. */
static eng_status parse_option(const tool_program *program, int argc, char **argv, int *at, void *target,
                               tool_action *action, eng_error *err)
{
    const char *argument = argv[*at], *value;
    const tool_option *o = find_option(program, argument, &value);
    if (!o) return fail_unknown(program, argument, err);
    if (o->kind == TOOL_FLAG) {
        if (value) return eng_fail(err, ENG_E_USAGE, "--%s takes no value, found '%s'", o->name, value);
        if (o == &standard_options[0])
            *action = TOOL_SHOW_HELP;
        else if (o == &standard_options[1])
            *action = TOOL_SHOW_VERSION;
        else
            return set_member(o, NULL, target, err);
        return ENG_OK;
    }
    if (!value) {
        const char *ignored;
        if (*at + 1 >= argc)
            return eng_fail(err, ENG_E_USAGE, "%s: expected %s behind it, found nothing", argument, value_name(o));
        value = argv[*at + 1];
        /* `--model --format csv`: the value was forgotten. */
        if (value[0] == '-' && value[1] && find_option(program, value, &ignored))
            return eng_fail(err, ENG_E_USAGE, "%s: expected %s behind it, found %s", argument, value_name(o), value);
        ++*at;
    }
    return set_member(o, value, target, err);
}

eng_status tool_options_parse(const tool_program *program, int argc, char **argv, void *target, size_t *operand_count,
                              tool_action *action, eng_error *err)
{
    int operands = 0;
    bool ended = false;
    *operand_count = 0;
    *action = TOOL_RUN;
    for (int at = 1; at < argc; at++) {
        char *argument = argv[at];
        if (ended || argument[0] != '-' || !argument[1]) {
            argv[1 + operands++] = argument;
        } else if (strcmp(argument, "--") == 0) {
            ended = true;
        } else {
            eng_status status = parse_option(program, argc, argv, &at, target, action, err);
            if (status) return status;
            if (*action != TOOL_RUN) return ENG_OK;
        }
    }
    *operand_count = (size_t)operands;
    return ENG_OK;
}

/* ---- Help ---- */

static void help_options(const tool_option *options, FILE *to)
{
    enum { COLUMN = 30 };
    for (; options->name; options++) {
        int width = fprintf(to, options->letter ? "  -%c, --%s" : "  %c   --%s",
                            options->letter ? options->letter : ' ', options->name);
        if (options->kind != TOOL_FLAG) width += fprintf(to, " %s", value_name(options));
        const char *line = options->help;
        while (line && *line) {
            size_t length = strcspn(line, "\n");
            if (width > COLUMN - 2) {
                fputc('\n', to);
                width = 0;
            }
            fprintf(to, "%*s%.*s\n", COLUMN - width, "", (int)length, line);
            width = 0;
            line += length + (line[length] == '\n');
        }
        if (width) fputc('\n', to);
    }
}

void tool_options_help(const tool_program *program, FILE *to)
{
    fprintf(to, "Usage: %s %s\n\n%s\n\nOptions:\n", program->name, program->usage, program->summary);
    help_options(program->options, to);
    help_options(standard_options, to);
}

/* A standard stream that came closed: its number would go to the next file that is opened, and what is meant for the
 * stream into that file. Held by /dev/null, opened the wrong way round, so that reading or writing it still fails. */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
}

bool tool_options_start(const tool_program *program, int argc, char **argv, void *target, size_t *operand_count,
                        int *exit_status)
{
    eng_error err;
    tool_action action;
    hold_standard_streams();
    if (tool_options_parse(program, argc, argv, target, operand_count, &action, &err)) {
        fprintf(stderr, "%s: %s\n", program->name, err.message);
        *exit_status = 1;
        return false;
    }
    if (action == TOOL_SHOW_HELP)
        tool_options_help(program, stdout);
    else if (action == TOOL_SHOW_VERSION)
        printf("%s (wavlm.c) %s\n", program->name, WLM_VERSION);
    *exit_status = action == TOOL_RUN || fflush(stdout) == 0 ? 0 : 1;
    return action == TOOL_RUN;
}
