/* What the benchmarks share: options, timing, and the form of a result. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/measure/quiet.h"
#include "engine/context.h"
#include "engine/gemm/gemm.h"
#include "engine/ranks/ranks.h"

/* Set by the command line. */
typedef struct bench_options {
    bool json, markdown, quick;
    const char *thread_list;    /* "1,2"; NULL: one per CPU */
    const char *precision_list; /* "f32,int8"; NULL: the command's own */
    const char *cpu;            /* NULL: the best tier, or WLM_CPU */
    const char *peer;           /* NULL or "openblas" */
    double seconds_each;        /* most that a measurement takes; 0: the command's own */
    size_t kind;                /* of gemm: bench_kind */
    /* one of each list */
    uint64_t threads; /* 0: one per CPU */
    size_t precision; /* eng_precision; SIZE_MAX: none was asked for */
    /* of model, train and roofline */
    const char *seconds;     /* "1,3,10"; NULL: the command's own */
    uint64_t batch, repeats; /* 0: the command's own */
    bool checkpoint_layers, train_feature_encoder;
    bool allow_bf16;  /* int8 models */
    const char *data; /* of quality; NULL: the clips of tests/data */
    size_t exchange;  /* of train: 0: f32, 1: bf16 */
    bool one_by_one;  /* of train: exchange when nothing is computed */
} bench_options;

enum { BENCH_MOST_REPEATS = 256 };

typedef struct bench_table bench_table;

/* One run of the program: what every benchmark gets. */
typedef struct bench_run {
    const bench_options *options;
    eng_context ctx;
    size_t threads;
    bench_known known[2]; /* on one thread, on several */
    bench_table *table;   /* NULL: results are printed as they come */
    eng_ranks *ranks;     /* of train: those that measure one step together; rank 0 prints */
} bench_run;

/* What a measurement of a whole model has besides. */
typedef struct bench_network {
    const char *model; /* as the user called it */
    size_t batch;
    double seconds_audio; /* of all utterances of the batch together */
    double work_gflop;    /* of one call (flops.h) */
    size_t peak_bytes;    /* of the process, while this was measured */
    bool training, checkpoint_layers, train_feature_encoder;
    double forward_backward_s; /* training: the median without the optimizer */
    size_t ranks, shards;      /* training: of a step; 0: no training */
    double sent_bytes;         /* by a rank in a step, the mean */
    double waited_s;           /* by this rank in a step, the mean */
} bench_network;

/* One measurement; NAN stands for "does not apply". */
typedef struct bench_result {
    const char *bench;  /* "gemm" */
    const char *engine; /* "wavlm.c", or the peer's name */
    const char *shape;
    const char *kind; /* of a matrix product: "nt"; NULL */
    eng_precision precision;
    double work_gflop;         /* of one call */
    double time_s, time_min_s; /* median and shortest of all calls */
    double quiet_time_s;       /* median of the quiet calls; NAN where they are fewer than BENCH_LEAST_QUIET */
    double quiet_share;        /* median of each quiet call's share of the peak around it; NAN likewise */
    size_t calls, quiet_calls;
    double gflops, peak_gflops;   /* the peak measured between the calls, on as many threads */
    eng_precision peak_precision; /* what was multiplied there */
    double gbytes_s;              /* bytes read and written, each counted once */
    double max_error;             /* largest |y - reference| over the largest |reference|, on a sample */
    size_t threads;
    const bench_network *network; /* NULL, or what took the place of the shape */
} bench_result;

/* Prints one line to stdout: JSON (numbers that do not apply are null) or text. Where run->table is asked for, it gets
 * the result and the line goes to stderr. */
void bench_print(bench_run *run, const bench_result *r);

/* `, "name": value` to stdout, null where it does not apply; a text quoted. */
void bench_put_number(const char *name, double value);
void bench_put_text(const char *key, const char *value);

/* What a benchmark times. */
typedef void (*bench_fn)(void *arg);

/* ---- Probes (quiet.h) ---- */

/* Runs the loops on `threads` (1: the caller, or all of the pool) at once; of the tier's vector width, or of the best
 * tier of this machine for the portable one. Takes about 0.3 ms, and as much again where `precision` has a peak of its
 * own. */
bench_level bench_probe(bench_run *run, size_t threads, eng_precision precision);

/* p where the tier has instructions for products of that precision, else f32, whose peak is then taken. */
eng_precision bench_peak_precision(const bench_run *run, eng_precision p);

/* True where no-ops are known to take nothing from a core that nobody shares; elsewhere a probe is compared with the
 * best of the run. */
bool bench_probe_is_absolute(const bench_run *run);

/* Probes for a quarter of a second, so that the best of the run means something from the first call on. */
void bench_settle(bench_run *run);

/* Times fn(arg) of r->work_gflop (NAN: not counted in these) on r->threads for r->precision: one call that is not
 * counted, then calls in bursts of two milliseconds, probes between, for a fifth of a second at least and until
 * BENCH_ENOUGH_QUIET were quiet or `most_seconds` (or --seconds-each) are over. Sets the times, counts, gflops and
 * peaks of r; the peak is the highest of the measurement: a roof, which other loads on the machine only lower. --quick:
 * a hundredth of a second. */
void bench_time(bench_run *run, double most_seconds, bench_fn fn, void *arg, bench_result *r);

/* The same for r->network's calls, which take long by themselves: one that is not counted, then `repeats` (1 to
 * BENCH_MOST_REPEATS). Stops once run->ctx has failed; the times are then NAN. */
void bench_time_calls(bench_run *run, size_t repeats, bench_fn fn, void *arg, bench_result *r);

/* Fills x with reproducible numbers, uniform in [-1, 1). */
void bench_fill(size_t n, float *x, uint64_t seed);

/* One per command: operands narrow down what is run. False when an operand is not understood; it has been reported. */
bool bench_gemm(bench_run *run, size_t n, char **operands);
bool bench_ops(bench_run *run, size_t n, char **operands);
bool bench_model(bench_run *run, size_t n, char **operands);
bool bench_train(bench_run *run, size_t n, char **operands);
bool bench_roofline(bench_run *run, size_t n, char **operands);
bool bench_quality(bench_run *run, size_t n, char **operands);

#endif
