/* train: fine-tunes a model, and goes on where it was stopped. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/memory.h"
#include "model/checkpoint/save.h"
#include "tools/train/report/report.h"
#include "tools/train/setup.h"

enum { EXIT_USAGE = 1, EXIT_LOAD = 2, EXIT_TRAINING = 3 };
enum { LEAST_SECONDS_BETWEEN_SAVES = 60 };

/* The signal that asked to stop. */
static volatile int stop_signal;

static void note_signal(int number)
{
    stop_signal = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL); /* a scheduler's warning */
    signal(SIGXFSZ, SIG_IGN); /* a write that fails says so itself */
    signal(SIGPIPE, SIG_IGN);
}

/* What all ranks found wrong, or agreed on, is said by one. */
static int complain(const train_run *r, int status, const char *message)
{
    if (r->leads) fprintf(stderr, "%strain: %s\n", train_shows_progress(r) ? "\r\033[K" : "", message);
    return status;
}

/* ---- Progress ---- */

static size_t steps_of_epoch(const train_run *r, size_t epoch)
{
    return (train_feed_batches(r->feed, epoch) + r->o->accumulate - 1) / r->o->accumulate;
}

static size_t count_steps(const train_run *r)
{
    if (r->o->steps) return (size_t)r->o->steps;
    size_t first = steps_of_epoch(r, 0), all = first;
    if (r->o->batch_seconds <= 0) return first * (size_t)r->o->epochs; /* as many in each */
    for (size_t epoch = 1; epoch < r->o->epochs; epoch++) all += steps_of_epoch(r, epoch);
    return all;
}

static void show_progress(const train_run *r, const train_step_line *line, size_t first)
{
    if (!train_shows_progress(r)) return;
    double elapsed = eng_now() - r->started, done = (double)(line->step - first);
    double left = elapsed / done * (double)(r->total_steps - line->step);
    fprintf(stderr, "\repoch %zu", line->epoch);
    if (!r->o->steps) fprintf(stderr, "/%llu", (unsigned long long)r->o->epochs);
    fprintf(stderr, " step %zu/%zu  loss %.4f  rate %.3g  %.1f s of audio a second", line->step, r->total_steps, line->loss,
            line->rate, r->seconds_since / elapsed);
    if (eng_ranks_count(r->ranks) > 1)
        fprintf(stderr, "  ranks wait %.0f to %.0f %%", 100 * r->waited_least / elapsed, 100 * r->waited_most / elapsed);
    fprintf(stderr, "  %d:%02d:%02d left\033[K", (int)(left / 3600), (int)(left / 60) % 60, (int)left % 60);
}

/* ---- Saving ---- */

/* Puts the average of the weights in their place, on all ranks; once more: back. Without --ema the weights are there. */
static void swap_average(train_run *r)
{
    mdl_exchange_settle(r->exchange);
    if (!r->average.value) return;
    mdl_average_swap(&r->average, &r->m->params);
    mdl_exchange_share(r->exchange);
}

static eng_status save_model(train_run *r, const char *name, eng_error *err)
{
    char path[4096];
    eng_status status = ENG_OK;
    swap_average(r);
    if (r->leads) status = mdl_model_save(r->m, train_path(r, name, path, sizeof path), err);
    swap_average(r);
    return eng_ranks_agree(r->ranks, status, err);
}

/* The last model, then the state, which is what a resumed run begins with. */
static eng_status save_all(train_run *r, eng_error *err)
{
    eng_ranks_set_work(r->ranks, "saving the state");
    eng_status status = save_model(r, "last", err);
    return status ? status : train_state_save(r, err);
}

static eng_status write_recipe(const train_run *r, eng_error *err)
{
    char path[4096], *text = train_options_text(r->o, true);
    if (!text) return eng_fail(err, ENG_E_MEMORY, "out of memory for recipe.txt");
    eng_status status = mdl_write_text(train_path(r, "recipe.txt", path, sizeof path), text, strlen(text), err);
    eng_free(text);
    return status;
}

