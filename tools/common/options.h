/* Command-line options of all our programs, driven by one const table a program.
 *
 * `--name value`, `--name=value`, `-o value`, flags, `--` before operands that begin with '-'. Options and operands may
 * be mixed; `-` alone is an operand. --help and --version are always there. Unknown options are errors that name the
 * nearest one; an option given twice counts as given last. Values go to members of the program's own struct, whose
 * defaults are set beforehand. */
#ifndef TOOLS_COMMON_OPTIONS_H
#define TOOLS_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/error.h"

/* What an option takes, and the type of the member that it sets. */
typedef enum tool_option_kind {
    TOOL_FLAG,   /* no value; bool, set to true */
    TOOL_TEXT,   /* const char *, pointing into argv; an empty value is an error */
    TOOL_COUNT,  /* uint64_t within min..max, decimal */
    TOOL_NUMBER, /* double within min..max, finite */
    TOOL_CHOICE  /* size_t: which of choices, from 0 */
} tool_option_kind;

typedef struct tool_option {
    const char *name; /* without the dashes; NULL ends the table */
    char letter;      /* short form, or 0 */
    tool_option_kind kind;
    size_t offset;       /* offsetof the member */
    const char *value;   /* what --help calls the value: "DIR"; NULL for flags; NULL for choices shows them */
    const char *help;    /* one line, or several divided by '\n' */
    const char *choices; /* TOOL_CHOICE: "csv|tsv|jsonl" */
    double min, max;     /* TOOL_COUNT and TOOL_NUMBER, both inclusive; both 0: any (TOOL_COUNT: any uint64_t) */
} tool_option;

typedef struct tool_program {
    const char *name;           /* "infer" */
    const char *usage;          /* what follows the name: "--model DIR_OR_FILE [options] INPUT..." */
    const char *summary;        /* a few lines for --help */
    const tool_option *options; /* ends with name NULL */
} tool_program;

typedef enum tool_action { TOOL_RUN, TOOL_SHOW_HELP, TOOL_SHOW_VERSION } tool_action;

/* Parses argv[1..argc), sets members of *target, and moves the operands, in order, to argv[1..*operand_count]. Nothing
 * is printed. Stops at --help or --version. Errors: ENG_E_USAGE, naming the option, what was expected and what was
 * found; *target may then be partly set. */
eng_status tool_options_parse(const tool_program *program, int argc, char **argv, void *target, size_t *operand_count,
                              tool_action *action, eng_error *err);

/* Writes the program's --help. */
void tool_options_help(const tool_program *program, FILE *to);

/* What main begins with: keeps files that are opened later from the number of a standard stream that came closed;
 * parses; prints help or version to stdout, an error to stderr. True when the program is to run; otherwise *exit_status
 * is what main returns: 0 after help or version, 1 after a usage error. */
bool tool_options_start(const tool_program *program, int argc, char **argv, void *target, size_t *operand_count,
                        int *exit_status);

#endif
