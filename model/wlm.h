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
 * Functions that can fail return 0 on success, else one of wlm_status, describe the failure in *err (which may be NULL)
 * and set *out to NULL; running out of memory is such a failure, after which everything that was open before is as it was.
 * The library never prints, never exits and keeps no global state.
 *
 * Threads: a handle (model, audio, result, stream) may be used by one thread at a time, and different handles by different
 * threads at once. wlm_model_share makes more handles on the weights of one model. wlm_cancel is for all threads.
 *
 * Versions: what is here stays until WLM_VERSION_MAJOR changes, and the soname with it. Handles are opaque and grow unseen.
 * Zero-initialise structs: each has room for fields to come, which mean what was before where they are 0; a library that
 * finds one set which it does not know (an older one) fails with WLM_E_UNSUPPORTED. */
#ifndef MODEL_WLM_H
#define MODEL_WLM_H

#include <stddef.h>

/* Of this header; wlm_version() tells the library's. */
#define WLM_VERSION_MAJOR 0
#define WLM_VERSION_MINOR 1
#define WLM_VERSION_PATCH 0

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
    WLM_E_USAGE,       /* the caller asked for something impossible */
    WLM_E_CANCELLED    /* wlm_cancel_request ended the call */
} wlm_status;

/* message: one line for a person, naming the file or tensor, what was expected and what was found. */
typedef struct wlm_error {
    int status;
    char message[1024];
} wlm_error;

/* Samples a second of all audio here. */
enum { WLM_SAMPLE_RATE = 16000 };

/* The library's version, "0.1.0". */
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
    size_t reserved[8];    /* 0 */
} wlm_options;

/* Loads a model: a folder as Hugging Face writes it (config.json beside model.safetensors or pytorch_model.bin), or a
 * checkpoint file with its config.json beside it; Microsoft's WavLM-*.pt carries its own configuration. options may be
 * NULL. Close with wlm_model_close. */
WLM_API int wlm_model_open(const char *path, const wlm_options *options, wlm_model **out, wlm_error *err);

/* Another handle on model's weights, with threads and memory for activations of its own, for another thread of the
 * caller's: results have the same bits from each. Of options (NULL: as for wlm_model_open) only threads is read; the rest
 * belongs to the weights and must be 0. With as many handles as CPUs, one thread each is fastest. Any thread may call this,
 * also while model runs in another; model may be closed before what was shared from it. Close with wlm_model_close. */
WLM_API int wlm_model_share(const wlm_model *model, const wlm_options *options, wlm_model **out, wlm_error *err);

/* Closes a handle (or NULL); the last one that shares the weights frees them. Streams on it are closed before. */
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

/* Frames of hidden states that so many samples give: one every 20 ms for the released models; 0: too few samples. */
WLM_API size_t wlm_model_frames(const wlm_model *model, size_t samples);

/* Hidden states there are, one more than layers: 0 is before the first layer, i after layer i; and their width. */
WLM_API size_t wlm_model_states(const wlm_model *model);
WLM_API size_t wlm_model_width(const wlm_model *model);

/* Size of an embedding (wlm_result_embedding). */
WLM_API size_t wlm_model_embedding_size(const wlm_model *model);

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

/* Frees a recording (or NULL). */
WLM_API void wlm_audio_free(wlm_audio *audio);

/* Channels, at least 1, and samples of each, at 16 kHz. */
WLM_API size_t wlm_audio_channels(const wlm_audio *audio);
WLM_API size_t wlm_audio_count(const wlm_audio *audio);

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
    size_t reserved[4];   /* 0 */
} wlm_input;

/* What else a run does, added together. */
enum {
    WLM_HIDDEN_STATES = 1, /* keep hidden states in the result */
    WLM_EACH = 2,          /* an input that cannot be labelled fails alone: wlm_result_status */
    WLM_EMBEDDINGS = 4     /* keep the embeddings in the result */
};

typedef struct wlm_cancel wlm_cancel;

typedef struct wlm_run_options {
    unsigned flags;
    const size_t *layers;   /* [layer_count], with WLM_HIDDEN_STATES: which ones to keep, in this order, each below
                               wlm_model_states; NULL: all of them */
    size_t layer_count;
    wlm_cancel *cancel;     /* ends the call; NULL: nothing does */
    void (*progress)(void *arg, double share); /* called now and then by the thread that runs, with the share of the work
                               that is done: it rises, to 1 at the end. NULL: nobody asks. It must not use the model */
    void *progress_arg;
    size_t reserved[8];     /* 0 */
} wlm_run_options;

typedef struct wlm_result wlm_result;

/* Labels n utterances as one batch. An utterance's result has the same bits in any batch, in any order, on any number of
 * threads. Without WLM_EACH one bad input (too short, without the gender or text that the model wants, or whose outputs
 * are not finite) fails the whole call; with it the call fails only for what concerns all: when memory runs out, where
 * smaller batches may still fit. Memory grows with the batch's audio, about 2 MB a second with WavLM Large, and 5 MB more
 * for all its hidden states, 0.2 MB for one. options may be NULL. Free with wlm_result_free. */
WLM_API int wlm_run_with(wlm_model *model, size_t n, const wlm_input *inputs, const wlm_run_options *options,
                         wlm_result **out, wlm_error *err);

/* The same, of whose options there are flags alone. */
WLM_API int wlm_run(wlm_model *model, size_t n, const wlm_input *inputs, unsigned flags, wlm_result **out,
                    wlm_error *err);

/* ---- Cancelling ---- */

