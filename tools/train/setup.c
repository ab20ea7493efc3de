#include "tools/train/setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "engine/memory.h"
#include "model/checkpoint/create.h"
#include "model/tier.h"
#include "tools/common/list.h"
#include "weights/checkpoint.h"

enum { EXIT_LOAD = 2 };

static const char *const attribute_names[TRAIN_ATTRIBUTES] = {"arousal", "dominance", "valence"};

static int complain(const train_run *r, const eng_error *err)
{
    if (r->leads) fprintf(stderr, "train: %s\n", err->message);
    return EXIT_LOAD;
}

/* ---- Data ---- */

/* Notes, but with --strict the error itself. */
static void report_broken(void *arg, const char *message)
{
    const train_run *r = arg;
    if (r->o->strict && r->leads) fprintf(stderr, "train: %s\n", message);
    else train_say(r, "%s", message);
}

/* classes: the model's that the data are to have, or 0: those that the data name. */
static eng_status load_data(train_run *r, size_t classes, const char *const *names, eng_error *err)
{
    const train_options *o = r->o;
    train_data_options d = {.path = o->data,
                            .classes = classes,
                            .class_names = names,
                            .audio = o->audio,
                            .dev_speakers = o->dev_speakers,
                            .test_speakers = o->test_speakers,
                            .attributes = o->loss == TRAIN_CCC,
                            .votes = o->soft_labels,
                            .cache_bytes = (size_t)o->cache_mib << 20};
    return train_data_load(&d, &r->data, err);
}

static eng_status scan_data(train_run *r, eng_error *err)
{
    size_t broken;
    eng_status status = train_data_scan(&r->data, r->ranks, r->o->threads ? r->o->threads : eng_cpu_count(),
                                        mdl_config_min_samples(&r->m->config), report_broken, r, &broken, err);
    if (status) return status;
    if (broken && r->o->strict)
        return eng_fail(err, ENG_E_FORMAT, "%s: %zu of %zu recordings cannot be read (named above), and --strict was given",
                        r->o->data, broken, r->data.count);
    if (broken) train_say(r, "%zu of %zu recordings cannot be read and are left out", broken, r->data.count);
    return ENG_OK;
}

/* ---- Model ---- */

/* Puts before the error that a class of the data is none of the model's where the data have it. */
static eng_status name_line(const train_run *r, size_t class, eng_error *err)
{
    for (size_t i = 0; i < r->data.count; i++) {
        eng_error cause = *err;
        if (r->data.example[i].label == class)
            return eng_fail(err, err->status, "%s: line %zu: emotion '%s': %s", r->o->data, r->data.example[i].line,
                            r->data.class_name[class], cause.message);
    }
    return err->status;
}

static eng_status create_model(train_run *r, eng_error *err)
{
    const train_options *o = r->o;
    mdl_pooling pooling = (mdl_pooling)o->pooling;
    mdl_conditioning gender = (mdl_conditioning)o->gender, text = (mdl_conditioning)o->text_conditioning;
    bool values = o->loss == TRAIN_CCC;
    size_t unknown = SIZE_MAX;
    mdl_head_request want = {.labels = values ? TRAIN_ATTRIBUTES : r->data.classes,
                             .label = values ? attribute_names : r->data.class_name,
                             .regression = values,
                             .pooling = o->pooling == TRAIN_UNSET ? NULL : &pooling,
                             .gender = o->gender == TRAIN_UNSET ? NULL : &gender,
                             .text = o->text_conditioning == TRAIN_UNSET ? NULL : &text,
                             .projection = (size_t)o->projection,
                             .renew = o->new_head,
                             .unknown = &unknown};
    wts_checkpoint embeddings = {0};
    eng_status status = o->text ? wts_checkpoint_open(o->text, &embeddings, err) : ENG_OK;
    if (status) return status;
    if (embeddings.count) want.text_size = embeddings.tensors[0].count;
    status = mdl_model_create(o->init, &want, o->seed, &r->ctx.k, r->pool, &r->m, &r->new_head, &r->random_backbone, err);
    if (o->text) wts_checkpoint_close(&embeddings);
    return status && !values && unknown < r->data.classes ? name_line(r, unknown, err) : status;
}

/* What is trained, and how fast. */
static void choose_parameters(train_run *r)
{
    const train_options *o = r->o;
    mdl_params *p = &r->m->params;
    r->m->train_encoder = o->train_feature_encoder;
    r->rates = train_options_rates(o, &r->m->config.regularisation);
    mdl_params_freeze(p, "wavlm.feature_extractor.", !o->train_feature_encoder);
    mdl_params_freeze(p, "wavlm.masked_spec_embed", !(r->rates.mask_time_prob > 0));
    mdl_params_set_rate(p, "", o->head_lr);
    mdl_params_set_rate(p, "wavlm.", o->lr);
}

