/* wavlm.c: speech emotion recognition with WavLM on the CPU. The public API, for C and C++.
 *
 *     wlm_error err;
 *     wlm_model *model;
 *     if (wlm_model_open("wavlm-large-emotion", NULL, &model, &err)) { fprintf(stderr, "%s\n", err.message); ... }
 *     wlm_audio *audio;
 *     if (wlm_audio_read("call.wav", &audio, &err)) ...
 *     wlm_input input = {0};
 *     input.samples = wlm_audio_samples(audio, 0);
 *     input.count = wlm_audio_count(audio);
 *     wlm_result *result;
 *     if (wlm_run(model, 1, &input, 0, &result, &err)) ...
 *     printf("%s %.3f\n", wlm_model_label(model, wlm_result_best(result, 0)), wlm_result_scores(result, 0)[0]);
 *     wlm_result_free(result); wlm_audio_free(audio); wlm_model_close(model);
 *
 * Functions that can fail return 0 on success, else one of wlm_status, and describe the failure in *err (which may be
 * NULL). The library never prints, never exits and keeps no global state. A model may be used by one thread at a time;
 * different models are independent. Zero-initialise structs: fields added later keep their meaning at 0. */
#ifndef MODEL_WLM_H
#define MODEL_WLM_H

#include <stddef.h>

#if defined(__GNUC__)
#define WLM_API __attribute__((visibility("default")))
#else
#define WLM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wlm_status {
    WLM_OK = 0,
    WLM_E_MEMORY,      /* out of memory */
    WLM_E_IO,          /* a file cannot be opened, read or mapped */
    WLM_E_FORMAT,      /* a file is not what its format allows */
    WLM_E_MISSING,     /* something required is not there */
    WLM_E_MISMATCH,    /* something has another shape, type or value than expected */
    WLM_E_UNSUPPORTED, /* valid, but nothing that this library does */
    WLM_E_USAGE        /* the caller asked for something impossible */
} wlm_status;

/* message: one line for a person, naming the file or tensor, what was expected and what was found. */
typedef struct wlm_error {
    int status;
    char message[1024];
} wlm_error;

/* "0.1.0" */
WLM_API const char *wlm_version(void);

/* ---- Models ---- */

typedef struct wlm_model wlm_model;

typedef struct wlm_options {
    size_t threads;        /* 0: one per CPU that the process may run on */
    const char *cpu;       /* "portable", "neon", "avx2", "avx512", or "avx512-amx": without AMX, and so -bf16, -vnni, -dotprod;
                              NULL: the environment's WLM_CPU, else the best there is */
    const char *precision; /* "f32", "bf16" or "int8" products (fewer bits: faster, less exact); NULL: f32 */
    int allow_bf16;        /* 1: what int8 leaves in f32, convolutions and attention, may be bf16 where the CPU is fast at it:
                              faster there, with other bits than on other CPUs */
} wlm_options;

/* Loads a model: a folder as Hugging Face writes it (config.json beside model.safetensors or pytorch_model.bin), or a
 * checkpoint file with its config.json beside it; Microsoft's WavLM-*.pt carries its own configuration. options may be
 * NULL. Close with wlm_model_close. */
WLM_API int wlm_model_open(const char *path, const wlm_options *options, wlm_model **out, wlm_error *err);
WLM_API void wlm_model_close(wlm_model *model);

/* Number of outputs; 0 for a backbone without a head. */
WLM_API size_t wlm_model_labels(const wlm_model *model);

/* Name of output i (id2label); NULL when there is no such output. Valid while the model is. */
WLM_API const char *wlm_model_label(const wlm_model *model, size_t i);

/* 1: the outputs are values (arousal, dominance, valence), not classes; scores are the raw outputs. */
WLM_API int wlm_model_is_regression(const wlm_model *model);

/* 1: every input needs a gender. */
WLM_API int wlm_model_wants_gender(const wlm_model *model);

