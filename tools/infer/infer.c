/* infer: labels recordings with the emotion in them.
 *
 * Inputs become rows (tools/common/list.h), which are decoded, run through the model in batches and written (tools/common/output.h) in
 * their order (tools/infer/infer.h). A row that cannot be labelled gets its error and the others go on. */
#include "tools/infer/infer.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tools/common/options.h"

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
    {"layers", 0, TOOL_TEXT, OPTION(layers), "LIST", "which hidden states --features writes, as 0,12,24 (all)", NULL, 0, 0},
    {"embeddings", 0, TOOL_TEXT, OPTION(embeddings), "FILE",
     "write the vector that the classifier begins with: FILE.npy a row for\neach row of the results, FILE.safetensors a tensor an "
     "input, <name without\nfolder and extension>", NULL, 0, 0},
    {"report", 0, TOOL_TEXT, OPTION(report), "FILE",
     "write a page to look at and listen to, FILE.html: emotions over the\nwaveform, scores, totals", NULL, 0, 0},
    {"report-audio", 0, TOOL_CHOICE, OPTION(report_audio), NULL,
     "how the page has the recordings: by a link to the file (link, the\ndefault), inside, up to --embed-megabytes, or not",
     INFER_REPORT_AUDIO_CHOICES, 0, 0},
    {"embed-megabytes", 0, TOOL_NUMBER, OPTION(embed_megabytes), "N", "what --report-audio embed may take in all (64)", NULL, 0, 1e6},
    {"gender", 'g', TOOL_CHOICE, OPTION(gender), NULL,
     "the speakers' gender, for a model that is conditioned on it; a list's\ncolumn \"gender\" goes before it",
     "unknown|female|male", 0, 0},
    {"text-embeddings", 0, TOOL_TEXT, OPTION(text), "FILE",
     "for a model that is conditioned on text: a safetensors file with, per\ninput, tensor <name without folder and "
     "extension> [size]", NULL, 0, 0},
    {"channels", 0, TOOL_TEXT, OPTION(channels), "mix|split|N",
     "of recordings with several channels: label their mean (mix, the default),\neach one (split), or channel N, from 0",
     NULL, 0, 0},
    {"segment", 's', TOOL_NUMBER, OPTION(segment), "S",
     "cut recordings into segments of S seconds, a row each with start and end;\nthe last ends with the recording", NULL, 0.025,
     86400},
    {"hop", 0, TOOL_NUMBER, OPTION(hop), "S", "how far apart the segments of --segment begin (as long as they are)", NULL, 0.01,
     86400},
    {"shortest", 0, TOOL_NUMBER, OPTION(shortest), "S",
     "a shorter last segment begins earlier, to be so long (1, at most a\nsegment)", NULL, 0, 86400},
    {"segments", 0, TOOL_TEXT, OPTION(segments), "FILE",
     "label the segments in FILE: CSV (file,start,end), RTTM, Audacity labels,\nTextGrid, WebVTT, SRT; or a folder with one of "
     "these a recording. A list\nwith columns start and end needs none", NULL, 0, 0},
    {"live", 0, TOOL_FLAG, OPTION(live), NULL,
     "label standard input while it comes in: a row as soon as its segment has\nended (--segment 4 --hop 1)", NULL, 0, 0},
    {"raw", 0, TOOL_TEXT, OPTION(raw), "FORMAT:RATE[:CHANNELS]",
     "standard input holds samples without a header, as s16le:16000:1 or\nmulaw:8000", NULL, 0, 0},
    {"skip-silence", 0, TOOL_NUMBER, OPTION(skip_silence), "DB",
     "leave out what is quieter than DB below full scale (root mean square), as\n-50 (nothing)", NULL, -200, 0},
    {"longest", 0, TOOL_NUMBER, OPTION(longest), "S",
     "a longer recording that is labelled as one gets a note (60)", NULL, 0, 1e9},
    {"shard", 0, TOOL_TEXT, OPTION(shard), "I/N",
     "csv, tsv, jsonl: label the I-th of N shares of the inputs, 1 to N, of about\nthe same audio where the list has a column "
     "duration; the shares' outputs one\nafter the other are the whole, a header in the first", NULL, 0, 0},
    {"resume", 0, TOOL_FLAG, OPTION(resume), NULL,
     "csv, tsv, jsonl: go on with -o FILE where a run with the same options was\nstopped, or with the inputs that came since it ended", NULL, 0, 0},
    {"errors", 0, TOOL_TEXT, OPTION(errors), "FILE", "also write what could not be labelled to FILE, as CSV", NULL, 0, 0},
    {"summary", 0, TOOL_TEXT, OPTION(summary), "FILE", "write counts, hours, labels and speed to FILE, as JSON", NULL, 0, 0},
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

static eng_status close_report(infer *f, eng_error *err)
{
    char speed[64], audio[64];
    infer_report_fact facts[] = {{"Version", WLM_VERSION},
                                 {"Precision", wlm_model_precision(f->model)},
                                 {"Kernels", wlm_model_cpu(f->model)},
                                 {"Audio", audio},
                                 {"Speed", speed}};
    infer_totals_audio(f->totals, audio, sizeof audio);
    snprintf(speed, sizeof speed, "%.1f times real time", infer_totals_speed(f->totals));
    infer_report *report = f->report;
    f->report = NULL;
    return infer_report_close(report, facts, sizeof facts / sizeof *facts, err);
}

