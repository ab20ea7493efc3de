#include "tools/train/options/recipe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/train/options/table.h"

static eng_status read_whole(const char *path, char **text, eng_error *err)
{
    FILE *in = fopen(path, "rb");
    size_t size = 0, room = 0;
    bool whole = true;
    *text = NULL;
    if (!in) return eng_fail(err, ENG_E_IO, "%s: cannot open the recipe: %s", path, strerror(errno));
    for (;;) {
        if (size + 1 >= room) {
            char *grown = eng_grow(*text, size, room ? 2 * room : 4096, 1);
            if (!grown) {
                whole = false;
                break;
            }
            *text = grown;
            room = room ? 2 * room : 4096;
        }
        size_t n = fread(*text + size, 1, room - size - 1, in);
        if (n == 0) break;
        size += n;
    }
    bool bad = ferror(in) || !whole;
    fclose(in);
    if (bad) {
        eng_free(*text);
        *text = NULL;
        return eng_fail(err, ENG_E_IO, "%s: cannot read the recipe", path);
    }
    (*text)[size] = '\0';
    if (strlen(*text) == size) return ENG_OK;
    eng_free(*text);
    *text = NULL;
    return eng_fail(err, ENG_E_FORMAT, "%s: not a text file; expected a recipe, an option a line", path);
}

/* Ends a line before its comment, which begins with a '#' at the line's begin or behind a blank, and before the blanks
 * there; the first byte that is no blank. */
static char *strip_line(char *line)
{
    for (char *c = line; *c; c++)
        if (*c == '#' && (c == line || strchr(" \t", c[-1]))) *c = '\0';
    line += strspn(line, " \t\r");
    for (size_t n = strlen(line); n && strchr(" \t\r", line[n - 1]); n--) line[n - 1] = '\0';
    return line;
}

/* What is wrong with a line's option, found here, where the line's number is known. */
static eng_status check_line(const char *path, size_t line, int count, char **args, eng_error *err)
{
    train_options scratch = {0};
    char *argv[] = {args[0], args[0], count > 1 ? args[1] : NULL, NULL};
    size_t operands;
    tool_action action;
    eng_error cause;
    if (tool_options_parse(&train_program, count + 1, argv, &scratch, &operands, &action, &cause))
        return eng_fail(err, ENG_E_USAGE, "%s: line %zu: %s", path, line, cause.message);
    if (operands) return eng_fail(err, ENG_E_USAGE, "%s: line %zu: %s takes no value, found '%s'", path, line, args[0], argv[1]);
    if (scratch.recipe) return eng_fail(err, ENG_E_USAGE, "%s: line %zu: a recipe within a recipe", path, line);
    if (action != TOOL_RUN) return eng_fail(err, ENG_E_USAGE, "%s: line %zu: %s in a recipe", path, line, args[0]);
    return ENG_OK;
}

/* Cuts text into arguments: "--name" and, where the line goes on, its value. args: room for two a line. */
static eng_status cut_lines(const char *path, char *text, char **args, size_t *count, eng_error *err)
{
    size_t line = 0;
    eng_status status = ENG_OK;
    for (char *at = text; at && *at && !status;) {
        char *end = strchr(at, '\n'), *next = end ? end + 1 : NULL;
        if (end) *end = '\0';
        line++;
        at = strip_line(at);
        if (*at) {
            if (strncmp(at, "--", 2) != 0)
                return eng_fail(err, ENG_E_USAGE, "%s: line %zu: expected an option (--name value), found '%s'", path, line, at);
            char *value = at + strcspn(at, " \t"), **own = args + *count;
            args[(*count)++] = at;
            if (*value) {
                *value++ = '\0';
                args[(*count)++] = value + strspn(value, " \t");
            }
            status = check_line(path, line, (int)(args + *count - own), own, err);
        }
        at = next;
    }
    return status;
}

/* The value of --recipe on the command line, the last one; NULL when there is none. */
static const char *find_recipe(int argc, char **argv)
{
    const char *found = NULL;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--recipe=", 9) == 0) found = argv[i] + 9;
        else if (strcmp(argv[i], "--recipe") == 0 && i + 1 < argc) found = argv[i + 1];
    }
    return found;
}

eng_status train_recipe_expand(train_options *o, int *argc, char ***argv, eng_error *err)
{
    const char *path = find_recipe(*argc, *argv);
    if (!path) return ENG_OK;
    eng_status status = read_whole(path, &o->recipe_text, err);
    if (status) return status;
    char *text = o->recipe_text;
    size_t lines = 1, count = 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    char **all = eng_alloc(2 * lines + (size_t)*argc + 1, sizeof *all);
    if (!all) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    o->recipe_arguments = all;
    all[0] = (*argv)[0];
    status = cut_lines(path, text, all, &count, err);
    for (int i = 1; i < *argc; i++) all[count++] = (*argv)[i];
    all[count] = NULL;
    *argc = (int)count;
    *argv = all;
    return status;
}
