/* Setting up: what options and inputs ask for, the model, the files that results go to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/memory.h"
#include "tools/common/default_model.h"
#include "tools/infer/infer.h"

int infer_complain(int status, const char *message)
{
    fprintf(stderr, "infer: %s\n", message);
    return status;
}

/* ---- What is asked for ---- */

static const double LIVE_SEGMENT = 4, LIVE_HOP = 1; /* seconds: what one label needs to be worth something; and how often */

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

/* --raw FORMAT:RATE[:CHANNELS] */
static bool parse_raw(const char *text, mdl_audio_options *out)
{
    char format[16], *end;
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof format || colon[1] < '0' || colon[1] > '9') return false;
    snprintf(format, sizeof format, "%.*s", (int)(colon - text), text);
    unsigned long rate = strtoul(colon + 1, &end, 10), channels = 1;
    if (*end == ':' && end[1] >= '0' && end[1] <= '9') channels = strtoul(end + 1, &end, 10);
    *out = (mdl_audio_options){.raw = mdl_pcm_named(format), .rate = (double)rate, .channels = channels};
    return !*end && out->raw != MDL_PCM_NONE && rate >= MDL_PCM_RATE_MIN && rate <= MDL_PCM_RATE_MAX && channels >= 1 &&
           channels <= MDL_AUDIO_MAX_CHANNELS;
}

/* Sound that is still being made: standard input alone, in short segments. */
static int plan_live(infer *f)
{
    infer_options *o = &f->o;
    if (o->raw && !parse_raw(o->raw, &f->raw)) {
        fprintf(stderr, "infer: --raw %s: expected FORMAT:RATE[:CHANNELS], as s16le:16000:1, with one of u8, s16le, s24le, s32le, "
                        "f32le, f64le, mulaw, alaw\n", o->raw);
        return INFER_EXIT_USAGE;
    }
    bool standard_input = f->list.row_count == 1 && strcmp(f->list.rows[0].path, "-") == 0;
    if (o->raw && !standard_input)
        return infer_complain(INFER_EXIT_USAGE, "--raw says what standard input holds: give - as the only input");
    if (!o->live) return 0;
    if (!standard_input)
        return infer_complain(INFER_EXIT_USAGE, "--live labels what comes in on standard input: give - as the only input");
    if (!(o->segment > 0)) {
        o->segment = LIVE_SEGMENT;
        if (!(o->hop > 0)) o->hop = LIVE_HOP;
    }
    return 0;
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
    if (!found && f->o.segments) found = same_file(&info, f->o.segments);
    if (!found) return 0;
    fprintf(stderr, "infer: %s is an input: the results would overwrite it\n", output);
    return INFER_EXIT_USAGE;
}

enum { OUTPUTS = 6 };

static void all_outputs(const infer *f, const char *paths[OUTPUTS])
{
    const char *all[OUTPUTS] = {f->o.output,  f->o.features, f->o.embeddings,
                                f->o.errors, f->o.summary,  f->o.report};
    memcpy(paths, all, sizeof all);
}

/* Two results in one file. */
static int keep_apart(const infer *f)
{
    const char *paths[OUTPUTS];
    all_outputs(f, paths);
    for (size_t i = 0; i < OUTPUTS; i++)
        for (size_t k = 0; k < i; k++)
            if (paths[i] && paths[k] && strcmp(paths[i], paths[k]) == 0) {
                fprintf(stderr, "infer: %s is to hold two different things: give each a file of its own\n", paths[i]);
                return INFER_EXIT_USAGE;
            }
    return 0;
}

static bool has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n >= m && strcmp(path + n - m, ending) == 0;
}

/* What --embeddings writes is told by the name. */
static int plan_embeddings(const infer *f)
{
    const char *path = f->o.embeddings;
    if (!path || has_ending(path, ".npy") || has_ending(path, ".safetensors")) return 0;
    fprintf(stderr, "infer: --embeddings %s: expected a name that ends in .npy or .safetensors\n", path);
    return INFER_EXIT_USAGE;
}

static int plan_shard(const infer *f)
{
    if (!f->o.shard || f->o.format <= TOOL_JSONL) return 0;
    return infer_complain(INFER_EXIT_USAGE, "--shard is for csv, tsv and jsonl, whose shares add up to the whole");
}