/* Ends what was written beside the rows. */
static eng_status close_others(infer *f, eng_error *err)
{
    eng_status status = ENG_OK;
    if (f->features) status = wts_writer_finish(f->features, err);
    f->features = NULL;
    if (!status && f->embedded) status = wts_writer_finish(f->embedded, err);
    if (!status) f->embedded = NULL;
    if (!status && f->embeddings) {
        status = tool_npy_close(f->embeddings, err);
        f->embeddings = NULL;
    }
    if (!status && f->report) status = close_report(f, err);
    if (!status && f->errors) {
        status = infer_errors_close(f->errors, err);
        f->errors = NULL;
    }
    if (!status && f->o.summary)
        status = infer_totals_write(f->totals, f->o.summary, f->classes, wlm_model_is_regression(f->model) != 0, err);
    return status;
}

/* What of the inputs and of the user's segments did not come together. False: nothing did. */
static bool match_segments(infer *f)
{
    infer_totals *t = f->totals;
    if (!f->segments) return true;
    tool_segments_counts c = tool_segments_count(f->segments);
    bool all = !f->o.shard && !f->done_rows; /* else what is not used here is another run's */
    t->unused = all ? c.unused_recordings : 0;
    t->unused_segments = all ? c.unused_segments : 0;
    bool nothing = t->unnamed && t->unnamed == f->last_row - f->first_row;
    if (f->o.quiet && !nothing) return true;
    if (t->unnamed)
        fprintf(stderr, "infer: %s names no segment of %zu of %zu inputs\n", f->o.segments, t->unnamed, f->last_row - f->first_row);
    if (t->unused)
        fprintf(stderr, "infer: %s has segments of %zu recordings that are no input\n", f->o.segments, t->unused);
    return !nothing;
}

static int label_all(infer *f)
{
    eng_error err = {0};
    eng_status status = infer_totals_init(f->totals, f->last_row - f->first_row, wlm_model_labels(f->model), &err);
    f->totals->done = f->totals->done_before = f->done_rows;
    if (!status) status = infer_line_run(f, &err);
    if (!status) infer_line_close(f);
    bool matched = status || match_segments(f);
    if (!status) status = close_others(f, &err);
    size_t failed = f->totals->failed + f->done_failed; /* the file has them all */
    if (!status) {
        status = tool_output_close(f->out, &err);
        f->out = NULL;
    }
    if (status) return infer_complain(INFER_EXIT_INPUTS, err.message);
    if (!f->o.quiet) infer_totals_say(f->totals, isatty(STDERR_FILENO));
    bool inputs = infer_is_whole(f) && f->channels != CHANNELS_SPLIT;
    size_t rows = inputs ? f->totals->rows : f->totals->failed + f->totals->labelled;
    if (f->totals->failed || (failed && inputs))
        fprintf(stderr, "infer: %zu of %zu %s could not be labelled\n", inputs ? failed : f->totals->failed, rows,
                inputs ? "inputs" : "rows");
    else if (failed)
        fprintf(stderr, "infer: %zu rows could not be labelled before\n", failed);
    return failed || !matched ? INFER_EXIT_INPUTS : 0;
}

static int run(infer *f, size_t inputs, char **argv)
{
    eng_error err = {0};
    int status = infer_plan(f, inputs, argv);
    bool early = !f->o.resume; /* else what there is to read is known when the model is */
    if (!status && early && infer_line_open(f, &err)) /* decodes while the model loads */
        status = infer_complain(INFER_EXIT_INPUTS, err.message);
    if (!status) status = infer_open_model(f);
    if (!status) status = infer_open_files(f);
    if (!status && !early && infer_line_open(f, &err)) status = infer_complain(INFER_EXIT_INPUTS, err.message);
    return status ? status : label_all(f);
}

int main(int argc, char **argv)
{
    static infer_totals totals;
    static infer f = {.o = {.batch_seconds = 30, .precision = INFER_UNSET, .shortest = 1, .longest = 60, .embed_megabytes = 64}, .totals = &totals};
    size_t inputs;
    int status;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so itself */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* who starts us may ignore it, and then ffmpeg's end would not be told */
    if (!tool_options_start(&program, argc, argv, &f.o, &inputs, &status)) return status;
    status = run(&f, inputs, argv);
    tool_output_abandon(f.out);
    wts_writer_abandon(f.features);
    wts_writer_abandon(f.embedded);
    tool_npy_abandon(f.embeddings);
    infer_report_abandon(f.report);
    infer_errors_abandon(f.errors);
    if (f.text.path) wts_checkpoint_close(&f.text);
    wlm_model_close(f.model);
    eng_free(f.classes);
    eng_free(f.layer);
    eng_free(f.done);
    infer_totals_fini(f.totals);
    if (!f.line) { /* else threads may still use them */
        tool_segments_close(f.segments);
        tool_list_free(&f.list);
    }
    return status;
}
