/* infer: labels recordings with the emotion in them.
 *
 * Inputs become rows (tools/common/list.h), which are decoded, run through the model in batches and written (tools/common/output.h) in
 * their order (tools/infer/infer.h). A row that cannot be labelled gets its error and the others go on. */
#include "tools/infer/infer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "tools/common/default_model.h"
#include "tools/common/options.h"

enum { EXIT_USAGE = 1, EXIT_MODEL = 2, EXIT_INPUTS = 3 };

#define UNSET SIZE_MAX /* a choice that was not made */
#define OPTION(member) offsetof(infer_options, member)

static const tool_option options[] = {
    {"model", 'm', TOOL_TEXT, OPTION(model), "DIR_OR_FILE",
     "the model: a folder as Hugging Face writes it, or a checkpoint file\nwith its config.json beside it (WLM_MODEL, or a small "
     "one of our own)", NULL, 0, 0},
    {"format", 'f', TOOL_CHOICE, OPTION(format), NULL, "how to write the results (csv)", TOOL_FORMAT_CHOICES, 0, 0},
    {"output", 'o', TOOL_TEXT, OPTION(output), "FILE", "write the results to FILE instead of standard output", NULL, 0, 0},
    {"logits", 0, TOOL_FLAG, OPTION(logits), NULL, "also write the raw outputs", NULL, 0, 0},
    {"features", 0, TOOL_TEXT, OPTION(features), "FILE",
     "write all hidden states to FILE.safetensors: per input, tensor\n<name without folder and extension>.hidden_states "
     "[layers+1, frames, width]", NULL, 0, 0},
    {"gender", 'g', TOOL_CHOICE, OPTION(gender), NULL,
     "the speakers' gender, for a model that is conditioned on it; a list's\ncolumn \"gender\" goes before it",
     "unknown|female|male", 0, 0},
    {"text-embeddings", 0, TOOL_TEXT, OPTION(text), "FILE",
     "for a model that is conditioned on text: a safetensors file with, per\ninput, tensor <name without folder and "
     "extension> [size]", NULL, 0, 0},
    {"channels", 0, TOOL_TEXT, OPTION(channels), "mix|split|N",
     "of recordings with several channels: label their mean (mix, the default),\neach one (split), or channel N, from 0",
     NULL, 0, 0},
    {"batch-seconds", 0, TOOL_NUMBER, OPTION(batch_seconds), "S",
     "seconds of audio that are run together, at most; a longer recording\nruns alone (30; 0: one after the other)", NULL, 0,
     86400},
    {"decoders", 0, TOOL_COUNT, OPTION(decoders), "N",
     "threads that read recordings in the background (one for four CPUs,\nat least 2)", NULL, 1, 256},
    {"threads", 't', TOOL_COUNT, OPTION(threads), "N", "threads (one per CPU)", NULL, 1, 4096},
    {"precision", 0, TOOL_CHOICE, OPTION(precision), NULL,
     "what the weights' products are computed in: fewer bits are faster and less\nexact (f32)", "f32|bf16|int8", 0, 0},
    {"allow-bf16", 0, TOOL_FLAG, OPTION(allow_bf16), NULL,
     "int8: convolutions and attention in bf16 where the CPU is fast at it: less\ntime there, other last digits than on other CPUs",
     NULL, 0, 0},
    {"cpu", 0, TOOL_TEXT, OPTION(cpu), "TIER", "force a kernel tier: portable, avx2, avx512 or neon; avx512-amx: without\nAMX", NULL,
     0, 0},
    {"quiet", 'q', TOOL_FLAG, OPTION(quiet), NULL, "no progress and no notes", NULL, 0, 0},
    {0},
};

static const tool_program program = {
    "infer",
    "[--model DIR_OR_FILE] [options] INPUT...",
    "Labels recordings with the emotion in them.\n\n"
    "INPUT is an audio file, a folder, a list (.txt with a path a line; .csv or .tsv whose column\n"
    "\"file\" or \"path\" names the audio, relative to the list's folder; its other columns are kept),\n"
    "or - for audio on standard input. WAV is decoded here, everything else by ffmpeg.\n\n"
    "Exit status: 0 all labelled; 1 wrong usage; 2 the model cannot be loaded; 3 some inputs failed.",
    options,
};

