#include "tools/train/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "model/config/config.h"
#include "tools/common/options.h"

#define OPTION(member) offsetof(train_options, member)

static const tool_option options[] = {
    {"recipe", 0, TOOL_TEXT, OPTION(recipe), "FILE",
     "options from FILE, one a line as on the command line, '#' begins a\ncomment; what the command line says goes before "
     "it", NULL, 0, 0},
    {"init", 'i', TOOL_TEXT, OPTION(init), "DIR",
     "the model to begin with: an emotion model goes on from its head, a\nbackbone gets a new one; a folder with only a "
     "config.json starts\nfrom random weights", NULL, 0, 0},
    {"data", 'd', TOOL_TEXT, OPTION(data), "LIST",
     "the recordings: a .csv or .tsv with columns file, emotion and, where\nthere are any, split (train, dev, test), gender, "
     "speaker, text; or\nMSP-Podcast's labels_consensus.csv or the folder with it", NULL, 0, 0},
    {"out", 'o', TOOL_TEXT, OPTION(out), "DIR",
     "where the run goes: best/, last/, metrics.jsonl, report.html and the\nstate to resume from", NULL, 0, 0},
    {"resume", 0, TOOL_FLAG, OPTION(resume), NULL, "go on where the run in --out stopped, to the same bits", NULL, 0, 0},

    {"epochs", 'e', TOOL_COUNT, OPTION(epochs), "N", "times through the data (20)", NULL, 1, 1e6},
    {"steps", 0, TOOL_COUNT, OPTION(steps), "N", "optimizer steps, instead of --epochs", NULL, 1, 4e9},
    {"batch-size", 'b', TOOL_COUNT, OPTION(batch_size), "N", "utterances a batch, at most (8)", NULL, 1, 65536},
    {"batch-seconds", 0, TOOL_NUMBER, OPTION(batch_seconds), "S", "seconds of audio a batch, at most (no limit)", NULL, 0.1,
     1e6},
    {"accumulate", 0, TOOL_COUNT, OPTION(accumulate), "N", "batches a step (1)", NULL, 1, 65536},
    {"crop", 0, TOOL_NUMBER, OPTION(crop), "S", "train on at most S seconds of a recording, from a random place\n(12; 0: all)",
     NULL, 0, 1e6},
    {"no-shuffle", 0, TOOL_FLAG, OPTION(no_shuffle), NULL, "take the recordings in the list's order", NULL, 0, 0},
    {"seed", 0, TOOL_COUNT, OPTION(seed), "N", "of everything that is random (1)", NULL, 0, 0},

    {"lr", 0, TOOL_NUMBER, OPTION(lr), "X", "learning rate of AdamW (1e-5)", NULL, 0, 100},
    {"head-lr", 0, TOOL_NUMBER, OPTION(head_lr), "X", "learning rate of the head (--lr)", NULL, 0, 100},
    {"weight-decay", 0, TOOL_NUMBER, OPTION(weight_decay), "X", "decoupled weight decay (0.01)", NULL, 0, 100},
    {"schedule", 0, TOOL_CHOICE, OPTION(schedule), NULL,
     "of the rate after the warm-up: decay to 0, or not, as those of\ntransformers with warm-up (constant)",
     "constant|linear|cosine", 0, 0},
    {"warmup", 0, TOOL_NUMBER, OPTION(warmup), "X",
     "linear warm-up from 0: steps, or a share of the run when below 1 (0)", NULL, 0, 1e9},
    {"clip", 0, TOOL_NUMBER, OPTION(clip), "X",
     "longest gradient, of all parameters together; a longer one is\nscaled down (no limit)", NULL, 1e-12, 1e12},
    {"ema", 0, TOOL_NUMBER, OPTION(ema), "DECAY",
     "evaluate and write a moving average of the weights; 0.999: over\nabout the last 1000 steps (0: the last step's weights)",
     NULL, 0, 0.9999999},
    {"patience", 0, TOOL_COUNT, OPTION(patience), "N", "stop after N evaluations without a better one (never)", NULL, 1, 1e6},

    {"loss", 0, TOOL_CHOICE, OPTION(loss), NULL,
     "ccc: 1 - CCC on the columns arousal, dominance, valence\n(cross-entropy)", "cross-entropy|focal|ccc", 0, 0},
    {"focal-gamma", 0, TOOL_NUMBER, OPTION(focal_gamma), "X", "of the focal loss (2)", NULL, 0, 100},
    {"label-smoothing", 0, TOOL_NUMBER, OPTION(label_smoothing), "X", "share of the target spread over all classes (0)", NULL,
     0, 1},
    {"class-weights", 0, TOOL_CHOICE, OPTION(class_weights), NULL, "balanced: rare classes weigh more (none)",
     "none|balanced", 0, 0},
    {"soft-labels", 0, TOOL_FLAG, OPTION(soft_labels), NULL,
     "train on the shares of votes in the columns named like the classes", NULL, 0, 0},
    {"attribute-range", 0, TOOL_TEXT, OPTION(range), "LOW:HIGH", "of arousal, dominance, valence in the list; the model "
     "learns\n0 for LOW and 1 for HIGH (1:7)", NULL, 0, 0},

    {"pooling", 0, TOOL_CHOICE, OPTION(pooling), NULL, "over time (the model's; new head: mean)",
     "mean|std|attention|attentive_std", 0, 0},
    {"gender-conditioning", 0, TOOL_CHOICE, OPTION(gender), NULL, "(the model's; new head: none)", "none|multiply|mean", 0, 0},
    {"text-conditioning", 0, TOOL_CHOICE, OPTION(text_conditioning), NULL, "(the model's; new head: none)",
     "none|multiply|mean", 0, 0},
    {"text-embeddings", 0, TOOL_TEXT, OPTION(text), "FILE",
     "sentence embeddings: a safetensors file with, per recording, tensor\n<name without folder and extension> [size]", NULL, 0,
     0},
    {"projection", 0, TOOL_COUNT, OPTION(projection), "N", "width of the head's projection (the model's; new head: 256)", NULL,
     1, 65536},
    {"new-head", 0, TOOL_FLAG, OPTION(new_head), NULL, "replace the head of an emotion model", NULL, 0, 0},
    {"train-feature-encoder", 0, TOOL_FLAG, OPTION(train_feature_encoder), NULL,
     "train the CNN too, which is frozen otherwise", NULL, 0, 0},
    {"checkpoint-layers", 0, TOOL_FLAG, OPTION(checkpoint_layers), NULL,
     "keep one input a layer and compute the layer again: less memory,\nthe same bits", NULL, 0, 0},

    {"dropout", 0, TOOL_NUMBER, OPTION(dropout), "P",
     "hidden, attention, activation and final dropout (the model's);\n0: no dropout, no layer drop, no masking at all", NULL, 0,
     1},
    {"hidden-dropout", 0, TOOL_NUMBER, OPTION(hidden_dropout), "P", NULL, NULL, 0, 1},
    {"attention-dropout", 0, TOOL_NUMBER, OPTION(attention_dropout), "P", NULL, NULL, 0, 1},
    {"activation-dropout", 0, TOOL_NUMBER, OPTION(activation_dropout), "P", NULL, NULL, 0, 1},
    {"feature-dropout", 0, TOOL_NUMBER, OPTION(feature_dropout), "P", "after the feature projection (the model's)", NULL, 0, 1},
    {"final-dropout", 0, TOOL_NUMBER, OPTION(final_dropout), "P", NULL, NULL, 0, 1},
    {"layer-drop", 0, TOOL_NUMBER, OPTION(layer_drop), "P", "share of layers skipped (the model's)", NULL, 0, 1},
    {"mask-time-prob", 0, TOOL_NUMBER, OPTION(mask_time_prob), "P", "SpecAugment: share of frames masked (the model's)", NULL,
     0, 1},
    {"mask-time-length", 0, TOOL_COUNT, OPTION(mask_time_length), "N", "frames of a mask", NULL, 1, 65536},
    {"mask-feature-prob", 0, TOOL_NUMBER, OPTION(mask_feature_prob), "P", "share of channels masked (the model's)", NULL, 0, 1},
    {"mask-feature-length", 0, TOOL_COUNT, OPTION(mask_feature_length), "N", "channels of a mask", NULL, 1, 65536},

    {"gain", 0, TOOL_NUMBER, OPTION(gain), "DB", "augmentation: level changed by up to DB (0)", NULL, 0, 60},
    {"noise", 0, TOOL_NUMBER, OPTION(noise), "P", "share of recordings that get coloured noise (0)", NULL, 0, 1},
    {"noise-snr", 0, TOOL_TEXT, OPTION(noise_snr), "LOW:HIGH", "its signal-to-noise ratio in dB (5:30)", NULL, 0, 0},
    {"speed", 0, TOOL_NUMBER, OPTION(speed), "X", "speed changed by up to X, 0.1: 0.9 to 1.1 (0)", NULL, 0, 0.5},
    {"pitch", 0, TOOL_NUMBER, OPTION(pitch), "N", "pitch changed by up to N semitones (0)", NULL, 0, 12},
    {"equalise", 0, TOOL_NUMBER, OPTION(equalise), "DB", "another microphone: four bands changed by up to DB each (0)", NULL, 0,
     40},

    {"audio", 0, TOOL_TEXT, OPTION(audio), "DIR", "where the list's paths begin (the list's folder)", NULL, 0, 0},
    {"dev-speakers", 0, TOOL_TEXT, OPTION(dev_speakers), "A,B,...", "recordings of these are the dev split", NULL, 0, 0},
    {"test-speakers", 0, TOOL_TEXT, OPTION(test_speakers), "A,B,...", "recordings of these are the test split", NULL, 0, 0},
    {"strict", 0, TOOL_FLAG, OPTION(strict), NULL, "a recording that cannot be read ends the run before it starts", NULL, 0, 0},
    {"decoders", 0, TOOL_COUNT, OPTION(decoders), "N", "threads that read recordings in the background (2)", NULL, 1, 256},
    {"cache", 0, TOOL_COUNT, OPTION(cache_mib), "MIB", "memory for decoded recordings (2048)", NULL, 0, 1e9},
    {"save-minutes", 0, TOOL_NUMBER, OPTION(save_minutes), "X",
     "save the state at least so often, beside the ends of epochs\n(15; 0: after every step)", NULL, 0, 1e6},
    {"threads", 't', TOOL_COUNT, OPTION(threads), "N", "threads that compute (one per CPU)", NULL, 1, 4096},
    {"precision", 0, TOOL_CHOICE, OPTION(precision), NULL,
     "bf16: linear layers and the CNN round what they multiply, forward and\nback; weights, gradients "
     "and sums stay f32 (f32)", "f32|bf16", 0, 0},
    {"cpu", 0, TOOL_TEXT, OPTION(cpu), "TIER", "force a kernel tier: portable, avx2, avx512 or neon; avx512-amx: without\nAMX", NULL,
     0, 0},
    {"quiet", 'q', TOOL_FLAG, OPTION(quiet), NULL, "no progress and no notes", NULL, 0, 0},
    {0},
};

