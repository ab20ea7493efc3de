/* convert: writes a model as packed panels of a precision, which need no work when they are loaded. */
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "model/checkpoint/load.h"
#include "model/checkpoint/save.h"
#include "model/tier.h"
#include "tools/common/options.h"

enum { EXIT_USAGE = 1, EXIT_MODEL = 2, EXIT_WRITE = 3 };

typedef struct convert_options {
    const char *model, *out, *cpu;
    size_t precision;
    uint64_t threads;
    bool quiet;
} convert_options;

#define UNSET SIZE_MAX
#define OPTION(member) offsetof(convert_options, member)

static const tool_option options[] = {
    {"model", 'm', TOOL_TEXT, OPTION(model), "DIR_OR_FILE", "the model, as infer takes it", NULL, 0, 0},
    {"precision", 0, TOOL_CHOICE, OPTION(precision), NULL, "what the weights' products shall be computed in", "f32|bf16|int8",
     0, 0},
    {"out", 'o', TOOL_TEXT, OPTION(out), "DIR", "the folder to write; it is made if it is not there", NULL, 0, 0},
    {"cpu", 0, TOOL_TEXT, OPTION(cpu), "TIER", "the kernels that will use it: portable, avx2, avx512 or neon (the best here)",
     NULL, 0, 0},
    {"threads", 't', TOOL_COUNT, OPTION(threads), "N", "threads (one per CPU)", NULL, 1, 4096},
    {"quiet", 'q', TOOL_FLAG, OPTION(quiet), NULL, "say nothing", NULL, 0, 0},
    {0},
};

static const tool_program program = {
    "convert",
    "--precision f32|bf16|int8 --model DIR_OR_FILE --out DIR",
    "Writes a model whose weights are packed for this CPU's kernels in that precision: infer opens it\n"
    "without reading it, and several processes share its memory (but for an int8 model's convolutions,\n"
    "which are rounded to bf16 on CPUs that are fast at it). On another kind of CPU it works too,\n"
    "repacked when it is opened. It cannot be trained or converted again: keep the checkpoint.\n\n"
    "Exit status: 0 done; 1 wrong usage; 2 the model cannot be loaded; 3 DIR cannot be written.",
    options,
};

static int complain(int status, const char *message)
{
    fprintf(stderr, "convert: %s\n", message);
    return status;
}

/* True when the model's folder is the one that is to be written. */
static bool overwrites(const convert_options *o)
{
    wts_folder folder;
    struct stat from, to;
    if (wts_folder_find(o->model, &folder, NULL)) return false; /* loading says what is wrong */
    bool same = stat(folder.path, &from) == 0 && stat(o->out, &to) == 0 && from.st_dev == to.st_dev &&
                from.st_ino == to.st_ino;
    wts_folder_fini(&folder);
    return same;
}

static int convert(const convert_options *o, const kern_table *k, eng_pool *pool)
{
    eng_error err = {0};
    mdl_model *m;
    const eng_precision precision = (eng_precision)o->precision;
    if (mdl_model_load_to_convert(o->model, &precision, k, pool, &m, &err)) return complain(EXIT_MODEL, err.message);
    int status = mdl_model_save(m, o->out, &err) ? complain(EXIT_WRITE, err.message) : 0;
    if (!status && !o->quiet)
        fprintf(stderr, "convert: %s: %s, for %s kernels\n", o->out, eng_precision_name(precision), kern_tier_name(k->tier));
    mdl_model_free(m);
    return status;
}

int main(int argc, char **argv)
{
    convert_options o = {.precision = UNSET};
    size_t operands;
    int status;
    kern_table k;
    eng_pool *pool;
    eng_error err = {0};
    if (!tool_options_start(&program, argc, argv, &o, &operands, &status)) return status;
    if (operands || !o.model || !o.out || o.precision == UNSET)
        return complain(EXIT_USAGE, "expected --precision f32|bf16|int8 --model DIR_OR_FILE --out DIR (--help shows more)");
    if (overwrites(&o)) return complain(EXIT_USAGE, "--out is the model's own folder: its checkpoint would be overwritten");
    if (mdl_choose_tier(o.cpu, &k, &err)) return complain(EXIT_USAGE, err.message);
    if (eng_pool_new((size_t)o.threads, &pool, &err)) return complain(EXIT_MODEL, err.message);
    status = convert(&o, &k, pool);
    eng_pool_free(pool);
    return status;
}