/* ---- The run ---- */

static bool has_split(const train_run *r, train_split split)
{
    for (size_t i = 0; i < r->data.count; i++)
        if (r->data.example[i].split == split && !r->data.example[i].broken) return true;
    return false;
}

static eng_status open_feed(train_run *r, eng_error *err)
{
    const train_options *o = r->o;
    train_feed_options f = {.data = &r->data,
                            .split = TRAIN_TRAIN,
                            .batch_size = (size_t)o->batch_size,
                            .batch_seconds = o->batch_seconds,
                            .crop_seconds = o->crop,
                            .shards = r->shards,
                            .own_shards = r->shards / eng_ranks_count(r->ranks),
                            .first_shard = r->shards / eng_ranks_count(r->ranks) * eng_ranks_self(r->ranks),
                            .hold = (size_t)o->accumulate,
                            .shuffle = !o->no_shuffle,
                            .bucket = !o->no_shuffle,
                            .augmentation = &r->augmentation,
                            .seed = o->seed,
                            .threads = (size_t)o->decoders,
                            .cache_bytes = (size_t)o->cache_mib << 20,
                            .min_samples = mdl_config_min_samples(&r->m->config)};
    eng_status status = train_feed_open(&f, r->at.epoch, r->at.batch, &r->feed, err);
    if (!status) r->total_steps = count_steps(r);
    return status;
}

/* report.html, of all that metrics.jsonl has so far. */
static eng_status write_report(const train_run *r, eng_error *err)
{
    char metrics[4096], path[4096], count[128], duration[64];
    size_t frozen = 0, all = 0;
    for (size_t i = 0; i < r->m->params.count; i++) {
        all += r->m->params.param[i].count;
        if (r->m->params.param[i].frozen) frozen += r->m->params.param[i].count;
    }
    snprintf(count, sizeof count, "%zu, of which %zu were trained", all, all - frozen);
    snprintf(duration, sizeof duration, "%zu steps, %zu epochs", r->at.step, r->at.epoch);
    char *options = train_options_text(r->o, true);
    train_report_fact facts[] = {{"Model", r->o->init},    {"Data", r->o->data},
                                 {"Parameters", count},    {"Run", duration},
                                 {"Options", options ? options : ""}};
    eng_status status = train_report_write(train_path(r, "metrics.jsonl", metrics, sizeof metrics),
                                           train_path(r, "report.html", path, sizeof path), r->o->out, facts,
                                           sizeof facts / sizeof *facts, err);
    eng_free(options);
    return status;
}

/* The dev split after r->at.unscored, the epoch; keeps the model when it is the best so far. */
static eng_status evaluate_dev(train_run *r, eng_error *err)
{
    const size_t epoch = r->at.unscored;
    double score;
    swap_average(r);
    eng_status status = train_evaluate(r, r->m, TRAIN_DEV, r->at.step, epoch, &score, err);
    if (status) return status;
    swap_average(r);
    if (!r->stopped) r->at.unscored = 0;
    if (status || isnan(score)) return status;
    if (r->at.best_step && !(score > r->at.best)) {
        r->at.worse++;
    } else {
        r->at.best = score;
        r->at.best_step = r->at.step;
        r->at.best_epoch = epoch;
        r->at.worse = 0;
        status = save_model(r, "best", err);
    }
    if (!status && r->leads) status = write_report(r, err);
    return eng_ranks_agree(r->ranks, status, err);
}

static bool is_done(const train_run *r)
{
    if (r->at.unscored) return false;
    if (!r->o->steps && r->at.epoch >= r->o->epochs) return true; /* fewer steps, where files became unreadable */
    return r->at.step >= r->total_steps || (r->o->patience && r->at.worse >= r->o->patience);
}

/* A step, and whether an evaluation is due behind it (r->at.unscored). first: the step that this process began behind.
 * *unsaved: seconds since the state was saved, by the clock of rank 0. */