static const tool_program program = {
    "train",
    "--init DIR --data LIST --out DIR [options]",
    "Fine-tunes WavLM for speech emotion recognition: weighted average of the layers, pooling,\n"
    "conditioning, AdamW, the CNN frozen. What is not asked for is off: constant rate, no clipping,\n"
    "no augmentation, one rate for every parameter. Dropouts are those of the model's config.json.\n\n"
    "The best model by macro-F1 on the dev split is kept in OUT/best, the last in OUT/last, both as\n"
    "folders that infer and Hugging Face read. SIGTERM and SIGINT save and leave; --resume goes on.\n\n"
    "Exit status: 0 done; 1 wrong usage; 2 the model or the data cannot be loaded; 3 the training failed;\n"
    "128 + the signal's number when it was stopped.",
    options,
};

/* ---- Recipes ---- */

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
    if (tool_options_parse(&program, count + 1, argv, &scratch, &operands, &action, &cause))
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

/* argv with the recipe's options before the command line's; what it is made of is o's. */
static eng_status expand_recipe(train_options *o, int *argc, char ***argv, eng_error *err)
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

/* ---- Checks ---- */

static bool read_range(const char *text, double *low, double *high)
{
    char *end;
    if (!text) return true;
    *low = strtod(text, &end);
    if (end == text || *end != ':') return false;
    const char *second = end + 1;
    *high = strtod(second, &end);
    return end != second && !*end && isfinite(*low) && isfinite(*high) && *low <= *high;
}

