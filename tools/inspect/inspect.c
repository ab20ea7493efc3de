/* inspect: what is this checkpoint? Lists what the project takes it for, its configuration and its tensors. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "tools/common/options.h"
#include "weights/folder.h"
#include "weights/names.h"
#include "weights/panels.h"

typedef struct settings {
    bool json;
} settings;

static const tool_option options[] = {
    {.name = "json", .kind = TOOL_FLAG, .offset = offsetof(settings, json), .help = "one JSON object instead of text"},
    {0},
};

static const tool_program program = {
    .name = "inspect",
    .usage = "[--json] PATH",
    .summary =
        "Says what a checkpoint is: the model, its configuration, every tensor. PATH is a folder as Hugging Face\n"
        "writes it, or a checkpoint file. Exit status: 0 done, 1 wrong usage, 2 it cannot be read.",
    .options = options,
};

/* All that is known of one model on disk. */
typedef struct subject {
    wts_folder folder;
    wts_checkpoint file;
    wts_doc *config_doc;
    const wts_value *config; /* config.json, else a checkpoint's own; or NULL */
    wts_layout layout;
    wts_panels panels;
    wts_name_map map;
} subject;

typedef struct mix {
    const char *dtype;
    size_t tensors, elements;
} mix;

enum { MAX_MIX = 32 }; /* more dtypes than that are counted together in the last */

/* ---- Printing ---- */

static void print_string(const char *text)
{
    char small[256];
    size_t length = wts_json_quote(small, sizeof small, text);
    char *large = length < sizeof small ? NULL : eng_alloc(length + 1, 1);
    if (large) wts_json_quote(large, length + 1, text);
    fputs(large ? large : small, stdout);
    eng_free(large);
}

/* Without the quotes, but with the escapes: a name may hold anything. */
static void print_name(const char *name)
{
    char quoted[1600];
    size_t length = wts_json_quote(quoted, sizeof quoted, name);
    if (length >= sizeof quoted) length = sizeof quoted - 1;
    printf("%.*s", (int)length - 2, quoted + 1);
}

/* With as few digits as give the same number again. */
static void print_number(double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    fputs(isfinite(number) ? text : "null", stdout); /* JSON has no other word for NaN */
}

static void print_value(const wts_value *v)
{
    bool dict = v->kind == WTS_DICT;
    switch (v->kind) {
    case WTS_NULL: fputs("null", stdout); break;
    case WTS_BOOL: fputs(v->boolean ? "true" : "false", stdout); break;
    case WTS_INT: printf("%" PRId64, v->integer); break;
    case WTS_FLOAT: print_number(v->number); break;
    case WTS_STRING: print_string(v->text); break;
    case WTS_LIST:
    case WTS_DICT:
        putchar(dict ? '{' : '[');
        for (size_t i = 0; i < v->count; i++) {
            if (i) fputs(", ", stdout);
            if (dict) print_string(v->members[i].key);
            if (dict) fputs(": ", stdout);
            print_value(dict ? &v->members[i].value : &v->items[i]);
        }
        putchar(dict ? '}' : ']');
        break;
    }
}

/* ---- Counting ---- */

static size_t count_mix(const wts_checkpoint *c, mix *m, size_t *elements)
{
    size_t kinds = 0;
    *elements = 0;
    for (size_t i = 0; i < c->count; i++) {
        const wts_tensor *t = &c->tensors[i];
        size_t at = 0;
        while (at < kinds && at < MAX_MIX - 1 && strcmp(m[at].dtype, t->dtype_name) != 0) at++;
        if (at == kinds) m[kinds++] = (mix){.dtype = t->dtype_name};
        m[at].tensors++;
        if (!eng_add_size(m[at].elements, t->count, &m[at].elements)) m[at].elements = SIZE_MAX;
        if (!eng_add_size(*elements, t->count, elements)) *elements = SIZE_MAX;
    }
    return kinds;
}

static const char *container_name(wts_container container)
{
    return container == WTS_SAFETENSORS ? "safetensors" : "torch zip archive";
}

/* ---- Reports ---- */

static void report_text(const subject *s)
{
    mix kinds[MAX_MIX];
    size_t elements, count = count_mix(&s->file, kinds, &elements);
    const char *hint = s->layout == WTS_LAYOUT_UNKNOWN ? wts_layout_hint(&s->file) : NULL;
    printf("model       %s%s%s\n", wts_layout_name(s->layout), hint ? ": it seems to be " : "", hint ? hint : "");
    printf("checkpoint  ");
    print_name(s->file.path);
    printf("\ncontainer   %s\n", container_name(s->file.container));
    if (s->panels.present)
        printf("converted   %s, panels of %zu (version %d)\n", eng_precision_name(s->panels.precision), s->panels.width,
               WTS_PANELS_VERSION);
    printf("tensors     %zu\nparameters  %zu\ndtypes     ", s->file.count, elements);
    for (size_t i = 0; i < count; i++)
        printf("%s %s (%zu tensors, %zu values)", i ? "," : "", kinds[i].dtype, kinds[i].tensors, kinds[i].elements);
    printf("\n\nconfiguration%s\n", !s->config                                 ? ": none"
                                    : s->config == wts_doc_root(s->config_doc) ? " (config.json)"
                                                                               : " (in the checkpoint)");
    for (size_t i = 0; s->config && i < s->config->count && s->config->kind == WTS_DICT; i++) {
        printf("  ");
        print_name(s->config->members[i].key);
        printf(" = ");
        print_value(&s->config->members[i].value);
        putchar('\n');
    }
    printf("\ntensors\n");
    for (size_t i = 0; i < s->file.count; i++) {
        const wts_tensor *t = &s->file.tensors[i];
        char text[256];
        printf("  ");
        print_name(t->name);
        printf("  %s%s", wts_tensor_describe(t, text, sizeof text), t->contiguous || !t->ndim ? "" : " (strided)");
        if (strcmp(t->name, s->map.names[i]) != 0) {
            printf("  -> ");
            print_name(s->map.names[i]);
        }
        putchar('\n');
    }
}