static eng_status learn(train_run *r, size_t first, double *unsaved, eng_error *err)
{
    train_step_line line;
    bool taken;
    const train_position before = r->at;
    eng_status status = train_step(r, unsaved, &line, &taken, err);
    if (status || r->stopped) return status;
    r->idle = taken ? 0 : r->idle + 1;
    if (taken) {
        r->seconds_since += line.seconds;
        if (r->leads) status = train_log_step(&r->log, &line, err);
        show_progress(r, &line, first);
    }
    status = eng_ranks_agree(r->ranks, status, err);
    if (!status) status = train_say_skipped(r, r->feed, err);
    if (status) return status;
    if (r->idle && r->at.batch == 0 && r->idle >= steps_of_epoch(r, before.epoch))
        return eng_fail(err, ENG_E_IO, "epoch %zu: none of the recordings can be read any more (what was saved before is intact)",
                        line.epoch);
    if (r->at.batch == 0 || r->at.step >= r->total_steps) r->at.unscored = line.epoch;
    return ENG_OK;
}

/* Until it is done or stopped. */
static eng_status train_all(train_run *r, eng_error *err)
{
    size_t first = r->at.step;
    double saved = eng_now();
    eng_status status = ENG_OK;
    r->started = saved;
    while (!is_done(r) && !r->stopped && !status) {
        double since = eng_now() - saved;
        if (!r->at.unscored) status = learn(r, first, &since, err);
        if (!status && r->at.unscored && !r->stopped) status = evaluate_dev(r, err);
        bool due = since >= 60 * r->o->save_minutes || (r->at.batch == 0 && since >= LEAST_SECONDS_BETWEEN_SAVES);
        if (!status && due && !is_done(r) && !r->stopped) {
            status = save_all(r, err);
            saved = eng_now();
        }
    }
    return status ? status : save_all(r, err);
}

/* The test splits with the best model, as it was saved, unless it is stopped. */
static eng_status evaluate_tests(train_run *r, eng_error *err)
{
    char path[4096];
    mdl_model *best;
    bool dev = r->at.best_step != 0;
    size_t step = dev ? r->at.best_step : r->at.step, epoch = r->at.epoch + (r->at.batch != 0);
    if (dev && r->at.best_epoch) epoch = r->at.best_epoch;
    if (!dev) {
        eng_status status = save_model(r, "best", err);
        if (status) return status;
    }
    bool any = false;
    for (int split = TRAIN_TEST; split < TRAIN_SPLITS; split++) any = any || has_split(r, (train_split)split);
    if (!any) return ENG_OK;
    eng_status status = mdl_model_load(train_path(r, "best", path, sizeof path), NULL, false, &r->ctx.k, r->pool, &best, err);
    status = eng_ranks_agree(r->ranks, status, err);
    for (int split = TRAIN_TEST; split < TRAIN_SPLITS && !status && !r->stopped; split++) {
        double score;
        if (has_split(r, (train_split)split))
            status = train_evaluate(r, best, (train_split)split, step, epoch, &score, err);
    }
    if (!status || best) mdl_model_free(best);
    return status;
}

/* ---- Start ---- */

/* The folder, before anything that takes time. *made: it was not there. */
static eng_status make_folder(const train_run *r, bool *made, eng_error *err)
{
    *made = mkdir(r->o->out, 0777) == 0;
    if (!*made && errno != EEXIST)
        return eng_fail(err, ENG_E_IO, "--out %s: cannot make this folder: %s", r->o->out, strerror(errno));
    struct stat info;
    if (stat(r->o->out, &info) != 0 || !S_ISDIR(info.st_mode))
        return eng_fail(err, ENG_E_IO, "--out %s: there is a file of that name, expected a folder", r->o->out);
    if (train_state_exists(r) && !r->o->resume)
        return eng_fail(err, ENG_E_USAGE, "--out %s: there is a run in it already: --resume goes on with it; or give another --out",
                        r->o->out);
    return ENG_OK;
}