/* ---- Labels ---- */

static eng_status match_classes(train_run *r, eng_error *err)
{
    r->class_id = eng_alloc(r->data.classes, sizeof *r->class_id);
    if (!r->class_id) return eng_fail(err, ENG_E_MEMORY, "out of memory for classes");
    for (size_t i = 0; i < r->data.classes; i++)
        if (!mdl_find_label(&r->m->config, r->data.class_name[i], &r->class_id[i]))
            return eng_fail(err, ENG_E_MISMATCH, "%s: emotion \"%s\" is not among the model's labels", r->o->data,
                            r->data.class_name[i]);
    return ENG_OK;
}

/* With votes, a class of the model's counts although no recording has it for its emotion, where the list has a column of
 * votes for it. */
static eng_status widen_classes(train_run *r, eng_error *err)
{
    const mdl_config *c = &r->m->config;
    if (!r->o->soft_labels || r->new_head) return ENG_OK;
    const char **names = eng_alloc(c->labels, sizeof *names);
    if (!names) return eng_fail(err, ENG_E_MEMORY, "out of memory for classes");
    size_t count = 0, met = 0;
    for (size_t i = 0; i < c->labels; i++)
        if (train_data_has_column(&r->data, c->label[i])) names[count++] = c->label[i];
    for (size_t i = 0; i < r->data.classes; i++)
        for (size_t j = 0; j < count; j++) met += strcasecmp(names[j], r->data.class_name[i]) == 0;
    eng_status status = ENG_OK;
    if (met == r->data.classes && count > met) {
        train_data_free(&r->data);
        status = load_data(r, count, names, err);
    }
    eng_free(names);
    return status;
}

static eng_status match_attributes(train_run *r, eng_error *err)
{
    static const char *const corpus[TRAIN_ATTRIBUTES] = {"EmoAct", "EmoDom", "EmoVal"};
    const mdl_config *c = &r->m->config;
    r->attribute_of = eng_alloc(c->labels, sizeof *r->attribute_of);
    if (!r->attribute_of) return eng_fail(err, ENG_E_MEMORY, "out of memory for attributes");
    for (size_t i = 0; i < c->labels; i++) {
        size_t found = TRAIN_ATTRIBUTES;
        for (size_t a = 0; a < TRAIN_ATTRIBUTES; a++)
            if (strcasecmp(c->label[i], attribute_names[a]) == 0 || strcasecmp(c->label[i], corpus[a]) == 0) found = a;
        if (found == TRAIN_ATTRIBUTES)
            return eng_fail(err, ENG_E_MISMATCH, "%s: --loss ccc trains arousal, dominance and valence; the model's output "
                            "%zu is \"%s\" (--new-head replaces them)", r->o->init, i, c->label[i]);
        r->attribute_of[i] = found;
    }
    return ENG_OK;
}

/* n / (classes * n of the class), as scikit-learn's "balanced"; a class that the training split lacks weighs 0. */
static eng_status weigh_classes(train_run *r, eng_error *err)
{
    size_t labels = r->m->config.labels, total = 0, present = 0;
    if (!r->o->class_weights || r->o->loss == TRAIN_CCC) return ENG_OK;
    r->class_weight = eng_alloc_zero(labels, sizeof *r->class_weight);
    size_t *count = eng_alloc_zero(labels, sizeof *count);
    if (!r->class_weight || !count) {
        eng_free(count);
        return eng_fail(err, ENG_E_MEMORY, "out of memory for class weights");
    }
    for (size_t i = 0; i < r->data.count; i++) {
        if (r->data.example[i].split != TRAIN_TRAIN || r->data.example[i].broken) continue;
        if (count[train_label(r, i)]++ == 0) present++;
        total++;
    }
    for (size_t i = 0; i < labels; i++)
        if (count[i]) r->class_weight[i] = (float)((double)total / ((double)present * (double)count[i]));
    eng_free(count);
    return ENG_OK;
}

/* ---- Conditions ---- */