static eng_status check(train_options *o, size_t operands, char **argv, eng_error *err)
{
    if (operands)
        return eng_fail(err, ENG_E_USAGE, "what is \"%s\"? Recordings are named by --data LIST", argv[1]);
    if (!o->init) return eng_fail(err, ENG_E_USAGE, "no model to begin with: give --init DIR (--help shows all options)");
    if (!o->data) return eng_fail(err, ENG_E_USAGE, "no recordings: give --data LIST");
    if (!o->out) return eng_fail(err, ENG_E_USAGE, "no place for the results: give --out DIR");
    if (!read_range(o->noise_snr, &o->snr_low, &o->snr_high))
        return eng_fail(err, ENG_E_USAGE, "--noise-snr: expected LOW:HIGH in dB, found \"%s\"", o->noise_snr);
    if (!read_range(o->range, &o->range_low, &o->range_high) || o->range_low >= o->range_high)
        return eng_fail(err, ENG_E_USAGE, "--attribute-range: expected LOW:HIGH, found \"%s\"", o->range);
    if (o->soft_labels && o->loss != TRAIN_CROSS_ENTROPY && o->loss != TRAIN_FOCAL)
        return eng_fail(err, ENG_E_USAGE, "--soft-labels needs --loss cross-entropy or focal");
    if (o->loss == TRAIN_CCC && (o->class_weights || o->label_smoothing > 0))
        return eng_fail(err, ENG_E_USAGE, "%s is of classes; --loss ccc has none",
                        o->class_weights ? "--class-weights" : "--label-smoothing");
    if (o->loss == TRAIN_CCC && o->batch_size == 1)
        return eng_fail(err, ENG_E_USAGE,
                        "--loss ccc compares the recordings of a batch: --batch-size expected at least 2, found 1");
    if (o->text_conditioning != TRAIN_UNSET && o->text_conditioning != MDL_COND_NONE && !o->text)
        return eng_fail(err, ENG_E_USAGE, "--text-conditioning needs sentence embeddings: give --text-embeddings FILE");
    if (isnan(o->head_lr)) o->head_lr = o->lr;
    return ENG_OK;
}