/* By rank 0; the others must find it. */
static int make_out(const train_run *r, bool *made)
{
    eng_error err = {0};
    struct stat info;
    *made = false;
    eng_status status = eng_ranks_agree(r->ranks, r->leads ? make_folder(r, made, &err) : ENG_OK, &err);
    if (!status && stat(r->o->out, &info) != 0)
        status = eng_fail(&err, ENG_E_IO, "--out %s: %s, where %s has it: --out must be a folder that all ranks share", r->o->out,
                          strerror(errno), eng_ranks_name(r->ranks, 0));
    status = eng_ranks_agree(r->ranks, status, &err);
    return status ? complain(r, status == ENG_E_USAGE ? EXIT_USAGE : EXIT_TRAINING, err.message) : 0;
}

static int open_out(train_run *r, eng_error *err)
{
    char path[4096];
    int there = train_state_exists(r);
    eng_status status = eng_ranks_broadcast(r->ranks, 0, &there, sizeof there, err);
    if (status) return complain(r, EXIT_LOAD, err->message);
    if (there && eng_ranks_agree(r->ranks, train_state_load(r, err), err)) return complain(r, EXIT_LOAD, err->message);
    if (r->o->resume && !there) train_say(r, "%s: no state to resume from: beginning at the first step", r->o->out);
    if (there) train_say(r, "resumed behind step %zu (epoch %zu)", r->at.step, r->at.epoch + 1);
    status = eng_ranks_agree(r->ranks, open_feed(r, err), err);
    if (status == ENG_E_USAGE) return complain(r, EXIT_USAGE, err->message);  /* the crop, the augmentation */
    if (status == ENG_E_MISSING) return complain(r, EXIT_LOAD, err->message); /* no recording that can be read */
    if (status) return complain(r, EXIT_TRAINING, err->message);
    if (r->leads) status = train_log_open(&r->log, train_path(r, "metrics.jsonl", path, sizeof path), r->at.log_bytes, err);
    if (r->leads && !status) status = write_recipe(r, err);
    status = eng_ranks_agree(r->ranks, status, err);
    return status ? complain(r, EXIT_TRAINING, err->message) : 0;
}

/* How many recordings of each class a split has: "anger 12, fear 3"; too long a text is cut. */
static const char *count_classes(const train_run *r, train_split split, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t c = 0; c < r->data.classes && used < size; c++) {
        size_t n = 0;
        for (size_t i = 0; i < r->data.count; i++)
            n += r->data.example[i].split == split && r->data.example[i].label == c && !r->data.example[i].broken;
        int more = snprintf(text + used, size - used, "%s%s %zu", c ? ", " : "", r->data.class_name[c], n);
        if (more < 0) break;
        used += (size_t)more;
    }
    return text;
}

static void introduce(const train_run *r)
{
    size_t count[TRAIN_SPLITS] = {0};
    for (size_t i = 0; i < r->data.count; i++) count[r->data.example[i].split] += !r->data.example[i].broken;
    train_say(r, "%zu recordings to train on, %zu dev, %zu test; %zu steps in the first epoch; %s backbone, %s head",
              count[TRAIN_TRAIN], count[TRAIN_DEV],
              count[TRAIN_TEST] + count[TRAIN_TEST1] + count[TRAIN_TEST2] + count[TRAIN_TEST3], steps_of_epoch(r, 0),
              r->random_backbone ? "random" : "loaded", r->new_head ? "new" : "loaded");
    if (r->data.dropped)
        train_say(r, "%zu rows have no label to learn (%s) and are left out", r->data.dropped,
                  r->o->loss == TRAIN_CCC ? "no arousal, dominance or valence" : "X, O, or Test3, whose labels are kept back");
    char text[1024];
    if (r->o->loss != TRAIN_CCC) train_say(r, "classes: %s", count_classes(r, TRAIN_TRAIN, text, sizeof text));
    if (r->o->patience && !count[TRAIN_DEV]) train_say(r, "--patience: no dev split to judge by, so the run goes to its end");
    train_note_options(r);
}