static int plan_resume(const infer *f)
{
    const infer_options *o = &f->o;
    if (!o->resume) return 0;
    if (!o->output || strcmp(o->output, "-") == 0)
        return infer_complain(INFER_EXIT_USAGE, "--resume goes on with a file of results: give -o FILE");
    if (o->features || o->embeddings || o->errors || o->report)
        return infer_complain(INFER_EXIT_USAGE, "--resume goes on with the rows alone: leave out --features, --embeddings, --errors "
                                                "and --report");
    for (size_t i = 0; i < f->list.row_count; i++)
        if (strcmp(f->list.rows[i].path, "-") == 0)
            return infer_complain(INFER_EXIT_USAGE, "--resume: standard input cannot be read again");
    return 0;
}

/* How recordings are cut: by --segment, --segments, the list's columns start and end, or not at all. */
static int plan_segments(infer *f)
{
    eng_error err = {0};
    infer_options *o = &f->o;
    f->start_column = tool_list_column(&f->list, "start");
    f->end_column = tool_list_column(&f->list, "end");
    if (f->start_column == TOOL_NO_COLUMN || f->end_column == TOOL_NO_COLUMN) f->start_column = f->end_column = TOOL_NO_COLUMN;
    bool listed = f->start_column != TOOL_NO_COLUMN;
    if (o->segment > 0 && o->segments)
        return infer_complain(INFER_EXIT_USAGE, "--segment and --segments: give one of them");
    if (o->hop > 0 && !(o->segment > 0))
        return infer_complain(INFER_EXIT_USAGE, "--hop is how far apart segments begin: give --segment SECONDS too");
    if (listed && (o->segment > 0 || o->segments))
        return infer_complain(INFER_EXIT_USAGE, "the list has columns start and end, which name its segments: leave out "
                                                "--segment and --segments, or these columns");
    bool cut = o->segment > 0 || o->segments || listed;
    if (o->features && cut)
        return infer_complain(INFER_EXIT_USAGE, "--features writes the hidden states of whole recordings: leave out the segments");
    if (o->embeddings && cut && !has_ending(o->embeddings, ".npy"))
        return infer_complain(INFER_EXIT_USAGE, "--embeddings names a tensor by its recording: for segments write a .npy file");
    if (o->shortest > o->segment) o->shortest = o->segment;
    if (listed && !o->quiet) infer_complain(0, "the list's columns start and end name segments: a row is labelled by its own");
    if (o->segments && tool_segments_open(o->segments, &f->segments, &err)) return infer_complain(INFER_EXIT_USAGE, err.message);
    return 0;
}

int infer_plan(infer *f, size_t inputs, char **argv)
{
    eng_error err = {0};
    if (inputs == 0)
        return infer_complain(INFER_EXIT_USAGE, "no input: name audio files, folders or lists (--help shows more)");
    if (!parse_channels(f->o.channels, &f->channels)) {
        fprintf(stderr, "infer: --channels %s: expected mix, split or a channel's number from 0 to 63\n", f->o.channels);
        return INFER_EXIT_USAGE;
    }
    f->defaulted = !f->o.model;
    if (f->defaulted && !tool_default_model(f->path, sizeof f->path))
        return infer_complain(INFER_EXIT_USAGE, "no model: give --model DIR_OR_FILE (--help shows all options)");
    if (f->defaulted) f->o.model = f->path;
    if (tool_list_load(argv + 1, inputs, &f->list, &err)) return infer_complain(INFER_EXIT_USAGE, err.message);
    f->gender_column = tool_list_column(&f->list, "gender");
    if (f->gender_column == TOOL_NO_COLUMN) f->gender_column = tool_list_column(&f->list, "Gender");
    int status = plan_live(f);
    if (!status) status = plan_segments(f);
    if (!status) status = plan_resume(f);
    if (!status) status = plan_shard(f);
    if (!status) status = plan_embeddings(f);
    if (!status && infer_choose_rows(f, &err)) status = infer_complain(INFER_EXIT_USAGE, err.message);
    const char *outputs[OUTPUTS];
    all_outputs(f, outputs);
    for (size_t i = 0; !status && i < OUTPUTS; i++) status = keep_inputs(f, outputs[i], inputs, argv);
    return status ? status : keep_apart(f);
}