static eng_status check_genders(const train_run *r, eng_error *err)
{
    size_t first = r->data.count, missing = 0;
    if (r->m->config.gender == MDL_COND_NONE) return ENG_OK;
    for (size_t i = r->data.count; i-- > 0;)
        if (r->data.example[i].gender < 0) first = i, missing++;
    if (!missing) return ENG_OK;
    return eng_fail(err, ENG_E_MISSING, "%s: line %zu: no gender (%zu rows have none); the model is conditioned on it: expected "
                    "female or male in the column gender", r->o->data, r->data.example[first].line, missing);
}

static eng_status load_text(train_run *r, eng_error *err)
{
    const mdl_config *c = &r->m->config;
    if (c->text == MDL_COND_NONE) return ENG_OK;
    if (!r->o->text)
        return eng_fail(err, ENG_E_MISSING, "the model is conditioned on text: give --text-embeddings FILE");
    wts_checkpoint file;
    eng_status status = wts_checkpoint_open(r->o->text, &file, err);
    if (status) return status;
    size_t bytes;
    r->text = eng_mul_size(r->data.count, c->text_size, &bytes) ? eng_alloc(bytes, sizeof *r->text) : NULL;
    if (!r->text) status = eng_fail(err, ENG_E_MEMORY, "out of memory for text embeddings");
    for (size_t i = 0; i < r->data.count && !status; i++) {
        char stem[1024];
        tool_stem(r->data.example[i].file, stem, sizeof stem);
        const wts_tensor *t = wts_checkpoint_find(&file, stem);
        if (!t) status = eng_fail(err, ENG_E_MISSING, "%s: no tensor %s, for %s", r->o->text, stem, r->data.example[i].file);
        else if (t->count != c->text_size)
            status = eng_fail(err, ENG_E_MISMATCH, "%s: tensor %s has %zu numbers; the model expects %zu", r->o->text, stem,
                              t->count, c->text_size);
        else status = wts_tensor_read_f32(t, &r->ctx.k, 0, t->count, r->text + i * c->text_size, err);
    }
    wts_checkpoint_close(&file);
    return status;
}

/* ---- All of it ---- */

static eng_status start_engine(train_run *r, eng_error *err)
{
    eng_arena_init(&r->arena);
    eng_tape_init(&r->tape);
    eng_status status = mdl_choose_tier(r->o->cpu, &r->ctx.k, err);
    if (!status) status = eng_pool_new((size_t)r->o->threads, &r->pool, err);
    r->ctx.pool = r->pool;
    r->ctx.arena = &r->arena;
    return status;
}

static eng_status match_labels(train_run *r, eng_error *err)
{
    if (r->m->config.head == MDL_HEAD_NONE)
        return eng_fail(err, ENG_E_MISMATCH, "%s: the model has no head", r->o->init);
    return r->o->loss == TRAIN_CCC ? match_attributes(r, err) : match_classes(r, err);
}

/* ---- One run ---- */

/* The program itself, where machines are of one kind; else its version. */
static uint64_t hash_program(uint64_t hash)
{
    char bytes[1 << 16];
    FILE *file = fopen("/proc/self/exe", "rb");
    for (size_t n; file && (n = fread(bytes, 1, sizeof bytes, file)) > 0;) hash = train_hash(hash, bytes, n);
    if (file) fclose(file);
    return hash;
}

typedef struct identity {
    char version[32], machine[32];
    uint64_t program, options, data, model;
    unsigned bf16; /* with --precision bf16: how the CPU sums it; else 0 */
} identity;

static eng_status identify(const train_run *r, identity *out, eng_error *err)
{
    struct utsname system = {0};
    char *text = train_options_text(r->o, true);
    if (!text) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    memset(out, 0, sizeof *out);
    snprintf(out->version, sizeof out->version, "%s", WLM_VERSION);
    uname(&system);
    snprintf(out->machine, sizeof out->machine, "%.31s", system.machine);
    out->program = hash_program(TRAIN_HASH_START);
    out->options = train_hash(TRAIN_HASH_START, text, strlen(text));
    out->options = train_hash(out->options, &r->o->save_minutes, sizeof r->o->save_minutes); /* all save together */
    out->data = train_data_fingerprint(&r->data);
    if (r->o->precision && r->ctx.k.bf16_is_fast) out->bf16 = 1 | (r->ctx.k.caps & KERN_CAP_AMX);
    out->model = TRAIN_HASH_START;
    for (size_t i = 0; i < r->m->params.count; i++) {
        const mdl_param *p = &r->m->params.param[i];
        out->model = train_hash(out->model, p->name, strlen(p->name));
        for (size_t j = 0; j < p->count; j += 97) out->model = train_hash(out->model, &p->data[j], sizeof *p->data);
    }
    eng_free(text);
    return ENG_OK;
}

