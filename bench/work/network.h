/* What `bench model` and `bench train` share: models by name, batches of noise, the process's memory. */
#ifndef BENCH_WORK_NETWORK_H
#define BENCH_WORK_NETWORK_H

#include "bench/bench.h"
#include "model/network/forward.h"

enum { BENCH_MOST_LENGTHS = 64, BENCH_SEED = 1 };

/* A batch to measure on: so many utterances of so many seconds each. */
typedef struct bench_case {
    size_t batch;
    double seconds;
} bench_case;

/* The cases that --seconds and --batch ask for, else the n_usual given; in out [BENCH_MOST_LENGTHS]. Returns how many; 0
 * when --seconds cannot be read, which has been reported. */
size_t bench_cases(const bench_run *run, size_t n_usual, const bench_case *usual, bench_case *out);

/* Opens a model for inference (as it is) or for training (with a new head of four labels) on k's kernels. name: large,
 * base or base-plus, with random weights and without a head, or a folder or file as the programs take it; a folder with
 * config.json alone gets random weights too. precision as mdl_model_load takes it; of a model for training, NULL. */
eng_status bench_open(bench_run *run, const char *name, bool trainable, const eng_precision *precision,
                      const kern_table *k, mdl_model **out, eng_error *err);

/* --precision into *asked, and its address; NULL when none was asked for. */
const eng_precision *bench_precision(const bench_run *run, eng_precision *asked);

/* Noise for n utterances. */
typedef struct bench_noise {
    size_t n, samples;  /* each */
    float *wave, *text; /* [n * samples]; [text_size] or NULL */
    mdl_input *inputs;  /* [n]; female where the model asks */
} bench_noise;

/* Error: too short for m, out of memory. Free with bench_noise_fini, also after an error. */
eng_status bench_noise_init(const mdl_model *m, bench_case what, bench_noise *out, eng_error *err);
void bench_noise_fini(bench_noise *noise);

/* Begins anew with the process's peak of resident memory; where the system cannot, the peak stays the process's. */
void bench_reset_peak(void);

/* Bytes. */
size_t bench_peak_bytes(void);

#endif