static void report_json_tensors(const subject *s)
{
    for (size_t i = 0; i < s->file.count; i++) {
        const wts_tensor *t = &s->file.tensors[i];
        fputs(i ? ", {\"name\": " : "{\"name\": ", stdout);
        print_string(t->name);
        printf(", \"canonical\": ");
        print_string(s->map.names[i]);
        printf(", \"dtype\": ");
        print_string(t->dtype_name);
        printf(", \"shape\": [");
        for (size_t j = 0; j < t->ndim; j++) printf("%s%zu", j ? ", " : "", t->shape[j]);
        printf("], \"contiguous\": %s}", t->contiguous ? "true" : "false");
    }
}

static void report_json(const subject *s)
{
    mix kinds[MAX_MIX];
    size_t elements, count = count_mix(&s->file, kinds, &elements);
    const char *hint = s->layout == WTS_LAYOUT_UNKNOWN ? wts_layout_hint(&s->file) : NULL;
    printf("{\"model\": ");
    print_string(wts_layout_name(s->layout));
    printf(", \"known\": %s, \"hint\": ", s->layout == WTS_LAYOUT_UNKNOWN ? "false" : "true");
    if (hint) print_string(hint);
    else fputs("null", stdout);
    printf(", \"checkpoint\": ");
    print_string(s->file.path);
    printf(", \"container\": ");
    print_string(container_name(s->file.container));
    printf(", \"converted\": ");
    if (s->panels.present)
        printf("{\"precision\": \"%s\", \"panel_width\": %zu, \"version\": %d}", eng_precision_name(s->panels.precision),
               s->panels.width, WTS_PANELS_VERSION);
    else fputs("null", stdout);
    printf(", \"tensor_count\": %zu, \"parameters\": %zu, \"dtypes\": {", s->file.count, elements);
    for (size_t i = 0; i < count; i++) {
        if (i) fputs(", ", stdout);
        print_string(kinds[i].dtype);
        printf(": {\"tensors\": %zu, \"values\": %zu}", kinds[i].tensors, kinds[i].elements);
    }
    printf("}, \"config\": ");
    if (s->config) print_value(s->config);
    else fputs("null", stdout);
    printf(", \"tensors\": [");
    report_json_tensors(s);
    printf("]}\n");
}

/* ---- The program ---- */

static eng_status load(subject *s, const char *path, eng_error *err)
{
    eng_status status = wts_folder_resolve(path, &s->folder, err);
    if (status == ENG_OK) status = wts_folder_open(&s->folder, &s->file, err);
    if (status == ENG_OK && s->folder.config) status = wts_json_read(s->folder.config, &s->config_doc, err);
    if (status == ENG_OK) status = wts_panels_read(&s->file, &s->panels, err);
    if (status != ENG_OK) return status;
    const wts_value *root = wts_doc_root(s->config_doc);
    s->layout = wts_layout_detect(&s->file, root);
    const wts_value *own = s->file.container == WTS_TORCH_ZIP ? wts_value_get(s->file.extra, "cfg") : NULL;
    s->config = own && (!root || s->layout == WTS_LAYOUT_MICROSOFT) ? own : root; /* as the model is loaded */
    return wts_name_map_init(&s->map, &s->file, s->layout, err);
}

static void unload(subject *s)
{
    wts_name_map_fini(&s->map);
    wts_doc_free(s->config_doc);
    wts_checkpoint_close(&s->file);
    wts_folder_fini(&s->folder);
}

int main(int argc, char **argv)
{
    settings set = {0};
    size_t operands;
    int exit_status;
    if (!tool_options_start(&program, argc, argv, &set, &operands, &exit_status)) return exit_status;
    if (operands != 1) {
        fprintf(stderr, "inspect: one PATH is needed, %zu were given; see --help\n", operands);
        return 1;
    }
    subject s = {0};
    eng_error err = {0};
    eng_status status = load(&s, argv[1], &err);
    if (status == ENG_OK && set.json) report_json(&s);
    else if (status == ENG_OK) report_text(&s);
    else fprintf(stderr, "inspect: %s\n", err.message);
    unload(&s);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "inspect: cannot write to stdout\n");
        return 2;
    }
    return status == ENG_OK ? 0 : 2;
}
