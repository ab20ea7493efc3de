/* What the benchmarks share: options, timing, and the form of a result. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/context.h"

/* Set by the command line. */
typedef struct bench_options {
    bool json;
    uint64_t threads; /* 0: one per CPU */
    const char *cpu;  /* NULL: the best tier, or WLM_CPU */
    size_t precision; /* 0: f32 */
    const char *peer; /* NULL or "openblas" */
    /* of model and train */
    const char *seconds;     /* "1,3,10"; NULL: the command's own */
    uint64_t batch, repeats; /* 0: the command's own */
    bool checkpoint_layers, train_feature_encoder;
} bench_options;

enum { BENCH_MOST_REPEATS = 256 };

/* One run of the program: what every benchmark gets. */
typedef struct bench_run {
    const bench_options *options;
    eng_context ctx;
    size_t threads;
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
} bench_network;

/* One measurement; NAN stands for "does not apply". */
typedef struct bench_result {
    const char *bench;  /* "gemm" */
    const char *engine; /* "wavlm.c", or the peer's name */
    const char *shape;
    double time_s, time_min_s;  /* median and shortest */
    double gflops, peak_gflops; /* the peak measured between the repetitions, on as many threads */
    double gbytes_s;            /* bytes read and written, each counted once */
    double max_error;           /* largest |y - reference| over the largest |reference|, on a sample */
    size_t threads;
    const bench_network *network; /* NULL, or what took the place of the shape */
} bench_result;

/* Prints one line to stdout: JSON (numbers that do not apply are null) or text. */
void bench_print(const bench_run *run, const bench_result *r);

/* Seconds on the monotonic clock. */
double bench_now(void);

/* Median of n > 0 values; sorts them. */
double bench_median(size_t n, double *values);

/* What a benchmark times. */
typedef void (*bench_fn)(void *arg);

/* Times fn(arg) in rounds: the peak, one call that is not counted, then counted calls. Sets
 * r->time_s and time_min_s to the median and the shortest of all calls, and r->peak_gflops to the highest peak of the
 * rounds: a roof, which other loads on the machine only lower. The rounds spread a measurement over time, so that a
 * passing load hits some of them only. with_peak false leaves the peak NAN. */
void bench_time(bench_run *run, bool with_peak, bench_fn fn, void *arg, bench_result *r);

/* The same for calls that take long by themselves: one that is not counted, then `repeats` (1 to BENCH_MOST_REPEATS),
 * the peak measured before each. Stops once run->ctx has failed; the times are then NAN. */
void bench_time_calls(bench_run *run, size_t repeats, bench_fn fn, void *arg, bench_result *r);

/* f32 GFLOP/s of fused multiply-adds that touch no memory, on `threads` workers of the pool at once; of the tier's
 * vector width, or of the best tier of this machine for the scalar one. Takes about a millisecond. */
double bench_peak_f32(const bench_run *run, size_t threads);

/* Fills x with reproducible numbers, uniform in [-1, 1). */
void bench_fill(size_t n, float *x, uint64_t seed);

/* One per command: operands narrow down what is run. False when an operand is not understood; it has been reported. */
bool bench_gemm(bench_run *run, size_t n, char **operands);
bool bench_ops(bench_run *run, size_t n, char **operands);
bool bench_model(bench_run *run, size_t n, char **operands);
bool bench_train(bench_run *run, size_t n, char **operands);

#endif
