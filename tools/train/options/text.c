/* Options as text, to resume by. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/train/options/options.h"
#include "tools/train/options/table.h"

/* Not so for options that change no bit of the result: where things lie, how fast, what is shown. The kernel tier is one of
 * them in f32; products of bf16 have other bits where a CPU has instructions for them. */
static bool is_result(const char *name, const train_options *o, bool length)
{
    static const char *const others[] = {"recipe", "out", "resume", "strict", "decoders", "cache", "save-minutes",
                                         "threads", "quiet", "audio", "rank-timeout", NULL};
    static const char *const lengths[] = {"epochs", "steps", "patience", NULL};
    for (size_t i = 0; others[i]; i++)
        if (strcmp(name, others[i]) == 0) return false;
    for (size_t i = 0; lengths[i]; i++)
        if (strcmp(name, lengths[i]) == 0) return length;
    return strcmp(name, "cpu") != 0 || o->precision > 0; /* bf16 */
}

/* x in as few digits as give it again. */
static int number_line(const char *name, double x, char *out, size_t size)
{
    char digits[40];
    for (int n = 6; n <= 17; n++) {
        snprintf(digits, sizeof digits, "%.*g", n, x);
        if (strtod(digits, NULL) == x) break;
    }
    return snprintf(out, size, "--%s %s\n", name, digits);
}

/* "--name value" of an option, "" when it was not asked for and has no default; the length that it needs. */
static int option_line(const tool_option *option, const train_options *o, char *out, size_t size)
{
    const void *member = (const char *)o + option->offset;
    out[0] = '\0';
    switch (option->kind) {
    case TOOL_FLAG: return *(const bool *)member ? snprintf(out, size, "--%s\n", option->name) : 0;
    case TOOL_TEXT:
        return *(const char *const *)member
                   ? snprintf(out, size, "--%s %s\n", option->name, *(const char *const *)member)
                   : 0;
    case TOOL_COUNT: {
        uint64_t count = *(const uint64_t *)member;
        bool unset = count == 0 && option->min > 0;
        return unset ? 0 : snprintf(out, size, "--%s %llu\n", option->name, (unsigned long long)count);
    }
    case TOOL_NUMBER: {
        double x = *(const double *)member;
        bool unset = isnan(x) || x < option->min;
        return unset ? 0 : number_line(option->name, x, out, size);
    }
    case TOOL_CHOICE: {
        size_t index = *(const size_t *)member;
        if (index == TRAIN_UNSET) return 0;
        const char *choice = option->choices;
        while (index--) choice = strchr(choice, '|') + 1;
        return snprintf(out, size, "--%s %.*s\n", option->name, (int)strcspn(choice, "|"), choice);
    }
    }
    return 0;
}

char *train_options_text(const train_options *o, bool length)
{
    size_t size = 1, used = 0;
    char line[4096];
    for (const tool_option *option = train_program.options; option->name; option++) {
        int n = option_line(option, o, line, sizeof line);
        size += (size_t)n;
    }
    char *text = eng_alloc(size, 1);
    if (!text) return NULL;
    text[0] = '\0';
    for (const tool_option *option = train_program.options; option->name; option++)
        if (is_result(option->name, o, length)) used += (size_t)option_line(option, o, text + used, size - used);
    return text;
}

/* The line at `at`, with its end, is among text's. */
static bool has_line(const char *text, const char *at, size_t length)
{
    while (*text) {
        size_t n = strcspn(text, "\n") + 1;
        if (n == length && memcmp(text, at, n) == 0) return true;
        text += n;
    }
    return false;
}

static bool find_missing(const char *from, const char *in, const char *prefix, char *out, size_t size)
{
    for (const char *at = from; *at;) {
        size_t n = strcspn(at, "\n");
        if (!at[n]) break;
        if (!has_line(in, at, n + 1)) {
            snprintf(out, size, "%s%.*s", prefix, (int)n, at);
            return true;
        }
        at += n + 1;
    }
    return false;
}

bool train_options_differ(const char *before, const char *now, char *out, size_t size)
{
    return find_missing(before, now, "it had ", out, size) || find_missing(now, before, "it did not have ", out, size);
}