/* ---- The model ---- */

/* What the model wants of its inputs and the options give, or the other way round. */
static int check_conditions(const infer *f)
{
    bool gender = f->o.gender || f->gender_column != TOOL_NO_COLUMN;
    if (wlm_model_wants_gender(f->model) && !gender)
        return infer_complain(INFER_EXIT_USAGE, "the model is conditioned on gender: give --gender female|male, or a list with a "
                                                "column \"gender\"");
    if (!wlm_model_wants_gender(f->model) && f->o.gender)
        infer_complain(0, "the model is not conditioned on gender: --gender is ignored");
    if (wlm_model_text_size(f->model) && !f->o.text)
        return infer_complain(INFER_EXIT_USAGE, "the model is conditioned on text: give --text-embeddings FILE");
    if (!wlm_model_text_size(f->model) && f->o.text)
        infer_complain(0, "the model is not conditioned on text: --text-embeddings is ignored");
    return 0;
}

int infer_open_model(infer *f)
{
    static const char *const precisions[] = {"f32", "bf16", "int8"};
    wlm_options o = {.threads = (size_t)f->o.threads, .cpu = f->o.cpu, .allow_bf16 = f->o.allow_bf16};
    if (f->o.precision != INFER_UNSET) o.precision = precisions[f->o.precision];
    wlm_error err;
    if (wlm_model_open(f->o.model, &o, &f->model, &err))
        return infer_complain(err.status == WLM_E_USAGE ? INFER_EXIT_USAGE : INFER_EXIT_MODEL, err.message);
    if (!f->o.quiet && f->defaulted)
        fprintf(stderr, "infer: no --model: labelling with %s (its README.md says how good it is, and its licence)\n",
                f->path);
    if (!f->o.quiet && wlm_model_note(f->model)) infer_complain(0, wlm_model_note(f->model));
    size_t labels = wlm_model_labels(f->model);
    f->classes = eng_alloc(labels, sizeof *f->classes);
    if (!f->classes) return infer_complain(INFER_EXIT_MODEL, "out of memory");
    for (size_t i = 0; i < labels; i++) f->classes[i] = wlm_model_label(f->model, i);
    if (!labels && !f->o.features && !f->o.quiet)
        infer_complain(0, "the model has no head: rows have no label; --features FILE writes its hidden states");
    return check_conditions(f);
}

/* ---- Files ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Features are named by file name: two inputs of one name would be one tensor. Returns such a name (to free), or NULL. */
static char *duplicate_stem(const infer *f)
{
    size_t rows = f->last_row - f->first_row;
    char **stems = eng_alloc_zero(rows, sizeof *stems), *found = NULL;
    for (size_t i = 0; stems && i < rows; i++) {
        char stem[1024];
        tool_stem(f->list.rows[f->first_row + i].file, stem, sizeof stem);
        stems[i] = eng_strdup(stem);
        if (!stems[i]) break;
    }
    if (stems && rows && stems[rows - 1]) {
        qsort(stems, rows, sizeof *stems, by_text);
        for (size_t i = 1; i < rows && !found; i++)
            if (strcmp(stems[i - 1], stems[i]) == 0) found = eng_strdup(stems[i]);
    }
    for (size_t i = 0; stems && i < rows; i++) eng_free(stems[i]);
    eng_free(stems);
    return found;
}

/* A safetensors file with a tensor an input, for option. */
static int open_tensors(infer *f, const char *option, const char *path, wts_writer **out)
{
    eng_error err = {0};
    char *twice = duplicate_stem(f);
    if (twice) {
        fprintf(stderr, "infer: %s names tensors by file name, and two inputs are named %s\n", option, twice);
        eng_free(twice);
        return INFER_EXIT_USAGE;
    }
    size_t name_bytes = 0, rows = f->last_row - f->first_row;
    for (size_t i = 0; i < rows; i++) name_bytes += strlen(f->list.rows[f->first_row + i].file) + 32;
    if (wts_writer_open(path, rows, name_bytes, NULL, out, &err)) return infer_complain(INFER_EXIT_INPUTS, err.message);
    return 0;
}