/* What there is to gain by other shards, ranks or machines. */
static void say_waits(const train_run *r)
{
    double elapsed = eng_now() - r->started;
    if (eng_ranks_count(r->ranks) > 1 && elapsed > 0)
        train_say(r, "ranks waited for each other %.1f to %.1f %% of the time; the others waited for %s", 100 * r->waited_least / elapsed,
                  100 * r->waited_most / elapsed, eng_ranks_name(r->ranks, r->slowest));
}

static int run(train_run *r)
{
    eng_error err = {0};
    bool made;
    int status = make_out(r, &made);
    if (status) return status;
    status = train_setup(r);
    if (!status) status = open_out(r, &err);
    if (status && made) rmdir(r->o->out); /* which does nothing when there is something in it */
    if (status) return status;
    introduce(r);
    catch_signals();
    r->stop = &stop_signal;
    if (train_all(r, &err)) return complain(r, EXIT_TRAINING, err.message);
    if (!r->stopped && evaluate_tests(r, &err)) return complain(r, EXIT_TRAINING, err.message);
    if (!r->stopped && eng_ranks_agree(r->ranks, r->leads ? write_report(r, &err) : ENG_OK, &err))
        return complain(r, EXIT_TRAINING, err.message);
    if (r->stopped) {
        train_say(r, "stopped behind step %zu; the same command with --resume goes on", r->at.step);
        return 128 + r->stopped;
    }
    say_waits(r);
    char path[4096];
    train_say(r, "done: %s%s", train_path(r, "best", path, sizeof path),
              r->at.best_step ? " has the best model, last/ the last one; report.html tells the rest"
                              : " has the model (no dev split to choose by: the last step's)");
    return 0;
}

/* How many shards a step has: when they were not given as many as ranks, and several are then part of the run's options, by
 * which it is resumed. understood: whether this rank can read its options; what is wrong it has said. */
static bool choose_shards(train_run *r, train_options *o, bool understood)
{
    const size_t ranks = eng_ranks_count(r->ranks);
    eng_error err = {0};
    eng_status status = understood ? ENG_OK : eng_fail(&err, ENG_E_USAGE, "its options are wrong, as it says itself");
    r->shards_given = o->shards > 0;
    r->shards = r->shards_given ? (size_t)o->shards : ranks;
    o->shards = r->shards > 1 ? r->shards : 0;
    if (understood && r->shards % ranks)
        status = eng_fail(&err, ENG_E_USAGE, "--shards %zu on %zu ranks: expected a multiple, so that each has as many",
                          r->shards, ranks);
    if (eng_ranks_agree(r->ranks, status, &err) && understood) complain(r, EXIT_USAGE, err.message);
    return err.status == ENG_OK;
}

/* The line that a job ends with, when it cannot go on. */
static void report_lost(const char *message)
{
    fprintf(stderr, "%strain: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", message);
}

int main(int argc, char **argv)
{
    static train_options options;
    static train_run r;
    eng_error err = {0};
    int status;
    r.o = &options;
    const bool understood = train_options_start(argc, argv, &options, &status);
    if (understood || (status && eng_ranks_launched() > 1)) {
        if (eng_ranks_open(&argc, &argv, report_lost, &r.ranks, &err)) {
            if (understood) report_lost(err.message);
            status = EXIT_USAGE;
        } else {
            r.leads = eng_ranks_self(r.ranks) == 0;
            if (understood) eng_ranks_set_patience(r.ranks, options.patience_seconds);
            status = choose_shards(&r, &options, understood) ? run(&r) : EXIT_USAGE;
        }
        train_teardown(&r);
        eng_ranks_close(r.ranks);
    }
    train_options_end(&options);
    return status;
}