/* Something by which one thread ends what others run (wlm_run_options.cancel), as many as are given it. The calls return
 * WLM_E_CANCELLED when the parts of a layer that they are at are done, and their models can be used again. Free with
 * wlm_cancel_free, after the last of the calls. */
WLM_API int wlm_cancel_new(wlm_cancel **out, wlm_error *err);
WLM_API void wlm_cancel_free(wlm_cancel *cancel);

/* Asks for it, from any thread or a signal handler; calls that begin later end at once, too. Until it is reset; a call
 * that has noticed is not called back by that. */
WLM_API void wlm_cancel_request(wlm_cancel *cancel);
WLM_API void wlm_cancel_reset(wlm_cancel *cancel);

/* ---- Results ---- */

/* Frees a result (or NULL). */
WLM_API void wlm_result_free(wlm_result *result);

/* Number of utterances. */
WLM_API size_t wlm_result_count(const wlm_result *result);

/* 0 when utterance u was run, else the status with which it failed, described in *err (which may be NULL). Never fails
 * without WLM_EACH. */
WLM_API int wlm_result_status(const wlm_result *result, size_t u, wlm_error *err);

/* Where utterance u lies in what it was cut from, samples [*begin, *end): in a stream, from its beginning; else [0, count).
 * Both are 0 when there is no such utterance. */
WLM_API void wlm_result_span(const wlm_result *result, size_t u, size_t *begin, size_t *end);

/* Of utterance u, in order of ids [labels]: raw outputs; probabilities (softmax; for regression the raw outputs). NULL
 * for a model without a head, and for an utterance that failed. Valid while the result is. */
WLM_API const float *wlm_result_logits(const wlm_result *result, size_t u);
WLM_API const float *wlm_result_scores(const wlm_result *result, size_t u);

/* Id of the most probable class of utterance u (the first of equals). */
WLM_API size_t wlm_result_best(const wlm_result *result, size_t u);

/* Embedding of utterance u [*size]: one vector for the whole of it, what the model's classifier begins with.
 *   WavLMForSpeechEmotion               the vector that `projection` reads: pooled over time as config.json says (mean, std,
 *                                       attention, attentive_std), then conditioned on gender and text where it is;
 *   Odyssey 2024 baseline               the vector that `ser_model` reads: attentive mean and deviation over time;
 *   WavLMForSequenceClassification      the mean over time of the last hidden state, or with use_weighted_layer_sum of the
 *                                       weighted sum, before `projector`;
 *   a backbone                          the mean over time of the last hidden state.
 * NULL unless asked for with WLM_EMBEDDINGS, and for an utterance that failed. Valid while the result is. */
WLM_API const float *wlm_result_embedding(const wlm_result *result, size_t u, size_t *size);

/* Hidden states of utterance u as Hugging Face defines them, [*states, *frames, *width]: all, wlm_model_states of them, or
 * those of wlm_run_options.layers, in that order. NULL unless asked for with WLM_HIDDEN_STATES, and for an utterance that
 * failed. Valid while the result is. */
WLM_API const float *wlm_result_hidden_states(const wlm_result *result, size_t u, size_t *states, size_t *frames,
                                              size_t *width);

/* ---- Streams ---- */

/* A recording without end, or too long to be one utterance, cut into windows as it comes in: window k is
 * [k hop, k hop + segment). Where the recording ends with samples that no window has covered, one more takes them; when
 * that would be less than `shortest`, it begins that much before the end. A recording shorter than a window is one. */
typedef struct wlm_stream_options {
    double segment, hop;        /* seconds; 0: 10, and hop as long as segment. A hop longer than it leaves gaps */
    double shortest;            /* seconds; 0: 1, or segment where that is shorter */
    double batch;               /* seconds of windows that wlm_stream_take runs together, but one window at least; 0: 30 */
    const char *gender;         /* as in wlm_input, of all windows */
    const float *text;
    const wlm_run_options *run; /* how windows are run; NULL: as wlm_run without flags. WLM_EACH is always set */
    size_t reserved[8];         /* 0 */
} wlm_stream_options;

typedef struct wlm_stream wlm_stream;

/* Opens a stream on a model, which is closed after it; between the calls of wlm_stream_take the model may run other things.
 * options may be NULL; what it points to is copied, but for cancel and progress_arg. Close with wlm_stream_close. */
WLM_API int wlm_stream_open(wlm_model *model, const wlm_stream_options *options, wlm_stream **out, wlm_error *err);

/* Closes a stream (or NULL). */
WLM_API void wlm_stream_close(wlm_stream *stream);

/* Adds samples, mono, 16 kHz, which are copied; runs nothing. Memory is held for what no window has yet been run of.
 * After wlm_stream_finish: WLM_E_USAGE. */
WLM_API int wlm_stream_push(wlm_stream *stream, const float *samples, size_t count, wlm_error *err);

/* Says that there are no more samples. */
WLM_API void wlm_stream_finish(wlm_stream *stream);

/* Runs the windows that are known by now, as many as make a batch, and gives their result; wlm_result_span tells where they
 * lie. NULL and 0: none is known, until there are more samples; after wlm_stream_finish: that was all. A window has the bits
 * that wlm_run gives for its samples, whatever the pieces that they came in. When the call fails, no window is lost: it
 * may be called again. Free with wlm_result_free; the result may outlive the stream. */
WLM_API int wlm_stream_take(wlm_stream *stream, wlm_result **out, wlm_error *err);

#ifdef __cplusplus
}
#endif

#endif