/* Ranks that do not run the same are refused: each with rank 0. */
static eng_status compare_ranks(train_run *r, eng_error *err)
{
    const size_t ranks = eng_ranks_count(r->ranks);
    identity own, *all = eng_alloc(ranks, sizeof *all);
    eng_status status = all ? identify(r, &own, err) : eng_fail(err, ENG_E_MEMORY, "out of memory");
    status = eng_ranks_agree(r->ranks, status, err);
    if (!status) status = train_gather(r, &own, sizeof own, all, err);
    for (size_t i = 1; i < ranks && !status; i++) {
        const identity *a = &all[0], *b = &all[i];
        const bool same_kind = strcmp(a->machine, b->machine) == 0;
        const char *what = strcmp(a->version, b->version) != 0 || (same_kind && a->program != b->program)
                               ? "another train program"
                           : a->options != b->options ? "other options"
                           : a->data != b->data       ? "another data list"
                           : a->model != b->model     ? "another model to begin with"
                           : a->bf16 != b->bf16       ? "another kind of CPU for bf16 (--cpu avx2 is the same on all)"
                                                      : NULL;
        if (what)
            status = eng_fail(err, ENG_E_MISMATCH, "%s has %s than %s", eng_ranks_name(r->ranks, i), what,
                              eng_ranks_name(r->ranks, 0));
    }
    eng_free(all);
    return status;
}

static void note_shards(const train_run *r)
{
    const size_t ranks = eng_ranks_count(r->ranks);
    if (ranks > 1)
        train_say(r, "%zu ranks, %zu shards a step, on %s to %s", ranks, r->shards, eng_ranks_name(r->ranks, 0),
                  eng_ranks_name(r->ranks, ranks - 1));
    if (ranks > 1 && !r->shards_given)
        train_say(r, "--shards was not given: another number of ranks than %zu will give other last digits, unless it has "
                  "--shards %zu", ranks, ranks);
    if (r->o->batch_size && r->o->batch_size < r->shards)
        train_say(r, "a batch of %llu recordings in %zu shards: some ranks have nothing to do", (unsigned long long)r->o->batch_size,
                  r->shards);
}

static eng_status make_exchange(train_run *r, eng_error *err)
{
    const mdl_exchange_options o = {.ranks = r->ranks, .shards = r->shards, .bf16 = r->o->exchange == 1};
    eng_status status = mdl_exchange_new(&o, &r->m->params, r->m->config.layers, &r->ctx.k, &r->exchange, err);
    if (status) return status;
    const mdl_span *own = mdl_exchange_own(r->exchange);
    status = mdl_optimizer_init(&r->optimizer, &r->m->params, own, err);
    return status || !(r->o->ema > 0) ? status : mdl_average_init(&r->average, &r->m->params, own, err);
}

int train_setup(train_run *r)
{
    eng_error err = {0};
    r->log.fd = -1;
    r->augmentation = train_options_augmentation(r->o);
    eng_status status = eng_ranks_agree(r->ranks, start_engine(r, &err), &err);
    if (status) {
        complain(r, &err);
        return status == ENG_E_USAGE ? 1 : EXIT_LOAD;
    }
    status = load_data(r, 0, NULL, &err);
    if (!status) status = create_model(r, &err);
    if (!status) status = widen_classes(r, &err);
    if (!status) status = match_labels(r, &err);
    if (!status) status = check_genders(r, &err);
    if (!status) status = load_text(r, &err);
    status = eng_ranks_agree(r->ranks, status, &err);
    if (!status) status = compare_ranks(r, &err);
    if (!status) status = scan_data(r, &err);
    if (!status) status = weigh_classes(r, &err);
    if (!status) {
        choose_parameters(r);
        status = make_exchange(r, &err);
    }
    status = eng_ranks_agree(r->ranks, status, &err);
    if (!status) note_shards(r);
    if (status) complain(r, &err);
    return status ? EXIT_LOAD : 0;
}

void train_teardown(train_run *r)
{
    train_feed_close(r->feed);
    train_log_close(&r->log);
    mdl_exchange_free(r->exchange);
    mdl_optimizer_fini(&r->optimizer);
    mdl_average_fini(&r->average);
    eng_free(r->class_id);
    eng_free(r->attribute_of);
    eng_free(r->class_weight);
    eng_free(r->text);
    mdl_model_free(r->m);
    train_data_free(&r->data);
    eng_tape_fini(&r->tape);
    eng_pool_free(r->pool);
    eng_arena_fini(&r->arena);
}