static int open_embeddings(infer *f)
{
    eng_error err = {0};
    if (!has_ending(f->o.embeddings, ".npy")) return open_tensors(f, "--embeddings", f->o.embeddings, &f->embedded);
    if (tool_npy_open(f->o.embeddings, wlm_model_embedding_size(f->model), &f->embeddings, &err))
        return infer_complain(err.status == ENG_E_USAGE ? INFER_EXIT_USAGE : INFER_EXIT_INPUTS, err.message);
    return 0;
}

/* --layers 0,12,24: which hidden states --features writes. */
static int choose_layers(infer *f)
{
    const char *at = f->o.layers;
    size_t states = wlm_model_states(f->model);
    if (!at) return 0;
    if (!f->o.features) return infer_complain(INFER_EXIT_USAGE, "--layers says what --features writes: give both");
    f->layer = eng_alloc(strlen(at), sizeof *f->layer);
    if (!f->layer) return infer_complain(INFER_EXIT_INPUTS, "out of memory");
    for (;;) {
        char *end = NULL;
        unsigned long layer = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : states;
        if (layer >= states || (*end && *end != ',')) {
            fprintf(stderr, "infer: --layers %s: expected numbers from 0 to %zu, as 0,%zu\n", f->o.layers, states - 1, states - 1);
            return INFER_EXIT_USAGE;
        }
        f->layer[f->layers++] = layer;
        if (!*end) return 0;
        at = end + 1;
    }
}

static int open_report(infer *f)
{
    eng_error err = {0};
    infer_report_spec spec = {.path = f->o.report,
                              .model = f->o.model,
                              .classes = f->classes,
                              .class_count = wlm_model_labels(f->model),
                              .values = wlm_model_is_regression(f->model) != 0,
                              .audio = (infer_report_audio)f->o.report_audio,
                              .embed_most = (size_t)(f->o.embed_megabytes * 1e6)};
    return infer_report_open(&spec, &f->report, &err) ? infer_complain(INFER_EXIT_INPUTS, err.message) : 0;
}

static int open_output(infer *f)
{
    eng_error err = {0};
    tool_output_spec spec = {.format = (tool_format)f->o.format,
                             .path = f->o.output,
                             .list = &f->list,
                             .classes = f->classes,
                             .class_count = wlm_model_labels(f->model),
                             .values = wlm_model_is_regression(f->model) != 0,
                             .channels = f->channels == CHANNELS_SPLIT,
                             .segments = !infer_is_whole(f),
                             .listed = f->start_column != TOOL_NO_COLUMN,
                             .speakers = f->segments != NULL,
                             .texts = f->segments != NULL,
                             .no_header = f->continues,
                             .logits = f->o.logits};
    if (f->o.resume && infer_resume(f, &spec, &err))
        return infer_complain(err.status == ENG_E_USAGE ? INFER_EXIT_USAGE : INFER_EXIT_INPUTS, err.message);
    if (f->o.resume && !f->o.quiet && spec.append_at)
        fprintf(stderr, "infer: %s: %zu of %zu inputs are done\n", f->o.output, f->done_rows, f->last_row - f->first_row);
    if (tool_output_open(&spec, &f->out, &err))
        return infer_complain(err.status == ENG_E_USAGE ? INFER_EXIT_USAGE : INFER_EXIT_INPUTS, err.message);
    return 0;
}

int infer_open_files(infer *f)
{
    eng_error err = {0};
    int status = 0;
    if (wlm_model_text_size(f->model)) {
        if (!kern_table_fill(&f->portable, KERN_TIER_PORTABLE, 0))
            return infer_complain(INFER_EXIT_USAGE, "no portable kernels");
        if (wts_checkpoint_open(f->o.text, &f->text, &err)) return infer_complain(INFER_EXIT_USAGE, err.message);
    }
    status = choose_layers(f);
    if (!status && f->o.features) status = open_tensors(f, "--features", f->o.features, &f->features);
    if (!status && f->o.embeddings) status = open_embeddings(f);
    if (!status && f->o.report) status = open_report(f);
    if (!status) status = open_output(f);
    if (!status && f->o.errors && infer_errors_open(f->o.errors, &f->errors, &err))
        status = infer_complain(INFER_EXIT_INPUTS, err.message);
    return status;
}