/* Size of the text embedding that every input needs; 0: none. */
WLM_API size_t wlm_model_text_size(const wlm_model *model);

/* Fewest samples at 16 kHz that give a result (400 for the released models). */
WLM_API size_t wlm_model_min_samples(const wlm_model *model);

/* Kernel tier, precision and number of threads in use. */
WLM_API const char *wlm_model_cpu(const wlm_model *model);
WLM_API const char *wlm_model_precision(const wlm_model *model);
WLM_API size_t wlm_model_threads(const wlm_model *model);

/* Something the user should know about how the files were read, one line; NULL when there is nothing. */
WLM_API const char *wlm_model_note(const wlm_model *model);

/* ---- Audio ---- */

typedef struct wlm_audio wlm_audio;

/* Reads an audio file ("-": standard input) and resamples it to 16 kHz. WAV is decoded here, everything else by the
 * ffmpeg program when it is installed, which opens no file itself: one that names others (a playlist) is an error. */
WLM_API int wlm_audio_read(const char *path, wlm_audio **out, wlm_error *err);
WLM_API void wlm_audio_free(wlm_audio *audio);

WLM_API size_t wlm_audio_channels(const wlm_audio *audio);
WLM_API size_t wlm_audio_count(const wlm_audio *audio); /* samples of each channel, at 16 kHz */

/* Samples of channel c; NULL when there is no such channel. Valid while the audio is. */
WLM_API const float *wlm_audio_samples(const wlm_audio *audio, size_t c);

/* Replaces all channels by their mean. */
WLM_API void wlm_audio_mix(wlm_audio *audio);

/* ---- Running ---- */

typedef struct wlm_input {
    const float *samples; /* mono, 16 kHz */
    size_t count;
    const char *gender;   /* "female" or "male", for a model that wants it; else ignored */
    const float *text;    /* text embedding, for a model that wants one; else ignored */
} wlm_input;

/* For wlm_run, added together. */
enum {
    WLM_HIDDEN_STATES = 1, /* keep all hidden states in the result */
    WLM_EACH = 2           /* an input that cannot be labelled fails alone: wlm_result_status */
};

typedef struct wlm_result wlm_result;

/* Labels n utterances as one batch. An utterance's result has the same bits in any batch, in any order, on any number of
 * threads. Without WLM_EACH one bad input (too short, without the gender or text that the model wants, or whose outputs
 * are not finite) fails the whole call; with it the call fails only for what concerns all: when memory runs out, where
 * smaller batches may still fit. Memory grows with the batch's audio, about 2 MB a second with WavLM Large, and 5 MB more
 * for its hidden states. Free with wlm_result_free. */
WLM_API int wlm_run(wlm_model *model, size_t n, const wlm_input *inputs, unsigned flags, wlm_result **out,
                    wlm_error *err);
WLM_API void wlm_result_free(wlm_result *result);

/* 0 when utterance u was run, else the status with which it failed, described in *err (which may be NULL). Never fails
 * without WLM_EACH. */
WLM_API int wlm_result_status(const wlm_result *result, size_t u, wlm_error *err);

/* Of utterance u, in order of ids [labels]: raw outputs; probabilities (softmax; for regression the raw outputs). NULL
 * for a model without a head, and for an utterance that failed. Valid while the result is. */
WLM_API const float *wlm_result_logits(const wlm_result *result, size_t u);
WLM_API const float *wlm_result_scores(const wlm_result *result, size_t u);

/* Id of the most probable class of utterance u (the first of equals). */
WLM_API size_t wlm_result_best(const wlm_result *result, size_t u);

/* Hidden states of utterance u as Hugging Face defines them, [states, frames, width], states = layers + 1; NULL unless
 * asked for, and for an utterance that failed. */
WLM_API const float *wlm_result_hidden_states(const wlm_result *result, size_t u, size_t *states, size_t *frames,
                                              size_t *width);

#ifdef __cplusplus
}
#endif

#endif