static int complain(int status, const char *message)
{
    fprintf(stderr, "infer: %s\n", message);
    return status;
}

/* ---- Setting up ---- */

static bool parse_channels(const char *text, long *out)
{
    char *end;
    if (!text || strcmp(text, "mix") == 0) *out = CHANNELS_MIX;
    else if (strcmp(text, "split") == 0) *out = CHANNELS_SPLIT;
    else {
        *out = strtol(text, &end, 10);
        return *text >= '0' && *text <= '9' && !*end && *out < 64;
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Features are named by file name: two inputs of one name would be one tensor. Returns such a name (to free), or NULL. */
static char *duplicate_stem(const tool_list *list)
{
    char **stems = eng_alloc_zero(list->row_count, sizeof *stems), *found = NULL;
    for (size_t i = 0; stems && i < list->row_count; i++) {
        char stem[1024];
        tool_stem(list->rows[i].file, stem, sizeof stem);
        stems[i] = eng_strdup(stem);
        if (!stems[i]) break;
    }
    if (stems && list->row_count && stems[list->row_count - 1]) {
        qsort(stems, list->row_count, sizeof *stems, by_text);
        for (size_t i = 1; i < list->row_count && !found; i++)
            if (strcmp(stems[i - 1], stems[i]) == 0) found = eng_strdup(stems[i]);
    }
    for (size_t i = 0; stems && i < list->row_count; i++) eng_free(stems[i]);
    eng_free(stems);
    return found;
}

static int open_model(infer *f)
{
    static const char *const precisions[] = {"f32", "bf16", "int8"};
    wlm_options o = {.threads = (size_t)f->o.threads, .cpu = f->o.cpu, .allow_bf16 = f->o.allow_bf16};
    if (f->o.precision != UNSET) o.precision = precisions[f->o.precision];
    wlm_error err;
    if (wlm_model_open(f->o.model, &o, &f->model, &err))
        return complain(err.status == WLM_E_USAGE ? EXIT_USAGE : EXIT_MODEL, err.message);
    if (!f->o.quiet && f->defaulted)
        fprintf(stderr, "infer: no --model: labelling with %s (its README.md says how good it is, and its licence)\n",
                f->path);
    if (!f->o.quiet && wlm_model_note(f->model)) complain(0, wlm_model_note(f->model));
    size_t labels = wlm_model_labels(f->model);
    f->classes = eng_alloc(labels, sizeof *f->classes);
    if (!f->classes) return complain(EXIT_MODEL, "out of memory");
    for (size_t i = 0; i < labels; i++) f->classes[i] = wlm_model_label(f->model, i);
    if (!labels && !f->o.features && !f->o.quiet)
        complain(0, "the model has no head: rows have no label; --features FILE writes its hidden states");
    bool gender = f->o.gender || f->gender_column != TOOL_NO_COLUMN;
    if (wlm_model_wants_gender(f->model) && !gender)
        return complain(EXIT_USAGE, "the model is conditioned on gender: give --gender female|male, or a list with a "
                                    "column \"gender\"");
    if (!wlm_model_wants_gender(f->model) && f->o.gender)
        complain(0, "the model is not conditioned on gender: --gender is ignored");
    if (wlm_model_text_size(f->model) && !f->o.text)
        return complain(EXIT_USAGE, "the model is conditioned on text: give --text-embeddings FILE");
    if (!wlm_model_text_size(f->model) && f->o.text)
        complain(0, "the model is not conditioned on text: --text-embeddings is ignored");
    return 0;
}

static int open_files(infer *f)
{
    eng_error err = {0};
    if (wlm_model_text_size(f->model)) {
        if (!kern_table_fill(&f->portable, KERN_TIER_PORTABLE, 0)) return complain(EXIT_USAGE, "no portable kernels");
        if (wts_checkpoint_open(f->o.text, &f->text, &err)) return complain(EXIT_USAGE, err.message);
    }
    if (f->o.features) {
        char *twice = duplicate_stem(&f->list);
        if (twice) {
            fprintf(stderr, "infer: --features names tensors by file name, and two inputs are named %s\n", twice);
            eng_free(twice);
            return EXIT_USAGE;
        }
        size_t name_bytes = 0;
        for (size_t i = 0; i < f->list.row_count; i++) name_bytes += strlen(f->list.rows[i].file) + 32;
        if (wts_writer_open(f->o.features, f->list.row_count, name_bytes, NULL, &f->features, &err))
            return complain(EXIT_INPUTS, err.message);
    }
    tool_output_spec spec = {.format = (tool_format)f->o.format,
                             .path = f->o.output,
                             .list = &f->list,
                             .classes = f->classes,
                             .class_count = wlm_model_labels(f->model),
                             .channels = f->channels == CHANNELS_SPLIT,
                             .logits = f->o.logits};
    if (tool_output_open(&spec, &f->out, &err)) return complain(EXIT_INPUTS, err.message);
    return 0;
}

static int label_all(infer *f)
{
    eng_error err = {0};
    eng_status status = infer_line_run(f, &err);
    if (!status) infer_line_close(f);
    size_t failed = tool_output_failed_rows(f->out);
    if (!status && f->features) {
        status = wts_writer_finish(f->features, &err);
        f->features = NULL;
    }
    if (!status) {
        status = tool_output_close(f->out, &err);
        f->out = NULL;
    }
    if (status) return complain(EXIT_INPUTS, err.message);
    if (failed) fprintf(stderr, "infer: %zu of %zu inputs could not be labelled\n", failed, f->list.row_count);
    return failed ? EXIT_INPUTS : 0;
}

static bool same_file(const struct stat *a, const char *path)
{
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* Refuses to write over an input (`infer list.csv -o list.csv`): the recording, or the list itself. */
static int keep_inputs(const infer *f, const char *output, size_t inputs, char **argv)
{
    struct stat info;
    bool found = false;
    if (!output || stat(output, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    for (size_t i = 0; i < inputs && !found; i++) found = same_file(&info, argv[1 + i]);
    for (size_t i = 0; i < f->list.row_count && !found; i++) found = same_file(&info, f->list.rows[i].path);
    if (!found) return 0;
    fprintf(stderr, "infer: %s is an input: the results would overwrite it\n", output);
    return EXIT_USAGE;
}

static int run(infer *f, size_t inputs, char **argv)
{
    eng_error err = {0};
    if (inputs == 0) return complain(EXIT_USAGE, "no input: name audio files, folders or lists (--help shows more)");
    if (!parse_channels(f->o.channels, &f->channels)) {
        fprintf(stderr, "infer: --channels %s: expected mix, split or a channel's number from 0 to 63\n", f->o.channels);
        return EXIT_USAGE;
    }
    f->defaulted = !f->o.model;
    if (f->defaulted && !tool_default_model(f->path, sizeof f->path))
        return complain(EXIT_USAGE, "no model: give --model DIR_OR_FILE (--help shows all options)");
    if (f->defaulted) f->o.model = f->path;
    if (tool_list_load(argv + 1, inputs, &f->list, &err)) return complain(EXIT_USAGE, err.message);
    f->gender_column = tool_list_column(&f->list, "gender");
    if (f->gender_column == TOOL_NO_COLUMN) f->gender_column = tool_list_column(&f->list, "Gender");
    int status = keep_inputs(f, f->o.output, inputs, argv);
    if (!status) status = keep_inputs(f, f->o.features, inputs, argv);
    if (!status && infer_line_open(f, &err)) status = complain(EXIT_INPUTS, err.message); /* decodes while the model loads */
    if (!status) status = open_model(f);
    if (!status) status = open_files(f);
    return status ? status : label_all(f);
}

int main(int argc, char **argv)
{
    static infer f = {.o = {.batch_seconds = 30, .precision = UNSET}};
    size_t inputs;
    int status;
    if (!tool_options_start(&program, argc, argv, &f.o, &inputs, &status)) return status;
    status = run(&f, inputs, argv);
    tool_output_abandon(f.out);
    wts_writer_abandon(f.features);
    if (f.text.path) wts_checkpoint_close(&f.text);
    wlm_model_close(f.model);
    eng_free(f.classes);
    if (!f.line) tool_list_free(&f.list);
    return status;
}
