#include "bench/work/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "model/checkpoint/create.h"
#include "weights/folder.h"

/* ---- Cases ---- */

size_t bench_cases(const bench_run *run, size_t n_usual, const bench_case *usual, bench_case *out)
{
    const bench_options *o = run->options;
    size_t n = 0;
    for (size_t i = 0; !o->seconds && i < n_usual; i++) {
        out[n++] = usual[i];
        if (o->batch) out[i].batch = (size_t)o->batch;
    }
    for (const char *at = o->seconds; at; n++) {
        char *end;
        double seconds = strtod(at, &end);
        if (n == BENCH_MOST_LENGTHS || end == at || !(seconds > 0 && seconds <= 3600) || (*end && *end != ',')) {
            fprintf(stderr, "bench: --seconds: expected up to %d lengths up to 3600, as 1,3,10; found %s\n",
                    BENCH_MOST_LENGTHS, o->seconds);
            return 0;
        }
        out[n] = (bench_case){o->batch ? (size_t)o->batch : 1, seconds};
        at = *end ? end + 1 : NULL;
    }
    return n;
}

/* ---- Models ---- */

typedef struct preset {
    const char *name, *config;
} preset;

/* What sets the released models' config.json apart from transformers.WavLMConfig's defaults; Base and Base+ are those. */
static const preset presets[] = {
    {"large", "{\"hidden_size\": 1024, \"num_hidden_layers\": 24, \"num_attention_heads\": 16, \"intermediate_size\": 4096, "
              "\"feat_extract_norm\": \"layer\", \"do_stable_layer_norm\": true}"},
    {"base", "{}"},
    {"base-plus", "{}"},
};

static const char *find_preset(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0) return presets[i].config;
    return NULL;
}

static const char *const labels[] = {"angry", "happy", "neutral", "sad"};
static const mdl_head_request new_head = {.labels = 4, .label = labels, .renew = true};

const eng_precision *bench_precision(const bench_run *run, eng_precision *asked)
{
    if (run->options->precision == SIZE_MAX) return NULL;
    *asked = (eng_precision)run->options->precision;
    return asked;
}

static eng_status open_random(bench_run *run, const char *name, wts_doc *config, bool trainable,
                              const eng_precision *precision, const kern_table *k, mdl_model **out, eng_error *err)
{
    return mdl_model_random(name, wts_doc_root(config), trainable ? &new_head : NULL, trainable,
                            precision ? *precision : ENG_F32, run->options->allow_bf16, BENCH_SEED, k, run->ctx.pool, out, err);
}

static eng_status open_path(bench_run *run, const char *path, bool trainable, const eng_precision *precision,
                            const kern_table *k, mdl_model **out, eng_error *err)
{
    bool fresh, random;
    if (trainable)
        return mdl_model_create(path, &new_head, BENCH_SEED, k, run->ctx.pool, out, &fresh, &random, err);
    wts_folder folder;
    eng_status status = wts_folder_find(path, &folder, err);
    if (status) return status;
    if (folder.checkpoint) {
        status = mdl_model_load(path, precision, run->options->allow_bf16, k, run->ctx.pool, out, err);
    } else {
        wts_doc *config;
        status = wts_json_read(folder.config, &config, err);
        if (!status) {
            status = open_random(run, path, config, false, precision, k, out, err);
            wts_doc_free(config);
        }
    }
    wts_folder_fini(&folder);
    return status;
}

eng_status bench_open(bench_run *run, const char *name, bool trainable, const eng_precision *precision,
                      const kern_table *k, mdl_model **out, eng_error *err)
{
    *out = NULL;
    const char *text = find_preset(name);
    if (!text) return open_path(run, name, trainable, precision, k, out, err);
    wts_doc *config;
    eng_status status = wts_json_parse(name, text, strlen(text), &config, err);
    if (status) return status;
    status = open_random(run, name, config, trainable, precision, k, out, err);
    wts_doc_free(config);
    return status;
}

/* ---- Batches ---- */

eng_status bench_noise_init(const mdl_model *m, bench_case what, bench_noise *out, eng_error *err)
{
    const mdl_config *c = &m->config;
    const size_t samples = (size_t)llround(what.seconds * 16000);
    *out = (bench_noise){.n = what.batch, .samples = samples};
    if (samples < mdl_config_min_samples(c))
        return eng_fail(err, ENG_E_USAGE, "%s: %g s are %zu samples; the model needs at least %zu", m->path, what.seconds,
                        samples, mdl_config_min_samples(c));
    out->wave = eng_alloc(what.batch * samples, sizeof *out->wave);
    out->text = c->text_size ? eng_alloc_zero(c->text_size, sizeof *out->text) : NULL;
    out->inputs = eng_alloc(what.batch, sizeof *out->inputs);
    if (!out->wave || !out->inputs || (c->text_size && !out->text))
        return eng_fail(err, ENG_E_MEMORY, "out of memory for a batch of %zu x %zu samples", what.batch, samples);
    bench_fill(what.batch * samples, out->wave, BENCH_SEED);
    for (size_t u = 0; u < what.batch; u++)
        out->inputs[u] = (mdl_input){out->wave + u * samples, samples, c->female, out->text};
    return ENG_OK;
}

void bench_noise_fini(bench_noise *noise)
{
    eng_free(noise->wave);
    eng_free(noise->text);
    eng_free(noise->inputs);
    *noise = (bench_noise){0};
}

/* ---- Memory ---- */

void bench_reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    fputs("5", f); /* proc(5): resets VmHWM */
    fclose(f);
}

/* VmHWM is what bench_reset_peak resets; getrusage's peak stays. */
size_t bench_peak_bytes(void)
{
    char line[256];
    size_t kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && !kilobytes && fgets(line, sizeof line, f)) sscanf(line, "VmHWM: %zu", &kilobytes);
    if (f) fclose(f);
    struct rusage usage;
    if (!kilobytes && getrusage(RUSAGE_SELF, &usage) == 0) kilobytes = (size_t)usage.ru_maxrss;
    return kilobytes * 1024;
}