bool train_options_start(int argc, char **argv, train_options *o, int *exit_status)
{
    *o = (train_options){.pooling = TRAIN_UNSET, .gender = TRAIN_UNSET, .text_conditioning = TRAIN_UNSET, .epochs = 20,
                         .batch_size = 8, .accumulate = 1, .seed = 1, .decoders = 2, .cache_mib = 2048, .crop = 12,
                         .lr = 1e-5, .head_lr = NAN, .weight_decay = 0.01, .focal_gamma = 2, .dropout = NAN,
                         .hidden_dropout = NAN, .attention_dropout = NAN, .activation_dropout = NAN,
                         .feature_dropout = NAN, .final_dropout = NAN, .layer_drop = NAN, .mask_time_prob = NAN,
                         .mask_feature_prob = NAN, .save_minutes = 15, .snr_low = 5, .snr_high = 30, .range_low = 1,
                         .range_high = 7};
    eng_error err = {0};
    size_t operands;
    if (expand_recipe(o, &argc, &argv, &err)) {
        fprintf(stderr, "train: %s\n", err.message);
        *exit_status = 1;
        return false;
    }
    if (!tool_options_start(&program, argc, argv, o, &operands, exit_status)) return false;
    if (!check(o, operands, argv, &err)) return true;
    fprintf(stderr, "train: %s\n", err.message);
    *exit_status = 1;
    return false;
}

void train_options_end(train_options *o)
{
    eng_free(o->recipe_text);
    eng_free(o->recipe_arguments);
    *o = (train_options){0};
}

/* ---- Texts, to resume by ---- */

/* Options that change no bit of the result: where things lie, how fast, what is shown. */
static bool is_result(const char *name, bool length)
{
    static const char *const others[] = {"recipe", "out", "resume", "strict", "decoders", "cache", "save-minutes",
                                         "threads", "quiet", "audio", NULL};
    static const char *const lengths[] = {"epochs", "steps", "patience", NULL};
    for (size_t i = 0; others[i]; i++)
        if (strcmp(name, others[i]) == 0) return false;
    for (size_t i = 0; lengths[i]; i++)
        if (strcmp(name, lengths[i]) == 0) return length;
    return true;
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
    for (const tool_option *option = options; option->name; option++) {
        int n = option_line(option, o, line, sizeof line);
        size += (size_t)n;
    }
    char *text = eng_alloc(size, 1);
    if (!text) return NULL;
    text[0] = '\0';
    for (const tool_option *option = options; option->name; option++)
        if (is_result(option->name, length)) used += (size_t)option_line(option, o, text + used, size - used);
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

/* ---- Rates ---- */

static void override_rate(double *rate, double asked)
{
    if (!isnan(asked)) *rate = asked;
}

mdl_regularisation train_options_rates(const train_options *o, const mdl_regularisation *config)
{
    mdl_regularisation r = *config;
    if (o->dropout == 0) {
        r.hidden_dropout = r.attention_dropout = r.activation_dropout = r.feature_dropout = r.final_dropout = 0;
        r.layer_drop = r.mask_time_prob = r.mask_feature_prob = 0;
        r.mask_time_min = r.mask_feature_min = 0;
    } else if (!isnan(o->dropout)) {
        r.hidden_dropout = r.attention_dropout = r.activation_dropout = r.final_dropout = o->dropout;
    }
    override_rate(&r.hidden_dropout, o->hidden_dropout);
    override_rate(&r.attention_dropout, o->attention_dropout);
    override_rate(&r.activation_dropout, o->activation_dropout);
    override_rate(&r.feature_dropout, o->feature_dropout);
    override_rate(&r.final_dropout, o->final_dropout);
    override_rate(&r.layer_drop, o->layer_drop);
    override_rate(&r.mask_time_prob, o->mask_time_prob);
    override_rate(&r.mask_feature_prob, o->mask_feature_prob);
    if (o->mask_time_length) r.mask_time_length = o->mask_time_length;
    if (o->mask_feature_length) r.mask_feature_length = o->mask_feature_length;
    return r;
}

mdl_augmentation train_options_augmentation(const train_options *o)
{
    return (mdl_augmentation){.gain_db = o->gain, .noise_prob = o->noise, .snr_low = o->snr_low, .snr_high = o->snr_high,
                              .speed = o->speed, .pitch = o->pitch, .equalise_db = o->equalise};
}
